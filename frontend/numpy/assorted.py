"""Functions that are a few lines of others: polynomials, blocks, inserts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.numpy.common import along, as_tracer, assigned, shape_error, static_size
from difc.numpy.registry import implements, unsupported
from difc.tracer import Tracer, lift, wrap

__all__: list[str] = []


# ---- polynomials ---------------------------------------------------------------------------------


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Return the values of a polynomial, whose highest coefficient is first. (numpy.polyval)"""
    coefficients, points = as_tracer(p), as_tracer(x)
    result = np.zeros_like(points)
    for i in range(static_size(lift(coefficients), 0, "polyval")):
        result = result * points + coefficients[i]
    return result


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
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(a) for a in arrays}
    if len(depths) != 1:
        raise shape_error("block: a list is empty, or lists are nested to different depths", "nest all equally deep")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for a in arrays for leaf in _leaves(a)] if isinstance(arrays, list) else [as_tracer(arrays)]


def _block(arrays: Any, depth: int, rank: int) -> Any:
    if not isinstance(arrays, list):
        leaf = as_tracer(arrays)
        return np.reshape(leaf, (*[1] * (rank - leaf.ndim), *leaf.shape))
    return np.concatenate([_block(a, depth - 1, rank) for a in arrays], axis=-depth)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Return the array with values put in before known positions along an axis. (numpy.insert)"""
    if isinstance(obj, Tracer):
        raise unsupported("numpy.insert with traced positions")
    value, dim = along(lift(arr), axis)
    x, size = wrap(value), static_size(value, dim, "insert")
    new: Any = wrap(assigned(values, x.dtype))
    single = np.ndim(obj) == 0 and not isinstance(obj, slice)
    if single:  # the values are one slice, or as many as they have along the axis
        new = np.moveaxis(np.reshape(new, (*[1] * (x.ndim - new.ndim), *new.shape)), 0, dim)
        count = new.aval.shape[dim]
    else:
        count = len(range(*obj.indices(size))) if isinstance(obj, slice) else len(obj)
    new = np.broadcast_to(new, tuple(count if d == dim else s for d, s in enumerate(x.shape)))
    try:
        order = np.insert(np.arange(size), obj, np.arange(size, size + count))
    except IndexError as error:
        raise shape_error(f"insert: {error}") from None
    return np.take(np.concatenate([x, new], dim), order, axis=dim)


@implements(np.ix_)
def ix_(*args: Sequence[Any]) -> tuple[Any, ...]:
    """Return vectors of positions that index all their combinations. (numpy.ix_)"""
    vectors = [as_tracer(a) for a in args]
    return tuple(np.reshape(v, [-1 if d == i else 1 for d in range(len(vectors))]) for i, v in enumerate(vectors))
