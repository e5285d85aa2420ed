"""Norms and powers of matrices, of numpy.linalg."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.dialects import aval_of, is_float
from difc.numpy.common import axes_of, integer, rank_of, shape_error, shape_of
from difc.numpy.registry import implements
from difc.tracer import lift, wrap

__all__: list[str] = []


def _real(x: Any) -> Any:
    """Return an array of floats, as NumPy takes norms of."""
    x = wrap(lift(x))
    return x if is_float(x.dtype) else x.astype(np.float64)


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors (any order) or matrices ("fro", "nuc", 1, -1, 2, -2, inf, -inf). (numpy.linalg.norm)

    The gradient of a norm of singular values is that of `svd`.
    """
    x = _real(x)
    if axis is None and ord is None:
        result = np.sqrt(np.sum(x * x))
        return np.reshape(result, (1,) * x.ndim) if keepdims else result
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        return _vector(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix(x, "fro" if ord is None else ord, axes, keepdims)
    raise shape_error(f"a norm is taken over one or two axes, not {len(axes)}", "pass axis=")


def _vector(x: Any, order: Any, axis: Any, keepdims: bool) -> Any:
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis, keepdims=keepdims)
    if order == -np.inf:
        return np.min(size, axis, keepdims=keepdims)
    if order == 0:
        return np.sum((x != 0).astype(x.dtype), axis, keepdims=keepdims)
    if order == 1:
        return np.sum(size, axis, keepdims=keepdims)
    if order == 2:
        return np.sqrt(np.sum(x * x, axis, keepdims=keepdims))
    if isinstance(order, str):
        raise shape_error(f"a vector has no norm of order {order!r}", "use a number")
    return np.sum(size**order, axis, keepdims=keepdims) ** (1 / order)


def _matrix(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if order in ("fro", "f"):
        return np.sqrt(np.sum(x * x, axes, keepdims=keepdims))
    if (isinstance(order, str) and order == "nuc") or order in (2, -2):
        reduce = np.sum if order == "nuc" else np.max if order == 2 else np.min
        result = reduce(np.linalg.svdvals(np.moveaxis(x, axes, (-2, -1))), -1)
        return np.expand_dims(result, axes) if keepdims else result
    if order not in (1, -1, np.inf, -np.inf):
        raise shape_error(f"a matrix has no norm of order {order!r}", 'use 1, -1, 2, -2, inf, -inf, "fro" or "nuc"')
    row, column = axes
    summed, rest = (row, column) if abs(order) == 1 else (column, row)
    sums = np.sum(np.abs(x), summed, keepdims=True)
    result = (np.max if order > 0 else np.min)(sums, rest, keepdims=True)
    return result if keepdims else np.squeeze(result, axes)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return the norm of vectors over axes; all elements are one vector by default. (numpy.linalg.vector_norm)"""
    return _vector(_real(x), ord, axes_of(axis, rank_of(x)), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norm of the matrices in the last two axes. (numpy.linalg.matrix_norm)"""
    return _matrix(_real(x), ord, axes_of((-2, -1), rank_of(x)), keepdims)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """Return the product of n copies of square matrices. (numpy.linalg.matrix_power)"""
    x = lift(a)
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise shape_error(f"matrix_power needs square matrices, not shape {list(shape)}")
    count = integer(n, "n")
    if count < 0:
        a, count = np.linalg.inv(a), -count
        x = lift(a)
    if count == 0:
        mask = np.broadcast_to(np.eye(shape[-1], dtype=aval_of(x).dtype), wrap(x).shape)
        return wrap(lift(mask))
    power, square = None, wrap(x)
    while True:
        if count & 1:
            power = square if power is None else power @ square
        count >>= 1
        if not count:
            return power
        square = square @ square
