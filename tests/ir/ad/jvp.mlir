// RUN: difc opt %s --passes "jvp{fn=f}" | filecheck %s
// RUN: difc opt %s --passes "jvp{fn=f mask=0,1}" | filecheck %s --check-prefix=SECOND

// d(sin x * y) = cos x dx y + sin x dy

func.func @f(%x: tensor<3xf64>, %y: tensor<3xf64>) -> tensor<3xf64> {
  %0 = "dif.sin"(%x) : (tensor<3xf64>) -> tensor<3xf64>
  %1 = "dif.mul"(%0, %y) : (tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
  return %1 : tensor<3xf64>
}

// CHECK-LABEL: func.func @f_jvp(
// CHECK-SAME: [[X0:%\w+]]: tensor<3xf64>, [[X1:%\w+]]: tensor<3xf64>, [[X2:%\w+]]: tensor<3xf64>, [[X3:%\w+]]: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>)
// CHECK-NEXT: [[V0:%\w+]] = "dif.sin"([[X0]])
// CHECK-NEXT: [[V1:%\w+]] = "dif.cos"([[X0]])
// CHECK-NEXT: [[V2:%\w+]] = "dif.mul"([[X2]], [[V1]])
// CHECK-NEXT: [[V3:%\w+]] = "dif.mul"([[V0]], [[X1]])
// CHECK-NEXT: [[V4:%\w+]] = "dif.mul"([[V2]], [[X1]])
// CHECK-NEXT: [[V5:%\w+]] = "dif.mul"([[V0]], [[X3]])
// CHECK-NEXT: [[V6:%\w+]] = "dif.add"([[V4]], [[V5]])
// CHECK-NEXT: return [[V3]], [[V6]]

// SECOND-LABEL: func.func @f_jvp(
// SECOND-SAME: [[X0:%\w+]]: tensor<3xf64>, [[X1:%\w+]]: tensor<3xf64>, [[X2:%\w+]]: tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>)
// SECOND-NEXT: [[V0:%\w+]] = "dif.sin"([[X0]])
// SECOND-NEXT: [[V1:%\w+]] = "dif.mul"([[V0]], [[X1]])
// SECOND-NEXT: [[V2:%\w+]] = "dif.mul"([[V0]], [[X2]])
// SECOND-NEXT: return [[V1]], [[V2]]
