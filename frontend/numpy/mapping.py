"""Functions that map a function of the user over parts of an array: apply_along_axis, piecewise and their kin.

The function is traced once, and mapped by `difc.vmap`: the parts are computed side by side, not in a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from difc.dialects import aval_of
from difc.numpy.common import as_tracer, assigned, axis_of, dtype_from, shape_error
from difc.numpy.creation import indices
from difc.numpy.registry import creates, implements
from difc.promotion import broadcast_shapes
from difc.pytree import flatten, unflatten
from difc.tracer import Tracer, lift, wrap
from difc.transform import vmap

__all__ = ["mapped"]


def mapped(function: Callable[..., Any], operands: Sequence[Any], core: Sequence[int]) -> Any:
    """Return what a function gives for each element (or each part of `core` last dims) of operands, broadcast.

    Raises:
      ShapeError: for an operand with fewer dims than its part has, or leading dims that do not broadcast.
    """
    arrays = [as_tracer(x) for x in operands]
    for x, inner in zip(arrays, core, strict=True):
        if x.ndim < inner:
            raise shape_error(f"vectorize: an operand of {x.ndim} dimensions, where one call takes {inner}")
    leads = [x.aval.shape[: x.ndim - inner] for x, inner in zip(arrays, core, strict=True)]
    lead = broadcast_shapes(*leads)
    if not lead:
        return function(*arrays)
    sizes = [_size(arrays, leads, axis - len(lead), size) for axis, size in enumerate(lead)]
    rows, axes = [], []
    for x, inner, own in zip(arrays, core, leads, strict=True):
        if own:
            part = x.shape[x.ndim - inner :]
            rows.append(np.reshape(np.broadcast_to(x, (*sizes, *part)), (-1, *part)))
        else:  # the same part for every call
            rows.append(x)
        axes.append(0 if own else None)
    found, tree = flatten(vmap(function, in_axes=tuple(axes))(*rows))
    return unflatten(tree, [np.reshape(leaf, (*sizes, *leaf.shape[1:])) for leaf in found])


def _size(arrays: Sequence[Any], leads: Sequence[tuple[Any, ...]], axis: int, size: Any) -> Any:
    """Return the size of a leading dim, counted from the last: a number, or one read off an array that has it."""
    for x, own in zip(arrays, leads, strict=True):
        if len(own) >= -axis and own[axis] == size:
            return x.shape[len(own) + axis]
    raise AssertionError("no operand has the size of a result")


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what a function of vectors gives along an axis. (numpy.apply_along_axis)"""
    x = as_tracer(arr)
    dim = axis_of(axis, x.ndim)
    found = mapped(lambda row: func1d(row, *args, **kwargs), [np.moveaxis(x, dim, -1)], [1])
    found = as_tracer(found)
    inner = found.ndim - (x.ndim - 1)
    source = range(x.ndim - 1, found.ndim)
    return np.moveaxis(found, list(source), list(range(dim, dim + inner)))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Return what a function of an array and an axis gives, one axis after the other. (numpy.apply_over_axes)"""
    x = as_tracer(a)
    rank = x.ndim
    for axis in axes if isinstance(axes, (tuple, list, np.ndarray)) else (axes,):
        found = func(x, axis_of(int(axis), rank))
        x = found if found.ndim == rank else np.expand_dims(found, axis_of(int(axis), rank))
        if x.ndim != rank:
            raise shape_error("apply_over_axes: the function gives an array of another number of dimensions")
    return x


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Return what the function of the last condition that holds gives for each element, else 0. (numpy.piecewise)

    Each function, or number, is applied to all of `x`: where a derivative could be infinite outside its piece, let it
    see harmless numbers there with np.where.
    """
    value = as_tracer(x)
    conditions = _conditions(condlist, value)
    functions = list(funclist)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        raise shape_error(
            f"piecewise: {len(functions)} functions for {len(conditions)} conditions",
            "pass one function for each condition, and at most one more for the rest",
        )
    pieces = [f(value, *args, **kw) if callable(f) else f for f in functions]
    rest = pieces.pop() if len(pieces) > len(conditions) else 0
    result = np.broadcast_to(wrap(assigned(rest, value.dtype)), value.shape)
    for condition, piece in zip(conditions, pieces, strict=True):
        result = np.where(condition, wrap(assigned(piece, value.dtype)), result)
    return result


def _conditions(condlist: Any, value: Any) -> list[Any]:
    """Return the conditions of a list, or of one mask; each has the shape of the values."""
    if isinstance(condlist, (list, tuple)) and condlist and np.ndim(condlist[0]) == value.ndim:
        return [c if isinstance(c, Tracer) else np.asarray(c, bool) for c in condlist]
    mask = as_tracer(condlist)
    return [mask] if mask.ndim == value.ndim else [mask[i] for i in range(len(mask))]


@creates("fromfunction")
def fromfunction(function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """Return what a function gives for the indices of a grid, one array for each dim. (numpy.fromfunction)"""
    grid = indices(shape, dtype=dtype_from(dtype))
    return function(*[grid[i] for i in range(aval_of(lift(grid)).shape[0])], **kwargs)
