"""`scf.while` in the form that IREE converts: what enters the loop and what leaves it have the same types.

MLIR allows a while loop to take other values than it gives, and its canonicalizer makes such loops, for example when a
carry is never read. IREE 3.13 crashes on them (the whole process, not an error), so they are rewritten first. What is
added is held by optimization barriers, which keep the canonicalizer from removing it again; `ownership.py` drops them.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.operations import hidden, operations

__all__ = ["align_whiles"]


def align_whiles(module: Any) -> int:
    """Rewrite the while loops whose operands and results differ in type; return how many there were.

    Before and after, with a result of type B that no operand has:

        %r:2 = scf.while (%x = %a) : (A) -> (A, B)
        %r:2 = scf.while (%x = %a, %unread = %any) : (A, B) -> (A, B)
    """
    uneven = [
        op
        for op in operations(module)
        if op.name == "scf.while" and [value.type for value in op.operands] != [value.type for value in op.results]
    ]
    for op in reversed(uneven):  # the inner loops first
        _align(op)
    return len(uneven)


def _align(loop: Any) -> None:
    from iree.compiler import ir

    before, after = (region.blocks[0] for region in loop.regions)
    # The position in the new loop: every result in its place, then the operands that match no result.
    unmatched = list(range(len(loop.operands)))
    origin: list[int | None] = []  # the operand at each position
    for result in loop.results:
        match = next((index for index in unmatched if loop.operands[index].type == result.type), None)
        origin.append(match)
        if match is not None:
            unmatched.remove(match)
    results = len(origin)
    origin += unmatched
    types = [result.type for result in loop.results] + [loop.operands[index].type for index in unmatched]

    with ir.InsertionPoint(loop), loop.location:
        operands = [
            _any_value(kind) if index is None else loop.operands[index]
            for index, kind in zip(origin, types, strict=True)
        ]
        new = ir.Operation.create("scf.while", results=types, operands=operands, regions=2)
    places = [loop.location] * len(types)
    new_before = ir.Block.create_at_start(new.regions[0], types, places)
    new_after = ir.Block.create_at_start(new.regions[1], types, places)
    for position, index in enumerate(origin):
        if index is not None:
            before.arguments[index].replace_all_uses_with(new_before.arguments[position])
    for position in range(results):
        after.arguments[position].replace_all_uses_with(new_after.arguments[position])
        loop.results[position].replace_all_uses_with(new.results[position])
    for old_block, new_block in ((before, new_before), (after, new_after)):
        for op in list(old_block.operations):
            new_block.append(op)

    condition = list(new_before.operations)[-1].operation
    with ir.InsertionPoint(condition), condition.location:
        _keep(argument for argument, index in zip(new_before.arguments, origin, strict=True) if index is None)
        extra = [new_before.arguments[position] for position in range(results, len(types))]
        ir.Operation.create("scf.condition", operands=[*condition.operands, *extra])
    condition.erase()
    yielded = list(new_after.operations)[-1].operation
    with ir.InsertionPoint(yielded), yielded.location:
        _keep(new_after.arguments[position] for position in range(results, len(types)))
        values = [
            new_after.arguments[position] if index is None else yielded.operands[index]
            for position, index in enumerate(origin)
        ]
        ir.Operation.create("scf.yield", operands=values)
    yielded.erase()
    with ir.InsertionPoint(loop), loop.location:
        _keep(new.results[position] for position in range(results, len(types)))
    loop.erase()


def _keep(values: Any) -> None:
    for value in list(values):
        hidden(value)


def _any_value(kind: Any) -> Any:
    """Return a value of a type, at the current insertion point; nothing reads it."""
    from iree.compiler import ir

    if not isinstance(kind, ir.RankedTensorType):
        zero = ir.FloatAttr.get(kind, 0.0) if isinstance(kind, ir.FloatType) else ir.IntegerAttr.get(kind, 0)
        return ir.Operation.create("arith.constant", results=[kind], attributes={"value": zero}).result
    sizes = [_any_value(ir.IndexType.get()) for dim in range(kind.rank) if kind.is_dynamic_dim(dim)]
    return ir.Operation.create("flow.tensor.empty", results=[kind], operands=sizes).result
