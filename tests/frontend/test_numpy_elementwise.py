"""Every traced ufunc has NumPy's values and dtypes: over dtypes, Python numbers, broadcasting, and special values."""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import difc
import difc.numpy as dnp
from difc import config
from difc.errors import DtypeError
from difc.numpy import registry
from tests.frontend.traced import check, compare, trace_and_run

registry.load()

ELEMENTWISE = [u for u in registry.UFUNCS if u.signature is None]
DTYPES = [np.dtype(t) for t in ("bool", "i1", "u1", "i4", "i8", "u8", "f2", "f4", "f8")]

#: ufunc -> where its argument must lie; others take anything
DOMAINS = {
    np.log: (0.1, 9), np.log2: (0.1, 9), np.log10: (0.1, 9), np.sqrt: (0, 9), np.log1p: (-0.9, 9), np.arccosh: (1, 9),
    np.arctanh: (-0.9, 0.9), np.tan: (-1.4, 1.4), np.power: (0.1, 3), np.float_power: (0.1, 3), np.reciprocal: (1, 9),
    np.left_shift: (0, 9), np.right_shift: (0, 9),
}  # fmt: skip


def numbers_for(ufunc: np.ufunc, dtype: np.dtype, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    low, high = DOMAINS.get(ufunc, (-4, 4))
    low = max(low, 0) if dtype.kind in "ub" else low
    return np.random.default_rng(seed).uniform(low, high, shape).round(3).astype(dtype)


def has_loop(ufunc: np.ufunc, dtypes: tuple[Any, ...]) -> bool:
    try:
        return all(d.kind != "O" and d.itemsize <= 8 for d in ufunc.resolve_dtypes((*dtypes, *[None] * ufunc.nout)))
    except TypeError:
        return False


def _tolerance(ufunc: np.ufunc, *arrays: Any) -> float | None:
    """Return the tolerance: NumPy computes some float16 ufuncs in float16, and powers of floats by products differ."""
    with np.errstate(all="ignore"):
        result = ufunc(*arrays)
    kind = (result[0] if isinstance(result, tuple) else result).dtype
    return 3e-3 if kind == np.float16 else None


@pytest.mark.parametrize("ufunc", ELEMENTWISE, ids=lambda u: u.__name__)
def test_dtypes(ufunc: np.ufunc) -> None:
    tried = 0
    for dtypes in itertools.product(DTYPES, repeat=ufunc.nin):
        if has_loop(ufunc, dtypes):
            arrays = [numbers_for(ufunc, d, (2, 3), i) for i, d in enumerate(dtypes)]
            if ufunc in (np.divmod, np.floor_divide, np.remainder, np.fmod) and dtypes[0] == np.float16:
                continue  # NumPy rounds the steps of half precision; here they are float32
            if ufunc is np.spacing and ufunc(*arrays).dtype == np.float16:
                continue  # NumPy leaves out the sign here, for half precision only
            check(ufunc, *arrays, tolerance=_tolerance(ufunc, *arrays))
            tried += 1
    assert tried


@pytest.mark.parametrize("ufunc", [u for u in ELEMENTWISE if u.nin == 2], ids=lambda u: u.__name__)
def test_python_numbers_are_weak(ufunc: np.ufunc) -> None:
    for dtype, number in itertools.product(DTYPES, (True, 2, 1.5)):
        weak = np.dtype(bool) if number is True else type(number)
        if has_loop(ufunc, (dtype, weak)) and has_loop(ufunc, (weak, dtype)):
            x = numbers_for(ufunc, dtype, (3,))
            if dtype == np.float16 and ufunc in (np.divmod, np.floor_divide, np.remainder, np.fmod):
                continue
            check(lambda a, n=number: ufunc(a, n), x, tolerance=_tolerance(ufunc, x, number))
            check(lambda a, n=number: ufunc(n, a), x, tolerance=_tolerance(ufunc, number, x))


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e300, -1e-300])


@pytest.mark.parametrize("ufunc", ELEMENTWISE, ids=lambda u: u.__name__)
def test_special_values(ufunc: np.ufunc) -> None:
    if not has_loop(ufunc, (np.dtype(float),) * ufunc.nin):
        return
    pairs = np.array(list(itertools.product(SPECIAL, repeat=ufunc.nin)))
    arrays = [np.ascontiguousarray(column) for column in pairs.T]
    with np.errstate(all="ignore"):
        expected = ufunc(*arrays)
    found = trace_and_run(ufunc, *arrays)
    compare(found, expected)
    if ufunc in (np.copysign, np.trunc, np.negative, np.multiply, np.floor_divide, np.remainder):
        wanted = expected[~np.isnan(expected)]
        np.testing.assert_array_equal(np.signbit(found[0][~np.isnan(expected)]), np.signbit(wanted))


