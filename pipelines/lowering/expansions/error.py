"""The error function and its complement.

erf(x) = x (1 + P(x^2)) up to 1/2. Above, erfc(x) = e^(-x^2) Q(t) / (1 + 2 x) with t = (x - 4) / (x + 4): the quotient's
numerator varies little over all x, so that one polynomial is precise for all (Shepherd and Laframboise, 1981).
"""

from __future__ import annotations

from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, quotient, total
from difc.pipelines.lowering.expansions.exponential import exponential_parts
from difc.pipelines.lowering.expansions.reals import Real, Reals, Word

__all__ = ["erf", "erfc"]


def _near(f: Reals, size: Real) -> Doubled:
    """Return erf for sizes up to 1/2."""
    constant, *rest = table.ERF[f.dtype]
    square = size * size
    small = size * (square * f.polynomial(square, rest))
    return Doubled(size, size * constant + small)


def _far(f: Reals, size: Real) -> tuple[Doubled, Word]:
    """Return erfc for sizes from 1/2 to 28 as 2^power times a sum."""
    place = normal(quotient(f, total(size, f.real(-4.0)), total(size, f.real(4.0))))
    t = place.high
    constant, slope, *rest = table.ERFC[f.dtype]
    inner = t * f.polynomial(t, rest) + slope
    first = product(f, place, inner)
    top = total(f.real(constant), first.high)
    top = normal(Doubled(top.high, top.low + first.low))
    bottom = total(size * 2.0, f.real(1.0))
    ratio = quotient(f, top, bottom)
    square = normal(product(f, size, size))
    parts = exponential_parts(f, -square.high, -square.low)
    power = total(f.real(1.0), parts.rest)
    both = product(f, normal(Doubled(power.high, power.low + parts.tail)), normal(ratio))
    return both, parts.power


def erfc(f: Reals, x: Real) -> Real:
    """Return 1 - erf(x), precise where that is small."""
    size = abs(x)
    limit = 28.0 if f.is_double else 11.0
    near = _near(f, (size < 0.5).choose(size, 0.5))
    far, power = _far(f, f.within(size, 0.5, limit))
    tail = f.scaled(far.rounded(), power)
    is_below = x < 0.0
    # 1 - erf, with the sign of x
    whole = total(f.real(1.0), is_below.choose(near.high, -near.high))
    middle = whole.high + (whole.low + is_below.choose(near.low, -near.low))
    result = (size <= 0.5).choose(middle, is_below.choose(2.0 - tail, tail))
    return x.is_nan().choose(x, result)


def erf(f: Reals, x: Real) -> Real:
    """Return 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x."""
    size = abs(x)
    near = _near(f, (size < 0.5).choose(size, 0.5)).rounded()
    tiny = size < (2.0**-30 if f.is_double else 2.0**-15)
    near = tiny.choose(size * (1.0 + table.ERF[f.dtype][0]), near)  # whose parts may be subnormal
    far, power = _far(f, f.within(size, 0.5, 6.5 if f.is_double else 4.5))
    tail = f.scaled(far.rounded(), power)
    result = f.signed((size <= 0.5).choose(near, 1.0 - tail), x)
    return x.is_nan().choose(x, result)
