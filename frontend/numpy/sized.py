"""NumPy functions with results whose size depends on values, told how many: `difc.numpy.nonzero(x, size=3)`.

Outside a trace they are NumPy's, cut or filled to the size; in one they are those of `counting.py`. Without the size
they are NumPy's own. Must not import MLIR.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.numpy import surface

__all__ = ["argwhere", "bincount", "flatnonzero", "nonzero", "unique"]


def _traced(function: Any, *args: Any, **kwargs: Any) -> Any:
    from difc.numpy import registry

    return registry.call_function(function, args, kwargs)


def _fitted(found: np.ndarray, size: int | None, fill_value: Any) -> np.ndarray:
    """Return the first `size` rows of an array, with others filled in after them."""
    if size is None or len(found) >= size:
        return found[:size]
    rest = np.full((size - len(found), *found.shape[1:]), fill_value, found.dtype)
    return np.concatenate([found, rest])


def nonzero(a: Any, *, size: int | None = None, fill_value: Any = 0) -> tuple[Any, ...]:
    """Return the indices, axis by axis, of the first `size` elements that are not zero. (numpy.nonzero)

    Args:
      size: how many indices; needed in a trace.
      fill_value: what stands for indices that there are not.

    Example:
      >>> nonzero([0, 5, 7], size=3, fill_value=-1)
      (array([ 1,  2, -1]),)
    """
    if surface.has_tracer(a):
        return _traced(np.nonzero, a, size=size, fill_value=fill_value)
    return tuple(_fitted(i, size, fill_value) for i in np.nonzero(a))


def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """Return the first `size` positions, in the flattened array, of what is not zero. (numpy.flatnonzero)"""
    if surface.has_tracer(a):
        return _traced(np.flatnonzero, a, size=size, fill_value=fill_value)
    return _fitted(np.flatnonzero(a), size, fill_value)


def argwhere(a: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """Return the indices of the first `size` elements that are not zero, as rows. (numpy.argwhere)"""
    if surface.has_tracer(a):
        return _traced(np.argwhere, a, size=size, fill_value=fill_value)
    return _fitted(np.argwhere(a), size, fill_value)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0, *, length: Any = None) -> Any:
    """Return how often each of 0, 1, 2, ... occurs, or the sums of weights there. (numpy.bincount)

    Args:
      length: the size of the result, needed where the numbers are traced; other numbers count nowhere.

    Example:
      >>> bincount([1, 1, 5], length=3)
      array([0, 2, 0])
    """
    if surface.has_tracer(x, weights, length):
        return _traced(np.bincount, x, weights, minlength, length=length)
    if length is None:
        return np.bincount(x, weights, minlength)
    numbers = np.asarray(x)
    counted = (numbers >= 0) & (numbers < length)
    return np.bincount(numbers[counted], None if weights is None else np.asarray(weights)[counted], length)


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: Any = None,
    *, size: int | None = None, fill_value: Any = None, **others: Any,
) -> Any:  # fmt: skip
    """Return the first `size` different elements in increasing order, and where they are. (numpy.unique)

    Args:
      size: how many elements; needed in a trace.
      fill_value: what stands for elements that there are not (the smallest one by default); their count is 0.

    Example:
      >>> unique([3, 1, 3], size=3, fill_value=0)
      array([1, 3, 0])
    """
    flags = (return_index, return_inverse, return_counts)
    if surface.has_tracer(ar, fill_value):
        return _traced(np.unique, ar, *flags, axis, size=size, fill_value=fill_value, **others)
    plain: Any = np.unique  # its overloads do not take flags that are not literals
    found = plain(ar, *flags, axis, **others)
    if size is None:
        return found
    values, *rest = found if any(flags) else (found,)
    results = [_fitted(values, size, values[0] if fill_value is None else fill_value)]
    if return_index:
        results.append(_fitted(rest.pop(0), size, 0))
    if return_inverse:
        results.append(rest.pop(0))
    if return_counts:
        results.append(_fitted(rest.pop(0), size, 0))
    return results[0] if len(results) == 1 else tuple(results)
