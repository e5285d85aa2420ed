"""Loops and branches over arrays whose sizes are given late, and their gradients: compiled against the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import difc
from difc.runtime import ArraySpec
from tests.pipelines.artifacts import VULKAN
from tests.programs import PROGRAMS, Sample

F32 = np.dtype(np.float32)
ON = ["cpu", pytest.param("vulkan", marks=VULKAN)]
#: Their loops count in float64: `i * x` has NumPy's dtype.
WIDE = ("run_time_length", "run_time_length_of_zero")


def _scalar(f: Callable[..., Any]) -> Callable[..., Any]:
    def total(*args: Any) -> Any:
        floats = [y for y in optree.tree_leaves(f(*args)) if y.dtype.kind == "f"]
        return sum(np.sum(y * y) * (0.3 + 0.1 * i) + np.sum(np.tanh(y)) for i, y in enumerate(floats))

    return total


def _gradient(sample: Sample, order: int = 1) -> Callable[..., Any]:
    floats = tuple(i for i, spec in enumerate(sample.specs) if spec.dtype.kind == "f")
    f = sample.fn
    for _ in range(order):
        f = difc.grad(_scalar(f), argnums=floats)
    return f


def _narrow(dtype: np.dtype) -> np.dtype:
    return F32 if dtype.kind == "f" else dtype


def check(sample: Sample, f: Callable[..., Any], target: str) -> None:
    specs = [ArraySpec(spec.shape, _narrow(spec.dtype)) for spec in sample.specs]
    compiled = difc.compile(f, *specs, target=target)
    if target == "cuda":
        return
    for seed in (0, 1):
        given = [a.astype(_narrow(a.dtype)) for a in sample.draw(seed)]
        with difc.disable_jit():
            wanted = optree.tree_leaves(difc.jit(f)(*given))
        for got, want in zip(optree.tree_leaves(compiled(*given)), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-4)


def _sample(name: str) -> Sample:
    return next(p for p in PROGRAMS if p.name == name)


@pytest.mark.parametrize("target", ON)
def test_the_gradient_of_a_branch_in_a_loop(target: str) -> None:
    sample = _sample("cond_in_scan")
    check(sample, _gradient(sample), target)


@pytest.mark.parametrize("target", ON)
def test_mapped_gradients_of_loops_of_mapped_lengths(target: str) -> None:
    sample = _sample("mapped_steps")
    check(sample, sample.fn, target)
    check(sample, _gradient(sample), target)


@pytest.mark.slow
@pytest.mark.parametrize("target", [*ON, "cuda"])
@pytest.mark.parametrize("sample", [p for p in PROGRAMS if p.name not in WIDE], ids=lambda p: p.name)
def test_programs_and_gradients(sample: Sample, target: str) -> None:
    check(sample, sample.fn, target)
    check(sample, _gradient(sample), target)
    if target == "cpu":
        check(sample, _gradient(sample, 2), target)


def residuals_of_different_sizes(p: Any, x: Any, m: Any) -> Any:
    first = lambda x, m: np.sum(np.tanh(np.tanh(x[:, None] * m) @ np.tanh(m.T) @ x))  # noqa: E731
    return difc.cond(p, first, lambda x, m: np.sum(np.tanh(x) ** 2) * np.sum(np.tanh(m)), x, m)


def branch_in_loop(x: Any, m: Any) -> Any:
    def step(c: Any, row: Any) -> Any:
        wide = lambda c: np.tanh(c) * np.sum(np.tanh(np.concatenate([c, row, c])))  # noqa: E731
        c = difc.cond(np.sum(c) > 0.3, lambda c: np.tanh(np.tanh(c[:, None] * m) @ row), wide, c)
        return c, np.concatenate([c, row])

    return difc.scan(step, x, m)


def loops_in_branches_in_loop(x: Any, m: Any) -> Any:
    def step(c: Any, row: Any) -> Any:
        def first(c: Any) -> Any:
            c, ys = difc.scan(lambda c, x: (np.tanh(c * x), c * x), c, row)
            return c + np.sum(ys * row)

        def second(c: Any) -> Any:
            c, ys = difc.scan(lambda c, x: (np.tanh(c + x), np.sum(c) * x), c, m)
            return c + np.sum(ys)

        c = difc.cond(np.sum(c) > 0.3, first, second, c)
        return c, np.sum(c)

    return difc.scan(step, x, m)


def counted_loops(w: Any, xs: Any, n: Any) -> Any:
    def outer(c: Any, row: Any) -> Any:
        c, ys = difc.scan(lambda c, _: (np.tanh(c * w + row), c * 2.0), c, length=n)
        return c, np.sum(ys, axis=0)

    return difc.scan(outer, w, xs)


f64, i64 = difc.f64, difc.i64
HARD = [
    Sample("residuals", residuals_of_different_sizes, (difc.bool_[()], f64["n"], f64["n", "m"])),
    Sample("branch_in_loop", branch_in_loop, (f64["m"], f64["m", "m"])),
    Sample("loops_in_branches", loops_in_branches_in_loop, (f64["m"], f64["n", "m"])),
    Sample("counted_loops", counted_loops, (f64["m"], f64["n", "m"], i64[()]), {}, {2: 2}),
    Sample("counted_loops_of_no_step", counted_loops, (f64["m"], f64["n", "m"], i64[()]), {}, {2: 0}),
]


def test_the_gradient_of_a_loop_in_a_loop() -> None:
    check(HARD[3], _gradient(HARD[3]), "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("target", ON)
@pytest.mark.parametrize("sample", HARD, ids=lambda p: p.name)
def test_hard_programs(sample: Sample, target: str) -> None:
    for order in range(3):
        check(sample, _gradient(sample, order), target)
