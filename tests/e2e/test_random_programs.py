"""Random programs of everything, and their gradients: compiled code against the interpreter, for sizes given late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import difc
from tests.e2e.random_calls import BroadProgram
from tests.e2e.random_programs import INPUTS, RandomProgram, arguments
from tests.pipelines.artifacts import needs_vulkan

SIZES = ((4, 3), (1, 2), (3, 1))
FLOATS = (0, 1, 2)
#: Where a program of all functions can be compiled: for sizes given late, for one size, or for none at all.
LATE, KNOWN, EMPTY = ((17, 5), (40, 130), (1, 2)), ((64, 33),), ((0, 7),)
slow = pytest.mark.slow


def gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    return difc.grad(lambda *args: f(*args)[0], argnums=FLOATS)


def gradient_of_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    slope = gradient(f)
    return difc.grad(lambda *args: sum(np.sum(np.tanh(g)) for g in slope(*args)), argnums=FLOATS)


def value_and_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    return difc.value_and_grad(lambda *args: f(*args)[0], argnums=FLOATS)


def check(
    function: Callable[..., Any], target: str, sizes: tuple[tuple[int, int], ...] = SIZES, least: float = 1.0
) -> None:
    """Compile for named sizes, or for the only ones given, and compare with the interpreter.

    Errors are relative to the largest number of a result, or to `least` if that is more.
    """
    known = dict(zip("nm", sizes[0], strict=True)) if len(sizes) == 1 else {}
    specs = [difc.f32[tuple(known.get(d, d) for d in shape)] for shape in INPUTS.values()]
    compiled = difc.compile(function, *specs, difc.i64[known.get("n", "n")], target=target)
    for n, m in sizes:
        given = arguments(n, n, m)
        with difc.disable_jit():
            wanted = optree.tree_leaves(difc.jit(function)(*given))
        for got, want in zip(optree.tree_leaves(compiled(*given)), wanted, strict=True):
            assert np.shape(got) == np.shape(want)
            scale = max(least, float(np.max(np.abs(want), initial=0.0)))
            np.testing.assert_allclose(got, want, rtol=5e-3, atol=2e-3 * scale)


@pytest.mark.parametrize("seed", [9])
def test_gradients(seed: int) -> None:
    check(gradient(RandomProgram(seed)), "cpu")


@pytest.mark.parametrize(("seed", "sizes"), [(2, LATE), (16, LATE), (24, KNOWN), (17, KNOWN), (15, EMPTY), (21, EMPTY)])
def test_the_breadth_of_numpy(seed: int, sizes: tuple[tuple[int, int], ...]) -> None:
    check(value_and_gradient(BroadProgram(seed, steps=6, depth=1)), "cpu", sizes, least=1e-4)


@slow
@pytest.mark.parametrize("seed", range(40))
def test_gradients_and_values(seed: int) -> None:
    sizes = SIZES[:1] if seed % 4 == 3 else SIZES
    check(RandomProgram(seed), "cpu", sizes)
    check(gradient(RandomProgram(seed)), "cpu", sizes)


@slow
@pytest.mark.parametrize("seed", range(10))
def test_second_derivatives(seed: int) -> None:
    check(gradient_of_gradient(RandomProgram(seed, steps=5)), "cpu")


@slow
@needs_vulkan
@pytest.mark.vulkan
@pytest.mark.parametrize("seed", range(12))
def test_gradients_on_vulkan(seed: int) -> None:
    check(gradient(RandomProgram(seed, steps=6)), "vulkan")
