"""The special functions that `accuracy.py` measures: points, true values, and what errors are measured in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

from difc.scipy import special

__all__ = ["ROWS", "Draw", "Formula", "Height", "Special"]

#: A function of a library of `references.py` and of its numbers.
Formula = Callable[..., Any]


@dataclass(frozen=True)
class Draw:
    """Points of one argument: how they are described, and a function of their count, the dtype, a generator and the
    arguments before it."""

    text: str
    points: Callable[..., np.ndarray]


def _inside(dtype: np.dtype, low: float, high: float) -> tuple[float, float]:
    """Return limits of an exponent range that a dtype holds."""
    info = np.finfo(dtype)
    return math.log(max(low, 4 * float(info.tiny))), math.log(min(high, float(info.max) / 4))


def _between(low: float, high: float) -> Draw:
    return Draw(f"{low:g} to {high:g}", lambda n, dtype, rng, *_: rng.uniform(low, high, n))


def _powers(low: float = 0.0, high: float = math.inf, sign: int = 0) -> Draw:
    """Numbers of all exponents, of both signs or of one."""

    def points(n: int, dtype: np.dtype, rng: np.random.Generator, *_: np.ndarray) -> np.ndarray:
        size = np.exp(rng.uniform(*_inside(dtype, low, high), n))
        return size * (sign or rng.choice([-1.0, 1.0], n))

    before, ends = {0: "±", 1: "", -1: "-"}[sign], f"{low:g} … {high:g}".replace("inf", "∞")
    return Draw(f"{before}({ends})" if before else ends, points)


def _near(*places: float) -> Draw:
    """Numbers whose distance from a place is of all exponents."""

    def points(n: int, dtype: np.dtype, rng: np.random.Generator, *_: np.ndarray) -> np.ndarray:
        away = np.exp(rng.uniform(math.log(float(np.finfo(dtype).eps)), math.log(0.1), n))
        return rng.choice(np.array(places), n) + away * rng.choice([-1.0, 1.0], n)

    return Draw("near " + ", ".join(f"{p:.4g}" for p in places), points)


def _like_first(spread: float) -> Draw:
    """Numbers about the first argument, as far from it as its root times `spread`."""
    return Draw("around that", lambda n, dtype, rng, a, *_: np.abs(a + rng.normal(size=n) * spread * np.sqrt(a)) + 1e-3)


def _close_to_first() -> Draw:
    """Numbers whose distance from the first argument is of all exponents."""

    def points(n: int, dtype: np.dtype, rng: np.random.Generator, a: np.ndarray, *_: np.ndarray) -> np.ndarray:
        away = np.exp(rng.uniform(math.log(float(np.finfo(dtype).eps)), math.log(0.5), n))
        return a * (1 + away * rng.choice([-1.0, 1.0], n))

    return Draw("near that", points)


def _about_mean() -> Draw:
    """Numbers about the mean of the beta distribution."""

    def points(n: int, dtype: np.dtype, rng: np.random.Generator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        mean, whole = a / (a + b), a + b
        return np.clip(mean + 4 * rng.normal(size=n) * np.sqrt(mean * (1 - mean) / (whole + 1)), 1e-6, 1 - 1e-6)

    return Draw("about the mean", points)


def _whole(low: int, high: int) -> Draw:
    return Draw(f"whole {low} to {high}", lambda n, dtype, rng, *_: rng.integers(low, high + 1, n).astype(float))


def _up_to_first() -> Draw:
    return Draw("whole up to that", lambda n, dtype, rng, a, *_: np.floor(rng.uniform(0, 1, n) * (a + 1)))


@dataclass(frozen=True)
class Height:
    """What errors are measured in units of, where the value is smaller, for the function has zeros."""

    text: str
    value: Callable[..., np.ndarray]


@dataclass(frozen=True)
class Special:
    """A function of difc.scipy.special to measure.

    Attributes:
      name: its name, with what is special about the points.
      formula: its true value.
      parts: parts of the points, of one size; each a draw for each argument.
      height: what errors are compared with near zeros, or None where they are compared with the value.
      function: how it is called, if not by its name.
      theirs: SciPy's.
    """

    name: str
    formula: Formula
    parts: tuple[tuple[Draw, ...], ...]
    height: Height | None = None
    function: Callable[..., Any] | None = None
    theirs: Callable[..., Any] | None = None

    @property
    def text(self) -> str:
        """Where the points are."""
        return "; ".join(" and ".join(dict.fromkeys(draw.text for draw in part)) for part in self.parts)

    @property
    def arity(self) -> int:
        """How many operands it has."""
        return len(self.parts[0])

    def call(self, *operands: Any) -> Any:
        """Apply difc's function."""
        return (self.function or getattr(special, self.name.split()[0]))(*operands)

    def scipy(self, *operands: np.ndarray) -> np.ndarray:
        """Apply SciPy's function."""
        return (self.theirs or getattr(scipy.special, self.name.split()[0]))(*operands)

    def points(self, dtype: np.dtype, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Return the operands."""
        share = -(-count // len(self.parts))
        columns: list[list[np.ndarray]] = [[] for _ in range(self.arity)]
        for part in self.parts:
            row: list[np.ndarray] = []
            for draw in part:
                row.append(draw.points(share, dtype, rng, *row).astype(dtype).astype(float))
            for column, values in zip(columns, row, strict=True):
                column.append(values)
        return [np.concatenate(column)[:count].astype(dtype) for column in columns]


def _one(*draws: Draw) -> tuple[tuple[Draw, ...], ...]:
    """Return the parts of the points of a function of one argument."""
    return tuple((draw,) for draw in draws)


ONE = Height("1", lambda *a: np.ones_like(a[0]))
WAVES = Height("√(2 / πx)", lambda x: np.sqrt(2 / np.pi / np.maximum(np.abs(x), 1)))
FAR_WAVES = Height("√(2 / πx) from 8 on", lambda x: np.where(np.abs(x) < 8, 0, np.sqrt(2 / np.pi / np.abs(x))))
MIRRORED = Height("1 + gammaln(-x)", lambda x: 1 + np.abs(scipy.special.gammaln(np.abs(x))))
LOGARITHM = Height("log(2 - x)", lambda x: np.log(2 + np.abs(x)))


def _polygamma(n: int) -> Special:
    return Special(
        f"polygamma of {n}",
        lambda m, x: m.polygamma(n, x),
        _one(_powers(1e-10, 1e10, 1), _between(0, 30), *([_between(-15, 0)] if n % 2 else [])),
        function=lambda x: special.polygamma(n, x),
        theirs=lambda x: scipy.special.polygamma(n, x),
    )


def _scaled(m: Any, x: Any, value: Any, sign: int) -> Any:
    return value * m.exp(sign * x)


def _boxcox(m: Any, log_x: Any, power: Any) -> Any:
    return m.expm1(power * log_x) / power


def _gamma_points() -> tuple[tuple[Draw, ...], ...]:
    return _one(_between(-170, 171.6), _powers(0, 1), _between(-35, 36), _between(-5, 5), _near(-1, -2, -9))


def _wave_points(*places: float) -> tuple[tuple[Draw, ...], ...]:
    return _one(_between(0, 60), _powers(1e-300, 1e15, 1), _near(*places))


def _degree_points() -> tuple[tuple[Draw, ...], ...]:
    return _one(_between(-720, 720), _powers(1e-30, 1e9), _near(90, 180, -360))


J0, J1 = (scipy.special.jn_zeros(n, 4).tolist() for n in (0, 1))
Y0, Y1 = (scipy.special.yn_zeros(n, 4).tolist() for n in (0, 1))

ROWS = (
    Special("gammaln", lambda m, x: m.lgamma(x), _one(_powers(sign=1), _between(0, 12), _near(1, 2))),
    Special("gammaln below 0", lambda m, x: m.lgamma(x), _one(_between(-30, 0), _powers(0, 1e6, -1)), MIRRORED),
    Special("gamma", lambda m, x: m.gamma(x), _gamma_points()),
    Special("rgamma", lambda m, x: m.rgamma(x), _gamma_points()),
    Special("digamma", lambda m, x: m.digamma(x), _one(_powers(sign=1), _between(0, 12), _near(1.4616321449683623))),
    Special("digamma below 0", lambda m, x: m.digamma(x), _one(_between(-30, 0), _powers(0, 1e6, -1)), LOGARITHM),
    *(_polygamma(n) for n in (1, 2, 5, 20)),
    Special(
        "beta", lambda m, a, b: m.exp(m.log_beta(a, b)),
        ((_powers(1e-10, 1e3, 1),) * 2, (_between(0, 60),) * 2, (_powers(1e-3, 1e5, 1), _powers(1e-3, 10, 1))),
    ),
    Special(
        "betaln", lambda m, a, b: m.log_beta(a, b),
        ((_powers(1e-10, 1e15, 1),) * 2, (_between(0, 60),) * 2, (_powers(0, 1e15, 1), _powers(1e-3, 10, 1))), ONE,
    ),
    Special(
        "binom", lambda m, n, k: m.exp(-m.log_beta(n - k + 1, k + 1)) / (n + 1),
        ((_whole(1, 60), _up_to_first()), (_whole(1, 1000), _up_to_first()), (_between(50, 60), _between(0, 50))),
    ),
    Special(
        "poch", lambda m, z, n: m.gamma(z + n) / m.gamma(z),
        ((_between(0, 60),) * 2, (_powers(1e-5, 1e3, 1), _between(0, 20)), (_powers(1, 1e6, 1), _powers(1e-5, 1, 1))),
    ),
    Special("factorial", lambda m, x: m.gamma(x + 1), _one(_between(0, 170), _whole(0, 170), _powers(0, 1, 1))),
    Special(
        "comb", lambda m, n, k: m.exp(-m.log_beta(n - k + 1, k + 1)) / (n + 1),
        ((_whole(1, 60), _up_to_first()), (_whole(1, 1000), _up_to_first())),
    ),
    Special(
        "perm", lambda m, n, k: m.gamma(n + 1) / m.gamma(n - k + 1),
        ((_whole(1, 30), _up_to_first()), (_whole(1, 170), _up_to_first())),
    ),
    Special(
        "multigammaln of 3", lambda m, a: m.log(m.pi()) * 3 / 2 + m.lgamma(a) + m.lgamma(a - 0.5) + m.lgamma(a - 1),
        _one(_between(1.001, 30), _powers(2, 1e30, 1)), ONE,
        lambda a: special.multigammaln(a, 3), lambda a: scipy.special.multigammaln(a, 3),
    ),
    Special(
        "gammainc", lambda m, a, x: m.gammainc(a, x),
        ((_powers(1e-5, 1e3, 1),) * 2, (_between(0, 20),) * 2, (_powers(1, 1e4, 1), _like_first(3))),
    ),
    Special(
        "gammaincc", lambda m, a, x: m.gammaincc(a, x),
        ((_powers(1e-5, 1e3, 1),) * 2, (_between(0, 20),) * 2, (_powers(1, 1e4, 1), _like_first(3))),
    ),
    Special(
        "betainc", lambda m, a, b, x: m.betainc(a, b, x),
        (
            (_powers(1e-3, 100, 1), _powers(1e-3, 100, 1), _between(0, 1)),
            (_between(0, 20), _between(0, 20), _between(0, 1)),
            (_powers(1, 1e3, 1), _powers(1, 1e3, 1), _about_mean()),
        ),
    ),
    Special("zeta", lambda m, x: m.zeta(x), _one(_between(-30, 40), _between(-180, 0), _powers(0, 1), _near(1))),
    Special(
        "zeta of two", lambda m, x, q: m.zeta(x, q),
        ((_between(1, 20), _powers(1e-3, 1e6, 1)), (_between(1, 60), _between(0, 20)), (_near(1.1), _between(0, 20))),
    ),
    Special("erfcx", lambda m, x: m.erfcx(x), _one(_between(-26.6, 30), _powers(0, 1), _powers(sign=1))),
    Special("erfinv", lambda m, x: m.erfinv(x), _one(_between(-1, 1), _powers(0, 1), _near(1, -1))),
    Special("erfcinv", lambda m, x: m.erfcinv(x), _one(_between(0, 2), _powers(0, 1, 1), _near(1, 2))),
    Special(
        "ndtr", lambda m, x: m.erfc(-x / m.sqrt(x * 0 + 2)) / 2, _one(_between(-38, 9), _between(-5, 5), _powers(0, 9))
    ),
    Special(
        "ndtri", lambda m, y: -m.sqrt(y * 0 + 2) * m.erfcinv(2 * y), _one(_between(0, 1), _powers(0, 1, 1), _near(0.5))
    ),
    Special("log_ndtr", lambda m, x: m.log_ndtr(x), _one(_between(-50, 38), _between(-3, 3), _powers(0, 1e150, -1))),
    Special(
        "logit", lambda m, x: m.log(x) - m.log1p(-x), _one(_between(0, 1), _powers(0, 1, 1), _near(0.5), _near(1))
    ),
    Special(
        "log_expit", lambda m, x: -m.log1p(m.exp(-x)), _one(_between(-700, 708), _between(-3, 3), _powers(0, 700))
    ),
    Special(
        "softplus", lambda m, x: m.log1p(m.exp(x)), _one(_between(-708, 700), _between(-3, 3), _powers(0, 700))
    ),
    Special(
        "xlogy", lambda m, x, y: x * m.log(y),
        ((_powers(), _powers(sign=1)), (_between(-5, 5), _between(0, 5)), (_between(-5, 5), _near(1))),
    ),
    Special(
        "xlog1py", lambda m, x, y: x * m.log1p(y),
        ((_powers(), _powers(sign=1)), (_between(-5, 5), _between(-1, 5)), (_between(-5, 5), _powers(0, 1))),
    ),
    Special("entr", lambda m, x: -x * m.log(x), _one(_powers(sign=1), _between(0, 5), _near(1))),
    Special(
        "rel_entr", lambda m, x, y: x * m.log(x / y),
        ((_powers(sign=1),) * 2, (_between(0, 5),) * 2, (_between(0, 5), _close_to_first())),
    ),
    Special(
        "kl_div", lambda m, x, y: x * m.log(x / y) - x + y,
        ((_powers(sign=1),) * 2, (_between(0, 5),) * 2, (_between(0, 5), _close_to_first())),
    ),
    Special(
        "huber", lambda m, d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2),
        ((_powers(sign=1), _powers()), (_between(0, 5), _between(-5, 5)), (_between(0, 5), _close_to_first())),
    ),
    Special(
        "pseudo_huber", lambda m, d, r: d * d * (m.sqrt(1 + (r / d) ** 2) - 1),
        ((_powers(sign=1), _powers()), (_between(0, 5), _between(-5, 5)), (_powers(1e-3, 1e3, 1), _powers(1e-3, 1e3))),
    ),
    Special("i0", lambda m, x: m.bessel_i(x, 0), _one(_between(-713, 713), _between(-20, 20), _powers(0, 1))),
    Special("i1", lambda m, x: m.bessel_i(x, 1), _one(_between(-713, 713), _between(-20, 20), _powers(0, 1))),
    *(
        Special(
            f"i{n}e", lambda m, x, n=n: m.bessel_i(x, n) * m.exp(-abs(x)),
            _one(_between(-20, 20), _powers(0, 1), _powers(1, 1e15)),
        )
        for n in (0, 1)
    ),
    Special("k0", lambda m, x: m.bessel_k(x, 0), _one(_between(0, 705), _between(0, 5), _powers(0, 1, 1))),
    Special("k1", lambda m, x: m.bessel_k(x, 1), _one(_between(0, 705), _between(0, 5), _powers(0, 1, 1))),
    *(
        Special(
            f"k{n}e", lambda m, x, n=n: m.bessel_k(x, n) * m.exp(x),
            _one(_between(0, 5), _powers(0, 1, 1), _powers(1, 1e15, 1)),
        )
        for n in (0, 1)
    ),
    Special("j0", lambda m, x: m.bessel_j(x, 0), _wave_points(*J0), FAR_WAVES),
    Special("j1", lambda m, x: m.bessel_j(x, 1), _wave_points(*J1), FAR_WAVES),
    Special("y0", lambda m, x: m.bessel_y(x, 0), _wave_points(*Y0), WAVES),
    Special("y1", lambda m, x: m.bessel_y(x, 1), _wave_points(*Y1), WAVES),
    Special("exp10", lambda m, x: m.exp(m.log(x * 0 + 10) * x), _one(_between(-307, 308), _powers(0, 1))),
    Special("exprel", lambda m, x: m.expm1(x) / x, _one(_between(-40, 716), _between(-2, 2), _powers(0, 700))),
    Special(
        "powm1", lambda m, x, y: m.expm1(y * m.log(x)),
        (
            (_powers(1e-3, 1e3, 1), _between(-20, 20)), (_near(1), _powers(1e-5, 1e5)),
            (_powers(sign=1), _powers(1e-30, 1)),
        ),
    ),
    Special("cosm1", lambda m, x: -2 * m.sin(x / 2) ** 2, _one(_between(-10, 10), _powers(1e-100, 1e5))),
    Special(
        "boxcox", lambda m, x, p: _boxcox(m, m.log(x), p),
        (
            (_powers(1e-5, 1e5, 1), _between(-5, 5)), (_powers(1e-5, 1e5, 1), _powers(1e-30, 1)),
            (_near(1), _between(-5, 5)),
        ),
    ),
    Special(
        "boxcox1p", lambda m, x, p: _boxcox(m, m.log1p(x), p),
        (
            (_powers(1e-5, 1e5, 1), _between(-5, 5)), (_powers(1e-5, 1e5, 1), _powers(1e-30, 1)),
            (_powers(0, 1), _between(-5, 5)),
        ),
    ),
    Special(
        "inv_boxcox", lambda m, y, p: m.exp(m.log1p(p * y) / p),
        ((_between(0, 5),) * 2, (_between(0, 5), _powers(1e-30, 1, 1)), (_powers(0, 1), _powers(1e-5, 10, 1))),
    ),
    Special(
        "inv_boxcox1p", lambda m, y, p: m.expm1(m.log1p(p * y) / p),
        ((_between(0, 5),) * 2, (_between(0, 5), _powers(1e-30, 1, 1)), (_powers(0, 1), _powers(1e-5, 10, 1))),
    ),
    Special("sindg", lambda m, x: m.sin_pi(x / 180), _degree_points()),
    Special("cosdg", lambda m, x: m.cos_pi(x / 180), _degree_points()),
    Special("tandg", lambda m, x: m.sin_pi(x / 180) / m.cos_pi(x / 180), _degree_points()),
    Special("cotdg", lambda m, x: m.cos_pi(x / 180) / m.sin_pi(x / 180), _degree_points()),
    Special(
        "sinc", lambda m, x: m.sin_pi(x) / (m.pi() * x), _one(_between(-20, 20), _powers(1e-30, 1e5), _near(1, -3, 50))
    ),
)  # fmt: skip
