"""Loops inside a kernel: over scalars, in the body of a generic, one for each element of its result.

They run on every target (a lane is a thread on GPUs), but are not vectorized; where many elements are read in order, a
reduction is better. A tensor that a loop reads is computed before, in a kernel of its own. `counted` can also be a loop
of the host, over tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import SIGNED, Emitter, Size

__all__ = ["MOST_STEPS", "counted", "partition_point"]

MOST_STEPS = 1 << 15
"""What the loops of a kernel of Vulkan should not exceed: Mesa's software driver lets one thread do 65,535 steps in all
its loops together, and then ends them, so that results are wrong."""


def counted(
    c: Emitter,
    start: Size,
    stop: Size,
    state: Sequence[ir.Value],
    step: Callable[..., Sequence[ir.Value]],
    by: int = 1,
) -> list[ir.Value]:
    """Return what is left of `state` after `step(index, *state)` for each `by`-th index from `start` up to `stop`."""
    bounds = [c.index(start), c.index(stop), c.index(by)]
    loop = c.operation("scf.for", [*bounds, *state], [v.type for v in state], regions=1)
    block = c.block(loop.regions[0], [c.index_type, *(v.type for v in state)])
    with c.within(block):
        c.operation("scf.yield", step(*block.arguments))
    return list(loop.results)


def partition_point(c: Emitter, low: ir.Value, high: ir.Value, holds: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """Return the first index from `low` to `high` where `holds` does not, by bisection; it holds up to some place."""
    types = [c.index_type] * 2
    loop = c.operation("scf.while", [low, high], types, regions=2)
    test = c.block(loop.regions[0], types)
    with c.within(test):
        c.operation("scf.condition", [c.compare(SIGNED["lt"], *test.arguments), *test.arguments])
    half = c.block(loop.regions[1], types)
    with c.within(half):
        a, b = half.arguments
        total = c.arith("addi", a, b)
        middle = c.arith("shrui", total, 1)
        up = holds(middle)
        after = c.arith("addi", middle, 1)
        c.operation("scf.yield", [c.select(up, after, a), c.select(up, b, middle)])
    return loop.results[0]