@pytest.mark.parametrize("ufunc", [np.sinh, np.cosh, np.arcsinh, np.arctanh, np.exp2, np.hypot, np.logaddexp, np.log10])
def test_formulas_are_precise(ufunc: np.ufunc) -> None:
    """Within some units in the last place of float64, also for tiny and large arguments."""
    sizes = 10.0 ** np.linspace(-300, 2.8 if ufunc in (np.sinh, np.cosh, np.exp2) else 300, 400)
    x = sizes if ufunc is np.log10 else np.concatenate([sizes, -sizes])
    x = x[np.abs(x) < 0.999] if ufunc is np.arctanh else x
    arrays = [x] if ufunc.nin == 1 else [x, x[::-1].copy()]
    with np.errstate(all="ignore"):
        expected = ufunc(*arrays)
    (found,) = trace_and_run(ufunc, *arrays)
    both = np.isfinite(expected)
    assert (np.isfinite(found) == both).all()
    assert np.max(np.abs(found[both] - expected[both]) / np.spacing(np.abs(expected[both]))) <= 8


shapes = st.lists(st.sampled_from([1, 2, 3]), max_size=3).map(tuple)


@settings(max_examples=30, deadline=None)
@given(shapes, shapes, st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_broadcasting(a: tuple[int, ...], b: tuple[int, ...], left: np.dtype, right: np.dtype) -> None:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ValueError, match="do not broadcast"):
            trace_and_run(np.add, np.zeros(a, left), np.zeros(b, right))
        return
    check(lambda x, y: x * y + x, np.ones(a, left), np.full(b, 2, right))


def test_operators_and_functions_of_difc_numpy() -> None:
    def f(x: Any, n: Any) -> Any:
        return [
            -x, +x, abs(x), x + 1, 1 - x, 2 * x, x / 2, 1 / x, x // 0.3, x % 0.3, 7 % x, x**2, x**-1, x**0.5, 2**x,
            x**3.0,
            x > 0, x <= 1, x == x, x != 1, ~n, n & 3, n | 4, n ^ 1, n << 2, n >> 1, 1 << n,
            divmod(x, 0.4), divmod(n, -2),
            x.astype(np.float32), x.astype(int), n.astype(bool), x @ x, n // 2, n % -3,
        ]  # fmt: skip

    x, n = np.array([0.3, 1.7, 2.5]), np.array([0, 5, 9])
    check(f, x, n)
    check(lambda a: [round(a[1], 1), round(a[0]), round(a[2] * 100, -1)], x)
    check(lambda a: dnp.sum(dnp.where(a > 1, dnp.sin(a), 0.5)), x)


def test_python_numbers_beyond_the_dtype_compare_asnumbers_for() -> None:
    check(lambda x: [x < 300, x > -1, x == 300, x >= -5], np.uint8([0, 200, 255]))
    check(lambda x, y: [x < y, x == y, y >= x, y != x], np.array([-1, 0, 5]), np.array([2**64 - 1, 0, 5], np.uint64))


def test_python_numbers_that_come_at_run_time_compare_asnumbers_for() -> None:
    """NumPy's rule for Python integers, which need not fit the dtype that they are compared in."""
    f = lambda n, x: [x < n, n == x, x >= n, len(x) > x]  # noqa: E731
    with config.override(interpret=True):
        for dtype in (np.int8, np.uint8, np.uint64):
            x = np.arange(130 if dtype == np.int8 else 260).astype(dtype)
            for n in (-2, 130, 300, 2):
                compare(difc.jit(f)(n, x), f(n, x))


def test_static_exponents_are_products() -> None:
    x = np.array([-2.0, 0.0, 3.0])
    for exponent in (0, 1, 2, 5, 2.0, 64, -1, -3, -3.0):
        check(lambda a, e=exponent: a**e, x)
    check(lambda a: a**0.5, np.abs(x))
    check(lambda a: a ** np.int64(3), x.astype(np.float32))
    check(lambda a: a ** np.array([1.0, 2.0, 3.0]), np.abs(x))
    with pytest.raises(DtypeError, match="integers to negative integer powers"):
        trace_and_run(lambda a: a**-1, np.arange(3))


def test_weak_arguments_stay_weak() -> None:
    (found,) = trace_and_run(lambda x, t: x * (t + 1) / 2, np.float32([1, 2]), 3.0, weak=[False, True])
    assert found.dtype == np.float32


def test_bfloat16() -> None:
    x = np.array([0.5, 1.5, -2.0], ml_dtypes.bfloat16)
    for f in (np.sin, np.tanh, np.sinh, np.square, lambda a: a * 2.5 + 1, lambda a: a**2, lambda a: np.maximum(a, 0)):
        (found,) = trace_and_run(f, x)
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found.astype(float), np.asarray(f(x.astype(np.float32)), float), rtol=1e-2)
    (wide,) = trace_and_run(lambda a, b: a + b, x, np.float16([1, 2, 3]))
    assert wide.dtype == np.float32


def test_dtype_keyword_computes_in_that_dtype() -> None:
    check(lambda x: np.true_divide(x, 3, dtype=np.float32), np.arange(3, dtype=np.float32))
    check(lambda x: np.add(x, x, dtype=np.float64), np.float32([0.1, 1e8]))


def test_run_time_sizes() -> None:
    check(lambda x, y: np.hypot(x, y) + x * y[:, None].T, np.ones((3, 2)), np.ones(2), dynamic=[(0, 0), (0, 1), (1, 0)])
    check(lambda x: x / x.shape[0] + (x.shape[0] // 2), np.ones(5), dynamic=[(0, 0)])
    check(lambda x: np.minimum(x, 0.3) ** 2, np.ones(5), dynamic=[(0, 0)])
