"""Positions given at run time: clamping them, testing them, and finding those that are known on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import I32, I64
from difc.pipelines.lowering.context import Context, element_type, is_computed
from difc.pipelines.lowering.elementwise import HOST_DTYPES
from difc.pipelines.lowering.emitter import SIGNED, Size, identity_map
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import convert
from difc.pipelines.lowering.values import Value

__all__ = [
    "as_index",
    "blocks_of",
    "coordinates",
    "host_point",
    "lies_inside",
    "minus",
    "plus",
    "table_of",
    "window_block",
]

#: A table of more indices than these is computed in a kernel of its own.
_SMALL = 1 << 10


def minus(c: Context, size: Size, other: Size) -> Size:
    """Return a difference of sizes."""
    if isinstance(size, int) and isinstance(other, int):
        return size - other
    return c.arith("subi", size, other)


def plus(c: Context, size: Size, other: Size) -> Size:
    """Return a sum of sizes."""
    if isinstance(size, int) and isinstance(other, int):
        return size + other
    return c.arith("addi", size, other)


def blocks_of(c: Context, size: Size, width: Size) -> Size:
    """Return how many blocks of `width` hold `size` elements; the last one may be shorter."""
    if isinstance(size, int) and isinstance(width, int):
        return -(-size // width)
    rounded = minus(c, plus(c, size, width), 1)
    return c.arith("divui", rounded, width)


def lies_inside(c: Context, index: ir.Value, size: Size) -> ir.Value:
    """Say whether an index is one of a dim of such a size."""
    low = c.compare(SIGNED["ge"], index, c.index(0))
    return c.both(low, c.compare(SIGNED["lt"], index, c.index(size)))


def as_index(c: Context, scalar: ir.Value, dtype: np.dtype) -> ir.Value:
    """Return an integer as an `index`; unsigned ones beyond i64 become negative, which is outside as well."""
    return c.index_cast(convert(c, dtype, scalar, I64), c.index_type)


def table_of(c: Context, indices: Value) -> ir.Value:
    """Return indices as a tensor that a kernel may read by position.

    Where IREE (3.13) fuses what computes them with a kernel that reads them, it can keep all of them in one thread.
    """
    table, count = c.readable(indices), c.product(c.sizes(indices))
    is_small = isinstance(count, int) and count <= _SMALL
    return c.fence(table) if is_computed(table) and not is_small else table


def host_point(indices: Value, count: int) -> list[ir.Value] | None:
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


def window_block(
    c: Context, x: Value, point: list[ir.Value], dtype: np.dtype, axes: tuple[int, ...]
) -> tuple[list[Size], list[Size], ir.Value]:
    """Return the offsets (moved inside) and sizes of the block of `x` at a point, and whether the point was inside."""
    offsets: list[Size] = [0] * x.aval.ndim
    sizes = c.sizes(x)
    block, inside = list(sizes), c.constant(1, c.i1)
    for axis, scalar in zip(axes, point, strict=True):
        index = as_index(c, scalar, dtype)
        is_inside = lies_inside(c, index, sizes[axis])
        inside = c.both(inside, is_inside)
        offsets[axis], block[axis] = c.clamp(index, minus(c, sizes[axis], 1)), 1
    return offsets, block, inside


def coordinates(
    c: Context, indices: Value, sizes: Sequence[Size], batch: int, keys: int, mode: str, *, spare: bool = False
) -> tuple[ir.Value, ir.Value | None]:
    """Return the i32 coordinates of all points, batch dims first and moved inside, and which points were inside.

    Args:
      c: where to append.
      indices: the points' coordinates in the dims after the batch dims, as the last dim.
      sizes: of the dims that are indexed, batch dims first.
      batch: the number of batch dims.
      keys: the number of all coordinates of a point.
      mode: "fill" to learn which points were inside.
      spare: whether points outside get a first coordinate beyond the last one.
    """
    points = indices.aval.ndim - 1
    table, dtype = table_of(c, indices), indices.aval.dtype
    point_sizes = [c.size(indices, d) for d in range(points)]

    def index_at(position: Sequence[ir.Value], key: int) -> ir.Value:
        return as_index(c, c.extract(table, [*position, c.index(key - batch)]), dtype)

    def inside_body() -> ir.Value:
        position = c.position(points)
        inside = c.constant(1, c.i1)
        for key in range(batch, keys):
            is_inside = lies_inside(c, index_at(position, key), sizes[key])
            inside = c.both(inside, is_inside)
        return inside

    kept = c.pointwise(point_sizes, c.i1, inside_body) if mode == "fill" else None

    i32 = element_type(I32)
    columns = []
    for key in range(keys):

        def column(*elements: ir.Value, key: int = key) -> ir.Value:
            position = c.position(points)
            if key < batch:
                index = position[key]
            else:
                index = c.clamp(index_at(position, key), minus(c, sizes[key], 1))
            if spare and key == 0:
                index = c.select(elements[0], index, c.index(sizes[0]))
            return c.index_cast(index, i32)

        inputs = [(kept, identity_map(points))] if spare and kept is not None else []
        made = c.pointwise(point_sizes, i32, column, inputs)
        columns.append(regroup(c, made, point_sizes, [*point_sizes, 1]))
    if len(columns) == 1:
        return columns[0], kept
    return c.concatenated(columns, points, [*point_sizes, keys]), kept
