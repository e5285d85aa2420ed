"""Kernels that would bind more buffers than devices take: many scalars that others use, many inputs of one sum."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import difc
from difc.errors import CompileError
from tests.pipelines.artifacts import needs_vulkan

COUNT = 40
VECTORS = [np.cos(np.arange(5) + 3 * i) for i in range(COUNT)]
FLAGS = [np.arange(5) % (i + 2) == 0 for i in range(COUNT)]


def wide(vectors: list[Any], flags: list[Any]) -> list[Any]:
    """Return sums over all vectors, a parity, and products of neighbours, each a scalar of its own."""
    some = [v[0] * v[1] for v in vectors]
    every = flags[0]
    for flag in flags[1:]:
        every = every ^ flag
    stacked = np.stack([a * b + a for a, b in itertools.pairwise(some)])
    return [sum(v * v for v in vectors), every, stacked, stacked.sum() * some[0], *some]


def check(target: str, dtype: Any) -> None:
    vectors = [v.astype(dtype) for v in VECTORS]
    got = difc.jit(wide, target=target)(vectors, FLAGS)
    for one, wanted in zip(got, wide(vectors, FLAGS), strict=True):
        np.testing.assert_allclose(np.asarray(one), wanted, rtol=1e-5, atol=1e-6)


def test_kernels_of_many_inputs_and_results() -> None:
    check("cpu", np.float64)


@needs_vulkan
def test_kernels_of_many_inputs_and_results_on_vulkan() -> None:
    check("vulkan", np.float32)


def test_many_scalars_in_a_loop() -> None:
    def run(xs: list[Any], steps: Any) -> list[Any]:
        return difc.scan(lambda c, _: ([0.9 * x + 0.01 * sum(c) for x in c], None), xs, None, length=steps)[0]

    xs = [np.float64(i) for i in range(COUNT)]
    wanted = np.array(xs)
    for _ in range(3):
        wanted = 0.9 * wanted + 0.01 * wanted.sum()
    np.testing.assert_allclose(np.array([float(x) for x in difc.jit(run)(xs, 3)]), wanted, rtol=1e-12)


def test_a_sum_of_many_arrays_of_run_time_sizes() -> None:
    """In several kernels: a size for each of them keeps them from being packed."""
    total = difc.compile(lambda xs: sum(x * x for x in xs), [difc.f64["n"]] * COUNT)(VECTORS)
    np.testing.assert_allclose(total, sum(v * v for v in VECTORS), rtol=1e-12)


def test_too_many_arrays_of_run_time_sizes_are_an_error() -> None:
    with pytest.raises(CompileError, match=r"fuses operations on \d+ arrays of run-time sizes, and devices take 32"):
        difc.compile(lambda xs: [x[0] * x[1] for x in xs], [difc.f32["n"]] * COUNT)
