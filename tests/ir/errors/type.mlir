// RUN: not difc opt %s 2>&1 | filecheck %s

func.func @f(%x: tensor<3xf64>, %y: tensor<4xf64>) -> tensor<3xf64> {
  %0 = "dif.add"(%x, %y) : (tensor<3xf64>, tensor<4xf64>) -> tensor<3xf64>
  return %0 : tensor<3xf64>
}

// CHECK: error: 'dif.add' op add: operand shapes differ: f64[3], f64[4]
// CHECK-NEXT: type.mlir:4:8
// CHECK-NEXT: %0 = "dif.add"(%x, %y)
// CHECK-NEXT: {{^ +\^$}}
