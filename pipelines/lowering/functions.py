"""Functions of elements: the table from op to what computes it. Rounding and roots are operations of the targets; all
others are the expansions, the same on every target and within 2 units in the last place (`docs/accuracy.md`).

Half floats compute in f32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32, F64
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.expansions import (
    error,
    exponential,
    inverse,
    logarithmic,
    roots,
    trigonometric,
)
from difc.pipelines.lowering.expansions.reals import Real, Reals
from difc.pipelines.lowering.scalars import ScalarFunction, convert, number, widened

__all__ = ["EXPANSIONS", "FUNCTIONS", "expanded"]


def _op(name: str) -> ScalarFunction:
    return lambda c, dtype, x: c.value(f"math.{name}", [x], x.type)


def _rsqrt(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    return c.value("arith.divf", [number(c, dtype, 1), c.value("math.sqrt", [x], x.type)], x.type)


def _in_f32(function: ScalarFunction) -> ScalarFunction:
    """Run a function of f32 and f64 on any float."""

    def apply(c: Context, dtype: np.dtype, *xs: ir.Value) -> ir.Value:
        if dtype in (F16, BF16):
            return convert(c, F32, function(c, F32, *(widened(c, dtype, x) for x in xs)), dtype)
        return function(c, dtype, *xs)

    return apply


def expanded(expansion: Callable[..., Real]) -> ScalarFunction:
    """Return the scalar function of an expansion, for any float."""

    def apply(c: Context, dtype: np.dtype, *xs: ir.Value) -> ir.Value:
        f = Reals(c, dtype)
        return expansion(f, *(Real(f, x) for x in xs)).value

    return _in_f32(apply)


def _round(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype == F64 and c.target_kind == "vulkan":  # where IREE has no operation for it
        f = Reals(c, dtype)
        return _rounded(Real(f, x)).value
    return c.value("math.roundeven", [x], x.type)


def _rounded(x: Real) -> Real:
    below = x.floor()
    rest, half = x - below, below * 0.5
    is_odd = half.floor().is_("ne", half)
    nearest = ((rest > 0.5) | (rest.is_("eq", 0.5) & is_odd)).choose(below + 1.0, below)
    return (nearest.is_("eq", 0.0) & (x < 0.0)).choose(-0.0, nearest)


#: Op -> its expansion.
EXPANSIONS: dict[dif.OpDef, Callable[..., Real]] = {
    dif.exp: exponential.exp,
    dif.exp2: exponential.exp2,
    dif.expm1: exponential.expm1,
    dif.log: logarithmic.log,
    dif.log1p: logarithmic.log1p,
    dif.log2: logarithmic.log2,
    dif.log10: logarithmic.log10,
    dif.cbrt: roots.cbrt,
    dif.sin: trigonometric.sin,
    dif.cos: trigonometric.cos,
    dif.tan: trigonometric.tan,
    dif.asin: inverse.asin,
    dif.acos: inverse.acos,
    dif.atan: inverse.atan,
    dif.sinh: exponential.sinh,
    dif.cosh: exponential.cosh,
    dif.tanh: exponential.tanh,
    dif.asinh: logarithmic.asinh,
    dif.acosh: logarithmic.acosh,
    dif.atanh: logarithmic.atanh,
    dif.logistic: exponential.logistic,
    dif.erf: error.erf,
    dif.erfc: error.erfc,
    dif.atan2: inverse.atan2,
    dif.hypot: roots.hypot,
}

#: Op -> function of one element, or two.
FUNCTIONS: dict[dif.OpDef, ScalarFunction] = {
    dif.floor: _in_f32(_op("floor")),
    dif.ceil: _in_f32(_op("ceil")),
    dif.round: _in_f32(_round),
    dif.sqrt: _in_f32(_op("sqrt")),
    dif.rsqrt: _in_f32(_rsqrt),
    **{opdef: expanded(expansion) for opdef, expansion in EXPANSIONS.items()},
}
