"""Elementwise ops: integers against exact Python integers, floats against wider NumPy."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import BOOL, F32, F64, Aval, is_float, is_integer
from difc.dialects.elementwise import COMPARISONS
from difc.errors import DtypeError, ShapeError
from tests.dialects.evaluating import (
    DTYPES,
    FAST,
    SHAPES,
    aval,
    close,
    dynamic_dims,
    elements,
    evaluate,
    same,
    seeds,
    specials,
)

INTEGERS = [name for name in DTYPES if name[0] in "iu"]
FLOATS = ["f16", "bf16", "f32", "f64"]


def _wrap(n: int, dtype: np.dtype) -> int:
    """Return the integer of the dtype with the same low bits."""
    low, size = int(np.iinfo(dtype).min), 1 << (8 * dtype.itemsize)
    return (n - low) % size + low


def _div(x: int, y: int) -> int:
    quotient = abs(x) // abs(y) if y else 0
    return quotient if (x < 0) == (y < 0) else -quotient


def _pow(x: int, y: int, dtype: np.dtype) -> int:
    if y >= 0:
        return pow(x, y, 1 << (8 * dtype.itemsize))
    return {1: 1, -1: -1 if y % 2 else 1}.get(x, 0)


def _shift_left(x: int, y: int, dtype: np.dtype) -> int:
    return x << y if 0 <= y < 8 * dtype.itemsize else 0


def _shift_right(x: int, y: int, dtype: np.dtype) -> int:
    return x >> y if 0 <= y < 8 * dtype.itemsize else -(x < 0)


INTEGER_UNARY: dict[str, Callable[[int], int]] = {
    "neg": operator.neg,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "not": operator.invert,
    "stop_gradient": lambda x: x,
}
INTEGER_BINARY: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": _div,
    "rem": lambda x, y: x - _div(x, y) * y if y else 0,
    "max": max,
    "min": min,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "gcd": math.gcd,
}
INTEGER_OF_WIDTH = {"pow": _pow, "shift_left": _shift_left, "shift_right": _shift_right}
FLOAT_UNARY: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "cbrt": np.cbrt,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "logistic": scipy.special.expit,
    "erf": scipy.special.erf,
    "erfc": np.vectorize(math.erfc, otypes=[float]),
    "stop_gradient": lambda x: x,
}
FLOAT_BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "rem": np.fmod,
    "pow": np.power,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "max": np.maximum,
    "min": np.minimum,
}


def test_every_op_has_a_reference() -> None:
    tested = set(INTEGER_UNARY) | set(INTEGER_BINARY) | set(INTEGER_OF_WIDTH) | set(FLOAT_UNARY) | set(FLOAT_BINARY)
    assert {op.__name__ for op in (*dif.elementwise.UNARY, *dif.elementwise.BINARY)} == tested


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", INTEGER_UNARY)
def test_integer_unary(name: str, dtype: str) -> None:
    x = specials(DTYPES[dtype])
    wanted = [_wrap(INTEGER_UNARY[name](int(n)), x.dtype) for n in x]
    same(evaluate(dif.OPS[f"dif.{name}"], x), np.array(wanted, x.dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", [*INTEGER_BINARY, *INTEGER_OF_WIDTH])
def test_integer_binary(name: str, dtype: str) -> None:
    x, y = np.meshgrid(specials(DTYPES[dtype]), specials(DTYPES[dtype]))
    reference = INTEGER_BINARY.get(name) or partial(INTEGER_OF_WIDTH[name], dtype=x.dtype)
    wanted = [_wrap(reference(int(a), int(b)), x.dtype) for a, b in zip(x.flat, y.flat, strict=True)]
    same(evaluate(dif.OPS[f"dif.{name}"], x, y), np.array(wanted, x.dtype).reshape(x.shape))


@pytest.mark.parametrize("name", ["and", "or", "xor", "max", "min"])
def test_bool(name: str) -> None:
    x, y = np.meshgrid([False, True], [False, True])
    logical = {"max": "or", "min": "and"}.get(name, name)
    same(evaluate(dif.OPS[f"dif.{name}"], x, y), getattr(np, f"logical_{logical}")(x, y))
    same(evaluate(dif.not_, x), ~x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FLOAT_UNARY)
def test_float_unary(name: str, dtype: str) -> None:
    x = np.concatenate([specials(DTYPES[dtype]), elements(DTYPES[dtype], (40,), 0)])
    with np.errstate(all="ignore"):
        close(evaluate(dif.OPS[f"dif.{name}"], x), FLOAT_UNARY[name](x.astype(F64)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FLOAT_BINARY)
def test_float_binary(name: str, dtype: str) -> None:
    x, y = np.meshgrid(specials(DTYPES[dtype]), specials(DTYPES[dtype]))
    with np.errstate(all="ignore"):
        wanted = FLOAT_BINARY[name](x.astype(F64), y.astype(F64))
        close(evaluate(dif.OPS[f"dif.{name}"], x, y), wanted)


@FAST
@given(st.sampled_from(["neg", "add"]), st.sampled_from(["f32", "bf16", "i8", "u64"]), SHAPES, seeds, dynamic_dims)
def test_shapes(name: str, dtype: str, shape: tuple[int, ...], seed: int, dynamic: int) -> None:
    x, y = (elements(DTYPES[dtype], shape, seed + i) for i in range(2))
    result = evaluate(dif.OPS[f"dif.{name}"], *([x] if name == "neg" else [x, y]), dynamic=dynamic)
    with np.errstate(all="ignore"):
        same(result, -x if name == "neg" else x + y)


@pytest.mark.parametrize("dtype", ["bool", "i8", "u64", *FLOATS])
@pytest.mark.parametrize("direction", COMPARISONS)
def test_compare(direction: str, dtype: str) -> None:
    x, y = np.meshgrid(specials(DTYPES[dtype]), specials(DTYPES[dtype]))
    wanted = [getattr(operator, direction)(a, b) for a, b in zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)]
    result = evaluate(partial(dif.compare, direction=direction), x, y)
    same(result, np.array(wanted).reshape(x.shape))


@pytest.mark.parametrize("dtype", DTYPES)
def test_select(dtype: str) -> None:
    pred = elements(BOOL, (3, 4), 0)
    x, y = elements(DTYPES[dtype], (3, 4), 1), elements(DTYPES[dtype], (3, 4), 2)
    same(evaluate(dif.select, pred, x, y), np.where(pred, x, y))


def _converted(x: Any, dtype: np.dtype) -> Any:
    if dtype == BOOL:
        return x != 0
    if is_float(dtype):
        return float(x)
    if not isinstance(x, float):
        return _wrap(int(x), dtype)
    info = np.iinfo(dtype)
    return 0 if x != x else int(min(max(x, int(info.min)), int(info.max)))


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_convert(dtype: str, to: str) -> None:
    x = specials(DTYPES[dtype])
    result = evaluate(partial(dif.convert, dtype=DTYPES[to]), x)
    exact = [x[i].item() if x.dtype.kind in "biuf" else float(x[i]) for i in range(x.size)]
    wanted = [_converted(n, DTYPES[to]) for n in exact]
    if is_float(DTYPES[to]):
        close(result, wanted, ulps=1)
    else:
        same(result, np.array(wanted, DTYPES[to]))


def test_convert_of_the_bounds_is_exact() -> None:
    x = np.array([2.0**31 - 1, 2.0**31, -(2.0**31), -(2.0**31) - 1, 2.0**63, -(2.0**63), 1.9, -1.9])
    to_i32, to_i64 = (evaluate(partial(dif.convert, dtype=DTYPES[t]), x) for t in ("i32", "i64"))
    assert to_i32.tolist() == [2**31 - 1, 2**31 - 1, -(2**31), -(2**31), 2**31 - 1, -(2**31), 1, -1]
    assert to_i64.tolist() == [2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63), 1, -1]


def test_result_types_prefer_the_known_dim() -> None:
    assert dif.add.infer(aval("f32[?, 3]"), aval("f32[2, ?]")) == aval("f32[2, 3]")
    assert dif.compare.infer(aval("f32[?]"), aval("f32[?]"), direction="lt") == aval("bool[?]")
    assert dif.select.infer(aval("bool[?]"), aval("i8[?]"), aval("i8[4]")) == aval("i8[4]")
    assert dif.convert.infer(aval("f32[?, 2]"), dtype=F64) == aval("f64[?, 2]")


F, G = Aval((2, 3), F32), Aval((2, 3), F64)


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (DtypeError, "add: operand dtypes differ: f32[2, 3] and f64[2, 3]", lambda: dif.add.infer(F, G)),
        (DtypeError, "add takes float or integer elements, not bool", lambda: dif.add.infer(*[aval("bool[2]")] * 2)),
        (DtypeError, "sin takes float elements, not int32", lambda: dif.sin.infer(aval("i32[2]"))),
        (DtypeError, "not takes bool or integer elements, not float32", lambda: dif.not_.infer(F)),
        (
            ShapeError,
            "mul: operand shapes differ: f32[2], f32[3]",
            lambda: dif.mul.infer(aval("f32[2]"), aval("f32[3]")),
        ),
        (
            ShapeError,
            "mul: operands have different ranks: f32[], f32[2]",
            lambda: dif.mul.infer(aval("f32[]"), aval("f32[2]")),
        ),
        (DtypeError, "compare: unknown direction 'no', not one of eq", lambda: dif.compare.infer(F, F, direction="no")),
        (DtypeError, "compare: operand dtypes differ", lambda: dif.compare.infer(F, G, direction="eq")),
        (DtypeError, "select: the predicate is f32[2, 3], not bool", lambda: dif.select.infer(F, F, F)),
        (DtypeError, "select: the cases have different dtypes", lambda: dif.select.infer(aval("bool[2, 3]"), F, G)),
        (ShapeError, "select: operand shapes differ", lambda: dif.select.infer(aval("bool[2, 2]"), F, F)),
    ],
)
def test_errors(error: type[Exception], message: str, fn: Callable[[], Aval]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)


def test_integers_are_not_floats() -> None:
    assert all(is_integer(DTYPES[d]) != is_float(DTYPES[d]) for d in DTYPES if d != "bool")
    assert not is_integer(BOOL)


def test_bitcast() -> None:
    x = np.array([1.0, -0.0, np.inf], np.float32)
    same(evaluate(partial(dif.bitcast, dtype=np.dtype(np.int32)), x), x.view(np.int32))
    same(evaluate(partial(dif.bitcast, dtype=np.dtype(np.uint32)), x[:1]), x[:1].view(np.uint32))
    for source, target in ((F32, F64), (BOOL, np.dtype(np.int8)), (np.dtype(np.int8), BOOL)):
        with pytest.raises(DtypeError, match="bitcast: the bits of"):
            dif.bitcast.result_avals([Aval((), source)], {"dtype": target}, ())
