"""Inverses of the trigonometric functions: asin, acos, atan, atan2."""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, root, total
from difc.pipelines.lowering.expansions.reals import Real, Reals

__all__ = ["acos", "asin", "atan", "atan2"]

#: Up to this ratio, the angle is that of a middle ratio plus a small one: (limit, middle, its angle's name).
_MIDDLES = (
    (7 / 16, 0.0, None),
    (11 / 16, 0.5, "ATAN_HALF"),
    (19 / 16, 1.0, "ATAN_ONE"),
    (39 / 16, 1.5, "ATAN_THREE_HALVES"),
)


def _pair(f: Reals, name: str) -> tuple[float, ...]:
    return getattr(table, name)[f.dtype]


def _angle(f: Reals, y: Real, x: Real) -> Doubled:
    """Return the angle of (x, y) in the first quadrant, as a sum; y and x are not both 0, nor infinite."""
    # For the ratio c in the middle: atan(y / x) = atan(c) + atan((y - c x) / (x + c y)); beyond: pi/2 - atan(x / y).
    top, bottom = -x, y
    high, low = (f.hidden(part, y) for part in _pair(f, "HALF_PI"))
    for limit, middle, name in reversed(_MIDDLES):
        inside = y <= x * limit
        base = (0.0, 0.0) if name is None else _pair(f, name)
        top = inside.choose(y - x * middle if middle else y, top)
        bottom = inside.choose(x + y * middle if middle else x, bottom)
        high, low = inside.choose(base[0], high), inside.choose(f.hidden(base[1], y), low)
    t = top / bottom
    square = t * t
    small = t * (square * f.polynomial(square, table.ATAN[f.dtype])) + low
    # high is 0 or larger than t
    whole = total(high, t)
    return Doubled(whole.high, whole.low + small)


def atan(f: Reals, x: Real) -> Real:
    """Return the angle whose tangent is x."""
    size = abs(x)
    finite = size < 2.0**60
    result = _angle(f, finite.choose(size, 2.0**60), f.real(1.0)).rounded()
    result = f.signed(result, x)
    tiny = size < (2.0**-28 if f.is_double else 2.0**-13)
    return (tiny | x.is_nan()).choose(x, result)


def atan2(f: Reals, y: Real, x: Real) -> Real:
    """Return the angle of the point (x, y), from -pi to pi, with all the signs of zeros and infinities."""
    height, width = abs(y), abs(x)
    largest = (height > width).choose(height, width)
    # Infinities become 1 and finite numbers beside them 0; all others are moved from the ends of the range.
    infinite = largest.is_("eq", math.inf)
    reach, shift = (2.0**900, 2.0**-120) if f.is_double else (2.0**90, 2.0**-30)
    factor = (largest > reach).choose(shift, (largest < 1 / reach).choose(1 / shift, 1.0))
    nothing = largest.is_("eq", 0.0)

    def moved(size: Real) -> Real:
        at_infinity = size.is_("eq", math.inf).choose(1.0, 0.0)
        return infinite.choose(at_infinity, size * factor)

    height, width = moved(height), nothing.choose(1.0, moved(width))
    angle = _angle(f, height, width)
    pi, rest_of_pi = _pair(f, "PI")
    behind = f.is_negative(x)
    result = angle.rounded()
    from_behind = total(f.real(pi), -angle.high)
    result = behind.choose(from_behind.high + (from_behind.low + (f.hidden(rest_of_pi, y) - angle.low)), result)
    result = f.signed(result, y)
    return (x.is_nan() | y.is_nan()).choose(math.nan, result)


def _arc(f: Reals, x: Real) -> tuple[Real, Doubled]:
    """Return |x|, and the arc sine of |x| up to 1/2, else that of sqrt((1 - |x|) / 2)."""
    size = abs(x)
    small = size <= 0.5
    half = (1.0 - (size <= 1.0).choose(size, 1.0)) * 0.5
    zero = half.is_("eq", 0.0)
    base = root(f, Doubled(zero.choose(1.0, half), f.real(0.0)))
    base = normal(base)
    s = small.choose(size, zero.choose(0.0, base.high))
    lost = small.choose(0.0, zero.choose(0.0, base.low))
    square = small.choose(size * size, half)
    return size, Doubled(s, s * (square * f.polynomial(square, table.ASIN[f.dtype])) + lost)


def _outside(x: Real, size: Real, result: Real) -> Real:
    return x.is_nan().choose(x, (size > 1.0).choose(math.nan, result))


def asin(f: Reals, x: Real) -> Real:
    """Return the angle whose sine is x: pi/2 - 2 asin(sqrt((1 - |x|) / 2)) above 1/2."""
    size, arc = _arc(f, x)
    high, low = _pair(f, "HALF_PI")
    whole = total(f.real(high), arc.high * -2.0)
    large = whole.high + (whole.low + (f.hidden(low, x) - arc.low * 2.0))
    result = f.signed((size <= 0.5).choose(arc.rounded(), large), x)
    tiny = size < (2.0**-28 if f.is_double else 2.0**-13)
    return tiny.choose(x, _outside(x, size, result))


def acos(f: Reals, x: Real) -> Real:
    """Return the angle whose cosine is x: pi/2 - asin(x), or 2 asin(sqrt((1 - x) / 2)), or pi minus that of -x."""
    size, arc = _arc(f, x)
    is_small, is_below = size <= 0.5, x < 0.0
    # base - factor * arc
    factor = is_small.choose(is_below.choose(-1.0, 1.0), is_below.choose(2.0, -2.0))
    half_pi, pi = _pair(f, "HALF_PI"), _pair(f, "PI")
    high = is_small.choose(half_pi[0], is_below.choose(pi[0], 0.0))
    low = is_small.choose(f.hidden(half_pi[1], x), is_below.choose(f.hidden(pi[1], x), 0.0))
    whole = total(high, -(arc.high * factor))
    return _outside(x, size, whole.high + (whole.low + (low - arc.low * factor)))
