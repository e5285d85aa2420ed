"""Factorisations and their derivatives to second order, as one compiled program, on the CPU and on Vulkan; ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc.pytree import flatten
from tests.pipelines.artifacts import VULKAN

RNG = np.random.default_rng(2)
TALL = np.vstack([np.diag([1.0, 2.0, 3.5]), np.zeros((2, 3))]) + 0.2 * RNG.normal(size=(5, 3))
STACK = np.diag([1.0, 2.0, 3.5, 5.0]) + 0.2 * RNG.normal(size=(2, 4, 4))


def _loss(x: Any, s: Any) -> Any:
    """A number that every factor goes into, but no sign."""
    q, r = np.linalg.qr(x)
    w, v = np.linalg.eigh(s)
    u, t, vh = np.linalg.svd(x, full_matrices=False)
    total = np.sum(np.sin(q) ** 2) + np.sum(r**3) + np.sum(np.exp(-w)) + np.sum(v**4 @ w[..., None])
    return total + np.sum(u**4 @ t) + np.sum(vh**4) + np.sum(np.linalg.pinv(x) ** 2)


def _first(x: Any, s: Any) -> Any:
    return difc.value_and_grad(_loss, argnums=(0, 1))(x, s)


def _second(x: Any, s: Any) -> Any:
    return difc.jvp(difc.grad(_loss, argnums=(0, 1)), (x, s), (x[::-1], s * 0.5 + 1))


TARGETS = {"cpu": (np.float64, 1e-9), "vulkan": (np.float32, 2e-3)}


@pytest.mark.parametrize("program", [_first, pytest.param(_second, marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", ["cpu", pytest.param("vulkan", marks=VULKAN)])
def test_compiled(target: str, program: Callable[..., Any]) -> None:
    dtype, near = TARGETS[target]
    arrays = TALL.astype(dtype), STACK.astype(dtype)
    compiled = difc.compile(program, *arrays, target=target)
    compiled(*(2 * a for a in arrays))  # else the memory may hold the right numbers by chance
    with difc.disable_jit():
        wanted = difc.jit(program)(TALL, STACK)
    for y, z in zip(flatten(compiled(*arrays))[0], flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(y, z, rtol=near, atol=near * np.max(np.abs(z)))


def _deficient(x: Any, b: Any) -> Any:
    solution, _, rank, _ = np.linalg.lstsq(x, b)
    return np.linalg.matrix_rank(x), rank, np.linalg.pinv(x), solution


@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.parametrize("shape", [(6, 5), (5, 20), (30, 12)])
@pytest.mark.parametrize(
    ("target", "dtype"), [("cpu", np.float64), ("cpu", np.float32), pytest.param("vulkan", np.float32, marks=VULKAN)]
)
def test_what_rounding_adds_has_no_rank(target: str, dtype: Any, shape: tuple[int, int], rank: int) -> None:
    x = (RNG.normal(size=(shape[0], rank)) @ RNG.normal(size=(rank, shape[1]))).astype(dtype)
    b = RNG.normal(size=shape[0]).astype(dtype)
    pseudo = np.linalg.pinv(x.astype(np.float64), 1e-5)
    near = 1e-4 if dtype == np.float32 else 1e-12
    with difc.disable_jit():
        interpreted = difc.jit(_deficient)(x, b)
    for found in (interpreted, difc.compile(_deficient, x, b, target=target)(x, b)):
        assert [int(r) for r in found[:2]] == [rank, rank]
        for y, z in zip(found[2:], (pseudo, pseudo @ b), strict=True):
            np.testing.assert_allclose(y, z, rtol=0, atol=near * np.max(np.abs(z)))
