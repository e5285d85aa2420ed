"""The regularized incomplete beta function I(a, b, x): a continued fraction up to its mean, and beyond it that of
1 - I(b, a, 1 - x).

Both have the factor x^a (1 - x)^b / beta(a, b), whose logarithm is a small difference of large numbers and is computed
with twice the digits. The number of terms grows with the square root of a and b where x is near the mean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from difc.pipelines.lowering.expansions.doubled import Doubled, normal, plus, product, total, total_unordered
from difc.pipelines.lowering.expansions.exponential import exp_of_sum
from difc.pipelines.lowering.expansions.incomplete_gamma import MOST_TERMS, log_gamma, repeated, tolerance
from difc.pipelines.lowering.expansions.logarithmic import log, log_as_sum
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals

__all__ = ["beta_fraction", "regularized_beta"]

#: Up to here the fraction of small orders ends after some hundred terms.
FARTHEST = 0.999


class _Arguments(NamedTuple):
    """Whether all are ordinary; they, or 1, 1 and 1/2; and whether the fraction is that of 1 - I(b, a, 1 - x)."""

    ordinary: Flag
    a: Real
    b: Real
    x: Real
    turned: Flag

    def in_order(self) -> tuple[Real, Real, Real, Real]:
        """Return the arguments of the fraction: a, b, x and 1 - x."""
        a, b, x, turned = self.a, self.b, self.x, self.turned
        rest = 1.0 - x
        return turned.choose(b, a), turned.choose(a, b), turned.choose(rest, x), turned.choose(x, rest)


def _arguments(f: Reals, a: Real, b: Real, x: Real) -> _Arguments:
    ordinary = f.is_usable(a) & f.is_usable(b) & f.is_usable(x) & (x < 1.0)
    a, b, x = ordinary.choose(a, 1.0), ordinary.choose(b, 1.0), ordinary.choose(x, 0.5)
    # Beyond the mean I is large, and so is less than 1 without cancellation; but near an end of the interval the
    # fraction that takes fewer terms is used.
    both = a + b
    near_end = (x > FARTHEST) | (x < 1.0 - FARTHEST)
    turned = (near_end & (x > (a + 1.0) / (both + 2.0))) | (~near_end & (x > a / both))
    return _Arguments(ordinary, a, b, x, turned)


def beta_fraction(f: Reals, a: Real, b: Real, x: Real) -> Real:
    """Return the fraction 1 / (t0 + s1 / (t1 + s2 / (t2 + ...))), from front to back (Lentz).

    In it no 1 - x is rounded (DiDonato and Morris, "Significant digit computation of the incomplete beta function
    ratios", 1992).
    """
    a, b, x, rest = _arguments(f, a, b, x).in_order()
    limit, tiny = 2.0 * tolerance(f), 1e-30
    ahead = a * rest - b * x + 1.0

    def away(y: Real) -> Real:
        return (abs(y) < tiny).choose(tiny, y)

    def step(c: Real, d: Real, result: Real, n: Real) -> list[Real]:
        place, between = a + 2.0 * n, n * ((b - n) / (a + 2.0 * n - 1.0)) * x
        top = ((a + n - 1.0) / (place - 1.0)) * (a + b + n - 1.0) * x * between
        bottom = n + between + (a + n) / (place + 1.0) * (ahead + n * (rest + 1.0))
        d, c = 1.0 / away(bottom + top * d), away(bottom + top / c)
        return [c, d, result * (c * d), n + 1.0]

    first = away(a / (a + 1.0) * ahead)
    _, _, result, _ = repeated(
        f,
        [first, f.real(0.0), first, f.real(1.0)],
        lambda c, d, result, n: (n < 2.0) | ((abs(c * d - 1.0) > limit) & (n < MOST_TERMS)),
        step,
    )
    return 1.0 / result


def _factor(f: Reals, a: Real, b: Real, x: Real) -> Real:
    """Return x^a (1 - x)^b gamma(a + b) / (gamma(a) gamma(b))."""
    rest = total(f.real(1.0), -x)
    log_rest = log_as_sum(f, rest.high)
    log_rest = normal(Doubled(log_rest.high, log_rest.low + rest.low / rest.high))
    power = plus(normal(product(f, a, log_as_sum(f, x))), normal(product(f, b, log_rest)))
    both = total_unordered(a, b)
    whole = log_gamma(f, both.high)
    whole = normal(Doubled(whole.high, whole.low + both.low * log(f, both.high)))
    parts = plus(log_gamma(f, a), log_gamma(f, b))
    return exp_of_sum(f, plus(power, plus(whole, -parts)))


def regularized_beta(f: Reals, a: Real, b: Real, x: Real, fraction: Real) -> Real:
    """Return I(a, b, x) from the fraction."""
    ordinary, a_, b_, x_, turned = _arguments(f, a, b, x)
    part = _factor(f, a_, b_, x_) * fraction
    result = f.within(turned.choose(1.0 - part, part), 0.0, 1.0)
    valid = (a >= 0.0) & (b >= 0.0) & (x >= 0.0) & (x <= 1.0)
    valid = valid & ((a > 0.0) | (b > 0.0)) & ((a < math.inf) | (b < math.inf))
    # without a or with an infinite b, all is at 0; without b or with an infinite a, at 1
    at_zero = (x.is_("ge", 1.0) | ((x > 0.0) & (a.is_("le", 0.0) | b.is_("ge", math.inf)))).choose(1.0, 0.0)
    return ordinary.choose(result, valid.choose(at_zero, math.nan))
