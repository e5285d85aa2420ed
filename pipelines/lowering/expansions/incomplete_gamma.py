"""The regularized incomplete gamma functions: a series below x = a + 1, a continued fraction above.

Both have the factor x^a e^-x / gamma(a), whose logarithm is a small difference of large numbers and is computed with
twice the digits. The number of terms grows with the square root of a where x is near it. The derivative by the order is
that of the series or the fraction, term by term.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from difc.pipelines.lowering.expansions import special_coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, plus, product
from difc.pipelines.lowering.expansions.exponential import exp_of_sum, expm1
from difc.pipelines.lowering.expansions.gamma import (
    FAR,
    LOG_ROOT_TWO_PI,
    lgamma_by_steps,
    log_less_digamma,
    polygamma,
)
from difc.pipelines.lowering.expansions.incomplete_gamma_large import HUGE, large_by_order, large_lower, large_upper
from difc.pipelines.lowering.expansions.logarithmic import log, log1p, log_as_sum
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals

__all__ = [
    "continued_fraction",
    "fraction_by_order",
    "fraction_terms",
    "log_gamma",
    "order_from_above",
    "power_series",
    "regularized",
    "regularized_by_order",
    "repeated",
    "series_by_order",
    "series_of_complement",
    "tolerance",
]

#: After so many terms the loops end, whatever they have reached.
MOST_TERMS = 50000.0
#: The derivative of the fraction takes so many times the terms of the fraction.
MORE_FOR_SLOPE = 1.25


def repeated(f: Reals, start: list[Real], goes_on: Callable[..., Flag], step: Callable[..., list[Real]]) -> list[Real]:
    """Repeat a step on numbers as long as a condition on them holds."""
    c = f.c
    types = [x.value.type for x in start]
    loop = c.operation("scf.while", [x.value for x in start], types, regions=2)
    before, after = (c.block(region, types) for region in loop.regions)
    with c.within(before):
        condition = goes_on(*(Real(f, v) for v in before.arguments))
        c.operation("scf.condition", [condition.value, *before.arguments])
    with c.within(after):
        c.operation("scf.yield", [x.value for x in step(*(Real(f, v) for v in after.arguments))])
    return [Real(f, v) for v in loop.results]


def log_gamma(f: Reals, a: Real) -> Doubled:
    """Return the logarithm of gamma(a) for a > 0, with twice the digits where it is large."""
    far = a >= FAR
    large, small = far.choose(a, FAR), far.choose(1.0, a)
    inverse = 1.0 / large
    series = inverse * f.polynomial(inverse * inverse, table.STIRLING[f.dtype]) + LOG_ROOT_TWO_PI[0]
    stirling = plus(normal(product(f, large - 0.5, log_as_sum(f, large))), Doubled(-large, f.real(0.0)))
    stirling = plus(stirling, Doubled(series, f.real(LOG_ROOT_TWO_PI[1])))
    near, _ = lgamma_by_steps(f, small)
    return Doubled(far.choose(stirling.high, near), far.choose(stirling.low, 0.0))


def _factor(f: Reals, a: Real, x: Real) -> Real:
    """Return x^a e^-x / gamma(a)."""
    power = plus(normal(product(f, a, log_as_sum(f, x))), Doubled(-x, f.real(0.0)))
    return exp_of_sum(f, plus(power, -log_gamma(f, a)))


def tolerance(f: Reals) -> float:
    """Return a quarter of the unit in the last place of 1."""
    return 2.0**-54 if f.is_double else 2.0**-25


def _arguments(a: Real, x: Real) -> tuple[Flag, Real, Real, Flag]:
    """Return whether both are positive and x finite, a not huge; both, or 1 and 1; and whether the series is the one
    to use."""
    ordinary = (a > 0.0) & (x > 0.0) & (a < HUGE) & (x < math.inf)
    a, x = ordinary.choose(a, 1.0), ordinary.choose(x, 1.0)
    return ordinary, a, x, x < a + 1.0


def _huge(a: Real, x: Real) -> tuple[Flag, Real, Real]:
    """Return whether a is huge and both are finite and positive; both, or a huge number and 1."""
    huge = (a >= HUGE) & (a < math.inf) & (x > 0.0) & (x < math.inf)
    return huge, huge.choose(a, HUGE), huge.choose(x, 1.0)


def power_series(f: Reals, a: Real, x: Real) -> Real:
    """Return the sum of x^k / ((a + 1) ... (a + k)), where x < a + 1."""
    _, a, x, below = _arguments(a, x)
    a, x = below.choose(a, 1.0), below.choose(x, 0.0)
    one, limit = f.real(1.0), tolerance(f)
    _, result, _ = repeated(
        f,
        [one, one, f.real(0.0)],
        lambda term, sum_, k: (term > sum_ * limit) & (k < MOST_TERMS),
        lambda term, sum_, k: [term * (x / (a + (k + 1.0))), sum_ + term * (x / (a + (k + 1.0))), k + 1.0],
    )
    return result


def continued_fraction(f: Reals, a: Real, x: Real) -> Real:
    """Return 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)) where x >= a + 1, from front to back (Lentz)."""
    return _lentz(f, a, x)[0]


def fraction_terms(f: Reals, a: Real, x: Real) -> Real:
    """Return the number of terms that `continued_fraction` takes."""
    return _lentz(f, a, x)[1]


def _lentz(f: Reals, a: Real, x: Real) -> tuple[Real, Real]:
    _, a, x, below = _arguments(a, x)
    a, x = below.choose(1.0, a), below.choose(4.0, x)
    limit, tiny = 2.0 * tolerance(f), 1e-30

    def step(c: Real, d: Real, result: Real, k: Real) -> list[Real]:
        number = (k > 0.0).choose(-k * (k - a), 1.0)
        b = x + 1.0 - a + 2.0 * k
        d = 1.0 / (number * d + b)
        c = b + number / c
        return [c, d, result * (c * d), k + 1.0]

    _, _, result, terms = repeated(
        f,
        [f.real(tiny), f.real(0.0), f.real(tiny), f.real(0.0)],
        lambda c, d, result, k: (abs(c * d - 1.0) > limit) & (k < MOST_TERMS),
        step,
    )
    return result, terms


def _is_small(a: Real, below: Flag) -> Flag:
    return below & (a < 1.0)


def series_of_complement(f: Reals, a: Real, x: Real) -> Real:
    """Return the sum of (-x)^k / (k! (a + k)) from k = 1 on, where a < 1 and x < a + 1."""
    _, a, x, below = _arguments(a, x)
    small = _is_small(a, below)
    a, x = small.choose(a, 0.5), small.choose(x, 1.0)
    limit = tolerance(f) * 2.0**-8
    _, result, _ = repeated(
        f,
        [f.real(1.0), f.real(0.0), f.real(1.0)],
        lambda term, sum_, k: (abs(term) > limit) & (k < 100.0),
        lambda term, sum_, k: [-term * (x / k), sum_ - term * (x / k) / (a + k), k + 1.0],
    )
    return result


def regularized(f: Reals, a: Real, x: Real, series: Real, fraction: Real, rest: Real | None = None) -> Real:
    """Return P(a, x) from the series and the fraction; Q(a, x) if the series of the complement is given, too."""
    ordinary, a_, x_, below = _arguments(a, x)
    factor = _factor(f, a_, x_)
    lower, upper = factor * series / a_, factor * fraction
    nothing = (x >= 0.0) & (x.is_("eq", 0.0) | a.is_("ge", math.inf)) & (a > 0.0) & (x < math.inf)
    everything = (a >= 0.0) & (a.is_("eq", 0.0) | x.is_("ge", math.inf)) & (x > 0.0) & (a < math.inf)
    huge, a_huge, x_huge = _huge(a, x)
    if rest is None:
        result = f.within(below.choose(lower, 1.0 - upper), 0.0, 1.0)
        result = huge.choose(large_lower(f, a_huge, x_huge), result)
        return (ordinary | huge).choose(result, nothing.choose(0.0, everything.choose(1.0, math.nan)))
    # where a < 1 and x < a + 1: -u - (1 + u) a v with 1 + u = x^a / gamma(a + 1) and the series v
    small = _is_small(a_, below)
    order = small.choose(a_, 0.5)
    u = expm1(f, order * log(f, small.choose(x_, 1.0)) - lgamma_by_steps(f, order)[1])
    result = below.choose(small.choose(-u - (u + 1.0) * (order * rest), 1.0 - lower), upper)
    result = huge.choose(large_upper(f, a_huge, x_huge), f.within(result, 0.0, 1.0))
    return (ordinary | huge).choose(result, nothing.choose(1.0, everything.choose(0.0, math.nan)))


# ---- the derivative by the order -----------------------------------------------------------------


def order_from_above(f: Reals, a: Real, x: Real) -> Real:
    """Return a, and a small number for 0 where x > 0."""
    return (a.is_("eq", 0.0) & (x > 0.0)).choose(tolerance(f) * 2.0**-16, a)


def series_by_order(f: Reals, a: Real, x: Real) -> Real:
    """Return less the derivative of `power_series` by a: each term times 1 / (a + 1) + ... + 1 / (a + k)."""
    _, a, x, below = _arguments(a, x)
    a, x = below.choose(a, 1.0), below.choose(x, 0.0)
    none, limit = f.real(0.0), tolerance(f)

    def step(term: Real, sum_: Real, harmonic: Real, k: Real) -> list[Real]:
        k = k + 1.0
        term, harmonic = term * (x / (a + k)), harmonic + 1.0 / (a + k)
        return [term, sum_ + term * harmonic, harmonic, k]

    _, result, _, _ = repeated(
        f,
        [f.real(1.0), none, none, none],
        lambda term, sum_, harmonic, k: (k < 1.0) | ((term * harmonic > sum_ * limit) & (k < MOST_TERMS)),
        step,
    )
    return result


def fraction_by_order(f: Reals, a: Real, x: Real, terms: Real) -> Real:
    """Return the derivative of the logarithm of `continued_fraction` by a, from back to front.

    With r_k = k (a - k) / (x + 1 - a + 2 k + r_(k + 1)) the fraction is 1 / (x + 1 - a + r_1).
    """
    _, a, x, below = _arguments(a, x)
    a, x = below.choose(1.0, a), below.choose(4.0, x)

    def step(rest: Real, slope: Real, k: Real) -> list[Real]:
        whole = x + 1.0 - a + 2.0 * k + rest
        rest = k * (a - k) / whole
        return [rest, (k + rest * (1.0 - slope)) / whole, k - 1.0]

    none = f.real(0.0)
    start = (terms * MORE_FOR_SLOPE).floor() + 8.0
    rest, slope, _ = repeated(f, [none, none, start], lambda rest, slope, k: k > 0.0, step)
    return (1.0 - slope) / (x + 1.0 - a + rest)


def _log_less_digamma(f: Reals, a: Real, x: Real) -> Real:
    """Return log(x) - digamma(a + 1), which is small where a is large and x is near it."""
    large = (a >= FAR).choose(a, FAR)
    near = (a >= FAR) & (abs(x - large) < 0.5 * large)
    close = log1p(f, near.choose(x - large, 0.0) / large) + (log_less_digamma(f, large) - 1.0 / large)
    return near.choose(close, log(f, x) - polygamma(f, a + 1.0, 0))


def regularized_by_order(
    f: Reals, a: Real, x: Real, series: Real, series_slope: Real, fraction: Real, fraction_slope: Real
) -> Real:
    """Return the derivative of P(a, x) by a from the series, the fraction and their derivatives."""
    ordinary, a_, x_, below = _arguments(a, x)
    away = _log_less_digamma(f, a_, x_)
    lower, upper = (away * series - series_slope) / a_, fraction * (away + 1.0 / a_ + fraction_slope)
    result = _factor(f, a_, x_) * below.choose(lower, -upper)
    constant = (a > 0.0) & (x >= 0.0) & ((a < math.inf) | (x < math.inf))
    huge, a_huge, x_huge = _huge(a, x)
    result = huge.choose(large_by_order(f, a_huge, x_huge), result)
    return (ordinary | huge).choose(result, constant.choose(0.0, math.nan))
