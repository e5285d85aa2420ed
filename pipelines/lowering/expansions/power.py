"""Powers of floats, as C defines `pow`: e^(y log |x|), with twice the digits until the end."""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions.doubled import normal, product
from difc.pipelines.lowering.expansions.exponential import exp_of_sum
from difc.pipelines.lowering.expansions.logarithmic import log_as_sum
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals

__all__ = ["power"]


def power(f: Reals, x: Real, y: Real) -> Real:
    """Return x to the power y."""
    size = abs(x)
    result = _of_positive(f, size, y)
    is_whole, is_odd = _parity(f, y)
    result = (f.is_negative(x) & is_odd).choose(-result, result)
    # A negative number has no power that is not whole; -0 and -inf have limits.
    result = ((x < 0.0) & (size < math.inf) & ~is_whole).choose(math.nan, result)
    result = (x.is_nan() | y.is_nan()).choose(math.nan, result)
    minus_one_to_infinity = size.is_("eq", 1.0) & abs(y).is_("eq", math.inf)
    return (y.is_("eq", 0.0) | x.is_("eq", 1.0) | minus_one_to_infinity).choose(1.0, result)


def _parity(f: Reals, y: Real) -> tuple[Flag, Flag]:
    """Say whether a number is whole, and whether it is odd."""
    units = 2.0**f.format.fraction  # from here on all numbers are whole, and from twice that all are even
    size = abs(y)
    is_large = size >= units
    within = is_large.choose(1.0, size)
    half = within * 0.5
    is_whole = f.nearest(within).is_("eq", within)
    last_bit = (f.words(y)[0] & 1).is_("ne", 0) & (size < 2 * units)
    return is_large | is_whole, (is_large & last_bit) | (~is_large & is_whole & f.nearest(half).is_("ne", half))


def _of_positive(f: Reals, size: Real, y: Real) -> Real:
    usable = (size < math.inf) & (size > 0.0)
    base = usable.choose(size, 2.0)
    logarithm = log_as_sum(f, base)
    # Beyond this bound, all powers but those of 1 are 0 or infinite.
    bound = 2.0**64 if f.is_double else 2.0**32
    exponent = normal(product(f, f.within(y, -bound, bound), logarithm))
    result = exp_of_sum(f, exponent)
    grows = y > 0.0
    at_zero, at_infinity = grows.choose(0.0, math.inf), grows.choose(math.inf, 0.0)
    result = size.is_("eq", 0.0).choose(at_zero, result)
    return size.is_("eq", math.inf).choose(at_infinity, result)
