// RUN: difc opt %s --passes "transpose{fn=affine_lin}" | filecheck %s

// The transpose of t -> w t + t is ct -> w^T ct + ct.

func.func @affine_lin(%t: tensor<3xf32>, %w: tensor<3x3xf32>) -> tensor<3xf32> attributes {dif.linear_args = 1 : i64} {
  %0 = "dif.dot_general"(%w, %t) {lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 0>} : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %1 = "dif.add"(%0, %t) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// CHECK-LABEL: func.func @affine_bwd(
// CHECK-SAME: [[X0:%\w+]]: tensor<3x3xf32>, [[X1:%\w+]]: tensor<3xf32>) -> tensor<3xf32>
// CHECK-NEXT: [[V0:%\w+]] = "dif.dot_general"([[X0]], [[X1]]) {lhs_batch = array<i64>, lhs_contract = array<i64: 0>, rhs_batch = array<i64>, rhs_contract = array<i64: 0>}
// CHECK-NEXT: [[V1:%\w+]] = "dif.add"([[X1]], [[V0]])
// CHECK-NEXT: return [[V1]]
