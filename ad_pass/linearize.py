"""Reverse mode, first half: split a block at a point into its primal part and its linear part.

There is no partial evaluator. The builder puts an op into the *linear* block if any operand is linear, else into the
*primal* block; a primal operand of a linear op becomes a *residual*, an extra argument of the linear block. Values that
cost next to nothing (constants, zeros, ramps and their broadcasts) are computed again instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from difc import dialects as dif
from difc.ad_pass.jvp import jvp_block, with_zeros
from difc.ad_pass.registry import LINEAR_SLOTS, TRANSPOSE, Node
from difc.ad_pass.zero import Tangent, Zero, zeros_like
from difc.dialects import Builder, aval_of, end_of, new_block
from difc.dialects.body import block_locations
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import NotDifferentiableError

__all__ = ["LinearizeBuilder", "Linearized", "check_linear", "linear_values", "linearize_block"]

CHEAP = ("dif.constant", "dif.zeros", "dif.iota", "dif.broadcast_in_dim")


class LinearizeBuilder(Builder):
    """Places each op by whether it depends on a linear value, and records residuals.

    Attributes:
      residuals: primal value -> the linear block's argument (or recomputed value) that stands for it there.
    """

    def __init__(self, primal: ir.Block, linear: ir.Block, linear_arguments: Sequence[ir.Value]) -> None:
        super().__init__(primal)
        self.linear_block = linear
        self._linear_builder = Builder(linear)
        self._linear = set(linear_arguments)
        self.residuals: dict[ir.Value, ir.Value] = {}
        self._sizes: dict[tuple[ir.Value, int], ir.Value] = {}  # so that a size is one residual

    def residual(self, value: ir.Value) -> ir.Value:
        """Return the stand-in of a primal value in the linear block."""
        owner = value.owner
        if not isinstance(owner, ir.Block) and owner.operation.name == "dif.dim":
            key = (owner.operation.operands[0], Node.of(owner).attributes["dimension"])
            value = self._sizes.setdefault(key, value)
        if value not in self.residuals:
            if not isinstance(owner, ir.Block) and self._is_cheap(value):
                operands = [self.residual(v) for v in owner.operation.operands]
                (self.residuals[value],) = self._linear_builder.insert_clone(owner, operands)
            else:
                self.residuals[value] = self.linear_block.add_argument(value.type, self.location)
        return self.residuals[value]

    def zero_tangent(self, like: ir.Value) -> ir.Value:
        """Return a zero tangent of a primal value, as a value of the linear block."""
        zeros = self.residual(zeros_like(like))
        self._linear.add(zeros)
        return zeros

    def _is_cheap(self, value: ir.Value) -> bool:
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.operation.name not in CHEAP:
            return False
        # a scalar operand (a size, the number that a constant repeats) is itself a small residual
        return all(not aval_of(v).ndim or self._is_cheap(v) for v in owner.operation.operands)

    def _place(self, operands: Sequence[ir.Value]) -> tuple[Builder, list[ir.Value]] | None:
        if not any(v in self._linear for v in operands):
            return None
        self._linear_builder.location = self.location
        return self._linear_builder, [v if v in self._linear else self.residual(v) for v in operands]

    def emit(self, opdef: Any, operands: Any, attributes: Any, regions: Any) -> list[ir.Value]:
        placed = self._place(operands)
        if placed is None:
            return super().emit(opdef, operands, attributes, regions)
        results = placed[0].emit(opdef, placed[1], attributes, regions)
        self._linear.update(results)
        return results

    def insert_clone(self, operation: Any, operands: Any) -> list[ir.Value]:
        placed = self._place(operands)
        if placed is None:
            return super().insert_clone(operation, operands)
        results = placed[0].insert_clone(operation, placed[1])
        self._linear.update(results)
        return results


@dataclass
class Linearized:
    """A block split in two; neither part has its terminator yet.

    Attributes:
      primal: the block that computes `outs`, on the original arguments.
      linear: the block that computes `out_tangents` from its first arguments (one tangent for each marked argument) and
        from residuals, its other arguments.
      outs: values in `primal`.
      out_tangents: values in `linear`, or `Zero`.
      residuals: for each residual argument of `linear`, in order, its value in `primal`.
    """

    primal: ir.Block
    linear: ir.Block
    outs: list[ir.Value]
    out_tangents: list[Tangent]
    residuals: list[ir.Value]


def linearize_block(
    block: ir.Block, mask: Sequence[bool], *, out_mask: Sequence[bool] | None = None, with_sizes: bool = False
) -> Linearized:
    """Split a block, as a function of the arguments that `mask` marks.

    Args:
      block: a body that ends with `fun.yield` or `func.return`.
      mask: which arguments the derivative is taken in.
      out_mask: results whose tangent must be a value: a zero one is made in the linear block.
      with_sizes: make the run-time sizes of the marked arguments the first residuals, one i64 scalar for each dynamic
        dim in order: the linear part then stands alone and can be transposed without its primal.
    """
    locations = block_locations(block)
    primal = new_block([a.type for a in block.arguments], locations)
    marked = [i for i, mark in enumerate(mask) if mark]
    linear = new_block([block.arguments[i].type for i in marked], [locations[i] for i in marked])
    builder = LinearizeBuilder(primal, linear, list(linear.arguments))
    builder.location = end_of(block).location
    with dif.use_builder(builder):
        if with_sizes:
            for i in marked:
                for d, size in enumerate(aval_of(primal.arguments[i]).shape):
                    if not isinstance(size, int):
                        builder.residual(dif.dim(primal.arguments[i], dimension=d))
        tangents = with_zeros(block.arguments, list(linear.arguments), mask)
        outs, out_tangents = jvp_block(block, list(primal.arguments), tangents, linearize=True)
        for i, (y, t) in enumerate(zip(outs, out_tangents, strict=True)):
            if out_mask is not None and out_mask[i] and isinstance(t, Zero):
                out_tangents[i] = builder.zero_tangent(y)
    by_argument = {stand_in: value for value, stand_in in builder.residuals.items()}
    residuals = [by_argument[a] for a in list(linear.arguments)[len(marked) :]]
    return Linearized(primal, linear, outs, out_tangents, residuals)


def _linear_marks(operation: Any, linear: set[ir.Value]) -> list[bool]:
    """Return which operands of an op are in linear position: as recorded on ops with bodies, else by dependence."""
    operation = operation.operation
    if operation.regions and len(operation.regions):
        recorded = list(Node.of(operation).attributes["linear"])
        recorded = [False] * (operation.name == "fun.cond") + recorded if any(recorded) else []
        return [*recorded, *[False] * (len(operation.operands) - len(recorded))]
    return [v in linear for v in operation.operands]


def linear_values(block: ir.Block, count: int) -> tuple[list[tuple[Any, list[bool]]], list[Any]]:
    """Sort the ops of a linear block.

    Args:
      block: a linear block, whose first `count` arguments are the linear ones.

    Returns:
      The linear ops with the marks of their linear operands, and the others, both in order (terminator excluded).
    """
    linear = set(list(block.arguments)[:count])
    found, others = [], []
    for operation in block.operations:
        operation = operation.operation
        if dif.is_terminator(operation):
            break
        marks = _linear_marks(operation, linear)
        if any(marks) and operation.name != "dif.dim":
            linear.update(operation.results)
            found.append((operation, marks))
        else:
            others.append(operation)
    return found, others


def check_linear(block: ir.Block, count: int) -> None:
    """Check that each op of a linear block is one that can be transposed, in a position where it is linear.

    Raises:
      NotDifferentiableError: naming the op, the user's line and what is wrong; it means a wrong derivative rule.
    """
    for operation, marks in linear_values(block, count)[0]:
        node = Node.of(operation)
        if operation.name not in TRANSPOSE:
            problem = "has no transpose rule"
        elif not LINEAR_SLOTS[operation.name](node, marks):
            problem = f"is not linear in operands {[i for i, mark in enumerate(marks) if mark]} together"
        else:
            continue
        raise NotDifferentiableError(
            f"the linear part of a derivative holds {operation.name}, which {problem}",
            where=user_location(operation.location),
            remedy=f"correct the derivative rule that made it: {operation.location}",
        )
