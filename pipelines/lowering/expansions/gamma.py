"""The gamma function, its logarithm, and the derivatives of that.

Arguments are moved by steps of 1 to an interval of a polynomial, from which zeros are taken out, so that results near
the zeros of lgamma (1 and 2) and of digamma keep all digits. Large ones take Stirling's series, negative ones the
reflection formulas. Near the zeros at negative arguments only the absolute error is small.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from difc.pipelines.lowering.expansions import special_coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, total
from difc.pipelines.lowering.expansions.exponential import exp_of_sum
from difc.pipelines.lowering.expansions.logarithmic import log, log_as_sum
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals

__all__ = ["FAR", "LOG_ROOT_TWO_PI", "gamma", "lgamma", "lgamma_by_steps", "log_less_digamma", "polygamma"]

#: From here on Stirling's series is exact within rounding.
FAR = 8.0
LOG_ROOT_TWO_PI = (0.9189385332046728, -3.878294158067242e-17)
#: Terms of the series of polygamma; more than f32 needs.
TERMS = {True: 14, False: 8}


def _off_integer(f: Reals, x: Real) -> tuple[Real, Flag]:
    """Return x - n for n the integer nearest to x >= 0, and whether n is odd."""
    whole = x >= (2.0**52 if f.is_double else 2.0**23)
    small = whole.choose(0.0, x)
    n = f.nearest(small)
    return small - n, (n * 0.5 - (n * 0.5).floor()) > 0.0


def _sin_pi(f: Reals, rest: Real) -> Real:
    """Return sin(pi r) for |r| <= 1/2."""
    return rest * f.polynomial(rest * rest, table.SIN_PI[f.dtype])


def _cot_pi(f: Reals, rest: Real) -> Real:
    """Return cot(pi r) for |r| <= 1/2, by an angle up to pi/4: cot(pi r) = tan(pi (1/2 - |r|)) with the sign of r."""
    size = abs(rest)
    swap = size > 0.25
    angle = swap.choose(0.5 - size, size)
    sine, cosine = _sin_pi(f, angle), f.polynomial(angle * angle, table.COS_PI[f.dtype])
    return f.signed(swap.choose(sine, cosine) / swap.choose(cosine, sine), rest)


# ---- the logarithm of the gamma function ---------------------------------------------------------


def lgamma_by_steps(f: Reals, x: Real) -> tuple[Real, Real]:
    """Return lgamma(x) for 0 < x < 8; and lgamma(x + 1), precise also for small x, where x < 1."""
    less = x < 1.0
    z, factors = less.choose(x + 1.0, x), f.real(1.0)
    for _ in range(6):  # from below 8 to below 2.5
        above = z > 2.5
        z = above.choose(z - 1.0, z)
        factors = above.choose(factors * z, factors)
    # (z - 1) is x itself where z is x + 1, which rounding would take digits from
    first = less.choose(x, z - 1.0)
    moved = first * (first - 1.0) * f.polynomial(first - 0.75, table.LGAMMA[f.dtype])
    return moved + less.choose(-1.0, 1.0) * log(f, less.choose(x, factors)), moved


def _lgamma_of_positive(f: Reals, x: Real) -> Real:
    far = x >= FAR
    small, _ = lgamma_by_steps(f, far.choose(2.0, x))
    large = far.choose(x, FAR)
    inverse = 1.0 / large
    series = inverse * f.polynomial(inverse * inverse, table.STIRLING[f.dtype]) + LOG_ROOT_TWO_PI[0]
    logarithm = log(f, large)
    return far.choose((large - 0.5) * (logarithm - 1.0) + (series - 0.5), small)


def lgamma(f: Reals, x: Real) -> Real:
    """Return log |gamma(x)|: infinite at 0, -1, -2, ... and at both ends."""
    size = abs(x)
    tiny = size < (2.0**-60 if f.is_double else 2.0**-30)
    infinite = size.is_("ge", math.inf)
    inside = (tiny | infinite | x.is_nan()).choose(1.0, size)
    positive = _lgamma_of_positive(f, inside)
    rest, _ = _off_integer(f, inside)
    pole = rest.is_("eq", 0.0)
    reflected = -log(f, inside * _sin_pi(f, abs(rest)) * (1 / math.pi)) - positive
    result = (x < 0.0).choose(pole.choose(math.inf, reflected), positive)
    result = tiny.choose(-log(f, size), result)
    result = infinite.choose(math.inf, result)
    return x.is_nan().choose(x, result)


# ---- the gamma function --------------------------------------------------------------------------


def gamma(f: Reals, x: Real) -> Real:
    """Return gamma(x): NaN at -1, -2, ... and -infinity, infinite at 0."""
    size = abs(x)
    most = 172.0 if f.is_double else 36.0
    far = size >= FAR
    large = (far & (size < most + 30.0)).choose(size, FAR)
    inverse = 1.0 / large
    # (x - 1/2) log x - x + log(2 pi) / 2 with twice the digits: an error in it is one of many digits of the result.
    power = product(f, large - 0.5, log_as_sum(f, large))
    exponent = total(power.high, -large)
    tail = inverse * f.polynomial(inverse * inverse, table.STIRLING[f.dtype])
    exponent = normal(Doubled(exponent.high, exponent.low + (power.low + (tail + LOG_ROOT_TWO_PI[0]))))
    stirling = exp_of_sum(f, exponent)
    stirling = (size >= most).choose(math.inf, stirling)

    near = far.choose(2.0, size)
    half, below = near < 0.5, near < 1.5
    z, factors, divisor = near, f.real(1.0), f.real(1.0)
    divisor = half.choose(near * (near + 1.0), below.choose(near, divisor))
    z = half.choose(near + 2.0, below.choose(near + 1.0, z))
    for _ in range(6):
        above = z > 2.5
        z = above.choose(z - 1.0, z)
        factors = above.choose(factors * z, factors)
    small = factors * f.polynomial(z - 2.0, table.GAMMA[f.dtype]) / divisor
    positive = far.choose(stirling, small)

    # gamma(-s) = -pi / (s sin(pi s) gamma(s)), and sin(pi s) = (-1)^n sin(pi (s - n))
    rest, odd = _off_integer(f, (size < math.inf).choose(size, 1.0))
    reflected = math.pi / (size * _sin_pi(f, rest)) / positive
    reflected = odd.choose(reflected, -reflected)
    pole = rest.is_("eq", 0.0) | size.is_("ge", math.inf)
    result = (x < 0.0).choose(pole.choose(math.nan, reflected), positive)
    result = (size < (2.0**-60 if f.is_double else 2.0**-30)).choose(1.0 / x, result)
    return x.is_nan().choose(x, result)


# ---- derivatives of the logarithm ----------------------------------------------------------------


def _digamma_of_positive(f: Reals, x: Real) -> Real:
    far = x >= FAR
    near = far.choose(1.0, x)
    less = near < 1.0
    z = less.choose(near + 1.0, near)
    steps = less.choose(-1.0 / less.choose(near, 1.0), 0.0)
    for _ in range(6):  # from below 8 to below 2
        above = z > 2.0
        z = above.choose(z - 1.0, z)
        steps = steps + above.choose(1.0 / z, 0.0)
    zero, rest_of_zero = table.DIGAMMA_ZERO[f.dtype]
    away = f.settled(z - zero) - f.hidden(rest_of_zero, z)
    small = away * f.polynomial(z - 1.5, table.DIGAMMA[f.dtype]) + steps
    large = far.choose(x, FAR)
    return far.choose(log(f, large) - log_less_digamma(f, large), small)


def log_less_digamma(f: Reals, x: Real) -> Real:
    """Return log(x) - digamma(x) for x >= 8."""
    inverse = 1.0 / x
    square = inverse * inverse
    return 0.5 * inverse + square * f.polynomial(square, table.DIGAMMA_FAR[f.dtype])


def _digamma(f: Reals, x: Real) -> Real:
    size = abs(x)
    infinite = size.is_("ge", math.inf)
    inside = (infinite | x.is_nan() | size.is_("eq", 0.0)).choose(1.0, size)
    positive = _digamma_of_positive(f, inside)
    rest, _ = _off_integer(f, inside)
    pole = rest.is_("eq", 0.0)
    reflected = positive + (1.0 / inside + math.pi * _cot_pi(f, pole.choose(0.5, rest)))
    result = (x < 0.0).choose((pole | infinite).choose(math.nan, reflected), infinite.choose(math.inf, positive))
    result = size.is_("eq", 0.0).choose(-1.0 / x, result)
    return x.is_nan().choose(x, result)


@cache
def _bernoulli(n: int) -> Fraction:
    """Return a Bernoulli number (with -1/2 as the first)."""
    if n == 0:
        return Fraction(1)
    return -sum((math.comb(n + 1, k) * _bernoulli(k) for k in range(n)), Fraction(0)) / (n + 1)


def _power(x: Real, n: int) -> Real:
    """Return x^n for n >= 1, by squares."""
    result: Real | None = None
    while n:
        if n % 2:
            result = x if result is None else result * x
        n //= 2
        x = x * x if n else x
    assert result is not None
    return result


def _size_for_positive(f: Reals, x: Real, order: int) -> Real:
    """Return |polygamma| for x > 0 and order >= 1: terms up to a large argument, then an asymptotic series."""
    count = 8 + order
    far = x >= float(count)
    near = far.choose(1.0, x)
    steps = f.real(0.0)
    for k in reversed(range(count)):
        steps = steps + 1.0 / _power(near + float(k), order + 1)
    z = far.choose(x, near + float(count))
    inverse = 1.0 / z
    square = inverse * inverse
    terms = [
        float(_bernoulli(2 * k) * Fraction(math.factorial(2 * k + order - 1), math.factorial(2 * k)))
        for k in range(1, TERMS[f.is_double])
    ]
    # The power may vanish where its product with the factorial does not: a power of two is moved between them.
    scale = 2 ** round(math.log2(math.factorial(order - 1)) / order)
    last = [math.factorial(order - 1) / scale**order, 0.5 * math.factorial(order) / scale**order]
    series = last[0] + inverse * (last[1] + inverse * f.polynomial(square, [t / scale**order for t in terms]))
    return _power(inverse * float(scale), order) * series + float(math.factorial(order)) * far.choose(0.0, steps)


def _derivative_of_cotangent(order: int) -> list[int]:
    """Return the polynomial p with d^n/dx^n cot x = p(cot x), the constant term first."""
    p = [0, 1]
    for _ in range(order):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return p


def polygamma(f: Reals, x: Real, order: int) -> Real:
    """Return the derivative of lgamma of order + 1."""
    if order == 0:
        return _digamma(f, x)
    sign = 1.0 if order % 2 else -1.0
    below: Flag = x < 0.0
    size = abs(x)
    infinite = size.is_("ge", math.inf)
    inside = (infinite | x.is_nan()).choose(1.0, size)
    # below 0: (-1)^n psi_n(1 - x) - psi_n(x) = pi d^n/dx^n cot(pi x)
    positive = sign * _size_for_positive(f, below.choose(inside + 1.0, inside), order)
    rest, _ = _off_integer(f, inside)
    pole = rest.is_("eq", 0.0)
    cot = _cot_pi(f, pole.choose(0.5, -rest))
    wave = f.polynomial(cot, [math.pi ** (order + 1) * c for c in _derivative_of_cotangent(order)])
    reflected = (-sign) * positive - wave
    reflected = pole.choose(math.inf if order % 2 else math.nan, reflected)
    result = below.choose(infinite.choose(math.nan, reflected), infinite.choose(0.0, positive))
    result = x.is_("eq", 0.0).choose(math.inf if order % 2 else -1.0 / x, result)
    return x.is_nan().choose(x, result)
