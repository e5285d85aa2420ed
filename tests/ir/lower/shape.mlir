// Run-time sizes are compared by what they are products of: one group stays one group.
// CHECK-LABEL: func.func @merged
func.func @merged(%x: tensor<?x4x5xf32>) -> tensor<?x5xf32> {
  %n = "dif.dim"(%x) {dimension = 0 : i64} : (tensor<?x4x5xf32>) -> tensor<i64>
  %four = "dif.constant"() {value = dense<4> : tensor<i64>} : () -> tensor<i64>
  %m = "dif.mul"(%n, %four) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %y = "dif.reshape"(%x, %m) {shape = array<i64: -1, 5>} : (tensor<?x4x5xf32>, tensor<i64>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}
// CHECK: tensor.collapse_shape %arg0 {{\[\[}}0, 1], [2]] : tensor<?x4x5xf32> into tensor<?x5xf32>
// CHECK-NOT: expand_shape
// CHECK: return

// -----
// Negative padding is no tensor.pad: elements are chosen one by one.
// CHECK-LABEL: func.func @cropped
func.func @cropped(%x: tensor<5xf32>, %v: tensor<f32>) -> tensor<5xf32> {
  %y = "dif.pad"(%x, %v) {low = array<i64: -1>, high = array<i64: 1>, interior = array<i64: 0>} : (tensor<5xf32>, tensor<f32>) -> tensor<5xf32>
  return %y : tensor<5xf32>
}
// CHECK: linalg.generic {{.*}} ins(%arg1 : tensor<f32>)
// CHECK: tensor.extract %arg0
// CHECK: arith.select
