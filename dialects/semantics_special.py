"""What the special functions mean, computed in NumPy in another way than the lowering does: by recurrences, continued
fractions and sums, in extended precision where the machine has it.

f32 is computed in f64 and rounded. Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from difc import dialects as dif
from difc.dialects.semantics import Meaning, in_f32, meaning
from difc.dialects.types import F64

__all__: list[str] = []

LONG = np.longdouble
#: Bernoulli numbers B2, B4, ...
BERNOULLI = (1 / LONG(6), -1 / LONG(30), 1 / LONG(42), -1 / LONG(30), 5 / LONG(66), -691 / LONG(2730), 7 / LONG(6))


def _in_f64(compute: Meaning) -> Meaning:
    """Compute in f64 and round to the dtype of the operands, which all have one."""

    def wide(*arrays: np.ndarray, **attributes: object) -> np.ndarray:
        found = compute(*(a.astype(F64) for a in arrays), **attributes)
        return np.asarray(found).astype(arrays[0].dtype)

    return in_f32(wide)


def _each(function: Callable[[float], float]) -> Meaning:
    """Apply a function of numbers to every element."""

    def apply(x: np.ndarray) -> np.ndarray:
        return np.fromiter(map(function, x.ravel().tolist()), F64, x.size).reshape(x.shape)

    return _in_f64(apply)


# ---- gamma functions -----------------------------------------------------------------------------


#: zeta(2), zeta(3), ... by Euler and Maclaurin's formula.
ZETA = tuple(
    math.fsum(n**-s for n in range(1, 20)) + 20.0 ** (1 - s) / (s - 1) + 20.0**-s / 2 + s * 20.0 ** (-s - 1) / 12
    - s * (s + 1) * (s + 2) * 20.0 ** (-s - 3) / 720 + math.prod(range(s, s + 5)) * 20.0 ** (-s - 5) / 30240
    for s in range(2, 60)
)  # fmt: skip
EULER = 0.5772156649015329


def _lgamma(x: float) -> float:
    if 0.7 < x < 1.3 or 1.7 < x < 2.3:  # near its zeros, a series around 1
        moved = round(x)
        z = x - moved
        series = math.fsum((-z) ** k * number / k for k, number in enumerate(ZETA, start=2)) - EULER * z
        return series + (math.log1p(z) if moved == 2 else 0.0)
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


meaning(dif.lgamma)(_each(_lgamma))
meaning(dif.gamma)(_each(_gamma))


@meaning(dif.polygamma)
@_in_f64
def _(x: np.ndarray, *, order: int) -> np.ndarray:
    sign = 1 if order % 2 else -1
    below = x < 0
    y = np.where(below, 1 - x.astype(LONG), x.astype(LONG))
    y = np.where(np.isfinite(y), y, 1)
    shift, steps = 30 + order, LONG(0)
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
    angle = rest * LONG("3.14159265358979323846264338327950288")
    cot = np.cos(angle) / np.sin(angle)
    p = np.polynomial.Polynomial([0, 1])
    for _ in range(order):
        p = -p.deriv() * np.polynomial.Polynomial([1, 0, 1])
    return LONG("3.14159265358979323846264338327950288") ** (order + 1) * p(cot)


# ---- error functions -----------------------------------------------------------------------------


@meaning(dif.erfcx)
@_in_f64
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
        if value < 1e-300:
            value, logarithm = 1e-300, -y * y - math.log(y * math.sqrt(math.pi) * (1 + 0.5 / y**2 - 0.5 / y**4))
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


meaning(dif.erfinv)(_each(_erfinv))
meaning(dif.erfcinv)(_each(_erfcinv))


# ---- Bessel functions ----------------------------------------------------------------------------


def _bessel(order: int) -> Meaning:
    def scaled(x: np.ndarray) -> np.ndarray:
        size = np.abs(np.where(np.isfinite(x), x, 0))
        near = np.where(size < 500, size, 0)
        angles = np.pi * (np.arange(400) + LONG(0.5)) / 400  # of a periodic function: the error vanishes exponentially
        fall = -2 * np.sin(angles / 2) ** 2  # cos - 1
        small = (np.exp(near[..., None] * fall) * np.cos(order * angles)).sum(-1) / 400
        far, term, total = np.where(size < 500, 500, size), 1.0, 1.0
        for k in range(1, 12):
            term = -term * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * far)
            total = total + term
        large = total / np.sqrt(2 * np.pi * far)
        result = np.where(size < 500, small, large)
        result = np.where(np.isinf(x), 0.0, result)
        if order == 1:
            tiny = size < 0.01  # where the sum would cancel
            result = np.where(tiny, size / 2 * np.exp(-size) * (1 + size**2 / 8 + size**4 / 192), result) * np.sign(x)
        return np.where(np.isnan(x), x, result)

    return _in_f64(scaled)


meaning(dif.bessel_i0e)(_bessel(0))
meaning(dif.bessel_i1e)(_bessel(1))
