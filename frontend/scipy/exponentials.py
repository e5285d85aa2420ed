"""Sums of exponentials and logistic functions, careful with large and small arguments. (scipy.special)"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.scipy.common import apply, constant, floats, largest_logarithm

__all__ = ["expit", "log_expit", "log_softmax", "logit", "logsumexp", "softmax"]

# ---- sums of exponentials ------------------------------------------------------------------------


def _peak(x: Any, axis: Any) -> Any:
    """Return the maximum, which is subtracted before exp; its derivative cancels, so it is taken as none."""
    empty: dict[str, Any] = {"initial": -np.inf} if 0 in np.shape(x) else {}  # of nothing, np.max has no value
    peak = constant(np.max(x, axis=axis, keepdims=True, **empty))
    return np.where(np.isfinite(peak), peak, np.zeros_like(peak))


def _counted(x: Any, where: Any) -> Any:
    """Return x, -inf in place of what does not count; through that flows no derivative."""
    return x if where is None else np.where(where, x, -np.inf * np.ones_like(x))


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False, where: Any = None
) -> Any:
    """Return log(sum(b * exp(a))) over axes, without overflow. (scipy.special.logsumexp)

    Args:
      b: factors of the exponentials.
      return_sign: also return the sign of the sum, and the logarithm of its absolute value.
      where: which elements count, as in JAX; the sum of none is 0.

    Example:
      >>> logsumexp([1000.0, 1000.0])
      np.float64(1000.6931471805599)
    """
    if b is None:
        (x,) = floats(a)
        x = _counted(x, where)
        peak = _peak(x, axis)
    else:
        x, b = floats(a, b)
        x, b = _counted(x, where), b if where is None else np.where(where, b, np.zeros_like(b))
        peak = _peak(np.where(b == 0, -np.inf, x), axis)  # of what counts
    with np.errstate(divide="ignore", invalid="ignore"):
        power = x - peak
        if b is not None:  # what does not count may be far above the peak, and 0 times infinity is NaN
            power = np.minimum(power, 0.999 * largest_logarithm(power))
        terms = np.exp(power)
        total = np.sum(terms if b is None else b * terms, axis=axis, keepdims=keepdims)
        sign = np.sign(total)
        some = None if where is None else np.any(np.broadcast_to(where, x.shape), axis=axis, keepdims=keepdims)
        if some is not None:  # the logarithm of a sum of nothing has no slope
            total = np.where(some, total, np.ones_like(total))
        size = _counted(np.log(np.abs(total) if return_sign else total), some)
    if not keepdims:
        peak = np.squeeze(peak, axis)
    result = size + peak
    return (result, sign) if return_sign else result


def softmax(x: Any, axis: Any = None, where: Any = None) -> Any:
    """Return exp(x) divided by its sum over axes, without overflow. (scipy.special.softmax)

    Args:
      where: which elements count, as in JAX; the others become 0.

    Example:
      >>> softmax([0.0, 0.0])
      array([0.5, 0.5])
    """
    (x,) = floats(x)
    x = _counted(x, where)
    terms = np.exp(x - _peak(x, axis))
    with np.errstate(invalid="ignore"):
        result = terms / np.sum(terms, axis=axis, keepdims=True)
    return result if where is None else np.where(where, result, np.zeros_like(result))


def log_softmax(x: Any, axis: Any = None, where: Any = None) -> Any:
    """Return the logarithm of softmax, precise where that is small. (scipy.special.log_softmax)

    Args:
      where: which elements count, as in JAX; the others become -inf.
    """
    (x,) = floats(x)
    x = _counted(x, where)
    shifted = x - _peak(x, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return _counted(result, where)


# ---- logistic functions --------------------------------------------------------------------------


def expit(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)). (scipy.special.expit)

    Example:
      >>> expit(0.0)
      np.float64(0.5)
    """
    (x,) = floats(x)
    return apply("logistic", x, on_arrays=_expit_array)


def _expit_array(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, np.ones_like(small)) / (1 + small)


def log_expit(x: Any) -> Any:
    """Return the logarithm of expit. (scipy.special.log_expit)"""
    (x,) = floats(x)
    return -np.logaddexp(-x, np.zeros_like(x))


def logit(x: Any) -> Any:
    """Return log(x / (1 - x)), the inverse of expit. (scipy.special.logit)"""
    (x,) = floats(x)
    near = np.abs(x - 0.5) < 0.25  # where the difference of the logarithms would cancel
    half = np.full_like(x, 0.5)
    inside, outside = np.where(near, x, half), np.where(near, half, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(near, np.log1p((2 * inside - 1) / (1 - inside)), np.log(outside) - np.log1p(-outside))[()]
