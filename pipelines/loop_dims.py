"""Which dims of arrays in a kernel are indexed alike, so that they can only be cut together.

A loop of a linalg op joins the dims that it is the index of. A slice hands on the dims that it takes all of, a reshape
those that it merges with nothing but dims of size 1. All other dims that an operation has are kept whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from difc.dialects import end_of
from difc.dialects.mlir import ir
from difc.pipelines.loop_factors import is_small_factorisation
from difc.pipelines.loop_fences import FENCE
from difc.pipelines.loop_sizes import Known, kept_dims, made_with, origin, sizes_in
from difc.pipelines.upstream import is_array, nested, number_of

__all__ = ["Dims", "carries_of", "is_splat"]

Place = tuple[Any, Any]
"""A value and a dim of it, or an operation of linalg and one of its loops."""


def is_splat(op: ir.Operation) -> bool:
    """Say whether an operation is a constant array of one number."""
    return op.name == "arith.constant" and is_array(op.results[0]) and op.attributes["value"].is_splat


def carries_of(loop: ir.Operation) -> Iterator[tuple[ir.Value, ...]]:
    """Return start, argument, next value and result of each carry of a loop."""
    body = loop.regions[0].blocks[0]
    ends = end_of(body).operands
    return zip(list(loop.operands)[3:], list(body.arguments)[1:], ends, loop.results, strict=True)


class Dims:
    """Sets of places that are indexed alike; those in a set that is `whole` cannot be shared out.

    Args:
      function: the kernel.
      known: run-time sizes of its arguments.
    """

    def __init__(self, function: ir.Operation, known: Known) -> None:
        self.known = known
        self._parent: dict[Place, Place] = {}
        self._whole: set[Place] = set()
        for op in nested(function):
            _relate(self, op)

    def find(self, place: Place) -> Place:
        """Return the place that stands for the set of one."""
        while (parent := self._parent.get(place, place)) != place:
            place = parent
        return place

    def join(self, *places: Place) -> None:
        """Note that places are indexed alike."""
        first = self.find(places[0])
        for place in places[1:]:
            self._parent[self.find(place)] = first

    def keep_whole(self, *places: Place) -> None:
        """Note that places cannot be shared out, nor what is indexed like them."""
        self._whole.update(places)

    def can_be_shared(self, place: Place) -> bool:
        """Say whether a place may be shared out; only after all were noted."""
        return all(self.find(each) != self.find(place) for each in self._whole)

    def like(self, place: Place) -> set[Place]:
        """Return the places that belong together with one."""
        root = self.find(place)
        return {each for each in (*self._parent, root) if self.find(each) == root}


def _join_all(dims: Dims, values: Sequence[ir.Value]) -> None:
    """Join the dims of values of one shape."""
    if is_array(values[0]):
        for d in range(values[0].type.rank):
            dims.join(*((v, d) for v in values))


def _relate(dims: Dims, op: ir.Operation) -> None:
    if op.name == "scf.for":
        for values in carries_of(op):
            _join_all(dims, values)
    elif op.name == "scf.if" and len(op.results):
        ends = [end_of(region.blocks[0]).operands for region in op.regions]
        for values in zip(op.results, *ends, strict=True):
            _join_all(dims, values)
    elif op.name in ("linalg.generic", "linalg.fill"):
        _relate_loops(dims, op)
    elif op.name in ("tensor.extract_slice", "tensor.insert_slice"):
        _relate_slice(dims, op)
    elif op.name in ("tensor.expand_shape", "tensor.collapse_shape"):
        _relate_groups(dims, op)
    elif op.name in ("tensor.cast", FENCE):
        _join_all(dims, [op.operands[0], op.results[0]])
    elif op.name == "tensor.extract":
        _relate_element(dims, op)
    elif is_small_factorisation(op):
        arrays = [v for v in (*op.operands, *op.results) if is_array(v)]
        dims.join(*((v, 0) for v in arrays))
        dims.keep_whole(*((v, d) for v in arrays for d in range(1, v.type.rank)))
    elif op.name == "tensor.dim" and number_of(op.operands[1]) is not None:
        return
    elif op.name not in ("tensor.empty", "scf.yield", "func.return") and not is_splat(op):
        arrays = [v for v in (*op.operands, *op.results) if is_array(v)]
        dims.keep_whole(*((v, d) for v in arrays for d in range(v.type.rank)))


def _relate_loops(dims: Dims, op: ir.Operation) -> None:
    for value, result in zip(list(op.operands)[-len(op.results) :], op.results, strict=True):
        _join_all(dims, [value, result])
    if op.name == "linalg.fill":
        return
    for operand, attribute in zip(op.operands, op.attributes["indexing_maps"], strict=True):
        for d, expression in enumerate(ir.AffineMapAttr(attribute).value.results):
            if isinstance(expression, ir.AffineDimExpr):
                dims.join((operand, d), (op, expression.position))
            else:  # any loop may be in it
                dims.keep_whole((operand, d), *((op, k) for k in range(len(op.attributes["iterator_types"]))))
    for child in nested(op):
        if child.name == "linalg.index":
            uses = [use.owner.operation for use in child.results[0].uses]
            if any(user.name != "tensor.extract" for user in uses):
                dims.keep_whole((op, child.attributes["dim"].value))


def _relate_element(dims: Dims, op: ir.Operation) -> None:
    """An element that is read by the index of a loop is in the lane of that loop; others can be anywhere."""
    array, *indices = op.operands
    for d, index in enumerate(indices):
        maker = index.owner
        if not isinstance(maker, ir.Block) and maker.name == "linalg.index":
            dims.join((array, d), (maker.operation.parent.operation, maker.attributes["dim"].value))
        else:
            dims.keep_whole((array, d))


def _relate_slice(dims: Dims, op: ir.Operation) -> None:
    """A slice of a whole dim keeps it; dims of size 1 may be dropped."""
    part, whole = (
        (op.results[0], op.operands[0]) if op.name == "tensor.extract_slice" else (op.operands[0], op.operands[1])
    )
    offsets, strides = (list(op.attributes[f"static_{name}"]) for name in ("offsets", "strides"))
    sizes, _ = sizes_in(op)
    kept = kept_dims(sizes, part.type.shape)
    for d, size in enumerate(sizes):
        taken = size if isinstance(size, int) else origin(size, dims.known)
        is_all = (offsets[d], strides[d]) == (0, 1) and taken == made_with(whole, d, dims.known) != 1
        if is_all and d in kept:
            dims.join((whole, d), (part, kept.index(d)))
        else:
            dims.keep_whole((whole, d), *([(part, kept.index(d))] if d in kept else []))
    if op.name == "tensor.insert_slice":
        _join_all(dims, [whole, op.results[0]])


def _relate_groups(dims: Dims, op: ir.Operation) -> None:
    """A dim that is merged with dims of size 1 alone stays what it is."""
    few, many = op.operands[0], op.results[0]
    if op.name == "tensor.collapse_shape":
        few, many = many, few
    for d, group in enumerate(op.attributes["reassociation"]):
        parts = [ir.IntegerAttr(each).value for each in group]
        large = [p for p in parts if many.type.shape[p] != 1]
        if len(large) == 1:
            dims.join((few, d), (many, large[0]))
        else:
            dims.keep_whole((few, d), *((many, p) for p in parts))
