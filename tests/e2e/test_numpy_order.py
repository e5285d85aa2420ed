"""Functions that sort, search, count, reduce and go along an axis: derivatives, vmap, run-time sizes, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.pytree import flatten
from difc.testing import check_grads
from tests.e2e.sweeps import as_dtype, check_vmap, on_targets
from tests.frontend.numpy_cases_order import ORDER_CASES

RNG = np.random.default_rng(0)
X, V, W = RNG.normal(size=(3, 4)), RNG.normal(size=7), RNG.uniform(0.5, 2, 7)
GRID = np.cumsum(W)
HOLES = np.where(X > 0.9, np.nan, X)
BINS = np.array([0, 2, 1, 2, 9, 0, 1])

SMOOTH: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "sort": (lambda x: np.sort(x, 0) ** 2 * np.arange(12.0).reshape(3, 4), (X,)),
    "sort flat": (lambda x: np.sort(x, None) ** 3, (X,)),
    "partition": (lambda x: np.partition(x, 2) ** 2, (X,)),
    "lexsort": (lambda x: np.take(x, np.lexsort((x, BINS))) * x, (V,)),
    "top_k": (lambda x: dnp.top_k(x, 2)[0] ** 2, (X,)),
    "median": (lambda x: np.median(x, 1) ** 2, (X,)),
    "quantile": (lambda x, q: np.quantile(x, q, axis=1) ** 2, (X, np.array([0.2, 0.55]))),
    "quantile weights": (lambda x: np.quantile(x, 0.4, weights=W, method="inverted_cdf") ** 2, (V,)),
    "percentile hazen": (lambda x: np.percentile(x, [20, 70], method="hazen") ** 2, (X,)),
    "nanquantile": (lambda x: np.nanquantile(np.where(HOLES == HOLES, x, np.nan), 0.6, axis=0) ** 2, (X,)),
    "nanmedian": (lambda x: np.nanmedian(np.where(HOLES == HOLES, x, np.nan)) ** 2, (X,)),
    "cumprod": (lambda x: np.cumprod(x, 1) ** 2, (X,)),
    "cummax": (lambda x: dnp.cummax(x, 1) ** 2, (X,)),
    "cummin": (lambda x: dnp.cummin(x) ** 2, (X,)),
    "cumulative_prod": (lambda x: np.cumulative_prod(x, include_initial=True) ** 2, (W,)),
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x, axis=1), (X,)),
    "logaddexp.accumulate": (lambda x: np.logaddexp.accumulate(x), (V,)),
    "multiply.reduceat": (lambda x: np.multiply.reduceat(x, [0, 3, 5]), (V,)),
    "prod": (lambda x: np.prod(x, 1, where=X > -0.5, initial=2), (X,)),
    "std": (lambda x: np.std(x, 1, ddof=1), (X,)),
    "var": (lambda x: np.var(x, where=X > -0.5), (X,)),
    "nanstd": (lambda x: np.nanstd(np.where(HOLES == HOLES, x, np.nan), axis=1), (X,)),
    "average": (lambda x, w: np.average(x, weights=w), (V, W)),
    "ptp": (lambda x: np.ptp(x, 0) ** 2, (X,)),
    "cov": (lambda x, w: np.cov(x[:, :3] ** 2, aweights=w[:3]), (X, W)),
    "corrcoef": (np.corrcoef, (X,)),
    "bincount": (lambda w: np.bincount(BINS, w) ** 2, (W,)),
    "histogram": (lambda x, w: np.histogram(x, 3, weights=w)[0] ** 2, (V, W)),
    "histogram bounds": (lambda x: np.histogram(x, 3)[1] ** 2, (V,)),
    "interp": (lambda x, t, f: np.interp(x, t, f) ** 2, (X + 4, GRID, V)),
    "interp period": (lambda x, t, f: np.interp(x, t, f, period=20.0) ** 2, (X, GRID, V)),
    "gradient": (lambda x, t: np.gradient(x**2, t, edge_order=2), (V, GRID)),
    "unwrap": (lambda x: np.unwrap(9 * x) ** 2, (V,)),
    "trapezoid": (lambda y, x: np.trapezoid(y**2, x), (V, GRID)),
    "diff": (lambda x: np.diff(x**2, 2, prepend=0, axis=1), (X,)),
    "convolve": (lambda x, y: np.convolve(x, y, "same"), (V, X[0])),
    "correlate": (lambda x, y: np.correlate(x, y, "full"), (V, X[0])),
    "einsum": (lambda x, y: np.einsum("ij,kj,ij->k", x, y, x), (X, X[:2])),
    "einsum diagonal": (lambda x: np.einsum("ii,i...->...", x[:, :3], x), (X,)),
    "kron": (lambda x, y: np.kron(x, y[:2]), (X, V)),
    "tensordot": (lambda x, y: np.tensordot(x, y, ([0, 1], [1, 0])), (X, X.T * 2)),
    "cross": (lambda x, y: np.cross(x[:, :3], y[:3]), (X, V)),
    "trace": (lambda x: np.trace(x**2, 1), (X,)),
    "vecmat": (np.vecmat, (X[:, 0], X)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name: str) -> None:
    f, arguments = SMOOTH[name]
    check_grads(f, arguments, modes=("rev",))


def test_vmap_is_a_loop() -> None:
    check_vmap(SMOOTH)


def test_ties_share_and_zeros_do_not_divide() -> None:
    x = np.array([1.0, 3, 3, 2, 3, 4])
    slopes = [  # of the running maximum by the elements: each place shares among the largest so far
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 1 / 2, 1 / 2, 0, 0, 0],
        [0, 1 / 2, 1 / 2, 0, 0, 0],
        [0, 1 / 3, 1 / 3, 0, 1 / 3, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    with difc.disable_jit():
        for i, row in enumerate(slopes):
            np.testing.assert_allclose(difc.grad(lambda x, i=i: np.maximum.accumulate(x)[i])(x), row)
            np.testing.assert_allclose(difc.grad(lambda x, i=i: np.minimum.accumulate(x)[i])(-x), row)
        slope = difc.grad(lambda x: np.sum(np.cumprod(x)))(np.array([2.0, 0, 3, 0, 5]))
        np.testing.assert_allclose(slope, [1, 2 + 2 * 3, 0, 0, 0])
        second = difc.grad(lambda x: difc.grad(lambda x: np.cumprod(x)[2])(x)[0])(np.array([0.0, 0, 7]))
        np.testing.assert_allclose(second, [0, 7, 0])
    check_grads(lambda x: np.cumprod(x), [np.array([2.0, 0, 3, 0, 5])])


def test_spreads_of_equal_elements_have_a_derivative_of_zero() -> None:
    grad = lambda f: difc.grad(lambda x: np.sum(f(x)))  # noqa: E731
    mixed = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 6.0]])
    with difc.disable_jit():
        for f in (np.std, np.nanstd, lambda x: np.std(x, axis=0)):
            for x in (np.array([3.0]), np.full(4, 2.0)):
                np.testing.assert_array_equal(grad(f)(x), 0)
                np.testing.assert_array_equal(grad(grad(f))(x), 0)
        found = grad(lambda x: np.std(x, 1))(mixed)
        np.testing.assert_allclose(found[1], (mixed[1] - 3) / (3 * np.std(mixed[1])))
        np.testing.assert_array_equal(found[0], 0)
        assert np.isnan(grad(lambda x: np.std(x, ddof=1))(np.array([3.0]))).all()  # it is 0 / 0 itself
        assert np.isnan(grad(np.std)(np.array([3.0, np.nan]))).all()
    for dtype in (np.float64, np.float32):
        np.testing.assert_array_equal(difc.grad(np.std)(np.ones(3, dtype)), np.zeros(3, dtype))


SIZED: list[Callable[[Any], Any]] = [
    lambda x: (np.sort(x), np.argsort(-x), np.median(x), np.quantile(x, [0.1, 0.5])),
    lambda x: (np.cumprod(x), np.maximum.accumulate(x), np.searchsorted(np.sort(x), x), np.digitize(x, np.sort(x))),
    lambda x: (np.histogram(x, 4), dnp.nonzero(x > 0, size=3), np.interp(x, np.sort(x), x), np.unwrap(x)),
    lambda x: (np.gradient(x, np.cumsum(x * x)), np.cov(x), np.nanmedian(x), np.var(x), np.mean(x), np.ptp(x)),
    difc.grad(lambda x: np.sum(np.sort(x) ** 2 * np.cumprod(x)) + np.median(x) * np.quantile(x, 0.3)),
]


def test_one_program_for_all_sizes() -> None:
    """Sizes of one block, of an incomplete one, and of several that are merged."""
    compiled = difc.compile(lambda x: [f(x) for f in SIZED], difc.f64["n"])
    for size in (5, 6, 70, 333):
        x = np.random.default_rng(size).normal(size=size)
        with difc.disable_jit():
            wanted = difc.jit(lambda x: [f(x) for f in SIZED])(x)
        for i, (got, want) in enumerate(zip(flatten(compiled(x))[0], flatten(wanted)[0], strict=True)):
            np.testing.assert_allclose(np.asarray(got), want, rtol=1e-9, atol=1e-12, err_msg=f"{i} of size {size}")


@on_targets
def test_compiled(target: str, dtype: Any) -> None:
    """The last case of each function and the derivative of some, all in one module."""
    wide = {"gradient", "histogram2d", "histogramdd", "interp", "nanmedian", "cov"} if target == "vulkan" else set()
    cases = [
        (name, rows[-1][0], as_dtype(rows[-1][1], dtype)) for name, rows in ORDER_CASES.items() if name not in wide
    ]
    slopes = {name: SMOOTH[name] for name in ("sort", "median", "cumprod", "cummax", "nanstd", "convolve")}
    given = [as_dtype(a, dtype) for _, a in slopes.values()]

    def program(arguments: Any, given: Any) -> Any:
        results = [f(*a) for (_, f, _), a in zip(cases, arguments, strict=True)]
        return results, [
            difc.grad(lambda *a, f=f: np.sum(f(*a)))(*a) for (f, _), a in zip(slopes.values(), given, strict=True)
        ]

    arguments = [a for _, _, a in cases]
    found, found_slopes = difc.compile(program, arguments, given, target=target)(arguments, given)
    with difc.disable_jit():
        wanted, wanted_slopes = difc.jit(program)(arguments, given)
    limit = 1e-12 if dtype == np.float64 else 2e-5
    names = [name for name, _, _ in cases]
    for name, result, want in zip(names + [*slopes], found + found_slopes, wanted + wanted_slopes, strict=True):
        for a, b in zip(flatten(result)[0], flatten(want)[0], strict=True):
            np.testing.assert_allclose(np.asarray(a), b, rtol=limit, atol=limit, err_msg=name)
