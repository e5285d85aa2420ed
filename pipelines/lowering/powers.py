"""Powers of one element: of integers, which wrap around, and of floats to known exponents, as products and a root.

Other powers of floats are an expansion, of some 250 operations.
"""

from __future__ import annotations

import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import F32, F64, is_float
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.expansions.power import power as expansion
from difc.pipelines.lowering.functions import expanded
from difc.pipelines.lowering.scalars import add, compare, div, mul, number

__all__ = ["power"]

_float_power = expanded(expansion)
#: The largest exponent of a reciprocal that is computed by a product; a derivative has one more than its function.
_MOST = 66
#: The largest exponent, and its negative, of a root times a product; errors are up to 3 units in the last place.
_MOST_HALF = 4.5


def power(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Raise to a power; small constants, whole or half, become products, and negative ones their reciprocals."""
    known = c.number(y)
    if known is not None and dtype in (F32, F64) and abs(known) <= _MOST_HALF and 2 * known % 2 == 1:
        return _half_power(c, dtype, x, float(known))
    if known is not None and known in (1, 2, 3, 4):
        return _product(c, dtype, x, int(known))
    if known is not None and is_float(dtype) and -_MOST <= known < 0 and known == int(known):
        return div(c, dtype, number(c, dtype, 1), _product(c, dtype, x, -int(known)))
    if not is_float(dtype):
        return _integer_power(c, dtype, x, y)
    return _float_power(c, dtype, x, y)


def _product(c: Context, dtype: np.dtype, x: ir.Value, count: int) -> ir.Value:
    if count == 1:
        return x
    half = _product(c, dtype, x, count // 2)
    square = mul(c, dtype, half, half)
    return mul(c, dtype, square, x) if count % 2 else square


def _half_power(c: Context, dtype: np.dtype, x: ir.Value, exponent: float) -> ir.Value:
    """Return a whole power times a root. Zeros and infinities, which are twice themselves, lose their sign before."""
    is_limit = compare(c, dtype, add(c, dtype, x, x), x, "eq")
    base = c.select(is_limit, c.value("math.absf", [x], x.type), x)
    size, found = abs(exponent), c.value("math.sqrt", [base], x.type)
    if size > 1:
        found = mul(c, dtype, _product(c, dtype, base, int(size)), found)
    return found if exponent > 0 else div(c, dtype, number(c, dtype, 1), found)


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
