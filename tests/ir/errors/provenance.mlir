// RUN: not difc opt %s 2>&1 | filecheck %s

// Where a producer says what its ops come from, errors point there.

func.func @f(%x: tensor<3xf64>) -> tensor<4xf64> {
  %0 = "dif.neg"(%x) : (tensor<3xf64>) -> tensor<4xf64> loc("jvp(dif.neg)"("model.py":7:11))
  return %0 : tensor<4xf64>
}

// CHECK: error: 'dif.neg' op has results
// CHECK-SAME: , in jvp(dif.neg)
// CHECK-NEXT: model.py:7:11
