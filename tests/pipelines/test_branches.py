"""Branches that pass one buffer to several results: where its register is taken over, it must not be lost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from difc.pipelines.branches import separate_values
from difc.pipelines.compile import compile_module
from difc.pipelines.invocation import Invocation, quiet
from difc.pipelines.operations import operations
from difc.pipelines.target import Target
from tests.pipelines.artifacts import load

CPU = Target.parse("cpu")
WIDTH, STEPS = 4, 6
ROW, TAPE = f"tensor<{WIDTH}xf64>", f"tensor<{STEPS}x{WIDTH}xf64>"
OPERATIONS = ("add", "mul", "sub")


def combined(result: str, op: str, a: str, b: str) -> str:
    identity = "affine_map<(i) -> (i)>"
    return f"""
  {result}_out = tensor.empty() : {ROW}
  {result} = linalg.generic {{indexing_maps = [{identity}, {identity}, {identity}], iterator_types = ["parallel"]}}
      ins({a}, {b} : {ROW}, {ROW}) outs({result}_out : {ROW}) {{
  ^bb0(%left : f64, %right : f64, %o : f64):
    %value = arith.{op}f %left, %right : f64
    linalg.yield %value : f64
  }} -> {ROW}
"""


def branch_in_a_loop(order: tuple[int, ...]) -> str:
    """Return a loop that keeps the three results of a branch: three new ones, or an old one and zeros.

    IREE puts the results of the first case into one allocation, so its buffer is passed three times.
    """
    made = [f"%made{i}" for i in order]
    old = [("%s", "%zeros", "%zeros")[i] for i in order]
    rows, tapes = ", ".join([ROW] * 3), ", ".join([TAPE] * 3)
    return f"""
func.func @f(%x : {ROW}, %n64 : tensor<i64>) -> ({tapes}) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f64
  %n_i64 = tensor.extract %n64[] : tensor<i64>
  %n = arith.index_cast %n_i64 : i64 to index
  %start = tensor.empty() : {TAPE}
  %r:4 = scf.for %t = %c0 to %n step %c1 iter_args(%a = %x, %t0 = %start, %t1 = %start, %t2 = %start)
      -> ({ROW}, {tapes}) {{
    %bit = arith.andi %t, %c1 : index
    %even = arith.cmpi eq, %bit, %c0 : index
    {combined("%s", "add", "%a", "%x")}
    %w:3 = scf.if %even -> ({rows}) {{
      {"".join(combined(f"%made{i}", op, "%s", "%x") for i, op in enumerate(OPERATIONS))}
      scf.yield {", ".join(made)} : {rows}
    }} else {{
      %zeros_out = tensor.empty() : {ROW}
      %zeros = linalg.fill ins(%zero : f64) outs(%zeros_out : {ROW}) -> {ROW}
      scf.yield {", ".join(old)} : {rows}
    }}
    {
        "".join(
            f"%n{i} = tensor.insert_slice %w#{i} into %t{i}[%t, 0] [1, {WIDTH}] [1, 1] : {ROW} into {TAPE} "
            for i in range(3)
        )
    }
    {combined("%next", "add", "%w#0", "%w#1")}
    scf.yield %next, %n0, %n1, %n2 : {ROW}, {tapes}
  }}
  return %r#1, %r#2, %r#3 : {tapes}
}}"""


def reference(x: np.ndarray, order: tuple[int, ...]) -> list[np.ndarray]:
    rows, a = [], x
    for t in range(STEPS):
        s = a + x
        made = (s + x, s * x, s - x) if t % 2 == 0 else (s, 0 * x, 0 * x)
        rows.append([made[i] for i in order])
        a = rows[-1][0] + rows[-1][1]
    return list(np.array(rows).swapaxes(0, 1))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_results_of_a_branch_that_share_a_buffer_all_arrive(order: tuple[int, ...]) -> None:
    entry = load(compile_module(branch_in_a_loop(order), CPU))
    x = np.linspace(0.1, 0.9, WIDTH)
    for result, expected in zip(entry(x, np.array(STEPS)), reference(x, order), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-12)


VM = """
vm.module @m {
  vm.func @f(%c : i32, %x : !vm.buffer, %y : !vm.buffer) -> !vm.buffer {
    %null = vm.const.ref.zero : !vm.buffer
    vm.cond_br %c, ^next(%x, %x, %x : !vm.buffer, !vm.buffer, !vm.buffer), ^other(%null, %null : !vm.buffer, !vm.buffer)
  ^next(%a : !vm.buffer, %b : !vm.buffer, %d : !vm.buffer):
    vm.return %b : !vm.buffer
  ^other(%e : !vm.buffer, %g : !vm.buffer):
    vm.return %y : !vm.buffer
  }
}
"""


def test_every_reference_but_null_is_passed_once() -> None:
    with quiet(), Invocation(VM, CPU.flags()) as run, run.context:
        assert separate_values(run.module) == 2
        (branch,) = (op for op in operations(run.module) if op.name == "vm.cond_br")
        passed = list(branch.operands)
        assert len({hash(value) for value in passed}) == len(passed) - 1  # the two nulls
        assert separate_values(run.module) == 0


NUMBERS = """
vm.module @m {
  vm.func @f(%c : i32, %n : i64) -> i64 {
    vm.cond_br %c, ^next(%n : i64), ^other
  ^other:
    %seven = vm.const.i64 7
    vm.br ^next(%seven : i64)
  ^next(%a : i64):
    %sum = vm.add.i64 %n, %a : i64
    vm.return %sum : i64
  }
}
"""


def test_what_a_block_reads_first_is_not_passed_to_it() -> None:
    """The argument would have its register, and the block would read what another branch passes."""
    with quiet(), Invocation(NUMBERS, CPU.flags()) as run, run.context:
        assert separate_values(run.module) == 1
        (branch,) = (op for op in operations(run.module) if op.name == "vm.cond_br")
        assert [value.owner.operation.name for value in branch.operands if hasattr(value.owner, "operation")] == [
            "vm.select.i64"
        ]
        assert separate_values(run.module) == 0
