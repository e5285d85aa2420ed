"""Exponentials and what is made of them: exp, exp2, expm1, sinh, cosh, tanh, logistic.

e^x = 2^k (1 + r + tail), with k the integer nearest to x / log 2, and r the rest, at most log(2) / 2 in size. The sum
is kept in parts, so that what is added to or subtracted from it is rounded once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from difc.dialects.types import F32, F64
from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, total
from difc.pipelines.lowering.expansions.reals import Real, Reals, Word

__all__ = ["cosh", "exp", "exp2", "exp_of_sum", "expm1", "exponential_parts", "logistic", "sinh", "tanh"]

LOG2_E = 1.4426950408889634
#: The least and the largest number whose exponential is a normal number.
_NORMAL = {F32: (-87.33654, 88.72283), F64: (-708.3964185322641, 709.782712893384)}


class _Parts(NamedTuple):
    """2^power (1 + rest + tail); |rest| <= 0.35, and `tail` is smaller by another factor of 5."""

    power: Word
    rest: Real
    tail: Real


def _limits(f: Reals) -> tuple[float, float]:
    """Return numbers beyond which the exponential is infinite, and zero."""
    return (710.0, -746.0) if f.is_double else (89.0, -104.5)


def exponential_parts(f: Reals, x: Real, low: Real | None = None) -> _Parts:
    """Return the exponential of x + low, for x within the limits."""
    short, long = table.LN2[f.dtype]
    k = f.nearest(x * LOG2_E)
    near = x - k * short  # exact
    rest = f.settled(near - k * long)
    lost = (near - rest) - k * long
    if low is not None:  # which may be as large as the last digits of x are, and x is not small
        rest, lost = total(rest, lost + low)
    return _series(f, f.to_word(k), rest, lost)


def _series(f: Reals, power: Word, rest: Real, lost: Real) -> _Parts:
    tail = rest * rest * f.polynomial(rest, table.EXP[f.dtype])
    return _Parts(power, rest, tail + (lost + lost * rest))


def _joined(f: Reals, x: Real, parts: _Parts) -> Real:
    """Return the exponential of x, whose parts are given, also where it is 0, infinite or NaN."""
    whole = total(f.real(1.0), parts.rest)
    number = whole.high + (whole.low + parts.tail)
    if f.keeps_subnormals:
        return _or_nan(x, f.scaled(number, parts.power))
    least, largest = _NORMAL[f.dtype]
    high = f.high(number) + (parts.power << f.format.high_fraction)
    result = (x >= least).choose(f.with_high(number, high), 0.0)
    return (x <= largest).choose(result, x * math.inf)


def _or_nan(x: Real, result: Real) -> Real:
    return x.is_nan().choose(x, result)


def exp(f: Reals, x: Real) -> Real:
    """Return e^x."""
    high, low = _limits(f)
    return _joined(f, x, exponential_parts(f, f.within(x, low, high)))


def exp_of_sum(f: Reals, x: Doubled) -> Real:
    """Return e^(x.high + x.low) for a normal sum."""
    high, low = _limits(f)
    inside = f.within(x.high, low, high)
    rest = inside.is_("eq", x.high).choose(x.low, 0.0)
    parts = exponential_parts(f, inside, rest)
    whole = total(f.real(1.0), parts.rest)
    result = f.scaled(whole.high + (whole.low + parts.tail), parts.power)
    return _or_nan(x.high, result)


def exp2(f: Reals, x: Real) -> Real:
    """Return 2^x."""
    high, low = (1025.0, -1076.0) if f.is_double else (129.0, -151.0)
    inside = f.within(x, low, high)
    k = f.nearest(inside)
    ln2, rest_of_ln2 = table.LN2_SUM[f.dtype]
    rest = normal(product(f, inside - k, Doubled(f.real(ln2), f.real(rest_of_ln2))))
    parts = _series(f, f.to_word(k), rest.high, rest.low)
    return _or_nan(x, f.scaled(1.0 + (parts.rest + parts.tail), parts.power))


def _less_one(f: Reals, parts: _Parts) -> Doubled:
    """Return (e^x - 1) / 2^power: 1 - 2^-power is 0, or no smaller than `rest`."""
    missing = 1.0 - _inverse_power(f, parts.power)
    known = total(missing, parts.rest)
    return normal(Doubled(known.high, known.low + parts.tail))


def _inverse_power(f: Reals, power: Word) -> Real:
    """Return 2^-power; 2^-120, which vanishes beside 1, where it is less."""
    return f.power_of_two(f.word(0) - power.is_("lt", 120).choose_word(power, 120))


def expm1(f: Reals, x: Real) -> Real:
    """Return e^x - 1."""
    high, _ = _limits(f)
    parts = exponential_parts(f, f.within(x, -60.0 if f.is_double else -30.0, high))
    result = f.scaled(_less_one(f, parts).rounded(), parts.power)
    tiny = abs(x) < (2.0**-54 if f.is_double else 2.0**-25)
    return (tiny | x.is_nan()).choose(x, result)


def _of_size(f: Reals, x: Real, limit: float) -> tuple[_Parts, Real]:
    """Return the exponential of min(|x|, limit), and |x|."""
    size = abs(x)
    return exponential_parts(f, (size < limit).choose(size, limit)), size


def sinh(f: Reals, x: Real) -> Real:
    """Return (e^x - e^-x) / 2: a polynomial below 1."""
    high, _ = _limits(f)
    parts, size = _of_size(f, x, high + 2)
    near_one = (size < 1.0).choose(size, 1.0)
    square = near_one * near_one
    small = near_one + near_one * square * f.polynomial(square, table.SINH[f.dtype])
    large = _sum_with_inverse(f, parts, -1.0)
    result = f.signed((size < 1.0).choose(small, large), x)
    return _or_nan(x, result)


def cosh(f: Reals, x: Real) -> Real:
    """Return (e^x + e^-x) / 2."""
    high, _ = _limits(f)
    parts, _ = _of_size(f, x, high + 2)
    return _or_nan(x, _sum_with_inverse(f, parts, 1.0))


def _sum_with_inverse(f: Reals, parts: _Parts, sign: float) -> Real:
    """Return (2^k y + sign / (2^k y)) / 2, with y the sum of the parts and k >= 0."""
    exponential = total(f.real(1.0), parts.rest)
    low = exponential.low + parts.tail
    inverse = sign * _inverse_power(f, parts.power + parts.power) / (exponential.high + low)
    both = total(exponential.high, inverse)
    return f.scaled(both.high + (both.low + low), parts.power - 1)


def tanh(f: Reals, x: Real) -> Real:
    """Return 1 - 2 / (e^(2 |x|) + 1), with the sign of x; a polynomial below 0.6."""
    size = abs(x)
    is_small = size < 0.6
    near_zero = is_small.choose(size, 0.6)
    square = near_zero * near_zero
    small = near_zero + near_zero * square * f.polynomial(square, table.TANH[f.dtype])
    result = is_small.choose(small, 1.0 - 2.0 / (exp(f, size * 2.0) + 1.0))
    return x.is_nan().choose(x, f.signed(result, x))


def logistic(f: Reals, x: Real) -> Real:
    """Return 1 / (1 + e) for x >= 0 and e / (1 + e) below, with e = e^-|x|, which keeps small results precise."""
    e = exp(f, -abs(x))
    bottom, lost = total(f.real(1.0), e)
    ratio = (x < 0.0).choose(e, 1.0) / bottom
    return ratio - ratio * lost * (1.5 - 0.5 * bottom)  # about 1 / bottom
