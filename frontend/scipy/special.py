"""scipy.special for traced code: logsumexp, erf, expit and their kin, careful with large and small arguments.

Each function works on NumPy arrays outside a trace as well; importing this module does not import MLIR.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from difc.numpy import surface

__all__ = [
    "entr",
    "erf",
    "expit",
    "kl_div",
    "log_expit",
    "log_softmax",
    "logit",
    "logsumexp",
    "rel_entr",
    "softmax",
    "xlog1py",
    "xlogy",
]


def _floats(*values: Any) -> tuple[Any, ...]:
    """Return operands as arrays of floats of one dtype: a traced one decides, else NumPy's rules do."""
    if not surface.has_tracer(*values):
        arrays = [np.asarray(v) if not isinstance(v, (int, float)) else v for v in values]
        dtype = np.result_type(*arrays, 0.0)
        return tuple(np.asarray(a, dtype) for a in arrays)
    from difc.promotion import common_dtype
    from difc.tracer import Tracer, lift, wrap

    dtype = common_dtype(*values, 0.0)
    weak = [isinstance(v, (int, float)) and not isinstance(v, np.generic) for v in values]
    return tuple(
        np.asarray(v, dtype) if w else (v if isinstance(v, Tracer) else wrap(lift(v))).astype(dtype)
        for v, w in zip(values, weak, strict=True)
    )


def _constant(x: Any) -> Any:
    """Return a value that has no derivative."""
    if not surface.has_tracer(x):
        return x
    from difc.control import stop_gradient

    return stop_gradient(x)


def _apply(op: str, x: Any, on_array: Any) -> Any:
    """Return an op of the dialect on a traced array, or a NumPy function on another."""
    if not surface.has_tracer(x):
        return on_array(x)
    from difc import dialects as dif
    from difc.tracer import lift, wrap

    return wrap(getattr(dif, op)(lift(x)))


# ---- sums of exponentials ------------------------------------------------------------------------


def _peak(x: Any, axis: Any) -> Any:
    """Return the maximum, which is subtracted before exp; its derivative cancels, so it is taken as none."""
    peak = _constant(np.max(x, axis=axis, keepdims=True))
    return np.where(np.isfinite(peak), peak, np.zeros_like(peak))


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Return log(sum(b * exp(a))) over axes, without overflow. (scipy.special.logsumexp)

    Args:
      b: factors of the exponentials.
      return_sign: also return the sign of the sum, and the logarithm of its absolute value.

    Example:
      >>> logsumexp([1000.0, 1000.0])
      np.float64(1000.6931471805599)
    """
    (x,) = _floats(a)
    peak = _peak(x, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.exp(x - peak)
        total = np.sum(terms if b is None else b * terms, axis=axis, keepdims=keepdims)
        sign = np.sign(total)
        size = np.log(np.abs(total) if return_sign else total)
    if not keepdims:
        peak = np.squeeze(peak, axis)
    result = size + peak
    return (result, sign) if return_sign else result


def softmax(x: Any, axis: Any = None) -> Any:
    """Return exp(x) divided by its sum over axes, without overflow. (scipy.special.softmax)

    Example:
      >>> softmax([0.0, 0.0])
      array([0.5, 0.5])
    """
    (x,) = _floats(x)
    terms = np.exp(x - _peak(x, axis))
    return terms / np.sum(terms, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """Return the logarithm of softmax, precise where that is small. (scipy.special.log_softmax)"""
    (x,) = _floats(x)
    shifted = x - _peak(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


# ---- logistic functions --------------------------------------------------------------------------


def expit(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)). (scipy.special.expit)

    Example:
      >>> expit(0.0)
      np.float64(0.5)
    """
    (x,) = _floats(x)
    return _apply("logistic", x, _expit_array)


def _expit_array(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, np.ones_like(small)) / (1 + small)


def log_expit(x: Any) -> Any:
    """Return the logarithm of expit. (scipy.special.log_expit)"""
    (x,) = _floats(x)
    return -np.logaddexp(-x, np.zeros_like(x))


def logit(x: Any) -> Any:
    """Return log(x / (1 - x)), the inverse of expit. (scipy.special.logit)"""
    (x,) = _floats(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x) - np.log1p(-x)


def erf(x: Any) -> Any:
    """Return the error function. (scipy.special.erf)

    Example:
      >>> erf(0.0)
      np.float64(0.0)
    """
    (x,) = _floats(x)
    return _apply("erf", x, _erf_array)


def _erf_array(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)[()]


# ---- products with logarithms, and entropies -----------------------------------------------------


def xlogy(x: Any, y: Any) -> Any:
    """Return x log(y), which is 0 where x is 0 (unless y is NaN). (scipy.special.xlogy)"""
    x, y = _floats(x, y)
    # Only where the product would be NaN is y replaced: elsewhere the derivative at x = 0 is log(y).
    undefined = (x == 0) & ((y <= 0) | (y == np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        return x * np.log(np.where(undefined, np.ones_like(y), y))


def xlog1py(x: Any, y: Any) -> Any:
    """Return x log(1 + y), which is 0 where x is 0 (unless y is NaN). (scipy.special.xlog1py)"""
    x, y = _floats(x, y)
    undefined = (x == 0) & ((y <= -1) | (y == np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        return x * np.log1p(np.where(undefined, np.zeros_like(y), y))


def entr(x: Any) -> Any:
    """Return -x log(x): 0 at 0, -inf below. (scipy.special.entr)"""
    (x,) = _floats(x)
    return np.where(x < 0, np.full_like(x, -np.inf), -xlogy(x, np.where(x < 0, np.ones_like(x), x)))


def rel_entr(x: Any, y: Any) -> Any:
    """Return x log(x / y) for x, y >= 0: 0 where x is 0, inf where only y is. (scipy.special.rel_entr)"""
    x, y = _floats(x, y)
    inside = (x > 0) & (y > 0)
    one = np.ones_like(x * y)
    ratio = np.where(inside, x, one) / np.where(inside, y, one)
    edge = np.where((x == 0) & (y >= 0), 0 * one, np.full_like(one, np.inf))
    return np.where(np.isnan(x) | np.isnan(y), x * y, np.where(inside, x * np.log(ratio), edge))


def kl_div(x: Any, y: Any) -> Any:
    """Return x log(x / y) - x + y. (scipy.special.kl_div)"""
    x, y = _floats(x, y)
    relative = rel_entr(x, y)
    return np.where(np.isinf(relative), relative, relative - x + y)


def __getattr__(name: str) -> Any:
    from difc.scipy import catalogue

    if name in catalogue.NAMES:
        raise surface.missing(__name__, name, catalogue.gap(name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
