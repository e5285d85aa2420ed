"""scipy.special's elementary functions: powers near 1, Box-Cox transformations, degrees, factorials and binomials.

Formulas of NumPy's functions and of the gamma function; each has all derivatives, also at the points where a formula
needs its limit. Must not import MLIR.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from difc.scipy.common import constant, floats, largest_logarithm, polynomial
from difc.scipy.gammas import gamma, gammaln, is_pole, sign_of_gamma

__all__ = [
    "binom",
    "boxcox",
    "boxcox1p",
    "cbrt",
    "comb",
    "cosdg",
    "cosm1",
    "cotdg",
    "exp10",
    "exp2",
    "expm1",
    "exprel",
    "factorial",
    "inv_boxcox",
    "inv_boxcox1p",
    "log1p",
    "multigammaln",
    "perm",
    "poch",
    "powm1",
    "radian",
    "round",
    "sinc",
    "sindg",
    "softplus",
    "tandg",
]


def _where(condition: Any, on_true: Any, on_false: Any) -> Any:
    """numpy.where that gives a NumPy number for numbers, as ufuncs do."""
    return np.where(condition, on_true, on_false)[()]


# ---- NumPy's own, by SciPy's names ---------------------------------------------------------------


def exp2(x: Any) -> Any:
    """Return 2 to the power x. (scipy.special.exp2)"""
    return np.exp2(*floats(x))


def exp10(x: Any) -> Any:
    """Return 10 to the power x. (scipy.special.exp10)"""
    (x,) = floats(x)
    return np.power(np.full_like(x, 10.0), x)


def expm1(x: Any) -> Any:
    """Return e^x - 1, precise near 0. (scipy.special.expm1)"""
    return np.expm1(*floats(x))


def log1p(x: Any) -> Any:
    """Return log(1 + x), precise near 0. (scipy.special.log1p)"""
    return np.log1p(*floats(x))


def cbrt(x: Any) -> Any:
    """Return the cube root. (scipy.special.cbrt)"""
    return np.cbrt(*floats(x))


def round(x: Any) -> Any:
    """Return the nearest integer, ties to even, as a float. (scipy.special.round)"""
    return np.rint(*floats(x))


def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), which is 1 at 0. (scipy.special.sinc)"""
    return np.sinc(*floats(x))


def softplus(x: Any) -> Any:
    """Return log(1 + e^x) without overflow. (scipy.special.softplus)"""
    (x,) = floats(x)
    return np.logaddexp(np.zeros_like(x), x)


# ---- differences that would cancel ---------------------------------------------------------------


def cosm1(x: Any) -> Any:
    """Return cos(x) - 1, precise near 0. (scipy.special.cosm1)"""
    (x,) = floats(x)
    half = np.sin(0.5 * x)
    return -2 * half * half


def exprel(x: Any) -> Any:
    """Return (e^x - 1) / x, which is 1 at 0. (scipy.special.exprel)

    Example:
      >>> exprel(0.0)
      np.float64(1.0)
    """
    (x,) = floats(x)
    limit = largest_logarithm(x)
    near, far = np.abs(x) < 0.5, x > limit + math.log(limit) + 0.25  # the quotient is infinite from a bit before
    inside, outside = np.where(near, x, np.zeros_like(x)), np.where(near | far, np.ones_like(x), x)
    series = polynomial(inside, [1 / math.factorial(k + 1) for k in range(16)])  # its derivatives do not cancel
    half = np.expm1(0.5 * outside)  # e^x - 1 = half (half + 2), of which e^x is infinite where the quotient is not
    with np.errstate(over="ignore"):
        infinite = np.exp(np.where(far, x, np.zeros_like(x)))  # with infinite derivatives
        return _where(near, series, np.where(far, infinite, half / outside * (half + 2)))


def powm1(x: Any, y: Any) -> Any:
    """Return x^y - 1, precise where that is near 0. (scipy.special.powm1)"""
    x, y = floats(x, y)
    positive = x > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        near = np.expm1(y * np.log(np.where(positive, x, np.ones_like(x))))
        return _where(positive, near, np.power(np.where(positive, np.ones_like(x), x), y) - 1)


# ---- Box-Cox transformations ---------------------------------------------------------------------


