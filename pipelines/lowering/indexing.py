"""Blocks and points read, and blocks written, at run-time positions.

Positions known on the host become slices, which update in place. Others are read by `tensor.extract` inside a generic,
or on CPUs, where whole rows are read, by IREE's gather.
"""

from __future__ import annotations

from collections.abc import Sequence

from difc import dialects as dif
from difc.dialects import window_dims
from difc.dialects.mlir import ir
from difc.dialects.types import BOOL
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import Size, identity_map, projection
from difc.pipelines.lowering.points import (
    as_index,
    coordinates,
    host_point,
    lies_inside,
    minus,
    table_of,
    window_block,
)
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import number
from difc.pipelines.lowering.values import Value

__all__: list[str] = []

#: With fewer elements, one kernel that also computes what follows is faster.
_FEW = 4096


# ---- blocks --------------------------------------------------------------------------------------


def _host_starts(c: Context, x: Value, starts: Sequence[Value], sizes: Sequence[Size]) -> list[Size] | None:
    """Return the starts of a block, moved so that it lies within `x`, where they are known on the host."""
    if any(s.scalar is None for s in starts):
        return None
    return [_start(c, s.scalar, have, want) for s, have, want in zip(starts, c.sizes(x), sizes, strict=True)]


def _start(c: Context, start: ir.Value, have: Size, want: Size) -> Size:
    last = minus(c, have, want)
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
    source, have, rank = c.readable(x), c.sizes(x), len(sizes)
    tensors = [c.tensor(s) for s in starts]

    def body(*starts: ir.Value) -> ir.Value:
        indices = []
        for d, start in enumerate(starts):
            offset = _start(c, start, have[d], sizes[d])
            indices.append(c.arith("addi", offset, c.iteration_index(d)))
        return c.extract(source, indices)

    inputs = [(t, projection(rank, ())) for t in tensors]
    return out.value(c.pointwise(sizes, out.element, body, inputs))


@lowering(dif.dynamic_update_slice)
def _(c: Context, out: Out, x: Value, update: Value, *starts: Value) -> Value:
    want = c.sizes(update)
    if 0 in want:
        return x
    target = c.tensor(x)
    if (offsets := _host_starts(c, x, starts, want)) is not None:
        return out.value(c.insert_slice(c.tensor(update), target, offsets, want, [1] * len(want)))
    have, rank = c.sizes(x), out.aval.ndim
    block = c.readable(update)
    tensors = [c.tensor(s) for s in starts]

    def body(*elements: ir.Value) -> ir.Value:
        *starts, old = elements
        inside, indices = c.constant(1, c.i1), []
        for d, start in enumerate(starts):
            offset = c.index(_start(c, start, have[d], want[d]))
            index = c.arith("subi", c.iteration_index(d), offset)
            is_inside = lies_inside(c, index, want[d])
            inside = c.both(inside, is_inside)
            indices.append(c.select(is_inside, index, c.index(0)))
        return c.select(inside, c.extract(block, indices), old)

    inputs = [*((t, projection(rank, ())) for t in tensors), (target, identity_map(rank))]
    return out.value(c.pointwise(out.sizes, out.element, body, inputs))


# ---- gather --------------------------------------------------------------------------------------


@lowering(dif.gather)
def _(c: Context, out: Out, x: Value, indices: Value, *, axes: tuple[int, ...], batch: int, mode: str) -> Value:
    rank, points = out.aval.ndim, indices.aval.ndim - 1
    sizes = c.sizes(x)
    if 0 in out.sizes or any(sizes[a] == 0 for a in axes):
        return c.splat(out.aval, 0, out.sizes)
    window = window_dims(x.aval.ndim, axes, batch)
    point = None if batch else host_point(indices, len(axes))
    if point is not None and x.scalar is None:
        offsets, block, inside = window_block(c, x, point, indices.aval.dtype, axes)
        drop = [d for d in range(x.aval.ndim) if d in axes]
        row = c.extract_slice(c.tensor(x), offsets, block, [1] * x.aval.ndim, drop)
        dims = (*[None] * points, *range(len(window)))
        found = Value(out.aval, base=row, dims=dims, sizes=out.sizes)
        zero = number(c, out.dtype, 0)
        return found if mode == "clip" else c.elementwise(out, [found], lambda a: c.select(inside, a, zero))
    if _has_rows(c, out, x, axes, batch):
        return _gather_rows(c, out, x, indices, batch + len(axes), batch, mode)
    source, table = c.readable(x), table_of(c, indices)

    def body() -> ir.Value:
        position = c.position(rank)
        inside, where = c.constant(1, c.i1), dict(enumerate(position[:batch]))
        where.update(zip(window, position[points:], strict=True))
        for k, axis in enumerate(axes):
            index = as_index(c, c.extract(table, [*position[:points], c.index(k)]), indices.aval.dtype)
            if mode == "fill":
                inside = c.both(inside, lies_inside(c, index, sizes[axis]))
            where[axis] = c.clamp(index, minus(c, sizes[axis], 1))
        element = c.extract(source, [where[d] for d in range(x.aval.ndim)])
        return element if mode == "clip" else c.select(inside, element, number(c, out.dtype, 0))

    return out.value(c.pointwise(out.sizes, out.element, body))


def _has_rows(c: Context, out: Out, x: Value, axes: tuple[int, ...], batch: int) -> bool:
    """Say whether elements lie side by side that are side by side in the result, and whether there are many.

    IREE's own gather moves such rows four times as fast as a generic does, whose dims IREE (3.13) makes one of.
    """
    keys = batch + len(axes)
    if c.vectors is None or x.aval.dtype == BOOL or not keys or [*range(batch), *axes] != [*range(keys)]:
        return False
    row, total = c.product(c.sizes(x)[keys:]), c.product(out.sizes)
    return row != 1 and not (isinstance(total, int) and total < _FEW)


def _gather_rows(c: Context, out: Out, x: Value, indices: Value, keys: int, batch: int, mode: str) -> Value:
    sizes, points = c.sizes(x), indices.aval.ndim - 1
    places, inside = coordinates(c, indices, sizes, batch, keys, mode)
    point_sizes, row = out.sizes[:points], sizes[keys:]
    count = c.product(point_sizes)
    found = c.gather(c.tensor(x), regroup(c, places, [*point_sizes, keys], [count, keys]), keys, [count, *row])
    found = regroup(c, found, [count, *row], out.sizes)
    if inside is None:
        return out.value(found)
    rank, zero = len(out.sizes), number(c, out.dtype, 0)
    inputs = [(inside, projection(rank, tuple(range(points)))), (found, identity_map(rank))]
    return out.value(c.pointwise(out.sizes, out.element, lambda keep, x: c.select(keep, x, zero), inputs))
