// RUN: not difc opt %s 2>&1 | filecheck %s

func.func @f(%x: tensor<3xf64>) -> tensor<3xf64> {
  %0 = "dif.sine"(%x) : (tensor<3xf64>) -> tensor<3xf64>
  return %0 : tensor<3xf64>
}

// CHECK: error: unregistered operation 'dif.sine'
// CHECK-NEXT: unknown_op.mlir:4:8
