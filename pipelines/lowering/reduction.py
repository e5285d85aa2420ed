"""Reductions, and positions of extremes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32, is_float
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, SIGNED, identity_map, projection
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import ScalarFunction, compare, convert, number
from difc.pipelines.lowering.values import Value

__all__ = ["combine"]

#: A reduction to fewer results than this, of at least so many elements, takes two kernels: one result is one workgroup.
_FEW_RESULTS, _MANY_ELEMENTS, _PARTS = 32, 1 << 15, 1024


#: Op -> combining function, its neutral element, and whether half floats accumulate in f32.
_TABLE: dict[dif.OpDef, tuple[ScalarFunction, Callable[[np.dtype], float], bool]] = {
    dif.reduce_sum: (scalars.add, lambda _: 0, True),
    dif.reduce_prod: (scalars.mul, lambda _: 1, True),
    dif.reduce_max: (scalars.maximum, scalars.lowest, False),
    dif.reduce_min: (scalars.minimum, scalars.highest, False),
    dif.reduce_and: (scalars.bitwise("andi"), lambda dtype: 1 if dtype == np.bool_ else -1, False),
    dif.reduce_or: (scalars.bitwise("ori"), lambda _: 0, False),
}


def combine(
    c: Context, x: Value, axes: Sequence[int], dtype: np.dtype, function: ScalarFunction, neutral: float
) -> ir.Value:
    """Reduce a value over axes, accumulating in `dtype`; return the tensor of what remains."""
    rank, source = x.aval.ndim, x.aval.dtype
    kept = [d for d in range(rank) if d not in axes]
    sizes = c.sizes(x)
    init = c.filled(number(c, dtype, neutral), [sizes[d] for d in kept])
    iterators = [REDUCTION if d in axes else PARALLEL for d in range(rank)]

    def body(element: ir.Value, accumulated: ir.Value) -> list[ir.Value]:
        return [function(c, dtype, accumulated, convert(c, source, element, dtype))]

    # Loop bounds come from operands: an axis along which a tensor is only repeated would have none.
    source_view = (c.tensor(x), identity_map(rank)) if any(x.dims[d] is None for d in axes) else c.view(x)
    if c.target_kind == "cuda" and len(axes) > 1 and not all(isinstance(sizes[d], int) for d in axes):
        # IREE (3.13) can share out such a reduction among threads only where nothing of another shape is fused with it.
        source_view = c.fence(source_view[0]), source_view[1]
    result = c.generic([source_view], [(init, projection(rank, tuple(kept)))], iterators, body)[0]
    # IREE (3.13) forgets the barrier between a reduction and what it fuses with it, if other threads read the result.
    return c.fence(result) if c.target_kind == "vulkan" else result


def _first_level(c: Context, x: Value, axes: Sequence[int]) -> tuple[Value, list[int], list[int]] | None:
    """Cut a large reduction to few results in two: what to reduce, over which axes first, and over which in all."""
    shape = x.aval.shape
    if not x.aval.is_static or x.scalar is not None:
        return None
    results = math.prod(d for i, d in enumerate(shape) if i not in axes)
    if results >= _FEW_RESULTS or math.prod(shape[i] for i in axes) < _MANY_ELEMENTS:
        return None
    wanted = _PARTS // max(results, 1)
    for cut in range(1, len(axes)):  # whole outer axes as the parts, where they are about as many as wanted
        if wanted // 4 <= math.prod(shape[i] for i in axes[:cut]) <= wanted * 4:
            return x, list(axes[cut:]), list(axes)
    axis = max(axes, key=lambda i: shape[i])
    parts = max((d for d in range(1, min(wanted, shape[axis]) + 1) if shape[axis] % d == 0), default=1)
    if parts < 8:
        return None
    sizes = [*shape[:axis], parts, shape[axis] // parts, *shape[axis + 1 :]]
    split = Value(Aval(tuple(sizes), x.aval.dtype), base=regroup(c, c.tensor(x), shape, sizes))
    inner = [axis + 1, *(i + (i > axis) for i in axes if i != axis)]
    return split, inner, [axis, *inner]


def _reduce(c: Context, out: Out, x: Value, *, axes: tuple[int, ...]) -> Value:
    function, neutral, widen = _TABLE[dif.OPS[out.operation.name]]
    if not axes:
        return x
    dtype = F32 if widen and out.dtype in (F16, BF16) else out.dtype
    start = neutral(dtype)
    axes = tuple(sorted(axes))
    if (level := _first_level(c, x, axes)) is not None:
        x, first, every = level
        kept = [d for d in range(x.aval.ndim) if d not in first]
        partial = combine(c, x, first, dtype, function, start)
        x = Value(Aval(tuple(x.aval.shape[d] for d in kept), dtype), base=partial)
        axes = tuple(i for i, d in enumerate(kept) if d in every)
    total = Value(Aval(out.aval.shape, dtype), base=combine(c, x, axes, dtype, function, start), sizes=out.sizes)
    return total if dtype == out.dtype else c.elementwise(out, [total], lambda a: convert(c, dtype, a, out.dtype))


lowering(*_TABLE)(_reduce)


def _arg_reduce(direction: str) -> Callable[..., Value]:
    """Return the rule that keeps the best element so far and its position; NaN is best of all, and the first wins."""

    def rule(c: Context, out: Out, x: Value, *, axis: int) -> Value:
        dtype, rank = x.aval.dtype, x.aval.ndim
        kept = [d for d in range(rank) if d != axis]
        sizes = [c.size(x, d) for d in kept]
        worst = scalars.lowest(dtype) if direction == "gt" else scalars.highest(dtype)
        best = c.filled(number(c, dtype, worst), sizes)
        position = c.filled(c.constant(0, c.i64), sizes)
        iterators = [REDUCTION if d == axis else PARALLEL for d in range(rank)]
        to_result = projection(rank, tuple(kept))

        def body(element: ir.Value, best: ir.Value, position: ir.Value) -> list[ir.Value]:
            here = c.index_cast(c.iteration_index(axis), c.i64)
            better = compare(c, dtype, element, best, direction)
            equal = compare(c, dtype, element, best, "eq")
            if is_float(dtype):
                new_nan, old_nan = compare(c, dtype, element, element, "ne"), compare(c, dtype, best, best, "ne")
                better = c.value("arith.ori", [better, c.select(old_nan, c.constant(0, c.i1), new_nan)], c.i1)
                equal = c.value("arith.ori", [equal, c.value("arith.andi", [new_nan, old_nan], c.i1)], c.i1)
            # Comparing positions, too, lets a target combine partial results in any order.
            earlier = c.compare(SIGNED["lt"], here, position)
            better = c.value("arith.ori", [better, c.value("arith.andi", [equal, earlier], c.i1)], c.i1)
            return [c.select(better, element, best), c.select(better, here, position)]

        source = c.tensor(x), identity_map(rank)
        inits = [(best, to_result), (position, to_result)]
        found = c.generic([source], inits, iterators, body)[1]
        return out.value(c.fence(found) if c.target_kind == "vulkan" else found)

    return rule


lowering(dif.argmax)(_arg_reduce("gt"))
lowering(dif.argmin)(_arg_reduce("lt"))