def _transformed(log_x: Any, power: Any) -> Any:
    """Return (x^power - 1) / power from log x; at power 0 the series, whose derivatives are right."""
    zero = power == 0
    safe = np.where(zero, np.ones_like(power), power)
    limit = np.where(zero, log_x, np.zeros_like(log_x))
    inside = np.where(np.isinf(limit), np.zeros_like(limit), limit)  # 0 times infinity is NaN
    series = limit + power * inside * inside * (0.5 + power * inside / 6)
    return _where(zero, series, np.expm1(safe * log_x) / safe)


def boxcox(x: Any, lmbda: Any) -> Any:
    """Return (x^lmbda - 1) / lmbda, which is log x for lmbda 0. (scipy.special.boxcox)

    Example:
      >>> boxcox(4.0, 0.5)
      np.float64(2.0)
    """
    x, lmbda = floats(x, lmbda)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _transformed(np.log(x), lmbda)


def boxcox1p(x: Any, lmbda: Any) -> Any:
    """Return the Box-Cox transformation of 1 + x. (scipy.special.boxcox1p)"""
    x, lmbda = floats(x, lmbda)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _transformed(np.log1p(x), lmbda)


def _log_of_inverse(y: Any, power: Any) -> Any:
    """Return log(1 + power y) / power; at power 0 the series."""
    zero = power == 0
    safe = np.where(zero, np.ones_like(power), power)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(np.isinf(y), np.zeros_like(y), y)  # 0 times infinity is NaN
        return np.where(zero, y - power * inside * inside * (0.5 - power * inside / 3), np.log1p(safe * y) / safe)


def inv_boxcox(y: Any, lmbda: Any) -> Any:
    """Return the x whose Box-Cox transformation is y. (scipy.special.inv_boxcox)"""
    return np.exp(_log_of_inverse(*floats(y, lmbda)))


def inv_boxcox1p(y: Any, lmbda: Any) -> Any:
    """Return the x whose `boxcox1p` is y. (scipy.special.inv_boxcox1p)"""
    return np.expm1(_log_of_inverse(*floats(y, lmbda)))


# ---- degrees -------------------------------------------------------------------------------------


def _turned(x: Any, quarter: int) -> Any:
    """Return the sine of an angle in degrees plus quarter turns, exact at whole quarters."""
    (x,) = floats(x)
    rest = np.fmod(x, np.full_like(x, 360.0))
    turns = np.rint(rest / 90)
    angle = (rest - 90 * turns) * (math.pi / 180)
    place = np.remainder(turns + quarter, np.full_like(x, 4.0))
    size = np.where((place == 1) | (place == 3), np.cos(angle), np.sin(angle))
    return _where(place >= 2, -size, size)


def sindg(x: Any) -> Any:
    """Return the sine of an angle in degrees. (scipy.special.sindg)

    Example:
      >>> sindg(90.0)
      np.float64(1.0)
    """
    return _turned(x, 0)


def cosdg(x: Any) -> Any:
    """Return the cosine of an angle in degrees. (scipy.special.cosdg)"""
    return _turned(x, 1)


def _tangent(x: Any, inverted: bool) -> Any:
    """Return the tangent of an angle in degrees, or its inverse; at poles they are inf, and so are their slopes."""
    (x,) = floats(x)
    rest = np.fmod(x, np.full_like(x, 360.0))
    turns = np.rint(rest / 90)
    odd = np.remainder(turns, np.full_like(x, 2.0)) == 1
    apart = rest - 90 * turns
    tangent = np.tan(np.where(odd, 90 * turns - rest, apart) * (math.pi / 180))
    inverts = ~odd if inverted else odd
    with np.errstate(divide="ignore"):
        return _where(inverts, 1 / np.where(inverts, tangent, np.ones_like(x)), tangent)


def tandg(x: Any) -> Any:
    """Return the tangent of an angle in degrees. (scipy.special.tandg)"""
    return _tangent(x, inverted=False)


def cotdg(x: Any) -> Any:
    """Return the cotangent of an angle in degrees. (scipy.special.cotdg)"""
    return _tangent(x, inverted=True)


def radian(d: Any, m: Any, s: Any) -> Any:
    """Return an angle of degrees, minutes and seconds in radians. (scipy.special.radian)"""
    d, m, s = floats(d, m, s)
    return (d + m / 60 + s / 3600) * (math.pi / 180)


