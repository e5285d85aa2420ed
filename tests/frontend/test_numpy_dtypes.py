"""Results of NumPy functions have NumPy's dtypes for every dtype of the arguments, and beside numbers and constants."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.dialects import BF16, Aval
from difc.errors import DifcError, DtypeError, InputError, ShapeError
from difc.numpy import registry
from difc.pytree import flatten
from difc.tracer import lift, wrap
from difc.tracing import new_frame
from tests.frontend.numpy_cases import CASES
from tests.frontend.traced import check, compare, trace_and_run

registry.load()

FLOATS, INTEGERS = ("f2", "f4"), ("i4", "u1")
#: What NumPy refuses and difc does not, and why.
ALLOWED = {
    "gradient": "differences of bool are those of the numbers 0 and 1",
    "interp": "what stands outside may be an array",
    "solve": "float16 beside another dtype is solved in that",
    "polyfit": "NumPy has no solver of float16; difc solves in float64, as NumPy does for float32",
}


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _found(f: Callable[..., Any], arrays: list[np.ndarray]) -> list[np.dtype]:
    """Return the dtypes of a traced function's results."""
    with new_frame([Aval(a.shape, a.dtype) for a in arrays], "`f`") as frame:
        results = f(*map(wrap, frame.block.arguments))
        return [dif.aval_of(lift(r)).dtype for r in flatten(results)[0]]


def _expected(f: Callable[..., Any], arrays: list[np.ndarray]) -> list[np.dtype] | None:
    """Return NumPy's dtypes, TypeError where it has none, and None where an error is about the values."""
    try:
        return [np.asarray(r).dtype for r in flatten(f(*arrays))[0]]
    except TypeError:
        return []
    except (ArithmeticError, LookupError, ValueError):
        return None


def _compare(f: Callable[..., Any], arrays: list[np.ndarray], lenient: bool = False) -> None:
    expected = _expected(f, arrays)
    if expected is None or (lenient and not expected):
        return
    if expected:
        assert _found(f, arrays) == expected, [a.dtype for a in arrays]
    else:
        with pytest.raises((TypeError, ValueError)):
            _found(f, arrays)


@pytest.mark.parametrize("name", CASES)
def test_of_every_dtype(name: str) -> None:
    for f, arrays in CASES[name]:
        given = [np.asarray(a) for a in arrays]
        for dtype in FLOATS:
            _compare(f, [a.astype(dtype) if a.dtype.kind == "f" else a for a in given], name in ALLOWED)
        for dtype in INTEGERS:
            _compare(f, [a.astype(dtype) if a.dtype.kind in "fiu" else a for a in given])


# ---- beside numbers and constants ----------------------------------------------------------------

SCALARS = (2, 2.0, True, np.float64(2), np.float32(2), np.int8(2), np.array(2.0))
VECTORS = (np.array([1.0, 2, 4]), np.array([1, 2, 4], np.float32), [1, 2, 4], [1.0, 2, 4])

#: Functions of a vector and a number or vector, which NumPy makes an array of, or does not.
MIXED: dict[str, Callable[[Any, Any], Any]] = {
    "append": np.append,
    "arctan2": np.arctan2,
    "average": lambda x, y: np.average(x, weights=y),
    "block": lambda x, y: np.block([x, y]),
    "choose": lambda x, y: np.choose(np.array([0, 1, 0]), [x, y]),
    "clip": lambda x, y: np.clip(x, None, y),
    "column_stack": lambda x, y: np.column_stack([x, y]),
    "concatenate": lambda x, y: np.concatenate([x, y]),
    "convolve": np.convolve,
    "copysign": np.copysign,
    "corrcoef": np.corrcoef,
    "cov": lambda x, y: np.cov(x, aweights=y),
    "cross": np.cross,
    "diff": lambda x, y: np.diff(x, prepend=y),
    "divide": np.divide,
    "dot": np.dot,
    "dot, number first": lambda x, y: np.dot(y, x),
    "ediff1d": np.ediff1d,
    "ediff1d, to_begin": lambda x, y: np.ediff1d(x, None, y),
    "einsum": lambda x, y: np.einsum("i,->i", x, y),
    "float_power": np.float_power,
    "full_like": np.full_like,
    "geomspace": lambda x, y: np.geomspace(x, y, 3),
    "gradient": np.gradient,
    "histogram": lambda x, y: np.histogram(x, 3, (0, y)),
    "histogramdd": lambda x, y: np.histogramdd(x[:, None], 3, [(0, y)]),
    "inner": np.inner,
    "insert": lambda x, y: np.insert(x, 1, y),
    "interp": lambda x, y: np.interp(x, [1, 2], [3, 4], left=y),
    "kron": np.kron,
    "ldexp": np.ldexp,
    "linspace": lambda x, y: np.linspace(x, y, 3),
    "logspace": lambda x, y: np.logspace(x, y, 3),
    "max": lambda x, y: np.max(x, initial=y if np.ndim(y) == 0 else 1),
    "nan_to_num": lambda x, y: np.nan_to_num(x, nan=y),
    "nanpercentile": np.nanpercentile,
    "nanquantile": lambda x, y: np.nanquantile(x, np.divide(y, 4)),
    "outer": np.outer,
    "pad": lambda x, y: np.pad(x, 1, constant_values=y),
    "pad, linear_ramp": lambda x, y: np.pad(x, 1, "linear_ramp", end_values=y),
    "percentile": np.percentile,
    "piecewise": lambda x, y: np.piecewise(x, [x > 1], [y]),
    "polyadd": np.polyadd,
    "polyint": lambda x, y: np.polyint(x, 1, y),
    "polymul": np.polymul,
    "polyval": np.polyval,
    "power": np.power,
    "quantile": lambda x, y: np.quantile(x, np.divide(y, 4)),
    "select": lambda x, y: np.select([x > 1], [x], y),
    "solve": lambda x, y: np.linalg.solve(x * np.eye(3, dtype=x.dtype), y),
    "stack": lambda x, y: np.stack([x, y]),
    "sum": lambda x, y: np.sum(x, initial=y if np.ndim(y) == 0 else 1),
    "tensordot": lambda x, y: np.tensordot(x, y, 0),
    "trapezoid": np.trapezoid,
    "unwrap": lambda x, y: np.unwrap(x, period=y + y),
    "where": lambda x, y: np.where(x > 1, x, y),
}


