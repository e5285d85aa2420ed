// RUN: not difc opt %s --passes "check-linear{fn=square_lin}" 2>&1 | filecheck %s
// RUN: not difc opt %s --passes "transpose{fn=plain}" 2>&1 | filecheck %s --check-prefix=PLAIN

func.func @square_lin(%t: tensor<f64>) -> tensor<f64> attributes {dif.linear_args = 1 : i64} {
  %0 = "dif.mul"(%t, %t) : (tensor<f64>, tensor<f64>) -> tensor<f64>
  return %0 : tensor<f64>
}

func.func @plain(%t: tensor<f64>) -> tensor<f64> {
  return %t : tensor<f64>
}

// CHECK: error: the linear part of a derivative holds dif.mul, which is not linear in operands [0, 1] together
// CHECK-NEXT: not_linear.mlir:5:8

// PLAIN: error: @plain does not say which arguments it is linear in
// PLAIN-NEXT: not_linear.mlir:9:1
// PLAIN: Remedy: give the function an attribute dif.linear_args
