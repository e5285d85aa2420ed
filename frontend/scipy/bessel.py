"""Bessel functions of orders 0 and 1. (scipy.special)"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from difc.scipy.common import apply, floats, largest_logarithm, polynomial

__all__ = ["i0", "i0e", "i1", "i1e", "j0", "j1", "k0", "k0e", "k1", "k1e", "y0", "y1"]


def _hankel(order: int) -> list[float]:
    """Return coefficients of the series in 1 / x of i0(x) and i1(x) over e^x / sqrt(2 pi x), for x of 11 and more."""
    numbers = [1.0]
    for k in range(1, 7):
        numbers.append(-numbers[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return numbers


HANKEL = (_hankel(0), _hankel(1))


# ---- the first and the second kind ---------------------------------------------------------------


def j0(x: Any) -> Any:
    """Return the Bessel function of the first kind of order 0; 0 at infinity. (scipy.special.j0)

    Example:
      >>> j0(0.0)
      np.float64(1.0)
    """
    return apply("bessel_j0", *floats(x))


def j1(x: Any) -> Any:
    """Return the Bessel function of the first kind of order 1; 0 at infinity. (scipy.special.j1)"""
    return apply("bessel_j1", *floats(x))


def y0(x: Any) -> Any:
    """Return the Bessel function of the second kind of order 0; 0 at infinity, NaN below 0. (scipy.special.y0)"""
    return apply("bessel_y0", *floats(x))


def y1(x: Any) -> Any:
    """Return the Bessel function of the second kind of order 1; 0 at infinity, NaN below 0. (scipy.special.y1)"""
    return apply("bessel_y1", *floats(x))


# ---- the second modified kind --------------------------------------------------------------------


def k0e(x: Any) -> Any:
    """Return exp(x) k0(x). (scipy.special.k0e)"""
    return apply("bessel_k0e", *floats(x))


def k1e(x: Any) -> Any:
    """Return exp(x) k1(x). (scipy.special.k1e)"""
    return apply("bessel_k1e", *floats(x))


def _fallen(x: Any, scaled: Any) -> Any:
    """Return e^-x scaled(x), twice by half of it, for it vanishes before the product does; NaN where that is."""
    half = np.exp(np.where(np.isnan(scaled), np.zeros_like(x), -0.5 * x))
    return (half * scaled * half)[()]


def k0(x: Any) -> Any:
    """Return the modified Bessel function of the second kind of order 0; NaN below 0. (scipy.special.k0)

    Example:
      >>> k0(0.0)
      np.float64(inf)
    """
    (x,) = floats(x)
    return _fallen(x, k0e(x))


def k1(x: Any) -> Any:
    """Return the modified Bessel function of the second kind of order 1; NaN below 0. (scipy.special.k1)"""
    (x,) = floats(x)
    return _fallen(x, k1e(x))


# ---- the first modified kind ---------------------------------------------------------------------


def i0e(x: Any) -> Any:
    """Return exp(-|x|) i0(x). (scipy.special.i0e)"""
    return apply("bessel_i0e", *floats(x))


def i1e(x: Any) -> Any:
    """Return exp(-|x|) i1(x). (scipy.special.i1e)"""
    return apply("bessel_i1e", *floats(x))


def _grown(x: Any, order: int, scaled: Any) -> Any:
    """Return e^|x| scaled(x), for the function of an order; where it is infinite, so are its derivatives."""
    size, one = np.abs(x), np.ones_like(x)
    limit = largest_logarithm(x)
    far = size > limit + 0.5 * math.log(2 * math.pi * limit) + 0.25  # the product is infinite from a bit before
    half = np.exp(np.where(far, 0 * one, 0.5 * size))  # twice, for e^|x| is infinite where the product is not
    # There, its derivative by `scaled` would be infinite, too: Hankel's series has the derivatives.
    above = np.where((size > limit) & ~far, size, limit * one)
    with np.errstate(over="ignore"):
        series = half / np.sqrt(2 * math.pi * above) * polynomial(1 / above, HANKEL[order]) * half
        overflows = far | np.isinf(series)
        high = np.where(overflows, np.exp(np.where(overflows, size, 0 * one)), series)
        return np.where(size > limit, np.sign(x) * high if order else high, half * scaled * half)[()]


def i0(x: Any) -> Any:
    """Return the modified Bessel function of order 0. (scipy.special.i0)

    Example:
      >>> i0(0.0)
      np.float64(1.0)
    """
    (x,) = floats(x)
    return _grown(x, 0, i0e(x))


def i1(x: Any) -> Any:
    """Return the modified Bessel function of order 1. (scipy.special.i1)"""
    (x,) = floats(x)
    return _grown(x, 1, i1e(x))
