// Each family of ops as text: parsed, verified and printed again.

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<2x?xf32>, %n: tensor<4xui8>, %p: tensor<2x?xi1>) -> (tensor<2x?xf32>, tensor<4xi64>) {
  // CHECK: %[[SIN:.*]] = "dif.sin"(%arg0) : (tensor<2x?xf32>) -> tensor<2x?xf32>
  %0 = "dif.sin"(%x) : (tensor<2x?xf32>) -> tensor<2x?xf32>
  // CHECK: "dif.compare"(%arg0, %[[SIN]]) {direction = "lt"} : (tensor<2x?xf32>, tensor<2x?xf32>) -> tensor<2x?xi1>
  %1 = "dif.compare"(%x, %0) {direction = "lt"} : (tensor<2x?xf32>, tensor<2x?xf32>) -> tensor<2x?xi1>
  // CHECK: "dif.and"
  %2 = "dif.and"(%1, %p) : (tensor<2x?xi1>, tensor<2x?xi1>) -> tensor<2x?xi1>
  // CHECK: "dif.select"
  %3 = "dif.select"(%2, %x, %0) : (tensor<2x?xi1>, tensor<2x?xf32>, tensor<2x?xf32>) -> tensor<2x?xf32>
  // CHECK: "dif.convert"(%arg1) {dtype = i64} : (tensor<4xui8>) -> tensor<4xi64>
  %4 = "dif.convert"(%n) {dtype = i64} : (tensor<4xui8>) -> tensor<4xi64>
  return %3, %4 : tensor<2x?xf32>, tensor<4xi64>
}

// -----

// CHECK-LABEL: func.func @creation
func.func @creation(%x: tensor<?x3xbf16>) -> (tensor<?x3xbf16>, tensor<?x3xi32>, tensor<2xbf16>) {
  // CHECK: %[[N:.*]] = "dif.dim"(%arg0) {dimension = 0 : i64} : (tensor<?x3xbf16>) -> tensor<i64>
  %0 = "dif.dim"(%x) {dimension = 0 : i64} : (tensor<?x3xbf16>) -> tensor<i64>
  // CHECK: "dif.zeros"(%[[N]]) {dtype = bf16, shape = array<i64: -1, 3>} : (tensor<i64>) -> tensor<?x3xbf16>
  %1 = "dif.zeros"(%0) {dtype = bf16, shape = array<i64: -1, 3>} : (tensor<i64>) -> tensor<?x3xbf16>
  // CHECK: "dif.iota"(%[[N]]) {dimension = 1 : i64, dtype = i32, shape = array<i64: -1, 3>}
  %2 = "dif.iota"(%0) {dimension = 1 : i64, dtype = i32, shape = array<i64: -1, 3>} : (tensor<i64>) -> tensor<?x3xi32>
  // CHECK: "dif.constant"() {value = dense<[1.000000e+00, 2.500000e+00]> : tensor<2xbf16>} : () -> tensor<2xbf16>
  %3 = "dif.constant"() {value = dense<[1.0, 2.5]> : tensor<2xbf16>} : () -> tensor<2xbf16>
  return %1, %2, %3 : tensor<?x3xbf16>, tensor<?x3xi32>, tensor<2xbf16>
}

// -----

