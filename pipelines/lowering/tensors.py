"""Ops on whole tensors: order of dims, blocks, regrouping of dims, and IREE's scatter and scan in generic form.

Part of the pen of the lowering, like `emitter.py`: it knows MLIR types and sizes, nothing of the `dif` dialect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Emitter, Size, dynamic_sizes, element_of, tensor_type_of
from difc.pipelines.upstream import is_made_by

__all__ = ["RESHAPES", "TensorEmitter", "maker_of"]

#: Ops that give a tensor in another shape, its elements in the same order.
RESHAPES = ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape")


class TensorEmitter(Emitter):
    """Appends ops on tensors."""

    def transposed(self, x: ir.Value, permutation: Sequence[int], sizes: Sequence[Size]) -> ir.Value:
        """Append a `linalg.transpose` to a tensor of `sizes`."""
        init = self.empty(sizes, element_of(x))
        made = self.operation(
            "linalg.transpose", [x, init], [init.type], {"permutation": ir.DenseI64ArrayAttr.get(list(permutation))}, 1
        )
        block = self.block(made.regions[0], [element_of(x)] * 2)
        with self.within(block):
            self.operation("linalg.yield", [block.arguments[0]])
        return made.results[0]

    def fence(self, x: ir.Value) -> ir.Value:
        """Return the tensor, computed in a kernel of its own: IREE fuses nothing across this.

        A constant is in no kernel. IREE would compute a fenced one when the module is loaded, and keep it: all zeros of
        an embedding's gradient.
        """
        if is_made_by(x, "arith.constant"):
            return x
        sizes = self.sizes_of(x)
        return self.value("iree_tensor_ext.compute_barrier.start", [x, *dynamic_sizes(sizes)], x.type)

    def tied(self, x: ir.Value, sizes: Sequence[Size]) -> ir.Value:
        """Return the tensor with its run-time sizes noted: IREE does not find those of what leaves a branch or loop."""
        values = dynamic_sizes(sizes)
        return self.value("flow.tensor.tie_shape", [x, *values], x.type) if values else x

    def concatenated(self, pieces: Sequence[ir.Value], dimension: int, sizes: Sequence[Size]) -> ir.Value:
        """Join tensors along a dim into one of `sizes`."""
        if 0 in sizes:
            return self.empty(sizes, element_of(pieces[0]))
        others = [size for d, size in enumerate(sizes) if d != dimension]
        is_lone = set(others) <= {1} and any(p.type.has_static_shape and p.type.shape[dimension] == 1 for p in pieces)
        # IREE (3.13) would transpose before and after a tensor.concat that is not along the leading dim. Where it moves
        # a change of rank up past one, it reads what is sliced from an array to a single element in too high a rank.
        if is_lone or any(size != 1 for size in sizes[:dimension]):
            whole, at = self.empty(sizes, element_of(pieces[0])), 0
            extents = [p.type.shape[dimension] for p in pieces if not p.type.is_dynamic_dim(dimension)]
            if len(extents) == len(pieces):
                for piece, extent in zip(pieces, extents, strict=True):
                    if not extent:
                        continue
                    offsets = [at if d == dimension else 0 for d in range(len(sizes))]
                    block = [extent if d == dimension else size for d, size in enumerate(sizes)]
                    whole = self.insert_slice(piece, whole, offsets, block, [1] * len(sizes))
                    at += extent
                return whole
        type_ = tensor_type_of(sizes, element_of(pieces[0]))
        return self.value("tensor.concat", pieces, type_, dim=ir.IntegerAttr.get(self.i64, dimension))

    def gather(self, source: ir.Value, indices: ir.Value, keys: int, sizes: Sequence[Size]) -> ir.Value:
        """Append IREE's gather of windows, `sizes`, at points of the first `keys` dims; they must lie inside.

        The result is fenced: of a gather that it fuses with a sum, IREE (3.13) adds up other elements.
        """
        source, indices, init = self.fence(source), self.fence(indices), self.empty(sizes, element_of(source))
        attributes = {
            "dimension_map": ir.DenseI64ArrayAttr.get(list(range(keys))),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([2, 1]),
        }
        made = self.operation("iree_linalg_ext.gather", [source, indices, init], [init.type], attributes)
        return self.fence(made.results[0])

    def scatter(
        self,
        updates: ir.Value,
        indices: ir.Value,
        into: ir.Value,
        dimensions: Sequence[int],
        body: Callable[[ir.Value, ir.Value], Sequence[ir.Value]],
    ) -> ir.Value:
        """Append IREE's scatter, in order of the points: `body` gets an update and the old element.

        The operands are fenced: a producer fused into the kernel would keep all its elements in a workgroup's memory.
        So would a slice update that IREE (3.13) fuses with the result (a pad of it): too much for a kernel, or a crash.
        """
        updates, indices, into = self.fence(updates), self.fence(indices), self.fence(into)
        attributes = {
            "dimension_map": ir.DenseI64ArrayAttr.get(list(dimensions)),
            "unique_indices": ir.BoolAttr.get(False),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([2, 1]),
        }
        made = self.operation("iree_linalg_ext.scatter", [updates, indices, into], [into.type], attributes, regions=1)
        block = self.block(made.regions[0], [element_of(updates), element_of(into)])
        with self.within(block):
            self.operation("iree_linalg_ext.yield", body(*block.arguments))
        return self.fence(made.results[0])

    def scan(
        self,
        x: ir.Value,
        init: ir.Value,
        start: ir.Value,
        dimension: int,
        body: Callable[[ir.Value, ir.Value], Sequence[ir.Value]],
    ) -> ir.Value:
        """Append IREE's inclusive scan along a dim: `body` combines an element with what came before."""
        attributes = {
            "dimension": ir.IntegerAttr.get(self.i64, dimension),
            "inclusive": ir.BoolAttr.get(True),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 2]),
        }
        made = self.operation("iree_linalg_ext.scan", [x, init, start], [init.type, start.type], attributes, regions=1)
        block = self.block(made.regions[0], [element_of(x)] * 2)
        with self.within(block):
            self.operation("iree_linalg_ext.yield", body(*block.arguments))
        return made.results[0]

    def extract_slice(
        self,
        x: ir.Value,
        offsets: Sequence[Size],
        sizes: Sequence[Size],
        strides: Sequence[int],
        drop: Sequence[int] = (),
    ) -> ir.Value:
        """Read a block; the dims in `drop` (of size 1) do not show in the result."""
        kept = [s for i, s in enumerate(sizes) if i not in drop]
        if 0 in sizes:  # not even a block without elements may start at the end of a dim
            return self.empty(kept, element_of(x))
        operands, attributes = _slice_operands([x], offsets, sizes, strides)
        return self.value("tensor.extract_slice", operands, tensor_type_of(kept, element_of(x)), **attributes)

    def insert_slice(
        self, x: ir.Value, into: ir.Value, offsets: Sequence[Size], sizes: Sequence[Size], strides: Sequence[int]
    ) -> ir.Value:
        """Return `into` with a block replaced."""
        if 0 in sizes:
            return into
        operands, attributes = _slice_operands([x, into], offsets, sizes, strides)
        return self.value("tensor.insert_slice", operands, into.type, **attributes)

    def collapse(self, x: ir.Value, groups: Sequence[Sequence[int]]) -> ir.Value:
        """Merge runs of neighbouring dims; `groups` covers all dims in order (empty: to a scalar)."""
        type_ = x.type
        if len(groups) == type_.rank:
            return x
        sizes: list[Size] = []
        for group in groups:
            dims = [None if type_.is_dynamic_dim(d) else type_.get_dim_size(d) for d in group]
            sizes.append(None if None in dims else math.prod(dims))
        return self.value(
            "tensor.collapse_shape", [x], tensor_type_of(sizes, type_.element_type), reassociation=_groups(groups)
        )

    def expand(self, x: ir.Value, groups: Sequence[Sequence[int]], sizes: Sequence[Size]) -> ir.Value:
        """Split dims: result dims `groups[i]`, of the given `sizes`, make up dim i of `x`."""
        if len(sizes) == x.type.rank:
            return x
        split = [
            math.prod(g) if all(isinstance(s, int) for s in g) else None
            for g in ([sizes[d] for d in g] for g in groups)
        ]
        x = self.cast(x, tensor_type_of(split, element_of(x)))
        static = [s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in sizes]
        return self.value(
            "tensor.expand_shape",
            [x, *dynamic_sizes(sizes)],
            tensor_type_of(sizes, element_of(x)),
            reassociation=_groups(groups),
            static_output_shape=ir.DenseI64ArrayAttr.get(static),
        )


