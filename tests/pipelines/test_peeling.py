"""Reductions over sizes that vectors do not fit: their loops are peeled, and right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.pipelines.invocation import Invocation
from difc.pipelines.peeling import peel_reductions
from difc.pytree import flatten

# On x86 whatever processor this is, for vectors of 16 elements of float32.
FLAGS = (
    "--iree-hal-target-backends=llvm-cpu",
    "--iree-input-type=none",
    "--iree-llvmcpu-target-triple=x86_64-linux-gnu",
    "--iree-llvmcpu-target-cpu=skylake-avx512",
)


def peeled(f: Any, *shape: Any) -> int:
    """Return in how many kernels of a function loops are peeled."""
    with Invocation(str(difc.trace(f, difc.f32[shape]).ir("linalg")), FLAGS) as run:
        run.to_phase("executable-configurations")
        with run.context:
            before = str(run.module).count("enable_loop_peeling")
            peel_reductions(run.module)
        run.passes("configurations", "any(canonicalize)")  # it verifies
        assert before == 0
        return str(run.module.operation.get_asm(use_local_scope=True)).count("enable_loop_peeling")


def row_sums(x: Any) -> Any:
    return np.sum(np.exp(x), axis=1)


def test_loops_are_peeled_where_tiles_do_not_fit() -> None:
    assert peeled(row_sums, 64, 100) == 1
    assert peeled(row_sums, 64, 10) == 1
    assert peeled(row_sums, "n", 64) == 1  # as far as is known
    assert peeled(row_sums, 64, 64) == 0
    assert peeled(row_sums, 100, 64) == 1  # rows of which a thread has 5 or so, taken by eight
    assert peeled(difc.nn.softmax, 64, 100) == 2
    assert peeled(lambda x: np.max(x, axis=0), 100, 64) == 0


def test_kernels_without_a_reduction_are_as_iree_wants_them() -> None:
    assert peeled(lambda x: 2 * x.T + 1, 99, 101) == 0
    assert peeled(lambda x: np.exp(x) + x, 99, 101) == 0


def normalized(x: Any) -> tuple[Any, ...]:
    centered = x - np.mean(x, axis=-1, keepdims=True)
    scaled = centered / np.sqrt(np.mean(centered * centered, axis=-1, keepdims=True) + 1e-5)
    return difc.nn.softmax(x), difc.nn.logsumexp(x, axis=-1), scaled, np.max(x, axis=-1), np.argmax(x, axis=-1)


def loss(x: Any) -> Any:
    soft, log_sum, scaled, largest, _ = normalized(x)
    return np.sum(soft * x) + np.sum(log_sum * largest) + np.sum(np.tanh(scaled))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(100, 10), (25, 33), (8, 997), (3, 5, 47), (1, 2049), (1001,)])
@pytest.mark.parametrize("static", [True, False])
def test_rows_of_any_length(shape: tuple[int, ...], dtype: str, static: bool) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    sizes = shape if static else tuple("abc"[: len(shape)])
    spec = (difc.f32 if dtype == "float32" else difc.f64)[sizes]
    program = lambda x: (*normalized(x), difc.grad(loss)(x))  # noqa: E731
    found = flatten(difc.compile(program, spec)(x))[0]
    with difc.disable_jit():
        wanted = flatten(difc.jit(program)(x))[0]
    for one, other in zip(found, wanted, strict=True):
        rounding = 100 * np.finfo(dtype).eps * np.max(np.abs(other))  # elements near 0 are differences of large ones
        np.testing.assert_allclose(one, other, rtol=0, atol=rounding)
