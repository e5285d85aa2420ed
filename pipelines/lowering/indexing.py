"""Reading and writing at run-time positions.

Positions known on the host become slices, which update in place. Others are read by `tensor.extract` inside a generic, and
written by IREE's scatter, which applies the updates one after the other, so equal points are right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, window_dims
from difc.dialects.mlir import ir
from difc.dialects.types import I32, I64
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, Out, element_type, lowering
from difc.pipelines.lowering.elementwise import HOST_DTYPES
from difc.pipelines.lowering.emitter import PARALLEL, SIGNED, Size, identity_map, projection
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import convert, number
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


def _minus(c: Context, size: Size, other: Size) -> Size:
    if isinstance(size, int) and isinstance(other, int):
        return size - other
    return c.value("arith.subi", [c.index(size), c.index(other)], c.index_type)


def _is_inside(c: Context, index: ir.Value, size: Size) -> ir.Value:
    low = c.compare(SIGNED["ge"], index, c.index(0))
    return c.value("arith.andi", [low, c.compare(SIGNED["lt"], index, c.index(size))], c.i1)


def _as_index(c: Context, scalar: ir.Value, dtype: np.dtype) -> ir.Value:
    """Return an integer as an `index`; unsigned ones beyond i64 become negative, which is outside as well."""
    return c.index_cast(convert(c, dtype, scalar, I64), c.index_type)


# ---- blocks --------------------------------------------------------------------------------------


def _host_starts(c: Context, x: Value, starts: Sequence[Value], sizes: Sequence[Size]) -> list[Size] | None:
    """Return the starts of a block, moved so that it lies within `x`, where they are known on the host."""
    if any(s.scalar is None for s in starts):
        return None
    return [_start(c, s.scalar, have, want) for s, have, want in zip(starts, c.sizes(x), sizes, strict=True)]


def _start(c: Context, start: ir.Value, have: Size, want: Size) -> Size:
    last = _minus(c, have, want)
    if last == 0:
        return 0
    known = c.number(start)
    if known is not None and isinstance(last, int):
        return min(max(int(known), 0), last)
    return c.clamp(c.index_cast(start, c.index_type), last)


@lowering(dif.dynamic_slice)
def _(c: Context, out: Out, x: Value, *starts: Value, sizes: tuple[int, ...]) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar)
    if (offsets := _host_starts(c, x, starts, sizes)) is not None:
        return out.value(c.extract_slice(c.tensor(x), offsets, sizes, [1] * len(sizes)))
    source, have, rank = c.tensor(x), c.sizes(x), len(sizes)
    tensors = [c.tensor(s) for s in starts]

    def body(*elements: ir.Value) -> list[ir.Value]:
        indices = []
        for d, start in enumerate(elements[:-1]):
            offset = _start(c, start, have[d], sizes[d])
            indices.append(c.value("arith.addi", [c.index(offset), c.iteration_index(d)], c.index_type))
        return [c.extract(source, indices)]

    inputs = [(t, projection(rank, ())) for t in tensors]
    init = (c.empty(sizes, out.element), identity_map(rank))
    return out.value(c.generic(inputs, [init], [PARALLEL] * rank, body)[0])


@lowering(dif.dynamic_update_slice)
def _(c: Context, out: Out, x: Value, update: Value, *starts: Value) -> Value:
    want = c.sizes(update)
    if 0 in want:
        return x
    target = c.tensor(x)
    if (offsets := _host_starts(c, x, starts, want)) is not None:
        return out.value(c.insert_slice(c.tensor(update), target, offsets, want, [1] * len(want)))
    have, rank = c.sizes(x), out.aval.ndim
    block = c.tensor(update)
    tensors = [c.tensor(s) for s in starts]

    def body(*elements: ir.Value) -> list[ir.Value]:
        inside, indices = c.constant(1, c.i1), []
        for d, start in enumerate(elements[:-2]):
            offset = c.index(_start(c, start, have[d], want[d]))
            index = c.value("arith.subi", [c.iteration_index(d), offset], c.index_type)
            is_inside = _is_inside(c, index, want[d])
            inside = c.value("arith.andi", [inside, is_inside], c.i1)
            indices.append(c.select(is_inside, index, c.index(0)))
        return [c.select(inside, c.extract(block, indices), elements[-2])]

    inputs = [*((t, projection(rank, ())) for t in tensors), (target, identity_map(rank))]
    init = (c.empty(out.sizes, out.element), identity_map(rank))
    return out.value(c.generic(inputs, [init], [PARALLEL] * rank, body)[0])


# ---- one point known on the host -----------------------------------------------------------------


def _host_point(indices: Value, count: int) -> list[ir.Value] | None:
    """Return the coordinates where all points are one and the same and known on the host."""
    if indices.aval.dtype not in HOST_DTYPES:
        return None
    if indices.scalar is not None:
        return [indices.scalar] * count
    if indices.pieces is None or indices.pieces[0] != indices.aval.ndim - 1:
        return None
    pieces = indices.pieces[1]
    if any(p.scalar is None or p.aval.shape[-1] != 1 for p in pieces):
        return None
    return [p.scalar for p in pieces if p.scalar is not None]


def _window_block(
    c: Context, x: Value, point: list[ir.Value], dtype: np.dtype, axes: tuple[int, ...]
) -> tuple[list[Size], list[Size], ir.Value]:
    """Return the offsets (moved inside) and sizes of the block of `x` at a point, and whether the point was inside."""
    offsets: list[Size] = [0] * x.aval.ndim
    sizes = c.sizes(x)
    block, inside = list(sizes), c.constant(1, c.i1)
    for axis, scalar in zip(axes, point, strict=True):
        index = _as_index(c, scalar, dtype)
        is_inside = _is_inside(c, index, sizes[axis])
        inside = c.value("arith.andi", [inside, is_inside], c.i1)
        offsets[axis], block[axis] = c.clamp(index, _minus(c, sizes[axis], 1)), 1
    return offsets, block, inside


# ---- gather --------------------------------------------------------------------------------------


@lowering(dif.gather)
def _(c: Context, out: Out, x: Value, indices: Value, *, axes: tuple[int, ...], batch: int, mode: str) -> Value:
    rank, points = out.aval.ndim, indices.aval.ndim - 1
    sizes = c.sizes(x)
    if 0 in out.sizes or any(sizes[a] == 0 for a in axes):
        return c.splat(out.aval, 0, out.sizes)
    window = window_dims(x.aval.ndim, axes, batch)
    point = None if batch else _host_point(indices, len(axes))
    if point is not None and x.scalar is None:
        offsets, block, inside = _window_block(c, x, point, indices.aval.dtype, axes)
        drop = [d for d in range(x.aval.ndim) if d in axes]
        row = c.extract_slice(c.tensor(x), offsets, block, [1] * x.aval.ndim, drop)
        dims = (*[None] * points, *range(len(window)))
        found = Value(out.aval, base=row, dims=dims, sizes=out.sizes)
        zero = number(c, out.dtype, 0)
        return found if mode == "clip" else c.elementwise(out, [found], lambda a: c.select(inside, a, zero))
    source, table = c.tensor(x), c.tensor(indices)
    loops = [*range(points), *range(points, rank)]

    def body(_: ir.Value) -> list[ir.Value]:
        position = [c.iteration_index(d) for d in loops]
        inside, where = c.constant(1, c.i1), dict(enumerate(position[:batch]))
        where.update(zip(window, position[points:], strict=True))
        for k, axis in enumerate(axes):
            index = _as_index(c, c.extract(table, [*position[:points], c.index(k)]), indices.aval.dtype)
            if mode == "fill":
                inside = c.value("arith.andi", [inside, _is_inside(c, index, sizes[axis])], c.i1)
            where[axis] = c.clamp(index, _minus(c, sizes[axis], 1))
        element = c.extract(source, [where[d] for d in range(x.aval.ndim)])
        return [element if mode == "clip" else c.select(inside, element, number(c, out.dtype, 0))]

    init = (c.empty(out.sizes, out.element), identity_map(rank))
    return out.value(c.generic([], [init], [PARALLEL] * rank, body)[0])


# ---- scatter -------------------------------------------------------------------------------------


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
    adds = out.operation.name == dif.scatter_add.name
    if 0 in updates.sizes or any(x.sizes[a] == 0 for a in axes):
        return x
    points = indices.aval.ndim - 1
    if all(indices.sizes[d] == 1 for d in range(points)) and not batch:
        point = _host_point(indices, len(axes))
        if point is not None:
            return _write_block(c, out, x, point, indices.aval.dtype, updates, axes, mode, adds)
    return out.value(_write_points(c, x, indices, updates, axes, batch, mode, adds))


lowering(dif.scatter, dif.scatter_add)(_scatter)


def _write_block(
    c: Context,
    out: Out,
    x: Value,
    point: list[ir.Value],
    dtype: np.dtype,
    updates: Value,
    axes: tuple[int, ...],
    mode: str,
    adds: bool,
) -> Value:
    """Write one window at a point known on the host: a slice that is updated in place."""
    offsets, block, inside = _window_block(c, x, point, dtype, axes)
    target, strides = c.tensor(x), [1] * x.aval.ndim
    new = regroup(c, c.tensor(updates), c.sizes(updates), block)
    if adds or mode == "fill":
        old = c.extract_slice(target, offsets, block, strides)

        def body(a: ir.Value, b: ir.Value, _: ir.Value) -> list[ir.Value]:
            changed = scalars.add(c, out.dtype, a, b) if adds else b
            return [changed if mode == "clip" else c.select(inside, changed, a)]

        rank = len(block)
        same = identity_map(rank)
        init = (c.empty(block, out.element), same)
        new = c.generic([(old, same), (new, same)], [init], [PARALLEL] * rank, body)[0]
    return out.value(c.insert_slice(new, target, offsets, block, strides))


def _write_points(
    c: Context,
    x: Value,
    indices: Value,
    updates: Value,
    axes: tuple[int, ...],
    batch: int,
    mode: str,
    adds: bool,
) -> ir.Value:
    """Write windows one after the other with IREE's scatter, on an array whose leading dims are those of the points.

    Batch dims become coordinates too. A dropped write adds nothing, or goes to a spare last slice of the first dim.
    """
    keys = batch + len(axes)
    if keys == 0:  # every point is all of `x`, seen as the one slice of a new first dim
        whole = Value(Aval((1, *x.aval.shape), x.aval.dtype), base=regroup(c, c.tensor(x), c.sizes(x), [1, *c.sizes(x)]))
        first = c.splat(Aval((*indices.aval.shape[:-1], 1), I64), 0, [*c.sizes(indices)[:-1], 1])
        written = _write_points(c, whole, first, updates, (0,), 0, "clip", adds)
        return regroup(c, written, [1, *c.sizes(x)], c.sizes(x))
    rank, points = x.aval.ndim, indices.aval.ndim - 1
    window = window_dims(rank, axes, batch)
    order = [*range(batch), *axes, *window]
    sizes = [c.size(x, d) for d in order]
    dtype, element = x.aval.dtype, element_type(x.aval.dtype)
    target = c.tensor(x)
    if order != sorted(order):
        target = c.transposed(target, order, sizes)
    spare = mode == "fill" and not adds
    count = c.product([c.size(indices, d) for d in range(points)])
    point_sizes = [c.size(indices, d) for d in range(points)]
    window_sizes = [c.size(x, d) for d in window]
    coordinates, kept = _coordinates(c, indices, sizes, batch, keys, mode, spare)
    flat = regroup(c, coordinates, [*point_sizes, keys], [count, keys])
    new = c.tensor(updates)
    if adds and mode == "fill":
        assert kept is not None
        new = _masked(c, dtype, new, kept, [*point_sizes, *window_sizes], points)
    new = regroup(c, new, [*point_sizes, *window_sizes], [count, *window_sizes])
    if spare:
        first = _minus(c, sizes[0], -1)
        room = c.empty([first, *sizes[1:]], element)
        target = c.insert_slice(target, room, [0] * rank, sizes, [1] * rank)

    def body(update: ir.Value, old: ir.Value) -> list[ir.Value]:
        return [scalars.add(c, dtype, old, update) if adds else update]

    result = c.scatter(new, flat, target, list(range(keys)), body)
    if spare:
        result = c.extract_slice(result, [0] * rank, sizes, [1] * rank)
    if order != sorted(order):
        back = [order.index(d) for d in range(rank)]
        result = c.transposed(result, back, c.sizes(x))
    return result


def _coordinates(
    c: Context, indices: Value, sizes: Sequence[Size], batch: int, keys: int, mode: str, spare: bool
) -> tuple[ir.Value, ir.Value | None]:
    """Return the i32 coordinates of all points, batch dims first and moved inside, and which points were inside."""
    points = indices.aval.ndim - 1
    table, dtype = c.tensor(indices), indices.aval.dtype
    point_sizes = [c.size(indices, d) for d in range(points)]

    def index_at(position: Sequence[ir.Value], key: int) -> ir.Value:
        return _as_index(c, c.extract(table, [*position, c.index(key - batch)]), dtype)

    def inside_body(_: ir.Value) -> list[ir.Value]:
        position = [c.iteration_index(d) for d in range(points)]
        inside = c.constant(1, c.i1)
        for key in range(batch, keys):
            is_inside = _is_inside(c, index_at(position, key), sizes[key])
            inside = c.value("arith.andi", [inside, is_inside], c.i1)
        return [inside]

    kept = None
    if mode == "fill":
        init = (c.empty(point_sizes, c.i1), identity_map(points))
        kept = c.generic([], [init], [PARALLEL] * points, inside_body)[0]

    i32 = element_type(I32)
    columns = []
    for key in range(keys):

        def column(*elements: ir.Value, key: int = key) -> list[ir.Value]:
            position = [c.iteration_index(d) for d in range(points)]
            if key < batch:
                index = position[key]
            else:
                index = c.clamp(index_at(position, key), _minus(c, sizes[key], 1))
            if spare and key == 0:
                index = c.select(elements[0], index, c.index(sizes[0]))
            return [c.index_cast(index, i32)]

        inputs = [(kept, identity_map(points))] if spare and kept is not None else []
        init = (c.empty(point_sizes, i32), identity_map(points))
        made = c.generic(inputs, [init], [PARALLEL] * points, column)[0]
        columns.append(regroup(c, made, point_sizes, [*point_sizes, 1]))
    if len(columns) == 1:
        return columns[0], kept
    return c.concatenated(columns, points, [*point_sizes, keys]), kept


def _masked(
    c: Context, dtype: np.dtype, updates: ir.Value, kept: ir.Value, sizes: Sequence[Size], points: int
) -> ir.Value:
    """Replace the updates of dropped points by what adds nothing."""
    rank = len(sizes)
    nothing = number(c, dtype, -0.0 if dtype.kind not in "iu" else 0)  # x + -0.0 is x for every float x
    inputs = [(kept, projection(rank, tuple(range(points)))), (updates, identity_map(rank))]
    init = (c.empty(sizes, element_type(dtype)), identity_map(rank))
    return c.generic(inputs, [init], [PARALLEL] * rank, lambda keep, new, _: [c.select(keep, new, nothing)])[0]