def maker_of(tensor: ir.Value, through: Sequence[str] = ()) -> Any:
    """Return the op that makes the elements of a tensor, perhaps in another shape; None for an argument."""
    owner = tensor.owner
    while not isinstance(owner, ir.Block):
        if owner.name not in (*RESHAPES, *through):
            return owner
        owner = owner.operands[0].owner
    return None


def _groups(groups: Sequence[Sequence[int]]) -> ir.Attribute:
    i64 = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get([ir.ArrayAttr.get([ir.IntegerAttr.get(i64, d) for d in group]) for group in groups])


def _slice_operands(
    tensors: Sequence[ir.Value], offsets: Sequence[Size], sizes: Sequence[Size], strides: Sequence[int]
) -> tuple[list[ir.Value], dict[str, ir.Attribute]]:
    dynamic = ir.ShapedType.get_dynamic_size()
    operands, segments = list(tensors), [1] * len(tensors)
    attributes: dict[str, ir.Attribute] = {}
    for name, group in (("offsets", offsets), ("sizes", sizes), ("strides", strides)):
        values = dynamic_sizes(group)
        operands += values
        segments.append(len(values))
        static = [s if isinstance(s, int) else dynamic for s in group]
        attributes[f"static_{name}"] = ir.DenseI64ArrayAttr.get(static)
    attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(segments)
    return operands, attributes
