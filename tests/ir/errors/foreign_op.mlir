// RUN: not difc opt %s --passes "jvp{fn=f}" 2>&1 | filecheck %s

func.func @f(%x: tensor<3xf64>) -> tensor<3xf64> {
  %0 = math.sin %x : tensor<3xf64>
  return %0 : tensor<3xf64>
}

// CHECK: error: the pass `jvp` does not take 'math.sin'
// CHECK-NEXT: foreign_op.mlir:4:8
// CHECK: Remedy: give it functions of `dif` and `fun` ops, of one block each
