"""Padded arrays, of which derivatives of slices are sums: joined where pieces fit together, else padded once.

The gradient of cutting an array into pieces, or of rolling it, is a sum of pieces with zeros around them that fill the
whole: their concatenation. That of a stencil is a sum of one array at several offsets: of parts of it with zeros around
it once, which a kernel reads in place. That of a diagonal is one, with zeros between its elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from difc import dialects as dif
from difc.dialects import aval_of, inline_block
from difc.dialects.base import attributes_of
from difc.dialects.matrices import triangle_mask
from difc.dialects.mlir import ir
from difc.pipelines.operands import is_number, producer

__all__ = ["joined_pads", "share_pads", "simpler_pad", "spread_diagonal"]

_LARGER = 1.5  # times an array's size, what may be padded once for all of its uses


class _Pad(NamedTuple):
    """An array with zeros around it."""

    inner: ir.Value
    low: tuple[int, ...]
    high: tuple[int, ...]


def _pad_of(operation: Any) -> _Pad | None:
    """Return what an op pads with zeros, outside only; None for another op."""
    if operation is None or operation.name != "dif.pad":
        return None
    low, high, interior = (tuple(attributes_of(operation)[name]) for name in ("low", "high", "interior"))
    if any(interior) or min((*low, *high), default=0) < 0 or not is_number(operation.operands[1], 0):
        return None
    return _Pad(operation.operands[0], low, high)


def _padded(x: ir.Value, low: Sequence[int], high: Sequence[int]) -> ir.Value:
    zero = dif.zeros(shape=(), dtype=aval_of(x).dtype)
    return dif.pad(x, zero, low=list(low), high=list(high), interior=[0] * aval_of(x).ndim)


def simpler_pad(
    x: ir.Value, value: ir.Value, low: Sequence[int], high: Sequence[int], interior: Sequence[int]
) -> ir.Value | None:
    """Return a pad as another op, or as one of something simpler; None if it is as simple as can be."""
    edges = (*low, *high)
    if any(interior):
        return None
    if not any(edges):
        return x
    aval = aval_of(x)
    if max(edges) <= 0 and aval.is_static:
        limit = [size + b for size, b in zip(aval.shape, high, strict=True)]
        return dif.slice(x, start=[-a for a in low], limit=limit, stride=[1] * aval.ndim)
    if min(edges) < 0 or not is_number(value, 0):
        return None
    if (negated := producer(x, "dif.neg")) is not None:
        return dif.neg(_padded(negated.operands[0], low, high))
    if (inner := _pad_of(producer(x, "dif.pad"))) is None:
        return None
    return _padded(
        inner.inner, *([a + b for a, b in zip(*pair, strict=True)] for pair in ((low, inner.low), (high, inner.high)))
    )


# ---- pieces that fit together --------------------------------------------------------------------


def joined_pads(x: ir.Value, y: ir.Value) -> ir.Value | None:
    """Return the sum of two zero-padded pieces that lie side by side: the concatenation, with zeros around it."""
    pads = [pad for v in (x, y) if (pad := _pad_of(producer(v, "dif.pad"))) is not None]
    if len(pads) < 2:
        return None
    axes = {d for pad in pads for d, edges in enumerate(zip(pad.low, pad.high, strict=True)) if any(edges)}
    if len(axes) != 1:
        return None
    (axis,) = axes
    first, second = sorted(pads, key=lambda pad: pad.low[axis])
    size = aval_of(first.inner).shape[axis]
    if not isinstance(size, int) or first.low[axis] + size != second.low[axis]:
        return None
    joined = dif.concatenate(first.inner, second.inner, dimension=axis)
    return _padded(joined, first.low, second.high) if any((*first.low, *second.high)) else joined


# ---- diagonals -----------------------------------------------------------------------------------


def spread_diagonal(x: ir.Value, shape: Sequence[int]) -> ir.Value | None:
    """Return `reshape(x, shape)` where that is matrices of zeros but for a diagonal: selected by row and column.

    Otherwise each element of a matrix would have to be asked for its place in the flat array by divisions.
    """
    pad, aval = producer(x, "dif.pad"), aval_of(x)
    if pad is None or not aval.is_static or len(shape) != aval.ndim + 1 or not is_number(pad.operands[1], 0):
        return None
    rows, columns = shape[-2:]
    low, high, interior = (attributes_of(pad)[name] for name in ("low", "high", "interior"))
    if interior[-1] != columns or not columns or any((*low[:-1], *high[:-1], *interior[:-1])) or low[-1] < 0:
        return None
    (row, column), count = divmod(low[-1], columns), aval_of(pad.operands[0]).shape[-1]
    if row + count > rows or column + count > columns:
        return None
    edges = ([*low[:-1], edge] for edge in (row, rows - row - count))
    by_row = pad.operands[0] if count == rows else _padded(pad.operands[0], *edges)
    spread = dif.broadcast_in_dim(by_row, shape=shape, dimensions=range(aval.ndim))
    mask = triangle_mask(spread, "eq", column - row)
    return dif.select(mask, spread, dif.zeros(shape=shape, dtype=aval.dtype))


# ---- one array at several offsets ----------------------------------------------------------------


def share_pads(block: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """Re-emit a block; of an array that it pads in several ways, those are slices of it with zeros on all sides.

    Example: `pad(x, low=1) - pad(x, high=1)`, the gradient of differences, reads `pad(x, low=1, high=1)` twice.
    """
    shared: dict[ir.Value, tuple[list[int], ir.Value] | None] = {}  # array -> edges before it, and it with all edges

    def visit(operation: Any, operands: list[ir.Value]) -> list[ir.Value] | None:
        if (pad := _pad_of(operation)) is None:
            return None
        if pad.inner not in shared:
            edges = _common_edges(pad.inner)
            shared[pad.inner] = None if edges is None else (edges[0], _padded(operands[0], *edges))
        if (found := shared[pad.inner]) is None:
            return None
        low, whole = found
        start = [most - own for most, own in zip(low, pad.low, strict=True)]
        limit = [at + size for at, size in zip(start, aval_of(operation.results[0]).shape, strict=True)]
        return [dif.slice(whole, start=start, limit=limit, stride=[1] * len(start))]

    return inline_block(block, arguments, visit)


def _common_edges(x: ir.Value) -> tuple[list[int], list[int]] | None:
    """Return the widest edges that an array is padded with, if it is in several ways, and not much wider than each."""
    pads = {pad for use in x.uses if (pad := _pad_of(use.owner.operation)) is not None}
    shape = aval_of(x).shape
    if len(pads) < 2 or not aval_of(x).is_static:
        return None
    low, high = ([max(edges) for edges in zip(*each, strict=True)] for each in zip(*(p[1:] for p in pads), strict=True))
    sizes = [math.prod(map(sum, zip(shape, *edges, strict=True))) for edges in [(low, high), *(p[1:] for p in pads)]]
    return (low, high) if sizes[0] <= _LARGER * min(sizes) else None
