// RUN: difc opt %s --passes "vmap{fn=matvec in_axes=-1,0 size=8}" | filecheck %s
// RUN: difc opt %s --passes "vmap{fn=matvec in_axes=-1,1 out_axes=1},simplify" | filecheck %s --check-prefix=COLUMNS

// A matrix times a batch of vectors is one contraction.

func.func @matvec(%w: tensor<4x3xf32>, %x: tensor<3xf32>) -> tensor<4xf32> {
  %0 = "dif.dot_general"(%w, %x) {lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 0>} : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @matvec_vmap(
// CHECK-SAME: [[X0:%\w+]]: tensor<4x3xf32>, [[X1:%\w+]]: tensor<8x3xf32>) -> tensor<8x4xf32>
// CHECK-NEXT: [[V0:%\w+]] = "dif.dot_general"([[X0]], [[X1]]) {lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 1>}
// CHECK-NEXT: [[V1:%\w+]] = "dif.transpose"([[V0]]) {permutation = array<i64: 1, 0>}
// CHECK-NEXT: return [[V1]]

// COLUMNS-LABEL: func.func @matvec_vmap(
// COLUMNS-SAME: [[X0:%\w+]]: tensor<4x3xf32>, [[X1:%\w+]]: tensor<3x?xf32>) -> tensor<4x?xf32>
// COLUMNS-NEXT: [[V0:%\w+]] = "dif.transpose"([[X1]]) {permutation = array<i64: 1, 0>}
// COLUMNS-NEXT: [[V1:%\w+]] = "dif.dot_general"([[X0]], [[V0]]) {lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 1>}
// COLUMNS-NEXT: return [[V1]]
