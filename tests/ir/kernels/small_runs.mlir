// RUN: difc opt %s --passes lower | filecheck %s

// A run on small arrays is one kernel; what comes out of it is needed by the large array, and by nothing before that.
// CHECK: "flow.executable"()
// CHECK: func.func @difc_loop_0
// CHECK-NOT: scf.for
// CHECK: linalg.generic
// CHECK: "iree_codegen.fusion_barrier"
// CHECK: linalg.generic
// CHECK: "iree_tensor_ext.dispatch.tensor.store"
// CHECK-NOT: "iree_tensor_ext.dispatch.tensor.store"
// CHECK: "flow.executable_end"
// CHECK-LABEL: func.func @weights
func.func @weights(%x: tensor<4xf32>, %big: tensor<4096x4xf32>) -> (tensor<4xf32>, tensor<4096x4xf32>) {
  %larger = "dif.mul"(%big, %big) : (tensor<4096x4xf32>, tensor<4096x4xf32>) -> tensor<4096x4xf32>
  %a = "dif.mul"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %s = "dif.reduce_sum"(%a) {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
  %b = "dif.broadcast_in_dim"(%s) {dimensions = array<i64>, shape = array<i64: 4>} : (tensor<f32>) -> tensor<4xf32>
  %c = "dif.sub"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %m = "dif.reduce_max"(%c) {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
  %d = "dif.broadcast_in_dim"(%m) {dimensions = array<i64>, shape = array<i64: 4>} : (tensor<f32>) -> tensor<4xf32>
  %e = "dif.mul"(%c, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %t = "dif.reduce_sum"(%e) {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
  %f = "dif.broadcast_in_dim"(%t) {dimensions = array<i64>, shape = array<i64: 4>} : (tensor<f32>) -> tensor<4xf32>
  %g = "dif.mul"(%e, %f) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %p = "dif.reduce_prod"(%g) {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
  %h = "dif.broadcast_in_dim"(%p) {dimensions = array<i64>, shape = array<i64: 4>} : (tensor<f32>) -> tensor<4xf32>
  %i = "dif.mul"(%g, %h) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %rows = "dif.broadcast_in_dim"(%i) {dimensions = array<i64: 1>, shape = array<i64: 4096, 4>} : (tensor<4xf32>) -> tensor<4096x4xf32>
  %y = "dif.mul"(%larger, %rows) : (tensor<4096x4xf32>, tensor<4096x4xf32>) -> tensor<4096x4xf32>
  return %i, %y : tensor<4xf32>, tensor<4096x4xf32>
}
// CHECK: linalg.generic
// CHECK: %[[I:.*]] = "flow.dispatch"(%arg0) {entry_points = [@difc_loop_0::@difc_loop_0]
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[I]] :
// CHECK-NOT: linalg.generic
// CHECK: return %[[I]]

// Two operations are fused by IREE, and stay.
// CHECK-LABEL: func.func @few
func.func @few(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = "dif.mul"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = "dif.sub"(%a, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %b : tensor<4xf32>
}
// CHECK-NOT: flow.dispatch
// CHECK: return
