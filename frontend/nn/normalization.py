"""Normalization: arrays brought to mean 0 and variance 1 over some axes, then scaled and moved. Imports no MLIR.

The variance is the mean of squared differences, never a difference of means, which would lose all digits of arrays far
from 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.errors import ShapeError
from difc.nn.activations import as_array
from difc.source import user_frame_location

__all__ = ["batch_norm", "group_norm", "layer_norm", "rms_norm", "standardize"]


def _moments(x: Any, axis: Any) -> tuple[Any, Any]:
    """Return the differences from the mean over axes, and the variance."""
    centered = x - np.mean(x, axis=axis, keepdims=True)
    return centered, np.mean(centered * centered, axis=axis, keepdims=True)


def _adjusted(x: Any, scale: Any, bias: Any) -> Any:
    x = x if scale is None else x * scale
    return x if bias is None else x + bias


def standardize(x: Any, axis: Any = -1, epsilon: float = 1e-5) -> Any:
    """Return x with mean 0 and variance 1 over axes; `epsilon` is added to the variance. (jax.nn.standardize)

    Example:
      >>> standardize(np.array([1.0, 3.0]), epsilon=0.0)
      array([-1.,  1.])
    """
    centered, variance = _moments(as_array(x), axis)
    return centered / np.sqrt(variance + epsilon)


def layer_norm(x: Any, scale: Any = None, bias: Any = None, *, axis: Any = -1, epsilon: float = 1e-5) -> Any:
    """Return x standardized over axes (the last, by default), times `scale`, plus `bias`, which broadcast to x."""
    return _adjusted(standardize(x, axis, epsilon), scale, bias)


def rms_norm(x: Any, scale: Any = None, *, axis: Any = -1, epsilon: float = 1e-6) -> Any:
    """Return x divided by the root of its mean square over axes, times `scale`.

    Example:
      >>> rms_norm(np.array([3.0, 3.0]), epsilon=0.0)
      array([1., 1.])
    """
    x = as_array(x)
    return _adjusted(x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + epsilon), scale, None)


def group_norm(x: Any, groups: int, scale: Any = None, bias: Any = None, *, epsilon: float = 1e-5) -> Any:
    """Return x standardized for each batch element over all but the batch, within each of `groups` runs of channels.

    Args:
      x: [batch, ..., channels].
      scale, bias: [channels]; the result is multiplied by one, and the other is added.
      epsilon: what is added to the variance.

    Raises:
      ShapeError: if the channels do not make so many equal groups.
    """
    x = as_array(x)
    channels = x.shape[-1]
    if not isinstance(channels, int) or channels % groups:
        raise ShapeError(
            f"group_norm: {channels} channels do not make {groups} equal groups",
            where=user_frame_location(),
            remedy="pass a number of groups that divides the channels",
        )
    split = np.reshape(x, (*x.shape[:-1], groups, channels // groups))
    axes = (*range(1, x.ndim - 1), x.ndim)
    return _adjusted(np.reshape(standardize(split, axes, epsilon), x.shape), scale, bias)


def batch_norm(
    x: Any,
    scale: Any = None,
    bias: Any = None,
    *,
    statistics: tuple[Any, Any] | None = None,
    axis: Any = None,
    epsilon: float = 1e-5,
) -> tuple[Any, tuple[Any, Any]]:
    """Normalize each channel over all other axes; nothing is remembered between calls.

    Args:
      x: [..., channels].
      scale, bias: [channels]; the result is multiplied by one, and the other is added.
      statistics: (mean, variance) to use instead of those of `x`, as for predictions; of the shape that is returned.
      axis: axes to normalize over, all but the last by default.
      epsilon: what is added to the variance.

    Returns:
      The normalized array, and the (mean, variance) that were used, for a running mean that the caller keeps. They
      carry derivatives, like the array.

    Example:
      >>> y, (mean, variance) = batch_norm(np.array([[1.0], [3.0]]), epsilon=0.0)
      >>> y[:, 0], mean, variance
      (array([-1.,  1.]), array([2.]), array([1.]))
    """
    x = as_array(x)
    axes = tuple(range(x.ndim - 1)) if axis is None else axis
    if statistics is None:
        mean = np.mean(x, axis=axes, keepdims=True)
        variance = np.mean((x - mean) * (x - mean), axis=axes, keepdims=True)
        statistics = np.squeeze(mean, axes), np.squeeze(variance, axes)
    else:
        mean, variance = (np.expand_dims(as_array(s), axes) for s in statistics)
    return _adjusted((x - mean) / np.sqrt(variance + epsilon), scale, bias), statistics
