"""`top_k`: the largest elements of rows and where they are; plain NumPy code, so it works on arrays and on tracers."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.numpy import surface
from difc.source import user_frame_location

__all__ = ["top_k"]


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
