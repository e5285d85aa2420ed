"""The scaled complementary error function, and the inverses of the error functions."""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions import special_coefficients as table
from difc.pipelines.lowering.expansions.doubled import normal, product
from difc.pipelines.lowering.expansions.exponential import exp_of_sum
from difc.pipelines.lowering.expansions.logarithmic import log
from difc.pipelines.lowering.expansions.reals import Real, Reals

__all__ = ["erfcinv", "erfcx", "erfinv"]

#: w = sqrt(-log erfc(y)) up to which each polynomial for y / w holds, and the place that it is around.
PIECES = (
    (2.0, 1.41625, table.ERFCINV_1),
    (5.0, 3.5, table.ERFCINV_2),
    (12.0, 8.5, table.ERFCINV_3),
    (28.0, 20.0, table.ERFCINV_4),
)


def erfcx(f: Reals, x: Real) -> Real:
    """Return exp(x^2) erfc(x): 1 / (x sqrt(pi)) for large x, twice the exponential for small ones."""
    size = abs(x)
    far = size > 1e8
    inside = (far | x.is_nan()).choose(1.0, size)
    t = (inside - 3.75) / (inside + 3.75)
    positive = f.polynomial(t, table.ERFCX[f.dtype]) / (1.0 + 2.0 * inside)
    positive = far.choose((1 / math.sqrt(math.pi)) / size, positive)
    limited = (size < 30.0).choose(size, 30.0)  # beyond, the square's exponential is infinite
    negative = 2.0 * exp_of_sum(f, normal(product(f, limited, limited))) - positive
    return x.is_nan().choose(x, (x < 0.0).choose(negative, positive))


def _in_tail(f: Reals, c: Real) -> Real:
    """Return y >= 0 with erfc(y) = c, for 0 < c <= 1/2."""
    w = (-log(f, c)).sqrt()
    pieces = PIECES if f.is_double else PIECES[:3]
    ratio = None
    for limit, center, coefficients in reversed(pieces):
        value = f.polynomial(w - center, coefficients[f.dtype])
        ratio = value if ratio is None else (w < limit).choose(value, ratio)
    assert ratio is not None
    return w * ratio


def _in_middle(f: Reals, x: Real) -> Real:
    return x * f.polynomial(x * x, table.ERFINV[f.dtype])


def erfinv(f: Reals, x: Real) -> Real:
    """Return y with erf(y) = x."""
    size = abs(x)
    central = size <= 0.5
    edge = size.is_("eq", 1.0)
    tail = _in_tail(f, (central | edge | (size > 1.0)).choose(0.5, 1.0 - size))
    tail = f.signed(edge.choose(math.inf, tail), x)
    result = central.choose(_in_middle(f, central.choose(x, 0.0)), tail)
    return (size > 1.0).choose(math.nan, x.is_nan().choose(x, result))


def erfcinv(f: Reals, x: Real) -> Real:
    """Return y with erfc(y) = x, also for the smallest x."""
    upper = x > 1.0
    c = upper.choose(2.0 - x, x)
    central = c >= 0.5
    edge = c.is_("eq", 0.0)
    outside = c < 0.0
    tail = edge.choose(math.inf, _in_tail(f, (central | edge | outside | x.is_nan()).choose(0.5, c)))
    tail = upper.choose(-tail, tail)
    result = central.choose(_in_middle(f, central.choose(1.0 - x, 0.0)), tail)
    return outside.choose(math.nan, x.is_nan().choose(x, result))
