"""Reductions, and positions of extremes.

A result is computed by one workgroup (on GPUs often by one thread), element after element. So a reduction of much to
little takes two kernels, of which the first gives partial results: of neighbouring elements where a static size has
fitting divisors, else, on GPUs, of every 256th element or so, in lanes (on Vulkan of so many that no lane has too many
steps). This keeps sums precise, too; on CPUs long sums of f32 are accumulated in f64, which costs next to nothing: the
error of a mean of 100,000 elements is 4e-8 instead of 1e-5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, aval_of
from difc.dialects.matrices import sizes_of, splat
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, BOOL, DYN, F16, F32, F64, I32, I64, is_float
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.composition import composed
from difc.pipelines.lowering.context import Context, Out, element_type, is_computed, lowering
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, SIGNED, Size, identity_map, projection
from difc.pipelines.lowering.kernel_loops import MOST_STEPS, counted
from difc.pipelines.lowering.points import blocks_of, minus
from difc.pipelines.lowering.powers import power
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import ScalarFunction, compare, convert, number
from difc.pipelines.lowering.values import Value

__all__ = ["combine"]

#: A reduction to fewer results than this, of at least so many elements, takes two kernels: one result is one workgroup.
_FEW_RESULTS, _MANY_ELEMENTS, _PARTS = 32, 1 << 15, 1024
#: On GPUs, rows of at least so many elements (or of a run-time size) are reduced in lanes: so many for each row, and
#: about so many in all; fewer than the least are not worth a kernel.
_LONG_ROW, _ROW_LANES, _ALL_LANES, _LEAST_LANES = 1 << 11, 256, 1 << 13, 8
#: A position after all others. (On Vulkan, IREE 3.13 fails on the largest i64 as a start.)
_NOWHERE = 2**31 - 1
#: Sums of f32 over more elements than this are accumulated in f64 on CPUs.
_LONG_SUM = 1024


class _Reduction(NamedTuple):
    """How elements are combined.

    Attributes:
      function: of two elements.
      neutral: the number, for a dtype, that changes nothing.
      of_equals: gives the result for equal elements, of an element and their count; None: it is the element. Such a
        reduction accumulates in a wider dtype.
    """

    function: ScalarFunction
    neutral: Callable[[np.dtype], float]
    of_equals: ScalarFunction | None = None


_TABLE: dict[dif.OpDef, _Reduction] = {
    dif.reduce_sum: _Reduction(scalars.add, lambda _: 0, scalars.mul),
    dif.reduce_prod: _Reduction(scalars.mul, lambda _: 1, power),
    dif.reduce_max: _Reduction(scalars.maximum, scalars.lowest),
    dif.reduce_min: _Reduction(scalars.minimum, scalars.highest),
    dif.reduce_and: _Reduction(scalars.bitwise("andi"), lambda dtype: 1 if dtype == np.bool_ else -1),
    dif.reduce_or: _Reduction(scalars.bitwise("ori"), lambda _: 0),
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

    # IREE (3.13) makes a contraction of a sum of products: for `sum(x * x, axis=0)` that takes five times as long, and
    # over several dims it is rejected. A number with its own sign is that number; LLVM knows it, and IREE does not.
    hides_products = function is scalars.add and c.target_kind == "cpu" and is_float(dtype) and _is_product(x)

    def body(element: ir.Value, accumulated: ir.Value) -> list[ir.Value]:
        element = convert(c, source, element, dtype)
        if hides_products:
            element = c.value("math.copysign", [element, element], element.type)
        return [function(c, dtype, accumulated, element)]

    source_view = c.view(x)
    if c.target_kind == "cuda" and len(axes) > 1 and not all(isinstance(sizes[d], int) for d in axes):
        # IREE (3.13) can share out such a reduction among threads only where nothing of another shape is fused with it.
        source_view = c.fence(source_view[0]), source_view[1]
    result = c.generic([source_view], [(init, projection(rank, tuple(kept)))], iterators, body)[0]
    # IREE (3.13) forgets the barrier between a reduction and what it fuses with it, if other threads read the result.
    return c.fence(result) if c.target_kind == "vulkan" else result


def _is_product(x: Value) -> bool:
    """Say whether a value may be what a product computes."""
    return x.base is not None and is_computed(x.base)


def _first_level(c: Context, x: Value, axes: Sequence[int]) -> tuple[Value, list[int], list[int]] | None:
    """Cut a large reduction to few results in two: what to reduce, over which axes first, and over which in all."""
    shape = x.aval.shape
    if not x.aval.is_static:
        return None
    results = math.prod(d for i, d in enumerate(shape) if i not in axes)
    count = math.prod(shape[i] for i in axes)
    if results >= _FEW_RESULTS or count < _MANY_ELEMENTS:
        return None
    wanted = _PARTS // max(results, 1)
    least = count / MOST_STEPS if c.target_kind == "vulkan" else 0
    for cut in range(1, len(axes)):  # whole outer axes as the parts, where they are about as many as wanted
        if max(wanted // 4, least) <= math.prod(shape[i] for i in axes[:cut]) <= wanted * 4:
            return x, list(axes[cut:]), list(axes)
    axis = max(axes, key=lambda i: shape[i])
    parts = max((d for d in range(1, min(wanted, shape[axis]) + 1) if shape[axis] % d == 0), default=1)
    if parts < max(8, least):
        return None
    sizes = [*shape[:axis], parts, shape[axis] // parts, *shape[axis + 1 :]]
    split = Value(Aval(tuple(sizes), x.aval.dtype), base=regroup(c, c.tensor(x), shape, sizes))
    inner = [axis + 1, *(i + (i > axis) for i in axes if i != axis)]
    return split, inner, [axis, *inner]


class _Lanes:
    """How a GPU reduces rows that may be long, in lanes: each lane takes every n-th element of a row.

    Attributes:
      axis: the dim of partial results that the lanes lie on.
      shape: the sizes of partial results.
    """

    def __init__(self, c: Context, x: Value, axes: Sequence[int], lanes: Size) -> None:
        self._c, self.lanes, self.axis = c, lanes, axes[0]
        sizes, rank = c.sizes(x), x.aval.ndim
        tensor = c.readable(x)
        self._count = c.product([sizes[d] for d in axes])
        if list(axes) != list(range(axes[0], axes[0] + len(axes))):  # make the reduced dims neighbours: the last ones
            order = [*(d for d in range(rank) if d not in axes), *axes]
            tensor, self.axis = c.transposed(tensor, order, [sizes[d] for d in order]), rank - len(axes)
            sizes = [sizes[d] for d in order]
        rows = [*sizes[: self.axis], self._count, *sizes[self.axis + len(axes) :]]
        self._tensor = c.unfused(regroup(c, tensor, sizes, rows))  # read by other threads than those that compute it
        self.shape = [lanes if d == self.axis else size for d, size in enumerate(rows)]

    @staticmethod
    def of(c: Context, x: Value, axes: Sequence[int]) -> _Lanes | None:
        """Return how to reduce over axes, or None where lanes do not pay."""
        sizes = c.sizes(x)
        count = c.product([sizes[d] for d in axes])
        if c.target_kind == "cpu" or (isinstance(count, int) and count < _LONG_ROW):
            return None
        results = c.product([sizes[d] for d in range(x.aval.ndim) if d not in axes])
        room = _ALL_LANES // max(results, 1) if isinstance(results, int) else _ROW_LANES // 8
        lanes: Size = min(1 << max(room.bit_length() - 1, 0), _ROW_LANES)
        needed = blocks_of(c, count, MOST_STEPS) if c.target_kind == "vulkan" else 1
        if not isinstance(needed, int):
            return _Lanes(c, x, axes, c.arith("maxsi", lanes, needed))
        return _Lanes(c, x, axes, max(lanes, needed)) if lanes >= _LEAST_LANES or needed > 1 else None

    def reduced(self, start: Sequence[tuple[np.dtype, float]], step: Callable[..., Sequence[ir.Value]]) -> list[Value]:
        """Return partial results: from the numbers of `start`, by `step(element, place, inside, *state)`.

        The element at a place that is not `inside` the row is another one.
        """
        c, rank = self._c, len(self.shape)

        def body(*_: ir.Value) -> list[ir.Value]:
            position = [c.iteration_index(d) for d in range(rank)]

            def one(i: ir.Value, *state: ir.Value) -> Sequence[ir.Value]:
                first = c.arith("muli", i, self.lanes)
                place = c.arith("addi", first, position[self.axis])
                inside = c.compare(SIGNED["lt"], place, c.index(self._count))
                near = c.arith("minsi", place, minus(c, self._count, 1))
                there = c.extract(self._tensor, [near if d == self.axis else p for d, p in enumerate(position)])
                return step(there, place, inside, *state)

            return counted(c, 0, blocks_of(c, self._count, self.lanes), [number(c, *s) for s in start], one)

        inits = [(c.empty(self.shape, element_type(dtype)), identity_map(rank)) for dtype, _ in start]
        made = c.generic([], inits, [PARALLEL] * rank, body)
        shape = tuple(s if isinstance(s, int) else DYN for s in self.shape)
        return [
            Value(Aval(shape, dtype), base=c.fence(partial), sizes=self.shape)
            for partial, (dtype, _) in zip(made, start, strict=True)
        ]


def _accumulator(c: Context, x: Value, axes: Sequence[int], dtype: np.dtype) -> np.dtype:
    """Return the dtype to sum in."""
    if dtype in (F16, BF16):
        return F32
    count = c.product([c.size(x, d) for d in axes])
    is_long = not isinstance(count, int) or count > _LONG_SUM
    return F64 if dtype == F32 and is_long and c.target_kind == "cpu" else dtype


def _reduce(c: Context, out: Out, x: Value, *, axes: tuple[int, ...]) -> Value:
    function, neutral, of_equals = _TABLE[dif.OPS[out.operation.name]]
    if not axes:
        return x
    axes = tuple(sorted(axes))
    if repeats := [d for d in axes if x.scalar is not None or x.dims[d] is None]:
        kept = [d for d in range(x.aval.ndim) if d not in repeats]
        one = _reduce(c, out, _along(c, x, kept), axes=tuple(kept.index(d) for d in axes if d not in repeats))
        count = c.product([c.size(x, d) for d in repeats])
        return c.elementwise(out, [one], lambda element: _of_equals(c, out, element, count))
    dtype = _accumulator(c, x, axes, out.dtype) if of_equals is not None else out.dtype
    start = neutral(dtype)
    if (level := _first_level(c, x, axes)) is not None:
        x, first, every = level
        kept = [d for d in range(x.aval.ndim) if d not in first]
        partial = combine(c, x, first, dtype, function, start)
        x = Value(Aval(tuple(x.aval.shape[d] for d in kept), dtype), base=partial)
        axes = tuple(i for i, d in enumerate(kept) if d in every)
    elif (lanes := _Lanes.of(c, x, axes)) is not None:
        source = x.aval.dtype

        def step(element: ir.Value, _: ir.Value, inside: ir.Value, total: ir.Value) -> list[ir.Value]:
            value = c.select(inside, convert(c, source, element, dtype), number(c, dtype, start))
            return [function(c, dtype, total, value)]

        (x,), axes = lanes.reduced([(dtype, start)], step), (lanes.axis,)
    total = Value(Aval(out.aval.shape, dtype), base=combine(c, x, axes, dtype, function, start), sizes=out.sizes)
    return total if dtype == out.dtype else c.elementwise(out, [total], lambda a: convert(c, dtype, a, out.dtype))


def _along(c: Context, x: Value, dimensions: Sequence[int]) -> Value:
    """Return a value without the dims, along which it is repeated, that are not given."""
    aval = Aval(tuple(x.aval.shape[d] for d in dimensions), x.aval.dtype)
    dims = tuple(x.dims[d] for d in dimensions)
    return Value(aval, base=x.base, scalar=x.scalar, dims=dims, sizes=[c.size(x, d) for d in dimensions])


def _of_equals(c: Context, out: Out, element: ir.Value, count: Size) -> ir.Value:
    """Return what equal elements are reduced to."""
    _, neutral, function = _TABLE[dif.OPS[out.operation.name]]
    found = element
    if function is not None:  # integers wrap around, whatever their width
        dtype = out.dtype if out.dtype in (F32, F64) else F32 if is_float(out.dtype) else I64
        times = convert(c, I64, c.index_cast(c.index(count), c.i64), dtype)
        found = convert(c, dtype, function(c, dtype, convert(c, out.dtype, element, dtype), times), out.dtype)
    if isinstance(count, int) and count:
        return found
    is_empty = c.compare(SIGNED["eq"], c.index(count), c.index(0))
    return c.select(is_empty, number(c, out.dtype, neutral(out.dtype)), found)


lowering(*_TABLE)(_reduce)


def _arg_reduce(direction: str) -> Callable[..., Value]:
    """Return the rule that keeps the best element so far and its position; NaN is best of all, and the first wins."""

    def better(
        c: Context, dtype: np.dtype, x: ir.Value, here: ir.Value, best: ir.Value, position: ir.Value
    ) -> ir.Value:
        found = compare(c, dtype, x, best, direction)
        equal = compare(c, dtype, x, best, "eq")
        if is_float(dtype):
            new_nan, old_nan = compare(c, dtype, x, x, "ne"), compare(c, dtype, best, best, "ne")
            found = c.value("arith.ori", [found, c.select(old_nan, c.constant(0, c.i1), new_nan)], c.i1)
            equal = c.value("arith.ori", [equal, c.both(new_nan, old_nan)], c.i1)
        # Comparing positions, too, lets partial results be combined in any order.
        earlier = c.compare(SIGNED["lt"], here, position)
        return c.value("arith.ori", [found, c.both(equal, earlier)], c.i1)

    def rule(c: Context, out: Out, x: Value, *, axis: int) -> Value:
        dtype = x.aval.dtype
        if x.scalar is not None or x.dims[axis] is None:  # all equal
            return c.splat(out.aval, 0, out.sizes)
        if c.target_kind == "cpu":
            return composed(c, partial(_first_extreme, axis=axis, largest=direction == "gt"), x)[0]
        worst = scalars.lowest(dtype) if direction == "gt" else scalars.highest(dtype)
        positions: Value | None = None
        if (lanes := _Lanes.of(c, x, (axis,))) is not None:

            def step(element: ir.Value, place: ir.Value, inside: ir.Value, *state: ir.Value) -> list[ir.Value]:
                here = c.index_cast(place, c.i64)
                is_better = c.both(inside, better(c, dtype, element, here, *state))
                return [c.select(is_better, element, state[0]), c.select(is_better, here, state[1])]

            # Lanes without an element keep a position after all others.
            x, positions = lanes.reduced([(dtype, worst), (I64, _NOWHERE)], step)
        rank = x.aval.ndim
        kept = [d for d in range(rank) if d != axis]
        sizes = [c.size(x, d) for d in kept]
        best = c.filled(number(c, dtype, worst), sizes)
        found = c.filled(c.constant(0 if positions is None else _NOWHERE, c.i64), sizes)
        iterators = [REDUCTION if d == axis else PARALLEL for d in range(rank)]
        to_result = projection(rank, tuple(kept))

        def body(element: ir.Value, *others: ir.Value) -> list[ir.Value]:
            *given, best, position = others
            here = given[0] if given else c.index_cast(c.iteration_index(axis), c.i64)
            is_better = better(c, dtype, element, here, best, position)
            return [c.select(is_better, element, best), c.select(is_better, here, position)]

        sources = [(c.tensor(v), identity_map(rank)) for v in (x, positions) if v is not None]
        position = c.generic(sources, [(best, to_result), (found, to_result)], iterators, body)[1]
        return out.value(c.fence(position) if c.target_kind == "vulkan" else position)

    return rule


def _first_extreme(x: ir.Value, *, axis: int, largest: bool) -> ir.Value:
    """Return the first positions of extremes, or of NaN: two reductions in vectors, where one with a state has none."""
    if aval_of(x).dtype == BOOL:
        x = dif.convert(x, dtype=I32)
    sizes = sizes_of(x)
    kept = tuple(d for d in range(len(sizes)) if d != axis)
    extreme = (dif.reduce_max if largest else dif.reduce_min)(x, axes=(axis,))
    is_there = dif.compare(x, dif.broadcast_in_dim(extreme, shape=tuple(sizes), dimensions=kept), direction="eq")
    is_there = dif.or_(is_there, dif.compare(x, x, direction="ne"))
    position = dif.iota(shape=tuple(sizes), dtype=I32, dimension=axis)
    found = dif.reduce_min(dif.select(is_there, position, splat(_NOWHERE, position)), axes=(axis,))
    return dif.convert(found, dtype=I64)


lowering(dif.argmax)(_arg_reduce("gt"))
lowering(dif.argmin)(_arg_reduce("lt"))
