// RUN: difc opt %s --passes "linearize{fn=f},check-linear{fn=f_lin},transpose{fn=f_lin}" | filecheck %s

// Residuals of sin x * y are cos x, y and sin x; the linear part has no other primal value.

func.func @f(%x: tensor<3xf64>, %y: tensor<3xf64>) -> tensor<3xf64> {
  %0 = "dif.sin"(%x) : (tensor<3xf64>) -> tensor<3xf64>
  %1 = "dif.mul"(%0, %y) : (tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
  return %1 : tensor<3xf64>
}

// CHECK-LABEL: func.func @f_fwd(
// CHECK-SAME: [[X0:%\w+]]: tensor<3xf64>, [[X1:%\w+]]: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>)
// CHECK-NEXT: [[V0:%\w+]] = "dif.sin"([[X0]])
// CHECK-NEXT: [[V1:%\w+]] = "dif.cos"([[X0]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.mul"([[V0]], [[X1]])
// CHECK-NEXT: return [[V2]], [[V1]], [[X1]], [[V0]]

// CHECK-LABEL: func.func @f_lin(
// CHECK-SAME: [[X0:%\w+]]: tensor<3xf64>, [[X1:%\w+]]: tensor<3xf64>, [[X2:%\w+]]: tensor<3xf64>, [[X3:%\w+]]: tensor<3xf64>, [[X4:%\w+]]: tensor<3xf64>) -> tensor<3xf64> attributes {dif.linear_args = 2 : i64}
// CHECK-NEXT: [[V0:%\w+]] = "dif.mul"([[X0]], [[X2]])
// CHECK-NEXT: [[V1:%\w+]] = "dif.mul"([[V0]], [[X3]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.mul"([[X4]], [[X1]])
// CHECK-NEXT: [[V3:%\w+]] = "dif.add"([[V1]], [[V2]])
// CHECK-NEXT: return [[V3]]

// CHECK-LABEL: func.func @f_bwd(
// CHECK-SAME: [[X0:%\w+]]: tensor<3xf64>, [[X1:%\w+]]: tensor<3xf64>, [[X2:%\w+]]: tensor<3xf64>, [[X3:%\w+]]: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>)
// CHECK-NEXT: [[V0:%\w+]] = "dif.mul"([[X2]], [[X3]])
// CHECK-NEXT: [[V1:%\w+]] = "dif.mul"([[X3]], [[X1]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.mul"([[V1]], [[X0]])
// CHECK-NEXT: return [[V2]], [[V0]]
