"""Run-time sizes of values that are not themselves computed: the operands of a linear op while it is transposed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import Node
from difc.dialects import Aval, Builder, aval_of, clone_op, needed_first, new_block, scan_parts, yielded
from difc.dialects.locations import user_location
from difc.dialects.matrices import sizes_of
from difc.dialects.mlir import ir
from difc.dialects.sizes import reify
from difc.errors import NotDifferentiableError

__all__ = ["SizeFinder", "Sizes"]

#: The run-time sizes of an array: ints, or i64 scalar values in the current builder.
Sizes = list[Any]


class SizeFinder:
    """Computes sizes of the values of a block from the sizes of its arguments, through the current builder.

    Args:
      argument_sizes: gives the sizes of an argument of the block; asked for only where its type is dynamic.
      value_of: gives a value of the block itself in the current builder, where it exists there, else None.
    """

    def __init__(
        self, argument_sizes: Callable[[ir.Value], Sizes], value_of: Callable[[ir.Value], ir.Value | None]
    ) -> None:
        self._argument_sizes, self._value_of = argument_sizes, value_of
        self._found: dict[ir.Value, Sizes] = {}
        self._values: dict[ir.Value, ir.Value | None] = {}

    def sizes(self, value: ir.Value) -> Sizes:
        """Return the sizes of a value.

        Raises:
          NotDifferentiableError: if they follow only from numbers that are not there.
        """
        for each in needed_first(value, self._needs):
            if each not in self._found:
                self._found[each] = self._find(each)
        return list(self._found[value])

    def _needs(self, value: ir.Value) -> list[ir.Value]:
        """Return the values whose sizes those of a value follow from, as far as `reify` asks for them."""
        is_there = value in self._found or aval_of(value).is_static or self._value_of(value) is not None
        if is_there or isinstance(value.owner, ir.Block) or len(value.owner.operation.regions):
            return []
        return list(value.owner.operation.operands)

    def knows(self, value: ir.Value) -> bool:
        """Say whether the sizes of a value can be found, without building anything that stays."""
        with dif.use_builder(Builder(new_block([]), dif.current_builder().location)):
            try:
                SizeFinder(self._argument_sizes, self._value_of).sizes(value)
            except NotDifferentiableError:
                return False
        return True

    def is_size(self, value: ir.Value) -> bool:
        """Say whether a value is a scalar integer that costs nothing to compute again from what is there."""
        if aval_of(value) != Aval((), dif.I64):
            return False
        if isinstance(value.owner, ir.Block):
            return self._value_of(value) is not None
        operation = value.owner.operation
        if operation.name == "dif.dim":
            return self.knows(operation.operands[0])
        return not len(operation.regions) and all(map(self.is_size, operation.operands))

    def _find(self, value: ir.Value) -> Sizes:
        aval = aval_of(value)
        if aval.is_static:
            return list(aval.shape)
        known = self._value_of(value)
        if known is not None:
            return sizes_of(known)
        owner = value.owner
        if isinstance(owner, ir.Block):
            return self._argument_sizes(value)
        operation = owner.operation
        if operation.name == "fun.scan":
            return self._scan_sizes(Node.of(operation), list(operation.results).index(value))
        if operation.name == "fun.cond":  # the branches give equal sizes
            return self._body_sizes(operation, 0, list(operation.operands)[1:], list(operation.results).index(value))
        found = reify(value, self.sizes, self.value)
        if any(d is None for d in found):
            raise NotDifferentiableError(
                f"the size of a result of {operation.name} is known only by running what comes before it",
                where=user_location(operation.location),
                remedy="give the array a static shape, or a size that follows from the shapes of the arguments",
            )
        return found

    def value(self, value: ir.Value) -> ir.Value | None:
        """Return a value in the current builder, computed again from values that exist there if that is possible."""
        if value not in self._values:
            self._values[value] = self._compute(value)
        return self._values[value]

    def _compute(self, value: ir.Value) -> ir.Value | None:
        known = self._value_of(value)
        if known is not None or isinstance(value.owner, ir.Block):
            return known
        operation = value.owner.operation
        if operation.name == "dif.dim":
            size = self.sizes(operation.operands[0])[Node.of(operation).attributes["dimension"]]
            return size if isinstance(size, ir.Value) else dif.constant(value=dif.I64.type(size))
        operands = [self.value(v) for v in operation.operands]
        if len(operation.regions) or any(v is None for v in operands):
            return None
        return clone_op(operation, operands)[0]

    def _scan_sizes(self, node: Node, index: int) -> Sizes:
        a = node.attributes
        parts = scan_parts(node.operation)
        if index < a["num_carry"]:
            return self.sizes(parts.carry[index])
        length = a["length"] if a["length"] >= 0 else self.value(parts.length[0])
        return [length, *self._body_sizes(node.operation, 0, [*parts.carry, *parts.xs, *parts.consts], index)]

    def _body_sizes(self, operation: Any, region: int, operands: list[ir.Value], index: int) -> Sizes:
        """Return the sizes of what a body yields, as far as they follow from the sizes of the op's operands."""
        body = operation.regions[region].blocks[0]
        outer = dict(zip(body.arguments, operands, strict=True))

        def argument_sizes(argument: ir.Value) -> Sizes:
            return self.sizes(outer[argument])[aval_of(outer[argument]).ndim - aval_of(argument).ndim :]

        def value_of(value: ir.Value) -> ir.Value | None:
            same = value in outer and aval_of(value).ndim == aval_of(outer[value]).ndim
            return self.value(outer[value]) if same and not self._varies(operation, body, value) else None

        return SizeFinder(argument_sizes, value_of).sizes(yielded(body)[index])

    @staticmethod
    def _varies(operation: Any, body: ir.Block, argument: ir.Value) -> bool:
        """Say whether an argument of a body changes from step to step."""
        if operation.name != "fun.scan":
            return False
        return list(body.arguments).index(argument) < Node.of(operation).attributes["num_carry"]
