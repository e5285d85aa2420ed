// RUN: not difc opt %s --passes lower 2>&1 | filecheck %s

func.func private @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}

func.func @g(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = "fun.call"(%x) {callee = @f} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// CHECK: error: 'fun.call' has no lowering
// CHECK-NEXT: requests_left.mlir:8:8
// CHECK: Remedy: expand requests and inline calls before lowering: run the pass `expand-ad`
