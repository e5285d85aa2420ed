// What the verifier says, and where.

// CHECK: error: "model.py":7:5: 'dif.add' op add: operand shapes differ: f32[2], f32[3]
func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>) {
  %0 = "dif.add"(%x, %y) : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32> loc("model.py":7:5)
  return
}

// -----

// CHECK: error: "jvp(matmul)"("model.py":8:1): 'dif.dot_general' op dot_general: sizes of contracting or batch dims of
// CHECK-SAME: f32[2, 3] and f32[4, 5] differ: 3 and 4
func.func @f(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) {
  %0 = "dif.dot_general"(%x, %y) {lhs_batch = array<i64>, lhs_contract = array<i64: 1>, rhs_batch = array<i64>, rhs_contract = array<i64: 0>} : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32> loc("jvp(matmul)"("model.py":8:1))
  return
}

// -----

// CHECK: 'dif.zeros' op zeros: 0 size operands for 1 dynamic dims
func.func @f() {
  %0 = "dif.zeros"() {dtype = f32, shape = array<i64: -1>} : () -> tensor<?xf32>
  return
}

// -----

// CHECK: 'fun.scan' op scan: the carry that the body gives: value 0 is f32[2], not f32[]
// CHECK-NEXT: model.py:9:3
func.func @f(%x: tensor<f32>, %k: tensor<2xf32>) {
  %0 = "fun.scan"(%x, %k) ({
  ^bb0(%carry: tensor<f32>, %c: tensor<2xf32>):
    "fun.yield"(%c) : (tensor<2xf32>) -> ()
  }) {num_carry = 1 : i64, num_xs = 0 : i64, length = 3 : i64, reverse = false, linear = array<i1>} : (tensor<f32>, tensor<2xf32>) -> tensor<f32> loc("model.py":9:3)
  return
}

// -----

// CHECK: 'fun.cond' op has a body whose 'dif.neg' uses a value from outside
func.func @f(%p: tensor<i1>, %x: tensor<f32>) {
  %0 = "fun.cond"(%p) ({
    %1 = "dif.neg"(%x) : (tensor<f32>) -> tensor<f32>
    "fun.yield"(%1) : (tensor<f32>) -> ()
  }, {
    %1 = "dif.zeros"() {dtype = f32, shape = array<i64>} : () -> tensor<f32>
    "fun.yield"(%1) : (tensor<f32>) -> ()
  }) {linear = array<i1>} : (tensor<i1>) -> tensor<f32>
  return
}

// -----

// CHECK: 'fun.call' op names a function @g that is not there
func.func @f(%x: tensor<f32>) {
  %0 = "fun.call"(%x) {callee = @g} : (tensor<f32>) -> tensor<f32>
  return
}
