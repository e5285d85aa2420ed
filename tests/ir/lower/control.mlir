// The counter is a number of the host, and the row a slice at it.
// CHECK-LABEL: func.func @running_rows
func.func @running_rows(%x: tensor<5x4xf32>) -> (tensor<i64>, tensor<5x4xf32>) {
  %zero = "dif.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %i, %ys = "fun.scan"(%zero, %x) ({
  ^bb0(%i: tensor<i64>, %row: tensor<4xf32>):
    %one = "dif.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %j = "dif.add"(%i, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %y = "dif.sqrt"(%row) : (tensor<4xf32>) -> tensor<4xf32>
    "fun.yield"(%j, %y) : (tensor<i64>, tensor<4xf32>) -> ()
  }) {length = 5 : i64, linear = array<i1>, num_carry = 1 : i64, num_xs = 1 : i64, reverse = false} : (tensor<i64>, tensor<5x4xf32>) -> (tensor<i64>, tensor<5x4xf32>)
  return %i, %ys : tensor<i64>, tensor<5x4xf32>
}
// CHECK: scf.for %[[T:.*]] = %{{.*}} iter_args(%[[I:.*]] = %{{.*}}, %[[TAPE:.*]] = %{{.*}}) -> (i64, tensor<5x4xf32>)
// CHECK: tensor.extract_slice %arg0[%[[T]], 0] [1, 4] [1, 1] : tensor<5x4xf32> to tensor<4xf32>
// CHECK: arith.addi %[[I]]
// CHECK: math.sqrt
// CHECK: tensor.insert_slice %{{.*}} into %[[TAPE]][%[[T]], 0]
// CHECK: scf.yield
