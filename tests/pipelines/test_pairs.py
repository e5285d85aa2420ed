"""Arrays of all pairs: each operation that reads one computes it, and the numbers are the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import difc
from difc.pytree import flatten
from tests.frontend.traced import compare

POINTS = np.random.default_rng(0).normal(size=(200, 3))


def distances(x: Any) -> Any:
    return np.sum((x[:, None, :] - x[None, :, :]) ** 2, axis=-1)


def energy(x: Any) -> Any:
    return np.sum(np.exp(-distances(x)))


def both(x: Any, y: Any) -> Any:
    """Three uses of one array of pairs."""
    apart = x[:, None, :] - 2 * y[None, :, :]
    return np.sum(apart * apart, axis=-1), np.sum(np.exp(-apart), axis=0), np.max(apart, axis=1)


def pairs(f: Any, *specs: Any) -> int:
    """Return how often the differences of all pairs are computed."""
    return len(re.findall(r"arith\.subf %in\w*, %in", difc.trace(f, *specs).ir("linalg")))


def test_each_use_computes_the_pairs() -> None:
    assert pairs(energy, difc.f64[200, 3]) == 1
    assert pairs(difc.value_and_grad(energy), difc.f64[200, 3]) == 3  # a product with them has two uses
    assert pairs(both, difc.f64[200, 3], difc.f64[200, 3]) == 3


def test_products_are_computed_with_the_pairs_that_they_are_of() -> None:
    def f(x: Any, w: Any) -> Any:
        pulls = w[:, :, None] * (x[:, None, :] - x[None, :, :])
        return np.sum(pulls, axis=0), np.sum(pulls, axis=1)

    assert pairs(f, difc.f64[200, 3], difc.f64[200, 200]) == 2
    assert pairs(f, difc.f64[300, 1], difc.f64[300, 300]) == 1  # no larger than what they are computed from


def test_others_are_stored() -> None:
    assert pairs(difc.value_and_grad(energy), difc.f64[20, 3]) == 1  # few
    assert pairs(difc.value_and_grad(energy), difc.f64["n", 3]) == 1  # of a size that is not known
    cubes = pairs(difc.value_and_grad(lambda x: np.sum(np.exp(-((x - 2 * x[::-1]) ** 3)))), difc.f64[90_000])
    assert cubes == 1  # no larger than what they are computed from


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_are_the_same(dtype: str) -> None:
    x = POINTS.astype(dtype)
    for f, arguments in ((difc.value_and_grad(energy), (x,)), (both, (x, x[::-1].copy()))):
        found = [np.asarray(a) for a in flatten(difc.jit(f)(*arguments))[0]]
        with difc.disable_jit():
            wanted = flatten(difc.jit(f)(*arguments))[0]
        compare(found, wanted, 1e-12 if dtype == "float64" else 2e-5)
