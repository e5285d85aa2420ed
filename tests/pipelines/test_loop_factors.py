"""Loops with factorisations of small matrices: one kernel, which computes the numbers of the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.scipy.linalg as dl
from difc import config
from difc.pipelines import loop_kernels
from difc.pytree import flatten
from tests.pipelines.lowered import loops_on_host


def definite(x: Any) -> Any:
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1], dtype=x.dtype)


# Steps of loops over square matrices, or stacks of them.
STEPS: dict[str, Callable[[Any], Any]] = {
    "solve": lambda x: np.linalg.solve(definite(x), x),
    "solve with the transpose": lambda x: np.linalg.solve(np.swapaxes(x, -1, -2) + x, x[..., :1]) * x,
    "inv": lambda x: np.linalg.inv(x) * 0.5,
    "det": lambda x: x / (1 + np.linalg.det(x) ** 2)[..., None, None],
    "slogdet": lambda x: x + 0.1 * np.linalg.slogdet(definite(x))[1][..., None, None],
    "cholesky": lambda x: np.linalg.cholesky(definite(x)),
    "solve_triangular": lambda x: dl.solve_triangular(
        np.linalg.cholesky(definite(x)), dl.solve_triangular(x, x, trans=1, unit_diagonal=True), lower=True
    ),
    "lu of more rows": lambda x: (
        dl.lu_factor(x[..., : (x.shape[-1] + 1) // 2])[0] @ x[..., : (x.shape[-1] + 1) // 2, :]
    ),
    "lu of more columns": lambda x: 0.5 * x - 0.2 * dl.lu(x[..., : (x.shape[-1] + 1) // 2, :])[2][..., -1:, :],
    "cho_solve": lambda x: dl.cho_solve((np.linalg.cholesky(definite(x)), True), x),
}


def matrices(*shape: int, dtype: str = "f8") -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    return (random.normal(size=shape) * 0.3 + np.eye(shape[-1])[::-1]).astype(dtype)


def check(f: Callable[..., Any], *arguments: Any, tolerance: float = 1e-9, specs: Any = None) -> None:
    """Check that a function has no loop on the host, and computes the numbers of the interpreter."""
    assert loops_on_host(f, *(specs or arguments)) == 0
    compiled = difc.compile(f, *(specs or arguments))
    with difc.disable_jit():
        wanted = flatten(difc.jit(f)(*arguments))[0]
    for got, want in zip(flatten(compiled(*arguments))[0], wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def loop(step: Callable[[Any], Any], x: Any, length: Any = 3) -> Any:
    return difc.scan(lambda c, _: (step(c), c), x, length=length)


@pytest.mark.parametrize(("size", "dtype", "tolerance"), [(1, "f8", 1e-9), (5, "f4", 2e-3), (8, "f8", 1e-9)])
def test_the_numbers_of_the_interpreter(size: int, dtype: str, tolerance: float) -> None:
    check(lambda x: [loop(step, x) for step in STEPS.values()], matrices(size, size, dtype=dtype), tolerance=tolerance)


def total(step: Callable[[Any], Any], x: Any) -> Any:
    last, rows = loop(step, x)
    return np.sum(np.sin(last)) + np.sum(np.cos(rows))


@pytest.mark.parametrize("size", [1, 3])
def test_gradients(size: int) -> None:
    check(lambda x: [difc.value_and_grad(lambda x, s=s: total(s, x))(x) for s in STEPS.values()], matrices(size, size))


@pytest.mark.parametrize("name", ["solve", "cholesky", "slogdet"])
def test_second_order(name: str) -> None:
    slope = difc.grad(lambda x: total(STEPS[name], x))
    check(difc.grad(lambda x: np.sum(slope(x) ** 2)), matrices(2, 2))


@pytest.mark.parametrize("batch", [3, 20])
def test_vmap(batch: int) -> None:
    """From 16 on, matrices of float64 are called for as lanes of vectors."""
    x = matrices(batch, 2, 2)
    check(lambda x: [difc.vmap(lambda x, s=s: loop(s, x))(x) for s in STEPS.values()], x)
    check(difc.vmap(difc.grad(lambda x: total(STEPS["solve"], x))), x)


def test_run_time_length_and_columns() -> None:
    def f(x: Any, n: Any, rows: Any) -> Any:
        return loop(STEPS["solve"], x, n), difc.scan(lambda c, r: (STEPS["cho_solve"](c + np.outer(r, r)), r), x, rows)

    for n in (0, 3):
        rows = np.random.default_rng(n).normal(size=(n, 2))
        check(f, matrices(2, 2), np.int64(n), rows, specs=(difc.f64[2, 2], difc.i64[()], difc.f64["t", 2]))


def test_matrices_without_a_factor() -> None:
    """What comes after a pivot that is not positive is NaN, and a singular matrix has the kernels' infinities."""
    x = np.array([[1.0, 2.0], [2.0, 1.0]])
    check(lambda x: loop(lambda c: np.linalg.cholesky(c) + c, x), x)
    check(lambda x: loop(lambda c: np.linalg.det(c) + c, x), np.ones((3, 3)))
    check(lambda x: loop(lambda c: np.linalg.det(c) + c, x), np.array([[np.nan, 1.0], [2.0, 3.0]]))
    check(lambda x: loop(lambda c: c + dl.lu_factor(c)[1], x), np.array([[1.0, 1.0], [np.nan, 3.0]]))


def test_larger_matrices_and_other_kernels_stay_on_the_host() -> None:
    for step, size in ((STEPS["solve"], 9), (lambda x: x + np.linalg.eigh(definite(x))[0], 3)):
        assert loops_on_host(lambda x, step=step: loop(step, x), matrices(size, size)) > 0


def test_the_numbers_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        def step(x: Any) -> Any:
            packed, pivots = dl.lu_factor(x)
            return dl.lu_solve((packed, pivots), np.tril(x)) + np.tril(x)

        return loop(step, x), loop(lambda x: np.linalg.cholesky(np.maximum(x, x.T) + 9 * np.eye(4)), x)

    x = matrices(4, 4)
    with config.override(cache_dir=""):
        found = flatten(difc.compile(f, x)(x))[0]
        monkeypatch.setattr(loop_kernels, "_WORK", 0.0)
        wanted = flatten(difc.compile(f, x)(x))[0]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)
