"""Error functions, their inverses, and the normal distribution. (scipy.special)"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from difc.scipy.common import apply, floats

__all__ = ["erf", "erfc", "erfcinv", "erfcx", "erfinv", "log_ndtr", "ndtr", "ndtri"]

ROOT_HALF = math.sqrt(0.5)


def _by_number(function: Any) -> Any:
    def on_array(x: Any) -> Any:
        return np.vectorize(function, otypes=[np.float64])(x).astype(x.dtype)[()]

    return on_array


def erf(x: Any) -> Any:
    """Return the error function. (scipy.special.erf)

    Example:
      >>> erf(0.0)
      np.float64(0.0)
    """
    return apply("erf", *floats(x), on_arrays=_by_number(math.erf))


def erfc(x: Any) -> Any:
    """Return 1 - erf(x), precise where that is small. (scipy.special.erfc)"""
    return apply("erfc", *floats(x), on_arrays=_by_number(math.erfc))


def erfcx(x: Any) -> Any:
    """Return exp(x^2) erfc(x). (scipy.special.erfcx)"""
    return apply("erfcx", *floats(x))


def erfinv(y: Any) -> Any:
    """Return the inverse of erf. (scipy.special.erfinv)

    Example:
      >>> erfinv(0.0)
      np.float64(0.0)
    """
    return apply("erfinv", *floats(y))


def erfcinv(y: Any) -> Any:
    """Return the inverse of erfc, precise for small y. (scipy.special.erfcinv)"""
    return apply("erfcinv", *floats(y))


def ndtr(x: Any) -> Any:
    """Return the distribution function of the standard normal. (scipy.special.ndtr)

    Example:
      >>> ndtr(0.0)
      np.float64(0.5)
    """
    (x,) = floats(x)
    return 0.5 * erfc(-ROOT_HALF * x)


def ndtri(y: Any) -> Any:
    """Return the inverse of `ndtr`, precise for small y. (scipy.special.ndtri)"""
    (y,) = floats(y)
    return -math.sqrt(2) * erfcinv(2 * y)


def log_ndtr(x: Any) -> Any:
    """Return the logarithm of `ndtr`, precise where that is near 0 and near 1. (scipy.special.log_ndtr)"""
    (x,) = floats(x)
    low = x < -1
    below, above = np.where(low, x, -np.ones_like(x)), np.where(low, np.zeros_like(x), x)
    with np.errstate(divide="ignore"):
        tail = np.log(0.5 * erfcx(-ROOT_HALF * below)) - 0.5 * below * below
        return np.where(low, tail, np.log1p(-0.5 * erfc(ROOT_HALF * above)))
