// RUN: not difc opt %s 2>&1 | filecheck %s

func.func @f(%x: tensor<3xf64>) -> tensor<3xf64> {
  %0 = "dif.sin"(%y) : (tensor<3xf64>) -> tensor<3xf64>
  return %0 : tensor<3xf64>
}

// CHECK: error: use of undeclared SSA value name
// CHECK-NEXT: syntax.mlir:4:18
// CHECK-NEXT: %0 = "dif.sin"(%y) : (tensor<3xf64>) -> tensor<3xf64>
// CHECK-NEXT: {{^ +\^$}}
