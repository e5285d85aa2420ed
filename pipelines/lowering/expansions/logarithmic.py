"""Logarithms and what is made of them: log, log2, log10, log1p, asinh, acosh, atanh.

x = 2^k (1 + f), with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) = 2 atanh(s) with s = f / (2 + f).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from difc.dialects.types import F32, F64
from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, quotient, root, total
from difc.pipelines.lowering.expansions.reals import Real, Reals

__all__ = ["acosh", "asinh", "atanh", "log", "log10", "log1p", "log2", "log_as_sum"]


_HIGH_WORD_OF_ROOT_HALF = {F32: 0x3F3504F3, F64: 0x3FE6A09E}


class _Parts(NamedTuple):
    """2^power (1 + fraction), with 1 + fraction from sqrt(1/2) to sqrt(2)."""

    power: Real
    fraction: Real


def _split(f: Reals, x: Real) -> _Parts:
    """Split a positive finite number; subnormal ones are scaled first."""
    tiny = x < (2.0**-1022 if f.is_double else 2.0**-126)
    shift = 54 if f.is_double else 25
    x = tiny.choose(x * 2.0**shift, x)
    format_ = f.format
    least = _HIGH_WORD_OF_ROOT_HALF[f.dtype]
    moved = f.high(x) + (format_.one - least)
    power = (moved >> format_.high_fraction) - format_.bias
    fraction = f.with_high(x, (moved & format_.high_mask) + least)
    return _Parts(f.from_word(power) - tiny.choose(float(shift), 0.0), fraction - 1.0)


def _joined(f: Reals, parts: _Parts, low: Real | None = None) -> Real:
    """Return the logarithm of 2^power (1 + fraction + low)."""
    x, (short, long) = parts.fraction, table.LN2[f.dtype]
    s = x / (x + 2.0)
    square = s * s
    series = square * f.polynomial(square, table.LOG[f.dtype])
    half = 0.5 * x * x
    small = parts.power * long + s * (half + series)
    if low is not None:
        small = small + low / (x + 1.0)
    return parts.power * short - ((half - small) - x)


def _at_ends(x: Real, result: Real) -> Real:
    """Return a logarithm's values at 0, below, at infinity and for NaN."""
    result = (x < math.inf).choose(result, x)
    result = x.is_("eq", 0.0).choose(-math.inf, result)
    return (x < 0.0).choose(math.nan, result)


def log(f: Reals, x: Real) -> Real:
    """Return the natural logarithm."""
    return _at_ends(x, _joined(f, _split(f, x)))


def log1p(f: Reals, x: Real) -> Real:
    """Return log(1 + x)."""
    result = _log1p_of_sum(f, x, None)
    result = (x < math.inf).choose(result, x)
    result = x.is_("eq", -1.0).choose(-math.inf, result)
    result = (x < -1.0).choose(math.nan, result)
    tiny = abs(x) < (2.0**-54 if f.is_double else 2.0**-25)
    return tiny.choose(x, result)


def _log1p_of_sum(f: Reals, x: Real, low: Real | None) -> Real:
    """Return log(1 + x + low) for x > -1."""
    is_large = x >= 1.0
    whole, lost = total(is_large.choose(x, 1.0), is_large.choose(1.0, x))
    if low is not None:
        lost = lost + low
    parts = _split(f, whole)
    # Within the interval of power 0 nothing needs to be split off: the fraction is x itself.
    near = parts.power.is_("eq", 0.0)
    fraction = near.choose(x, parts.fraction)
    moved = f.to_word(parts.power)
    last = f.format.bias - 1  # 2^-last is the least normal number
    lost = lost * f.power_of_two(f.word(0) - moved.is_("lt", last).choose_word(moved, last))
    lost = near.choose(0.0 if low is None else low, lost)
    return _joined(f, _Parts(parts.power, fraction), lost)


def _log_of_fraction(f: Reals, x: Real) -> Doubled:
    """Return log(1 + x) with twice the digits, for 1 + x from sqrt(1/2) to sqrt(2)."""
    whole = total(f.real(2.0), x)
    s = normal(quotient(f, Doubled(x, f.real(0.0)), whole))
    square = product(f, s, s)
    z = square.high + square.low
    first, rest_of_first = table.TWO_THIRDS[f.dtype]
    inner = z * f.polynomial(z, table.LOG_TAIL[f.dtype])
    factor = total(f.real(first), inner)
    factor = Doubled(factor.high, factor.low + f.hidden(rest_of_first, z))
    cube = product(f, s, normal(square))
    series = product(f, normal(cube), factor)
    result = total(s.high * 2.0, series.high)
    return normal(Doubled(result.high, result.low + (series.low + s.low * 2.0)))


