"""scipy.special's elementary functions: powers near 1, Box-Cox transformations, degrees, factorials and binomials.

Formulas of NumPy's functions and of the gamma function; each has all derivatives, also at the points where a formula
needs its limit. Must not import MLIR.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import ml_dtypes
import numpy as np

from difc.errors import InputError
from difc.scipy.common import constant, floats, is_odd, largest_logarithm, polynomial
from difc.scipy.gammas import FACTORIALS, FAR, betaln, gamma, gammaln, is_pole, log_fall, sign_of_gamma
from difc.source import user_frame_location

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
    one = np.ones_like(x * y)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        exponent = y * np.log(np.where(x > 0, x, one))
        near = (x > 0) & (np.abs(exponent) < 0.5)  # beyond, what rounding takes from the exponent counts
        base, power = np.where(near, one, x), np.where(near, one, y)
        return _where(near, np.expm1(np.where(near, exponent, 0 * one)), np.power(base, power) - 1)


# ---- Box-Cox transformations ---------------------------------------------------------------------


#: Below this size of an exponent a few terms of a series are exact within rounding.
SMALL = 1e-4


def _transformed(log_x: Any, power: Any, raised: Any) -> Any:
    """Return (x^power - 1) / power from log x and a function for x^power - 1; for a small power by a series."""
    one = np.ones_like(log_x * power)
    small = (np.abs(power * log_x) < SMALL) | (power == 0)
    safe = np.where(small, one, power)
    limit = np.where(small, log_x, 0 * one)
    inside = np.where(np.isinf(limit), 0 * one, limit)  # 0 times infinity is NaN
    series = limit + inside * (power * inside) * polynomial(power * inside, [1 / 2, 1 / 6, 1 / 24, 1 / 120])
    return _where(small, series, raised(np.where(small, one, log_x), safe, small) / safe)


def boxcox(x: Any, lmbda: Any) -> Any:
    """Return (x^lmbda - 1) / lmbda, which is log x for lmbda 0. (scipy.special.boxcox)

    Example:
      >>> boxcox(4.0, 0.5)
      np.float64(2.0)
    """
    x, lmbda = floats(x, lmbda)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        base = np.where(x < 0, np.full_like(x, np.nan), x)
        return _transformed(
            np.log(x), lmbda, lambda _, power, small: powm1(np.where(small, 1 + 0 * power, base), power)
        )


def boxcox1p(x: Any, lmbda: Any) -> Any:
    """Return the Box-Cox transformation of 1 + x. (scipy.special.boxcox1p)"""
    x, lmbda = floats(x, lmbda)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return _transformed(np.log1p(x), lmbda, lambda log_x, power, _: np.expm1(power * log_x))


def _log_of_inverse(y: Any, power: Any) -> Any:
    """Return log(1 + power y) / power; where power y is small by the series."""
    one = np.ones_like(y * power)
    small = (np.abs(power * y) < SMALL) | (power == 0)
    safe = np.where(small, one, power)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        limit = np.where(small, y, 0 * one)
        inside = np.where(np.isinf(limit), 0 * one, limit)  # 0 times infinity is NaN
        series = limit - inside * (power * inside) * polynomial(-power * inside, [1 / 2, 1 / 3, 1 / 4, 1 / 5])
        product = safe * np.where(small, one, y)
        far = ~small & np.isinf(product) & np.isfinite(y) & np.isfinite(power)
        logarithm = np.log1p(np.where(far, one, product))
        beyond = np.log(np.where(far, np.abs(y), one)) + np.log(np.where(far, np.abs(power), one))
        beyond = np.where(product > 0, beyond, np.full_like(one, np.nan))
        return np.where(small, series, np.where(far, beyond, logarithm) / safe)


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
        raise InputError(
            f"{name} with exact=True gives Python integers", where=user_frame_location(), remedy="leave it out"
        )


def _is_whole(x: Any) -> Any:
    return x == np.floor(x)


def _rounded(value: Any, whole: Any) -> Any:
    """Return a value, rounded where it is known to be whole, unless its last digits count more than 1."""
    small = np.abs(value) < 0.5 / float(ml_dtypes.finfo(value.dtype).eps)
    kept = constant(np.where(whole & small, value, np.zeros_like(value)))
    return value + (np.rint(kept) - kept)


def factorial(n: Any, exact: bool = False) -> Any:
    """Return n!, and 0 for a negative n. (scipy.special.factorial)

    Example:
      >>> factorial(4.0)
      np.float64(24.0)
    """
    _only_floats(exact, "factorial")
    (n,) = floats(n)
    one = np.ones_like(n)
    large = n > 1  # where n + 1 would lose digits of n
    value = np.where(large, n, one) * gamma(np.where(large, n, np.where(n < 0, one, n) + 1))
    return _where(n < 0, np.zeros_like(n), _rounded(value, _is_whole(n)))


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
    odd = is_odd(whole)
    # where both have poles, for a whole m: (-1)^m gamma(1 - z) / gamma(1 - z - m)
    risen = _risen(
        np.where(both, 1 - z - whole, np.where(usual, z, one)), np.where(usual, m, np.where(both, whole, one))
    )
    risen = _rounded(risen, _is_whole(z) & _is_whole(m) & (m >= 0))
    # from a pole to where there is none it is 0; its slope by z is that of 1 / gamma(z) = sin(pi z) gamma(1 - z) / pi
    turns = np.rint(start)
    sine = np.cos(np.pi * turns) * np.sin(np.pi * (start - turns)) / np.pi
    size = gammaln(1 - start) + gammaln(np.where(from_pole & ~to_pole, end, one))
    none = sine * np.exp(np.minimum(size, 0.99 * largest_logarithm(size)))
    at_poles = np.where(both, np.where(odd, -risen, risen), np.where(from_pole, none, np.inf * one))
    return _where(usual, risen, at_poles)


def _risen(z: Any, m: Any) -> Any:
    """Return gamma(z + m) / gamma(z) where neither has a pole."""
    end, one = z + m, np.ones_like(z + m)
    most = FACTORIALS[end.dtype.itemsize]  # where gamma and its inverse have all digits
    near = (np.abs(z) < most - 3) & (end > 3 - most) & (end <= most + 1)
    far = ~near & (z >= FAR) & (end >= FAR) & (end < np.inf)
    x, y = (np.where(near, v, one) for v in (z, end))
    with np.errstate(invalid="ignore", over="ignore"):
        product = gamma(y) / gamma(x)
        rise = np.exp(-log_fall(np.where(far, m, one), np.where(far, z, FAR * one)))
        other = ~(near | far)
        x, y = (np.where(other, v, one) for v in (z, end))
        quotient = sign_of_gamma(x) * sign_of_gamma(y) * np.exp(gammaln(y) - gammaln(x))
    return np.where(near, product, np.where(far, rise, quotient))


def binom(x: Any, y: Any) -> Any:
    """Return the binomial coefficient of real numbers, by gamma functions. (scipy.special.binom)"""
    x, y = floats(x, y)
    one = np.ones_like(x * y)
    usual = (x >= 0) & (y > -1) & (x - y > -1) & (x < np.inf)
    few = usual & (x < FACTORIALS[x.dtype.itemsize] - 1)
    n, k = np.where(few, x, one), np.where(few, y, 0 * one)
    inside = gamma(n + 1) / gamma(k + 1) / gamma(n - k + 1)
    many = usual & ~few
    n, k = np.where(many, x, one), np.where(many, y, 0 * one)
    large = np.exp(-betaln(n - k + 1, k + 1) - np.log1p(n))
    n, k = np.where(usual, one, x), np.where(usual, 0 * one, y)
    sign = sign_of_gamma(n + 1) * sign_of_gamma(k + 1) * sign_of_gamma(n - k + 1)
    with np.errstate(invalid="ignore"):
        outside = sign * np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
        outside = np.where((x == np.inf) & (y >= 0) & (y < np.inf), np.where(y == 0, one, np.inf * one), outside)
    value = np.where(few, inside, np.where(many, large, outside))
    return _rounded(value, _is_whole(x) & _is_whole(y) & (x >= 0))[()]


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
