"""The gamma function and its kin. (scipy.special)

Derivatives are ops of their own (lgamma -> digamma -> trigamma ...), not derivatives of approximations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.numpy import surface
from difc.scipy.common import apply, constant, floats, is_odd, polynomial
from difc.source import user_frame_location

__all__ = [
    "beta", "betainc", "betaln", "digamma", "gamma", "gammainc", "gammaincc", "gammaln", "gammasgn", "is_pole",
    "log_fall", "polygamma", "psi", "rgamma", "sign_of_gamma", "zeta",
]  # fmt: skip

#: B(2), B(4), ...: Bernoulli numbers.
BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138,
)  # fmt: skip
#: Size of a dtype in bytes -> the largest factorial that it holds.
FACTORIALS = {2: 8, 4: 34, 8: 170}
#: From here on 1 / gamma is 0 in all dtypes.
NOTHING = 200.0
#: From here on Stirling's series is exact within rounding.
FAR = 8.0


def gammaln(x: Any) -> Any:
    """Return log |gamma(x)|. (scipy.special.gammaln)

    Example:
      >>> gammaln(1.0)
      np.float64(0.0)
    """
    return apply("lgamma", *floats(x))


def gamma(z: Any) -> Any:
    """Return the gamma function. (scipy.special.gamma)

    Example:
      >>> gamma(5.0)
      np.float64(24.0)
    """
    return apply("gamma", *floats(z))


def rgamma(z: Any) -> Any:
    """Return 1 / gamma(z), which is 0 at 0, -1, -2, ... (scipy.special.rgamma)"""
    (z,) = floats(z)
    most, one = FACTORIALS[z.dtype.itemsize], np.ones_like(z)
    pole, high = is_pole(z), z > most + 2
    low = (z < 0.5) & (z > -most - 2)
    below = np.where(low, z, 0 * one)  # by its reflection: no quotient of infinities at and near the poles
    n, far = np.rint(below), below < -2  # where 1 - z would lose digits of z
    sine = np.cos(np.pi * n) * np.sin(np.pi * (below - n)) / np.pi
    size = np.where(far, -below, one)
    reflected = sine * size * gamma(np.where(far, size - 1, 1 - below)) * np.where(far, size - 1, one)
    vanishing = np.exp(-gammaln(np.where(high, np.where(z > NOTHING, NOTHING * one, z), one)))
    last = (z > most + 1) & ~high  # where gamma may be infinite and 1 / gamma not yet 0
    usual = 1 / gamma(np.where(low | high | pole, one, np.where(last, z - 1, z))) / np.where(last, z - 1, one)
    usual = np.where(pole, 0 * one, usual)
    return np.where(low, reflected, np.where(high, vanishing, usual))[()]


def is_pole(x: Any) -> Any:
    """Return where gamma has its poles: 0, -1, -2, ..."""
    return (x <= 0) & (x == np.floor(x))


def sign_of_gamma(x: Any) -> Any:
    """Return the sign of gamma(x), which is the sign of x at 0, and 0 at the other poles."""
    below = np.floor(x)
    sign = np.where(is_odd(below), -np.ones_like(x), np.ones_like(x))
    sign = np.where(below == x, np.zeros_like(x), sign)
    return np.where(np.isnan(x), x, np.where(x >= 0, np.copysign(np.ones_like(x), x), sign))


def gammasgn(x: Any) -> Any:
    """Return the sign of gamma(x): NaN at -1, -2, ..., the sign of x at 0. (scipy.special.gammasgn)"""
    (x,) = floats(x)
    return np.where(is_pole(x) & (x != 0), np.full_like(x, np.nan), sign_of_gamma(x))[()]


def digamma(x: Any) -> Any:
    """Return the derivative of `gammaln`; also called psi. (scipy.special.digamma)"""
    return apply("polygamma", *floats(x), order=0)


psi = digamma


def polygamma(n: Any, x: Any) -> Any:
    """Return the n-th derivative of `digamma`. (scipy.special.polygamma)

    Args:
      n: an integer from 0 to 20, or an array of them, known when the function is traced.

    Raises:
      InputError: for another n.

    Example:
      >>> float(polygamma(1, 1.0)) == np.pi**2 / 6
      True
    """
    (x,) = floats(x)
    orders = None if surface.has_tracer(n) else np.asarray(n)
    if orders is None or not np.isin(orders, np.arange(21)).all():
        raise InputError(
            f"polygamma: the order {n!r} is not an integer from 0 to 20",
            where=user_frame_location(),
            remedy="pass a number that is known when the function is traced",
        )
    if orders.ndim == 0:
        return apply("polygamma", x, order=int(orders))
    result = np.zeros_like(x * orders.astype(x.dtype))
    for order in np.unique(orders).astype(int).tolist():
        result = np.where(orders == order, apply("polygamma", x, order=order), result)
    return result


def gammainc(a: Any, x: Any) -> Any:
    """Return the regularized lower incomplete gamma function, the integral of the gamma density up to x.

    It can be differentiated by both, but not twice by a. (scipy.special.gammainc)

    Example:
      >>> float(gammainc(1.0, 2.0) + np.exp(-2.0))
      1.0
    """
    return apply("gammainc", *floats(a, x))


def gammaincc(a: Any, x: Any) -> Any:
    """Return 1 - gammainc(a, x), precise where that is small. (scipy.special.gammaincc)"""
    return apply("gammaincc", *floats(a, x))


# ---- beta functions ------------------------------------------------------------------------------


def _stirling(x: Any) -> Any:
    """Return lgamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2) for x >= 8."""
    inverse = 1 / x
    square, total = inverse * inverse, 0.0
    for k, number in reversed(list(enumerate(BERNOULLI[:9], start=1))):
        total = total * square + number / (2 * k * (2 * k - 1))
    return total * inverse


def _off_poles(a: Any, b: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Return arguments whose beta function has the size of that of a and b, where the poles of gamma cancel.

    With -n and a whole m from 1 to n, that is 1 + n - m and m: an identity in the first, whose derivatives are right.

    Returns:
      The arguments, 1 and 1 where it is infinite; where it is; its logarithm there, with the slope of that of gamma;
      the sign that the beta function has beside.
    """
    first, pole = is_pole(a), is_pole(a) | is_pole(b)
    n, m = np.where(first, a, b), np.where(first, b, a)
    finite = pole & (m > 0) & (m == np.floor(m)) & (n + m <= 0) & (n > -np.inf)
    whole = constant(np.where(np.isinf(m), np.zeros_like(m), m))
    odd = np.where(is_odd(whole), -np.ones_like(whole), np.ones_like(whole))
    infinite, one = pole & ~finite, np.ones_like(n)
    x = np.where(finite, 1 - n - whole, np.where(infinite, one, a))
    y = np.where(finite, whole, np.where(infinite, one, b))
    top = gammaln(np.where(infinite, n, one))
    return x, y, infinite, top, np.where(finite | (infinite & is_pole(a) & is_pole(b)), odd, one)


