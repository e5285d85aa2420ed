"""Gathers of rows by IREE's gather: all forms and dtypes against the interpreter."""

from __future__ import annotations

import re

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.dialects import DYN, I64, Aval
from difc.dialects.mlir import ir
from difc.dialects.types import is_float
from tests.pipelines.lowered import check

RNG = np.random.default_rng(0)
DTYPES = [np.dtype(t) for t in ("f4", "f8", "f2", "i1", "u2", "i4", "i8", "?")]
#: name -> sizes, sizes of the points, axes, number of batch dims
FORMS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]] = {
    "rows": ((9, 70), (80,), (0,), 0),
    "matrices of points": ((9, 6, 13), (8, 7), (0,), 0),
    "two coordinates": ((5, 6, 40), (120,), (0, 1), 0),
    "coordinates that change places": ((5, 6, 40), (120,), (1, 0), 0),
    "a stack": ((3, 9, 50), (3, 40), (1,), 1),
    "the last dim": ((70, 9), (80,), (1,), 0),
}


def _program(name: str, dtype: np.dtype, mode: str, dynamic: bool) -> tuple:
    sizes, points, axes, batch = FORMS[name]

    def emit(x: ir.Value, i: ir.Value) -> ir.Value:
        source = dif.mul(x, x) if is_float(dtype) else x
        found = dif.gather(source, dif.add(i, i), axes=axes, batch=batch, mode=mode)
        return dif.neg(found) if is_float(dtype) else found

    places = RNG.integers(-1, 4, (*points, len(axes)))
    x = (RNG.standard_normal(sizes) * 50).astype(dtype)
    avals = [Aval((DYN,) * a.ndim if dynamic else a.shape, a.dtype) for a in (x, places)]
    return emit, [Aval(avals[0].shape, dtype), Aval((*avals[1].shape[:-1], len(axes)), I64)], [x, places]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_rows(dynamic: bool) -> None:
    """Some points are outside; what is read is computed, and so is what is made of it."""
    forms = [(name, DTYPES[0], mode) for name in FORMS for mode in ("clip", "fill")]
    forms += [("rows", dtype, mode) for dtype in DTYPES[1:] for mode in ("clip", "fill")]
    check({f"{name} {dtype} {mode}": _program(name, dtype, mode, dynamic) for name, dtype, mode in forms})


def test_rows_are_moved_whole() -> None:
    text = difc.compile(lambda x, i: x[i], difc.f32[100, 64], difc.i64["n"]).ir("linalg")
    assert "iree_linalg_ext.gather" in text
    small = difc.compile(lambda x, i: x[i], difc.f32[100, 64], difc.i64[4]).ir("linalg")
    assert "iree_linalg_ext.gather" not in small


def test_what_follows() -> None:
    """IREE adds up other elements where it fuses a gather with a sum."""

    def emit(x: ir.Value, i: ir.Value) -> list[ir.Value]:
        found = dif.gather(x, i, axes=(0,), batch=0, mode="clip")
        return [dif.reduce_sum(found, axes=(d,)) for d in (0, 1)] + [dif.reduce_max(found, axes=(1,)), dif.exp(found)]

    x, places = RNG.standard_normal((50, 128)).astype(np.float32), RNG.integers(0, 50, (64, 1))
    check({"f": (emit, [Aval(x.shape, x.dtype), Aval(places.shape, I64)], [x, places])})


def test_zeros_are_written_when_they_are_needed() -> None:
    """IREE would compute fenced ones when the module is loaded, and keep them."""
    module = difc.compile(difc.grad(lambda w, i: np.sum(w[i] ** 2)), difc.f32[5000, 64], difc.i64[100])
    text = module.ir("linalg")
    found = re.search(r'"iree_linalg_ext.scatter"\(%\w+, %\w+, (%\w+)\)', text)
    assert found is not None
    assert f"{found[1]} = arith.constant dense<0.0" in text
