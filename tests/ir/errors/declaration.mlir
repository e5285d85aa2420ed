// RUN: not difc opt %s --passes simplify 2>&1 | filecheck %s

func.func private @elsewhere(tensor<3xf64>) -> tensor<3xf64>

// CHECK: error: the pass `simplify` does not take @elsewhere, a function with 0 blocks
// CHECK-NEXT: declaration.mlir:3:1
