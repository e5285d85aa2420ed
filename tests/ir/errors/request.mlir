// RUN: not difc opt %s --passes expand-ad 2>&1 | filecheck %s

func.func private @f(%x: tensor<3xf64>) -> tensor<3xf64> {
  return %x : tensor<3xf64>
}

func.func @wrong_mask(%x: tensor<3xf64>) -> tensor<3xf64> {
  %0:2 = "fun.jvp"(%x, %x) {callee = @f, mask = array<i1: true, true>} : (tensor<3xf64>, tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>)
  return %0#1 : tensor<3xf64>
}

func.func @wrong_name(%x: tensor<3xf64>) -> tensor<3xf64> {
  %0 = "fun.call"(%x) {callee = @g} : (tensor<3xf64>) -> tensor<3xf64>
  return %0 : tensor<3xf64>
}

// CHECK: error: 'fun.jvp' op does not fit @f: mask has 2 entries for 1 arguments
// CHECK-NEXT: request.mlir:8:10
// CHECK: 'fun.call' op names a function @g that is not there
// CHECK-NEXT: request.mlir:13:8
