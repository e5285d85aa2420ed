"""Measures the elementary functions: `python docs/accuracy.py` writes `docs/accuracy.md`, in some minutes.

Each function is run on points over its whole range: uniform where it varies, spread over all exponents, and near the
zeros of the periodic ones. An error is the distance from the true value in units in the last place of that value. True
values are mpmath's: at all points where NumPy has no function of long doubles, else at those points where long doubles,
whose own error is below a hundredth of such a unit, say that the error is largest. Points whose argument or result is
infinite or subnormal are left out: those are tests.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from mpmath import mp

import difc
from difc import dialects as dif
from difc.runtime import available
from difc.tracer import lift, wrap

__all__ = ["ROWS", "Row", "Worst", "compiled", "measure"]

OUTPUT = Path(__file__).resolve().parent / "accuracy.md"
POINTS = 100_000
_CHECKED = 200
Range = tuple[float, float]
Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Row:
    """A function to measure.

    Attributes:
      name: the op's name.
      exact: its value of one or two mpmath numbers.
      quick: its value of long doubles, or None.
      ranges: intervals to take points from; None is all numbers of both signs, by exponent.
      arity: how many operands it has.
    """

    name: str
    exact: Callable[..., Any]
    quick: Callable[..., np.ndarray] | None
    ranges: Callable[[np.dtype], Sequence[Any]]
    arity: int = 1


@dataclass(frozen=True)
class Worst:
    """The largest error of a function on a target, in units in the last place, and where it is."""

    error: float
    at: tuple[float, ...]


def _limit(dtype: np.dtype) -> float:
    """Return the logarithm of the largest number."""
    return float(np.log(np.finfo(dtype).max))


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def _erfc(x: Any) -> Any:
    return mp.erfc(x) if abs(x) < 100 else mp.mpf(1 - mp.sign(x))  # mpmath fails far out


def _exponential(dtype: np.dtype) -> list[Any]:
    return [(-_limit(dtype) + 2, _limit(dtype)), (-1, 1), None]


def _powers_of_2(dtype: np.dtype) -> list[Any]:
    return [(-1000, 1023) if dtype == np.float64 else (-120, 127), (-1, 1), None]


def _hyperbolic(dtype: np.dtype) -> list[Any]:
    return [(-_limit(dtype), _limit(dtype)), (-2, 2), None]


def _logarithm(dtype: np.dtype) -> list[Any]:
    return [(0, 10), (0.5, 2), None]


def _angle(dtype: np.dtype) -> list[Any]:
    return [(-10, 10), (-1e5, 1e5), "quadrants", None]


def _between(*ranges: Any) -> Callable[[np.dtype], list[Any]]:
    return lambda dtype: list(ranges)


def _erfc_range(dtype: np.dtype) -> list[Any]:
    return [(-6, 26.5 if dtype == np.float64 else 9.1), (-1, 1), None]


ROWS = (
    Row("exp", mp.exp, np.exp, _exponential),
    Row("exp2", lambda x: mp.power(2, x), np.exp2, _powers_of_2),
    Row("expm1", mp.expm1, np.expm1, _exponential),
    Row("log", mp.log, np.log, _logarithm),
    Row("log2", lambda x: mp.log(x, 2), np.log2, _logarithm),
    Row("log10", mp.log10, np.log10, _logarithm),
    Row("log1p", mp.log1p, np.log1p, _between((-1, 10), (-0.5, 1), None)),
    Row("sin", mp.sin, np.sin, _angle),
    Row("cos", mp.cos, np.cos, _angle),
    Row("tan", mp.tan, np.tan, _angle),
    Row("asin", mp.asin, np.arcsin, _between((-1, 1), (0.9, 1), None)),
    Row("acos", mp.acos, np.arccos, _between((-1, 1), (0.9, 1), None)),
    Row("atan", mp.atan, np.arctan, _between((-10, 10), (-1, 1), None)),
    Row("atan2", mp.atan2, np.arctan2, _between((-5, 5), None), arity=2),
    Row("sinh", mp.sinh, np.sinh, _hyperbolic),
    Row("cosh", mp.cosh, np.cosh, _hyperbolic),
    Row("tanh", mp.tanh, np.tanh, _between((-20, 20), (-1, 1), None)),
    Row("asinh", mp.asinh, np.arcsinh, _between((-10, 10), (-1, 1), None)),
    Row("acosh", mp.acosh, np.arccosh, _between((1, 10), (1, 1.01), None)),
    Row("atanh", mp.atanh, np.arctanh, _between((-1, 1), (-0.1, 0.1), None)),
    Row("logistic", lambda x: 1 / (1 + mp.exp(-x)), _logistic, _exponential),
    Row("cbrt", lambda x: mp.sign(x) * mp.cbrt(abs(x)), np.cbrt, _between((-10, 10), None)),
    Row("hypot", mp.hypot, np.hypot, _between((-5, 5), None), arity=2),
    Row("pow", mp.power, np.power, _between("powers"), arity=2),
    Row("erf", mp.erf, None, _between((-6, 6), (-1, 1), None)),
    Row("erfc", _erfc, None, _erfc_range),
)  # fmt: skip


def _by_exponent(count: int, dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    """Return numbers of both signs, spread over all exponents."""
    reach = _limit(dtype) - 1
    return rng.choice([-1.0, 1.0], count) * np.exp(rng.uniform(-reach, reach, count))


def _points(row: Row, dtype: np.dtype, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the operands: `count` points, shared among the ranges."""
    ranges = row.ranges(dtype)
    share = -(-count // len(ranges))
    parts = []
    for one in ranges:
        if one == "powers":  # of all bases, with exponents for which the result is in range
            base = np.concatenate([rng.uniform(0, 5, share // 2), np.abs(_by_exponent(share - share // 2, dtype, rng))])
            base = base.astype(dtype).astype(np.float64)
            with np.errstate(divide="ignore"):
                reach = (_limit(dtype) - 1) / np.maximum(np.abs(np.log(base)), 1e-6)
            parts.append([base, rng.uniform(-1, 1, share) * np.minimum(reach, 1e6)])
        elif one == "quadrants":  # next to multiples of pi/2, where digits cancel
            parts.append([rng.integers(1, 1 << 20, share) * (math.pi / 2)])
        elif one is None:
            parts.append([_by_exponent(share, dtype, rng) for _ in range(row.arity)])
        else:
            parts.append([rng.uniform(*one, share) for _ in range(row.arity)])
    return [np.concatenate(column)[:count].astype(dtype) for column in zip(*parts, strict=True)]


def _exact(row: Row, arguments: Arrays, places: np.ndarray) -> np.ndarray:
    """Return true values at some points, as long doubles."""
    found = np.empty(len(places), np.longdouble)
    with mpmath.workprec(120):
        for i, place in enumerate(places.tolist()):
            value = row.exact(*(mp.mpf(float(a[place])) for a in arguments))
            high = float(value)
            found[i] = np.longdouble(high) + np.longdouble(float(value - high) if math.isfinite(high) else 0)
    return found


def _errors(row: Row, arguments: Arrays, results: Arrays) -> list[np.ndarray]:
    """Return the error of each target's results, in units in the last place; -1 at points that are left out."""
    dtype = arguments[0].dtype
    info = np.finfo(dtype)
    everywhere = np.arange(arguments[0].size)
    usable = np.all([np.isfinite(a) & (np.abs(a) >= 2 * info.tiny) for a in arguments], axis=0)

    def compare(true: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
        inside = usable[places] & np.isfinite(true.astype(dtype)) & (np.abs(true) >= 2 * info.tiny)
        unit = np.ldexp(np.longdouble(1), np.frexp(true)[1] - 1 - info.nmant)
        distances = [np.where(np.isfinite(r[places]), np.abs(r[places] - true) / unit, math.inf) for r in results]
        return [np.where(inside, d, -1).astype(float) for d in distances]

    with np.errstate(all="ignore"):
        if row.quick is None or np.finfo(np.longdouble).nmant < 63:
            return compare(_exact(row, arguments, everywhere), everywhere)
        errors = compare(row.quick(*(a.astype(np.longdouble) for a in arguments)), everywhere)
        for i, error in enumerate(errors):
            worst = np.argsort(error)[-_CHECKED:]
            error[worst] = compare(_exact(row, arguments, worst), worst)[i]
        return errors


@functools.cache
def compiled(rows: tuple[Row, ...], dtype: np.dtype, target: str) -> Callable[..., list[np.ndarray]]:
    """Compile functions as one module, which takes the operands of all of them, arrays of one size."""

    def together(*operands: Any) -> list[Any]:
        rest = iter(operands)
        return [wrap(dif.OPS[f"dif.{row.name}"](*(lift(next(rest)) for _ in range(row.arity)))) for row in rows]

    spec = {np.dtype(np.float32): difc.f32["n"], np.dtype(np.float64): difc.f64["n"]}[dtype]
    module = difc.compile(together, *[spec] * sum(row.arity for row in rows), target=target)
    return lambda *operands: [np.asarray(result) for result in module(*operands)]


def measure(
    rows: tuple[Row, ...], dtype: np.dtype, targets: Sequence[str], count: int = POINTS, seed: int = 0
) -> dict[str, list[Worst]]:
    """Return the worst error of each function on each target, by the function's name."""
    rng = np.random.default_rng(seed)
    arguments = [_points(row, dtype, count, rng) for row in rows]
    operands = [array for arrays in arguments for array in arrays]
    results = [compiled(rows, dtype, target)(*operands) for target in targets]
    found = {}
    for i, row in enumerate(rows):
        found[row.name] = []
        for error in _errors(row, arguments[i], [result[i] for result in results]):
            place = int(np.argmax(error))
            found[row.name].append(Worst(float(error[place]), tuple(float(a[place]) for a in arguments[i])))
    return found


def _page() -> str:
    targets = ["cpu", *(["vulkan"] if available()["vulkan"] is None else [])]
    dtypes = [np.dtype(np.float64), np.dtype(np.float32)]
    found = {dtype: measure(ROWS, dtype, targets) for dtype in dtypes}
    head = ["function", *(f"{name} {dtype}" for dtype in ("f64", "f32") for name in targets), "worst f64 on the CPU at"]
    lines = [head, ["---"] * len(head)]
    for row in ROWS:
        errors = [f"{worst.error:.2f}" for dtype in dtypes for worst in found[dtype][row.name]]
        at = ", ".join(f"{v:.17g}" for v in found[dtypes[0]][row.name][0].at)
        lines.append([f"`{row.name}`", *errors, at])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return _TEXT.format(points=f"{POINTS:,}", table=table)


_TEXT = """# Accuracy

Written by `python docs/accuracy.py`; do not edit.

Elementary functions are expansions into basic operations, the same on all targets: no C library and no driver decides
their digits. This is the worst error of each over {points} points, in units in the last place of the true value. The
points cover the whole range of each function: all exponents, arguments of sine, cosine and tangent up to the largest
number and next to multiples of pi/2, powers of all bases. A function that is rounded perfectly has 0.5.

{table}
f16 and bf16 compute in f32, and are rounded once more. On CPUs subnormal arguments and results are zero.
`sqrt` and division are the target's own, which are exact on CPUs and NVIDIA GPUs; Vulkan promises 2.5 units for
divisions in f32, and drivers may add as much to the functions that divide. The Vulkan columns are Mesa's software
driver.
"""


if __name__ == "__main__":
    OUTPUT.write_text(_page())
