"""Run-time sizes of arrays, told apart by what they were made with: two with one origin are equal.

An origin is a number, a value of type `index`, or a place: an array and a dim of it, of which nothing more is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size
from difc.pipelines.upstream import is_made_by, number_of

__all__ = ["NOTES", "SIZED", "Known", "kept_dims", "made_with", "origin", "segments", "sizes_in"]

Origin = Any
Known = Mapping[tuple[ir.Value, int], Origin]
"""Origins of the sizes of arrays that are given."""

SIZED = {
    "tensor.empty": None,
    "tensor.expand_shape": "static_output_shape",
    "tensor.extract_slice": "static_sizes",
    "tensor.insert_slice": "static_sizes",
}
"""Operations that have sizes, of a result or of a block, and the attributes with those that are numbers."""

NOTES = ("iree_tensor_ext.compute_barrier.start", "flow.tensor.tie_shape")
"""Operations for IREE's analyses, outside of kernels: of an array, then its run-time sizes."""


def made_with(array: ir.Value, d: int, known: Known) -> Origin:
    """Return the origin of the size of an array's dim. A carry keeps its sizes."""
    while array.type.is_dynamic_dim(d):
        maker, before = array.owner, array.type.shape[:d]
        number = sum(map(ir.ShapedType.is_dynamic_size, before))  # of the run-time sizes of the array
        if isinstance(maker, ir.Block):
            loop = maker.owner
            if loop.operation.name != "scf.for":
                return known.get((array, d), (array, d))
            array = loop.operation.operands[2 + ir.BlockArgument(array).arg_number]
        elif maker.name == "scf.for":
            array = maker.operands[3 + ir.OpResult(array).result_number]
        elif maker.name.startswith("linalg."):
            array = maker.operands[len(maker.operands) - len(maker.results) + ir.OpResult(array).result_number]
        elif maker.name == "tensor.insert_slice":
            array = maker.operands[1]
        elif maker.name == "tensor.cast":
            array = maker.operands[0]
        elif maker.name in NOTES:
            return origin(maker.operands[1 + number], known)
        elif maker.name in SIZED:
            sizes, _ = sizes_in(maker)
            is_part = maker.name == "tensor.extract_slice"
            return origin(sizes[kept_dims(sizes, array.type.shape)[d] if is_part else d], known)
        elif maker.name == "flow.dispatch":
            values = list(maker.operands)[len(maker.operands) - segments(maker)[-1] :]
            others = list(maker.results)[: ir.OpResult(array).result_number]
            return origin(values[number + sum(_count_dynamic(v) for v in others)], known)
        else:
            return array, d
    return array.type.shape[d]


def origin(size: ir.Value, known: Known) -> Origin:
    """Return what a value that is a size has in common with all that are equal to it."""
    if is_made_by(size, "tensor.dim"):
        array, place = size.owner.operands
        number = number_of(place)
        if number is not None:
            return made_with(array, number, known)
    return size


def segments(op: ir.Operation) -> list[int]:
    """Return how many operands each group of operands of an operation has."""
    return list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))


def sizes_in(op: ir.Operation) -> tuple[list[Size], int]:
    """Return the sizes that an operation of `SIZED` has, and the place of its first operand that is one."""
    name, first = SIZED[op.name], 0
    if name:
        first = 1 if op.name == "tensor.expand_shape" else sum(segments(op)[:-2])
    values = iter(list(op.operands)[first:])
    static = op.attributes[name] if name else op.results[0].type.shape
    return [next(values) if ir.ShapedType.is_dynamic_size(s) else s for s in static], first


def kept_dims(sizes: Sequence[Size], shape: Sequence[int]) -> list[int]:
    """Return the dims of a block that those of a slice, of this shape, are; the others have size 1."""
    kept: list[int] = []
    for d, size in enumerate(sizes):
        left = len(shape) - len(kept)
        must_drop = left == 0 or (isinstance(size, int) and size == 1 and shape[len(kept)] != 1)
        if not must_drop:
            kept.append(d)
    return kept


def _count_dynamic(array: ir.Value) -> int:
    return sum(map(array.type.is_dynamic_dim, range(array.type.rank)))
