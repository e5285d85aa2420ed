"""Cuts between command buffers: behind each loop and branch on the host, and nowhere else."""

from __future__ import annotations

from difc.pipelines.invocation import Invocation
from difc.pipelines.operations import operations
from difc.pipelines.partitions import cut_at_control

NESTED = """
func.func @f(%n: index, %b: i1, %x: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> f32 {
    %y = scf.if %b -> f32 {
      %p = arith.addf %a, %x : f32
      scf.yield %p : f32
    } else {
      scf.yield %a : f32
    }
    scf.yield %y : f32
  }
  return %r : f32
}
"""


def test_a_barrier_follows_each_loop_and_branch() -> None:
    with Invocation(NESTED, ["--iree-hal-target-backends=llvm-cpu"]) as run:
        with run.context:
            assert cut_at_control(run.module) == 2
        names = [op.name for op in operations(run.module)]
        assert names.count("util.optimization_barrier") == 2
        assert all(
            "util.optimization_barrier" in names[i:] for i, name in enumerate(names) if name in ("scf.for", "scf.if")
        )
        run.passes("test", "canonicalize,cse")
        assert str(run.module).count("util.optimization_barrier") == 2