def betaln(a: Any, b: Any) -> Any:
    """Return log |beta(a, b)|. (scipy.special.betaln)"""
    a, b, infinite, top, _ = _off_poles(*floats(a, b))
    return np.where(infinite, top, _betaln(a, b))[()]


def _betaln(a: Any, b: Any) -> Any:
    first = a <= b  # not np.minimum, which has no second derivative where they are equal
    small, large = np.where(first, a, b), np.where(first, b, a)
    one, total = np.ones_like(small * large), small + large
    both = (small >= FAR) & (large < np.inf)
    far = (small < FAR) & (large >= FAR) & (total >= FAR) & (large < np.inf)
    endless = (large == np.inf) & (small > -np.inf)
    near = ~(both | far | endless)
    x, y = (np.where(both, v, FAR * one) for v in (small, large))
    # Stirling's series of all three, in which no terms of different signs are large
    tail = _stirling(x) + _stirling(y) - _stirling(x + y) + 0.5 * (math.log(2 * math.pi) - np.log(y))
    of_both = tail - (x - 0.5) * np.log1p(y / x) - y * np.log1p(x / y)
    of_one = log_fall(np.where(far, small, one), np.where(far, large, FAR * one))
    plain = gammaln(np.where(near, large, one)) - gammaln(np.where(near, total, 2 * one))
    with np.errstate(invalid="ignore"):
        size = gammaln(np.where(near | far, small, one)) + np.where(far, of_one, plain)
        return np.where(both, of_both, np.where(endless, np.inf * -np.sign(small), size))


