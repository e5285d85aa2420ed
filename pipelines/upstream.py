"""What the passes on lowered modules share: how operations lie within others, what makes a value, and copies.

Of upstream's bindings; for IREE's there is `operations.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from difc.dialects.mlir import ir

__all__ = [
    "CONTROL",
    "ancestor",
    "blocks_of",
    "copied",
    "is_array",
    "is_empty",
    "is_made_by",
    "nested",
    "number_of",
    "on_arrays",
    "rename",
]

CONTROL = ("scf.for", "scf.if", "scf.while")


def blocks_of(operation: ir.Operation) -> list[ir.Block]:
    """Return the blocks in the regions of an operation."""
    return [block for region in operation.regions for block in region.blocks]


def nested(operation: ir.Operation) -> Iterator[ir.Operation]:
    """Return the operations in the regions of one, in order."""
    for block in blocks_of(operation):
        for child in block.operations:
            yield child.operation
            yield from nested(child.operation)


def on_arrays(operation: ir.Operation) -> Iterator[ir.Operation]:
    """Return the operations in the regions of one, in order, without those that linalg ops do on single numbers."""
    for block in blocks_of(operation):
        for child in block.operations:
            yield child.operation
            if child.operation.name in CONTROL:
                yield from on_arrays(child.operation)


def ancestor(operation: ir.Operation, block: ir.Block) -> ir.Operation:
    """Return the operation of a block that is a given one, or that has it in its regions."""
    owner = block.owner.operation
    while operation.parent.operation != owner:
        operation = operation.parent.operation
    return operation


def is_array(value: ir.Value) -> bool:
    """Say whether a value is a tensor."""
    return isinstance(value.type, ir.RankedTensorType)


def is_made_by(value: ir.Value, *names: str) -> bool:
    """Say whether a value is a result of an operation of one of these names."""
    return not isinstance(value.owner, ir.Block) and value.owner.name in names


def is_empty(value: ir.Value) -> bool:
    """Say whether an array was made without contents."""
    return is_made_by(value, "tensor.empty")


def number_of(value: ir.Value) -> int | None:
    """Return the number that an integer or index is, if it is a constant."""
    return ir.IntegerAttr(value.owner.attributes["value"]).value if is_made_by(value, "arith.constant") else None


def copied(operation: ir.Operation, values: Mapping[ir.Value, ir.Value]) -> ir.Operation:
    """Insert a copy of an operation, with what is in it, that uses other values in the place of those given."""
    copy = operation.clone().operation
    rename([copy, *nested(copy)], values)
    return copy


def rename(operations: Iterable[ir.Operation], values: Mapping[ir.Value, ir.Value]) -> None:
    """Let operations use other values in the place of those given."""
    for operation in operations:
        for i, operand in enumerate(operation.operands):
            if operand in values:
                operation.operands[i] = values[operand]
