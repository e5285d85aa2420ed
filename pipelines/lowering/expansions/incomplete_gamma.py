"""The regularized incomplete gamma functions: a series below x = a + 1, a continued fraction above.

Both have the factor x^a e^-x / gamma(a), whose logarithm is a small difference of large numbers and is computed with
twice the digits. The number of terms grows with the square root of a where x is near it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from difc.pipelines.lowering.expansions import special_coefficients as table
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, total
from difc.pipelines.lowering.expansions.exponential import exp_of_sum, expm1
from difc.pipelines.lowering.expansions.gamma import FAR, LOG_ROOT_TWO_PI, lgamma_by_steps
from difc.pipelines.lowering.expansions.logarithmic import log, log_as_sum
from difc.pipelines.lowering.expansions.reals import Flag, Real, Reals

__all__ = ["gammainc", "gammaincc"]

#: After so many terms the loops end, whatever they have reached.
MOST_TERMS = 50000.0


def _repeated(f: Reals, start: list[Real], goes_on: Callable[..., Flag], step: Callable[..., list[Real]]) -> list[Real]:
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


def _plus(f: Reals, x: Doubled, y: Doubled) -> Doubled:
    """Return x + y, of any order of size."""
    first: Flag = abs(x.high) >= abs(y.high)
    both = total(first.choose(x.high, y.high), first.choose(y.high, x.high))
    return normal(Doubled(both.high, both.low + (x.low + y.low)))


def _factor(f: Reals, a: Real, x: Real) -> Real:
    """Return x^a e^-x / gamma(a)."""
    none = f.real(0.0)
    power = _plus(f, normal(product(f, a, log_as_sum(f, x))), Doubled(-x, none))
    far = a >= FAR
    large, small = far.choose(a, FAR), far.choose(1.0, a)
    inverse = 1.0 / large
    series = inverse * f.polynomial(inverse * inverse, table.STIRLING[f.dtype]) + LOG_ROOT_TWO_PI[0]
    stirling = _plus(f, normal(product(f, large - 0.5, log_as_sum(f, large))), Doubled(-large, none))
    stirling = _plus(f, stirling, Doubled(series, f.real(LOG_ROOT_TWO_PI[1])))
    near, _ = lgamma_by_steps(f, small)
    gamma = Doubled(far.choose(stirling.high, near), far.choose(stirling.low, 0.0))
    return exp_of_sum(f, _plus(f, power, -gamma))


def _tolerance(f: Reals) -> float:
    return 2.0**-54 if f.is_double else 2.0**-25


def _series(f: Reals, a: Real, x: Real) -> Real:
    """Return the sum of x^k / ((a + 1) ... (a + k))."""
    one, limit = f.real(1.0), _tolerance(f)
    _, result, _ = _repeated(
        f,
        [one, one, f.real(0.0)],
        lambda term, sum_, k: (term > sum_ * limit) & (k < MOST_TERMS),
        lambda term, sum_, k: [term * (x / (a + (k + 1.0))), sum_ + term * (x / (a + (k + 1.0))), k + 1.0],
    )
    return result


def _fraction(f: Reals, a: Real, x: Real) -> Real:
    """Return 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)), from front to back (Lentz)."""
    start = 1.0 / (x + 1.0 - a)
    limit = 2.0 * _tolerance(f)

    def step(c: Real, d: Real, result: Real, change: Real, k: Real) -> list[Real]:
        number, b = -k * (k - a), x + 1.0 - a + 2.0 * k
        d = 1.0 / (number * d + b)
        c = b + number / c
        return [c, d, result * (c * d), c * d - 1.0, k + 1.0]

    *_, result, _, _ = _repeated(
        f,
        [f.real(1e30), start, start, f.real(1.0), f.real(1.0)],
        lambda c, d, result, change, k: (abs(change) > limit) & (k < MOST_TERMS),
        step,
    )
    return result


def _complement_for_small(f: Reals, a: Real, x: Real) -> Real:
    """Return Q for a < 1 and x < 2 as -u - (1 + u) v, with 1 + u = x^a / gamma(a + 1) and a series v."""
    u = expm1(f, a * log(f, x) - lgamma_by_steps(f, a)[1])
    limit = _tolerance(f)
    _, v, _ = _repeated(
        f,
        [f.real(1.0), f.real(0.0), f.real(1.0)],
        lambda term, sum_, k: (abs(term) > limit * 2.0**-8) & (k < 100.0),
        lambda term, sum_, k: [-term * (x / k), sum_ - term * (x / k) / (a + k), k + 1.0],
    )
    return -u - (u + 1.0) * (a * v)


def _both(f: Reals, a: Real, x: Real) -> tuple[Real, Real]:
    """Return P(a, x) and Q(a, x)."""
    ordinary = (a > 0.0) & (x > 0.0) & (a < math.inf) & (x < math.inf)
    a_, x_ = ordinary.choose(a, 1.0), ordinary.choose(x, 1.0)
    below = x_ < a_ + 1.0
    factor = _factor(f, a_, x_)
    series = factor * _series(f, below.choose(a_, 1.0), below.choose(x_, 0.0)) / a_
    fraction = factor * _fraction(f, below.choose(1.0, a_), below.choose(4.0, x_))
    small = below & (a_ < 1.0)
    rest = _complement_for_small(f, small.choose(a_, 0.5), small.choose(x_, 1.0))
    p = below.choose(series, 1.0 - fraction)
    q = below.choose(small.choose(rest, 1.0 - series), fraction)
    p, q = (f.within(v, 0.0, 1.0) for v in (p, q))
    nothing = (x >= 0.0) & (x.is_("eq", 0.0) | a.is_("ge", math.inf)) & (a > 0.0) & (x < math.inf)
    everything = (a >= 0.0) & (a.is_("eq", 0.0) | x.is_("ge", math.inf)) & (x > 0.0) & (a < math.inf)
    p = ordinary.choose(p, nothing.choose(0.0, everything.choose(1.0, math.nan)))
    q = ordinary.choose(q, nothing.choose(1.0, everything.choose(0.0, math.nan)))
    return p, q


def gammainc(f: Reals, a: Real, x: Real) -> Real:
    """Return P(a, x)."""
    return _both(f, a, x)[0]


def gammaincc(f: Reals, a: Real, x: Real) -> Real:
    """Return Q(a, x) = 1 - P(a, x)."""
    return _both(f, a, x)[1]
