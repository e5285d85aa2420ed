"""Transcendental and rounding functions of one element.

Half floats compute in f32. f32 uses IREE's own polynomials (2 to 4 ULP). f64 is written here in terms of `exp` and
`log`, which IREE has to 1 ULP on CPUs, so that nothing is lost near 0 and nothing needs a C library in the artifact.
"""

from __future__ import annotations

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32, F64
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.scalars import ScalarFunction, compare, convert, number, widened

__all__ = ["FUNCTIONS"]

#: f64 functions that a target lacks, both of IREE and here.
_MISSING = {
    "cpu": ("sin", "cos", "tan", "erf"),
    "vulkan": ("sin", "cos", "tan", "erf", "exp", "expm1", "log", "log1p", "tanh", "logistic"),
    "cuda": (),
}


def _op(name: str) -> ScalarFunction:
    return lambda c, dtype, x: c.value(f"math.{name}", [x], x.type)


def _arith(c: Context, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
    return c.value(f"arith.{name}", [x, y], x.type)


def _expm1(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype != F64:
        return c.value("math.expm1", [x], x.type)
    # Kahan: with u = e^x rounded, (u - 1) x / log(u) has the rounding error of u cancelled.
    one = number(c, dtype, 1)
    u = c.value("math.exp", [x], x.type)
    below = _arith(c, "subf", u, one)
    exact = _arith(c, "mulf", below, _arith(c, "divf", x, c.value("math.log", [u], x.type)))
    is_end = c.value(
        "arith.ori",
        [compare(c, dtype, below, number(c, dtype, -1), "eq"), compare(c, dtype, u, number(c, dtype, np.inf), "eq")],
        c.i1,
    )
    return c.select(compare(c, dtype, u, one, "eq"), x, c.select(is_end, below, exact))


def _log1p(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype != F64:
        return c.value("math.log1p", [x], x.type)
    # Kahan: with u = 1 + x rounded, log(u) x / (u - 1) has the rounding error of u cancelled.
    one = number(c, dtype, 1)
    u = _arith(c, "addf", x, one)
    log = c.value("math.log", [u], x.type)
    exact = _arith(c, "mulf", log, _arith(c, "divf", x, _arith(c, "subf", u, one)))
    exact = c.select(compare(c, dtype, u, number(c, dtype, np.inf), "eq"), u, exact)
    return c.select(compare(c, dtype, u, one, "eq"), x, exact)


def _tanh(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype != F64:
        return c.value("math.tanh", [x], x.type)
    # tanh|x| = -t / (t + 2) with t = expm1(-2|x|), which neither overflows nor cancels
    size = c.value("math.absf", [x], x.type)
    t = _expm1(c, dtype, _arith(c, "mulf", size, number(c, dtype, -2)))
    ratio = _arith(c, "divf", t, _arith(c, "addf", t, number(c, dtype, 2)))
    return c.value("math.copysign", [ratio, x], x.type)


def _logistic(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    # with e = exp(-|x|): 1 / (1 + e) for x >= 0, e / (1 + e) below, which keeps the small values of negative x
    one = number(c, dtype, 1)
    size = c.value("math.absf", [x], x.type)
    e = c.value("math.exp", [c.value("arith.negf", [size], x.type)], x.type)
    top = c.select(compare(c, dtype, x, number(c, dtype, 0), "lt"), e, one)
    return _arith(c, "divf", top, _arith(c, "addf", one, e))


def _erf(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    return c.value("math.copysign", [c.value("math.erf", [x], x.type), x], x.type)  # IREE's loses the sign of -0


def _tan(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    return _arith(c, "divf", c.value("math.sin", [x], x.type), c.value("math.cos", [x], x.type))


def _round(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype != F64 or c.target_kind != "vulkan":
        return c.value("math.roundeven", [x], x.type)
    # Vulkan has no f64 bit patterns to round with, and its drivers cancel adding and subtracting 2^52.
    one, half = number(c, dtype, 1), number(c, dtype, 0.5)
    below = c.value("math.floor", [x], x.type)
    above = _arith(c, "addf", below, one)
    rest = _arith(c, "subf", x, below)
    pairs = c.value("math.floor", [_arith(c, "mulf", below, half)], x.type)
    is_even = compare(c, dtype, _arith(c, "addf", pairs, pairs), below, "eq")
    middle = c.select(is_even, below, above)
    nearest = c.select(compare(c, dtype, rest, half, "eq"), middle, below)
    nearest = c.select(compare(c, dtype, rest, half, "gt"), above, nearest)
    is_zero = compare(c, dtype, nearest, number(c, dtype, 0), "eq")
    return c.select(
        c.value("arith.andi", [is_zero, compare(c, dtype, x, number(c, dtype, 0), "lt")], c.i1),
        number(c, dtype, -0.0),
        nearest,
    )


def _rsqrt(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    return _arith(c, "divf", number(c, dtype, 1), c.value("math.sqrt", [x], x.type))


def _wide(name: str, function: ScalarFunction) -> ScalarFunction:
    """Run a function of f32 and f64 on any float, where the target has it."""

    def apply(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
        if dtype == F64 and name in _MISSING[c.target_kind]:
            elsewhere = [kind for kind, names in _MISSING.items() if name not in names]
            raise c.unsupported(
                f"{name} of float64 has no implementation for target '{c.target_kind}'",
                f"compute it in float32 (`.astype(np.float32)`), or compile for {' or '.join(elsewhere)}",
            )
        if dtype in (F16, BF16):
            return convert(c, F32, function(c, F32, widened(c, dtype, x)), dtype)
        return function(c, dtype, x)

    return apply


#: Op -> function of one element.
FUNCTIONS: dict[dif.OpDef, ScalarFunction] = {
    opdef: _wide(opdef.__name__, function)
    for opdef, function in {
        dif.floor: _op("floor"),
        dif.ceil: _op("ceil"),
        dif.round: _round,
        dif.exp: _op("exp"),
        dif.expm1: _expm1,
        dif.log: _op("log"),
        dif.log1p: _log1p,
        dif.sqrt: _op("sqrt"),
        dif.rsqrt: _rsqrt,
        dif.sin: _op("sin"),
        dif.cos: _op("cos"),
        dif.tan: _tan,
        dif.tanh: _tanh,
        dif.logistic: _logistic,
        dif.erf: _erf,
    }.items()
}
