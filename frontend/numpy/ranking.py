"""Functions that NumPy has under other names or not at all: `top_k`, `cummax` and `cummin`.

They are plain NumPy code, so they work on arrays and on tracers; must not import MLIR.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.numpy import surface
from difc.source import user_frame_location

__all__ = ["cummax", "cummin", "top_k"]


def cummax(x: Any, axis: int = 0) -> Any:
    """Return the largest element so far at each place along an axis: numpy.maximum.accumulate. (jax.lax.cummax)

    Elements have the shape and dtype of `x`; NaN counts as largest. The derivative follows the element that is largest;
    equal ones share it.

    Args:
      x: an array, or a traced one, of one dimension or more.
      axis: the axis to go along.

    Raises:
      ShapeError: for an axis that a traced array does not have.

    Example:
      >>> cummax(np.array([3.0, 1.0, 5.0, 4.0]))
      array([3., 3., 5., 5.])
    """
    return np.maximum.accumulate(x, axis=axis)


def cummin(x: Any, axis: int = 0) -> Any:
    """Return the smallest element so far at each place along an axis: numpy.minimum.accumulate. (jax.lax.cummin)

    As `cummax` with the order reversed; NaN counts as smallest.

    Example:
      >>> cummin(np.array([[3, 1], [2, 4]]), axis=1)
      array([[3, 1],
             [2, 2]])
    """
    return np.minimum.accumulate(x, axis=axis)


def top_k(x: Any, k: int, axis: int = -1) -> tuple[Any, Any]:
    """Return the k largest elements along an axis, from the largest on, and their positions. (jax.lax.top_k)

    The first of equal elements comes first; NaN counts as largest. The derivative follows the elements.

    Args:
      x: an array, or a traced one.
      k: how many; known when the function is traced.
      axis: the axis to search.

    Raises:
      InputError: if there are fewer than k elements, where their number is known.

    Example:
      >>> top_k(np.array([3.0, 1.0, 5.0]), 2)
      (array([5., 3.]), array([2, 0]))
    """
    x = x if surface.has_tracer(x) else np.asarray(x)
    count, size = operator.index(k), x.shape[axis]
    if count < 0 or (isinstance(size, int) and count > size):
        raise InputError(
            f"top_k: {count} of {size} elements were asked for",
            where=user_frame_location(),
            remedy="pass k from 0 to the size of the axis",
        )
    # Sorted the other way round, so that of equal elements the first comes last, and then first again.
    order = np.flip(np.argsort(np.flip(x, axis), axis=axis, stable=True), axis)
    positions = size - 1 - np.take(order, np.arange(count), axis=axis)
    return np.take_along_axis(x, positions, axis), positions
