"""Bessel functions of orders 0 and 1: series in x^2 near 0, and in 1 / x from 8 on (2 for the second modified kind).

Those of the modified kinds are scaled by exp(-|x|) and exp(x). J is a product with its first zeros, and so keeps its
digits at them; at the other zeros, and at those of Y, the error is small beside the waves' height, sqrt(2 / (pi x)).
"""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions import special_coefficients as table
from difc.pipelines.lowering.expansions.exponential import exp
from difc.pipelines.lowering.expansions.logarithmic import log
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals
from difc.pipelines.lowering.expansions.trigonometric import sine_and_cosine

__all__ = ["j", "scaled_i", "scaled_k", "y"]

#: Where the series of J and Y in x^2 end.
WAVES_FROM = 8.0

# ---- the first modified kind ---------------------------------------------------------------------


def scaled_i(f: Reals, x: Real, order: int) -> Real:
    """Return exp(-|x|) I0(x), or exp(-|x|) I1(x), which is odd."""
    size = abs(x)
    far = size > 8.0
    near = far.choose(1.0, size)
    small = exp(f, -near) * _near_i(f, near, order)
    large = far.choose(size, 16.0)
    far_series = (table.BESSEL_I0_FAR, table.BESSEL_I1_FAR)[order][f.dtype]
    inverse = (large < math.inf).choose(16.0 / large, 0.0)
    root = (large < math.inf).choose(large, 1.0).sqrt()
    tail = f.polynomial(inverse - 1.0, far_series) / root
    tail = (large < math.inf).choose(tail, 0.0)
    result = far.choose(tail, small)
    return x.is_nan().choose(x, f.signed(result, x) if order else result)


def _near_i(f: Reals, x: Real, order: int) -> Real:
    """Return I0(x) or I1(x) for x up to 8."""
    series = f.polynomial(x * x, (table.BESSEL_I0, table.BESSEL_I1)[order][f.dtype])
    return series * x if order else series


# ---- the first and the second kind ---------------------------------------------------------------


def _near_j(f: Reals, x: Real, order: int) -> Real:
    """Return J0(x) or J1(x) for x from 0 to 8: all terms have one sign, so that nothing cancels."""
    zeros = (table.BESSEL_J0_ZEROS, table.BESSEL_J1_ZEROS)[order][f.dtype]
    result = f.polynomial(x * x - 64.0, (table.BESSEL_J0, table.BESSEL_J1)[order][f.dtype])
    for zero, rest in zip(zeros[::2], zeros[1::2], strict=True):
        result = result * ((f.settled(x - zero) - f.hidden(rest, x)) * (x + zero))
    return result * x if order else result


def _near_y(f: Reals, x: Real, order: int) -> Real:
    """Return Y0(x) or Y1(x) for x from 0 to 8."""
    series = f.polynomial(x * x - 32.0, (table.BESSEL_Y0, table.BESSEL_Y1)[order][f.dtype])
    product = log(f, x) * _near_j(f, x, order)
    if order == 0:
        return product * (2.0 / math.pi) + series
    return (product - 1.0 / x) * (2.0 / math.pi) + series * x


def _wave(f: Reals, x: Real, order: int) -> tuple[Real, Real]:
    """Return Jn(x) and Yn(x) for finite x from 8 on."""
    inverse = 1.0 / x
    square = inverse * inverse
    along = f.polynomial(square, (table.BESSEL_P0, table.BESSEL_P1)[order][f.dtype])
    across = inverse * f.polynomial(square, (table.BESSEL_Q0, table.BESSEL_Q1)[order][f.dtype])
    sine, cosine = sine_and_cosine(f, x)
    # sqrt(2) times the sine and the cosine of x - pi / 4, or of x - 3 pi / 4
    turned, upright = (sine - cosine, sine + cosine) if order == 0 else (-sine - cosine, sine - cosine)
    root = (inverse * (1.0 / math.pi)).sqrt()
    return root * (along * upright - across * turned), root * (along * turned + across * upright)


def _parts(x: Real) -> tuple[Flag, Real, Flag, Real]:
    """Return whether |x| is below 8, with it or 1, and whether it is from there on and finite, with it or 8."""
    size = abs(x)
    near, far = size < WAVES_FROM, (size >= WAVES_FROM) & (size < math.inf)
    return near, near.choose(size, 1.0), far, far.choose(size, WAVES_FROM)


def j(f: Reals, x: Real, order: int) -> Real:
    """Return J0(x), or J1(x), which is odd."""
    near, small, far, large = _parts(x)
    result = near.choose(_near_j(f, small, order), far.choose(_wave(f, large, order)[0], 0.0))
    if order:
        result = f.is_negative(x).choose(-result, result)
    return x.is_nan().choose(x, result)


def y(f: Reals, x: Real, order: int) -> Real:
    """Return Y0(x) or Y1(x); NaN below 0."""
    near, small, far, large = _parts(x)
    near_y = _near_y(f, (small > 0.0).choose(small, 1.0), order)
    result = near.choose(near_y, far.choose(_wave(f, large, order)[1], 0.0))
    result = f.is_usable(abs(x)).choose(result, (abs(x) < 1.0).choose(-math.inf, 0.0))
    return x.is_nan().choose(x, (x < 0.0).choose(math.nan, result))


# ---- the second modified kind --------------------------------------------------------------------


def scaled_k(f: Reals, x: Real, order: int) -> Real:
    """Return exp(x) K0(x) or exp(x) K1(x); NaN below 0."""
    usable = f.is_usable(abs(x))
    near, far = usable & (abs(x) < 2.0), usable & (abs(x) >= 2.0)
    small, large = near.choose(abs(x), 1.0), far.choose(abs(x), 2.0)
    series = f.polynomial(small * small, (table.BESSEL_K0, table.BESSEL_K1)[order][f.dtype])
    product = log(f, 0.5 * small) * _near_i(f, small, order)
    below = 1.0 / small + (product + series * small) if order else series - product
    tail = f.polynomial(4.0 / large - 1.0, (table.BESSEL_K0_FAR, table.BESSEL_K1_FAR)[order][f.dtype])
    result = near.choose(exp(f, small) * below, tail / large.sqrt())
    result = usable.choose(result, (abs(x) < 1.0).choose(math.inf, 0.0))
    return x.is_nan().choose(x, (x < 0.0).choose(math.nan, result))
