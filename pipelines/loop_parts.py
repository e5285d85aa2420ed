"""What a workgroup does of a loop whose lanes are shared out (`loop_lanes.py`): its kernel, what that loads and stores.

The last workgroup may have fewer lanes than the others, and their count may be known only at run time: the number of a
workgroup's lanes is a value in the kernel. IREE finds out that it is at most the tile, and how much memory that needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from difc.dialects import end_of
from difc.dialects.mlir import ir
from difc.pipelines.loop_dims import is_splat
from difc.pipelines.loop_lanes import PARTS, SAME, Lanes
from difc.pipelines.loop_sizes import SIZED, segments, sizes_in
from difc.pipelines.lowering.emitter import (
    PARALLEL,
    REDUCTION,
    Size,
    dynamic_sizes,
    element_of,
    identity_map,
    projection,
)
from difc.pipelines.lowering.kernel_text import Array
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.upstream import is_empty, nested, number_of

__all__ = ["accesses", "count_of", "joined", "made", "narrow", "shares"]

_VECTOR = 8  # lanes that a processor may compute at once


# ---- the kernel ----------------------------------------------------------------------------------


def narrow(function: ir.Operation, lanes: Lanes) -> None:
    """Let a kernel work on the arrays of one workgroup, and its sums begin with nothing.

    It gets two arguments more: how many lanes there are, and how many of them the workgroup has.
    """
    block = function.regions[0].blocks[0]
    count, size = (block.add_argument(ir.IndexType.get(), function.location) for _ in range(2))
    ops = list(nested(function))
    loops = [op for op in ops if op.name == "scf.for"]
    for op in ops:
        if op.name == "tensor.dim" and lanes.dims.get(op.operands[0], -1) == number_of(op.operands[1]):
            op.results[0].replace_all_uses_with(count)
    results = end_of(block).operands
    for value, kind in zip(results, lanes.results, strict=True):
        if kind == PARTS:
            _begin_with_nothing(value)
    dims, e = dict(lanes.dims), TensorEmitter(block, function.location)
    for op in [op for op in ops if is_splat(op) or op.name in SIZED]:
        array = op.operands[0] if op.name == "tensor.extract_slice" else op.results[0]
        if array in dims:
            e.location = op.location
            with e.within(op):
                made = _resized(e, op, dims[array], size)
            if op.results[0] in dims:
                dims[made] = dims.pop(op.results[0])
            op.results[0].replace_all_uses_with(made)
            op.erase()
    for op in loops:
        for index, start in list(enumerate(op.operands))[3:]:
            if start in dims and isinstance(start.owner, ir.Block) and start.owner != block:
                with e.within(op):
                    op.operands[index] = made = _whole(e, start, dims[start], size)
                dims[made] = dims[start]
    for value, d in dims.items():
        shape = list(value.type.shape)
        shape[d] = ir.ShapedType.get_dynamic_size()
        value.set_type(ir.RankedTensorType.get(shape, value.type.element_type))
    ends = end_of(block).operands
    whole = ir.FunctionType.get([a.type for a in block.arguments], [v.type for v in ends])
    function.attributes["function_type"] = ir.TypeAttr.get(whole)


def _whole(e: TensorEmitter, x: ir.Value, d: int, size: ir.Value) -> ir.Value:
    """Return all of a carry as a part, of which IREE knows the size: for a loop that changes it, it may be copied."""
    sizes = [size if k == d else e.size_of(x, k) for k in range(x.type.rank)]
    return e.extract_slice(x, [0] * len(sizes), sizes, [1] * len(sizes))


def _begin_with_nothing(result: ir.Value) -> None:
    loop, number = result.owner, ir.OpResult(result).result_number
    if is_empty(loop.operands[3 + number]):
        return
    e = TensorEmitter(loop.operation.parent.regions[0].blocks[0], loop.location)
    with e.within(loop.operation):
        start = e.empty(e.sizes_of(loop.operands[3 + number]), element_of(result))
        loop.operands[3 + number] = e.fill(e.constant(0, element_of(result)), start)


def _resized(e: TensorEmitter, op: ir.Operation, d: int, size: ir.Value) -> ir.Value:
    """Return the result of an operation that has sizes of an array, with another size of a dim; its type may be old."""
    type_ = op.results[0].type
    if is_splat(op):
        number = e.function_constant(op.attributes["value"].get_splat_value())
        return e.filled(number, [size if k == d else each for k, each in enumerate(type_.shape)])
    sizes, first = sizes_in(op)
    before, after = list(op.operands)[:first], list(op.operands)[first + len(dynamic_sizes(sizes)) :]
    sizes[d] = size
    values, attributes = dynamic_sizes(sizes), {name: op.attributes[name] for name in op.attributes}
    if name := SIZED[op.name]:
        static = [s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in sizes]
        attributes[name] = ir.DenseI64ArrayAttr.get(static)
    if "operandSegmentSizes" in attributes:
        *others, _, strides = segments(op)
        attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([*others, len(values), strides])
    return e.value(op.name, [*before, *values, *after], type_, **attributes)


# ---- its arrays ----------------------------------------------------------------------------------


def shares(e: TensorEmitter, lanes: Lanes, count: Size) -> tuple[Size, Size]:
    """Return how many lanes a workgroup takes, if there are so many left, and how many workgroups there are.

    At run time they are two at least, except for less than two vectors of lanes, and one even if there are none.
    """
    if lanes.count is not None:
        return lanes.tile, -(-lanes.count // lanes.tile)
    each = e.arith("ceildivui", count, e.arith("maxui", e.arith("ceildivui", count, lanes.tile), 2))
    tile = e.arith("maxui", e.arith("muli", e.arith("ceildivui", each, _VECTOR), _VECTOR), _VECTOR)
    return tile, e.arith("maxui", e.arith("ceildivui", count, tile), 1)


def count_of(lanes: Lanes, read: Sequence[Sequence[Size]], write: Sequence[Sequence[Size]]) -> Size:
    """Return how many lanes there are, given the sizes of what is read and written."""
    dims = zip((*lanes.arguments, *lanes.results), (*read, *write), strict=True)
    return next(sizes[d] for d, sizes in dims if isinstance(d, int))


def made(lanes: Lanes, number: int, sizes: Sequence[Size], groups: Size) -> list[Size]:
    """Return the sizes of what all workgroups together make of a result: with its lanes, or one for each."""
    return list(sizes) if isinstance(lanes.results[number], int) else [groups, *sizes]


def accesses(
    lanes: Lanes, read: Sequence[Array], write: Sequence[Array], count: int | str, tile: int | str
) -> tuple[list[str], list[str]]:
    """Return the lines with which a workgroup loads its part of arrays, and those with which it stores results.

    Args:
      lanes: which part.
      read, write: the arrays.
      count, tile: how many lanes there are, and how many a workgroup takes: numbers or names.
    """
    numbers = {"%count": count, "%tile": tile}
    lines = [f"{name} = arith.constant {n} : index" for name, n in numbers.items() if isinstance(n, int)]
    count, tile = (name if isinstance(n, int) else n for name, n in numbers.items())
    least = f"affine_map<(d0)[s0, s1] -> (s0 - d0, s1, {lanes.tile})>"
    lines += [
        f"%first = arith.muli %strip, {tile} : index",
        f"%size = affine.min {least}(%first)[{count}, {tile}]",
    ]
    loads = [
        a.load_whole(f"%of_{a.name}") if d is None else a.load_part(f"%of_{a.name}", d, "%first", "%size")
        for a, d in zip(read, lanes.arguments, strict=True)
    ]
    stores = [
        a.store_part(f"%to_{a.name}", d, "%first", "%size")
        if isinstance(d, int)
        else a.store_row(f"%to_{a.name}", "%strip")
        for a, d in zip(write, lanes.results, strict=True)
    ]
    return [*lines, *loads], stores


# ---- after the loop ------------------------------------------------------------------------------


def joined(e: TensorEmitter, lanes: Lanes, found: Sequence[ir.Value], starts: Sequence[ir.Value]) -> list[ir.Value]:
    """Append the code that makes a loop's results of what the workgroups made.

    Args:
      e: where to append.
      lanes: what they shared out.
      found: what they made.
      starts: the loop's carries before its first step.
    """
    return [
        _total(e, x, [] if is_empty(start) else [start]) if kind == PARTS else _first(e, x) if kind == SAME else x
        for x, kind, start in zip(found, lanes.results, starts, strict=True)
    ]


def _first(e: TensorEmitter, x: ir.Value) -> ir.Value:
    sizes = e.sizes_of(x, 1)
    zeros, ones = [0] * x.type.rank, [1] * x.type.rank
    return e.extract_slice(x, zeros, [1, *sizes], ones, drop=[0])


def _total(e: TensorEmitter, parts: ir.Value, starts: Sequence[ir.Value]) -> ir.Value:
    """Return all parts, added to what the sum starts with, if anything; those of f32 are added in f64."""
    rank, element = parts.type.rank, element_of(parts)
    is_float, is_single = isinstance(element, ir.FloatType), isinstance(element, ir.F32Type)
    wide = ir.F64Type.get() if is_single else element
    add = "arith.addf" if is_float else "arith.addi"

    def added(x: ir.Value, total: ir.Value) -> list[ir.Value]:
        return [e.value(add, [total, e.value("arith.extf", [x], wide) if is_single else x], wide)]

    def finished(total: ir.Value, *others: ir.Value) -> list[ir.Value]:
        total = e.value("arith.truncf", [total], element) if is_single else total
        return [e.value(add, [others[0], total], element) if starts else total]

    sizes = e.sizes_of(parts, 1)
    inner, same = projection(rank, tuple(range(1, rank))), identity_map(rank - 1)
    nothing = e.filled(e.constant(0, wide), sizes)
    (total,) = e.generic(
        [(parts, identity_map(rank))], [(nothing, inner)], [REDUCTION, *[PARALLEL] * (rank - 1)], added
    )
    inputs, into = [(x, same) for x in (total, *starts)], (e.empty(sizes, element), same)
    return e.generic(inputs, [into], [PARALLEL] * (rank - 1), finished)[0]
