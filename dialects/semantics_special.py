"""What the special functions mean, computed in NumPy in another way than the lowering does: by recurrences, continued
fractions and sums, in extended precision where the machine has it.

f32 is computed in f64 and rounded. Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from difc import dialects as dif
from difc.dialects.semantics import Meaning, in_f64, meaning
from difc.dialects.types import F64

__all__ = ["LONG", "PI"]

LONG = np.longdouble
PI = LONG("3.14159265358979323846264338327950288")
#: Bernoulli numbers B2, B4, ...
BERNOULLI = (1 / LONG(6), -1 / LONG(30), 1 / LONG(42), -1 / LONG(30), 5 / LONG(66), -691 / LONG(2730), 7 / LONG(6))


def _of_numbers(function: Callable[..., float]) -> Meaning:
    """Apply a function of numbers to the elements at every place."""

    def compute(*arrays: np.ndarray) -> np.ndarray:
        rows = (a.ravel().tolist() for a in arrays)
        return np.fromiter(map(function, *rows), F64, arrays[0].size).reshape(arrays[0].shape)

    return in_f64(compute)


# ---- gamma functions -----------------------------------------------------------------------------


#: zeta(2), zeta(3), ... by Euler and Maclaurin's formula.
ZETA = tuple(
    math.fsum(n**-s for n in range(1, 80)) + 80.0 ** (1 - s) / (s - 1) + 80.0**-s / 2 + s * 80.0 ** (-s - 1) / 12
    - s * (s + 1) * (s + 2) * 80.0 ** (-s - 3) / 720 + math.prod(range(s, s + 5)) * 80.0 ** (-s - 5) / 30240
    for s in range(2, 60)
)  # fmt: skip
EULER = 0.5772156649015329


def _lgamma_after_one(z: float) -> float:
    """Return lgamma(1 + z) for |z| <= 1/2."""
    return math.fsum((-z) ** k * number / k for k, number in enumerate(ZETA, start=2)) - EULER * z


def _lgamma(x: float) -> float:
    if 0.5 < x < 1.5:
        return _lgamma_after_one(x - 1)
    if 1.5 <= x < 2.5:
        return _lgamma_after_one(x - 2) + math.log1p(x - 2)
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


def _gamma(x: float) -> float:
    if x == 0:
        return math.copysign(math.inf, x)
    try:
        return math.gamma(x)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf


meaning(dif.lgamma)(_of_numbers(_lgamma))
meaning(dif.gamma)(_of_numbers(_gamma))


@meaning(dif.polygamma)
@in_f64
def _polygamma(x: np.ndarray, *, order: int) -> np.ndarray:
    sign = 1 if order % 2 else -1
    below = x < 0
    y = np.where(below, 1 - x.astype(LONG), x.astype(LONG))
    y = np.where(np.isfinite(y), y, 1)
    shift, steps = 30 + order, np.zeros_like(y)
    for k in range(shift):
        steps = steps + 1 / (y + k) ** (order + 1)
    z = y + shift
    if order == 0:
        result = np.log(z) - 1 / (2 * z) - steps
        for k, number in enumerate(BERNOULLI, start=1):
            result = result - number / (2 * k * z ** (2 * k))
    else:
        tail = math.factorial(order - 1) / z**order + math.factorial(order) / (2 * z ** (order + 1))
        for k, number in enumerate(BERNOULLI, start=1):
            factor = math.factorial(2 * k + order - 1) / math.factorial(2 * k)
            tail = tail + number * factor / z ** (2 * k + order)
        result = sign * (math.factorial(order) * steps + tail)
    result = np.where(below, -sign * result - _cotangent(x, order), result)
    pole = (x == np.rint(x)) & (x < 0)
    result = np.where(pole, math.inf if order % 2 else math.nan, result)
    end = math.inf if order == 0 else 0.0
    result = np.where(x == math.inf, end, np.where(x == -math.inf, math.nan, result))
    result = np.where(x == 0, math.inf if order % 2 else -1 / x, result)
    return np.where(np.isnan(x), x, result)


def _cotangent(x: np.ndarray, order: int) -> np.ndarray:
    """Return the derivative of pi cot(pi x) of an order, as a polynomial in the cotangent."""
    rest = np.where(np.isfinite(x), x - np.rint(x), 0.25).astype(LONG)
    angle = rest * PI
    cot = np.cos(angle) / np.sin(angle)
    p = np.polynomial.Polynomial([0, 1])
    for _ in range(order):
        p = -p.deriv() * np.polynomial.Polynomial([1, 0, 1])
    return PI ** (order + 1) * p(cot)


# ---- error functions -----------------------------------------------------------------------------


@meaning(dif.erfcx)
@in_f64
def _(x: np.ndarray) -> np.ndarray:
    near = np.where(x < 5, x, 0).astype(LONG)
    erfc = np.fromiter(map(math.erfc, near.ravel().tolist()), F64, x.size).reshape(x.shape)
    small = np.exp(near * near) * erfc
    far = np.where(x < 5, 5, x).astype(LONG)
    fraction = far
    for k in reversed(range(1, 60)):  # x + (1/2) / (x + (2/2) / (x + (3/2) / ...
        fraction = far + LONG(k) / 2 / fraction
    return np.where(x < 5, small, 1 / (np.sqrt(LONG(math.pi)) * fraction))


def _erfcinv(c: float) -> float:
    if not 0 < c < 2:
        return math.inf if c == 0 else -math.inf if c == 2 else math.nan
    if c > 1:
        return -_erfcinv(2 - c)
    if c > 0.5:
        return _erfinv(1 - c)
    y, target = math.sqrt(-math.log(c)), math.log(c)
    for _ in range(60):  # Newton's, on the logarithm, where c has all its digits
        value = math.erfc(y)
        if value < 1e-307:  # the terms of an asymptotic series suffice there
            value, logarithm = (
                1e-307,
                -y * y - math.log(y * math.sqrt(math.pi) * (1 + 0.5 / y**2 - 0.5 / y**4 + 1.25 / y**6)),
            )
            slope = -2 * y - 1 / y
        else:
            logarithm, slope = math.log(value), -2 / math.sqrt(math.pi) * math.exp(-y * y) / value
        y -= (logarithm - target) / slope
    return y


def _erfinv(x: float) -> float:
    if not abs(x) < 1:
        return math.copysign(math.inf, x) if abs(x) == 1 else math.nan
    if abs(x) > 0.5:
        return math.copysign(_erfcinv(1 - abs(x)), x)
    y = x * math.sqrt(math.pi) / 2
    for _ in range(30):
        y -= (math.erf(y) - x) * math.sqrt(math.pi) / 2 * math.exp(y * y)
    return y


meaning(dif.erfinv)(_of_numbers(_erfinv))
meaning(dif.erfcinv)(_of_numbers(_erfcinv))


# ---- incomplete gamma functions ------------------------------------------------------------------

#: Beyond this order the density is integrated: it is that of a normal distribution but for a few terms, and vanishes
#: at so many standard deviations.
HUGE, REACH = 1e7, 38.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


def _incomplete(a: float, x: float) -> tuple[float, float]:
    """Return P(a, x) and Q(a, x)."""
    if not (a >= 0 and x >= 0) or (a == 0 and x == 0) or (a == x == math.inf):
        return math.nan, math.nan
    if x == 0 or a == math.inf:
        return 0.0, 1.0
    if x == math.inf or a == 0:
        return 1.0, 0.0
    if a > HUGE:
        return _integral(a, x, upper=False), _integral(a, x, upper=True)
    scale = _scale(a, x)
    if a < 1 and x < a + 1:
        u = math.expm1(a * math.log(x) - (_lgamma_after_one(a) if a < 0.3 else _lgamma(a + 1)))
        v = math.fsum((-x) ** k / math.factorial(k) / (a + k) for k in range(1, 40))
        q = -u - (u + 1) * a * v
        return 1 - q, q
    if x < a + 1:
        term, total, k = 1 / a, 1 / a, 0
        while abs(term) > 1e-19 * abs(total):
            k += 1
            term *= x / (a + k)
            total += term
        p = min(total * scale, 1.0)
        return p, 1 - p
    # Q as a continued fraction, from front to back (Lentz)
    b, c, k = x + 1 - a, 1e300, 0
    d = 1 / b
    fraction = d
    while True:
        k += 1
        number = -k * (k - a)
        b += 2
        d = 1 / (number * d + b)
        c = b + number / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-16 or k > 100000:
            break
    q = min(fraction * scale, 1.0)
    return 1 - q, q


def _integral(a: float, x: float, upper: bool, by_order: bool = False) -> float:
    """Return the integral of the gamma density of a huge order up to x, or from x on, or that of its slope by a."""
    root = math.sqrt(a)
    end = min(max((x - a) / root, -REACH), REACH)
    low, high = (end, REACH) if upper else (-REACH, end)
    u = (low + (high - low) / 2 * (NODES + 1)) / root  # the argument is a (1 + u)
    exponent = -a * u * u * np.polynomial.polynomial.polyval(u, [(-1) ** k / (k + 2) for k in range(14)])
    values = np.exp(exponent - 1 / (12 * a)) / (1 + u)
    if by_order:
        values = values * (np.log1p(u) + 1 / (2 * a) + 1 / (12 * a * a))
    return min(float(np.sum(values * WEIGHTS)) * (high - low) / 2 / math.sqrt(2 * math.pi), 1.0)


def _scale(a: float, x: float) -> float:
    """Return x^a e^-x / gamma(a), whose logarithm is a difference of large numbers where both are large."""
    if a < 20:
        return math.exp(a * math.log(x) - x - math.lgamma(a))
    u = (x - a) / a
    if abs(u) > 0.2:
        exponent = math.log(x / a) - u
    else:  # log(1 + u) - u, without its cancellation
        exponent = math.fsum(-((-u) ** k) / k for k in range(2, 30))
    tail = 1 / (12 * a) - 1 / (360 * a**3) + 1 / (1260 * a**5)
    return math.sqrt(a / (2 * math.pi)) * math.exp(a * exponent - tail)


def _incomplete_by_order(a: float, x: float) -> float:
    """Return the derivative of P(a, x) by a."""
    if not (a >= 0 and x >= 0) or (a == 0 and x == 0) or (a == x == math.inf):
        return math.nan
    if x == 0 or math.inf in (a, x):
        return 0.0
    if a > HUGE:
        return _integral(a, x, upper=False, by_order=True) if x < a else -_integral(a, x, upper=True, by_order=True)
    a = max(a, 1e-25)
    away = math.log(x) - float(_polygamma(np.array(a + 1), order=0))
    if x < a + 1:
        term, total, slope, harmonic, k = 1.0, 1.0, 0.0, 0.0, 0
        while k == 0 or term * harmonic > 1e-18 * slope:
            k += 1
            term *= x / (a + k)
            harmonic += 1 / (a + k)
            total, slope = total + term, slope + term * harmonic
        return _scale(a, x) / a * (away * total - slope)
    # Q as a continued fraction and its derivative, from back to front
    rest = slope = 0.0
    for k in range(int(100 + 100 / x + 10 * math.sqrt(a)), 0, -1):
        whole = x + 1 - a + 2 * k + rest
        rest = k * (a - k) / whole
        slope = (k + rest * (1 - slope)) / whole
    fraction = 1 / (x + 1 - a + rest)
    return -_scale(a, x) * fraction * (away + 1 / a + fraction * (1 - slope))


meaning(dif.gammainc)(_of_numbers(lambda a, x: _incomplete(a, x)[0]))
meaning(dif.gammaincc)(_of_numbers(lambda a, x: _incomplete(a, x)[1]))
meaning(dif.gammainc_by_order)(_of_numbers(_incomplete_by_order))


# ---- the incomplete beta function ----------------------------------------------------------------


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return I(a, b, x)."""
    if not (a >= 0 and b >= 0 and 0 <= x <= 1) or a == b == 0 or a == b == math.inf:
        return math.nan
    if x in (0, 1):
        return x
    if 0 in (a, b) or math.inf in (a, b):
        return 1.0 if a == 0 or b == math.inf else 0.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_series(b, a, LONG(1) - LONG(x))
    return _beta_series(a, b, LONG(x))


def _long_lgamma(x: LONG) -> LONG:
    """Return lgamma of a positive number, by Stirling's series above 30, in extended precision."""
    steps = LONG(0)
    while x < 30:
        steps, x = steps + np.log(x), x + 1
    tail = sum(number / (2 * k * (2 * k - 1) * x ** (2 * k - 1)) for k, number in enumerate(BERNOULLI, start=1))
    return (x - LONG(0.5)) * np.log(x) - x + np.log(2 * PI) / 2 + tail - steps


def _beta_series(a: float, b: float, x: LONG) -> float:
    """Return I(a, b, x): a factor, and a series of positive terms."""
    exponent = a * np.log(x) + b * np.log1p(-x) - _long_lgamma(LONG(a) + 1) - _long_lgamma(LONG(b))
    exponent = exponent + _long_lgamma(LONG(a) + LONG(b))
    term = total = LONG(1)
    k = 0
    while term > total * 1e-20 and k < 100000:
        term *= (LONG(a) + b + k) / (LONG(a) + 1 + k) * x
        total, k = total + term, k + 1
    return min(float(np.exp(exponent) * total), 1.0)


meaning(dif.betainc)(_of_numbers(_incomplete_beta))
