"""Reductions, argmax, argmin and running sums, against NumPy and, for integers, exact Python."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import F32, F64, I64, Aval, is_float
from difc.errors import DtypeError, ShapeError
from tests.dialects.evaluating import DTYPES, FAST, SHAPES, aval, close, dynamic_dims, elements, evaluate, same, seeds

EXACT: dict[str, tuple[Callable[[Any, Any], Any], Callable[[np.dtype], int]]] = {
    "reduce_sum": (operator.add, lambda dtype: 0),
    "reduce_prod": (operator.mul, lambda dtype: 1),
    "reduce_max": (max, lambda dtype: int(np.iinfo(dtype).min)),
    "reduce_min": (min, lambda dtype: int(np.iinfo(dtype).max)),
    "reduce_and": (operator.and_, lambda dtype: -1),
    "reduce_or": (operator.or_, lambda dtype: 0),
}
FLOAT = {"reduce_sum": np.sum, "reduce_prod": np.prod, "reduce_max": np.max, "reduce_min": np.min}
EMPTY = {"reduce_max": -np.inf, "reduce_min": np.inf}
REDUCTIONS = sorted(EXACT)


def test_every_reduction_is_tested() -> None:
    assert {op.__name__ for op in dif.REDUCTIONS} == set(REDUCTIONS)


@FAST
@given(st.sampled_from(REDUCTIONS), st.sampled_from(["i8", "u8", "i64", "u64"]), SHAPES, st.data(), seeds, dynamic_dims)
def test_integers(name: str, dtype: str, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    axes = tuple(d for d in range(len(shape)) if data.draw(st.booleans()))
    x = elements(DTYPES[dtype], shape, seed)
    combine, identity = EXACT[name]
    kept = [d for d in range(len(shape)) if d not in axes]
    wanted = np.zeros([shape[d] for d in kept], x.dtype)
    for index in np.ndindex(wanted.shape):
        place: list[Any] = [slice(None)] * len(shape)
        for d, i in zip(kept, index, strict=True):
            place[d] = i
        numbers = [int(n) for n in x[tuple(place)].ravel()]
        wanted[index] = np.array(functools.reduce(combine, numbers, identity(x.dtype)) % 2**64, np.uint64).astype(
            x.dtype
        )
    same(evaluate(partial(dif.OPS[f"dif.{name}"], axes=axes), x, dynamic=dynamic), wanted)


@FAST
@given(st.sampled_from(list(FLOAT)), st.sampled_from(["f16", "bf16", "f32", "f64"]), SHAPES, st.data(), seeds)
def test_floats(name: str, dtype: str, shape: tuple[int, ...], data: st.DataObject, seed: int) -> None:
    axes = tuple(d for d in range(len(shape)) if data.draw(st.booleans()))
    x = np.random.default_rng(seed).uniform(0.5, 2, shape).astype(DTYPES[dtype])
    empty = {"initial": EMPTY[name]} if name in EMPTY else {}
    wanted = FLOAT[name](x.astype(F64), axis=axes, **empty)
    close(evaluate(partial(dif.OPS[f"dif.{name}"], axes=axes), x), wanted, ulps=64 if x.dtype == F64 else 32)


@pytest.mark.parametrize("name", ["reduce_and", "reduce_or", "reduce_max", "reduce_min"])
@pytest.mark.parametrize("shape", [(0, 3), (2, 3)])
def test_bools(name: str, shape: tuple[int, ...]) -> None:
    x = elements(np.dtype(bool), shape, 3)
    wanted = np.all(x, 0) if name in ("reduce_and", "reduce_min") else np.any(x, 0)
    same(evaluate(partial(dif.OPS[f"dif.{name}"], axes=(0,)), x), wanted)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("name", ["reduce_max", "reduce_min", "argmax", "argmin"])
def test_nan_wins(name: str, dtype: str) -> None:
    x = np.array([1, np.inf, np.nan, -np.inf, np.nan], DTYPES[dtype])
    if name.startswith("arg"):
        assert evaluate(partial(dif.OPS[f"dif.{name}"], axis=0), x) == 2
    else:
        assert np.isnan(evaluate(partial(dif.OPS[f"dif.{name}"], axes=(0,)), x))


def test_half_precision_sums_are_rounded_once() -> None:
    assert evaluate(partial(dif.reduce_sum, axes=(0,)), np.ones(3000, DTYPES["bf16"])) == 3008
    assert evaluate(partial(dif.reduce_sum, axes=(0,)), np.ones(3001, DTYPES["f16"])) == 3000


@FAST
@given(
    st.sampled_from(["argmax", "argmin"]),
    st.sampled_from(["f32", "bf16", "i8", "u64", "bool"]),
    SHAPES.filter(len),
    st.data(),
    seeds,
    dynamic_dims,
)
def test_argmax(name: str, dtype: str, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    shape = tuple(max(n, 1) if d == axis else n for d, n in enumerate(shape))
    x = elements(DTYPES[dtype], shape, seed)
    wide = x.astype(F32) if is_float(x.dtype) else x
    result = evaluate(partial(dif.OPS[f"dif.{name}"], axis=axis), x, dynamic=dynamic)
    same(result, np.asarray(getattr(np, name)(wide, axis)).astype(I64))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_argmax_of_nothing(name: str) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: f64\[2, 0\] is empty along axis 1"):
        evaluate(partial(dif.OPS[f"dif.{name}"], axis=1), np.ones((2, 0)), dynamic=0b10)


@FAST
@given(st.sampled_from(["f32", "f64", "i8", "u64"]), SHAPES.filter(len), st.data(), seeds, dynamic_dims, st.booleans())
def test_cumsum(
    dtype: str, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int, reverse: bool
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = elements(DTYPES[dtype], shape, seed)
    if is_float(x.dtype):
        x = np.rint(np.clip(np.nan_to_num(x), -9, 9))  # sums of these are exact in any order
    steps = range(shape[axis])
    wanted = np.zeros(shape, x.dtype)
    for i in steps:
        part = np.take(x, [j for j in steps if (j >= i if reverse else j <= i)], axis)
        wanted[(slice(None),) * axis + (i,)] = part.sum(axis, dtype=x.dtype)
    same(evaluate(partial(dif.cumsum, axis=axis, reverse=reverse), x, dynamic=dynamic), wanted)


def test_cumsum_in_half_precision_is_rounded_once() -> None:
    result = evaluate(partial(dif.cumsum, axis=0, reverse=False), np.ones(3001, DTYPES["f16"]))
    assert result[-1] == 3000
    assert result[2049] == 2050


X = aval("f32[2, ?, 3]")


def test_result_types() -> None:
    assert dif.reduce_sum.infer(X, axes=(0, 2)) == aval("f32[?]")
    assert dif.reduce_sum.infer(X, axes=()) == X
    assert dif.argmax.infer(X, axis=1) == aval("i64[2, 3]")
    assert dif.cumsum.infer(X, axis=1, reverse=True) == X


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (ShapeError, "reduce_sum: dimensions [0, 0] are not distinct", lambda: dif.reduce_sum.infer(X, axes=(0, 0))),
        (ShapeError, "reduce_max: dimensions [3] are not distinct", lambda: dif.reduce_max.infer(X, axes=(3,))),
        (DtypeError, "reduce_sum takes float or integer", lambda: dif.reduce_sum.infer(aval("bool[2]"), axes=(0,))),
        (DtypeError, "reduce_and takes bool or integer", lambda: dif.reduce_and.infer(X, axes=(0,))),
        (ShapeError, "argmin: dimensions [-1] are not", lambda: dif.argmin.infer(X, axis=-1)),
        (ShapeError, "argmax: f32[0] is empty along axis 0", lambda: dif.argmax.infer(aval("f32[0]"), axis=0)),
        (ShapeError, "cumsum: dimensions [3] are not", lambda: dif.cumsum.infer(X, axis=3, reverse=False)),
        (DtypeError, "cumsum takes float or", lambda: dif.cumsum.infer(aval("bool[2]"), axis=0, reverse=False)),
    ],
)
def test_errors(error: type[Exception], message: str, fn: Callable[[], Aval]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)
