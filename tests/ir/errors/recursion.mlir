// RUN: not difc opt %s --passes inline 2>&1 | filecheck %s

func.func @f(%x: tensor<f64>) -> tensor<f64> {
  %0 = "fun.call"(%x) {callee = @g} : (tensor<f64>) -> tensor<f64>
  return %0 : tensor<f64>
}

func.func @g(%x: tensor<f64>) -> tensor<f64> {
  %0:2 = "fun.jvp"(%x, %x) {callee = @f, mask = array<i1: true>} : (tensor<f64>, tensor<f64>) -> (tensor<f64>, tensor<f64>)
  return %0#0 : tensor<f64>
}

func.func @h(%x: tensor<f64>) -> tensor<f64> {
  %0 = "fun.call"(%x) {callee = @h} : (tensor<f64>) -> tensor<f64>
  return %0 : tensor<f64>
}

// CHECK: error: @g calls @f, which leads back to it: functions cannot be recursive
// CHECK-NEXT: recursion.mlir:9:10
// CHECK: @h calls itself: functions cannot be recursive
// CHECK-NEXT: recursion.mlir:14:8
