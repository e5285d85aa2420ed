"""NumPy's ufuncs on traced arrays, as two tables: those that are one op of the dialect, and those that are formulas.

NumPy's own promotion decides the dtypes (`ufunc_dtypes`), so results have NumPy's dtypes; broadcasting happens here,
and the dialect sees equal shapes only. Results are arrays of their own dtype, also of Python numbers, as in NumPy (only
operators keep those weak: `Tracer`). Formulas are in `formulas.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, I64, Aval, aval_of, is_float
from difc.dialects.mlir import ir
from difc.errors import DtypeError
from difc.numpy import bits, formulas
from difc.numpy.common import as_operand, dtype_from, expand, fill, rank_of, widened
from difc.numpy.registry import DEVICES, METHODS, UFUNCS, unsupported
from difc.promotion import dtype_of, is_weak, promote, to_dtype, ufunc_dtypes
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap
from difc.tracing import current_frame

__all__ = ["astype", "call_elementwise"]


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None, casting: Any = "unsafe") -> Any:
    """Return the elements converted to a dtype. (numpy.astype)

    Floats become integers by rounding towards zero; out of range they saturate, where NumPy promises nothing.

    Raises:
      DtypeError: if `casting`, which the method of arrays has, does not allow it.
    """
    if device not in DEVICES:
        raise unsupported(f"numpy.astype on device {device!r}", "leave device= out: the target is chosen later")
    value, wanted = lift(x), dtype_from(dtype)
    if not np.can_cast(aval_of(value).dtype, wanted, casting):
        raise DtypeError(
            f"astype: {aval_of(value).dtype} does not become {wanted} by the rule casting={casting!r}",
            where=user_frame_location(),
            remedy='use casting="unsafe"',
        )
    return wrap(to_dtype(value, wanted))


def call_elementwise(ufunc: np.ufunc, operands: Sequence[Any], dtype: Any = None) -> Any:
    """Apply a ufunc of the tables to operands, by NumPy's rules for dtypes and broadcasting.

    Args:
      dtype: compute in this dtype, as NumPy's keyword.
    """
    operands = [as_operand(x) for x in operands]
    if dtype is not None:
        operands = [x if is_weak(x) else astype(x, dtype) for x in operands]
    dtypes, outs = ufunc_dtypes(ufunc, operands)
    if ufunc in (np.power, np.float_power):
        power = formulas.static_power(wrap(to_dtype(lift(operands[0]), dtypes[0])), operands[1])
        if power is not None:
            return wrap(lift(power))
    if ufunc in _COMPARISONS:
        return wrap(_compare_values(_COMPARISONS[ufunc], operands, dtypes))
    values = promote(operands, dtypes)
    if ufunc in _FORMULAS:
        result = _apply_formula(_FORMULAS[ufunc], values, ufunc in bits.OF_BITS)
    else:
        result = [_OPS[ufunc](*values)]
    result = [to_dtype(r, out) for r, out in zip(result, outs, strict=True)]
    _name_size(ufunc, values, result[0])
    wrapped = tuple(map(wrap, result))
    return wrapped[0] if ufunc.nout == 1 else wrapped


def _apply_formula(formula: Callable[..., Any], values: Sequence[ir.Value], as_it_is: bool) -> list[ir.Value]:
    """Apply a formula of tracers to values; half precision is computed in float32, unless the bits matter."""
    result = formula(*[wrap(v if as_it_is else widened(v)) for v in values])
    return [lift(r) for r in (result if isinstance(result, tuple) else (result,))]


def _name_size(ufunc: np.ufunc, operands: Sequence[ir.Value], result: ir.Value) -> None:
    """Keep the name of a run-time size through a floor division, so that `n // 2` is one size wherever it stands."""
    scalars = current_frame().builder.scalars
    if ufunc is np.floor_divide and aval_of(result) == Aval((), I64) and all(v in scalars for v in operands):
        x, y = (scalars[v] for v in operands)
        if y != 0:
            scalars.setdefault(result, x // y)


# ---- one op each ---------------------------------------------------------------------------------


def _if_float(op: Callable[[ir.Value], ir.Value]) -> Callable[[ir.Value], ir.Value]:
    """Return a rounding function: an op on floats, nothing to do on others."""
    return lambda x: op(x) if is_float(aval_of(x).dtype) else x


def _logical(op: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    return lambda *operands: op(*[to_dtype(x, BOOL) for x in operands])


def _or_bool(op: Callable[..., ir.Value], on_bool: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    """Return an op that has another meaning on bool, as addition, which is `or`."""
    return lambda *operands: (on_bool if aval_of(operands[0]).dtype == BOOL else op)(*operands)


_COMPARISONS = {
    np.equal: "eq", np.not_equal: "ne", np.less: "lt", np.less_equal: "le", np.greater: "gt", np.greater_equal: "ge",
}  # fmt: skip
_DIRECTIONS = {direction: ufunc for ufunc, direction in _COMPARISONS.items()}


def _compare_values(direction: str, operands: Sequence[Any], dtypes: Sequence[np.dtype]) -> ir.Value:
    """Compare in a way that keeps the order of the numbers, also where no dtype holds both sides."""
    for i, (x, dtype) in enumerate(zip(operands, dtypes, strict=True)):
        if isinstance(x, int) and dtype.kind in "iu" and not np.iinfo(dtype).min <= x <= np.iinfo(dtype).max:
            sides = (np.sign(x), 0) if i == 0 else (0, np.sign(x))  # beyond all numbers of the other side
            return fill(lift(operands[1 - i]), _DIRECTIONS[direction](*sides), BOOL)
    if any(isinstance(x, Tracer) and x.weak for x in operands) and all(d.kind in "iu" for d in dtypes):
        given = [dtype_of(x) for x in operands]  # a number that comes at run time need not fit the other's dtype
        dtypes = given if np.dtype(np.uint64) in given else [I64, I64]
    values = promote(operands, dtypes)
    if dtypes[0] == dtypes[1]:
        return dif.compare(*values, direction=direction)
    signed = 0 if dtypes[0].kind == "i" else 1  # NumPy compares int64 with uint64 exactly
    unsigned = dif.compare(*[to_dtype(v, np.uint64) for v in values], direction=direction)
    negative = dif.compare(values[signed], fill(values[signed], 0), direction="lt")
    below = _DIRECTIONS[direction](*((-1, 0) if signed == 0 else (0, -1)))
    return dif.select(negative, fill(values[signed], below, BOOL), unsigned)


def _nan_test(x: ir.Value) -> ir.Value:
    return dif.compare(x, x, direction="ne") if is_float(aval_of(x).dtype) else fill(x, False, BOOL)


def _inf_test(x: ir.Value) -> ir.Value:
    if not is_float(aval_of(x).dtype):
        return fill(x, False, BOOL)
    return dif.compare(dif.abs(x), fill(x, np.inf), direction="eq")


def _finite_test(x: ir.Value) -> ir.Value:
    if not is_float(aval_of(x).dtype):
        return fill(x, True, BOOL)
    return dif.compare(dif.abs(x), fill(x, np.inf), direction="lt")


def _identity(x: ir.Value) -> ir.Value:
    return x


_OPS: dict[np.ufunc, Callable[..., ir.Value]] = {
    np.add: _or_bool(dif.add, dif.or_),
    np.subtract: dif.sub,
    np.multiply: _or_bool(dif.mul, dif.and_),
    np.true_divide: dif.div,
    np.fmod: dif.rem,
    np.power: dif.pow,
    np.float_power: dif.pow,
    np.maximum: dif.max,
    np.minimum: dif.min,
    np.negative: dif.neg,
    np.positive: _identity,
    np.conjugate: _identity,
    np.absolute: lambda x: x if aval_of(x).dtype.kind in "bu" else dif.abs(x),
    np.fabs: dif.abs,
    np.sign: dif.sign,
    np.exp: dif.exp,
    np.exp2: dif.exp2,
    np.expm1: dif.expm1,
    np.log: dif.log,
    np.log1p: dif.log1p,
    np.log2: dif.log2,
    np.log10: dif.log10,
    np.sqrt: dif.sqrt,
    np.cbrt: dif.cbrt,
    np.hypot: dif.hypot,
    np.sin: dif.sin,
    np.cos: dif.cos,
    np.tan: dif.tan,
    np.arcsin: dif.asin,
    np.arccos: dif.acos,
    np.arctan: dif.atan,
    np.arctan2: dif.atan2,
    np.sinh: dif.sinh,
    np.cosh: dif.cosh,
    np.tanh: dif.tanh,
    np.arcsinh: dif.asinh,
    np.arccosh: dif.acosh,
    np.arctanh: dif.atanh,
    np.floor: _if_float(dif.floor),
    np.ceil: _if_float(dif.ceil),
    np.rint: dif.round,
    np.square: lambda x: dif.mul(x, x),
    np.reciprocal: lambda x: dif.div(fill(x, 1), x),
    np.isnan: _nan_test,
    np.isinf: _inf_test,
    np.isfinite: _finite_test,
    np.logical_and: _logical(dif.and_),
    np.logical_or: _logical(dif.or_),
    np.logical_xor: _logical(dif.xor),
    np.logical_not: _logical(dif.not_),
    np.bitwise_and: dif.and_,
    np.bitwise_or: dif.or_,
    np.bitwise_xor: dif.xor,
    np.invert: dif.not_,
    np.left_shift: dif.shift_left,
    np.right_shift: dif.shift_right,
}
_FORMULAS = formulas.FORMULAS | bits.FORMULAS


def _enter(ufunc: np.ufunc) -> None:
    def traced(*operands: Any, dtype: Any = None) -> Any:
        return call_elementwise(ufunc, operands, dtype)

    def outer(a: Any, b: Any, dtype: Any = None) -> Any:
        x, y = lift(as_operand(a)), as_operand(b)
        rank = aval_of(x).ndim
        return traced(wrap(expand(x, range(rank, rank + rank_of(y)))), y, dtype=dtype)

    traced.__name__, traced.__doc__ = ufunc.__name__, f"numpy.{ufunc.__name__} of traced arrays."
    UFUNCS[ufunc] = traced
    if ufunc.nin == 2:
        METHODS[ufunc, "outer"] = outer


for _ufunc in (*_OPS, *_COMPARISONS, *_FORMULAS):
    _enter(_ufunc)
