"""Ops that make arrays from nothing: constants, zeros, ramps, and the run-time size of a dim."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.dialects.base import Array, Dtype, Int, Shape, op
from difc.dialects.types import DYN, I64, Aval
from difc.errors import DtypeError, ShapeError

__all__ = ["constant", "dim", "fill_sizes", "iota", "zeros"]


def fill_sizes(name: str, shape: tuple[Any, ...], sizes: tuple[Aval, ...]) -> tuple[Any, ...]:
    """Return `shape` with its dynamic dims taken, in order, from the `sizes` operands (scalar i64 each)."""
    if sum(d is DYN for d in shape) != len(sizes):
        raise ShapeError(f"{name}: {len(sizes)} size operands for {sum(d is DYN for d in shape)} dynamic dims")
    for size in sizes:
        if size.shape or size.dtype != I64:
            raise ShapeError(f"{name}: a size operand is {size}, not a scalar i64")
    remaining = iter(sizes)
    filled = tuple(next(remaining).size_value if d is DYN else d for d in shape)
    if any(isinstance(d, int) and d < 0 for d in filled):
        raise ShapeError(f"{name}: the shape {list(filled)} has a negative dim")
    return filled


@op
def constant(*, value: Array) -> Aval:
    """An array known at compile time.

    Example: `"dif.constant"() {value = dense<1.0> : tensor<2xf32>} : () -> tensor<2xf32>`
    """
    value = np.asarray(value)
    return Aval(value.shape, value.dtype)


@op
def zeros(*sizes: Aval, shape: Shape, dtype: Dtype) -> Aval:
    """An array of zeros; each -1 in `shape` takes the next `sizes` operand."""
    return Aval(fill_sizes("zeros", shape, sizes), dtype)


@op
def iota(*sizes: Aval, shape: Shape, dtype: Dtype, dimension: Int) -> Aval:
    """An array whose elements count 0, 1, 2, ... along `dimension`."""
    if not 0 <= dimension < len(shape):
        raise ShapeError(f"iota: dimension {dimension} is not in a rank-{len(shape)} shape")
    if dtype == np.bool_:
        raise DtypeError("iota: elements must be numbers, not bool")
    return Aval(fill_sizes("iota", shape, sizes), dtype)


@op
def dim(x: Aval, *, dimension: Int) -> Aval:
    """The size of a dim, as a scalar i64. It depends on the shape of `x` alone, so it has no derivative."""
    if not 0 <= dimension < x.ndim:
        raise ShapeError(f"dim: {x} has no dimension {dimension}")
    return Aval((), I64)
