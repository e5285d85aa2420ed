"""Pooling: the largest, smallest or mean element of each window.

Windows that lie side by side are dims of a reshaped array; others are stacked. Either way the derivative is that of the
reduction, so a gradient of `max_pool` is shared evenly among tied elements. Imports no MLIR.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from difc.errors import ShapeError
from difc.nn.activations import as_array
from difc.nn.convolution import conv
from difc.nn.windows import pairs_of_padding, per_dim, spatial_rank
from difc.source import user_frame_location

__all__ = ["avg_pool", "max_pool", "min_pool"]


def max_pool(x: Any, window: Any, strides: Any = None, padding: Any = "VALID") -> Any:
    """Return the largest element of each window, for each channel. Ties share a gradient evenly.

    Args:
      x: [batch, *spatial, channels]; spatial sizes are known when this is traced.
      window: its size: a number, or one for each spatial dim.
      strides: distance of the windows, the size of one by default.
      padding: as of `conv`; padded elements are never the largest.

    Raises:
      InputError: for arguments that do not fit the number of spatial dims.
      ShapeError: for a spatial dim of run-time size.

    Example:
      >>> max_pool(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
      array([[ 5.,  7.],
             [13., 15.]])
    """
    x = as_array(x)
    return _pooled("max_pool", x, np.max, _least(x.dtype), window, strides, padding)


def min_pool(x: Any, window: Any, strides: Any = None, padding: Any = "VALID") -> Any:
    """Return the smallest element of each window, for each channel; see `max_pool`."""
    x = as_array(x)
    return _pooled("min_pool", x, np.min, _most(x.dtype), window, strides, padding)


def avg_pool(x: Any, window: Any, strides: Any = None, padding: Any = "VALID", count_include_pad: bool = True) -> Any:
    """Return the mean of each window, for each channel.

    Args:
      x, window, strides, padding: as of `max_pool`.
      count_include_pad: whether padded elements count as zeros, or do not count.

    Example:
      >>> avg_pool(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
      array([[ 2.5,  4.5],
             [10.5, 12.5]])
    """
    x = as_array(x)
    x = x if x.dtype.kind not in "iub" else x.astype(np.float64)
    sizes, steps, pairs = _arguments("avg_pool", x, window, strides, padding)
    if sizes == steps and not any(map(any, pairs)):
        return _pooled("avg_pool", x, np.mean, 0, window, strides, padding)
    total = _sum(x, sizes, steps, pairs)
    if count_include_pad or not any(map(any, pairs)):
        return total / math.prod(sizes)
    ones = np.ones((1, *x.shape[1:-1], 1), np.float64)
    return total / _sum(ones, sizes, steps, pairs).astype(x.dtype)


def _sum(x: Any, sizes: tuple[int, ...], steps: tuple[int, ...], pairs: list[tuple[int, int]]) -> Any:
    """Sum windows by a convolution of each channel with ones."""
    channels = x.shape[-1]
    if not isinstance(channels, int):
        return _reduced(x, np.sum, 0, sizes, steps, pairs)
    return conv(x, np.ones((*sizes, 1, channels), x.dtype), steps, pairs, groups=channels)


def _least(dtype: np.dtype) -> Any:
    return False if dtype.kind == "b" else np.iinfo(dtype).min if dtype.kind in "iu" else -math.inf


def _most(dtype: np.dtype) -> Any:
    return True if dtype.kind == "b" else np.iinfo(dtype).max if dtype.kind in "iu" else math.inf


def _arguments(
    name: str, x: Any, window: Any, strides: Any, padding: Any
) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[int, int]]]:
    rank = spatial_rank(name, x)
    spatial = x.shape[1:-1]
    if not all(isinstance(size, int) for size in spatial):
        raise ShapeError(
            f"{name} needs spatial sizes known when the function is traced, not {tuple(spatial)}",
            where=user_frame_location(),
            remedy="give them as numbers in the spec; the batch may have a run-time size",
        )
    sizes = per_dim(name, "window", window, rank)
    steps = sizes if strides is None else per_dim(name, "strides", strides, rank)
    return sizes, steps, pairs_of_padding(name, padding, spatial, sizes, steps)


def _pooled(name: str, x: Any, reduce: Callable[..., Any], fill: Any, window: Any, strides: Any, padding: Any) -> Any:
    return _reduced(x, reduce, fill, *_arguments(name, x, window, strides, padding))


def _reduced(
    x: Any,
    reduce: Callable[..., Any],
    fill: Any,
    sizes: Sequence[int],
    steps: Sequence[int],
    pairs: Sequence[tuple[int, int]],
) -> Any:
    """Reduce each window of an array padded with `fill`."""
    rank = len(sizes)
    if any(map(any, pairs)):
        x = np.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=fill)
    spatial = x.shape[1:-1]
    counts = [max(size - k + s, 0) // s for size, k, s in zip(spatial, sizes, steps, strict=True)]
    if tuple(sizes) == tuple(steps):
        x = x[(slice(None), *(slice(n * k) for n, k in zip(counts, sizes, strict=True)))]
        cut = [n for pair in zip(counts, sizes, strict=True) for n in pair]
        return reduce(np.reshape(x, (x.shape[0], *cut, x.shape[-1])), axis=tuple(range(2, 2 * rank + 1, 2)))
    seen = []
    for place in itertools.product(*map(range, sizes)):
        ends = [a + (n - 1) * s + 1 if n else a for a, n, s in zip(place, counts, steps, strict=True)]
        seen.append(x[(slice(None), *map(slice, place, ends, steps))])
    return reduce(np.stack(seen), axis=0)
