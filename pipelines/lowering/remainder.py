"""The exact remainder of f64 numbers, in integers: CPUs have no instruction for it, and artifacts no C library.

Long division on the 53-bit significands: one subtraction and shift for each step between the exponents.
"""

from __future__ import annotations

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import SIGNED, UNSIGNED, Emitter

__all__ = ["f64_remainder"]

_FRACTION_BITS, _EXPONENT_MASK = 52, 0x7FF
_HIDDEN_BIT = 1 << _FRACTION_BITS


class _Bits:
    """Arithmetic on i64 values."""

    def __init__(self, c: Emitter) -> None:
        self.c = c

    def op(self, name: str, x: ir.Value, y: ir.Value | int) -> ir.Value:
        other = self.c.constant(y, self.c.i64) if isinstance(y, int) else y
        return self.c.value(f"arith.{name}", [x, other], self.c.i64)

    def is_(self, predicate: int, x: ir.Value, y: ir.Value | int) -> ir.Value:
        return self.c.compare(predicate, x, self.c.constant(y, self.c.i64) if isinstance(y, int) else y)

    def headroom(self, x: ir.Value) -> ir.Value:
        """Return how far the highest set bit of `x` is below the hidden bit."""
        zeros = self.c.value("math.ctlz", [x], self.c.i64)
        return self.op("subi", zeros, 63 - _FRACTION_BITS)

    def parts(self, bits: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Return the biased exponent and the significand with its hidden bit; subnormals are normalised."""
        c = self.c
        exponent = self.op("shrui", bits, _FRACTION_BITS)
        is_small = self.is_(SIGNED["eq"], exponent, 0)
        shift = self.op("andi", self.headroom(bits), 63)
        small = self.op("shli", bits, shift)
        normal = self.op("ori", self.op("andi", bits, _HIDDEN_BIT - 1), _HIDDEN_BIT)
        one = c.constant(1, c.i64)
        return c.select(is_small, self.op("subi", one, shift), exponent), c.select(is_small, small, normal)


def f64_remainder(c: Emitter, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return `x - trunc(x / y) * y` without rounding, with the sign of `x`; NaN for `x` infinite, `y` zero, or NaN."""
    b, f64 = _Bits(c), x.type
    bits_x, bits_y = (c.value("arith.bitcast", [c.value("math.absf", [v], f64)], c.i64) for v in (x, y))
    infinity = _EXPONENT_MASK << _FRACTION_BITS
    bad_x, bad_y = b.is_(UNSIGNED["ge"], bits_x, infinity), b.is_(UNSIGNED["gt"], bits_y, infinity)
    is_nan = c.value("arith.ori", [c.value("arith.ori", [bad_x, bad_y], c.i1), b.is_(SIGNED["eq"], bits_y, 0)], c.i1)
    is_less = b.is_(UNSIGNED["lt"], bits_x, bits_y)

    exponent, left = b.parts(bits_x)
    floor, divisor = b.parts(bits_y)
    steps = c.select(c.value("arith.ori", [is_nan, is_less], c.i1), c.constant(0, c.i64), b.op("subi", exponent, floor))
    loop = c.operation("scf.for", [c.index(0), c.index_cast(steps, c.index_type), c.index(1), left], [c.i64], regions=1)
    block = c.block(loop.regions[0], [c.index_type, c.i64])

    def reduced(left: ir.Value) -> ir.Value:
        rest = b.op("subi", left, divisor)
        return c.select(b.is_(SIGNED["ge"], rest, 0), rest, left)

    with c.within(block):
        c.operation("scf.yield", [b.op("shli", reduced(block.arguments[1]), 1)])
    left = reduced(loop.results[0])

    shift = b.op("andi", b.headroom(left), 63)
    exponent = b.op("subi", floor, shift)
    left = b.op("shli", left, shift)
    normal = b.op("ori", b.op("subi", left, _HIDDEN_BIT), b.op("shli", exponent, _FRACTION_BITS))
    small = b.op("shrui", left, b.op("andi", b.op("subi", c.constant(1, c.i64), exponent), 63))
    bits = c.select(b.is_(SIGNED["gt"], exponent, 0), normal, small)
    is_zero = b.is_(SIGNED["eq"], left, 0)
    result = c.value("arith.bitcast", [c.select(is_zero, left, bits)], f64)
    result = c.value("math.copysign", [c.select(is_less, c.value("math.absf", [x], f64), result), x], f64)
    return c.select(is_nan, c.constant(float("nan"), f64), result)