def log_fall(x: Any, y: Any) -> Any:
    """Return lgamma(y) - lgamma(x + y) without the difference of large numbers, where y and x + y are 8 or more."""
    ratio = x / y
    tiny = np.abs(ratio) < 1e-30  # where the quotient may have lost digits
    slope = (y - 0.5) * np.log1p(np.where(tiny, np.zeros_like(ratio), ratio))
    return np.where(tiny, np.zeros_like(x), x) - slope - x * np.log(x + y) + (_stirling(y) - _stirling(x + y))


def beta(a: Any, b: Any) -> Any:
    """Return gamma(a) gamma(b) / gamma(a + b). (scipy.special.beta)

    Where one is -n and the other a whole number up to n, the limit in the first; at other poles it is infinite.

    Example:
      >>> beta(1.0, 2.0)
      np.float64(0.5)
    """
    a, b, infinite, top, parity = _off_poles(*floats(a, b))
    total = a + b
    direct = (np.abs(a) < 30) & (np.abs(b) < 30) & (np.abs(total) < 30)
    one = np.ones_like(total)
    near_a, near_b, near_total = (np.where(direct, v, one) for v in (a, b, total))
    product = gamma(near_a) * rgamma(near_total) * gamma(near_b)
    sign = sign_of_gamma(a) * sign_of_gamma(b) * sign_of_gamma(total)
    far = sign * np.exp(_betaln(np.where(direct, one, a), np.where(direct, one, b)))
    return (parity * np.where(infinite, np.exp(top), np.where(direct, product, far)))[()]


def betainc(a: Any, b: Any, x: Any) -> Any:
    """Return the regularized incomplete beta function, the integral of the beta density up to x.

    It can be differentiated by x; by a and b that is an error, which `difc.stop_gradient` avoids where they vary.
    (scipy.special.betainc)

    Example:
      >>> float(betainc(1.0, 1.0, 0.25))
      0.25
    """
    return apply("betainc", *floats(a, b, x))


# ---- zeta function -------------------------------------------------------------------------------


#: (-1)^n / n! times Stieltjes' constants: the coefficients of zeta(x) - 1 / (x - 1) in x - 1.
STIELTJES = (
    0.57721566490153286, 0.072815845483676725, -0.0048451815964361592, -0.00034230573671722431, 9.6890419394470836e-05,
    -6.6110318108421892e-06, -3.3162409087527724e-07, 1.0462094584479188e-07, -8.7332181002737974e-09,
    9.4782777827623590e-11, 5.6584219276087080e-11, -6.7686898635136966e-12, 3.4921159366720319e-13,
    4.4104247417577534e-15, -2.3997862217709992e-15, 2.1677312200726829e-16, -9.5444660763669652e-18,
)  # fmt: skip


#: Hurwitz's function of a higher order is its first terms.
MOST_ORDER = 1e3
#: What its terms are multiplied by while they are added up.
SCALE = 2.0**24
#: 2 pi less the nearest number of float64.
LOST_OF_TWO_PI = 2.4492935982947064e-16


def zeta(x: Any, q: Any = None) -> Any:
    """Return the sum of (k + q)^-x over k = 0, 1, 2, ... for x > 1 and q > 0. (scipy.special.zeta)

    Infinite at x = 1, and where q is 0, -1, -2, ...; else NaN. It can be differentiated by both arguments.

    Args:
      q: where it is not given, 1: Riemann's function, which is continued to x < 1.

    Example:
      >>> float(abs(zeta(2.0) - np.pi**2 / 6)) < 1e-15
      True
    """
    if q is None:
        return _riemann(*floats(x))
    x, q = floats(x, q)
    defined = (x > 1) & (q > 0)
    total = _hurwitz(np.where(defined, x, np.full_like(x, 2)), np.where(defined, q, np.ones_like(q)))
    infinite = (x == 1) | ((x > 1) & is_pole(q))
    outside = np.where(infinite & ~np.isnan(q), np.full_like(total, np.inf), np.full_like(total, np.nan))
    return np.where(defined, total, outside)[()]


