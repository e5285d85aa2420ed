"""True values of functions in two libraries: Arb (of python-flint), whose results have proved bounds, and mpmath.

A formula is written once, for the functions of either: `lambda m, x: m.log(m.gamma(x))`. Arb's intervals say how many
digits are right, so that the precision is raised until they suffice, whatever cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import flint
import numpy as np
from flint import arb
from mpmath import mp
from special_rows import Formula

__all__ = ["Arb", "Mpmath", "confirmed", "true_values"]

_MOST_BITS, _MOST_BITS_AT_POLES = 20_000, 2_000
_LARGE = 10**9  # from here on an asymptotic series is exact


class _Common:
    """What both libraries compute by the same formulas, from what they have."""

    @classmethod
    def log_beta(cls, a: Any, b: Any) -> Any:
        """Return log(beta(a, b)) for positive numbers."""
        return cls.lgamma(a) + cls.lgamma(b) - cls.lgamma(a + b)

    @classmethod
    def lgamma(cls, x: Any) -> Any:
        """Return log |gamma(x)|."""
        if x > 0:
            return cls.positive_lgamma(x)
        return cls.log(cls.pi() / abs(cls.sin_pi(x))) - cls.positive_lgamma(1 - x)

    @classmethod
    def polygamma(cls, n: int, x: Any) -> Any:
        """Return a derivative of digamma, below 0 by steps to above."""
        factor, total = (-1) ** (n + 1) * math.factorial(n), 0
        while x < 0:
            total, x = total + 1 / x ** (n + 1), x + 1
        return factor * (cls.zeta(x * 0 + n + 1, x) + total)

    @classmethod
    def erfcx(cls, x: Any) -> Any:
        """Return exp(x^2) erfc(x)."""
        if x > _LARGE:
            return (1 - 1 / (2 * x * x) + 3 / (4 * x**4)) / (x * cls.sqrt(cls.pi()))
        return cls.exp(x * x) * cls.erfc(x)

    @classmethod
    def log_ndtr(cls, x: Any) -> Any:
        """Return the logarithm of the normal distribution function."""
        if x > 0:
            return cls.log1p(-cls.erfc(x / cls.sqrt(x * 0 + 2)) / 2)
        if x < -_LARGE:
            return -x * x / 2 - cls.log(-x) - cls.log(2 * cls.pi()) / 2 - 1 / x**2
        return cls.log(cls.erfc(-x / cls.sqrt(x * 0 + 2)) / 2)


class Arb(_Common):
    """Arb's functions of intervals."""

    exp, expm1, log, log1p, sqrt = arb.exp, arb.expm1, arb.log, arb.log1p, arb.sqrt
    sin, sin_pi, cos_pi, gamma, rgamma, digamma = arb.sin, arb.sin_pi, arb.cos_pi, arb.gamma, arb.rgamma, arb.digamma
    erf, erfc, erfinv, erfcinv, positive_lgamma, pi = arb.erf, arb.erfc, arb.erfinv, arb.erfcinv, arb.lgamma, arb.pi
    bessel_i, bessel_j, bessel_k, bessel_y, zeta = arb.bessel_i, arb.bessel_j, arb.bessel_k, arb.bessel_y, arb.zeta

    @classmethod
    def gammainc(cls, a: Any, x: Any) -> Any:
        """Return P(a, x), by a series of positive terms below the mean of a small order."""
        factor = a * cls.log(x) - x - cls.lgamma(a + 1)
        if factor < -1000:
            return cls.exp(factor)  # not exact, and no number of f64
        if x > a + 1 or a > 50:
            return 1 - cls.gammaincc(a, x)
        return cls.exp(factor) * x.hypgeom_1f1(1, a + 1)

    @staticmethod
    def gammaincc(a: Any, x: Any) -> Any:
        """Return Q(a, x)."""
        return x.gamma_upper(a, regularized=1)

    @staticmethod
    def betainc(a: Any, b: Any, x: Any) -> Any:
        """Return I(a, b, x)."""
        return x.beta_lower(a, b, regularized=1)


