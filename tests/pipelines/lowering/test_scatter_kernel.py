"""Rows that the kernel of ours adds or writes: NumPy's numbers for every size and vector unit, and where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.dialects import F32, F64, I64, Aval
from difc.dialects.mlir import ir
from difc.pipelines.target import VectorUnit
from tests.pipelines.lowered import Function, together
from tests.pipelines.lowering.test_matmul import units

RNG = np.random.default_rng(0)
OPS = {"add": dif.scatter_add, "write": dif.scatter}

#: Rows, columns and points: few rows and many points, edges of vectors and of parts, rows longer than a part.
SIZES = [(5, 4, 3000), (50, 33, 200), (7, 1000, 9), (300, 64, 500), (2, 131, 40)]


def function(op: str, dtype: np.dtype, rows: int, width: int, count: int) -> Function:
    def emit(x: ir.Value, points: ir.Value, updates: ir.Value) -> ir.Value:
        return OPS[op](x, points, updates, axes=(0,), batch=0, mode="fill")

    return emit, [Aval((rows, width), dtype), Aval((count, 1), I64), Aval((count, width), dtype)]


def changed(op: str, x: np.ndarray, points: np.ndarray, updates: np.ndarray) -> np.ndarray:
    """Return the rows as NumPy changes them one after the other, without points that lie outside."""
    result = x.copy()
    for place, update in zip(points[:, 0], updates, strict=True):
        if 0 <= place < len(x):
            result[place] = update + (result[place] if op == "add" else 0)
    return result


@pytest.mark.parametrize("unit", units(), ids=str)
def test_every_size(unit: VectorUnit) -> None:
    kinds = {f"{op}_{d.name}_{n}": (op, d, *s) for op in OPS for d in (F32, F64) for n, s in enumerate(SIZES)}
    arguments = {}
    for name, (_, dtype, rows, width, count) in kinds.items():
        x, updates = (RNG.standard_normal((n, width)).astype(dtype) for n in (rows, count))
        arguments[name] = [x, RNG.integers(-2, rows + 2, (count, 1)), updates]
    run = together({name: function(*kind) for name, kind in kinds.items()}, opt_level=3, vectors=unit)
    for name, (found,) in run(arguments).items():
        np.testing.assert_array_equal(found, changed(kinds[name][0], *arguments[name]), err_msg=name)


def test_several_coordinates_and_dims_of_a_window() -> None:
    def f(x: Any, i: Any, j: Any, u: Any) -> Any:
        return x.at[i, :, j].add(u), x.at[:, j].set(u[0, 0])

    x, u = RNG.standard_normal((6, 3, 5, 40)), RNG.standard_normal((700, 3, 40))
    i, j = RNG.integers(0, 6, 700), RNG.integers(0, 3, 700)
    added, written = difc.jit(f)(x, i, j, u)
    wanted = x.copy()
    np.add.at(wanted, (i, slice(None), j), u)
    np.testing.assert_allclose(added, wanted, rtol=1e-12, atol=1e-12)
    x[:, j] = u[0, 0]
    np.testing.assert_array_equal(written, x)


def is_called(rows: int, width: int, count: int, *, dtype: str = "float32", op: str = "add") -> bool:
    def f(x: Any, i: Any, u: Any) -> Any:
        return getattr(x.at[i], op)(u)

    given = np.zeros((rows, width), dtype), np.zeros(count, np.int64), np.zeros((count, width), dtype)
    return '"flow.dispatch"(' in difc.trace(f, *given).ir("linalg")


def test_few_rows_are_changed_in_place() -> None:
    assert is_called(1000, 64, 500)
    assert is_called(1000, 64, 500, op="set", dtype="float64")
    assert not is_called(1001, 64, 500)  # most would only be copied
    assert not is_called(10, 64, 20)  # little work
    assert not is_called(1000, 2, 100_000)  # no vectors
    assert not is_called(1000, 64, 500, op="max")
    assert not is_called(1000, 64, 500, dtype="int32")
