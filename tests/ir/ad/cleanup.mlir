// RUN: difc opt %s --passes "inline" | filecheck %s --check-prefix=INLINE
// RUN: difc opt %s --passes "dce" | filecheck %s --check-prefix=DCE
// RUN: difc opt %s --passes "cse,canonicalize" | filecheck %s --check-prefix=CSE
// RUN: difc opt %s --passes "expand-ad,simplify" | filecheck %s --check-prefix=SIMPLE
// RUN: difc opt %s --passes "expand-ad,simplify,lower{target=cpu}" | filecheck %s --check-prefix=LOWER
// RUN: difc opt %s --show-locations | filecheck %s --check-prefix=PLACES

func.func private @double(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = "dif.add"(%x, %x) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

func.func @twice(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = "fun.call"(%x) {callee = @double} : (tensor<3xf32>) -> tensor<3xf32>
  %zero = "dif.constant"() {value = dense<0.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %1 = "dif.add"(%0, %zero) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

func.func @unused(%x: tensor<f32>) -> tensor<f32> {
  %0 = "dif.exp"(%x) : (tensor<f32>) -> tensor<f32>
  %1 = "dif.exp"(%x) : (tensor<f32>) -> tensor<f32>
  %2:2 = "fun.scan"(%x, %1) ({
  ^bb0(%c: tensor<f32>, %d: tensor<f32>):
    %3 = "dif.mul"(%c, %c) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %4 = "dif.mul"(%d, %c) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    "fun.yield"(%3, %4) : (tensor<f32>, tensor<f32>) -> ()
  }) {length = 2 : i64, linear = array<i1>, num_carry = 2 : i64, num_xs = 0 : i64, reverse = false} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  %5 = "dif.mul"(%2#0, %0) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %5 : tensor<f32>
}

// INLINE-LABEL: func.func @twice(
// INLINE-SAME: [[X0:%\w+]]: tensor<3xf32>) -> tensor<3xf32>
// INLINE-NEXT: [[V0:%\w+]] = "dif.add"([[X0]], [[X0]])
// INLINE-NEXT: [[V1:%\w+]] = "dif.constant"() {value = dense<0.000000e+00> : tensor<3xf32>}
// INLINE-NEXT: [[V2:%\w+]] = "dif.add"([[V0]], [[V1]])
// INLINE-NEXT: return [[V2]]

// DCE-LABEL: func.func @unused(
// DCE-SAME: [[X0:%\w+]]: tensor<f32>) -> tensor<f32>
// DCE-NEXT: [[V0:%\w+]] = "dif.exp"([[X0]])
// DCE-NEXT: [[V1:%\w+]] = "fun.scan"([[X0]]) ({
// DCE-NEXT: ^bb0([[X1:%\w+]]: tensor<f32>):
// DCE-NEXT: [[V3:%\w+]] = "dif.mul"([[X1]], [[X1]])
// DCE-NEXT: "fun.yield"([[V3]])
// DCE-NEXT: }) {length = 2 : i64, linear = array<i1>, num_carry = 1 : i64, num_xs = 0 : i64, reverse = false}
// DCE-NEXT: [[V2:%\w+]] = "dif.mul"([[V1]], [[V0]])
// DCE-NEXT: return [[V2]]

// CSE-LABEL: func.func @unused(
// CSE-SAME: [[X0:%\w+]]: tensor<f32>) -> tensor<f32>
// CSE-NEXT: [[V0:%\w+]] = "dif.exp"([[X0]])
// CSE-NEXT: [[V1:%\w+]]:2 = "fun.scan"([[X0]], [[V0]]) ({
// CSE-NEXT: ^bb0([[X1:%\w+]]: tensor<f32>, [[X2:%\w+]]: tensor<f32>):
// CSE-NEXT: [[V3:%\w+]] = "dif.mul"([[X1]], [[X1]])
// CSE-NEXT: [[V4:%\w+]] = "dif.mul"([[X2]], [[X1]])
// CSE-NEXT: "fun.yield"([[V3]], [[V4]])
// CSE-NEXT: }) {length = 2 : i64, linear = array<i1>, num_carry = 2 : i64, num_xs = 0 : i64, reverse = false}
// CSE-NEXT: [[V2:%\w+]] = "dif.mul"([[V1]]#0, [[V0]])
// CSE-NEXT: return [[V2]]

// SIMPLE-LABEL: func.func @twice(
// SIMPLE-SAME: [[X0:%\w+]]: tensor<3xf32>) -> tensor<3xf32>
// SIMPLE-NEXT: [[V0:%\w+]] = "dif.add"([[X0]], [[X0]])
// SIMPLE-NEXT: return [[V0]]

// SIMPLE-LABEL: func.func @unused(
// SIMPLE-SAME: [[X0:%\w+]]: tensor<f32>) -> tensor<f32>
// SIMPLE-NEXT: [[V0:%\w+]] = "dif.exp"([[X0]])
// SIMPLE-NEXT: [[V1:%\w+]] = "fun.scan"([[X0]]) ({
// SIMPLE-NEXT: ^bb0([[X1:%\w+]]: tensor<f32>):
// SIMPLE-NEXT: [[V3:%\w+]] = "dif.mul"([[X1]], [[X1]])
// SIMPLE-NEXT: "fun.yield"([[V3]])
// SIMPLE-NEXT: }) {length = 2 : i64, linear = array<i1>, num_carry = 1 : i64, num_xs = 0 : i64, reverse = false}
// SIMPLE-NEXT: [[V2:%\w+]] = "dif.mul"([[V1]], [[V0]])
// SIMPLE-NEXT: return [[V2]]

// LOWER: func.func @difc_loop_0(
// LOWER-NOT: dif.
// LOWER: scf.for
// LOWER-LABEL: func.func @twice(
// LOWER-NOT: dif.
// LOWER: linalg.generic
// LOWER: arith.addf
// LOWER-LABEL: func.func @unused(
// LOWER-NOT: dif.
// LOWER: flow.dispatch
// LOWER: math.floor
// LOWER: linalg.yield
// LOWER-NEXT: tensor<f32>
// LOWER-NEXT: return

// PLACES: "dif.constant"() {{.*}} loc(#[[PLACE:.+]])
// PLACES: #[[PLACE]] = loc("{{.*}}cleanup.mlir":15:11)