@pytest.mark.parametrize("name", MIXED)
def test_beside_a_constant(name: str) -> None:
    for dtype in (*FLOATS, *INTEGERS, "?"):
        for other in (*SCALARS, *VECTORS):
            _compare(lambda x, y=other: MIXED[name](x, y), [np.array([1, 2, 4]).astype(dtype)], name in ALLOWED)


def test_numbers_stay_weak_beside_bfloat16() -> None:
    x = np.array([1, 2, 4]).astype(BF16)
    for f in (lambda x: np.dot(2.0, x), lambda x: np.inner(x, 2), lambda x: np.convolve(x, 2.0), np.vander):
        assert _found(f, [x]) == [BF16]


@pytest.mark.parametrize("dtype", [np.float16, BF16])
def test_polyfit_of_half_floats(dtype: Any) -> None:
    x = np.arange(6).astype(dtype)
    (found,) = trace_and_run(lambda x: np.polyfit(x, 2 * x + 1, 1), x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [2, 1], rtol=1e-12)


# ---- values where a dtype is narrow --------------------------------------------------------------

BYTES = np.array([100, 50], np.uint8)
OF_BYTES: list[Callable[[Any], Any]] = [
    lambda x: np.pad(x, 3, "linear_ramp", end_values=(-3, 300)),
    lambda x: np.pad(x, 1, constant_values=-5),
    lambda x: np.pad(x, 1, constant_values=(-5, 300)),
    lambda x: np.linspace(-3.0 - x, x, 4, dtype=np.int8),
    lambda x: np.clip(x, -1, 300),
    lambda x: np.full_like(x, 300.7),
    lambda x: np.ediff1d(x, np.uint8([1]), [True]),
    lambda x: np.gradient(x, np.array([0.5, 3.0])),
    lambda x: np.dot(x, 300),
    lambda x: np.vander(x, 3),
    lambda x: np.average(x, weights=np.float32([1, 2])),
    lambda x: np.angle(x),
    lambda x: np.nanquantile(x.astype(np.float32), np.float32(0.3)),
    lambda x: np.polyint(x, 1, [1, 2, 3]),
]


def test_values_of_bytes() -> None:
    for f in OF_BYTES:
        check(f, BYTES)


def test_values_of_bytes_compiled() -> None:
    results = difc.jit(lambda x: [f(x) for f in OF_BYTES])(BYTES)
    for f, result in zip(OF_BYTES, results, strict=True):
        compare([np.asarray(result)], f(BYTES))


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.ediff1d(x, to_begin=0.5), DtypeError, "ediff1d: to_begin of dtype f64 does not fit .* of u8"),
        (lambda x: np.ediff1d(x, [1, 2]), DtypeError, "ediff1d: to_end of dtype i64 does not fit .* of u8.*astype"),
        (lambda x: np.unwrap(x, period=4), DtypeError, "unwrap: differences of u8 have no sign.*int64"),
        (lambda x: np.full_like(x, 300), DtypeError, "300 is no number of dtype u8"),
        (lambda x: np.insert(x, 0, -1), DtypeError, "-1 is no number of dtype u8"),
        (lambda x: np.piecewise(x, [x > 60], [-1, 0]), DtypeError, "-1 is no number of dtype u8"),
        (lambda x: np.insert(x, 0, np.nan), DtypeError, "nan is no number of dtype u8"),
        (lambda x: np.clip(x, 300, 400), DtypeError, "300 is no number of dtype u8"),
        (lambda x: np.sort(x, kind="zap"), InputError, "numpy.sort: sort kind must be one of .*zap.*leave kind= out"),
        (lambda x: np.argsort(x, kind="zap"), InputError, "numpy.argsort: sort kind must be one of"),
        (lambda x: np.partition(x, 1, kind="zap"), InputError, "numpy.partition: select kind must be"),
        (lambda x: np.argpartition(x, 1, kind="zap"), InputError, "numpy.argpartition: select kind must be"),
        (lambda x: np.isin(x, x, kind="zap"), InputError, "numpy.isin: Invalid kind: 'zap'"),
        (lambda x: np.correlate(x, 2), ShapeError, "correlate needs two vectors"),
        (lambda x: np.block([x, [x]]), ShapeError, "block: a list is empty, or lists are nested to different depths"),
        (lambda x: np.block([[x], []]), ShapeError, "block: a list is empty"),
        (lambda x: np.sum(x, initial=[1, 2]), ShapeError, "initial= must be one number, not an array"),
        (lambda x: np.max(x, initial=x), ShapeError, "initial= must be one number, not an array"),
    ],
)
def test_refusals(f: Callable[[Any], Any], error: type[DifcError], message: str) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        f(BYTES)
    with pytest.raises(error, match=f"(?s){message}"):
        _found(f, [BYTES])
