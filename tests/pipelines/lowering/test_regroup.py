"""Reshapes between random shapes, with sizes known and unknown, and views through them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc import f32, i64
from difc.dialects import DYN, F32, Aval
from difc.dialects.mlir import ir
from tests.pipelines.artifacts import skip_without_device
from tests.pipelines.lowered import check, text_of

PAIRS = [
    ((2, 3, 4), (6, 4)),
    ((2, 3, 4), (2, 12)),
    ((2, 3, 4), (4, 6)),
    ((24,), (2, 3, 4)),
    ((1, 24, 1), (24,)),
    ((1, 1), ()),
    ((), (1, 1, 1)),
    ((2, 1, 12), (2, 3, 1, 4, 1)),
    ((6, 4), (3, 8)),
    ((2, 3, 1), (1, 1, 2, 3)),
]


def _to(shape: tuple[int, ...], known: bool) -> object:
    """Reshape into sizes that are constants of the program, or that the program computes from those of its argument."""

    def emit(x: ir.Value) -> ir.Value:
        if known:
            return dif.reshape(x, shape=shape)
        total = dif.constant(value=np.int64(1))
        for d in range(dif.aval_of(x).ndim):
            total = dif.mul(total, dif.dim(x, dimension=d))
        last = dif.div(total, dif.constant(value=np.int64(math.prod(shape[:-1]))))
        return dif.reshape(x, shape=(*shape[:-1], last))

    return emit


@pytest.mark.parametrize("dynamic", [False, True])
def test_reshapes(dynamic: bool) -> None:
    programs = {}
    for i, (before, after) in enumerate(PAIRS):
        x = np.arange(math.prod(before)).reshape(before)
        aval = Aval(tuple(DYN for _ in before) if dynamic else before, F32)
        programs[f"known_{i}"] = (_to(after, True), [aval], [x])
        if after:
            programs[f"computed_{i}"] = (_to(after, False), [aval], [x])
    check(programs)


def test_groups_are_as_fine_as_can_be() -> None:
    text = text_of(lambda x: dif.reshape(x, shape=(6, 20)), [Aval((2, 3, 4, 5), F32)])
    assert "[[0, 1], [2, 3]]" in text
    text = text_of(lambda x: dif.reshape(x, shape=(4, 30)), [Aval((2, 3, 4, 5), F32)])
    assert "[[0, 1, 2, 3]]" in text


def test_views_read_through_reshapes_transposes_and_broadcasts() -> None:
    def emit(x: ir.Value) -> tuple[ir.Value, ...]:
        turned = dif.transpose(x, permutation=(1, 0))
        wide = dif.broadcast_in_dim(turned, shape=(3, 4, 2), dimensions=(0, 2))
        row = dif.broadcast_in_dim(
            dif.slice(x, start=(0, 0), limit=(1, 3), stride=(1, 1)), shape=(2, 3), dimensions=(0, 1)
        )
        return (
            wide,
            dif.mul(wide, wide),
            dif.add(row, x),
            dif.reshape(turned, shape=(6,)),
            dif.transpose(wide, permutation=(2, 0, 1)),
        )

    check({"f": (emit, [Aval((2, 3), F32)], [np.arange(6).reshape(2, 3)])})


@pytest.mark.parametrize("target", ["cpu", "vulkan"])
@pytest.mark.parametrize("size", [9, "n"], ids=str)
def test_an_element_gets_more_dims_than_its_array_has(target: str, size: Any) -> None:
    """Of taking the element and of the reshape IREE would make one slice, which it cannot compile."""
    skip_without_device(target)

    def program(x: Any, i: Any) -> list[Any]:
        zeros, wave = difc.numpy.zeros((3, 4), x.dtype), np.sin(x)
        return [
            zeros.at[0, 1].set(wave[2]),
            zeros.at[0, i].set(wave[i]),
            np.pad(x[0].reshape(1, 1), ((0, 3), (0, 2))),
            np.pad(np.cumsum(x)[4].reshape(1, 1, 1), ((0, 3), (0, 2), (1, 1))),
            np.pad(np.outer(x, x)[i, i][None, None, None], 1),
            difc.grad(lambda m: np.sum(np.cos(np.stack([m[0, 1], m[i, 2]])) * x[np.arange(2)]))(zeros + x[3]),
        ]

    given = np.arange(9, dtype=np.float32), np.int64(2)
    found = difc.compile(program, f32[size], i64, target=target)(*given)
    with difc.disable_jit():
        wanted = difc.jit(program)(*given)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
