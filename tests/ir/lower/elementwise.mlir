// Constants and broadcasts are read inside the body; each op is one generic.
// CHECK-LABEL: func.func @scale_and_shift
func.func @scale_and_shift(%x: tensor<?x4xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %n = "dif.dim"(%x) {dimension = 0 : i64} : (tensor<?x4xf32>) -> tensor<i64>
  %two = "dif.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %twos = "dif.broadcast_in_dim"(%two, %n) {shape = array<i64: -1, 4>, dimensions = array<i64>} : (tensor<f32>, tensor<i64>) -> tensor<?x4xf32>
  %bs = "dif.broadcast_in_dim"(%b, %n) {shape = array<i64: -1, 4>, dimensions = array<i64: 1>} : (tensor<4xf32>, tensor<i64>) -> tensor<?x4xf32>
  %y = "dif.mul"(%x, %twos) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = "dif.add"(%y, %bs) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
// CHECK: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK: linalg.generic {{.*}} ins(%arg0 : tensor<?x4xf32>)
// CHECK: arith.mulf %{{.*}}, %[[TWO]] : f32
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %arg1 : tensor<?x4xf32>, tensor<4xf32>)
// CHECK: arith.addf
// CHECK-NOT: linalg.generic
// CHECK: return

// -----
// Half floats compute functions in f32.
// CHECK-LABEL: func.func @half
func.func @half(%x: tensor<4xf16>) -> tensor<4xf16> {
  %y = "dif.sqrt"(%x) : (tensor<4xf16>) -> tensor<4xf16>
  return %y : tensor<4xf16>
}
// CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK-NEXT: %[[Y:.*]] = math.sqrt %[[WIDE]] : f32
// CHECK-NEXT: arith.truncf %[[Y]] : f32 to f16

// -----
// Unsigned integers are signless tensors and unsigned ops.
// CHECK-LABEL: func.func @unsigned(%arg0: tensor<3xi8>, %arg1: tensor<3xi8>) -> tensor<3xi8>
func.func @unsigned(%x: tensor<3xui8>, %y: tensor<3xui8>) -> tensor<3xui8> {
  %z = "dif.max"(%x, %y) : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  return %z : tensor<3xui8>
}
// CHECK: arith.maxui
