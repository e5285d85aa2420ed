"""Arithmetic of scalar tensors in one kernel: generics without dims between two other operations become one.

IREE 3.13 groups such operations as well, but in a loop that can fail ("operand does not dominate this use"), and the
module is then compiled again with less fusion, where each scalar that is used twice has a kernel of its own. A step of
a pendulum's gradient took 40 kernels, and takes 13; the module compiles in half the time.

Works on the modules that `lower.py` makes, in place; of other modules it knows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from difc.dialects.mlir import ir
from difc.pipelines.upstream import ancestor, blocks_of

__all__ = ["join_scalars"]

_GENERIC = "linalg.generic"


def join_scalars(block: ir.Block) -> None:
    """Join the generics without dims in a block, and in the blocks of its loops and branches.

    A scalar is computed as late as possible: right before the first other operation that needs one. The others keep
    their order. Before and after:

        %y = linalg.generic ins(%x) ...
        %z = linalg.generic ins(%y, %x) ...
        %r = tensor.expand_shape %z

        %y, %z = linalg.generic ins(%x) ...
        %r = tensor.expand_shape %z
    """
    waiting: list[ir.Operation] = []
    users: dict[ir.Operation, bool] = {}  # operation of the block -> whether it reads a waiting scalar from its regions
    for operation in [op.operation for op in block.operations]:
        is_scalar = _is_scalar(operation)
        if users.get(operation, False) if is_scalar else operation in users:
            _join(waiting, operation)
            waiting, users = [], {}
        if is_scalar:
            waiting.append(operation)
            for use in operation.results[0].uses:
                user = ancestor(use.owner.operation, block)
                users[user] = users.get(user, False) or user != use.owner.operation
        elif operation.name != _GENERIC:
            for inner in blocks_of(operation):
                join_scalars(inner)


def _is_scalar(op: ir.Operation) -> bool:
    """Say whether an operation computes one number, from numbers alone.

    One that reads from an array does not: IREE 3.13 makes vectors of joined ones, but not of each index in them.
    """
    if op.name != _GENERIC or len(op.results) != 1 or len(op.attributes["iterator_types"]):
        return False
    if any(isinstance(v.type, ir.IndexType) for inner in op.regions[0].blocks[0].operations for v in inner.results):
        return False
    start = list(op.regions[0].blocks[0].arguments)[-1]
    return not list(start.uses)


def _join(parts: Sequence[ir.Operation], before: ir.Operation) -> None:
    made = {op.results[0] for op in parts}
    inputs = list(dict.fromkeys(v for op in parts for v in list(op.operands)[:-1] if v not in made))
    members = set(parts)
    kept = [op for op in parts if any(use.owner.operation not in members for use in op.results[0].uses)]
    if len(parts) < 2 or not kept:
        return
    operands = [*inputs, *(op.operands[len(op.operands) - 1] for op in kept)]
    same = ir.AffineMapAttr.get(ir.AffineMap.get(0, 0, []))
    joined = ir.Operation.create(
        _GENERIC,
        results=[op.results[0].type for op in kept],
        operands=operands,
        attributes={
            "indexing_maps": ir.ArrayAttr.get([same] * len(operands)),
            "iterator_types": ir.ArrayAttr.get([]),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(inputs), len(kept)]),
        },
        regions=1,
        loc=kept[0].location,
        ip=ir.InsertionPoint(before),
    )
    types = [ir.RankedTensorType(v.type).element_type for v in operands]
    body = ir.Block.create_at_start(joined.regions[0], types, [joined.location] * len(types))
    numbers = dict(zip(inputs, body.arguments, strict=False))
    for op in parts:
        source = op.regions[0].blocks[0]
        for argument, operand in zip(list(source.arguments)[:-1], list(op.operands)[:-1], strict=True):
            argument.replace_all_uses_with(numbers[operand])
        *inner, end = [child.operation for child in source.operations]
        for child in inner:
            body.append(child)
        numbers[op.results[0]] = end.operands[0]
    with ir.InsertionPoint(body):
        ir.Operation.create("linalg.yield", operands=[numbers[op.results[0]] for op in kept], loc=joined.location)
    for op, result in zip(kept, joined.results, strict=True):
        op.results[0].replace_all_uses_with(result)
    for op in reversed(parts):
        op.erase()
