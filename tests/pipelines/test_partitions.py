"""Cuts between command buffers: behind each loop and branch on the host, and nowhere else; kernels that run again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.pipelines.invocation import Invocation
from difc.pipelines.operations import operations
from difc.pipelines.partitions import cut_at_control
from tests.pipelines.artifacts import needs_vulkan

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


def _slope_of_slope(x: Any) -> Any:
    """Positions that are computed of a size alone, and that are used before, in and behind two scatters."""
    slope = difc.grad(lambda x: np.sum(np.concatenate([x, x]) ** 3))
    return difc.grad(lambda x: np.sum(np.tanh(slope(x))))(x)


@pytest.mark.parametrize("spec", [difc.f32["n"], difc.f32["n", "m"]], ids=str)
def test_a_kernel_of_sizes_alone_runs_before_in_and_behind_loops(spec: Any) -> None:
    difc.compile(_slope_of_slope, spec, target="vulkan", opt_level=1)


@needs_vulkan
@pytest.mark.parametrize("spec", [difc.f32["n"], difc.f32["n", "m"]], ids=str)
def test_such_a_kernel_gives_the_same_everywhere(spec: Any) -> None:
    compiled = difc.compile(_slope_of_slope, spec, target="vulkan", opt_level=1)
    for n in (1, 40, 0):
        x = np.linspace(-1, 1, 35 * n, dtype=np.float32).reshape(n, 35)
        x = x if len(spec.shape) == 2 else x[:, 0]
        np.testing.assert_allclose(compiled(x), (1 - np.tanh(6 * x**2) ** 2) * 12 * x, rtol=1e-4, atol=1e-5)
