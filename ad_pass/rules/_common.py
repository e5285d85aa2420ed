"""Constructions that the rules of several op families share: mapped operands, sizes, permutations, ranges.

Imports the dialect, `batch` and `zero` only; registers nothing. Everything here works with dims that are known only at
run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.batch import add_batch, move_dim
from difc.ad_pass.zero import scalar, shape_of
from difc.dialects import DYN, I64, aval_of
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, minus, size_value
from difc.errors import UnsupportedError

__all__ = [
    "clamped_start",
    "fill_shape",
    "inverse",
    "mapped",
    "mapped_all",
    "move_dim",
    "permuted",
    "range_along",
    "refuse_mapped_sizes",
    "shifted",
    "slice_along",
]

# ---- sizes ---------------------------------------------------------------------------------------


def fill_shape(shape: Sequence[Any], sizes: Sequence[ir.Value]) -> tuple[Size, ...]:
    """Return a `shape` attribute with its dynamic dims replaced by the op's `sizes` operands."""
    remaining = iter(sizes)
    return tuple(next(remaining) if d is DYN else d for d in shape)


# ---- dims ----------------------------------------------------------------------------------------


def shifted(dims: Sequence[int]) -> tuple[int, ...]:
    """Return dims as they are counted after a new dim has been put in front."""
    return tuple(d + 1 for d in dims)


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """Return the inverse of a permutation (of any distinct numbers: the order that sorts them)."""
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))


def permuted(x: ir.Value, permutation: Sequence[int]) -> ir.Value:
    """Return `x` with dims permuted, itself where nothing moves."""
    if list(permutation) == sorted(permutation):
        return x
    return dif.transpose(x, permutation=tuple(permutation))


# ---- mapped operands -----------------------------------------------------------------------------


def mapped(x: ir.Value, size: Size, batched: bool) -> ir.Value:
    """Return `x` with the mapped axis as dim 0, repeating it there unless it has one already."""
    return x if batched else add_batch(x, size)


def mapped_all(size: Size, batched: Sequence[bool], operands: Sequence[ir.Value]) -> list[ir.Value]:
    """Return all operands with the mapped axis as dim 0."""
    return [mapped(x, size, mark) for x, mark in zip(operands, batched, strict=True)]


def refuse_mapped_sizes(name: str, batched: Sequence[bool]) -> None:
    """Raise where a size operand differs from lane to lane: such arrays would be ragged."""
    if any(batched):
        raise UnsupportedError(
            f"vmap of {name}: a size depends on a mapped value, so the results would have different shapes",
            remedy="compute the size from an argument that is not mapped (in_axes=None)",
        )


# ---- parts along an axis -------------------------------------------------------------------------


def slice_along(x: ir.Value, axis: int, start: int, limit: int) -> ir.Value:
    """Return `x[start:limit]` along one axis; a limit of -1 is the end of an axis of run-time size."""
    shape = aval_of(x).shape
    limits = [d if isinstance(d, int) else -1 for d in shape]
    limits[axis] = limit
    starts = [start if d == axis else 0 for d in range(len(shape))]
    return dif.slice(x, start=tuple(starts), limit=tuple(limits), stride=(1,) * len(shape))


def clamped_start(start: ir.Value, have: Size, want: Size) -> ir.Value:
    """Return a block's start moved so that `want` elements from there lie within `have`.

    `start` is an i64 array; the bound is repeated into its shape.
    """
    last = size_value(minus(have, want))
    shape = tuple(shape_of(start))
    bounds = [dif.broadcast_in_dim(b, shape=shape, dimensions=()) if shape else b for b in (scalar(0, I64), last)]
    return dif.max(dif.min(start, bounds[1]), bounds[0])


def range_along(x: ir.Value, axis: int, start: ir.Value, size: Size) -> ir.Value:
    """Return `size` elements of `x` along `axis` from a run-time `start` on, which must fit.

    `slice` wants the bounds, and `dynamic_slice` the sizes, at compile time; this is for where neither is known.
    """
    places = dif.iota(shape=(size,), dtype=I64, dimension=0)
    places = dif.add(places, dif.broadcast_in_dim(start, shape=(size,), dimensions=()))
    indices = dif.broadcast_in_dim(places, shape=(size, 1), dimensions=(0,))
    return move_dim(dif.gather(x, indices, axes=(axis,), batch=0, mode="clip"), 0, axis)
