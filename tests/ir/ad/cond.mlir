// RUN: difc opt %s --passes "vjp{fn=choose mask=0,1}" | filecheck %s

// The derivative of a branch is taken in the branch; the predicate is a residual.

func.func @choose(%p: tensor<i1>, %x: tensor<3xf64>) -> tensor<3xf64> {
  %0 = "fun.cond"(%p, %x) ({
  ^bb0(%a: tensor<3xf64>):
    %1 = "dif.mul"(%a, %a) : (tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
    "fun.yield"(%1) : (tensor<3xf64>) -> ()
  }, {
  ^bb0(%a: tensor<3xf64>):
    %1 = "dif.neg"(%a) : (tensor<3xf64>) -> tensor<3xf64>
    "fun.yield"(%1) : (tensor<3xf64>) -> ()
  }) {linear = array<i1>} : (tensor<i1>, tensor<3xf64>) -> tensor<3xf64>
  return %0 : tensor<3xf64>
}

// CHECK-LABEL: func.func private @choose_fwd(
// CHECK-SAME: [[X0:%\w+]]: tensor<i1>, [[X1:%\w+]]: tensor<3xf64>) -> (tensor<3xf64>, tensor<i1>, tensor<3xf64>)
// CHECK-NEXT: [[V0:%\w+]] = "fun.cond"([[X0]], [[X1]]) ({
// CHECK-NEXT: ^bb0([[X2:%\w+]]: tensor<3xf64>):
// CHECK-NEXT: [[V1:%\w+]] = "dif.mul"([[X2]], [[X2]])
// CHECK-NEXT: "fun.yield"([[V1]])
// CHECK-NEXT: }, {
// CHECK-NEXT: ^bb0([[X2]]: tensor<3xf64>):
// CHECK-NEXT: [[V1]] = "dif.neg"([[X2]])
// CHECK-NEXT: "fun.yield"([[V1]])
// CHECK-NEXT: }) {linear = array<i1>}
// CHECK-NEXT: return [[V0]], [[X0]], [[X1]]

// CHECK-LABEL: func.func private @choose_lin(
// CHECK-SAME: [[X0:%\w+]]: tensor<3xf64>, [[X1:%\w+]]: tensor<i1>, [[X2:%\w+]]: tensor<3xf64>) -> tensor<3xf64> attributes {dif.linear_args = 1 : i64}
// CHECK-NEXT: [[V0:%\w+]] = "fun.cond"([[X1]], [[X0]], [[X2]]) ({
// CHECK-NEXT: ^bb0([[X3:%\w+]]: tensor<3xf64>, [[X4:%\w+]]: tensor<3xf64>):
// CHECK-NEXT: [[V1:%\w+]] = "dif.mul"([[X3]], [[X4]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.mul"([[X4]], [[X3]])
// CHECK-NEXT: [[V3:%\w+]] = "dif.add"([[V1]], [[V2]])
// CHECK-NEXT: "fun.yield"([[V3]])
// CHECK-NEXT: }, {
// CHECK-NEXT: ^bb0([[X3]]: tensor<3xf64>, [[X4]]: tensor<3xf64>):
// CHECK-NEXT: [[V1]] = "dif.neg"([[X3]])
// CHECK-NEXT: "fun.yield"([[V1]])
// CHECK-NEXT: }) {linear = array<i1: true, false>}
// CHECK-NEXT: return [[V0]]

// CHECK-LABEL: func.func private @choose_bwd(
// CHECK-SAME: [[X0:%\w+]]: tensor<i1>, [[X1:%\w+]]: tensor<3xf64>, [[X2:%\w+]]: tensor<3xf64>) -> tensor<3xf64>
// CHECK-NEXT: [[V0:%\w+]] = "fun.cond"([[X0]], [[X1]], [[X2]]) ({
// CHECK-NEXT: ^bb0([[X3:%\w+]]: tensor<3xf64>, [[X4:%\w+]]: tensor<3xf64>):
// CHECK-NEXT: [[V1:%\w+]] = "dif.mul"([[X3]], [[X4]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.mul"([[X4]], [[X3]])
// CHECK-NEXT: [[V3:%\w+]] = "dif.add"([[V1]], [[V2]])
// CHECK-NEXT: "fun.yield"([[V3]])
// CHECK-NEXT: }, {
// CHECK-NEXT: ^bb0([[X3]]: tensor<3xf64>, [[X4]]: tensor<3xf64>):
// CHECK-NEXT: [[V1]] = "dif.neg"([[X4]])
// CHECK-NEXT: "fun.yield"([[V1]])
// CHECK-NEXT: }) {linear = array<i1>}
// CHECK-NEXT: return [[V0]]
