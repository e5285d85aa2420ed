"""Random nestings of scan and cond, and their derivatives: compiled code against the interpreter and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc import config
from difc.pipelines import loop_kernels
from tests.e2e.control_programs import program
from tests.pipelines.artifacts import needs_vulkan

POINT = {"x": np.array([0.5, -0.2, 0.3]), "y": np.array([0.1, 0.6, -0.4])}
DIRECTION = {"x": np.array([0.2, 0.4, -0.3]), "y": np.array([-0.6, 0.1, 0.8])}
WEIGHTS = np.array([0.3, -0.7, 0.5])
LENGTHS = (4, 1, 0)


def flat(tree: Any) -> np.ndarray:
    leaves = [tree[k] for k in sorted(tree)] if isinstance(tree, dict) else [tree]
    return np.concatenate([np.ravel(np.asarray(leaf)) for leaf in leaves])


def gradient_of_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    def slope(p: dict[str, Any], n: Any) -> Any:
        gradient = difc.grad(f)(p, n)
        return sum((gradient[k] * WEIGHTS).sum() for k in sorted(gradient))

    return difc.grad(slope)


def jvp_of_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p, n: difc.jvp(lambda q: difc.grad(f)(q, n), (p,), (DIRECTION,))[1]


DERIVATIVES = [lambda f: f, difc.grad, gradient_of_gradient, jvp_of_gradient]
DERIVATIVE_NAMES = ["value", "gradient", "gradient of gradient", "jvp of gradient"]


def check(function: Callable[..., Any]) -> None:
    compiled = difc.jit(function)
    for length in LENGTHS:
        got = flat(compiled(POINT, np.array(length)))
        with difc.disable_jit():
            wanted = flat(compiled(POINT, np.array(length)))
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("derivative", DERIVATIVES, ids=DERIVATIVE_NAMES)
@pytest.mark.parametrize("seed", [5, 13, 22])
def test_compiled_programs_agree_with_the_interpreter(seed: int, derivative: Callable[..., Any]) -> None:
    check(derivative(program(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(100, 150), 231, 358])
def test_many_programs(seed: int) -> None:
    check(DERIVATIVES[seed % len(DERIVATIVES)](program(seed)))


@pytest.mark.parametrize("derivative", DERIVATIVES[1:3], ids=DERIVATIVE_NAMES[1:3])
def test_programs_whose_loops_stay_on_the_host(monkeypatch: pytest.MonkeyPatch, derivative: Callable[..., Any]) -> None:
    """As loops of longer steps do; the others here become kernels (`pipelines/loop_kernels.py`)."""
    monkeypatch.setattr(loop_kernels, "_WORK", 0.0)
    with config.override(cache_dir=""):
        check(derivative(program(11)))


@needs_vulkan
@pytest.mark.parametrize("derivative", DERIVATIVES[1:3], ids=DERIVATIVE_NAMES[1:3])
def test_programs_on_vulkan(derivative: Callable[..., Any]) -> None:
    with config.override(target="vulkan"):
        check(derivative(program(11)))


@pytest.mark.parametrize("seed", [5, 13, 22])
def test_gradients_agree_with_finite_differences(seed: int) -> None:
    f, length, eps = program(seed), np.array(4), 1e-6
    wanted = []
    for key in sorted(POINT):
        for i in range(POINT[key].size):
            values = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in POINT.items()}
                moved[key][i] += sign * eps
                values.append(float(f(moved, length)))
            wanted.append((values[0] - values[1]) / (2 * eps))
    with difc.disable_jit():
        gradient = difc.grad(f)(POINT, length)
    np.testing.assert_allclose(flat(gradient), wanted, rtol=1e-5, atol=1e-6)
