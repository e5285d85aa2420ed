"""Scalar arithmetic of the dialect's dtypes: what one element of each elementwise op computes.

Every function takes the context, the operands' dtype and SSA scalars, and returns one. The same functions make the
bodies of generics, reductions and scatters, and host code where operands are host scalars. Semantics are those of
`dialects/elementwise.py`; special values (NaN, infinities, zero divisors) are part of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import BF16, BOOL, F16, F32, F64, is_float
from difc.pipelines.lowering.context import Context, element_type
from difc.pipelines.lowering.emitter import SIGNED, UNSIGNED
from difc.pipelines.lowering.expansions.reals import Real, Reals
from difc.pipelines.lowering.remainder import f64_remainder, remainder

__all__ = [
    "ScalarFunction",
    "add",
    "bitwise",
    "compare",
    "convert",
    "div",
    "highest",
    "lowest",
    "maximum",
    "minimum",
    "mul",
    "number",
    "rem",
    "sub",
    "widened",
]

ScalarFunction = Callable[..., ir.Value]

_FLOAT_PREDICATES = {"eq": 1, "gt": 2, "ge": 3, "lt": 4, "le": 5, "ne": 13}


def number(c: Context, dtype: np.dtype, value: float) -> ir.Value:
    """Return a constant of a dtype."""
    return c.constant(value, element_type(dtype))


def lowest(dtype: np.dtype) -> float:
    """Return the least number of a dtype: what a maximum of nothing is."""
    return -np.inf if is_float(dtype) else 0 if dtype == BOOL else int(np.iinfo(dtype).min)


def highest(dtype: np.dtype) -> float:
    """Return the greatest number of a dtype: what a minimum of nothing is."""
    return np.inf if is_float(dtype) else 1 if dtype == BOOL else int(np.iinfo(dtype).max)


def _by_kind(
    float_op: str, signed_op: str, unsigned_op: str | None = None, bool_op: str | None = None
) -> ScalarFunction:
    """Return the scalar function that is one op for each kind of dtype."""

    def apply(c: Context, dtype: np.dtype, *xs: ir.Value) -> ir.Value:
        if is_float(dtype):
            name = float_op
        elif dtype == BOOL:
            name = bool_op or signed_op
        else:
            name = signed_op if dtype.kind == "i" else unsigned_op or signed_op
        return c.value(name, xs, xs[0].type)

    return apply


add = _by_kind("arith.addf", "arith.addi")
sub = _by_kind("arith.subf", "arith.subi")
mul = _by_kind("arith.mulf", "arith.muli")
maximum = _by_kind("arith.maximumf", "arith.maxsi", "arith.maxui", "arith.ori")
minimum = _by_kind("arith.minimumf", "arith.minsi", "arith.minui", "arith.andi")


def bitwise(name: str) -> ScalarFunction:
    """Return the scalar function that is one op for integers and bools alike."""
    return lambda c, dtype, x, y: c.value(f"arith.{name}", [x, y], x.type)


def compare(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value, direction: str) -> ir.Value:
    """Compare two scalars; only `ne` holds for NaN."""
    if is_float(dtype):
        predicate = ir.IntegerAttr.get(c.i64, _FLOAT_PREDICATES[direction])
        return c.value("arith.cmpf", [x, y], c.i1, predicate=predicate)
    return c.compare((SIGNED if dtype.kind == "i" else UNSIGNED)[direction], x, y)


def convert(c: Context, source: np.dtype, x: ir.Value, target: np.dtype) -> ir.Value:
    """Convert a scalar; floats beyond the range of an integer type saturate, and NaN becomes 0."""
    type_ = element_type(target)
    if source == target:
        return x
    if target == BOOL:
        return compare(c, source, x, number(c, source, 0), "ne")
    if is_float(source) and is_float(target):
        return _convert_float(c, source, x, target)
    if is_float(target):
        if target in (F16, BF16):  # through f32, because wide integers to half floats are library calls
            return c.value("arith.truncf", [convert(c, source, x, F32)], type_)
        return c.value("arith.sitofp" if source.kind == "i" else "arith.uitofp", [x], type_)
    if is_float(source):
        if source in (F16, BF16):
            return convert(c, F32, widened(c, source, x), target)
        return _float_to_integer(c, source, x, target)
    if type_ == x.type:
        return x
    if element_type(target).width < x.type.width:
        return c.value("arith.trunci", [x], type_)
    return c.value("arith.extsi" if source.kind == "i" else "arith.extui", [x], type_)


def _convert_float(c: Context, source: np.dtype, x: ir.Value, target: np.dtype) -> ir.Value:
    if {source, target} in ({F16, BF16}, {F16, F64}, {BF16, F64}):  # f64 <-> half floats are library calls
        return _convert_float(c, F32, _convert_float(c, source, x, F32), target)
    name = "arith.extf" if target.itemsize > source.itemsize else "arith.truncf"
    return c.value(name, [x], element_type(target))


def _float_to_integer(c: Context, source: np.dtype, x: ir.Value, target: np.dtype) -> ir.Value:
    info = np.iinfo(target)
    beyond = compare(
        c,
        source,
        x,
        number(c, source, float(info.max) if info.bits < 32 else 2.0 ** (info.bits - (target.kind == "i"))),
        "ge",
    )
    usable = c.value("arith.maximumf", [x, number(c, source, float(info.min))], x.type)
    unusable = c.value("arith.ori", [beyond, compare(c, source, x, x, "ne")], c.i1)
    usable = c.select(unusable, number(c, source, 0), usable)
    whole = c.value("arith.fptosi" if target.kind == "i" else "arith.fptoui", [usable], element_type(target))
    return c.select(beyond, number(c, target, info.max), whole)


def widened(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    """Return a half float as f32, other numbers as they are."""
    return _convert_float(c, dtype, x, F32) if dtype in (F16, BF16) else x


# ---- division ------------------------------------------------------------------------------------


def _guarded(c: Context, dtype: np.dtype, y: ir.Value) -> tuple[ir.Value, ir.Value | None, ir.Value | None]:
    """Return a divisor that cannot trap, and where the given one was 0 and -1 (None: nowhere)."""
    known = c.number(y)
    if known is not None and known not in (0, -1):
        return y, None, None
    one = number(c, dtype, 1)
    is_zero = compare(c, dtype, y, number(c, dtype, 0), "eq")
    safe, is_minus = c.select(is_zero, one, y), None
    if dtype.kind == "i":  # the least integer divided by -1 overflows, which traps
        is_minus = compare(c, dtype, y, number(c, dtype, -1), "eq")
        safe = c.select(is_minus, one, safe)
    return safe, is_zero, is_minus


def div(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Divide; integers towards zero, by zero to 0."""
    if is_float(dtype):
        return c.value("arith.divf", [x, y], x.type)
    safe, is_zero, is_minus = _guarded(c, dtype, y)
    result = c.value("arith.divsi" if dtype.kind == "i" else "arith.divui", [x, safe], x.type)
    if is_minus is not None:
        result = c.select(is_minus, sub(c, dtype, number(c, dtype, 0), x), result)
    return result if is_zero is None else c.select(is_zero, number(c, dtype, 0), result)


def rem(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return the remainder with the sign of `x`; an integer `y` of zero gives 0."""
    if is_float(dtype):
        wide, narrow = F32 if dtype in (F16, BF16) else dtype, (widened(c, dtype, x), widened(c, dtype, y))
        if c.target_kind == "vulkan":
            f = Reals(c, wide)
            found = remainder(f, *(Real(f, v) for v in narrow)).value
        elif c.target_kind == "cpu" and wide == F64:
            found = f64_remainder(c, *narrow)
        else:
            found = c.value("arith.remf", narrow, narrow[0].type)
        return _convert_float(c, wide, found, dtype) if wide != dtype else found
    safe, is_zero, _ = _guarded(c, dtype, y)  # x rem 1 is 0, which is the remainder for -1, too
    if dtype.kind == "i" and c.target_kind == "vulkan":  # remsi would take the least integer for a positive one
        whole = c.value("arith.muli", [c.value("arith.divsi", [x, safe], x.type), safe], x.type)
        result = sub(c, dtype, x, whole)
    else:
        result = c.value("arith.remsi" if dtype.kind == "i" else "arith.remui", [x, safe], x.type)
    return result if is_zero is None else c.select(is_zero, number(c, dtype, 0), result)
