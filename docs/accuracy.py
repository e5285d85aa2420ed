"""Measures the functions of numbers: `python docs/accuracy.py` writes `docs/accuracy.md`, in about half an hour.

Each elementary function is run on points over its whole range: uniform where it varies, spread over all exponents, and
near the zeros of the periodic ones. An error is the distance from the true value in units in the last place of that
value. True values are mpmath's: at all points where NumPy has no function of long doubles, else at those points where
long doubles, whose own error is below a hundredth of such a unit, say that the error is largest. Points whose argument
or result is infinite or subnormal are left out: those are tests.

The special functions are those of `special_rows.py`. Their true values are Arb's at all points (`references.py`), and
mpmath confirms the worst ones.
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
import special_rows
from mpmath import mp

import difc
from difc import dialects as dif
from difc.runtime import available
from difc.tracer import lift, wrap

__all__ = ["ROWS", "SPECIAL_ROWS", "Row", "Worst", "compiled", "measure", "measure_special", "special_limits"]

OUTPUT = Path(__file__).resolve().parent / "accuracy.md"
POINTS = 100_000
SPECIAL_ROWS = special_rows.ROWS
_CHECKED = 200
_WORST = "worst f64 on the CPU at"
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


def measure_special(
    row: special_rows.Special,
    dtype: np.dtype,
    targets: Sequence[str],
    count: int = POINTS,
    seed: int = 0,
    confirm: bool = False,
) -> list[Worst]:
    """Return the worst error of a special function on each target, and in f64 that of SciPy at the same points.

    Args:
      confirm: compute the true value at the worst point with mpmath, too.
    """
    import references  # which needs Arb; the elementary functions do not

    info = np.finfo(dtype)
    arguments = row.points(dtype, count, np.random.default_rng(seed))
    spec = {np.dtype(np.float32): difc.f32["n"], np.dtype(np.float64): difc.f64["n"]}[dtype]
    results = [np.asarray(difc.compile(row.call, *[spec] * row.arity, target=t)(*arguments)) for t in targets]
    with np.errstate(all="ignore"):
        if dtype == np.float64:
            results.append(row.scipy(*arguments))
        usable = np.all([np.isfinite(a) & (np.abs(a) >= 2 * info.tiny) for a in arguments], axis=0)
        arguments, results = [a[usable] for a in arguments], [r[usable] for r in results]
        heights = np.zeros(arguments[0].size) if row.height is None else row.height.value(*arguments).astype(float)
        true = references.true_values(row.formula, arguments, heights, info.nmant + 20)
        sizes = np.maximum(np.abs(true), heights)
        inside = np.isfinite(true.astype(dtype)) & (sizes >= 2 * info.tiny)
        unit = np.ldexp(np.longdouble(1), np.frexp(sizes)[1] - 1 - info.nmant)
        found = []
        for result in results:
            distance = np.where(np.isfinite(result), np.abs(result - true) / unit, math.inf)
            error = np.where(inside, distance, -1).astype(float)
            place = int(np.argmax(error))
            at = tuple(float(a[place]) for a in arguments)
            if confirm and not abs(references.confirmed(row.formula, at) - float(true[place])) <= float(unit[place]):
                raise ArithmeticError(f"{row.name}: Arb and mpmath differ at {at}")
            found.append(Worst(float(error[place]), at))
    return found


def _digits(error: float) -> str:
    if math.isinf(error):
        return "∞"
    return f"{error:.2f}" if error < 10 else f"{error:.0f}" if error < 1e4 else f"{error:.0e}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *rows])


def _special_table(targets: Sequence[str]) -> str:
    rows = []
    for row in SPECIAL_ROWS:
        *double, theirs = measure_special(row, np.dtype(np.float64), targets, confirm=True)
        single = measure_special(row, np.dtype(np.float32), targets, confirm=True)
        errors = [_digits(worst.error) for worst in (*double, *single, theirs)]
        at = ", ".join(f"{v:.9g}" for v in double[0].at)
        rows.append([f"`{row.name}`", row.text, *errors, at, "" if row.height is None else row.height.text])
    head = ["function", "points", *_columns(targets), "SciPy f64", _WORST, "near zeros, units of"]
    return _table(head, rows)


def _columns(targets: Sequence[str]) -> list[str]:
    return [f"{name} {dtype}" for dtype in ("f64", "f32") for name in targets]


def special_limits() -> dict[str, dict[str, float]]:
    """Return the errors of the special functions that the page says: by function, and target and dtype ("cpu f64")."""
    lines = [line[2:-2].split(" | ") for line in OUTPUT.read_text().splitlines() if line.startswith("| ")]
    start = next(i for i, line in enumerate(lines) if line[:2] == ["function", "points"])
    columns = slice(2, lines[start].index("SciPy f64"))
    return {
        row[0].strip("`"): dict(zip(lines[start][columns], map(float, row[columns]), strict=True))
        for row in lines[start + 2 :]
    }


def _page() -> str:
    targets = ["cpu", *(["vulkan"] if available()["vulkan"] is None else [])]
    dtypes = [np.dtype(np.float64), np.dtype(np.float32)]
    found = {dtype: measure(ROWS, dtype, targets) for dtype in dtypes}
    head = ["function", *_columns(targets), _WORST]
    rows = []
    for row in ROWS:
        errors = [f"{worst.error:.2f}" for dtype in dtypes for worst in found[dtype][row.name]]
        at = ", ".join(f"{v:.17g}" for v in found[dtypes[0]][row.name][0].at)
        rows.append([f"`{row.name}`", *errors, at])
    return _TEXT.format(points=f"{POINTS:,}", table=_table(head, rows), special=_special_table(targets))


_TEXT = """# Accuracy

Written by `python docs/accuracy.py`; do not edit.

Functions are expansions into basic operations, the same on all targets: no C library and no driver decides their
digits. The tables have the worst error of each over {points} points, in units in the last place of the true value. A
function that is rounded perfectly has 0.5.

## Elementary functions

The points cover the whole range of each function: all exponents, arguments of sine, cosine and tangent up to the
largest number and next to multiples of pi/2, powers of all bases. True values are those of mpmath, or of long doubles
where mpmath confirms the 200 points that are worst by these.

{table}
f16 and bf16 compute in f32, and are rounded once more. On CPUs subnormal arguments and results are zero.
`sqrt` and division are the target's own, which are exact on CPUs and NVIDIA GPUs; Vulkan promises 2.5 units for
divisions in f32, and drivers may add as much to the functions that divide. The Vulkan columns are Mesa's software
driver.

## Special functions

These are functions of `difc.scipy.special`. The points are shared among the ranges of the second column: evenly from
one number `to` another, or with dots of all exponents between two (as far as the dtype has them), or `near` a place at
distances of all exponents; `and` joins those of several arguments. Points whose arguments or results are infinite or
subnormal are left out, and so are poles.

True values are Arb's (python-flint), whose every result has a proved bound of its error: the precision is raised until
that is below 2^-19 units. mpmath confirms those at the worst points of all columns. The column of SciPy is its error in
f64 at the same points; ∞ stands for an infinity or NaN where there is a number.

Where a function is zero next to numbers that are not exact, no expansion keeps the digits: the error is measured in
units of the number in the last column where that is larger than the value.

{special}
Errors of a hundred units and more are those of exponentials of large numbers, as of `beta`, `binom`, `poch` and `ndtr`
far out: half a unit in the last place of the exponent is that much of the result.
"""


if __name__ == "__main__":
    OUTPUT.write_text(_page())
