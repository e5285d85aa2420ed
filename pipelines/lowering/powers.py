"""Powers of one element, as C defines `pow` for floats; integers wrap around.

f32 powers are computed in f64 where the target has `exp` and `log` of that, and are then right to the last bit but one.
f64 powers carry the rounding error of `y log x`, which is about `|y log x|` units in the last place.
"""

from __future__ import annotations

import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32, F64, is_float
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.scalars import compare, convert, mul, number, widened

__all__ = ["power"]


def power(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Raise to a power; small whole constants become products."""
    known = c.number(y)
    if known is not None and known in (1, 2, 3, 4):
        return _product(c, dtype, x, int(known))
    if not is_float(dtype):
        return _integer_power(c, dtype, x, y)
    if dtype in (F16, BF16):
        return convert(c, F32, _float_power(c, F32, widened(c, dtype, x), widened(c, dtype, y)), dtype)
    return _float_power(c, dtype, x, y)


def _product(c: Context, dtype: np.dtype, x: ir.Value, count: int) -> ir.Value:
    if count == 1:
        return x
    half = _product(c, dtype, x, count // 2)
    square = mul(c, dtype, half, half)
    return mul(c, dtype, square, x) if count % 2 else square


def _integer_power(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Multiply by repeated squaring, one step for each bit of the exponent."""
    type_, one, zero = x.type, number(c, dtype, 1), number(c, dtype, 0)
    bits = 8 * dtype.itemsize - (dtype.kind == "i")
    loop = c.operation("scf.for", [c.index(0), c.index(bits), c.index(1), one, x, y], [type_] * 3, regions=1)
    block = c.block(loop.regions[0], [c.index_type, type_, type_, type_])
    with c.within(block):
        _, product, square, rest = block.arguments
        odd = compare(c, dtype, c.value("arith.andi", [rest, one], type_), zero, "ne")
        product = c.select(odd, mul(c, dtype, product, square), product)
        rest = c.value("arith.shrui", [rest, one], type_)
        c.operation("scf.yield", [product, mul(c, dtype, square, square), rest])
    power = loop.results[0]
    if dtype.kind == "u":
        return power
    minus, is_odd = number(c, dtype, -1), compare(c, dtype, c.value("arith.andi", [y, one], type_), zero, "ne")
    inverse = c.select(compare(c, dtype, x, minus, "eq"), c.select(is_odd, minus, one), zero)
    inverse = c.select(compare(c, dtype, x, one, "eq"), one, inverse)
    return c.select(compare(c, dtype, y, zero, "lt"), inverse, power)


def _float_power(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    def is_(direction: str, a: ir.Value, b: float | ir.Value) -> ir.Value:
        return compare(c, dtype, a, b if isinstance(b, ir.Value) else number(c, dtype, b), direction)

    def both(a: ir.Value, b: ir.Value) -> ir.Value:
        return c.value("arith.andi", [a, b], c.i1)

    def either(a: ir.Value, b: ir.Value) -> ir.Value:
        return c.value("arith.ori", [a, b], c.i1)

    def is_whole(a: ir.Value) -> ir.Value:
        return is_("eq", c.value("math.floor", [a], a.type), a)

    one = number(c, dtype, 1)
    size = c.value("math.absf", [x], x.type)
    result = _positive_power(c, dtype, size, y)
    is_negative = is_("lt", c.value("math.copysign", [one, x], x.type), 0)
    whole, half = is_whole(y), mul(c, dtype, y, number(c, dtype, 0.5))
    is_odd = both(whole, is_("ne", c.value("math.floor", [half], y.type), half))
    result = c.select(both(is_negative, is_odd), c.value("arith.negf", [result], x.type), result)
    # A negative number has no power that is not whole; -0 and -inf have limits.
    has_no_power = both(both(is_("lt", x, 0), is_("gt", x, -np.inf)), is_("ne", c.value("math.floor", [y], y.type), y))
    result = c.select(has_no_power, number(c, dtype, np.nan), result)
    minus_one_to_infinity = both(is_("eq", size, 1), is_("eq", c.value("math.absf", [y], y.type), np.inf))
    is_one = either(either(is_("eq", y, 0), is_("eq", x, 1)), minus_one_to_infinity)
    return c.select(is_one, one, result)


def _positive_power(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    if c.target_kind == "vulkan":
        if dtype == F64:
            raise c.unsupported(
                "powers of float64 have no implementation for target 'vulkan'",
                "compute them in float32 (`.astype(np.float32)`), or compile for the CPU",
            )
        return c.value("math.powf", [x, y], x.type)
    wide_x, wide_y = convert(c, dtype, x, F64), convert(c, dtype, y, F64)
    exponent = mul(c, F64, wide_y, c.value("math.log", [wide_x], wide_x.type))
    return convert(c, F64, c.value("math.exp", [exponent], wide_x.type), dtype)
