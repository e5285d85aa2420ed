"""Modified Bessel functions of the first kind, scaled by exp(-|x|): series in x^2, and in 1 / x from 8 on."""

from __future__ import annotations

import math

from difc.pipelines.lowering.expansions import special_coefficients as table
from difc.pipelines.lowering.expansions.exponential import exp
from difc.pipelines.lowering.expansions.reals import Real, Reals

__all__ = ["bessel_i0e", "bessel_i1e"]


def _scaled(f: Reals, x: Real, order: int) -> Real:
    """Return the function of |x|."""
    size = abs(x)
    far = size > 8.0
    near = far.choose(1.0, size)
    series = (table.BESSEL_I0, table.BESSEL_I1)[order][f.dtype]
    small = exp(f, -near) * f.polynomial(near * near, series)
    small = small * near if order else small
    large = far.choose(size, 16.0)
    far_series = (table.BESSEL_I0_FAR, table.BESSEL_I1_FAR)[order][f.dtype]
    inverse = (large < math.inf).choose(16.0 / large, 0.0)
    root = (large < math.inf).choose(large, 1.0).sqrt()
    tail = f.polynomial(inverse - 1.0, far_series) / root
    tail = (large < math.inf).choose(tail, 0.0)
    return x.is_nan().choose(x, far.choose(tail, small))


def bessel_i0e(f: Reals, x: Real) -> Real:
    """Return exp(-|x|) I0(x)."""
    return _scaled(f, x, 0)


def bessel_i1e(f: Reals, x: Real) -> Real:
    """Return exp(-|x|) I1(x), which is odd."""
    return x.is_nan().choose(x, f.signed(_scaled(f, x, 1), x))
