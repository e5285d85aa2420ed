"""Functions of matrices by position: triangles, diagonals, and the masks that they are made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BF16, I32, aval_of
from difc.dialects.mlir import ir
from difc.numpy.common import axes_of, fill, integer, rank_of, reshaped, shape_error, shape_of
from difc.numpy.registry import implements
from difc.numpy.shaping import sliced
from difc.promotion import broadcast_to, sized_shape, to_dtype
from difc.tracer import lift, wrap
from difc.tracing import constant

__all__ = ["diagonal_mask"]


def diagonal_mask(shape: Sequence[Any], k: int, direction: str, like: Sequence[ir.Value] = ()) -> ir.Value:
    """Return where `column - row` compares with `k`, for matrices of a shape of two ints or named sizes.

    Args:
      direction: "eq" for a diagonal, "le" for the part below it and itself, "ge" for the part above.
    """
    sizes = sized_shape(shape, like)
    row, column = (dif.iota(shape=sizes, dtype=I32, dimension=d) for d in (0, 1))
    if k:
        farthest = np.iinfo(np.int32).max // 2  # beyond any column, and added to any row still an int32
        row = dif.add(row, fill(row, min(max(k, -farthest), farthest)))
    return dif.compare(column, row, direction=direction)


def _masked(m: Any, k: Any, direction: str, what: str) -> Any:
    x = lift(m)
    shape = shape_of(x)
    if len(shape) == 1:  # NumPy repeats a vector into the rows of a square
        shape = (*shape, *shape)
        x = broadcast_to(x, [(x, shape_of(x))], shape)
    if len(shape) < 2:
        raise shape_error(f"{what} needs an array of one or more dimensions")
    mask = diagonal_mask(shape[-2:], integer(k, "k"), direction, [x])
    mask = broadcast_to(mask, [(x, shape)], shape)
    return wrap(dif.select(mask, x, fill(x, 0)))


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """Return the array with zeros above its k-th diagonal. (numpy.tril)"""
    return _masked(m, k, "le", "tril")


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """Return the array with zeros below its k-th diagonal. (numpy.triu)"""
    return _masked(m, k, "ge", "triu")


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonal of two axes as the last axis of the result. (numpy.diagonal)"""
    if rank_of(a) < 2:
        raise shape_error("diagonal needs an array of two or more dimensions")
    first, second = axes_of((axis1, axis2), rank_of(a))
    x = lift(np.moveaxis(wrap(lift(a)), (first, second), (-2, -1)))
    *batch, rows, columns = shape_of(x)
    k = integer(offset, "offset")
    if not (isinstance(rows, int) and isinstance(columns, int)):
        if rows != columns or k:
            raise shape_error(
                f"diagonal needs known sizes, or equal ones and no offset; the matrix is {rows} by {columns}"
            )
        mask = broadcast_to(diagonal_mask((rows, columns), 0, "eq", [x]), [(x, shape_of(x))], shape_of(x))
        return wrap(dif.reduce_sum(dif.select(mask, x, fill(x, 0)), axes=(len(batch) + 1,)))
    start = k if k >= 0 else -k * columns
    count = max(0, min(rows + min(k, 0), columns - max(k, 0)))
    flat = reshaped(x, [*batch, rows * columns])
    end = start + (count - 1) * (columns + 1) + 1 if count else 0
    return wrap(sliced(flat, len(batch), start if count else 0, end, columns + 1 if count else 1))


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonals of a stack of matrices. (numpy.linalg.diagonal)"""
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Return the k-th diagonal of a matrix, or a matrix with a vector as its k-th diagonal. (numpy.diag)"""
    x = lift(v)
    ndim = aval_of(x).ndim
    if ndim == 2:
        return diagonal(v, k)
    if ndim != 1:
        raise shape_error(f"diag needs a vector or a matrix, not an array of {ndim} dimensions")
    width = abs(integer(k, "k"))
    if width:
        zero = constant(np.zeros((), aval_of(x).dtype))
        x = dif.pad(x, zero, low=(0,), high=(width,), interior=(0,))
    (size,) = shape_of(x)
    spread = dif.broadcast_in_dim(x, shape=sized_shape((size, size), [x]), dimensions=(0 if k >= 0 else 1,))
    return wrap(dif.select(diagonal_mask((size, size), k, "eq", [x]), spread, fill(spread, 0)))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """Return a matrix with all elements as its k-th diagonal. (numpy.diagflat)"""
    return diag(np.ravel(v), k)


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Return the sum of a diagonal. (numpy.trace)"""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Return the traces of a stack of matrices. (numpy.linalg.trace)"""
    return trace(x, offset, -2, -1, dtype)


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """Return the matrix whose columns are the powers of a vector. (numpy.vander)"""
    value = lift(x)
    count = shape_of(value)[0] if N is None else integer(N, "N")
    if not isinstance(count, int):
        raise shape_error("vander needs a known number of columns", "pass N")
    dtype = aval_of(value).dtype
    base = wrap(value if dtype == BF16 else to_dtype(value, np.promote_types(dtype, np.int64)))
    powers = [base**i for i in range(count)]
    return np.stack(powers if increasing else powers[::-1], axis=1)
