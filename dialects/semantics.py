"""What the `dif` ops that compute mean, as NumPy functions on arrays; every lowering must agree with them.

A meaning gets the operands as arrays and the attributes as Python values. It does not depend on NumPy's warnings (the
interpreter silences them), and where NumPy leaves something open (integer division by zero, floats beyond the integers)
it decides, as the op's docstring says. f16 and bf16 are computed in f32 and rounded once. Ops that only move elements
are in `semantics_moving`, ops with bodies and calls in `interpreter`. Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from difc import dialects as dif
from difc.dialects.base import OpDef
from difc.dialects.types import BF16, BOOL, F16, F32, F64, is_float

__all__ = ["MEANINGS", "Meaning", "in_f32", "in_f64", "meaning"]

Meaning = Callable[..., Any]
M = TypeVar("M", bound=Meaning)

#: The meaning of each op, by name. One that takes a keyword `avals` gets the operands' declared types there.
MEANINGS: dict[str, Meaning] = {}


def meaning(opdef: OpDef) -> Callable[[M], M]:
    """Register the decorated NumPy function as what an op computes."""

    def register(compute: M) -> M:
        MEANINGS[opdef.name] = compute
        return compute

    return register


def in_f32(compute: Meaning) -> Meaning:
    """Compute f16 and bf16 operands, which all have one dtype, in f32, and round the result."""

    @functools.wraps(compute)
    def widened(*arrays: np.ndarray, **attributes: Any) -> Any:
        dtype = arrays[0].dtype
        if dtype not in (F16, BF16):
            return compute(*arrays, **attributes)
        return np.asarray(compute(*[a.astype(F32) for a in arrays], **attributes)).astype(dtype)

    return widened


def in_f64(compute: Meaning) -> Meaning:
    """Compute in f64 and round to the dtype of the operands, which all have one."""

    def wide(*arrays: np.ndarray, **attributes: Any) -> Any:
        found = compute(*(a.astype(F64) for a in arrays), **attributes)
        return np.asarray(found).astype(arrays[0].dtype)

    return in_f32(wide)


# ---- elementwise ---------------------------------------------------------------------------------


def _logistic(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))  # never overflows
    return np.where(x < 0, decay, x.dtype.type(1)) / (1 + decay)


def _each(function: Callable[[float], float]) -> Meaning:
    return lambda x: np.fromiter(map(function, x.ravel().tolist()), F64, x.size).reshape(x.shape).astype(x.dtype)


def _div(x: np.ndarray, y: np.ndarray) -> Any:
    if is_float(x.dtype):
        return np.divide(x, y)
    divisor = np.where(y == 0, y.dtype.type(1), y)
    quotient = (x - np.fmod(x, divisor)) // divisor  # exact, so rounding down is rounding towards zero
    return np.where(y == 0, x.dtype.type(0), quotient)


def _rem(x: np.ndarray, y: np.ndarray) -> Any:
    if is_float(x.dtype):
        return np.fmod(x, y)
    return np.where(y == 0, x.dtype.type(0), np.fmod(x, np.where(y == 0, y.dtype.type(1), y)))


def _pow(x: np.ndarray, y: np.ndarray) -> Any:
    if is_float(x.dtype):
        return np.power(x, y)
    one = x.dtype.type(1)
    power = np.power(x, np.where(y < 0, y.dtype.type(0), y))
    unit = (x == 1) | (x == -1)
    return np.where(y >= 0, power, np.where(unit, np.where(y % 2 == 0, one, x), x.dtype.type(0)))


_ELEMENTWISE: dict[OpDef, Meaning] = {
    dif.neg: np.negative,
    dif.abs: np.abs,
    dif.sign: np.sign,
    dif.floor: np.floor,
    dif.ceil: np.ceil,
    dif.round: np.rint,
    dif.exp: np.exp,
    dif.exp2: np.exp2,
    dif.expm1: np.expm1,
    dif.log: np.log,
    dif.log1p: np.log1p,
    dif.log2: np.log2,
    dif.log10: np.log10,
    dif.sqrt: np.sqrt,
    dif.rsqrt: lambda x: 1 / np.sqrt(x),
    dif.sin: np.sin,
    dif.cos: np.cos,
    dif.cbrt: np.cbrt,
    dif.tan: np.tan,
    dif.asin: np.arcsin,
    dif.acos: np.arccos,
    dif.atan: np.arctan,
    dif.sinh: np.sinh,
    dif.cosh: np.cosh,
    dif.tanh: np.tanh,
    dif.asinh: np.arcsinh,
    dif.acosh: np.arccosh,
    dif.atanh: np.arctanh,
    dif.logistic: _logistic,
    dif.erf: _each(math.erf),
    dif.erfc: _each(math.erfc),
    dif.not_: np.invert,
    dif.stop_gradient: lambda x: x,
    dif.add: np.add,
    dif.sub: np.subtract,
    dif.mul: np.multiply,
    dif.div: _div,
    dif.rem: _rem,
    dif.pow: _pow,
    dif.atan2: np.arctan2,
    dif.hypot: np.hypot,
    dif.max: np.maximum,
    dif.min: np.minimum,
    dif.and_: np.bitwise_and,
    dif.or_: np.bitwise_or,
    dif.xor: np.bitwise_xor,
    dif.shift_left: np.left_shift,
    dif.shift_right: np.right_shift,
    dif.gcd: np.gcd,
}
for _opdef, _compute in _ELEMENTWISE.items():
    meaning(_opdef)(in_f32(_compute))

_COMPARE: dict[str, Meaning] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@meaning(dif.compare)
def _(x: np.ndarray, y: np.ndarray, *, direction: str) -> Any:
    return _COMPARE[direction](x, y)


@meaning(dif.select)
def _(pred: np.ndarray, on_true: np.ndarray, on_false: np.ndarray) -> np.ndarray:
    return np.where(pred, on_true, on_false)


@meaning(dif.bitcast)
def _(x: np.ndarray, *, dtype: np.dtype) -> np.ndarray:
    return np.ascontiguousarray(x).view(dtype).reshape(x.shape)


@meaning(dif.convert)
def _(x: np.ndarray, *, dtype: np.dtype) -> Any:
    if dtype == BOOL:
        return x != 0
    if is_float(dtype) or not is_float(x.dtype):
        return x.astype(dtype)
    info = np.iinfo(dtype)
    wide = x.astype(F64)
    inside = (wide > float(info.min)) & (wide < float(info.max))  # the bounds, rounded to f64, convert to themselves
    saturated = np.where(wide > 0, dtype.type(info.max), dtype.type(info.min))
    saturated = np.where(np.isnan(wide), dtype.type(0), saturated)
    return np.where(inside, np.where(inside, wide, 0).astype(dtype), saturated)


# ---- reduction and contraction -------------------------------------------------------------------


def _lowest(dtype: np.dtype) -> Any:
    return False if dtype == BOOL else -np.inf if is_float(dtype) else np.iinfo(dtype).min


def _highest(dtype: np.dtype) -> Any:
    return True if dtype == BOOL else np.inf if is_float(dtype) else np.iinfo(dtype).max


_REDUCTIONS: dict[OpDef, tuple[np.ufunc, Callable[[np.dtype], Any]]] = {
    dif.reduce_sum: (np.add, lambda dtype: 0),
    dif.reduce_prod: (np.multiply, lambda dtype: 1),
    dif.reduce_max: (np.maximum, _lowest),
    dif.reduce_min: (np.minimum, _highest),
    dif.reduce_and: (np.bitwise_and, lambda dtype: np.invert(dtype.type(0))),
    dif.reduce_or: (np.bitwise_or, lambda dtype: dtype.type(0)),
}


def _reduction(ufunc: np.ufunc, identity: Callable[[np.dtype], Any]) -> Meaning:
    def reduce(x: np.ndarray, *, axes: tuple[int, ...]) -> Any:
        return ufunc.reduce(x, axis=axes, dtype=x.dtype, initial=identity(x.dtype))

    return in_f32(reduce)


for _opdef, _row in _REDUCTIONS.items():
    meaning(_opdef)(_reduction(*_row))


def _arg_reduction(find: Meaning) -> Meaning:
    def search(x: np.ndarray, *, axis: int) -> Any:
        return find(x.astype(F32) if x.dtype == BF16 else x, axis)  # bfloat16's own search does not see NaN

    return search


meaning(dif.argmax)(_arg_reduction(np.argmax))
meaning(dif.argmin)(_arg_reduction(np.argmin))


@meaning(dif.dot_general)
@in_f32
def _(
    lhs: np.ndarray,
    rhs: np.ndarray,
    *,
    lhs_batch: tuple[int, ...],
    rhs_batch: tuple[int, ...],
    lhs_contract: tuple[int, ...],
    rhs_contract: tuple[int, ...],
) -> np.ndarray:
    lhs_free = dif.free_dims(lhs.ndim, lhs_batch, lhs_contract)
    rhs_free = dif.free_dims(rhs.ndim, rhs_batch, rhs_contract)
    batch = [lhs.shape[d] for d in lhs_batch]
    contract = math.prod(lhs.shape[d] for d in lhs_contract)
    rows, columns = [lhs.shape[d] for d in lhs_free], [rhs.shape[d] for d in rhs_free]
    left = lhs.transpose(*lhs_batch, *lhs_free, *lhs_contract).reshape(*batch, math.prod(rows), contract)
    right = rhs.transpose(*rhs_batch, *rhs_contract, *rhs_free).reshape(*batch, contract, math.prod(columns))
    return np.matmul(left, right).reshape((*batch, *rows, *columns))
