"""Derivatives and batching of the ops that move elements. All are linear, so their rules are mostly transposes."""

from __future__ import annotations

from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import defbatch, deflinear
from difc.ad_pass.rules._common import (
    fill_shape,
    inverse,
    mapped,
    mapped_all,
    permuted,
    range_along,
    refuse_mapped_sizes,
    shifted,
    slice_along,
)
from difc.ad_pass.zero import Linear, scalar, shape_of, zeros_like
from difc.dialects import BOOL, DYN, I64, aval_of
from difc.dialects.base import Ints
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, size_value

__all__: list[str] = []


# ---- broadcast, reshape, transpose, reverse ------------------------------------------------------


def _broadcast_transpose(
    ct: ir.Value, x: Linear, *sizes: ir.Value, shape: tuple[Any, ...], dimensions: Ints
) -> ir.Value:
    repeated = [d for size, d in zip(x.aval.shape, dimensions, strict=True) if size == 1 and shape[d] != 1]
    new = [d for d in range(len(shape)) if d not in dimensions]
    if repeated or new:
        ct = dif.reduce_sum(ct, axes=tuple(sorted(repeated + new)))
    if repeated:
        kept = tuple(i for i, d in enumerate(dimensions) if d not in repeated)
        ct = dif.broadcast_in_dim(ct, shape=tuple(shape_of(x)), dimensions=kept)
    return ct


deflinear(dif.broadcast_in_dim, _broadcast_transpose)
deflinear(dif.reshape, lambda ct, x, *sizes, shape: dif.reshape(ct, shape=tuple(shape_of(x))))
deflinear(dif.transpose, lambda ct, x, permutation: permuted(ct, inverse(permutation)))
deflinear(dif.reverse, lambda ct, x, dimensions: dif.reverse(ct, dimensions=dimensions))


def _broadcast_batch(
    size: Size, batched: list[bool], x: ir.Value, *sizes: ir.Value, shape: tuple[Any, ...], dimensions: Ints
) -> ir.Value:
    refuse_mapped_sizes("broadcast_in_dim", batched[1:])
    return dif.broadcast_in_dim(x, shape=(size, *fill_shape(shape, sizes)), dimensions=(0, *shifted(dimensions)))


def _reshape_batch(size: Size, batched: list[bool], x: ir.Value, *sizes: ir.Value, shape: tuple[Any, ...]) -> ir.Value:
    refuse_mapped_sizes("reshape", batched[1:])
    return dif.reshape(x, shape=(size, *fill_shape(shape, sizes)))


defbatch(dif.broadcast_in_dim, _broadcast_batch)
defbatch(dif.reshape, _reshape_batch)
defbatch(dif.transpose, lambda size, batched, x, permutation: dif.transpose(x, permutation=(0, *shifted(permutation))))
defbatch(dif.reverse, lambda size, batched, x, dimensions: dif.reverse(x, dimensions=shifted(dimensions)))

# ---- slice ---------------------------------------------------------------------------------------


def _slice_transpose(ct: ir.Value, x: Linear, *, start: Ints, limit: Ints, stride: Ints) -> ir.Value:
    """Put the cotangent back at the places that were read, in zeros.

    `pad` does that where the number of elements left over at the end is known; else a block is written into zeros.
    """
    rank, zero = x.aval.ndim, scalar(0, x.aval.dtype)
    interior = tuple(s - 1 for s in stride)
    high: list[Any] = []
    for size, a, b, s, m in zip(x.aval.shape, start, limit, stride, aval_of(ct).shape, strict=True):
        if isinstance(size, int) and isinstance(m, int):
            high.append(size - a - ((m - 1) * s + 1 if m else 0))
        else:
            high.append(0 if b == -1 and s == 1 else DYN)
    if DYN not in high:
        return dif.pad(ct, zero, low=start, high=tuple(high), interior=interior)
    if any(interior):
        ct = dif.pad(ct, zero, low=(0,) * rank, high=(0,) * rank, interior=interior)
    return dif.dynamic_update_slice(zeros_like(x), ct, *(scalar(a, I64) for a in start))


