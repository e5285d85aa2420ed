"""Writing at run-time positions.

A point known on the host is a slice, updated in place. Others go to IREE's scatter, which applies the updates one after
the other, so equal points are right; many rows on CPUs go to a kernel of ours that does the same (`scatter_kernel.py`).
On Vulkan, where IREE (3.13) leaves windows whose last dim is longer than 32 to one thread, that is cut, and points into
parts where they are many: a thread of Mesa's driver may have few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, window_dims
from difc.dialects.mlir import ir
from difc.dialects.types import I64
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, Out, element_type, lowering
from difc.pipelines.lowering.emitter import Size, element_of, identity_map, projection
from difc.pipelines.lowering.kernel_loops import MOST_STEPS, counted
from difc.pipelines.lowering.points import blocks_of, coordinates, host_point, minus, window_block
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import number
from difc.pipelines.lowering.scatter_kernel import are_many_rows, change_rows
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.lowering.values import Value

__all__: list[str] = []

#: The last dim of a window, on Vulkan.
_SHORT = 32
#: Of so many times more points than slices, to test the updates takes longer than to copy the array.
_MANY = 2


class _Combine(NamedTuple):
    """How an update changes what is there, and the update that changes nothing."""

    apply: scalars.ScalarFunction
    nothing: Callable[[np.dtype], float]


#: op -> how it combines; `scatter` replaces
_COMBINE = {
    dif.scatter_add.name: _Combine(scalars.add, lambda dtype: 0 if dtype.kind in "iu" else -0.0),  # x + -0.0 is x
    dif.scatter_mul.name: _Combine(scalars.mul, lambda dtype: 1),
    dif.scatter_min.name: _Combine(scalars.minimum, scalars.highest),
    dif.scatter_max.name: _Combine(scalars.maximum, scalars.lowest),
}


def _scatter(
    c: Context,
    out: Out,
    x: Value,
    indices: Value,
    updates: Value,
    *,
    axes: tuple[int, ...],
    batch: int,
    mode: str,
) -> Value:
    combine = _COMBINE.get(out.operation.name)
    if 0 in updates.sizes or any(x.sizes[a] == 0 for a in axes):
        return x
    points = indices.aval.ndim - 1
    if all(indices.sizes[d] == 1 for d in range(points)) and not batch:
        point = host_point(indices, len(axes))
        if point is not None:
            return _write_block(c, out, x, point, indices.aval.dtype, updates, axes, mode, combine)
    return out.value(_write_points(c, x, indices, updates, axes, batch, mode, combine))


lowering(*dif.SCATTERS)(_scatter)


def _write_block(
    c: Context,
    out: Out,
    x: Value,
    point: list[ir.Value],
    dtype: np.dtype,
    updates: Value,
    axes: tuple[int, ...],
    mode: str,
    combine: _Combine | None,
) -> Value:
    """Write one window at a point known on the host: a slice that is updated in place."""
    offsets, block, inside = window_block(c, x, point, dtype, axes)
    target, strides = c.tensor(x), [1] * x.aval.ndim
    new = regroup(c, c.tensor(updates), c.sizes(updates), block)
    if combine is not None or mode == "fill":
        old = c.extract_slice(target, offsets, block, strides)

        def body(a: ir.Value, b: ir.Value) -> ir.Value:
            changed = b if combine is None else combine.apply(c, out.dtype, a, b)
            return changed if mode == "clip" else c.select(inside, changed, a)

        same = identity_map(len(block))
        new = c.pointwise(block, out.element, body, [(old, same), (new, same)])
    return out.value(c.insert_slice(new, target, offsets, block, strides))


def _write_points(
    c: Context,
    x: Value,
    indices: Value,
    updates: Value,
    axes: tuple[int, ...],
    batch: int,
    mode: str,
    combine: _Combine | None,
) -> ir.Value:
    """Write windows one after the other, on an array whose leading dims are those of the points.

    Batch dims become coordinates too.
    """
    keys = batch + len(axes)
    if keys == 0:
        return _write_everywhere(c, x, indices, updates, combine)
    rank, points = x.aval.ndim, indices.aval.ndim - 1
    order = [*range(batch), *axes, *window_dims(rank, axes, batch)]
    sizes, target = [c.size(x, d) for d in order], c.tensor(x)
    if order != sorted(order):
        target = c.transposed(target, order, sizes)
    count = c.product([c.size(indices, d) for d in range(points)])
    rows = [c.product(sizes[:keys]), c.product(sizes[keys:]), count]
    is_plain = combine is None or combine is _COMBINE[dif.scatter_add.name]
    if is_plain and c.vectors is not None and are_many_rows(rows, element_of(target)):
        numbers = _row_numbers(c, indices, sizes[:keys], batch, mode)
        table = regroup(c, target, sizes, rows[:2])
        news = regroup(c, c.tensor(updates), c.sizes(updates), [count, rows[1]])
        result = change_rows(c, table, numbers, news, rows, is_added=combine is not None, unit=c.vectors)
        result = regroup(c, result, rows[:2], sizes)
    else:
        result = _write_windows(c, x.aval.dtype, target, sizes, indices, updates, batch, keys, mode, combine)
    if order != sorted(order):
        result = c.transposed(result, [order.index(d) for d in range(rank)], c.sizes(x))
    return result


def _row_numbers(c: Context, indices: Value, sizes: Sequence[Size], batch: int, mode: str) -> ir.Value:
    """Return the rows that points are, where the dims that they index are one: beyond the last for those outside."""
    points, keys = indices.aval.ndim - 1, len(sizes)
    places, _ = coordinates(c, indices, sizes, batch, keys, mode, spare=mode == "fill")
    point_sizes = [c.size(indices, d) for d in range(points)]
    count = c.product(point_sizes)
    flat = regroup(c, places, [*point_sizes, keys], [count, keys])
    if keys == 1:
        return regroup(c, flat, [count, 1], [count])
    table = c.fence(flat)

    def row() -> ir.Value:
        (at,) = c.position(1)
        found = c.index(0)
        for key, size in enumerate(sizes):
            place = c.index_cast(c.extract(table, [at, c.index(key)]), c.index_type)
            found = c.arith("addi", c.arith("muli", found, size), place)
        return c.index_cast(found, element_of(flat))

    return c.pointwise([count], element_of(flat), row)


def _write_windows(
    c: Context,
    dtype: np.dtype,
    target: ir.Value,
    sizes: Sequence[Size],
    indices: Value,
    updates: Value,
    batch: int,
    keys: int,
    mode: str,
    combine: _Combine | None,
) -> ir.Value:
    """Write windows with IREE's scatter.

    A dropped write changes nothing (it adds 0, say), or goes to a spare last slice of the first dim, if there are many
    writes or none changes nothing.
    """
    rank, points = len(sizes), indices.aval.ndim - 1
    point_sizes, window_sizes = [c.size(indices, d) for d in range(points)], sizes[keys:]
    count = c.product(point_sizes)
    is_many = isinstance(count, int) and isinstance(sizes[0], int) and count >= _MANY * sizes[0]
    spare = mode == "fill" and (combine is None or is_many)
    places, kept = coordinates(c, indices, sizes[:keys], batch, keys, mode, spare=spare)
    flat = regroup(c, places, [*point_sizes, keys], [count, keys])
    new = c.tensor(updates)
    if mode == "fill" and not spare:
        assert combine is not None
        assert kept is not None
        nothing = number(c, dtype, combine.nothing(dtype))
        new = _masked(c, dtype, new, kept, nothing, [*point_sizes, *window_sizes], points)
    new = regroup(c, new, [*point_sizes, *window_sizes], [count, *window_sizes])
    if spare:
        room = c.empty([minus(c, sizes[0], -1), *sizes[1:]], element_of(target))
        target = c.insert_slice(target, room, [0] * rank, sizes, [1] * rank)

    def body(update: ir.Value, old: ir.Value) -> list[ir.Value]:
        return [update if combine is None else combine.apply(c, dtype, old, update)]

    write = _spread if c.target_kind == "vulkan" else TensorEmitter.scatter
    result = write(c, new, flat, target, range(keys), body)
    return c.extract_slice(result, [0] * rank, sizes, [1] * rank) if spare else result


def _write_everywhere(c: Context, x: Value, indices: Value, updates: Value, combine: _Combine | None) -> ir.Value:
    """Write points that are all of `x`, as the one slice of a new first dim."""
    sizes = c.sizes(x)
    whole = Value(Aval((1, *x.aval.shape), x.aval.dtype), base=regroup(c, c.tensor(x), sizes, [1, *sizes]))
    first = c.splat(Aval((*indices.aval.shape[:-1], 1), I64), 0, [*c.sizes(indices)[:-1], 1])
    written = _write_points(c, whole, first, updates, (0,), 0, "clip", combine)
    return regroup(c, written, [1, *sizes], sizes)


def _spread(
    c: Context,
    updates: ir.Value,
    points: ir.Value,
    target: ir.Value,
    keys: Sequence[int],
    body: Callable[..., list[ir.Value]],
) -> ir.Value:
    """Append a scatter of windows whose last dim is short, which IREE spreads over threads."""
    rows, windows = [c.size_of(target, d) for d in keys], c.sizes_of(target, len(keys))
    count, width = c.size_of(updates, 0), c.product(windows)
    if isinstance(width, int) and width <= _SHORT:
        return _few_at_a_time(c, updates, points, target, keys, body)
    short = next((d for d in range(_SHORT, 1, -1) if isinstance(width, int) and width % d == 0), 0)
    fits, short = bool(short), short or _SHORT
    blocks = blocks_of(c, width, short)
    room = c.product([blocks, short])

    def cut(x: ir.Value, leading: list[Size]) -> ir.Value:
        x = regroup(c, x, [*leading, *windows], [*leading, width])
        if not fits:
            whole, rank = c.empty([*leading, room], element_of(x)), len(leading) + 1
            x = c.insert_slice(x, whole, [0] * rank, [*leading, width], [1] * rank)
        return regroup(c, x, [*leading, room], [*leading, blocks, short])

    written = _few_at_a_time(c, cut(updates, [count]), points, cut(target, rows), keys, body)
    written = regroup(c, written, [*rows, blocks, short], [*rows, room])
    if not fits:
        # IREE (3.13) cannot compile an elementwise kernel on one dim that reads such a part of two.
        written = c.fence(c.extract_slice(written, [0] * _rank(written), [*rows, width], [1] * _rank(written)))
    return regroup(c, written, [*rows, width], [*rows, *windows])


def _few_at_a_time(
    c: Context,
    updates: ir.Value,
    points: ir.Value,
    target: ir.Value,
    keys: Sequence[int],
    body: Callable[..., list[ir.Value]],
) -> ir.Value:
    """Append scatters of few points each: one after the other, or, if their number is unknown, a loop on the host."""
    count = c.size_of(updates, 0)

    def write(first: Size, size: Size, into: ir.Value) -> ir.Value:
        part = partial(_leading, c, first=first, size=size)
        return c.scatter(part(updates), part(points), into, keys, body)

    if isinstance(count, int):
        for first in range(0, count, MOST_STEPS):
            target = write(first, min(MOST_STEPS, count - first), target)
        return target

    def step(first: ir.Value, into: ir.Value) -> list[ir.Value]:
        left = c.arith("subi", count, first)
        size = c.arith("minsi", left, MOST_STEPS)
        return [write(first, size, into)]

    return counted(c, 0, count, [target], step, by=MOST_STEPS)[0]


def _leading(c: Context, x: ir.Value, first: int, size: int) -> ir.Value:
    rest = c.sizes_of(x, 1)
    return c.extract_slice(x, [first, *[0] * len(rest)], [size, *rest], [1] * _rank(x))


def _rank(x: ir.Value) -> int:
    return x.type.rank


def _masked(
    c: Context,
    dtype: np.dtype,
    updates: ir.Value,
    kept: ir.Value,
    nothing: ir.Value,
    sizes: Sequence[Size],
    points: int,
) -> ir.Value:
    """Replace the updates of dropped points by what changes nothing."""
    rank = len(sizes)
    inputs = [(kept, projection(rank, tuple(range(points)))), (updates, identity_map(rank))]
    return c.pointwise(sizes, element_type(dtype), lambda keep, new: c.select(keep, new, nothing), inputs)
