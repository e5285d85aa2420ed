"""Scalar functions of bits and integers that `arith` has in another form, or not at all: casts, shifts, divisors."""

from __future__ import annotations

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.scalars import compare, number, rem, sub

__all__ = ["bitcast", "gcd", "shift_left", "shift_right"]


def bitcast(c: Context, x: ir.Value, type_: ir.Type) -> ir.Value:
    """Return the number of another type that has the same bits.

    IREE emulates 64-bit integers on some Vulkan devices, and has no cast of floats to emulated ones: there it goes
    through the two halves.
    """
    if x.type == type_:  # as signed and unsigned integers are
        return x
    if type_.width != 64 or c.target_kind != "vulkan":
        return c.value("arith.bitcast", [x], type_)
    i32, shift = ir.IntegerType.get_signless(32), c.constant(32, c.i64)
    halves = ir.VectorType.get([2], i32)
    one = ir.VectorType.get([1], x.type if isinstance(x.type, ir.FloatType) else type_)
    if isinstance(type_, ir.FloatType):
        high = c.value("arith.trunci", [c.value("arith.shrui", [x, shift], x.type)], i32)
        parts = c.value("vector.from_elements", [c.value("arith.trunci", [x], i32), high], halves)
        return _element(c, c.value("vector.bitcast", [parts], one), 0, type_)
    parts = c.value("vector.bitcast", [c.value("vector.broadcast", [x], one)], halves)
    low, high = (c.value("arith.extui", [_element(c, parts, i, i32)], type_) for i in (0, 1))
    return c.value("arith.ori", [low, c.value("arith.shli", [high, shift], type_)], type_)


def _element(c: Context, vector: ir.Value, position: int, type_: ir.Type) -> ir.Value:
    return c.value("vector.extract", [vector], type_, static_position=ir.DenseI64ArrayAttr.get([position]))


def _is_count(c: Context, dtype: np.dtype, count: ir.Value) -> ir.Value:
    """Say whether a shift is by less than the width; seen as unsigned, a negative count is a large one."""
    width = number(c, dtype, 8 * dtype.itemsize)
    return compare(c, np.dtype(f"u{dtype.itemsize}"), count, width, "lt")


def shift_left(c: Context, dtype: np.dtype, x: ir.Value, count: ir.Value) -> ir.Value:
    """Shift towards the high bits; 0 for a count that is not within the width, where `arith` leaves it open."""
    zero, inside = number(c, dtype, 0), _is_count(c, dtype, count)
    moved = c.value("arith.shli", [x, c.select(inside, count, zero)], x.type)
    return c.select(inside, moved, zero)


def shift_right(c: Context, dtype: np.dtype, x: ir.Value, count: ir.Value) -> ir.Value:
    """Shift towards the low bits; the sign bit is repeated, also for a count that is not within the width."""
    inside = _is_count(c, dtype, count)
    if dtype.kind == "i":
        last = number(c, dtype, 8 * dtype.itemsize - 1)
        return c.value("arith.shrsi", [x, c.select(inside, count, last)], x.type)
    zero = number(c, dtype, 0)
    moved = c.value("arith.shrui", [x, c.select(inside, count, zero)], x.type)
    return c.select(inside, moved, zero)


def _size(c: Context, dtype: np.dtype, x: ir.Value) -> ir.Value:
    if dtype.kind == "u":
        return x
    return c.select(compare(c, dtype, x, number(c, dtype, 0), "lt"), sub(c, dtype, number(c, dtype, 0), x), x)


def gcd(c: Context, dtype: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return the greatest common divisor by Euclid's algorithm, for as many steps as these two numbers need."""
    unsigned = np.dtype(f"u{dtype.itemsize}")  # the size of the least integer is no signed one
    loop = c.operation("scf.while", [_size(c, dtype, x), _size(c, dtype, y)], [x.type] * 2, regions=2)
    before, after = (c.block(region, [x.type] * 2) for region in loop.regions)
    with c.within(before):
        c.operation(
            "scf.condition",
            [compare(c, unsigned, before.arguments[1], number(c, unsigned, 0), "ne"), *before.arguments],
        )
    with c.within(after):
        larger, smaller = after.arguments
        c.operation("scf.yield", [smaller, rem(c, unsigned, larger, smaller)])
    return loop.results[0]