def _slice_batch(size: Size, batched: list[bool], x: ir.Value, *, start: Ints, limit: Ints, stride: Ints) -> ir.Value:
    lanes = aval_of(x).shape[0]
    all_lanes = lanes if isinstance(lanes, int) else -1
    return dif.slice(x, start=(0, *start), limit=(all_lanes, *limit), stride=(1, *stride))


deflinear(dif.slice, _slice_transpose)
defbatch(dif.slice, _slice_batch)

# ---- concatenate ---------------------------------------------------------------------------------


def _concatenate_transpose(ct: ir.Value, x: Any, y: Any, *, dimension: int) -> tuple[Any, Any]:
    m, n = (shape_of(v)[dimension] for v in (x, y))
    first = last = None
    if isinstance(x, Linear):
        if isinstance(m, int):
            first = slice_along(ct, dimension, 0, m)
        else:
            first = range_along(ct, dimension, scalar(0, I64), m)
    if isinstance(y, Linear):
        if isinstance(m, int):
            end = m + n if isinstance(n, int) else -1
            last = slice_along(ct, dimension, m, end)
        else:
            last = range_along(ct, dimension, size_value(m), n)
    return first, last


def _concatenate_batch(size: Size, batched: list[bool], x: ir.Value, y: ir.Value, *, dimension: int) -> ir.Value:
    return dif.concatenate(*mapped_all(size, batched, (x, y)), dimension=dimension + 1)


deflinear(dif.concatenate, _concatenate_transpose, slots=(0, 1))
defbatch(dif.concatenate, _concatenate_batch)

# ---- pad -----------------------------------------------------------------------------------------


def _is_padding(x: Any, low: Ints, high: Ints, interior: Ints) -> ir.Value:
    """Say for each element of a padded array whether it is the padding value."""
    inside = dif.zeros(shape=tuple(shape_of(x)), dtype=BOOL)
    return dif.pad(inside, scalar(True, BOOL), low=low, high=high, interior=interior)


def _unpad(ct: ir.Value, x: Linear, low: Ints, high: Ints, interior: Ints) -> ir.Value:
    """Read the elements that `pad` took from `x`; those that it removed (negative padding) get zero."""
    outer = (0,) * len(low)
    if any(low) or any(high):
        removed = {"low": tuple(-a for a in low), "high": tuple(-b for b in high), "interior": outer}
        ct = dif.pad(ct, scalar(0, x.aval.dtype), **removed)
    if not any(interior):
        return ct
    limit = tuple(d if isinstance(d, int) else -1 for d in aval_of(ct).shape)
    return dif.slice(ct, start=outer, limit=limit, stride=tuple(s + 1 for s in interior))


def _pad_transpose(ct: ir.Value, x: Any, value: Any, *, low: Ints, high: Ints, interior: Ints) -> tuple[Any, Any]:
    to_x = to_value = None
    if isinstance(x, Linear):
        to_x = _unpad(ct, x, low, high, interior)
    if isinstance(value, Linear):
        outside = dif.select(_is_padding(x, low, high, interior), ct, zeros_like(ct))
        to_value = dif.reduce_sum(outside, axes=tuple(range(aval_of(ct).ndim)))
    return to_x, to_value


def _pad_batch(
    size: Size, batched: list[bool], x: ir.Value, value: ir.Value, *, low: Ints, high: Ints, interior: Ints
) -> ir.Value:
    x = mapped(x, size, batched[0])
    grown = {"low": (0, *low), "high": (0, *high), "interior": (0, *interior)}
    if not batched[1]:
        return dif.pad(x, value, **grown)
    padded = dif.pad(x, scalar(0, aval_of(x).dtype), **grown)
    each = dif.broadcast_in_dim(value, shape=tuple(shape_of(padded)), dimensions=(0,))
    return dif.select(_is_padding(x, **grown), each, padded)


deflinear(dif.pad, _pad_transpose, slots=(0, 1))
defbatch(dif.pad, _pad_batch)
