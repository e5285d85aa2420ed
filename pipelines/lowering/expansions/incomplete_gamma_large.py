"""The incomplete gamma functions of huge orders, for which the series and the fraction would take too many terms.

P(a, x) goes from 0 to 1 within some roots of a around x = a, as the normal distribution does: Temme's uniform expansion
("The asymptotic expansion of the incomplete gamma functions", 1979), of which two terms are exact here within rounding.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from difc.pipelines.lowering.expansions.error import erfc
from difc.pipelines.lowering.expansions.exponential import exp
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals

__all__ = ["HUGE", "large_by_order", "large_lower", "large_upper"]

#: From this order on the expansion is exact within rounding.
HUGE = 1e7
#: Relative distances from x = a beyond which P is 0 or 1.
REACH = 0.05
#: (u - log(1 + u)) / u^2 by u, and the expansion's first two terms by eta.
DISTANCE = [(-1.0) ** k / (k + 2) for k in range(14)]
FIRST = (-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835)
SLOPE_OF_FIRST = (1 / 12, -4 / 135, 1 / 288)
SECOND = (-1 / 540, -1 / 288)


class _Place(NamedTuple):
    """Where x is beside a: u = x / a - 1; eta and t with eta^2 / 2 = t^2 / a = u - log(1 + u); the normal density."""

    inside: Flag
    u: Real
    eta: Real
    t: Real
    density: Real

    def rest(self, f: Reals, a: Real) -> Real:
        """Return what P has less, and Q more, than the normal distribution."""
        return self.density * (f.polynomial(self.eta, FIRST) + f.polynomial(self.eta, SECOND) / a)


def _place(f: Reals, a: Real, x: Real) -> _Place:
    u = (x - a) / a
    inside = abs(u) < REACH
    u = inside.choose(u, (x > a).choose(REACH, -REACH))
    square = f.polynomial(u, DISTANCE)
    t = u * (a.sqrt() * square.sqrt())
    limited = (abs(t) < 40.0).choose(t, 40.0)
    density = exp(f, -limited * limited) * (1 / math.sqrt(2 * math.pi)) / a.sqrt()
    return _Place(inside, u, u * (2.0 * square).sqrt(), t, density)


def large_lower(f: Reals, a: Real, x: Real) -> Real:
    """Return P(a, x) for finite positive numbers, a huge."""
    place = _place(f, a, x)
    return place.inside.choose(0.5 * erfc(f, -place.t) - place.rest(f, a), (x > a).choose(1.0, 0.0))


def large_upper(f: Reals, a: Real, x: Real) -> Real:
    """Return Q(a, x) for finite positive numbers, a huge."""
    place = _place(f, a, x)
    return place.inside.choose(0.5 * erfc(f, place.t) + place.rest(f, a), (x > a).choose(0.0, 1.0))


def large_by_order(f: Reals, a: Real, x: Real) -> Real:
    """Return the derivative of P(a, x) by a for finite positive numbers, a huge."""
    place = _place(f, a, x)
    u, eta = place.u, place.eta
    root = (2.0 * f.polynomial(u, DISTANCE)).sqrt()  # eta / u
    log_over_u = 1.0 - u * f.polynomial(u, DISTANCE)
    first = f.polynomial(eta, FIRST) + f.polynomial(eta, SECOND) / a
    moved = f.polynomial(eta, SLOPE_OF_FIRST) / root + 0.5 * first
    slope = log_over_u / root + first * (log_over_u * u) - moved / a
    return place.inside.choose(-place.density * slope, 0.0)
