"""Loops whose steps do the same for every lane, an index of their arrays: each workgroup runs the whole loop for some.

Before and after, for 1009 lanes, of which a workgroup takes 253, and the last of four what is left:

    %y = scf.for ... iter_args(%c = %x) -> (tensor<1009x3xf32>)

    %size = affine.min (1009 - 253 * %workgroup, 253)
    %part = "iree_tensor_ext.dispatch.tensor.load"(%x) of %size lanes
    %y = scf.for ... iter_args(%c = %part) -> (tensor<?x3xf32>)

The lanes are the dims that are indexed like one of a carry (`loop_dims.py`). What is summed over lanes can only be
added to such sums: each workgroup makes its part, and the parts are added after the loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from difc.dialects import end_of
from difc.dialects.mlir import ir
from difc.pipelines.loop_bodies import sizes_of_loops, stack_bytes, work_of
from difc.pipelines.loop_dims import Dims, carries_of
from difc.pipelines.loop_factors import is_small_factorisation
from difc.pipelines.loop_sizes import Known
from difc.pipelines.lowering.emitter import REDUCTION
from difc.pipelines.lowering.tensors import RESHAPES
from difc.pipelines.upstream import is_array, is_empty, is_made_by, nested

__all__ = ["PARTS", "SAME", "Lanes", "lanes_of"]

PARTS, SAME = "parts", "same"
"""What workgroups make of a result without lanes: parts of a sum, or all the same."""

_FEWEST, _MOST = 8, 256  # lanes of a workgroup
_USUAL = 100  # lanes of a loop, if their count is known only at run time
_FEWEST_CALLS = 8  # of kernels that a step on the host would make, of those that IREE makes no vectors of
_TERMS = 512  # of a lane's sums in one operation, with all that share it; IREE's matmuls are better at more
_SLICES = ("tensor.extract_slice", "tensor.insert_slice")
_ADDITIONS = ("arith.addf", "arith.addi", "arith.subf", "arith.subi", "arith.truncf", "arith.extf", "linalg.yield")


@dataclass(frozen=True)
class Lanes:
    """How the lanes of a loop are shared out.

    Attributes:
      count: how many there are; None if that is known only at run time.
      tile: how many a workgroup takes, at most.
      arguments: for each array that the kernel reads, which of its dims are the lanes, or None.
      results: for each result a dim, PARTS or SAME.
      dims: which dim of each value in the kernel.
    """

    count: int | None
    tile: int
    arguments: Sequence[int | None]
    results: Sequence[int | str]
    dims: dict[ir.Value, int]


# ---- what is shared out --------------------------------------------------------------------------


def lanes_of(function: ir.Operation, arrays: int, known: Known, most_bytes: int, most_work: float) -> Lanes | None:
    """Return how the lanes of a kernel can be shared out, or None.

    Args:
      function: the kernel.
      arrays: how many of its arguments are arrays.
      known: run-time sizes of these.
      most_bytes: of the arrays that a workgroup makes.
      most_work: of a step for each kernel that it would call on the host, which would be faster with more.
    """
    block = function.regions[0].blocks[0]
    loops = [op.operation for op in block.operations if op.operation.name == "scf.for"]
    carries = [a for loop in loops for a in list(loop.regions[0].blocks[0].arguments)[1:] if is_array(a)]
    candidates = [(a, d) for a in carries for d, size in enumerate(a.type.shape) if size < 0 or size >= 2 * _FEWEST]
    if len(loops) != 1 or not candidates:
        return None
    dims, tried = Dims(function, known), set()
    for place in candidates:
        if (root := dims.find(place)) in tried or not dims.can_be_shared(place):
            continue
        tried.add(root)
        shared = dims.like(place)
        values = {v: d for v, d in shared if isinstance(v, ir.Value)}
        indexed = {op: k for op, k in shared if not isinstance(op, ir.Value)}
        count = place[0].type.shape[place[1]]
        if len(values) + len(indexed) < len(shared):  # of one value, two dims
            continue
        if not _is_faster(loops[0], count, values, most_work) or not all(_is_light(*each) for each in indexed.items()):
            continue
        if any(v.type.shape[d] != count for v, d in values.items()):
            continue
        tile = _tile(count, function, values, most_bytes)
        if tile is None or (sums := _sums(function, indexed)) is None:
            continue
        arguments = [values.get(a) for a in list(block.arguments)[:arrays]]
        results = [values.get(v, PARTS if v in sums else SAME) for v in end_of(block).operands]
        if any(isinstance(d, int) for d in (*arguments, *results)):
            return Lanes(count if count > 0 else None, tile, arguments, results, values)
    return None


def _is_faster(loop: ir.Operation, count: int, dims: Mapping[ir.Value, int], most_work: float) -> bool:
    """Say whether workgroups that do whole loops are faster than steps on the host."""
    if _calls(loop) >= _FEWEST_CALLS:
        return True
    if count >= 0:
        return False
    work, kernels = work_of(loop.regions[0].blocks[0], dict.fromkeys(dims.items(), _USUAL))
    return work <= most_work * kernels


def _calls(loop: ir.Operation) -> int:
    """Return how many kernels of a step on the host move columns, or factor small matrices: a number at a time, both.

    Sums and products are left out: IREE makes vectors of them, and of what is elementwise around them.
    """
    stacks = set(loop.regions[0].blocks[0].arguments)
    inserted = sum(op.name == "tensor.insert_slice" and op.operands[1] not in stacks for op in nested(loop))
    return inserted + sum(is_small_factorisation(op) for op in nested(loop))


def _tile(count: int, function: ir.Operation, dims: Mapping[ir.Value, int], most_bytes: int) -> int | None:
    """Return how many lanes a workgroup takes at most, such that there are two workgroups; None if too few fit."""
    others, with_one = (stack_bytes(function, dict.fromkeys(dims.items(), tile)) for tile in (0, 1))
    if with_one > most_bytes:
        return None
    most = min(_MOST, int((most_bytes - others) / max(with_one - others, 1)))
    if most < _FEWEST:
        return None
    if count < 0:
        return most // _FEWEST * _FEWEST
    groups = max(2, -(-count // most))
    return -(-count // groups)


def _is_light(op: ir.Operation, lane: int) -> bool:
    """Say whether each lane adds few terms in an operation."""
    others = [d for d in range(len(op.attributes["iterator_types"])) if d != lane]
    if not any(_is_summed(op, d) for d in others):
        return True
    sizes = sizes_of_loops(op)
    return math.prod(sizes[d] for d in others) <= _TERMS


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
            elif op.name in (*RESHAPES, *_SLICES, "linalg.generic"):
                is_part = _adds_lanes(op, loops) or any(v in sums for v in op.operands)
                sums.update(op.results if is_part else ())
        if len(sums) == before:
            return sums if all(_keeps_parts(op, sums, loops) for op in nested(function)) else None


def _adds_lanes(op: ir.Operation, loops: dict[ir.Operation, int]) -> bool:
    return op in loops and _is_summed(op, loops[op])


def _is_summed(op: ir.Operation, loop: int) -> bool:
    """Say whether an operation reduces along one of its loops."""
    return REDUCTION in str(op.attributes["iterator_types"][loop])


def _keeps_parts(op: ir.Operation, sums: set[ir.Value], loops: dict[ir.Operation, int]) -> bool:
    """Say whether an operation makes parts of a sum of parts, and of nothing else; or does not use any."""
    if op.name == "scf.for":
        is_outer = op.parent.operation.name == "func.func"
        carries = [carry for carry in carries_of(op) if carry[1] in sums]
        return all(
            end in sums and (is_outer or start in sums or is_empty(start) or _is_zero(start))
            for start, _, end, _ in carries
        )
    if op.name == "linalg.generic" and op.results[0] in sums:
        return _is_sum(op, sums, loops)
    if op.name == "tensor.insert_slice" and op.results[0] in sums:
        return (op.operands[0] in sums or _is_zero(op.operands[0])) and _begins_with_nothing(op.operands[1])
    hands_on = op.name in (*RESHAPES, *_SLICES, "func.return") or (op.name, op.parent.operation.name) == (
        "scf.yield",
        "scf.for",
    )
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
    last = end_of(body).operands[0].owner
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
    return is_fill and _is_zero_number(end_of(maker.regions[0].blocks[0]).operands[0])


def _begins_with_nothing(value: ir.Value) -> bool:
    """Say whether an array is empty or zero, but for what was put into it."""
    maker = value.owner
    if isinstance(maker, ir.Block):
        loop = maker.owner.operation
        return loop.name == "scf.for" and _begins_with_nothing(loop.operands[2 + ir.BlockArgument(value).arg_number])
    if maker.name == "scf.for":
        return _begins_with_nothing(maker.operands[3 + ir.OpResult(value).result_number])
    if maker.name == "tensor.insert_slice":
        return _begins_with_nothing(maker.operands[1])
    return is_empty(value) or _is_zero(value)


def _is_zero_number(value: ir.Value) -> bool:
    return is_made_by(value, "arith.constant") and value.owner.attributes["value"].value == 0
