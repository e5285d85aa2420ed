"""Constants, zeros, ramps and sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import DYN, F32, I64, Aval
from difc.dialects.mlir import ir
from difc.errors import DtypeError, ShapeError
from tests.case import sizes
from tests.dialects.evaluating import DTYPES, FAST, SHAPES, aval, dynamic_dims, elements, evaluate, same, seeds


@FAST
@given(st.sampled_from(list(DTYPES)), SHAPES, seeds)
def test_constant(dtype: str, shape: tuple[int, ...], seed: int) -> None:
    value = elements(DTYPES[dtype], shape, seed)
    same(evaluate(partial(dif.constant, value=value)), value)


def test_a_result_is_not_the_constant_itself() -> None:
    x = evaluate(partial(dif.constant, value=np.zeros(3)))
    x += 1
    assert x.tolist() == [1, 1, 1]


@FAST
@given(st.sampled_from(list(DTYPES)), SHAPES, dynamic_dims)
def test_zeros(dtype: str, shape: tuple[int, ...], dynamic: int) -> None:
    kind = DTYPES[dtype]
    same(
        evaluate(lambda x: dif.zeros(shape=sizes(x), dtype=kind), np.ones(shape), dynamic=dynamic),
        np.zeros(shape, kind),
    )


@FAST
@given(st.sampled_from([d for d in DTYPES if d != "bool"]), SHAPES.filter(len), st.data(), dynamic_dims)
def test_iota(dtype: str, shape: tuple[int, ...], data: st.DataObject, dynamic: int) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    fn = lambda x: dif.iota(shape=sizes(x), dtype=DTYPES[dtype], dimension=axis)  # noqa: E731
    same(evaluate(fn, np.ones(shape), dynamic=dynamic), np.indices(shape)[axis].astype(DTYPES[dtype]))


def test_iota_wraps_around() -> None:
    assert evaluate(lambda: dif.iota(shape=(130,), dtype=DTYPES["i8"], dimension=0))[-3:].tolist() == [127, -128, -127]


@FAST
@given(SHAPES.filter(len), st.data(), dynamic_dims)
def test_dim(shape: tuple[int, ...], data: st.DataObject, dynamic: int) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    same(evaluate(partial(dif.dim, dimension=axis), np.ones(shape), dynamic=dynamic), np.array(shape[axis], I64))


def test_sizes_fill_dynamic_dims_in_order() -> None:
    def fn(n: ir.Value, m: ir.Value) -> ir.Value:
        return dif.zeros(shape=(n, 2, m), dtype=F32)

    assert evaluate(fn, np.array(3), np.array(0)).shape == (3, 2, 0)
    assert dif.zeros.infer(aval("i64[]"), aval("i64[]"), shape=(DYN, 2, DYN), dtype=F32) == aval("f32[?, 2, ?]")


def test_a_negative_size_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"zeros: the shape \[-1\] has a negative dim"):
        evaluate(lambda n: dif.zeros(shape=(n,), dtype=F32), np.array(-1))


SIZE = aval("i64[]")


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (ShapeError, "zeros: 0 size operands for 1 dynamic dims", lambda: dif.zeros.infer(shape=(DYN,), dtype=F32)),
        (ShapeError, "zeros: 1 size operands for 0 dynamic dims", lambda: dif.zeros.infer(SIZE, shape=(2,), dtype=F32)),
        (
            ShapeError,
            "zeros: a size operand is i32[], not a scalar i64",
            lambda: dif.zeros.infer(aval("i32[]"), shape=(DYN,), dtype=F32),
        ),
        (
            ShapeError,
            "iota: dimension 2 is not in a rank-2 shape",
            lambda: dif.iota.infer(shape=(2, 3), dtype=F32, dimension=2),
        ),
        (
            DtypeError,
            "iota: elements must be numbers, not bool",
            lambda: dif.iota.infer(shape=(2,), dtype=DTYPES["bool"], dimension=0),
        ),
        (ShapeError, "dim: f32[?] has no dimension 1", lambda: dif.dim.infer(aval("f32[?]"), dimension=1)),
        (ShapeError, "zeros: the shape [-3] has a negative dim", lambda: dif.zeros.infer(shape=(-3,), dtype=F32)),
    ],
)
def test_errors(error: type[Exception], message: str, fn: Callable[[], Aval]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)
