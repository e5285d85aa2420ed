"""Convolution, pooling and special functions from Python to numbers, on the CPU and on Vulkan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc import nn
from difc.pytree import flatten
from difc.scipy import special
from tests.pipelines.artifacts import needs_vulkan

RANDOM = np.random.default_rng(0)


def _draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def check(program: Callable[..., Any], *arguments: np.ndarray, target: str, tolerance: float) -> None:
    """Compile a program, and compare with the interpreter."""
    found = flatten(difc.compile(program, *arguments, target=target)(*arguments))[0]
    with difc.disable_jit():
        wanted = flatten(difc.jit(program)(*arguments))[0]
    for i, (y, z) in enumerate(zip(found, wanted, strict=True)):
        scale = float(np.max(np.abs(np.asarray(z)), initial=0))
        np.testing.assert_allclose(y, z, rtol=tolerance, atol=tolerance * scale, err_msg=f"result {i}")


def _forms(x: Any, w: Any, each: Any, cube: Any) -> list[Any]:
    def loss(x: Any, w: Any) -> Any:
        return np.sum(nn.max_pool(nn.conv(x, w, 2), 2) ** 2) + np.sum(nn.avg_pool(x, 2, 1) ** 2)

    return [
        nn.conv(x, w, padding="VALID", dilation=2),
        nn.conv(x, each, groups=4),
        nn.conv(x[None, ..., :2], cube),
        nn.max_pool(x, 3, 2, "SAME"),
        *difc.grad(loss, argnums=(0, 1))(x, w),
    ]


IMAGES = _draw(2, 9, 8, 4), _draw(2, 3, 4, 6), _draw(3, 3, 1, 4), _draw(2, 2, 2, 2, 3)


def test_convolutions_on_the_cpu() -> None:
    check(_forms, *IMAGES, target="cpu", tolerance=1e-5)
    x, one, line = IMAGES[0], _draw(3, 3, 1, 5), _draw(4, 4, 5)

    def more(x: Any, w: Any, one: Any, line: Any) -> list[Any]:
        return [
            nn.conv(x[..., :1], one),
            nn.conv(x, w[:, :, :2], groups=2),
            nn.conv_transpose(x, w, 2),
            nn.conv(x[0], line, 2),
            nn.group_norm(x, 2),
        ]

    check(more, x, IMAGES[1], one, line, target="cpu", tolerance=1e-5)


@needs_vulkan
def test_convolutions_on_vulkan() -> None:
    check(_forms, *IMAGES, target="vulkan", tolerance=1e-5)


def _functions(x: Any, p: Any) -> list[Any]:
    functions = [special.gammaln, special.gamma, special.digamma, special.log_ndtr, special.i1]
    return [
        *(f(x) for f in functions),
        special.polygamma(2, x),
        special.erfinv(p),
        special.ndtri(p),
        special.gammainc(x, 2 * p),
        difc.vmap(difc.grad(special.gammaln))(x),
    ]


@needs_vulkan
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 3e-6), pytest.param(np.float64, 1e-13, marks=pytest.mark.slow)]
)
def test_special_functions_on_vulkan(dtype: Any, tolerance: float) -> None:
    x, p = RANDOM.uniform(0.1, 12, 40).astype(dtype), RANDOM.uniform(0.01, 0.99, 40).astype(dtype)
    check(_functions, x, p, target="vulkan", tolerance=tolerance)


def test_a_training_step_with_a_run_time_batch() -> None:
    """The batch is not known when this is compiled, the sizes of the images are."""

    def step(w: Any, x: Any) -> Any:
        return difc.value_and_grad(lambda w: np.mean(nn.max_pool(nn.relu(nn.conv(x, w, (2, 1))), 2) ** 2))(w)

    w, x = _draw(3, 3, 2, 4), _draw(5, 8, 7, 2)
    compiled = difc.compile(step, difc.f32[3, 3, 2, 4], difc.f32["batch", 8, 7, 2])
    with difc.disable_jit():
        wanted = difc.jit(step)(w, x)
    for y, z in zip(compiled(w, x), wanted, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-5, atol=1e-5)
