"""Reductions, positions of extremes, and running sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32, is_float
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, Out, element_type, lowering
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, identity_map, projection
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import ScalarFunction, compare, convert, number
from difc.pipelines.lowering.values import Value

__all__ = ["combine"]

#: A reduction to fewer results than this, of more elements than this, is done in two kernels: one result is one workgroup.
_FEW_RESULTS, _MANY_ELEMENTS, _PARTS = 32, 1 << 15, 1024


def _bitwise(name: str) -> ScalarFunction:
    return lambda c, dtype, x, y: c.value(name, [x, y], x.type)


#: Op -> combining function, its neutral element, and whether half floats accumulate in f32.
_TABLE: dict[dif.OpDef, tuple[ScalarFunction, Callable[[np.dtype], float], bool]] = {
    dif.reduce_sum: (scalars.add, lambda _: 0, True),
    dif.reduce_prod: (scalars.mul, lambda _: 1, True),
    dif.reduce_max: (scalars.maximum, scalars.lowest, False),
    dif.reduce_min: (scalars.minimum, scalars.highest, False),
    dif.reduce_and: (_bitwise("arith.andi"), lambda dtype: 1 if dtype == np.bool_ else -1, False),
    dif.reduce_or: (_bitwise("arith.ori"), lambda _: 0, False),
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
    inputs = [c.view(x)] if x.scalar is None else []

    def body(*elements: ir.Value) -> list[ir.Value]:
        *given, accumulated = elements
        element = convert(c, source, given[0] if given else x.scalar, dtype)
        return [function(c, dtype, accumulated, element)]

    if not inputs:  # the loop bounds come from operands: a repeated scalar needs a tensor
        inputs = [(c.tensor(x), identity_map(rank))]
    return c.generic(inputs, [(init, projection(rank, tuple(kept)))], iterators, body)[0]


def _split(c: Context, x: Value, axes: Sequence[int]) -> tuple[Value, list[int]] | None:
    """Find a first level for a large reduction to few results: the value to reduce, and the axes to begin with."""
    shape = x.aval.shape
    if not x.aval.is_static or x.scalar is not None:
        return None
    results = math.prod(d for i, d in enumerate(shape) if i not in axes)
    count = math.prod(shape[i] for i in axes)
    if results >= _FEW_RESULTS or count < _MANY_ELEMENTS:
        return None
    wanted = _PARTS // results
    for split in range(1, len(axes)):  # keep whole outer axes as the parts, where they are enough and not nearly all
        parts = math.prod(shape[i] for i in axes[:split])
        if wanted // 4 <= parts <= wanted * 4:
            return x, list(axes[split:])
    axis = max(axes, key=lambda i: shape[i])
    divisors = [d for d in range(2, min(wanted, shape[axis] // 2) + 1) if shape[axis] % d == 0]
    if not divisors or divisors[-1] < 8:
        return None
    sizes = [*shape[:axis], divisors[-1], shape[axis] // divisors[-1], *shape[axis + 1 :]]
    split = Value(Aval(tuple(sizes), x.aval.dtype), base=regroup(c, c.tensor(x), shape, sizes))
    return split, [axis + 1, *(i + (i > axis) for i in axes if i != axis)]


def _reduce(c: Context, out: Out, x: Value, axes: tuple[int, ...]) -> Value:
    function, neutral, widen = _TABLE[dif.OPS[out.operation.name]]
    if not axes:
        return x
    dtype = F32 if widen and out.dtype in (F16, BF16) else out.dtype
    start = neutral(dtype)
    axes = tuple(sorted(axes))
    level = _split(c, x, axes)
    if level is not None:
        first, first_axes = level
        rest = tuple(d for i, d in enumerate(first.aval.shape) if i not in first_axes)
        x = Value(Aval(rest, dtype), base=combine(c, first, first_axes, dtype, function, start))
        axes = _remaining_axes(first.aval.ndim, first_axes, out.aval.ndim, axes, level[0].aval.ndim)
    total = Value(Aval(out.aval.shape, dtype), base=combine(c, x, axes, dtype, function, start), sizes=out.sizes)
    return total if dtype == out.dtype else c.elementwise(out, [total], lambda a: convert(c, dtype, a, out.dtype))
