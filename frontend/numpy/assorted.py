"""Functions that are a few lines of others: interpolation, polynomials, gradients on a grid, covariance, blocks,
inserts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.dialects import is_float
from difc.numpy.common import as_operand, axes_of, axis_of, shape_error, static_size
from difc.numpy.registry import implements, unsupported
from difc.tracer import Tracer, lift, wrap

__all__: list[str] = []


def _array(x: Any) -> Any:
    return wrap(lift(as_operand(x)))


# ---- sorted tables -------------------------------------------------------------------------------


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where values would be put into a sorted vector to keep it sorted. (numpy.searchsorted)

    It compares each value with all of the vector: work grows with the product of their sizes.
    """
    table = _array(a) if sorter is None else np.take(_array(a), sorter)
    values = np.expand_dims(_array(v), -1)
    if table.ndim != 1 or side not in ("left", "right"):
        raise shape_error("searchsorted needs a sorted vector, and side='left' or 'right'")
    before = table < values if side == "left" else table <= values
    return np.sum(before, axis=-1)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Return the number of the bin, of increasing bounds, that each value falls into. (numpy.digitize)"""
    return searchsorted(bins, x, "left" if right else "right")


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Return the piecewise linear function through increasing points `xp`, `fp`, at x. (numpy.interp)"""
    if period is not None:
        raise unsupported("numpy.interp with period=")
    x, xp, fp = (_array(v) for v in (x, xp, fp))
    x, xp, fp = (v if v.dtype == np.float64 else v.astype(np.float64) for v in (x, xp, fp))
    count = static_size(lift(xp), 0, "interp")
    right_end = np.clip(searchsorted(xp, x, "right"), 1, count - 1)
    x0, x1, f0, f1 = xp[right_end - 1], xp[right_end], fp[right_end - 1], fp[right_end]
    width = x1 - x0
    part = np.where(width == 0, 0.0, (x - x0) / np.where(width == 0, 1.0, width))
    result = f0 + part * (f1 - f0)
    result = np.where(x < xp[0], fp[0] if left is None else left, result)
    return np.where(x > xp[-1], fp[-1] if right is None else right, result)


# ---- polynomials, grids and statistics -----------------------------------------------------------


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Return the values of a polynomial, whose highest coefficient is first. (numpy.polyval)"""
    coefficients, points = _array(p), _array(x)
    result = np.zeros_like(points)
    for i in range(static_size(lift(coefficients), 0, "polyval")):
        result = result * points + coefficients[i]
    return result


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return central differences on an even grid, one-sided at its ends. (numpy.gradient)"""
    x = _array(f)
    x = x if is_float(x.dtype) else x.astype(np.float64)
    axes = axes_of(axis, x.ndim)
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    if edge_order != 1 or len(steps) != len(axes) or any(np.ndim(h) for h in steps):
        raise unsupported("numpy.gradient on uneven grids or with edge_order=2")
    found = [_gradient_along(x, h, a) for a, h in zip(axes, steps, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _gradient_along(x: Any, step: Any, axis: int) -> Any:
    if static_size(lift(x), axis, "gradient") < 2:
        raise shape_error("gradient needs at least two points along an axis")
    lead = (slice(None),) * axis

    def part(start: int | None, stop: int | None) -> Any:
        return x[(*lead, slice(start, stop))]

    first = (part(1, 2) - part(0, 1)) / step
    inner = (part(2, None) - part(None, -2)) / (2.0 * step)
    last = (part(-1, None) - part(-2, -1)) / step
    return np.concatenate([first, inner, last], axis)


@implements(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Return the covariances of variables, which are rows (or columns). (numpy.cov)"""
    if fweights is not None or aweights is not None:
        raise unsupported("numpy.cov with weights")
    x: Any = np.atleast_2d(_array(m))
    x = x if rowvar or x.aval.shape[0] == 1 else np.transpose(x)
    if y is not None:
        other: Any = np.atleast_2d(_array(y))
        x = np.concatenate([x, other if rowvar or other.aval.shape[0] == 1 else np.transpose(other)])
    # NumPy widens to float64 at least.
    x = x.astype(np.float64 if dtype is None else dtype)
    x = x - np.mean(x, axis=1, keepdims=True)
    count = x.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    return np.squeeze(
        x @ np.transpose(x) / np.float64(count) if isinstance(count, int) else x @ np.transpose(x) / count
    )


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Return the correlations of variables, which are rows (or columns). (numpy.corrcoef)"""
    covariance = cov(x, y, rowvar, dtype=dtype)
    if not covariance.ndim:
        return covariance / covariance
    spread = np.sqrt(np.diagonal(covariance))
    return np.clip(covariance / np.expand_dims(spread, 1) / spread, -1, 1)


# ---- blocks and inserts --------------------------------------------------------------------------


@implements(np.block)
def block(arrays: Any) -> Any:
    """Return nested lists of blocks joined: innermost lists along the last axis, outer ones along earlier axes.
    (numpy.block)
    """
    depth = _depth(arrays)
    rank = max(depth, *(a.ndim for a in _leaves(arrays)))
    return _block(arrays, depth, rank)


def _depth(arrays: Any) -> int:
    return 1 + max(map(_depth, arrays)) if isinstance(arrays, list) else 0


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for a in arrays for leaf in _leaves(a)] if isinstance(arrays, list) else [_array(arrays)]


def _block(arrays: Any, depth: int, rank: int) -> Any:
    if not isinstance(arrays, list):
        leaf = _array(arrays)
        return np.reshape(leaf, (*[1] * (rank - leaf.ndim), *leaf.shape))
    return np.concatenate([_block(a, depth - 1, rank) for a in arrays], axis=-depth)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Return the array with values put in before known positions along an axis. (numpy.insert)"""
    if isinstance(obj, Tracer):
        raise unsupported("numpy.insert with traced positions")
    x = _array(arr)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    dim = axis_of(axis, x.ndim)
    size = static_size(lift(x), dim, "insert")
    new: Any = _array(values).astype(x.dtype)
    single = np.ndim(obj) == 0 and not isinstance(obj, slice)
    if single:  # the values are one slice, or as many as they have along the axis
        new = np.moveaxis(np.reshape(new, (*[1] * (x.ndim - new.ndim), *new.shape)), 0, dim)
        count = new.aval.shape[dim]
    else:
        count = len(range(*obj.indices(size))) if isinstance(obj, slice) else len(obj)
    new = np.broadcast_to(new, tuple(count if d == dim else s for d, s in enumerate(x.shape)))
    order = np.insert(np.arange(size), obj, np.arange(size, size + count))
    return np.take(np.concatenate([x, new], dim), order, axis=dim)


@implements(np.ix_)
def ix_(*args: Sequence[Any]) -> tuple[Any, ...]:
    """Return vectors of positions that index all their combinations. (numpy.ix_)"""
    vectors = [_array(a) for a in args]
    return tuple(np.reshape(v, [-1 if d == i else 1 for d in range(len(vectors))]) for i, v in enumerate(vectors))