// CHECK-LABEL: func.func @shape
func.func @shape(%x: tensor<?x4xf64>, %v: tensor<f64>) -> tensor<?x4xf64> {
  // CHECK: "dif.slice"(%arg0) {limit = array<i64: -1, 4>, start = array<i64: 1, 0>, stride = array<i64: 2, 1>}
  %0 = "dif.slice"(%x) {limit = array<i64: -1, 4>, start = array<i64: 1, 0>, stride = array<i64: 2, 1>} : (tensor<?x4xf64>) -> tensor<?x4xf64>
  // CHECK: "dif.concatenate"
  %1 = "dif.concatenate"(%0, %x) {dimension = 0 : i64} : (tensor<?x4xf64>, tensor<?x4xf64>) -> tensor<?x4xf64>
  // CHECK: "dif.pad"(%{{.*}}, %arg1) {high = array<i64: 1, 0>, interior = array<i64: 0, 1>, low = array<i64: 0, -3>}
  %2 = "dif.pad"(%1, %v) {high = array<i64: 1, 0>, interior = array<i64: 0, 1>, low = array<i64: 0, -3>} : (tensor<?x4xf64>, tensor<f64>) -> tensor<?x4xf64>
  // CHECK: "dif.reverse"(%{{.*}}) {dimensions = array<i64: 1>}
  %3 = "dif.reverse"(%2) {dimensions = array<i64: 1>} : (tensor<?x4xf64>) -> tensor<?x4xf64>
  // CHECK: "dif.transpose"(%{{.*}}) {permutation = array<i64: 1, 0>} : (tensor<?x4xf64>) -> tensor<4x?xf64>
  %4 = "dif.transpose"(%3) {permutation = array<i64: 1, 0>} : (tensor<?x4xf64>) -> tensor<4x?xf64>
  // CHECK: %[[N:.*]] = "dif.dim"
  %5 = "dif.dim"(%4) {dimension = 1 : i64} : (tensor<4x?xf64>) -> tensor<i64>
  // CHECK: "dif.reshape"(%{{.*}}, %[[N]]) {shape = array<i64: -1, 4>} : (tensor<4x?xf64>, tensor<i64>) -> tensor<?x4xf64>
  %6 = "dif.reshape"(%4, %5) {shape = array<i64: -1, 4>} : (tensor<4x?xf64>, tensor<i64>) -> tensor<?x4xf64>
  return %6 : tensor<?x4xf64>
}

// -----

