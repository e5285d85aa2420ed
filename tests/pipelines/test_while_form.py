"""While loops whose results are not of the types of their operands."""

from __future__ import annotations

import numpy as np

from difc.pipelines.compile import compile_module
from difc.pipelines.target import Target
from tests.pipelines.artifacts import load

CPU = Target.parse("cpu")


def test_a_loop_whose_results_differ_from_its_operands() -> None:
    # IREE itself crashes on these: MLIR's canonicalizer drops what enters the loop unread.
    text = """
func.func @f(%x : tensor<?xf32>, %n : tensor<i64>) -> (tensor<?xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n_i64 = tensor.extract %n[] : tensor<i64>
  %end = arith.index_cast %n_i64 : i64 to index
  %size = tensor.dim %x, %c0 : tensor<?xf32>
  %r:3 = scf.while (%t = %c0, %a = %x, %b = %x) : (index, tensor<?xf32>, tensor<?xf32>)
      -> (index, tensor<?xf32>, tensor<?xf32>) {
    %more = arith.cmpi slt, %t, %end : index
    scf.condition(%more) %t, %a, %b : index, tensor<?xf32>, tensor<?xf32>
  } do {
  ^bb0(%t : index, %a : tensor<?xf32>, %b : tensor<?xf32>):
    %t1 = arith.addi %t, %c1 : index
    %out = tensor.empty(%size) : tensor<?xf32>
    %a1 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]} ins(%a : tensor<?xf32>) outs(%out : tensor<?xf32>) {
    ^bb0(%e : f32, %o : f32):
      %s = arith.addf %e, %e : f32
      linalg.yield %s : f32
    } -> tensor<?xf32>
    scf.yield %t1, %a1, %a : index, tensor<?xf32>, tensor<?xf32>
  }
  return %r#1, %r#2 : tensor<?xf32>, tensor<?xf32>
}"""
    entry = load(compile_module(text, CPU))
    x = np.arange(1, 5, dtype=np.float32)
    for n in range(4):
        a, b = entry(x, np.array(n))
        np.testing.assert_array_equal(a, x * 2**n)
        np.testing.assert_array_equal(b, x * 2 ** max(n - 1, 0))