def log_as_sum(f: Reals, x: Real) -> Doubled:
    """Return the logarithm of a positive finite number with twice the digits."""
    parts = _split(f, x)
    fraction = _log_of_fraction(f, parts.fraction)
    short, long = table.LN2[f.dtype]
    whole = total(parts.power * short, fraction.high)
    return normal(Doubled(whole.high, whole.low + (fraction.low + parts.power * long)))


def log2(f: Reals, x: Real) -> Real:
    """Return the logarithm to base 2: exact for powers of 2."""
    parts = _split(f, x)
    scale, rest = table.INVERSE_LN2[f.dtype]
    fraction = normal(product(f, _log_of_fraction(f, parts.fraction), Doubled(f.real(scale), f.real(rest))))
    whole = total(parts.power, fraction.high)
    return _at_ends(x, whole.high + (whole.low + fraction.low))


def log10(f: Reals, x: Real) -> Real:
    """Return the logarithm to base 10."""
    scale, rest = table.INVERSE_LN10[f.dtype]
    return _at_ends(x, product(f, log_as_sum(f, x), Doubled(f.real(scale), f.real(rest))).rounded())


# ---- inverses of hyperbolic functions ------------------------------------------------------------


def asinh(f: Reals, x: Real) -> Real:
    """Return log(1 + v) with v = |x| + x^2 / (1 + sqrt(1 + x^2)), with the sign of x; log(2 |x|) for large x."""
    size = abs(x)
    is_large = size > (2.0**30 if f.is_double else 2.0**14)
    is_tiny = size < (2.0**-28 if f.is_double else 2.0**-13)
    middle = is_large.choose(1.0, size)
    square = normal(product(f, middle, middle))
    one = f.real(1.0)
    swapped = square.high > 1.0
    sum_ = total(swapped.choose(square.high, one), swapped.choose(one, square.high))
    below = root(f, normal(Doubled(sum_.high, sum_.low + square.low)))
    below = normal(below)
    bottom = total(below.high, one)
    addend = quotient(f, square, Doubled(bottom.high, bottom.low + below.low))
    v = total(middle, addend.high)
    v = normal(Doubled(v.high, v.low + addend.low))
    result = _log1p_of_sum(f, v.high, v.low)
    large = _joined(f, _shifted(_split(f, size), 1.0))
    large = (size < math.inf).choose(large, size)
    result = f.signed(is_large.choose(large, result), x)
    return (is_tiny | x.is_nan()).choose(x, result)


def _shifted(parts: _Parts, by: float) -> _Parts:
    return _Parts(parts.power + by, parts.fraction)


def acosh(f: Reals, x: Real) -> Real:
    """Return log(1 + v) with v = t + sqrt(t (t + 2)) and t = x - 1; log(2 x) for large x."""
    is_large = x > (2.0**30 if f.is_double else 2.0**14)
    middle = (is_large | ~(x > 1.0)).choose(2.0, x)
    t = total(middle, f.real(-1.0))
    t_plus_2 = total(middle, f.real(1.0))
    below = normal(root(f, normal(product(f, t, t_plus_2))))
    swapped = below.high > t.high
    v = total(swapped.choose(below.high, t.high), swapped.choose(t.high, below.high))
    v = normal(Doubled(v.high, v.low + (t.low + below.low)))
    large = _joined(f, _shifted(_split(f, x), 1.0))
    large = (x < math.inf).choose(large, x)
    result = is_large.choose(large, _log1p_of_sum(f, v.high, v.low))
    result = x.is_("eq", 1.0).choose(0.0, result)
    return (x < 1.0).choose(math.nan, x.is_nan().choose(x, result))


def atanh(f: Reals, x: Real) -> Real:
    """Return log(1 + 2 |x| / (1 - |x|)) / 2, with the sign of x."""
    size = abs(x)
    is_tiny = size < (2.0**-28 if f.is_double else 2.0**-13)
    inside = (size < 1.0).choose(size, 0.5)
    v = normal(quotient(f, Doubled(inside * 2.0, f.real(0.0)), total(f.real(1.0), -inside)))
    result = f.signed(_log1p_of_sum(f, v.high, v.low) * 0.5, x)
    result = size.is_("eq", 1.0).choose(f.signed(f.real(math.inf), x), result)
    result = (size > 1.0).choose(math.nan, result)
    return (is_tiny | x.is_nan()).choose(x, result)
