"""Modified Bessel functions of the first kind, of orders 0 and 1. (scipy.special)"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.scipy.common import apply, floats

__all__ = ["i0", "i0e", "i1", "i1e"]


def i0e(x: Any) -> Any:
    """Return exp(-|x|) i0(x). (scipy.special.i0e)"""
    return apply("bessel_i0e", *floats(x))


def i1e(x: Any) -> Any:
    """Return exp(-|x|) i1(x). (scipy.special.i1e)"""
    return apply("bessel_i1e", *floats(x))


def _grown(x: Any, scaled: Any) -> Any:
    half = np.exp(0.5 * np.abs(x))  # twice, for e^|x| is infinite where the product is not
    return half * scaled * half


def i0(x: Any) -> Any:
    """Return the modified Bessel function of order 0. (scipy.special.i0)

    Example:
      >>> i0(0.0)
      np.float64(1.0)
    """
    (x,) = floats(x)
    return _grown(x, i0e(x))


def i1(x: Any) -> Any:
    """Return the modified Bessel function of order 1. (scipy.special.i1)"""
    (x,) = floats(x)
    return _grown(x, i1e(x))
