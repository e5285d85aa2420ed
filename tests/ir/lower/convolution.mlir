// RUN: difc opt %s --passes lower | filecheck %s

// Padding is taken out, and windows of two dims are IREE's own op.
// CHECK-LABEL: func.func @plane
func.func @plane(%x: tensor<2x8x8x16xf32>, %w: tensor<3x3x16x4xf32>) -> tensor<2x8x8x4xf32> {
  %y = "dif.conv"(%x, %w) {strides = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>, lhs_dilation = array<i64: 1, 1>, rhs_dilation = array<i64: 1, 1>, groups = 1 : i64} : (tensor<2x8x8x16xf32>, tensor<3x3x16x4xf32>) -> tensor<2x8x8x4xf32>
  return %y : tensor<2x8x8x4xf32>
}
// CHECK: tensor.pad %arg0 low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK: linalg.conv_2d_nhwc_hwcf

// -----
// One channel in: one kernel of products of slices.
// CHECK-LABEL: func.func @one_channel
func.func @one_channel(%x: tensor<2x8x8x1xf32>, %w: tensor<2x2x1x4xf32>) -> tensor<2x7x7x4xf32> {
  %y = "dif.conv"(%x, %w) {strides = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, lhs_dilation = array<i64: 1, 1>, rhs_dilation = array<i64: 1, 1>, groups = 1 : i64} : (tensor<2x8x8x1xf32>, tensor<2x2x1x4xf32>) -> tensor<2x7x7x4xf32>
  return %y : tensor<2x7x7x4xf32>
}
// CHECK-COUNT-8: tensor.extract_slice
// CHECK-NOT: linalg.conv
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel"]

// -----
// With zeros between its elements, as in the derivative of one with strides: twice the channels, half the windows.
// CHECK-LABEL: func.func @spread
func.func @spread(%x: tensor<2x8x16xf32>, %w: tensor<4x16x4xf32>) -> tensor<2x12x4xf32> {
  %y = "dif.conv"(%x, %w) {strides = array<i64: 1>, low = array<i64: 0>, high = array<i64: 0>, lhs_dilation = array<i64: 2>, rhs_dilation = array<i64: 1>, groups = 1 : i64} : (tensor<2x8x16xf32>, tensor<4x16x4xf32>) -> tensor<2x12x4xf32>
  return %y : tensor<2x12x4xf32>
}
// CHECK: tensor<{{[0-9]+}}x32xf32>, tensor<32x8xf32>
