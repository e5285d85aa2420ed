// A transposed operand is read as it lies, through the map.
// CHECK: #[[A:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK: #[[B:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-LABEL: func.func @transposed
func.func @transposed(%x: tensor<8x4xf32>, %y: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %t = "dif.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %z = "dif.dot_general"(%t, %y) {lhs_batch = array<i64>, rhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_contract = array<i64: 0>} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  return %z : tensor<4x16xf32>
}
// CHECK-NOT: linalg.transpose
// CHECK: linalg.generic {indexing_maps = [#[[A]], #[[B]], #{{.*}}], iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0, %arg1

// -----
// Several free dims become one; half floats accumulate in f32.
// CHECK-LABEL: func.func @collapsed
func.func @collapsed(%x: tensor<2x3x8xbf16>, %y: tensor<8x5xbf16>) -> tensor<2x3x5xbf16> {
  %z = "dif.dot_general"(%x, %y) {lhs_batch = array<i64>, rhs_batch = array<i64>, lhs_contract = array<i64: 2>, rhs_contract = array<i64: 0>} : (tensor<2x3x8xbf16>, tensor<8x5xbf16>) -> tensor<2x3x5xbf16>
  return %z : tensor<2x3x5xbf16>
}
// CHECK: tensor.collapse_shape %arg0 {{\[\[}}0, 1], [2]] : tensor<2x3x8xbf16> into tensor<6x8xbf16>
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<6x5xf32>)
// CHECK: arith.truncf
// CHECK: tensor.expand_shape {{.*}} output_shape [2, 3, 5]
