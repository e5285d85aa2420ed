"""Loops whose steps do the same for every lane, an index of their arrays: each workgroup runs the whole loop for some.

Before and after, for 1000 lanes, of which a workgroup takes 250:

    %y = scf.for ... iter_args(%c = %x) -> (tensor<1000x3xf32>)

    %part = "iree_tensor_ext.dispatch.tensor.load"(%x) of 250 lanes
    %y = scf.for ... iter_args(%c = %part) -> (tensor<250x3xf32>)

The lanes are the dims that are indexed like one of a carry (`loop_dims.py`). What is summed over lanes can only be
added to such sums: each workgroup makes its part, and the parts are added after the loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from difc.dialects.mlir import ir
from difc.pipelines.loop_bodies import is_array, nested, stack_bytes
from difc.pipelines.loop_dims import Dims, carries_of, is_splat
from difc.pipelines.loop_factors import is_small_factorisation
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, Size, element_of, identity_map, projection
from difc.pipelines.lowering.kernel_text import Array
from difc.pipelines.lowering.tensors import RESHAPES, TensorEmitter

__all__ = ["PARTS", "SAME", "Lanes", "lanes_of", "narrow"]

PARTS, SAME = "parts", "same"
"""What workgroups make of a result without lanes: parts of a sum, or all the same."""

_FEWEST, _MOST = 8, 256  # lanes of a workgroup
_FEWEST_CALLS = 8  # of kernels that a step on the host would make, of those that IREE makes no vectors of
_TERMS = 512  # of a lane's sums in one operation, with all that share it; IREE's matmuls are better at more
_ADDITIONS = ("arith.addf", "arith.addi", "arith.subf", "arith.subi", "arith.truncf", "arith.extf", "linalg.yield")


@dataclass(frozen=True)
class Lanes:
    """How the lanes of a loop are shared out.

    Attributes:
      count, tile: how many there are, and how many a workgroup takes.
      arguments: for each array that the kernel reads, which of its dims are the lanes, or None.
      results: for each result a dim, PARTS or SAME.
      dims: which dim of each value in the kernel.
    """

    count: int
    tile: int
    arguments: Sequence[int | None]
    results: Sequence[int | str]
    dims: dict[ir.Value, int]

    @property
    def groups(self) -> int:
        """Return how many workgroups there are."""
        return self.count // self.tile

    def made(self, number: int, sizes: Sequence[Size]) -> list[Size]:
        """Return the sizes of what all workgroups together make of a result: with its lanes, or one for each."""
        return list(sizes) if isinstance(self.results[number], int) else [self.groups, *sizes]

    def accesses(self, read: Sequence[Array], write: Sequence[Array]) -> tuple[list[str], list[str]]:
        """Return the lines with which a workgroup loads its part of arrays, and those with which it stores results."""
        loads = [
            f"%tile = arith.constant {self.tile} : index",
            "%first = arith.muli %strip, %tile : index",
            *(
                a.load_whole(f"%of_{a.name}") if d is None else a.load_part(f"%of_{a.name}", d, "%first", self.tile)
                for a, d in zip(read, self.arguments, strict=True)
            ),
        ]
        stores = [
            a.store_part(f"%to_{a.name}", d, "%first", self.tile)
            if isinstance(d, int)
            else a.store_row(f"%to_{a.name}", "%strip")
            for a, d in zip(write, self.results, strict=True)
        ]
        return loads, stores

    def joined(self, e: TensorEmitter, found: Sequence[ir.Value], starts: Sequence[ir.Value]) -> list[ir.Value]:
        """Append the code that makes a loop's results of what the workgroups made.

        Args:
          e: where to append.
          found: what they made.
          starts: the loop's carries before its first step.
        """
        return [
            _total(e, x, start) if kind == PARTS else _first(e, x) if kind == SAME else x
            for x, kind, start in zip(found, self.results, starts, strict=True)
        ]


# ---- what is shared out --------------------------------------------------------------------------


def lanes_of(function: ir.Operation, arrays: int, most_bytes: int) -> Lanes | None:
    """Return how the lanes of a kernel can be shared out, or None.

    Args:
      function: the kernel.
      arrays: how many of its arguments are arrays.
      most_bytes: of the arrays that a workgroup makes.
    """
    block = function.regions[0].blocks[0]
    loops = [op.operation for op in block.operations if op.operation.name == "scf.for"]
    carries = [a for loop in loops for a in list(loop.regions[0].blocks[0].arguments)[1:] if is_array(a)]
    candidates = [(a, d) for a in carries for d, size in enumerate(a.type.shape) if size >= 2 * _FEWEST]
    if len(loops) != 1 or not candidates or _calls(loops[0]) < _FEWEST_CALLS:
        return None
    dims, tried = Dims(function), set()
    bytes_of_all = stack_bytes(function)
    for place in candidates:
        if (root := dims.find(place)) in tried or not dims.can_be_shared(place):
            continue
        tried.add(root)
        count = place[0].type.shape[place[1]]
        tile = _tile(count, bytes_of_all / count, most_bytes)
        shared = dims.like(place)
        values = {v: d for v, d in shared if isinstance(v, ir.Value)}
        indexed = {op: k for op, k in shared if not isinstance(op, ir.Value)}
        if tile is None or len(values) + len(indexed) < len(shared):  # of one value, two dims
            continue
        if any(v.type.shape[d] != count for v, d in values.items()) or not all(
            _is_light(*each) for each in indexed.items()
        ):
            continue
        if (sums := _sums(function, indexed)) is None:
            continue
        arguments = [values.get(a) for a in list(block.arguments)[:arrays]]
        results = [values.get(v, PARTS if v in sums else SAME) for v in list(block.operations)[-1].operands]
        return Lanes(count, tile, arguments, results, values)
    return None


def _calls(loop: ir.Operation) -> int:
    """Return how many kernels of a step on the host move columns, or factor small matrices: a number at a time, both.

    Sums and products are left out: IREE makes vectors of them, and of what is elementwise around them.
    """
    stacks = set(loop.regions[0].blocks[0].arguments)
    inserted = sum(op.name == "tensor.insert_slice" and op.operands[1] not in stacks for op in nested(loop))
    return inserted + sum(is_small_factorisation(op) for op in nested(loop))


def _tile(count: int, bytes_of_lane: float, most_bytes: int) -> int | None:
    """Return how many lanes a workgroup takes: a divisor of their count, so that none is computed twice."""
    sizes = range(min(_MOST, count // 2), _FEWEST - 1, -1)
    return next((s for s in sizes if count % s == 0 and s * bytes_of_lane <= most_bytes), None)


def _is_light(op: ir.Operation, lane: int) -> bool:
    """Say whether each lane adds few terms in an operation."""
    kinds = [str(kind) for kind in op.attributes["iterator_types"]]
    if not any("reduction" in kind for d, kind in enumerate(kinds) if d != lane):
        return True
    sizes = [1.0] * len(kinds)
    for operand, attribute in zip(op.operands, op.attributes["indexing_maps"], strict=True):
        shape = operand.type.shape if is_array(operand) else ()
        for size, expression in zip(shape, ir.AffineMapAttr(attribute).value.results, strict=True):
            sizes[ir.AffineDimExpr(expression).position] = math.inf if size < 0 else size
    return math.prod(size for d, size in enumerate(sizes) if d != lane) <= _TERMS


# ---- sums over lanes -----------------------------------------------------------------------------


def _sums(function: ir.Operation, loops: dict[ir.Operation, int]) -> set[ir.Value] | None:
    """Return the values of which each workgroup has a part, or None if one is used as if it were the whole sum."""
    sums: set[ir.Value] = set()
    while True:
        before = len(sums)
        for op in nested(function):
            if op.name == "scf.for":
                for start, argument, end, result in carries_of(op):
                    if not sums.isdisjoint((start, argument, end)):
                        sums.update((argument, result))
            elif op.name in (*RESHAPES, "linalg.generic"):
                is_part = _adds_lanes(op, loops) or any(v in sums for v in op.operands)
                sums.update(op.results if is_part else ())
        if len(sums) == before:
            return sums if all(_keeps_parts(op, sums, loops) for op in nested(function)) else None


def _adds_lanes(op: ir.Operation, loops: dict[ir.Operation, int]) -> bool:
    return op in loops and "reduction" in str(op.attributes["iterator_types"][loops[op]])


def _keeps_parts(op: ir.Operation, sums: set[ir.Value], loops: dict[ir.Operation, int]) -> bool:
    """Say whether an operation makes parts of a sum of parts, and of nothing else; or does not use any."""
    if op.name == "scf.for":
        is_outer = op.parent.operation.name == "func.func"
        carries = [carry for carry in carries_of(op) if carry[1] in sums]
        return all(end in sums and (is_outer or start in sums or _is_zero(start)) for start, _, end, _ in carries)
    if op.name == "linalg.generic" and op.results[0] in sums:
        return _is_sum(op, sums, loops)
    hands_on = op.name in (*RESHAPES, "func.return") or (op.name, op.parent.operation.name) == ("scf.yield", "scf.for")
    return hands_on or not any(v in sums for v in op.operands)


def _is_sum(op: ir.Operation, sums: set[ir.Value], loops: dict[ir.Operation, int]) -> bool:
    """Say whether a generic only adds: numbers of lanes, or parts, to parts or to nothing."""
    *inputs, start = op.operands
    body = op.regions[0].blocks[0]
    out = list(body.arguments)[-1]
    if len(op.results) != 1 or (list(out.uses) and start not in sums and not _is_zero(start)):
        return False
    if not _adds_lanes(op, loops):
        return all(v in sums for v in inputs) and all(child.name in _ADDITIONS for child in nested(op))
    last = list(body.operations)[-1].operands[0].owner
    adds = not isinstance(last, ir.Block) and last.name in ("arith.addf", "arith.addi") and out in list(last.operands)
    return adds and len(list(out.uses)) == 1 and not any(v in sums for v in inputs)


def _is_zero(value: ir.Value) -> bool:
    """Say whether all elements of an array are known to be 0."""
    maker = value.owner
    if isinstance(maker, ir.Block):
        return False
    if maker.name == "arith.constant":
        numbers = maker.attributes["value"]
        return bool(numbers.is_splat and numbers.get_splat_value().value == 0)
    if maker.name == "linalg.fill":
        return _is_zero_number(maker.operands[0])
    is_fill = maker.name == "linalg.generic" and len(maker.operands) == 1
    return is_fill and _is_zero_number(list(maker.regions[0].blocks[0].operations)[-1].operands[0])


def _is_zero_number(value: ir.Value) -> bool:
    maker = value.owner
    return not isinstance(maker, ir.Block) and maker.name == "arith.constant" and maker.attributes["value"].value == 0


# ---- a workgroup's kernel ------------------------------------------------------------------------


def narrow(function: ir.Operation, lanes: Lanes) -> None:
    """Let a kernel work on the arrays of one workgroup, and its sums begin with nothing."""
    for op in list(nested(function)):
        if is_splat(op) and op.results[0] in lanes.dims:
            number = op.attributes["value"].get_splat_value()
            type_ = _narrowed(op.results[0], lanes)
            op.attributes["value"] = ir.DenseElementsAttr.get_splat(type_, number)
        elif op.name == "tensor.expand_shape":
            _set_size(op, "static_output_shape", op.results[0], lanes)
        elif op.name == "tensor.extract_slice":
            _set_size(op, "static_sizes", op.operands[0], lanes)
        elif op.name == "tensor.insert_slice":
            _set_size(op, "static_sizes", op.results[0], lanes)
    block = function.regions[0].blocks[0]
    results = list(block.operations)[-1].operands
    for value, kind in zip(results, lanes.results, strict=True):
        if kind == PARTS:
            _begin_with_nothing(value)
    for value in lanes.dims:
        value.set_type(_narrowed(value, lanes))
    types = ir.FunctionType.get([a.type for a in block.arguments], [v.type for v in results])
    function.attributes["function_type"] = ir.TypeAttr.get(types)


def _narrowed(value: ir.Value, lanes: Lanes) -> ir.RankedTensorType:
    shape = list(value.type.shape)
    shape[lanes.dims[value]] = lanes.tile
    return ir.RankedTensorType.get(shape, value.type.element_type)


def _set_size(op: ir.Operation, name: str, value: ir.Value, lanes: Lanes) -> None:
    """Change the size in an attribute that belongs to the lanes of an array."""
    if value in lanes.dims:
        sizes = list(op.attributes[name])
        sizes[lanes.dims[value]] = lanes.tile
        op.attributes[name] = ir.DenseI64ArrayAttr.get(sizes)


def _begin_with_nothing(result: ir.Value) -> None:
    loop, number = result.owner, ir.OpResult(result).result_number
    e = TensorEmitter(loop.operation.parent.regions[0].blocks[0], loop.location)
    with e.within(loop.operation):
        start = e.empty([e.size_of(loop.operands[3 + number], d) for d in range(result.type.rank)], element_of(result))
        loop.operands[3 + number] = e.fill(e.constant(0, element_of(result)), start)


# ---- after the loop ------------------------------------------------------------------------------


def _first(e: TensorEmitter, x: ir.Value) -> ir.Value:
    sizes = [e.size_of(x, d) for d in range(1, x.type.rank)]
    zeros, ones = [0] * x.type.rank, [1] * x.type.rank
    return e.extract_slice(x, zeros, [1, *sizes], ones, drop=[0])


def _total(e: TensorEmitter, parts: ir.Value, start: ir.Value) -> ir.Value:
    """Return `start` and all parts; those of f32 are added in f64."""
    rank, element = parts.type.rank, element_of(parts)
    is_float, is_single = isinstance(element, ir.FloatType), isinstance(element, ir.F32Type)
    wide = ir.F64Type.get() if is_single else element
    add = "arith.addf" if is_float else "arith.addi"

    def added(x: ir.Value, total: ir.Value) -> list[ir.Value]:
        return [e.value(add, [total, e.value("arith.extf", [x], wide) if is_single else x], wide)]

    def finished(x: ir.Value, total: ir.Value, _: ir.Value) -> list[ir.Value]:
        return [e.value(add, [x, e.value("arith.truncf", [total], element) if is_single else total], element)]

    sizes = [e.size_of(start, d) for d in range(rank - 1)]
    inner, same = projection(rank, tuple(range(1, rank))), identity_map(rank - 1)
    nothing = e.filled(e.constant(0, wide), sizes)
    (total,) = e.generic(
        [(parts, identity_map(rank))], [(nothing, inner)], [REDUCTION, *[PARALLEL] * (rank - 1)], added
    )
    inputs, into = [(start, same), (total, same)], (e.empty(sizes, element), same)
    return e.generic(inputs, [into], [PARALLEL] * (rank - 1), finished)[0]
