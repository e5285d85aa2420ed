// Points are clamped where they are read.
// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<10x4xf32>, %i: tensor<3x1xi32>) -> tensor<3x4xf32> {
  %y = "dif.gather"(%x, %i) {axes = array<i64: 0>, batch = 0 : i64, mode = "clip"} : (tensor<10x4xf32>, tensor<3x1xi32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
// CHECK: linalg.generic
// CHECK: tensor.extract %arg1
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: tensor.extract %arg0
// CHECK: linalg.yield

// -----
// Scattered updates are applied in order, fenced from the kernels that compute them.
// CHECK-LABEL: func.func @embedding_gradient
func.func @embedding_gradient(%x: tensor<10x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> tensor<10x4xf32> {
  %y = "dif.scatter_add"(%x, %i, %u) {axes = array<i64: 0>, batch = 0 : i64, mode = "clip"} : (tensor<10x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>) -> tensor<10x4xf32>
  return %y : tensor<10x4xf32>
}
// CHECK: %[[U:.*]] = "iree_tensor_ext.compute_barrier.start"(%arg2)
// CHECK: %[[I:.*]] = "iree_tensor_ext.compute_barrier.start"({{.*}}) : (tensor<3x1xi32>)
// CHECK: "iree_linalg_ext.scatter"(%[[U]], %[[I]], %{{.*}})
// CHECK: unique_indices = false
