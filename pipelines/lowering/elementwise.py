"""Elementwise ops: a table from op to scalar function, emitted as one `linalg.generic` each (IREE fuses them)."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from difc.dialects.types import BOOL, I32, I64, is_float
from difc.pipelines.lowering import bits, scalars
from difc.pipelines.lowering.context import Context, Out, element_type, lowering
from difc.pipelines.lowering.functions import FUNCTIONS
from difc.pipelines.lowering.powers import power
from difc.pipelines.lowering.scalars import ScalarFunction, compare, number
from difc.pipelines.lowering.values import Value

__all__ = ["HOST_DTYPES", "runs_on_host"]

#: dtypes whose arithmetic runs on the host where the operands are host scalars (sizes, counters, conditions).
HOST_DTYPES = (I64, I32, BOOL)


def _neg(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    return c.value("arith.negf", [x], x.type) if is_float(dtype) else scalars.sub(c, dtype, number(c, dtype, 0), x)


def _abs(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype.kind == "u":
        return x
    if is_float(dtype):
        return c.value("math.absf", [x], x.type)
    return c.select(compare(c, dtype, x, number(c, dtype, 0), "lt"), _neg(c, dtype, x), x)


def _sign(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    zero, one = number(c, dtype, 0), number(c, dtype, 1)
    rest = x if is_float(dtype) else zero  # NaN stays
    result = c.select(compare(c, dtype, x, zero, "eq"), zero, rest)
    if dtype.kind != "u":
        result = c.select(compare(c, dtype, x, zero, "lt"), number(c, dtype, -1), result)
    return c.select(compare(c, dtype, x, zero, "gt"), one, result)


def _not(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    return c.value("arith.xori", [x, number(c, dtype, 1 if dtype == BOOL else -1)], x.type)


#: Op -> scalar function.
TABLE: dict[dif.OpDef, ScalarFunction] = {
    dif.neg: _neg,
    dif.abs: _abs,
    dif.sign: _sign,
    dif.not_: _not,
    dif.add: scalars.add,
    dif.sub: scalars.sub,
    dif.mul: scalars.mul,
    dif.div: scalars.div,
    dif.rem: scalars.rem,
    dif.pow: power,
    dif.max: scalars.maximum,
    dif.min: scalars.minimum,
    dif.and_: scalars.bitwise("andi"),
    dif.or_: scalars.bitwise("ori"),
    dif.xor: scalars.bitwise("xori"),
    dif.shift_left: bits.shift_left,
    dif.shift_right: bits.shift_right,
    dif.gcd: bits.gcd,
    **FUNCTIONS,
}


_MIXED = (dif.compare.name, dif.select.name, dif.convert.name, dif.stop_gradient.name)
_NAMES = frozenset(opdef.name for opdef in TABLE) | frozenset(_MIXED)


def runs_on_host(operation: ir.Operation, hosted: Container[ir.Value]) -> bool:
    """Say whether a scalar op on host scalars is lowered to host arithmetic, its operands being in `hosted` or not."""
    avals = [aval_of(v) for v in (*operation.operands, *operation.results)]
    if any(a.shape or a.dtype not in HOST_DTYPES for a in avals[len(operation.operands) :]):
        return False
    if operation.name in ("dif.constant", "dif.dim"):
        return True
    return operation.name in _NAMES and all(v in hosted for v in operation.operands)


def _apply(c: Context, out: Out, xs: Sequence[Value], body: Callable[..., ir.Value]) -> Value:
    """Compute on the host where every operand is an integer or bool known there, else in a generic."""
    is_number = out.dtype in HOST_DTYPES or out.operation.name == dif.convert.name
    if is_number and all(x.scalar is not None and x.aval.dtype in HOST_DTYPES for x in xs):
        return Value(out.aval, scalar=body(*(x.scalar for x in xs)), sizes=out.sizes)
    return c.elementwise(out, xs, body)


for _opdef, _function in TABLE.items():

    @lowering(_opdef)
    def _(c: Context, out: Out, *xs: Value, _function: ScalarFunction = _function) -> Value:
        return _apply(c, out, xs, lambda *elements: _function(c, out.dtype, *elements))


@lowering(dif.compare)
def _(c: Context, out: Out, x: Value, y: Value, *, direction: str) -> Value:
    return _apply(c, out, (x, y), lambda a, b: compare(c, x.aval.dtype, a, b, direction))


@lowering(dif.select)
def _(c: Context, out: Out, pred: Value, on_true: Value, on_false: Value) -> Value:
    return _apply(c, out, (pred, on_true, on_false), c.select)


@lowering(dif.convert)
def _(c: Context, out: Out, x: Value, *, dtype: np.dtype) -> Value:
    return _apply(c, out, (x,), lambda a: scalars.convert(c, x.aval.dtype, a, dtype))


@lowering(dif.bitcast)
def _(c: Context, out: Out, x: Value, *, dtype: np.dtype) -> Value:
    return c.elementwise(out, (x,), lambda a: bits.bitcast(c, a, element_type(dtype)))


@lowering(dif.stop_gradient)
def _(c: Context, out: Out, x: Value) -> Value:
    return x