// CHECK-LABEL: func.func @reduction
func.func @reduction(%x: tensor<2x3xf32>, %w: tensor<3x5xf32>) -> (tensor<5xf32>, tensor<2xi64>) {
  // CHECK: "dif.cumsum"(%arg0) {axis = 1 : i64, reverse = true} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %0 = "dif.cumsum"(%x) {axis = 1 : i64, reverse = true} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: "dif.argmax"(%{{.*}}) {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2xi64>
  %1 = "dif.argmax"(%0) {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2xi64>
  // CHECK: "dif.dot_general"
  // CHECK-SAME: lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 0>
  %2 = "dif.dot_general"(%0, %w) {lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 0>} : (tensor<2x3xf32>, tensor<3x5xf32>) -> tensor<2x5xf32>
  // CHECK: "dif.reduce_sum"(%{{.*}}) {axes = array<i64: 0>} : (tensor<2x5xf32>) -> tensor<5xf32>
  %3 = "dif.reduce_sum"(%2) {axes = array<i64: 0>} : (tensor<2x5xf32>) -> tensor<5xf32>
  return %3, %1 : tensor<5xf32>, tensor<2xi64>
}

// -----

// CHECK-LABEL: func.func @indexing
func.func @indexing(%x: tensor<4x3xf32>, %i: tensor<?x1xi32>, %s: tensor<i64>) -> (tensor<4x3xf32>, tensor<1x3xf32>) {
  // CHECK: %[[ROWS:.*]] = "dif.gather"(%arg0, %arg1) {axes = array<i64: 0>, batch = 0 : i64, mode = "fill"}
  %0 = "dif.gather"(%x, %i) {axes = array<i64: 0>, batch = 0 : i64, mode = "fill"} : (tensor<4x3xf32>, tensor<?x1xi32>) -> tensor<?x3xf32>
  // CHECK: "dif.scatter_add"(%arg0, %arg1, %[[ROWS]])
  %1 = "dif.scatter_add"(%x, %i, %0) {axes = array<i64: 0>, batch = 0 : i64, mode = "fill"} : (tensor<4x3xf32>, tensor<?x1xi32>, tensor<?x3xf32>) -> tensor<4x3xf32>
  // CHECK: "dif.dynamic_slice"(%{{.*}}, %arg2, %arg2) {sizes = array<i64: 1, 3>}
  %2 = "dif.dynamic_slice"(%1, %s, %s) {sizes = array<i64: 1, 3>} : (tensor<4x3xf32>, tensor<i64>, tensor<i64>) -> tensor<1x3xf32>
  return %1, %2 : tensor<4x3xf32>, tensor<1x3xf32>
}

// -----

// CHECK-LABEL: func.func @control
func.func @control(%x: tensor<f32>, %xs: tensor<?xf32>, %n: tensor<i64>) -> (tensor<f32>, tensor<?xf32>) {
  // CHECK: %[[LOOP:.*]]:2 = "fun.scan"(%arg0, %arg1, %arg2)
  // CHECK-NEXT: ^bb0(%[[CARRY:.*]]: tensor<f32>, %[[SLICE:.*]]: tensor<f32>):
  // CHECK-NEXT: %[[NEXT:.*]] = "dif.mul"(%[[CARRY]], %[[SLICE]])
  // CHECK-NEXT: "fun.yield"(%[[NEXT]], %[[CARRY]])
  // CHECK-NEXT: length = -1 : i64, linear = array<i1>, num_carry = 1 : i64, num_xs = 1 : i64, reverse = false
  %0:2 = "fun.scan"(%x, %xs, %n) ({
  ^bb0(%carry: tensor<f32>, %slice: tensor<f32>):
    %2 = "dif.mul"(%carry, %slice) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    "fun.yield"(%2, %carry) : (tensor<f32>, tensor<f32>) -> ()
  }) {num_carry = 1 : i64, num_xs = 1 : i64, length = -1 : i64, reverse = false, linear = array<i1>} : (tensor<f32>, tensor<?xf32>, tensor<i64>) -> (tensor<f32>, tensor<?xf32>)
  %p = "dif.compare"(%x, %0#0) {direction = "lt"} : (tensor<f32>, tensor<f32>) -> tensor<i1>
  // CHECK: "fun.cond"(%{{.*}}, %arg0)
  // CHECK: "dif.neg"
  // CHECK: linear = array<i1: true>
  %1 = "fun.cond"(%p, %x) ({
  ^bb0(%y: tensor<f32>):
    %2 = "dif.neg"(%y) : (tensor<f32>) -> tensor<f32>
    "fun.yield"(%2) : (tensor<f32>) -> ()
  }, {
  ^bb0(%y: tensor<f32>):
    "fun.yield"(%y) : (tensor<f32>) -> ()
  }) {linear = array<i1: true>} : (tensor<i1>, tensor<f32>) -> tensor<f32>
  return %1, %0#1 : tensor<f32>, tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @f
func.func @f(%x: tensor<2xf32>) -> tensor<f32> {
  %0 = "dif.reduce_sum"(%x) {axes = array<i64: 0>} : (tensor<2xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: func.func @requests
func.func @requests(%x: tensor<2xf32>, %xs: tensor<5x2xf32>) {
  // CHECK: "fun.call"(%arg0) {callee = @f} : (tensor<2xf32>) -> tensor<f32>
  %0 = "fun.call"(%x) {callee = @f} : (tensor<2xf32>) -> tensor<f32>
  // CHECK: "fun.vjp"(%arg0, %{{.*}}) {callee = @f, mask = array<i1: true>, out_mask = array<i1: true>}
  %1:2 = "fun.vjp"(%x, %0) {callee = @f, mask = array<i1: true>, out_mask = array<i1: true>} : (tensor<2xf32>, tensor<f32>) -> (tensor<f32>, tensor<2xf32>)
  // CHECK: "fun.vmap"(%arg1) {callee = @f, in_axes = array<i64: 0>, out_axes = array<i64: 0>}
  %2 = "fun.vmap"(%xs) {callee = @f, in_axes = array<i64: 0>, out_axes = array<i64: 0>} : (tensor<5x2xf32>) -> tensor<5xf32>
  return
}
