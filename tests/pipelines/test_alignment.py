"""Buffers of run-time sizes that share an allocation: their offsets are not taken for 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from difc.pipelines.compile import compile_module
from difc.pipelines.target import Target
from tests.pipelines.artifacts import load, needs_vulkan, run_on_vulkan

MATRIX = "tensor<?x?xi32>"
ONE_EACH = "indexing_maps = [affine_map<(i, j) -> (i, j)>"

#: Two carries, of which one starts as an argument, the other as numbers counted up: before the loop they lie in their
#: allocation in another order than after a step. The kernel also has a loop of its own.
TWO_CARRIES = f"""
func.func @f(%x : {MATRIX}, %steps64 : tensor<i64>) -> ({MATRIX}, {MATRIX}) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = tensor.dim %x, %c0 : {MATRIX}
  %columns = tensor.dim %x, %c1 : {MATRIX}
  %steps_i64 = tensor.extract %steps64[] : tensor<i64>
  %steps = arith.index_cast %steps_i64 : i64 to index
  %empty = tensor.empty(%rows, %columns) : {MATRIX}
  %count = linalg.generic {{{ONE_EACH}], iterator_types = ["parallel", "parallel"]}} outs(%empty : {MATRIX}) {{
  ^bb0(%o : i32):
    %j = linalg.index 1 : index
    %number = arith.index_cast %j : index to i32
    linalg.yield %number : i32
  }} -> {MATRIX}
  %found:2 = scf.for %step = %c0 to %steps step %c1 iter_args(%a = %x, %b = %count) -> ({MATRIX}, {MATRIX}) {{
    %new:2 = linalg.generic {{{ONE_EACH}, affine_map<(i, j) -> (i, j)>],
        iterator_types = ["parallel", "parallel"]}} outs(%empty, %empty : {MATRIX}, {MATRIX}) {{
    ^bb0(%o : i32, %p : i32):
      %i = linalg.index 0 : index
      %j = linalg.index 1 : index
      %u = tensor.extract %a[%i, %j] : {MATRIX}
      %v = tensor.extract %b[%i, %j] : {MATRIX}
      %sum = scf.for %k = %c0 to %j step %c1 iter_args(%total = %u) -> i32 {{
        %more = arith.addi %total, %v : i32
        scf.yield %more : i32
      }}
      linalg.yield %sum, %v : i32, i32
    }} -> ({MATRIX}, {MATRIX})
    scf.yield %new#0, %new#1 : {MATRIX}, {MATRIX}
  }}
  return %found#0, %found#1 : {MATRIX}, {MATRIX}
}}
"""
X = np.array([[50, 30, 40]], np.int32)
STEPS = 2
WANTED = [X + STEPS * np.arange(3) ** 2, np.arange(3)[None]]


@pytest.mark.parametrize("driver", ["local-sync", "local-task"])
def test_carries_in_another_order_than_at_the_start(driver: str) -> None:
    run = load(compile_module(TWO_CARRIES, Target.parse("cpu")), driver)
    for found, wanted in zip(run(X, np.array(STEPS)), WANTED, strict=True):
        np.testing.assert_array_equal(found, wanted)


@needs_vulkan
def test_carries_in_another_order_on_vulkan(tmp_path: Path) -> None:
    artifact = compile_module(TWO_CARRIES, Target.parse("vulkan"))
    for found, wanted in zip(run_on_vulkan(artifact, [X, np.array(STEPS)], 2, tmp_path), WANTED, strict=True):
        np.testing.assert_array_equal(found, wanted)