# ---- factorials ----------------------------------------------------------------------------------


def _only_floats(exact: bool, name: str) -> None:
    if exact:
        raise ValueError(f"{name} with exact=True gives Python integers; leave it out")


def factorial(n: Any, exact: bool = False) -> Any:
    """Return n!, and 0 for a negative n. (scipy.special.factorial)

    Example:
      >>> factorial(4.0)
      np.float64(24.0)
    """
    _only_floats(exact, "factorial")
    (n,) = floats(n)
    return _where(n < 0, np.zeros_like(n), gamma(np.where(n < 0, np.ones_like(n), n) + 1))


def poch(z: Any, m: Any) -> Any:
    """Return gamma(z + m) / gamma(z), the rising factorial. (scipy.special.poch)

    Where both have poles, the limit in z for a whole m; by m it has no derivative there, which counts as 0.
    """
    z, m = floats(z, m)
    end = z + m
    from_pole, to_pole = is_pole(z), is_pole(end)
    both, one = from_pole & to_pole, np.ones_like(end)
    usual, start = ~(from_pole | to_pole), np.where(from_pole & ~to_pole, z, -one)
    whole = constant(np.where(both, m, 0 * one))
    odd = whole - 2 * np.floor(whole / 2) == 1
    # for a whole m: (-1)^m gamma(1 - z) / gamma(1 - z - m)
    mirrored = np.exp(gammaln(np.where(both, 1 - z, one)) - gammaln(np.where(both, 1 - z - whole, one)))
    # from a pole to where there is none it is 0; its slope by z is that of 1 / gamma(z) = sin(pi z) gamma(1 - z) / pi
    turns = np.rint(start)
    sine = np.cos(np.pi * turns) * np.sin(np.pi * (start - turns)) / np.pi
    size = gammaln(1 - start) + gammaln(np.where(from_pole & ~to_pole, end, one))
    none = sine * np.exp(np.minimum(size, 0.99 * largest_logarithm(size)))
    x, y = np.where(usual, z, one), np.where(usual, end, one)
    with np.errstate(invalid="ignore"):
        ratio = sign_of_gamma(x) * sign_of_gamma(y) * np.exp(gammaln(y) - gammaln(x))
    at_poles = np.where(both, np.where(odd, -mirrored, mirrored), np.where(from_pole, none, np.inf * one))
    return _where(usual, ratio, at_poles)


def binom(x: Any, y: Any) -> Any:
    """Return the binomial coefficient of real numbers, by gamma functions. (scipy.special.binom)"""
    x, y = floats(x, y)
    sign = sign_of_gamma(x + 1) * sign_of_gamma(y + 1) * sign_of_gamma(x - y + 1)
    return sign * np.exp(gammaln(x + 1) - gammaln(y + 1) - gammaln(x - y + 1))


def _counts(n: Any, k: Any) -> tuple[Any, Any, Any]:
    n, k = floats(n, k)
    valid = (k <= n) & (n >= 0) & (k >= 0)
    return np.where(valid, n, np.ones_like(n)), np.where(valid, k, np.zeros_like(k)), valid


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """Return how many sets of k there are among N, as floats; 0 where there are none. (scipy.special.comb)

    Args:
      repetition: count sets in which an element may be repeated; the empty set is one of them, also for N = 0.
    """
    _only_floats(exact, "comb")
    N, k = floats(N, k)
    n, part, valid = _counts(N + k - 1 if repetition else N, k)
    others = ((k == 0) & (N >= 0)).astype(n.dtype) if repetition else np.zeros_like(n)
    return _where(valid, binom(n, part), others)


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """Return how many sequences of k there are among N, as floats; 0 where there are none. (scipy.special.perm)"""
    _only_floats(exact, "perm")
    n, k, valid = _counts(N, k)
    return _where(valid, poch(n - k + 1, k), np.zeros_like(n))


def multigammaln(a: Any, d: int) -> Any:
    """Return the logarithm of the multivariate gamma function of a known dimension d. (scipy.special.multigammaln)"""
    (a,) = floats(a)
    count = operator.index(d)
    return sum((gammaln(a - 0.5 * j) for j in range(count)), 0.25 * count * (count - 1) * math.log(math.pi) + 0 * a)
