"""Loops that workgroups share out by lanes: which are, and that they compute the numbers of the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc import config
from difc.pytree import flatten
from tests.pipelines.lowered import kernels_must_compile, loops_on_host


def check(f: Callable[..., Any], *arguments: Any, specs: Any = None, host: int = 0, tolerance: float = 1e-10) -> None:
    """Check how many loops of a function stay on the host, and that it computes the numbers of the interpreter."""
    assert loops_on_host(f, *(specs or arguments)) == host
    found = flatten(difc.compile(f, *(specs or arguments))(*arguments))[0]
    with difc.disable_jit():
        wanted = flatten(difc.jit(f)(*arguments))[0]
    for got, want in zip(found, wanted, strict=True):
        scale = max(1.0, float(np.max(np.abs(want), initial=0)))
        np.testing.assert_allclose(np.asarray(got) / scale, want / scale, rtol=tolerance, atol=tolerance)


def lorenz(s: Any, p: Any) -> Any:
    x, y, z = s[..., 0], s[..., 1], s[..., 2]
    return np.stack([p * (y - x), x * (28.0 - z) - y, x * y - z * (8.0 / 3)], axis=-1)


def step(s: Any, p: Any) -> Any:
    h = 0.01
    first = lorenz(s, p)
    second = lorenz(s + h * first, p)
    third = lorenz(s + h * second, p)
    return s + h * (first + second + third) / 3


def run(s: Any, p: Any, steps: Any = 4) -> Any:
    """Three results of all kinds: what is the same in all lanes, lanes, and a stack of them."""
    (time, last), rows = difc.scan(lambda c, _: ((c[0] + 0.01, step(c[1], p)), c[1]), (p * 0, s), length=steps)
    return time, last, rows


def total(s: Any, p: Any) -> Any:
    time, last, rows = run(s, p)
    return np.sum(np.sin(last)) + np.mean(rows**2) + time


def starts(lanes: int, dtype: str = "f8") -> np.ndarray:
    return np.random.default_rng(0).normal(size=(lanes, 3)).astype(dtype)


@pytest.mark.parametrize(("lanes", "dtype", "tolerance"), [(600, "f8", 1e-12), (5000, "f4", 1e-5)])
def test_the_numbers_of_the_interpreter(lanes: int, dtype: str, tolerance: float) -> None:
    x, p = starts(lanes, dtype), np.array(10.0, dtype)
    check(run, x, p, tolerance=tolerance)
    check(difc.value_and_grad(total, argnums=(0, 1)), x, p, tolerance=tolerance)


def test_second_order() -> None:
    slope = difc.grad(total, argnums=1)
    check(difc.grad(lambda s, p: slope(s, p) ** 2, argnums=(0, 1)), starts(512), np.array(10.0))


def test_run_time_length_and_arrays_that_the_loop_reads() -> None:
    def f(s: Any, p: Any, n: Any, rows: Any) -> Any:
        def scanned(s: Any, p: Any) -> Any:
            last, kept = difc.scan(lambda c, r: (step(c, p) + r[:, None], c[:, 0] * r), s, rows)
            return np.sum(last**2) + np.sum(kept)

        return run(s, p, n), difc.grad(scanned, argnums=(0, 1))(s, p)

    for n in (0, 3):
        rows = np.random.default_rng(n).normal(size=(n, 600))
        arguments = (starts(600), np.array(10.0), np.int64(n), rows)
        check(f, *arguments, specs=(difc.f64[600, 3], difc.f64[()], difc.i64[()], difc.f64["t", 600]))


def test_vmap_of_filters() -> None:
    """Systems of equations for each lane, and sums of small matrices over lanes."""

    def loss(a: Any, rows: Any) -> Any:
        def update(carry: Any, y: Any) -> Any:
            x, p = carry
            p = a @ p @ a.T + np.eye(2)
            gain = np.linalg.solve(p + np.eye(2), p)
            x = a @ x + gain @ (y - a @ x)
            return (x, p - gain @ p), np.sum(x**2)

        return np.sum(difc.scan(update, (np.zeros(2), np.eye(2)), rows)[1])

    def f(a: Any, rows: Any) -> Any:
        return np.sum(difc.vmap(loss, in_axes=(None, 0))(a, rows))

    rows = np.random.default_rng(0).normal(size=(400, 5, 2))
    check(difc.value_and_grad(f), np.array([[0.9, 0.1], [-0.2, 0.8]]), rows)


# Steps that mix lanes, or whose sums over lanes are needed in the loop.
WHOLE: dict[str, Callable[[Any], Any]] = {
    "a sum of lanes": lambda s: step(s, 10.0) + np.sum(s) * 1e-3,
    "neighbours": lambda s: step(s, 10.0) + np.roll(s, 1, axis=0),
    "a part of the lanes": lambda s: step(s, 10.0) + s[0],
    "an element": lambda s: step(s, 10.0) + s[np.argmax(s[:, 0]) % 7, 0],
    "numbers of lanes": lambda s: np.tril(step(s, 10.0), 500),
    "the largest": lambda s: step(s, 10.0) + np.max(s) * 1e-3,
    "all but the last": lambda s: step(s, 10.0) + np.sum(s[:-1] * s[1:]) * 1e-3,
    "a running sum": lambda s: step(s, 10.0) + np.cumsum(s, axis=0) * 1e-3,
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("lanes", [1200, "n"])
def test_loops_that_are_not_shared_out(name: str, lanes: Any) -> None:
    def f(s: Any) -> Any:
        return difc.scan(lambda c, _: (WHOLE[name](c), None), s, length=3)[0]

    check(f, starts(1200), specs=(difc.f64[lanes, 3],), host=1)


@pytest.mark.parametrize("lanes", [607, 1201])
def test_workgroups_of_unequal_size(lanes: int) -> None:
    x, p = starts(lanes), np.array(10.0)
    check(run, x, p)
    check(difc.value_and_grad(total, argnums=(0, 1)), x, p)


@pytest.mark.parametrize("f", [run, difc.value_and_grad(total, argnums=(0, 1))])
def test_a_run_time_count_of_lanes(f: Callable[..., Any]) -> None:
    specs = (difc.f64["n", 3], difc.f64[()])
    assert loops_on_host(f, *specs) == 0
    compiled = difc.compile(f, *specs)
    for lanes in (0, 1, 7, 8, 9, 16, 37, 1009):
        x, p = starts(lanes), np.array(10.0)
        with difc.disable_jit():
            wanted = flatten(difc.jit(f)(x, p))[0]
        for got, want in zip(flatten(compiled(x, p))[0], wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


# Programs of which IREE has to find the memory, though it sees sizes of carries only.
CARRIES: dict[str, Callable[[Any], Any]] = {
    "numbers alone": lambda s: difc.scan(lambda c, _: (3.6 * c * (1 - c), c), s, length=3),
    "a carry that an inner loop changes": lambda s: difc.scan(
        lambda c, _: (difc.fori_loop(0, 2, lambda _, z: step(z, 10.0) + 0.01 * c, c), c[:, 0]), s, length=3
    ),
    "carries that change places": lambda s: difc.fori_loop(0, 3, lambda _, c: (c[1], step(c[0], 10.0)), (s, s + 1)),
    "padding and joining": lambda s: difc.fori_loop(
        0, 3, lambda _, c: step(c, 10.0) + np.pad(c, ((0, 0), (1, 0)))[:, 1:] + np.stack([c[:, 0]] * 3).T, s
    ),
    "choices": lambda s: difc.fori_loop(0, 3, lambda i, c: np.where(i > 1, step(c, 10.0), c), s),
    "a branch": lambda s: difc.fori_loop(
        0, 3, lambda i, c: difc.cond(i > 1, lambda c: step(c, 9.0), lambda c: c, c), s
    ),
}


@pytest.mark.parametrize("name", CARRIES)
@pytest.mark.parametrize("lanes", [1009, "n"])
def test_memory_of_lanes(name: str, lanes: Any) -> None:
    f, specs, is_fast_on_host = CARRIES[name], (difc.f64[lanes, 3],), (lanes, name) == (1009, "numbers alone")
    with kernels_must_compile():
        for x in (starts(1009), *([starts(n) for n in (0, 5)] if lanes == "n" else [])):
            check(f, x, specs=specs, host=int(is_fast_on_host))


def test_stacks_of_bools() -> None:
    def f(s: Any, n: Any) -> Any:
        return difc.scan(lambda c, _: (step(c, 10.0), c[:, 0] > 0), s, length=n)

    check(f, starts(40), np.int64(3), specs=(difc.f64["n", 3], difc.i64[()]), host=1)


def test_a_run_time_count_and_length() -> None:
    """Two arrays with the lanes, each with a count of its own that is the same."""

    def f(s: Any, rows: Any) -> Any:
        last, kept = difc.scan(lambda c, r: (step(c, 10.0) + r[:, None], c[:, 0] * r), s, rows.T)
        return np.sum(last**2) + np.mean(kept), last

    def slope(s: Any, rows: Any) -> Any:
        return difc.grad(lambda s, rows: f(s, rows)[0], argnums=(0, 1))(s, rows), f(s, rows)

    specs = (difc.f64["n", 3], difc.f64["n", "t"])
    assert loops_on_host(slope, *specs) == 0
    compiled = difc.compile(slope, *specs)
    for lanes, steps in ((1, 1), (5, 0), (37, 3), (600, 2)):
        arguments = starts(lanes), np.random.default_rng(1).normal(size=(lanes, steps))
        with difc.disable_jit(), np.errstate(all="ignore"):
            wanted = flatten(difc.jit(slope)(*arguments))[0]
        for got, want in zip(flatten(compiled(*arguments))[0], wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


def test_sums_over_lanes_that_begin_with_something() -> None:
    def f(s: Any, b: Any) -> Any:
        return difc.scan(lambda c, _: ((step(c[0], 10.0), c[1] + np.sum(c[0], axis=0)), None), (s, b), length=3)[0]

    with config.override(cache_dir=""):
        check(f, starts(600), np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("lanes", [600, "n"])
def test_sums_over_lanes_that_are_stacked(lanes: Any) -> None:
    def f(s: Any) -> Any:
        return difc.scan(lambda c, _: (step(c, 10.0), (np.sum(c), np.stack([np.sum(c[:, 0]), np.sum(c)]))), s, length=3)

    check(f, starts(600), specs=(difc.f64[lanes, 3],))


def test_sums_that_are_put_into_an_array_of_something() -> None:
    def f(s: Any, b: Any) -> Any:
        def body(c: Any, i: Any) -> Any:
            return (step(c[0], 10.0), c[1].at[i].set(np.sum(c[0]))), None

        return difc.scan(body, (s, b), np.arange(3))[0]

    check(f, starts(600), np.arange(5.0), host=1)
