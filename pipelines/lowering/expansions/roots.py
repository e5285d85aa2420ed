"""Cube root and hypotenuse."""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions import coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, root, total
from difc.pipelines.lowering.expansions.reals import Real, Reals

__all__ = ["cbrt", "hypot"]


def cbrt(f: Reals, x: Real) -> Real:
    """Return the cube root: a third of the exponent, a polynomial, and one step of Halley's with an exact square."""
    size = abs(x)
    tiny = size < (2.0**-1022 if f.is_double else 2.0**-126)
    usable = f.is_usable(size)
    shift = 54 if f.is_double else 24
    y = usable.choose(tiny.choose(size * 2.0**shift, size), 1.0)
    # The word of y^(1/3) is about 2/3 of that of 1 plus a third of that of y; the rest evens out the error.
    third = f.high(y).divided_by(3) + (f.format.one // 3 * 2 - int(0.0331 * (1 << f.format.high_fraction)))
    guess = f.from_words(0, third)
    guess = f.head(guess * f.polynomial((guess * guess) * (guess / y), table.CBRT[f.dtype]))
    ratio = y / (guess * guess)
    guess = guess + guess * ((ratio - guess) / (guess + guess + ratio))
    guess = tiny.choose(guess * 2.0 ** -(shift // 3), guess)
    return usable.choose(f.signed(guess, x), x)


def hypot(f: Reals, x: Real, y: Real) -> Real:
    """Return sqrt(x^2 + y^2); infinite if one is, though the other be NaN."""
    x, y = abs(x), abs(y)
    swapped = y > x
    large, small = swapped.choose(y, x), swapped.choose(x, y)
    reach, shift = (2.0**400, 2.0**-600) if f.is_double else (2.0**40, 2.0**-80)
    factor = (large > reach).choose(shift, (large < 1 / reach).choose(1 / shift, 1.0))
    back = (large > reach).choose(1 / shift, (large < 1 / reach).choose(shift, 1.0))
    usable = f.is_usable(large)
    large, small = usable.choose(large * factor, 1.0), usable.choose(small * factor, 0.0)
    squares = [normal(product(f, v, v)) for v in (large, small)]
    both = total(squares[0].high, squares[1].high)
    both = normal(Doubled(both.high, both.low + (squares[0].low + squares[1].low)))
    result = usable.choose(root(f, both).rounded() * back, x + y)
    infinite = x.is_("eq", math.inf) | y.is_("eq", math.inf)
    return infinite.choose(math.inf, (x.is_nan() | y.is_nan()).choose(math.nan, result))
