"""Reductions that lead to others: each is fenced, and none adds to itself once for each tile of the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.pytree import flatten

FENCE = "iree_tensor_ext.compute_barrier.start"


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def log_sum_exp(x: Any) -> Any:
    largest = np.max(x, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(x - largest), axis=1)) + largest[:, 0])


def variance(x: Any) -> Any:
    return np.mean((x - np.mean(x, axis=1, keepdims=True)) ** 2, axis=1)


def shrunk(x: Any) -> Any:
    """In a loop of run-time length, which stays on the host."""

    def step(i: Any, x: Any) -> Any:
        return x - 1e-3 * log_sum_exp(x) * np.sum(x, axis=0)

    return difc.fori_loop(0, np.max(np.ceil(x)).astype(int), step, x)


@pytest.mark.parametrize("spec", [difc.f32[300, 25], difc.f32["n", "m"]])
def test_fences_are_where_a_reduction_leads_to_another(spec: Any) -> None:
    def fences(f: Any) -> int:
        return str(difc.trace(f, spec).ir("linalg")).count(FENCE)

    assert fences(lambda x: np.sum(np.exp(x), axis=1)) == 0
    assert fences(lambda x: (np.sum(x, axis=1), np.max(x, axis=1))) == 0
    assert fences(lambda x: x / np.sum(x, axis=1, keepdims=True)) == 0
    assert fences(softmax) == 1  # the sum leads to no other
    assert fences(variance) == 1
    assert fences(lambda x: np.sum(np.sqrt(np.sum(x * x, axis=1)), axis=0)) == 0  # nothing is repeated


@pytest.mark.parametrize("shape", [(300, 25), (255, 17)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_that_lead_to_others_are_right(shape: tuple[int, int], dtype: str) -> None:
    """IREE adds them up once for each tile of the next reduction, where gradients need them as well."""
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)

    def program(x: Any) -> Any:
        row = np.sum(np.exp(-x * x), axis=1, keepdims=True)
        return (
            difc.value_and_grad(log_sum_exp)(x),
            difc.value_and_grad(lambda x: np.sum(variance(x) ** 2))(x),
            (row, np.sum((x / row) ** 2, axis=1), np.prod(1 + 0.01 * x / row, axis=1), np.sum(np.sqrt(row))),
            shrunk(x),
        )

    found = flatten(difc.jit(program)(x))[0]
    with difc.disable_jit():
        wanted = flatten(difc.jit(program)(x))[0]
    for one, other in zip(found, wanted, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        rounding = 10 * np.finfo(dtype).eps * np.max(np.abs(other))  # elements near 0 are differences of large ones
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == "float32" else 1e-12, atol=rounding)
