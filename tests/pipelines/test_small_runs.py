"""Runs of operations on small arrays as kernels: which become one, and that they compute the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import difc
import difc.numpy as dnp
from difc.dialects import context
from difc.dialects.mlir import ir
from difc.pipelines import lower, small_runs
from difc.pipelines.target import Target
from difc.pytree import flatten
from tests.golden import IR, check_file
from tests.pipelines.lowered import host_code, kernels_must_compile

RNG = np.random.default_rng(0)
X, Y, M = RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(3, 3))


def kernels(f: Callable[..., Any], *arguments: Any, target: str = "cpu") -> tuple[int, int]:
    """Return how many kernels of runs there are, and how many operations on arrays are left outside."""
    outside = host_code(f, *arguments, target=target)
    return outside.count("[@difc_loop_"), outside.count("linalg.generic")


def results(f: Callable[..., Any], *arguments: Any) -> list[np.ndarray]:
    return [np.asarray(x) for x in flatten(f(*arguments))[0]]


def check(f: Callable[..., Any], *arguments: Any) -> None:
    """Compare a function with the interpreter, and its numbers with those of the kernels that IREE makes."""
    with pytest.MonkeyPatch.context() as patch, kernels_must_compile():
        found = results(difc.compile(f, *arguments), *arguments)
        patch.setattr(lower, "join_small_runs", lambda *_: None)
        before = results(difc.compile(f, *arguments), *arguments)
    with difc.disable_jit():
        wanted = results(difc.jit(f), *arguments)
    for one, other, want in zip(found, before, wanted, strict=True):
        assert one.dtype == want.dtype
        least = 1e-6 if want.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(one, other, rtol=least, atol=least)
        np.testing.assert_allclose(one, want, rtol=10 * least, atol=least)


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def entropy(logits: Any, target: Any) -> Any:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return -np.mean(np.sum((shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))) * target, axis=1))


def filtered(mean: Any, covariance: Any, z: Any, f: Any, h: Any) -> Any:
    """A step of a Kalman filter."""
    mean, covariance = f @ mean, f @ covariance @ f.T + 0.1 * np.eye(3)
    s = h @ covariance @ h.T + np.eye(3)
    gain = np.linalg.solve(s, h @ covariance).T
    left = z - h @ mean
    return mean + gain @ left, covariance - gain @ s @ gain.T, left @ np.linalg.solve(s, left)


def chain(x: Any, length: int = 4) -> Any:
    """Sums and elementary functions in turn: a run that is long enough, whatever it is part of."""
    for _ in range(length):
        x = np.tanh(x) + np.sum(x * x)
    return x


# Programs of which everything is in one kernel.
ONE: dict[str, tuple[Callable[..., Any], Sequence[Any]]] = {
    "gradient": (difc.grad(rosenbrock), [RNG.normal(size=16)]),
    "gradient and value": (difc.value_and_grad(entropy), [RNG.normal(size=(8, 10)), np.eye(10)[:8]]),
    "second derivative": (lambda x: difc.jvp(difc.grad(rosenbrock), (x,), (x,)), [RNG.normal(size=5)]),
    "factorisations": (filtered, [X, np.eye(3), Y, M, M.T]),
    "float32": (difc.grad(rosenbrock), [RNG.normal(size=16).astype(np.float32)]),
    "results that are used inside, too": (lambda x: (s := np.sum(x * x), y := chain(x) * s, chain(y)), [X]),
    "one result twice": (lambda x: (lambda y: (y, y, y[::-1]))(chain(x)), [X]),
    "a result and a view of it": (lambda x: (lambda y: (y, y.reshape(3, 3), y[:3]))(chain(x)), [M.ravel()]),
    "sums that begin with one zero": (
        lambda x, m: (np.sum(m * x), np.sum(m**2 * x), np.sum(m**3 * x, axis=0), np.sum(m**4 * x, axis=0)),
        [X, M],
    ),
    "an argument returned as it is": (lambda x, y: (x, chain(x + y), y), [X, Y]),
    "bools": (lambda x: (x > chain(x), (x > 0) & (chain(x) > 1), np.where(x > chain(x), x, 1.0)), [X]),
    "bools given": (lambda b, x: (b | (chain(x) > 1), np.where(b, chain(x), x), ~b), [X > 0, X]),
    "integers": (
        lambda i: (lambda j: (j, np.cumsum(j), np.sum(j * i) + np.max(j), j // 2 + i))(i * i + np.sum(i)),
        [np.arange(5)],
    ),
    "small integers": (
        lambda i: (lambda j: (j, np.cumsum(j, dtype=j.dtype), j * np.max(j), np.sum(j > i)))(i * i + np.max(i)),
        [np.arange(5, dtype=np.int8)],
    ),
    "constants": (lambda x: chain(x) * np.linspace(0, 1, 30).reshape(10, 3) + np.arange(30.0).reshape(10, 3), [X]),
    "parts put in": (lambda x: dnp.asarray(chain(x)).at[1:].add(chain(x[1:])).at[0].set(2.0), [X]),
    "part of a large array": (lambda x: chain(x[5, 10:13] * x[7, 1]), [RNG.normal(size=(100, 100))]),
    "rows of a large array": (
        lambda x, i: chain(x[i] * 1e-2).sum(axis=0),
        [RNG.normal(size=(100, 8)), np.array([7, 99, -1])],
    ),
    "joined": (lambda x, y: chain(np.concatenate([x, np.stack([y.sum(), chain(y)[0]]), chain(y)])), [X, Y]),
}


@pytest.mark.parametrize("name", ONE)
def test_programs_in_one_kernel(name: str) -> None:
    f, arguments = ONE[name]
    assert kernels(f, *arguments) == (1, 0)
    check(f, *arguments)


def test_golden() -> None:
    def lowered(text: str) -> str:
        with context():
            module = ir.Module.parse(text)
        return str(lower.lower(module, target_kind="cpu", vectors=Target.parse("cpu").vectors))

    check_file(IR / "kernels" / "small_runs.mlir", lowered)


def test_a_kernel_for_any_processor() -> None:
    f, arguments = ONE["gradient"]
    assert kernels(f, *arguments, target="cpu-generic") == (1, 0)
    assert kernels(f, *arguments, target="vulkan")[0] == 0
    found = difc.compile(f, *arguments, target="cpu-generic")(*arguments)
    with difc.disable_jit():
        np.testing.assert_allclose(found, f(*arguments), rtol=1e-12)


# Programs without such kernels.
NONE: dict[str, tuple[Callable[..., Any], Sequence[Any]]] = {
    "what IREE fuses": (lambda x: np.tanh(x * 2 + 1) * np.exp(-x) + np.sqrt(x * x), [X]),
    "a sum and what it is of": (lambda x: x / np.sum(np.exp(x)), [X]),
    "numbers alone": (lambda x: chain(x, 2), [np.float64(0.5)]),
    "large arrays": (chain, [RNG.normal(size=2000)]),
    "many steps": (lambda x: chain(x @ x) @ x, [RNG.normal(size=(16, 300, 300))[:, :2, :2].repeat(3, 0)]),
    "a loop that is written out": (lambda x: functools.reduce(lambda y, _: y * np.sum(y * y), range(60), x), [X]),
    "elements of a kind that the kernels lack": (chain, [X.astype(np.float16)]),
    "no elements": (chain, [np.ones(0)]),
    "nothing given": (lambda: chain(dnp.asarray(X)), []),
}


@pytest.mark.parametrize("name", NONE)
def test_programs_that_are_left_alone(name: str) -> None:
    f, arguments = NONE[name]
    assert kernels(f, *arguments)[0] == 0


def test_run_time_sizes_are_left_alone() -> None:
    assert kernels(chain, difc.f64["n"])[0] == 0
    assert kernels(lambda x, y: (chain(x), chain(y)), difc.f64["n"], difc.f64[3])[0] == 1
    compiled = difc.compile(lambda x, y: (chain(x), chain(y)), difc.f64["n"], difc.f64[3])
    for found, x in zip(compiled(M.ravel(), Y), (M.ravel(), Y), strict=True):
        np.testing.assert_allclose(found, chain(x), rtol=1e-12)


def test_a_large_operation_between() -> None:
    w = RNG.normal(size=(300, 3))

    def f(x: Any, w: Any) -> Any:
        y = chain(x)
        large = np.tanh(w * y)
        return chain(np.sum(large, axis=0) + y), large

    assert kernels(f, X, w)[0] == 2
    check(f, X, w)


def test_what_does_not_need_a_run_does_not_end_it() -> None:
    w = RNG.normal(size=(300, 3))

    def f(x: Any, w: Any) -> Any:
        y = chain(x, 2)
        large = np.sum(np.tanh(w), axis=0)
        return chain(y, 2), large

    assert kernels(f, X, w)[0] == 1
    check(f, X, w)


def test_loops_and_branches_between() -> None:
    def f(x: Any, w: Any, n: Any) -> Any:
        y = chain(x)
        w = difc.fori_loop(0, n, lambda i, w: np.tanh(w) + chain(w[i] + y), w)  # on the host
        z = difc.fori_loop(0, n, lambda i, c: np.tanh(c) + y, y)  # a kernel
        return chain(z + w[0]), difc.cond(z[0] > w[1, 2], lambda z: chain(z) * 2, lambda z: z + 1, z)

    w = RNG.normal(size=(300, 3))
    found, _ = kernels(f, X, w, np.int64(3))
    assert found >= 4
    check(f, X, w, np.int64(3))


def test_branches_within() -> None:
    def f(x: Any) -> Any:
        y = difc.cond(np.sum(x) > 0, lambda x: chain(x), lambda x: x[::-1] * 2, np.tanh(x))
        return chain(y) + x

    assert kernels(f, X) == (1, 0)
    for sign in (1.0, -1.0):
        check(f, sign * np.abs(X))


def test_numbers_that_the_host_needs() -> None:
    """An index from a run is read on the host, where it says which part of a large array is taken."""
    table = RNG.normal(size=(500, 700))

    def f(x: Any, i: Any, table: Any) -> Any:
        row = difc.numpy.asarray(table)[i % 500]
        return chain(x * (i + 1)), np.exp(row), chain(x, 5) + row[i % 7]

    assert kernels(f, X, np.int64(7), table)[0] >= 1
    check(f, X, np.int64(7), table)


def test_more_arrays_than_a_kernel_takes() -> None:
    def f(many: Any) -> Any:
        return [np.cumsum(x) * np.sum(np.tanh(x)) for x in many]

    many = [RNG.normal(size=3 + i) for i in range(18)]
    assert kernels(f, many)[0] == 2
    check(f, many)


def test_more_code_than_a_kernel_should_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels(lambda x: chain(x, 8), X)[0] == 1
    monkeypatch.setattr(small_runs, "_CODE", 500)
    assert kernels(lambda x: chain(x, 8), X)[0] == 2
    check(lambda x: chain(x, 8), X)


# ---- random programs -----------------------------------------------------------------------------

UNARY: list[Callable[[Any], Any]] = [
    np.tanh,
    np.sin,
    lambda a: np.exp(-a * a),
    lambda a: a[::-1] * 2.0,
    lambda a: np.cumsum(a, axis=0) * 0.3,
    lambda a: np.sum(a, axis=0, keepdims=True) * 0.1 + a,
    lambda a: a - np.max(a),
    lambda a: np.where(a > np.mean(a), a, 0.5),
    lambda a: a.T,
    lambda a: np.roll(a, 1, axis=0),
    lambda a: np.pad(a, 1)[tuple(slice(0, size) for size in a.shape)],
    lambda a: dnp.asarray(a).at[0].set(np.min(a)),
    lambda a: a[np.argsort(a.sum(axis=tuple(range(1, a.ndim))))],
    lambda a: (a > 0).astype(a.dtype) + a,
    lambda a: difc.cond(np.sum(a) > 0, lambda a: np.sin(a) * 2.0, lambda a: a[::-1], a),
]
BINARY: list[Callable[[Any, Any], Any]] = [
    np.add,
    lambda a, b: a * b * 0.5,
    lambda a, b: np.where(a < b, a, b * b),
    lambda a, b: np.tensordot(a, b, axes=([0], [0])) * 0.2 if a.ndim * b.ndim == 4 else a + b,
    lambda a, b: np.concatenate([a, b])[1 : 1 + a.shape[0]],
]


class Steps:
    """A program from data: each step is a function, and the numbers of what it works on."""

    def __init__(self, steps: list[tuple[int, int, int]]) -> None:
        self.steps = steps

    def __call__(self, x: Any, m: Any) -> Any:
        values = [x, m]
        for which, i, j in self.steps:
            a = values[i % len(values)]
            if which < len(UNARY):
                values.append(UNARY[which](a))
            else:
                same = [v for v in values if v.shape == a.shape]
                values.append(BINARY[which - len(UNARY)](a, same[j % len(same)]))
        last = values[-6:]
        return [*last, *(np.sum(v) for v in last), *(np.sum(v * v, axis=-1) for v in last)]

    def total(self, x: Any, m: Any) -> Any:
        return sum(np.sum(v) for v in self(x, m))


PLACE = st.integers(0, 30)
STEPS = st.lists(st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), PLACE, PLACE), min_size=5, max_size=25)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(STEPS)
def test_random_programs(steps: list[tuple[int, int, int]]) -> None:
    check(Steps(steps), X, M)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(STEPS)
def test_gradients_of_random_programs(steps: list[tuple[int, int, int]]) -> None:
    check(difc.value_and_grad(Steps(steps).total, (0, 1)), X, M)
