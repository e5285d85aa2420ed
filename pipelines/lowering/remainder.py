"""The exact remainder of floats: CPUs have no instruction for it, artifacts no C library, and Vulkan promises no digit.

Long division of the significands: a subtraction and a doubling for each step between the exponents. Of f64 on CPUs in
integers, which takes half as long; on Vulkan, where 64-bit integers may be emulated, in floats, which is exact as well.
"""

from __future__ import annotations

import math

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import SIGNED, UNSIGNED, Emitter
from difc.pipelines.lowering.expansions.reals import Real, Reals, Word

__all__ = ["f64_remainder", "remainder"]

_FRACTION_BITS, _EXPONENT_MASK = 52, 0x7FF
_HIDDEN_BIT = 1 << _FRACTION_BITS


# ---- in integers ---------------------------------------------------------------------------------


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


# ---- in floats -----------------------------------------------------------------------------------


def remainder(f: Reals, x: Real, y: Real) -> Real:
    """Return the same as `f64_remainder`, of f32 or f64, in floats."""
    size, divisor = abs(x), abs(y)
    is_number = (size < math.inf) & (divisor > 0.0)
    reduces = is_number & (divisor < math.inf) & (size >= divisor)
    start, start_exponent = _split(f, reduces.choose(size, 1.0))
    step, exponent = _split(f, reduces.choose(divisor, 1.0))

    def reduced(left: Real) -> Real:
        return (left >= step).choose(left - step, left)

    c = f.c
    count = c.index_cast((start_exponent - exponent).value, c.index_type)
    loop = c.operation("scf.for", [c.index(0), count, c.index(1), start.value], [f.type], regions=1)
    block = c.block(loop.regions[0], [c.index_type, f.type])
    with c.within(block):
        left = reduced(Real(f, block.arguments[1]))
        c.operation("scf.yield", [(left + left).value])
    rest = f.scaled(reduced(Real(f, loop.results[0])), exponent)
    return is_number.choose(f.signed(reduces.choose(rest, size), x), math.nan)


def _split(f: Reals, x: Real) -> tuple[Real, Word]:
    """Return the significand of a positive number, from 1 to 2, and its exponent."""
    shift = f.format.fraction + 1
    is_small = x < float(np.finfo(f.dtype).tiny)
    normal = is_small.choose(x * 2.0**shift, x)
    high = f.high(normal)
    exponent = (high >> f.format.high_fraction) - is_small.choose_word(f.format.bias + shift, f.format.bias)
    return f.with_high(normal, high & f.format.high_mask | f.format.one), exponent