def _by_place(bessel: Callable[[int, Any], Any]) -> Callable[[Any, int], Any]:
    """Return a function of an order and a place as one of the place and the order, as Arb has them."""
    return lambda x, n: bessel(n, x)


class Mpmath(_Common):
    """mpmath's functions, in the working precision."""

    exp, expm1, log, log1p, sqrt = mp.exp, mp.expm1, mp.log, mp.log1p, mp.sqrt
    sin, sin_pi, cos_pi, gamma, rgamma, digamma = mp.sin, mp.sinpi, mp.cospi, mp.gamma, mp.rgamma, mp.digamma
    erf, erfc, erfinv, positive_lgamma = mp.erf, mp.erfc, mp.erfinv, mp.loggamma
    bessel_i, bessel_j, bessel_k, bessel_y = (
        staticmethod(_by_place(f)) for f in (mp.besseli, mp.besselj, mp.besselk, mp.bessely)
    )

    @staticmethod
    def pi() -> Any:
        """Return the number."""
        return +mp.pi

    @staticmethod
    def erfcinv(y: Any) -> Any:
        """Return the inverse of erfc, by Newton's steps on its logarithm from the leading terms."""
        if y > 1:
            return -Mpmath.erfcinv(2 - y)
        if y > 0.5:
            return mp.erfinv(1 - y)
        x = mp.sqrt(-mp.log(y * mp.sqrt(-mp.pi * mp.log(y))))
        for _ in range(60):
            value = mp.erfc(x)
            x += mp.log(value / y) * value * mp.sqrt(mp.pi) / 2 * mp.exp(x * x)
        return x

    @staticmethod
    def zeta(s: Any, q: Any = 1) -> Any:
        """Return Hurwitz's function, or Riemann's."""
        return mp.zeta(s, q)

    @staticmethod
    def gammainc(a: Any, x: Any) -> Any:
        """Return P(a, x)."""
        return mp.gammainc(a, 0, x, regularized=True)

    @staticmethod
    def gammaincc(a: Any, x: Any) -> Any:
        """Return Q(a, x)."""
        return mp.gammainc(a, x, regularized=True)

    @staticmethod
    def betainc(a: Any, b: Any, x: Any) -> Any:
        """Return I(a, b, x)."""
        return mp.betainc(a, b, 0, x, regularized=True)


def _evaluated(formula: Formula, point: tuple[float, ...], bits: int, height: float) -> Any:
    """Return the value at a point, with so many right bits, or with an error as small beside `height`."""
    precision = bits + 40
    while precision < _MOST_BITS:
        flint.ctx.prec = precision
        value = formula(Arb, *map(arb, point))
        if value.is_finite() and (value.rel_accuracy_bits() >= bits or float(value.rad()) < math.ldexp(height, -bits)):
            return value.mid()
        if precision > _MOST_BITS_AT_POLES and not value.is_finite():
            return arb("nan")
        precision *= 2
    raise ArithmeticError(f"no value with {bits} bits at {point}")


def true_values(formula: Formula, arguments: Sequence[np.ndarray], heights: np.ndarray, bits: int) -> np.ndarray:
    """Return values at points, as long doubles, with at least so many right bits."""
    found = np.empty(heights.size, np.longdouble)
    before = flint.ctx.prec
    try:
        for i, point in enumerate(zip(*(a.astype(float).tolist() for a in arguments), strict=True)):
            value = _evaluated(formula, point, bits, float(heights[i]))
            high = float(value)
            found[i] = np.longdouble(high) + np.longdouble(float(value - high) if math.isfinite(high) else 0)
    finally:
        flint.ctx.prec = before
    return found


def confirmed(formula: Formula, point: tuple[float, ...]) -> float:
    """Return the value at a point that mpmath has, in 60 digits."""
    with mp.workdps(60):
        return float(formula(Mpmath, *map(mp.mpf, point)))
