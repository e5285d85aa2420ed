"""Loops as kernels: which become one, and that they compute the numbers of the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc import config
from difc.pipelines import loop_kernels
from difc.pytree import flatten
from difc.scipy.special import logsumexp
from tests.pipelines.lowered import kernels_must_compile, loops_on_host

X, Y = np.array([0.5, 1.5, 2.5]), np.array([0.1, 0.2, 0.3])


def fori(body: Callable[..., Any], start: Any, steps: Any = 5) -> Any:
    return difc.fori_loop(0, steps, lambda _, c: body(c), start)


def scan(body: Callable[..., Any], start: Any, length: Any = 5) -> Any:
    return difc.scan(lambda c, _: body(c), start, length=length)


# Programs of x, y (three floats each) and n (an integer), of which each loop becomes a kernel.
KERNELS: dict[str, Callable[..., Any]] = {
    "swapped carries": lambda x, y, n: fori(lambda c: (c[1], c[0] + 1), (x, y)),
    "rotated carries": lambda x, y, n: fori(lambda c: (c[1], c[2], c[0] * 2), (x, y, x + y), 7),
    "one value for two carries": lambda x, y, n: fori(lambda c: (c[0] + c[1],) * 2, (x, x)),
    "one start for two carries": lambda x, y, n: fori(lambda c: (c[0] + x, c[1] + y), (dnp.zeros(3), dnp.zeros(3))),
    "a carry that is handed on": lambda x, y, n: scan(lambda c: ((c[1], c[1]), c[0]), (x, y)),
    "a shift of past values": lambda x, y, n: scan(lambda c: ((np.sin(c[0]) + c[2], c[0], c[1]), c[2]), (x, y, x + y)),
    "scalars that are shifted": lambda x, y, n: scan(lambda c: ((c[0] * 0.5 - c[1], c[0]), c[0]), (x[0], y[0])),
    "changing places and stacked": lambda x, y, n: scan(lambda c: ((c[1], c[2], c[0]), c[0] + c[1]), (x, y, x + y)),
    "an array before its update": lambda x, y, n: scan(lambda c: ((c[0].at[1].set(c[1][0]), c[0]), c[1]), (x, y)),
    "a part that moves on": lambda x, y, n: scan(
        lambda c: ((c[1][1:], np.concatenate([c[0], c[1][:1] * 2])), c[0]), (x[:2], y)
    ),
    "no step": lambda x, y, n: scan(lambda c: (c * 2, (c, c + 1)), x, n - n),
    "run-time length": lambda x, y, n: scan(lambda c: (c * 2, (c, c + 1, c)), x, n),
    "run-time start": lambda x, y, n: difc.fori_loop(n, n + 4, lambda i, c: c * 2 + i, x),
    "bools": lambda x, y, n: scan(lambda c: ((c[0] * 1.5, c[0] > 1.0), c[1]), (x, x > 1)),
    "a branch": lambda x, y, n: scan(
        lambda c: (difc.cond(c.sum() > 3, lambda c: np.tanh(c), lambda c: c + y, c), c), x
    ),
    "a branch that swaps": lambda x, y, n: scan(
        lambda c: (difc.cond(c[0].sum() > 3, lambda a, b: (b, a), lambda a, b: (a + 1, b), *c), c[0]), (x, y)
    ),
    "a branch that takes a part": lambda x, y, n: scan(
        lambda c: (np.sum(difc.cond(c > 1, lambda: x[1:], lambda: y[:2] + c)), c), 0.0
    ),
    "a loop in a loop": lambda x, y, n: scan(lambda c: difc.scan(lambda c, z: (c + z, c * z), c, y), x.sum()),
    "an old value after an inner loop": lambda x, y, n: scan(
        lambda c: (lambda last, rows: (last, (rows, c)))(*difc.scan(lambda c, z: (c + z, c * z), c, y)), x
    ),
    "padding, joining, reversing": lambda x, y, n: fori(
        lambda c: np.concatenate([c[1:], c[:1]])[::-1] + np.pad(c, 1)[2:], x
    ),
    "reading and writing at an index": lambda x, y, n: scan(lambda c: (c.at[np.argmax(c)].add(-1.0), c[n % 3]), x),
    "products and sums": lambda x, y, n: fori(
        lambda c: c @ c * 0.1 + np.sum(c, axis=0) + np.cumsum(c, axis=1), np.outer(x, y)
    ),
    "small integers": lambda x, y, n: fori(
        lambda c: c * np.int8(3) + np.int8(1), np.array([1, 2], np.int8) + n.astype(np.int8)
    ),
    "a carry read in another shape": lambda x, y, n: difc.grad(
        lambda x: np.sum(scan(lambda c: (logsumexp(c[:, None] + np.outer(x, y), axis=0), None), y)[0])
    )(x),
    "a long stack": lambda x, y, n: scan(lambda c: (np.sin(c), (c, c * 2)), x, 10000),
}


def test_kernels_compute_what_the_loops_do() -> None:
    def all_of(x: Any, y: Any, n: Any) -> Any:
        slope = difc.grad(lambda x: np.sum(scan(lambda c: (np.sin(c) * x, c * c), y, n)[1]))
        return [f(x, y, n) for f in KERNELS.values()], slope(x)

    assert loops_on_host(all_of, X, Y, np.int64(4)) == 0
    with kernels_must_compile():
        compiled = difc.compile(all_of, X, Y, np.int64(4))
    for n in (4, 0):
        with difc.disable_jit():
            wanted = difc.jit(all_of)(X, Y, np.int64(n))
        for got, want in zip(flatten(compiled(X, Y, np.int64(n)))[0], flatten(wanted)[0], strict=True):
            np.testing.assert_allclose(np.asarray(got), want, rtol=1e-11, atol=1e-13)


# Loops of x (floats) that carry bools, or choose between some.
BOOLS: dict[str, Callable[[Any], Any]] = {
    "made from numbers": lambda x: scan(lambda c: ((c[0] * 1.5, c[0] > 1.0), c[1]), (x, x > 1)),
    "that numbers depend on": lambda x: scan(
        lambda c: (lambda v: ((v, v > 1), v))(np.where(c[1], 0.0, c[0] + 0.1)), (x, x > 1)
    ),
    "of a branch": lambda x: scan(
        lambda c: ((c[0] * 1.1, difc.cond(c[0].sum() > 5, lambda b: ~b, lambda b: b & (x > 0), c[1])), c[1]), (x, x > 1)
    ),
    "that change places": lambda x: fori(lambda c: (c[1], c[0]), (x > 1, x > 2)),
}


@pytest.mark.parametrize("name", BOOLS)
@pytest.mark.parametrize("size", [3, "n"])
def test_loops_that_carry_bools(name: str, size: Any) -> None:
    with kernels_must_compile():
        found = difc.compile(BOOLS[name], difc.f64[size])(X)
    with difc.disable_jit():
        wanted = difc.jit(BOOLS[name])(X)
    for got, want in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        np.testing.assert_array_equal(got, want)


def test_arrays_of_run_time_size_that_a_loop_reads() -> None:
    def f(x: Any, rows: Any) -> Any:
        last, stacked = difc.scan(lambda c, row: (np.tanh(c + row), c * row), x, rows)
        return np.sum(last) + np.sum(stacked**2)

    gradient = difc.grad(f, argnums=(0, 1))
    compiled = difc.compile(gradient, difc.f64[3], difc.f64["t", 3])
    assert loops_on_host(gradient, difc.f64[3], difc.f64["t", 3]) == 0
    for size in (0, 1, 6):
        rows = np.random.default_rng(size).normal(size=(size, 3))
        with difc.disable_jit():
            wanted = gradient(X, rows)
        for got, want in zip(compiled(X, rows), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize(
    ("body", "start"),
    [
        (lambda c: np.exp(c * 0.1), np.ones((200, 200))),  # much work in a step
        (lambda c: c + 1, np.ones(20000)),  # too large for the stack
        (lambda c: np.linalg.solve(c, c) + c, np.eye(9)),  # kernels of difc in the loop
        (lambda c: c * np.float16(0.5), np.ones(3, np.float16)),
        (lambda c: c * 2, np.ones(0)),
        (lambda c: tuple(np.sin(a + c[0]) for a in c), (np.ones(2),) * 40),  # more arrays than a kernel takes
    ],
)
def test_loops_that_stay_on_the_host(body: Callable[..., Any], start: Any) -> None:
    assert loops_on_host(lambda c: fori(body, c), start) > 0


def test_loops_of_constants_stay_on_the_host() -> None:
    """IREE computes kernels of constants when a module is loaded, and loses results beside a loop on the host."""

    def f(x: Any, n: Any) -> Any:
        last, total = fori(lambda c: (c[0] * 0, c[1] + 0.5 * c[0]), (dnp.asarray(Y), dnp.zeros(3)), 3)
        return last + 1, total, fori(lambda c: np.exp(c * 0.1), x, n)

    x = np.full((200, 200), 0.5)
    assert loops_on_host(f, x, np.int64(2)) == 2
    with difc.disable_jit():
        wanted = difc.jit(f)(x, np.int64(2))
    for got, want in zip(difc.jit(f)(x, np.int64(2)), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_an_inner_loop_alone() -> None:
    def f(x: Any) -> Any:
        return fori(lambda c: np.exp(c * 0.1) * np.sum(fori(np.tanh, X + c[0, 0])), x)

    assert loops_on_host(f, np.ones((200, 200))) == 1
    with difc.disable_jit():
        wanted = difc.jit(f)(np.ones((200, 200)))
    np.testing.assert_allclose(difc.jit(f)(np.ones((200, 200))), wanted, rtol=1e-12)


def test_the_same_numbers_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any, w: Any) -> Any:
        return scan(lambda c: (np.tanh(w @ c + np.sum(np.exp(w), axis=0)), c), x)

    w = np.outer(X, Y) + 0.1
    with config.override(cache_dir=""):
        found = difc.compile(f, X, w)(X, w)
        monkeypatch.setattr(loop_kernels, "_WORK", 0.0)
        wanted = difc.compile(f, X, w)(X, w)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)


def test_loops_stay_on_the_host_where_iree_cannot_compile_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_kernels, "yield_in_place", lambda _: None)
    with config.override(cache_dir=""):
        found = difc.compile(lambda x: fori(np.tanh, x), X)(X)
    with difc.disable_jit():
        np.testing.assert_allclose(found, difc.jit(lambda x: fori(np.tanh, x))(X), rtol=1e-14)