def _hurwitz(s: Any, start: Any) -> Any:
    """Return zeta(s, start) for s > 1 and start > 0."""
    count, one = 12, np.ones_like(start)
    endless = s == np.inf
    s = np.where(endless, 2 * one, s)
    end = start + count
    order = np.where(s < MOST_ORDER, s, np.full_like(s, MOST_ORDER))  # beyond, the rest of the sum vanishes
    inverse = 1 / end
    ratio, tail = order * inverse, 0.0
    term = 0.5 * ratio
    for k, number in enumerate(BERNOULLI, start=1):  # Euler and Maclaurin's formula for the rest of the sum
        if k > 1:
            growth = (ratio + (2 * k - 3) * inverse) * (ratio + (2 * k - 2) * inverse)
            term = term * growth / ((2 * k - 1) * 2 * k)
        tail = tail + number * term
    # A power is a product of two halves and of a scale between them, for sums of what alone would vanish.
    scale = np.where(start > 1, SCALE * one, one)
    power = end ** (-0.5 * order)
    finite = np.where(end < np.inf, end, one)
    rest = np.where(end < np.inf, power * scale * (finite / (order - 1)) * power, 0 * one)
    total = rest + power * scale * (power * (0.5 + tail))
    for k in reversed(range(count)):
        half = (start + k) ** (-0.5 * s)
        total = total + half * scale * half
    limit = np.where(start > 1, 0 * one, np.where(start == 1, one, np.inf * one))
    return np.where(endless, limit, total / scale)


def _riemann(x: Any) -> Any:
    one = np.ones_like(x)
    most = FACTORIALS[x.dtype.itemsize] + 0.75
    low, above, high = x < -0.5, x > 1, x > NOTHING  # where the function is reflected, where it is a sum, where 1
    size = np.where(low, -x, one)
    s = np.where(low, 1 + size, np.where(above & ~high, x, 2 * one))
    total = _hurwitz(s, one)
    middle = np.where(low | (x >= 1), 0 * one, x) - 1
    series = 1 / middle + polynomial(middle, STIELTJES)
    half = np.where(low, 0.5 * x, -one)
    turns = np.rint(half)
    odd = is_odd(turns)
    sine = np.where(odd, -one, one) * np.sin(np.pi * (half - turns))
    near = size <= most
    # gamma(1 - x) (2 pi)^(x - 1) = -x gamma(-x) (2 pi)^x / (2 pi), of all digits of x, and of those of 2 pi that no
    # number has; where gamma alone would be infinite by its logarithm
    near_size, far_size = np.where(near, size, one), np.where(near | (size == np.inf), one, size)
    base = np.full_like(x, 2 * np.pi)
    lost = (2 * np.pi - float(np.asarray(2 * np.pi, x.dtype)) + LOST_OF_TWO_PI) / (2 * np.pi)
    # by two halves, for the product with a small sine may be finite where it is not
    root = np.exp(0.5 * (gammaln(far_size) + np.log(far_size) - math.log(2 * math.pi) * (far_size + 1)))
    direct = gamma(near_size) * (near_size * base**-near_size * (1 - near_size * lost) / (2 * np.pi))
    first, second = np.where(near, direct, root), np.where(near, one, root)
    vanishing = low & (half == turns) & (size > 2 * most)  # where 0 would meet infinity
    reflected = 2 * sine * np.where(vanishing, one, first) * total * np.where(vanishing, one, second)
    below = np.where(low, reflected, np.where(x == 1, np.inf * one, series))
    below = np.where(x == -np.inf, np.full_like(x, np.nan), below)
    return np.where(np.isnan(x), x, np.where(high, one, np.where(above, total, below)))[()]
