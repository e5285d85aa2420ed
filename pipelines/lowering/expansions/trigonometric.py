"""Sine, cosine and tangent of any angle."""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, choose, normal, quotient, total
from difc.pipelines.lowering.expansions.quadrants import reduced
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals, Word

__all__ = ["cos", "sin", "sine_and_cosine", "tan"]


def _sine(f: Reals, r: Doubled) -> Doubled:
    """Return the sine of an angle up to pi/4."""
    square = r.high * r.high
    cube = square * r.high
    small = cube * f.polynomial(square, table.SIN[f.dtype]) + (r.low - 0.5 * square * r.low)
    return total(r.high, small)


def _cosine(f: Reals, r: Doubled) -> Doubled:
    """Return the cosine of an angle up to pi/4."""
    head = f.head(r.high)
    tail = r.high - head
    square = r.high * r.high
    # 1 - r^2 / 2, with r^2 from its exact and its small part
    start = total(f.real(1.0), head * head * -0.5)
    lost = 0.5 * tail * (r.high + head) + r.high * r.low
    return normal(Doubled(start.high, start.low + (square * square * f.polynomial(square, table.COS[f.dtype]) - lost)))


def _is_odd(word: Word) -> Flag:
    return (word & 1).is_("ne", 0)


def _finite(x: Real) -> tuple[Real, Flag]:
    """Return |x|, or 1 where that is infinite or NaN, and where it is not."""
    size = abs(x)
    finite = size < math.inf
    return finite.choose(size, 1.0), finite


def sin(f: Reals, x: Real) -> Real:
    """Return the sine."""
    return _wave(f, x, 0)


def cos(f: Reals, x: Real) -> Real:
    """Return the cosine: the sine of an angle larger by pi/2."""
    return _wave(f, x, 1)


def sine_and_cosine(f: Reals, x: Real) -> tuple[Real, Real]:
    """Return both of a number that is not negative; NaN for infinity."""
    size, finite = _finite(x)
    angle = reduced(f, size)
    sine, cosine = (_turned(f, angle.rest, angle.quadrant + quarter) for quarter in (0, 1))
    return finite.choose(sine, math.nan), finite.choose(cosine, math.nan)


def _wave(f: Reals, x: Real, quarter: int) -> Real:
    size, finite = _finite(x)
    angle = reduced(f, size)
    result = _turned(f, angle.rest, angle.quadrant + quarter)
    if quarter == 0:
        result = f.with_high(result, f.high(result) ^ (f.high(x) & (1 << 31)))
    return finite.choose(result, math.nan)


def _turned(f: Reals, r: Doubled, quadrant: Word) -> Real:
    """Return the sine of an angle up to pi/4 and so many quarter turns."""
    square = r.high * r.high
    sine = r.high + (square * r.high * f.polynomial(square, table.SIN[f.dtype]) + r.low)
    start = total(f.real(1.0), square * -0.5)
    small = square * square * f.polynomial(square, table.COS[f.dtype]) - r.high * r.low
    cosine = start.high + (start.low + small)
    result = _is_odd(quadrant).choose(cosine, sine)
    # The sign bit is changed where the second last one of the quadrant is set: also that of 0.
    return f.with_high(result, f.high(result) ^ ((quadrant << 30) & (1 << 31)))


def tan(f: Reals, x: Real) -> Real:
    """Return the tangent: sine by cosine, or the negative inverse in odd quadrants."""
    size, finite = _finite(x)
    angle = reduced(f, size)
    is_odd = _is_odd(angle.quadrant)
    sine, cosine = _sine(f, angle.rest), _cosine(f, angle.rest)
    top, bottom = choose(is_odd, cosine, sine), choose(is_odd, sine, cosine)
    ratio = quotient(f, top, bottom).rounded()
    sign = (angle.quadrant << 31) ^ f.high(x)
    result = f.with_high(ratio, f.high(ratio) ^ (sign & (1 << 31)))
    result = (size < (2.0**-28 if f.is_double else 2.0**-13)).choose(x, result)
    return finite.choose(result, math.nan)
