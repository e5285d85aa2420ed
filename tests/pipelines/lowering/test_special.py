"""The special functions, compiled, keep their digits: beside mpmath, or SciPy where that keeps them, too."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from tests.pipelines.lowered import together

mpmath = pytest.importorskip("mpmath")
ROOT = Path(__file__).resolve().parents[3]


def _numbers(function: Callable[..., Any], digits: int = 30) -> Callable[..., np.ndarray]:
    """Return a function of arrays from one of mpmath's numbers."""

    def apply(*arrays: np.ndarray) -> np.ndarray:
        with mpmath.workdps(digits):
            return np.array([float(function(*map(mpmath.mpf, row))) for row in np.stack(arrays, -1).tolist()])

    return apply


def _line(low: float, high: float, count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, count)


def _powers(low: float, high: float, count: int) -> np.ndarray:
    return 10.0 ** _line(low, high, count)


def _near(place: float) -> np.ndarray:
    return place + np.random.default_rng(1).normal(size=20) * 1e-3


def _by_order(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The derivative of P(a, x) by a; of Q where that is the smaller one."""

    def slope(a: float, x: float) -> float:
        with mpmath.workdps(40):
            if x < a + 1:
                return float(mpmath.diff(lambda a: mpmath.gammainc(a, 0, x, regularized=True), a))
            return -float(mpmath.diff(lambda a: mpmath.gammainc(a, x, regularized=True), a))

    return np.array([slope(*pair) for pair in zip(a.tolist(), x.tolist(), strict=True)])


def _beta(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """I(a, b, x) by its series of positive terms, or by that of its complement."""

    def series(a: Any, b: Any, x: Any) -> Any:
        term = total = mpmath.mpf(1)
        k = 0
        while term > mpmath.mpf(10) ** -30 * total:
            term *= (a + b + k) / (a + 1 + k) * x
            total, k = total + term, k + 1
        return x**a * (1 - x) ** b / (a * mpmath.beta(a, b)) * total

    def value(a: Any, b: Any, x: Any) -> Any:
        return 1 - series(b, a, 1 - x) if x > (a + 1) / (a + b + 2) else series(a, b, x)

    return _numbers(value, 50)(a, b, x)


#: name -> op, arguments (f32 leaves out what it does not hold), reference, tolerance in units of the last place
N = 60
POSITIVE = np.concatenate([_powers(-250, 250, N), _powers(-30, 30, N), _line(0.01, 12, N), _near(1.0), _near(2.0)])
BELOW = -_line(0.01, 15, N)
BOTH = np.concatenate([_line(-20, 20, N), _powers(-30, 4, N), -_powers(-30, 4, N)])
SHAPES = 10.0 ** np.random.default_rng(2).uniform(0, 3, (2, N))
WAVES = np.concatenate([BOTH, _line(-60, 60, N), *(_near(zero) for zero in (2.404825557695773, 7.015586669815619))])
FUNCTIONS: dict[str, tuple[Any, tuple[np.ndarray, ...], Callable[..., np.ndarray], float]] = {
    "lgamma": (dif.lgamma, (POSITIVE,), _numbers(mpmath.loggamma), 3),
    "gamma": (dif.gamma, (np.concatenate([_line(0.01, 34, N), _powers(-30, 0, N), BELOW]),), _numbers(mpmath.gamma), 4),
    "digamma": (
        partial(dif.polygamma, order=0),
        (np.append(POSITIVE, 1.4616321449683623 + np.arange(9) * 1e-5),), _numbers(mpmath.digamma), 4,
    ),
    **{
        f"polygamma_{n}": (
            partial(dif.polygamma, order=n), (np.concatenate([_powers(-4, 4, N), _line(0.01, 30, N), BELOW]),),
            _numbers(lambda x, n=n: mpmath.psi(n, x)), 4 + n,
        )
        for n in (1, 2, 5)
    },
    "erfcx": (
        dif.erfcx, (np.concatenate([_powers(-30, 3, N), _line(-9, 10, N)]),),
        _numbers(lambda x: mpmath.exp(x * x) * mpmath.erfc(x)), 4,
    ),
    "erfinv": (dif.erfinv, (np.append(_line(-1, 1, N), _powers(-30, -1, N)),), scipy.special.erfinv, 8),
    "erfcinv": (dif.erfcinv, (np.append(_line(0, 2, N), _powers(-300, -1, N)),), scipy.special.erfcinv, 8),
    "bessel_i0e": (dif.bessel_i0e, (BOTH,), scipy.special.i0e, 8),
    "bessel_i1e": (dif.bessel_i1e, (BOTH,), scipy.special.i1e, 8),
    "bessel_j0": (dif.bessel_j0, (WAVES[np.abs(WAVES) < 8],), _numbers(mpmath.j0), 4),
    "bessel_j1": (dif.bessel_j1, (WAVES[np.abs(WAVES) < 8],), _numbers(mpmath.j1), 4),
    "bessel_k0e": (dif.bessel_k0e, (np.abs(BOTH),), _numbers(lambda x: mpmath.besselk(0, x) * mpmath.exp(x)), 6),
    "bessel_k1e": (dif.bessel_k1e, (np.abs(BOTH),), _numbers(lambda x: mpmath.besselk(1, x) * mpmath.exp(x)), 5),
    "betainc": (dif.betainc, (SHAPES[0], SHAPES[1], SHAPES[0] / SHAPES.sum(0) * _line(0.5, 1, N)), _beta, 40),
    "gammainc": (dif.gammainc, (_powers(-4, 2, N), _powers(-2, 2, N)), scipy.special.gammainc, 100),
    "gammaincc": (dif.gammaincc, (_powers(-4, 2, N), _powers(-2, 2, N)), scipy.special.gammaincc, 100),
    "gammainc_by_order": (dif.gammainc_by_order, (_powers(-4, 2, N), _powers(-2, 2, N)), _by_order, 100),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [F64, pytest.param(F32, marks=pytest.mark.slow)], ids=str)
def test_functions_keep_their_digits(dtype: np.dtype) -> None:
    info = np.finfo(dtype)
    arguments = {}
    for name, (_, given, _, _) in FUNCTIONS.items():
        with np.errstate(over="ignore", under="ignore"):
            arrays = [x.astype(dtype) for x in given]
        kept = np.all([np.isfinite(x) & (np.abs(x) > info.tiny) for x in arrays], axis=0)
        arguments[name] = [x[kept] for x in arrays]
    program = together({name: (op, [Aval((DYN,), dtype)] * len(xs)) for name, (op, xs, _, _) in FUNCTIONS.items()})
    for name, (found,) in program(arguments).items():
        _, _, reference, limit = FUNCTIONS[name]
        wanted = reference(*(x.astype(np.float64) for x in arguments[name]))
        inside = (np.abs(wanted) > info.tiny) & (np.abs(wanted) < info.max)
        np.testing.assert_allclose(found[inside], wanted[inside], rtol=limit * info.eps, err_msg=name)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_errors_of_waves_are_small_beside_their_height(dtype: np.dtype) -> None:
    """Also at zeros, where they are not small beside the value."""
    x = np.concatenate([WAVES, _powers(0, 5, N), -_powers(0, 5, N), [8.0, np.nextafter(dtype.type(8.0), 0)]]).astype(
        dtype
    )
    x = x[np.abs(x) > np.finfo(dtype).tiny]
    names = {"j0": mpmath.j0, "j1": mpmath.j1, "y0": partial(mpmath.bessely, 0), "y1": partial(mpmath.bessely, 1)}
    points = {name: x if name[0] == "j" else np.abs(x) for name in names}
    program = together({name: (dif.OPS[f"dif.bessel_{name}"], [Aval((DYN,), dtype)]) for name in names})
    for name, (found,) in program({name: [p] for name, p in points.items()}).items():
        wanted = _numbers(names[name], 60)(points[name].astype(np.float64))
        height = np.sqrt(2 / np.pi / np.maximum(np.abs(points[name]), 1).astype(np.float64))
        error = np.abs(found - wanted) / np.maximum(np.abs(wanted), height)
        assert error.max() < 7 * np.finfo(dtype).eps, name


@pytest.mark.slow
def test_the_constants_are_those_that_the_script_computes() -> None:
    place = ROOT / "docs" / "special_coefficients.py"
    spec = importlib.util.spec_from_file_location("special_coefficients", place)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    assert script.OUTPUT.read_text() == script.generated()
