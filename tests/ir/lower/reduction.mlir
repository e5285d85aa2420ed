// One result of many elements takes two kernels.
// CHECK-LABEL: func.func @large
func.func @large(%x: tensor<1048576xf32>) -> tensor<f32> {
  %y = "dif.reduce_sum"(%x) {axes = array<i64: 0>} : (tensor<1048576xf32>) -> tensor<f32>
  return %y : tensor<f32>
}
// CHECK: tensor.expand_shape %arg0 {{.*}} into tensor<1024x1024xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: linalg.generic {{.*}} iterator_types = ["reduction"]

// -----
// CHECK-LABEL: func.func @running
func.func @running(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %y = "dif.cumsum"(%x) {axis = 0 : i64, reverse = false} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
// CHECK: "iree_linalg_ext.scan"(%arg0, %{{.*}}, %{{.*}}) ({
// CHECK: arith.addf
// CHECK: }) {dimension = 0 : i64
