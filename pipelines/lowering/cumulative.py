"""Running results along an axis.

Sums, products and extremes are IREE's scan on CPUs. On GPUs, where that is one thread for a row, blocks of a row are
combined first, then what comes before each block, then each element with what is before it in its block.

A recurrence, which has two operands, is computed for the start of each block of a row first, then from there for
smaller blocks, and at last for each element. All do the steps in order, so that overflow and zeros are those of the
plain loop; the work for n elements is some n^(4/3), spread over all threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, BOOL, F16, F32
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, Out, element_type, lowering
from difc.pipelines.lowering.emitter import Size, identity_map
from difc.pipelines.lowering.kernel_loops import counted
from difc.pipelines.lowering.points import blocks_of, minus
from difc.pipelines.lowering.scalars import ScalarFunction, convert, number
from difc.pipelines.lowering.values import Value

__all__: list[str] = []

#: A row of more elements than these is cut into blocks, and those again.
_LONGEST = (64, 1 << 12, 1 << 17)

#: Op -> combining function, and its neutral element.
_TABLE: dict[dif.OpDef, tuple[ScalarFunction, Callable[[np.dtype], float]]] = {
    dif.cumsum: (scalars.add, lambda _: 0),
    dif.cumprod: (scalars.mul, lambda _: 1),
    dif.cummax: (scalars.maximum, scalars.lowest),
    dif.cummin: (scalars.minimum, scalars.highest),
}
#: Dtype -> the one that a scan computes in.
_WIDER: dict[np.dtype, np.dtype] = {F16: F32, BF16: F32, BOOL: np.dtype(np.uint8)}


def _running(c: Context, out: Out, x: Value, *, axis: int, reverse: bool) -> Value:
    function, neutral = _TABLE[dif.OPS[out.operation.name]]
    # IREE (3.13) cannot scan bool.
    dtype = _WIDER.get(out.dtype, out.dtype)
    element, rank, sizes = element_type(dtype), out.aval.ndim, out.sizes
    if 0 in sizes:
        return x
    if c.target_kind != "cpu":
        return out.value(_in_blocks(c, out, x, axis, reverse, dtype, function, neutral(dtype)))
    last = minus(c, sizes[axis], 1) if reverse else None

    def flipped(tensor: ir.Value, before: np.dtype, after: np.dtype) -> ir.Value:
        """Convert elements and, if need be, reverse their order."""

        def body(*elements: ir.Value) -> ir.Value:
            if last is None:
                return convert(c, before, elements[0], after)
            indices = c.position(rank)
            indices[axis] = c.arith("subi", last, indices[axis])
            return convert(c, before, c.extract(tensor, indices), after)

        if last is None and before == after:
            return tensor
        inputs = [(tensor, identity_map(rank))] if last is None else []
        return c.pointwise(sizes, element_type(after), body, inputs)

    ordered = flipped(c.readable(x), out.dtype, dtype)
    start = c.filled(number(c, dtype, neutral(dtype)), [s for d, s in enumerate(sizes) if d != axis])
    found = c.scan(ordered, c.empty(sizes, element), start, axis, lambda a, b: [function(c, dtype, a, b)])
    return out.value(flipped(found, dtype, out.dtype))


lowering(*_TABLE)(_running)


def _in_blocks(
    c: Context, out: Out, x: Value, axis: int, reverse: bool, dtype: np.dtype, function: ScalarFunction, neutral: float
) -> ir.Value:
    """Return running results of an associative function, by threads that each run through a block."""
    tensor, rank, sizes = c.readable(x), out.aval.ndim, out.sizes
    size, start = sizes[axis], number(c, dtype, neutral)
    *_, block = _blocks(c, size) or [size]
    count = blocks_of(c, size, block)
    shape = [count if d == axis else s for d, s in enumerate(sizes)]

    def read(source: ir.Value, position: list[ir.Value], place: ir.Value) -> ir.Value:
        return c.extract(source, [place if d == axis else p for d, p in enumerate(position)])

    def element(position: list[ir.Value], place: ir.Value) -> ir.Value:
        place = c.arith("subi", minus(c, size, 1), place) if reverse else place
        return convert(c, out.dtype, read(tensor, position, place), dtype)

    def combined(first: Size, stop: ir.Value, state: ir.Value, of: Callable[[ir.Value], ir.Value]) -> ir.Value:
        return counted(c, first, stop, [state], lambda i, before: [function(c, dtype, before, of(i))])[0]

    def kernel(shape: list[Size], kind: ir.Type, body: Callable[[list[ir.Value]], ir.Value]) -> ir.Value:
        return c.fence(c.pointwise(shape, kind, lambda: body(c.position(rank))))

    def of_block(position: list[ir.Value]) -> ir.Value:
        first = c.arith("muli", position[axis], block)
        stop = c.arith("minsi", c.arith("addi", first, block), size)
        return combined(first, stop, start, lambda i: element(position, i))

    before: ir.Value | None = None
    if not (isinstance(count, int) and count == 1):
        totals = kernel(shape, element_type(dtype), of_block)
        before = kernel(
            shape, element_type(dtype), lambda at: combined(0, at[axis], start, lambda i: read(totals, at, i))
        )

    def of_element(position: list[ir.Value]) -> ir.Value:
        place = c.arith("subi", minus(c, size, 1), position[axis]) if reverse else position[axis]
        number_of = c.arith("divui", place, block)
        state = start if before is None else read(before, position, number_of)
        first, stop = c.arith("muli", number_of, block), c.arith("addi", place, 1)
        return convert(c, dtype, combined(first, stop, state, lambda i: element(position, i)), out.dtype)

    return kernel(list(sizes), out.element, of_element)


# ---- recurrence ----------------------------------------------------------------------------------


def _blocks(c: Context, size: Size) -> list[Size]:
    """Return the sizes of the blocks, from the largest, that a row is cut into again and again: none for a short row.

    Each is a root of the row's size times the next one.
    """
    if isinstance(size, int):
        levels = sum(size > longest for longest in _LONGEST)
        parts = max(math.ceil(size ** (1 / (levels + 1))), 2)
        return [parts**level for level in range(levels, 0, -1)]
    bits = minus(c, 64, c.index_cast(c.value("math.ctlz", [c.index_cast(size, c.i64)], c.i64), c.index_type))
    rounded = c.arith("addi", bits, 2)
    third = c.arith("divui", rounded, 3)
    part = c.arith("shli", 1, third)
    return [c.arith("muli", part, part), part]


@lowering(dif.recurrence)
def _(c: Context, out: Out, factor: Value, x: Value, *, axis: int, reverse: bool) -> Value:
    dtype, rank, sizes = F32 if out.dtype in (F16, BF16) else out.dtype, out.aval.ndim, out.sizes
    if 0 in sizes:
        return x
    factors, terms = c.readable(factor), c.readable(x)
    last, zero = c.index(minus(c, sizes[axis], 1)), number(c, dtype, 0)

    def along(position: list[ir.Value], place: ir.Value) -> list[ir.Value]:
        return [place if d == axis else i for d, i in enumerate(position)]

    def state_after(stop: ir.Value, position: list[ir.Value], outer: Size, known: ir.Value | None) -> ir.Value:
        """Return y after `stop` places, counted from where the recurrence starts, from the states before each block."""

        def step(i: ir.Value, before: ir.Value) -> list[ir.Value]:
            there = along(position, c.arith("subi", last, i) if reverse else i)
            a, b = (convert(c, out.dtype, c.extract(tensor, there), dtype) for tensor in (factors, terms))
            return [scalars.add(c, dtype, scalars.mul(c, dtype, a, before), b)]

        if known is None:
            return counted(c, 0, stop, [zero], step)[0]
        block = c.arith("divui", c.arith("maxsi", c.arith("subi", stop, 1), 0), outer)
        return counted(c, c.arith("muli", block, outer), stop, [c.extract(known, along(position, block))], step)[0]

    def states(size: Size, stride: Size, outer: Size, known: ir.Value | None) -> ir.Value:
        """Return y before each block of `stride` elements; for the elements themselves (`stride` 1): after each."""
        elements = isinstance(stride, int) and stride == 1

        def body() -> ir.Value:
            position = c.position(rank)
            place = position[axis]
            if not elements:
                return state_after(c.arith("muli", place, stride), position, outer, known)
            place = c.arith("subi", last, place) if reverse else place
            return convert(c, dtype, state_after(c.arith("addi", place, 1), position, outer, known), out.dtype)

        shape = [size if d == axis else s for d, s in enumerate(sizes)]
        return c.pointwise(shape, out.element if elements else element_type(dtype), body)

    known, outer = None, sizes[axis]
    for block in _blocks(c, sizes[axis]):
        known, outer = c.fence(states(blocks_of(c, sizes[axis], block), block, outer, known)), block
    return out.value(states(sizes[axis], 1, outer, known))
