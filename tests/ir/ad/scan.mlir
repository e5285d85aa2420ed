// RUN: difc opt %s --passes "jvp{fn=powers},dce" | filecheck %s --check-prefix=JVP
// RUN: difc opt %s --passes "linearize{fn=powers},transpose{fn=powers_lin}" | filecheck %s --check-prefix=VJP

// Five multiplications by w, with every intermediate result stacked. Reverse mode runs the loop backwards, over the
// stacked carries that the forward loop left.

func.func @powers(%x: tensor<f64>, %w: tensor<f64>) -> (tensor<f64>, tensor<5xf64>) {
  %0:2 = "fun.scan"(%x, %w) ({
  ^bb0(%c: tensor<f64>, %k: tensor<f64>):
    %1 = "dif.mul"(%c, %k) : (tensor<f64>, tensor<f64>) -> tensor<f64>
    "fun.yield"(%1, %1) : (tensor<f64>, tensor<f64>) -> ()
  }) {length = 5 : i64, linear = array<i1>, num_carry = 1 : i64, num_xs = 0 : i64, reverse = false} : (tensor<f64>, tensor<f64>) -> (tensor<f64>, tensor<5xf64>)
  return %0#0, %0#1 : tensor<f64>, tensor<5xf64>
}

// JVP-LABEL: func.func @powers_jvp(
// JVP-SAME: [[X0:%\w+]]: tensor<f64>, [[X1:%\w+]]: tensor<f64>, [[X2:%\w+]]: tensor<f64>, [[X3:%\w+]]: tensor<f64>) -> (tensor<f64>, tensor<5xf64>, tensor<f64>, tensor<5xf64>)
// JVP-NEXT: [[V0:%\w+]]:4 = "fun.scan"([[X0]], [[X2]], [[X1]], [[X3]]) ({
// JVP-NEXT: ^bb0([[X4:%\w+]]: tensor<f64>, [[X5:%\w+]]: tensor<f64>, [[X6:%\w+]]: tensor<f64>, [[X7:%\w+]]: tensor<f64>):
// JVP-NEXT: [[V1:%\w+]] = "dif.mul"([[X4]], [[X6]])
// JVP-NEXT: [[V2:%\w+]] = "dif.mul"([[X5]], [[X6]])
// JVP-NEXT: [[V3:%\w+]] = "dif.mul"([[X4]], [[X7]])
// JVP-NEXT: [[V4:%\w+]] = "dif.add"([[V2]], [[V3]])
// JVP-NEXT: "fun.yield"([[V1]], [[V4]], [[V1]], [[V4]])
// JVP-NEXT: }) {length = 5 : i64, linear = array<i1>, num_carry = 2 : i64, num_xs = 0 : i64, reverse = false}
// JVP-NEXT: return [[V0]]#0, [[V0]]#2, [[V0]]#1, [[V0]]#3

// VJP-LABEL: func.func @powers_fwd(
// VJP-SAME: [[X0:%\w+]]: tensor<f64>, [[X1:%\w+]]: tensor<f64>) -> (tensor<f64>, tensor<5xf64>, tensor<5xf64>, tensor<f64>)
// VJP-NEXT: [[V0:%\w+]]:3 = "fun.scan"([[X0]], [[X1]]) ({
// VJP-NEXT: ^bb0([[X2:%\w+]]: tensor<f64>, [[X3:%\w+]]: tensor<f64>):
// VJP-NEXT: [[V1:%\w+]] = "dif.mul"([[X2]], [[X3]])
// VJP-NEXT: "fun.yield"([[V1]], [[V1]], [[X2]])
// VJP-NEXT: }) {length = 5 : i64, linear = array<i1>, num_carry = 1 : i64, num_xs = 0 : i64, reverse = false}
// VJP-NEXT: return [[V0]]#0, [[V0]]#1, [[V0]]#2, [[X1]]

// VJP-LABEL: func.func @powers_lin(
// VJP-SAME: [[X0:%\w+]]: tensor<f64>, [[X1:%\w+]]: tensor<f64>, [[X2:%\w+]]: tensor<5xf64>, [[X3:%\w+]]: tensor<f64>) -> (tensor<f64>, tensor<5xf64>) attributes {dif.linear_args = 2 : i64}
// VJP-NEXT: [[V0:%\w+]]:2 = "fun.scan"([[X0]], [[X2]], [[X1]], [[X3]]) ({
// VJP-NEXT: ^bb0([[X4:%\w+]]: tensor<f64>, [[X5:%\w+]]: tensor<f64>, [[X6:%\w+]]: tensor<f64>, [[X7:%\w+]]: tensor<f64>):
// VJP-NEXT: [[V1:%\w+]] = "dif.mul"([[X4]], [[X7]])
// VJP-NEXT: [[V2:%\w+]] = "dif.mul"([[X5]], [[X6]])
// VJP-NEXT: [[V3:%\w+]] = "dif.add"([[V1]], [[V2]])
// VJP-NEXT: "fun.yield"([[V3]], [[V3]])
// VJP-NEXT: }) {length = 5 : i64, linear = array<i1: true, false, true, false>, num_carry = 1 : i64, num_xs = 1 : i64, reverse = false}
// VJP-NEXT: return [[V0]]#0, [[V0]]#1

// VJP-LABEL: func.func @powers_bwd(
// VJP-SAME: [[X0:%\w+]]: tensor<5xf64>, [[X1:%\w+]]: tensor<f64>, [[X2:%\w+]]: tensor<f64>, [[X3:%\w+]]: tensor<5xf64>) -> (tensor<f64>, tensor<f64>)
// VJP-NEXT: [[V0:%\w+]] = "dif.zeros"() {dtype = f64, shape = array<i64>}
// VJP-NEXT: [[V1:%\w+]]:2 = "fun.scan"([[X2]], [[V0]], [[X3]], [[X0]], [[X1]]) ({
// VJP-NEXT: ^bb0([[X4:%\w+]]: tensor<f64>, [[X5:%\w+]]: tensor<f64>, [[X6:%\w+]]: tensor<f64>, [[X7:%\w+]]: tensor<f64>, [[X8:%\w+]]: tensor<f64>):
// VJP-NEXT: [[V2:%\w+]] = "dif.add"([[X4]], [[X6]])
// VJP-NEXT: [[V3:%\w+]] = "dif.mul"([[X7]], [[V2]])
// VJP-NEXT: [[V4:%\w+]] = "dif.mul"([[V2]], [[X8]])
// VJP-NEXT: [[V5:%\w+]] = "dif.add"([[X5]], [[V3]])
// VJP-NEXT: "fun.yield"([[V4]], [[V5]])
// VJP-NEXT: }) {length = 5 : i64, linear = array<i1>, num_carry = 2 : i64, num_xs = 2 : i64, reverse = true}
// VJP-NEXT: return [[V1]]#0, [[V1]]#1
