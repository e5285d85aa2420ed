// RUN: difc opt %s --passes "expand-ad,simplify" | filecheck %s

// Requests on functions that hold requests themselves are expanded innermost first, whoever wrote them: here the
// product of the Hessian of x^3 with a vector, forward over reverse, and a batch of gradients.

func.func private @cube(%x: tensor<f64>) -> tensor<f64> {
  %0 = "dif.mul"(%x, %x) : (tensor<f64>, tensor<f64>) -> tensor<f64>
  %1 = "dif.mul"(%0, %x) : (tensor<f64>, tensor<f64>) -> tensor<f64>
  return %1 : tensor<f64>
}

func.func private @gradient(%x: tensor<f64>) -> tensor<f64> {
  %one = "dif.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
  %0:2 = "fun.vjp"(%x, %one) {callee = @cube, mask = array<i1: true>, out_mask = array<i1: true>} : (tensor<f64>, tensor<f64>) -> (tensor<f64>, tensor<f64>)
  return %0#1 : tensor<f64>
}

func.func @hvp(%x: tensor<f64>, %v: tensor<f64>) -> tensor<f64> {
  %0:2 = "fun.jvp"(%x, %v) {callee = @gradient, mask = array<i1: true>} : (tensor<f64>, tensor<f64>) -> (tensor<f64>, tensor<f64>)
  return %0#1 : tensor<f64>
}

func.func @gradients(%x: tensor<7xf64>) -> tensor<7xf64> {
  %0 = "fun.vmap"(%x) {callee = @gradient, in_axes = array<i64: 0>, out_axes = array<i64: 0>} : (tensor<7xf64>) -> tensor<7xf64>
  return %0 : tensor<7xf64>
}

// CHECK-LABEL: func.func @hvp(
// CHECK-SAME: [[X0:%\w+]]: tensor<f64>, [[X1:%\w+]]: tensor<f64>) -> tensor<f64>
// CHECK-NEXT: [[V0:%\w+]] = "dif.mul"([[X1]], [[X0]])
// CHECK-NEXT: [[V1:%\w+]] = "dif.add"([[V0]], [[V0]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.add"([[V1]], [[V1]])
// CHECK-NEXT: [[V3:%\w+]] = "dif.add"([[V2]], [[V1]])
// CHECK-NEXT: return [[V3]]

// CHECK-LABEL: func.func @gradients(
// CHECK-SAME: [[X0:%\w+]]: tensor<7xf64>) -> tensor<7xf64>
// CHECK-NEXT: [[V0:%\w+]] = "dif.mul"([[X0]], [[X0]])
// CHECK-NEXT: [[V1:%\w+]] = "dif.add"([[V0]], [[V0]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.add"([[V1]], [[V0]])
// CHECK-NEXT: return [[V2]]
