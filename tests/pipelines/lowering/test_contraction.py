"""Contractions of every arrangement of dims: numbers, and where no transpose is needed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc import f32
from difc.dialects import DYN, F32, Aval
from difc.dialects.mlir import ir
from tests.pipelines.artifacts import needs_vulkan
from tests.pipelines.lowered import check, text_of

RNG = np.random.default_rng(0)
PLAIN = {"lhs_batch": (), "rhs_batch": (), "lhs_contract": (1,), "rhs_contract": (0,)}


def test_every_order_of_dims() -> None:
    """Batch, free and contracting dims of both operands in each order, known and unknown."""
    programs = {}
    sizes = {"b": 2, "m": 3, "n": 4, "k": 5}
    for i, (left, right) in enumerate(itertools.product(itertools.permutations("bmk"), itertools.permutations("bnk"))):
        dims = {
            "lhs_batch": (left.index("b"),),
            "rhs_batch": (right.index("b"),),
            "lhs_contract": (left.index("k"),),
            "rhs_contract": (right.index("k"),),
        }
        shapes = [tuple(sizes[d] for d in order) for order in (left, right)]
        avals = [Aval(tuple(DYN if i % 2 else s for s in shape), F32) for shape in shapes]
        emit = lambda x, y, dims=dims: dif.dot_general(x, y, **dims)  # noqa: E731
        programs[f"order_{i}"] = (emit, avals, [RNG.standard_normal(shape) for shape in shapes])
    check(programs)


@pytest.mark.parametrize(
    ("left", "right", "dims"),
    [
        ((4, 8), (8, 16), PLAIN),
        ((8, 4), (8, 16), PLAIN | {"lhs_contract": (0,)}),
        ((4, 8), (16, 8), PLAIN | {"rhs_contract": (1,)}),
        ((8,), (8, 16), PLAIN | {"lhs_contract": (0,)}),
        ((2, 3, 8), (8, 5, 7), PLAIN | {"lhs_contract": (2,)}),
        ((2, 4, 8), (2, 8, 5), {"lhs_batch": (0,), "rhs_batch": (0,), "lhs_contract": (2,), "rhs_contract": (1,)}),
        ((2, 3, 4), (2, 3, 5), PLAIN | {"lhs_contract": (0, 1), "rhs_contract": (0, 1)}),
    ],
)
def test_no_transpose_where_groups_are_runs(left: tuple[int, ...], right: tuple[int, ...], dims: dict) -> None:
    text = text_of(lambda x, y: dif.dot_general(x, y, **dims), [Aval(left, F32), Aval(right, F32)])
    assert "linalg.transpose" not in text
    assert text.count("linalg.generic") == 1


def test_nothing_summed_is_a_multiplication() -> None:
    none = PLAIN | {"lhs_contract": (), "rhs_contract": ()}
    emit = lambda x, y: dif.dot_general(x, y, **none)  # noqa: E731
    assert "reduction" not in text_of(emit, [Aval((3,), F32), Aval((4,), F32)])
    check({"f": (emit, [Aval((3,), F32), Aval((DYN, 4), F32)], [RNG.standard_normal(3), RNG.standard_normal((2, 4))])})


def test_operands_may_be_constants_broadcasts_and_transposes() -> None:
    def emit(x: ir.Value, y: ir.Value) -> tuple[ir.Value, ...]:
        ones = dif.broadcast_in_dim(dif.constant(value=np.float32(1)), shape=(3, 4), dimensions=())
        rows = dif.broadcast_in_dim(y, shape=(3, 4), dimensions=(1,))
        turned = dif.transpose(x, permutation=(1, 0))
        return tuple(
            dif.dot_general(turned, z, **PLAIN) for z in (ones, rows, dif.transpose(turned, permutation=(1, 0)))
        )

    check({"f": (emit, [Aval((3, 3), F32), Aval((4,), F32)], [RNG.standard_normal((3, 3)), RNG.standard_normal(4)])})


@pytest.mark.parametrize(("known", "loops"), [(None, 1), (1000, 0), (70_001, 1)])
def test_long_and_unknown_sums_are_loops_in_parts_on_vulkan(known: int | None, loops: int) -> None:
    count = known or DYN
    emit = lambda x, y: dif.dot_general(x, y, **PLAIN)  # noqa: E731
    avals = [Aval((3, count), F32), Aval((count, 4), F32)]
    text = text_of(emit, avals, "vulkan")
    assert text.count("scf.for") == loops
    assert ("tensor<3x3x4xf32>" in text) == (known == 70_001)
    assert "scf.for" not in text_of(emit, avals)
    short = text_of(emit, [Aval((DYN, 8), F32), Aval((8, 4), F32)], "vulkan")
    assert "scf.for" not in short
    assert "reduction" not in short


@needs_vulkan
@pytest.mark.vulkan
def test_sums_of_more_steps_than_mesa_lets_a_thread_do() -> None:
    """In contractions and reductions, of known and of run-time size."""

    def together(x: Any, y: Any, known: Any) -> list[Any]:
        short = x @ np.arange(6, dtype=np.float32).reshape(3, 2)
        return [x.T @ y, known @ known, np.sum(y, axis=0), np.argmax(y, axis=0), np.sum(known), short]

    count = 8 * 70_001
    compiled = difc.compile(together, f32["k", 3], f32["k", 2], f32[count], target="vulkan", opt_level=1)
    arrays = [RNG.uniform(0.5, 1, shape).astype(np.float32) for shape in ((count, 3), (count, 2), (count,))]
    arrays[1][-1] = 2
    wanted = together(*(x.astype(np.float64) for x in arrays))
    for i, (found, want) in enumerate(zip(compiled(*arrays), wanted, strict=True)):
        np.testing.assert_allclose(found, want, rtol=1e-4, err_msg=f"program {i}")
