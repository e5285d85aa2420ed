"""Reductions over sizes that vectors do not fit: their tiles, and their results."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import difc
from difc.pipelines.invocation import Invocation
from difc.pipelines.tiles import fit_tiles
from difc.pytree import flatten

# On x86 whatever processor this is, for vectors of 16 elements of float32.
FLAGS = (
    "--iree-hal-target-backends=llvm-cpu",
    "--iree-input-type=none",
    "--iree-llvmcpu-target-triple=x86_64-linux-gnu",
    "--iree-llvmcpu-target-cpu=skylake-avx512",
)


def configured(f: Any, *shape: Any) -> str:
    """Return the kernels of a function with the tiles that they get."""
    with Invocation(str(difc.trace(f, difc.f32[shape]).ir("linalg")), FLAGS) as run:
        run.to_phase("executable-configurations")
        with run.context:
            fit_tiles(run.module, vector_bytes=64)
        run.passes("configurations", "any(canonicalize)")  # it verifies
        return str(run.module.operation.get_asm(use_local_scope=True))


def peeled(f: Any, *shape: Any) -> int:
    """Return in how many kernels of a function loops are peeled."""
    return configured(f, *shape).count("enable_loop_peeling")


def check(program: Any, x: np.ndarray, sizes: tuple[Any, ...]) -> None:
    """Compare a compiled program with the interpreter."""
    spec = (difc.f32 if x.dtype == np.float32 else difc.f64)[sizes]
    found = flatten(difc.compile(program, spec)(x))[0]
    with difc.disable_jit():
        wanted = flatten(difc.jit(program)(x))[0]
    for one, other in zip(found, wanted, strict=True):
        rounding = 100 * np.finfo(x.dtype).eps * np.max(np.abs(other))  # elements near 0 are differences of large ones
        np.testing.assert_allclose(one, other, rtol=0, atol=rounding)


def row_sums(x: Any) -> Any:
    return np.sum(np.exp(x), axis=1)


def column_sums(x: Any) -> Any:
    return np.sum(np.exp(x), axis=0)


def test_loops_are_peeled_where_tiles_do_not_fit() -> None:
    assert peeled(row_sums, 64, 100) == 1
    assert peeled(row_sums, 64, 10) == 1
    assert peeled(row_sums, "n", 64) == 1  # as far as is known
    assert peeled(row_sums, 64, 64) == 0
    assert peeled(row_sums, 100, 64) == 1  # rows of which a thread has 5 or so, taken by eight
    assert peeled(difc.nn.softmax, 64, 100) == 2
    assert peeled(column_sums, 100, 64) == 0


@pytest.mark.parametrize(
    ("shape", "axis", "tiles"),
    [
        ((300, 101), 0, "distribution = [64, 0], vector_common_parallel = [16, 0]"),
        ((300, 10), 0, "distribution = [16, 0], vector_common_parallel = [16, 0]"),
        ((300, 1000), 0, "distribution = [80, 0], vector_common_parallel = [16, 0]"),
        ((16, 300, 101), 1, "64, 0], vector_common_parallel = [1, 16, 0]"),
        # all of them in groups of vectors
        ((300, 1024), 0, "distribution = [128, 0], vector_common_parallel = [128, 0]"),
        ((300, 96), 0, "vector_common_parallel = [32, 0]"),
        ((300, 80), 0, "vector_common_parallel = [16, 0]"),
    ],
)
def test_columns_are_taken_in_whole_vectors(shape: tuple[int, ...], axis: int, tiles: str) -> None:
    assert tiles in configured(lambda x: np.max(x, axis=axis), *shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [64, 128])
def test_groups_of_columns_of_a_product_are_no_larger_than_iree_can_compile(size: int, dtype: str) -> None:
    """A tile of it has rows and terms as well."""
    x = np.random.default_rng(0).normal(size=(size, size)).astype(dtype)
    check(lambda x: np.einsum("ji,kj->ki", x, x), x, (size, size))


def test_a_row_times_columns_of_which_a_thread_has_some_at_a_time() -> None:
    """Whatever IREE makes of the product of a vector and a matrix, all of its tiles are of one size."""
    text = configured(lambda x: x[:, 0] @ x, 1000, 33)
    tiles = re.search(r"distribution = \[(\d+), 0\], vector_common_parallel = \[16, 0\]", text)
    assert tiles
    assert set(re.findall(r"cache_parallel = \[(\d+), 0\]", text)) <= {tiles[1]}


def test_tiles_that_are_not_numbers_stay_as_they_are() -> None:
    from iree.compiler import ir

    config = "distribution = [1, 0], vector_common_parallel = [1, 0], vector_reduction = [0, [4]]"
    text = f"""
func.func @f(%x: tensor<300x101xf32>, %y: tensor<101xf32>) -> tensor<101xf32> attributes {{
    translation_info = #iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<DoubleTilingExpert>>}} {{
  %r = linalg.generic {{
      indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"],
      lowering_config = #iree_cpu.lowering_config<{config}>
  }} ins(%x: tensor<300x101xf32>) outs(%y: tensor<101xf32>) {{
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  }} -> tensor<101xf32>
  return %r : tensor<101xf32>
}}"""
    for numbers, is_changed in ((config, False), (config.replace("[4]", "4"), True)):
        with ir.Context():
            module = ir.Module.parse(text.replace(config, numbers))
            before = str(module)
            fit_tiles(module, vector_bytes=64)
            assert (str(module) != before) == is_changed


def test_kernels_without_a_reduction_are_as_iree_wants_them() -> None:
    assert peeled(lambda x: 2 * x.T + 1, 99, 101) == 0
    assert peeled(lambda x: np.exp(x) + x, 99, 101) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(100, 10), (33, 25), (997, 17), (3, 47, 101), (2, 33), (1100, 33)])
def test_columns_of_any_number(shape: tuple[int, ...], dtype: str) -> None:
    def program(x: Any) -> Any:
        soft = lambda x: difc.nn.softmax(x, axis=-2)  # noqa: E731
        spread = lambda x: np.sum(np.var(x, axis=-2) ** 2) + np.sum(np.max(x, axis=-2))  # noqa: E731
        found = soft(x), np.sum(x, axis=-2), np.max(x, axis=-2), np.argmin(x, axis=-2), np.any(x > 2, axis=-2)
        return *found, difc.grad(lambda x: np.sum(soft(x) * x))(x), difc.grad(spread)(x)

    check(program, np.random.default_rng(0).normal(size=shape).astype(dtype), shape)


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
    check(lambda x: (*normalized(x), difc.grad(loss)(x)), x, shape if static else tuple("abc"[: len(shape)]))
