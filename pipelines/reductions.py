"""Reductions whose results are repeated for another reduction, each in a kernel of its own on CPUs.

Of `sum(exp(x - max(x)))` IREE 3.13 makes one kernel, and cuts the last reduction into tiles. It computes the first one
again for each tile: 22 times JAX's time for [1000, 1000]. Where its result is needed elsewhere too, as for gradients,
each tile adds to what the tile before has left there: such a sum is as many times too large as there are tiles.

Works on the modules that `lower.py` makes, in place; of other modules it knows nothing.
"""

from __future__ import annotations

from difc.dialects.mlir import ir

__all__ = ["separate_reductions"]

_GENERIC = "linalg.generic"
_MOVES = frozenset(("linalg.transpose", "tensor.cast", "tensor.collapse_shape", "tensor.expand_shape"))


def separate_reductions(block: ir.Block) -> None:
    """Fence what is reduced and then repeated for another reduction, in a block and in those of loops and branches.

    Before and after:

        %s = linalg.generic {reduction} ins(%x) ...
        %y = linalg.generic ins(%x, %s) ...
        %r = linalg.generic {reduction} ins(%y) ...

        %s = linalg.generic {reduction} ins(%x) ...
        %f = iree_tensor_ext.compute_barrier.start %s
        %y = linalg.generic ins(%x, %f) ...
        %r = linalg.generic {reduction} ins(%y) ...
    """
    leads: dict[ir.Value, bool] = {}  # values that become operands of a reduction -> whether they are repeated for it
    for operation in reversed([op.operation for op in block.operations]):
        found = [leads[result] for result in operation.results if result in leads]
        if operation.name == _GENERIC:
            if is_reduction := "reduction" in str(operation.attributes["iterator_types"]):
                for result in operation.results:
                    if leads.get(result):
                        _fence(operation, result)
            if is_reduction or found:
                loops = len(operation.attributes["iterator_types"])
                is_repeated = not is_reduction and any(found)
                for operand in operation.operands:
                    leads[operand] = is_repeated or leads.get(operand, False) or _is_smaller(operand, loops)
        elif operation.name in _MOVES:
            if found:
                leads[operation.operands[0]] = any(found) or leads.get(operation.operands[0], False)
        else:
            for region in operation.regions:
                for inner in region.blocks:
                    separate_reductions(inner)


def _is_smaller(operand: ir.Value, loops: int) -> bool:
    """Say whether a kernel of so many loops reads elements of an operand again and again."""
    return isinstance(operand.type, ir.RankedTensorType) and (operand.type.rank < loops or 1 in operand.type.shape)


def _fence(op: ir.Operation, result: ir.Value) -> None:
    """Let all users of a result read it behind a fence, which names its run-time sizes."""
    index, sizes = ir.IndexType.get(), []
    with ir.InsertionPoint.after(op), op.location:
        for dim in filter(result.type.is_dynamic_dim, range(result.type.rank)):
            number = {"value": ir.IntegerAttr.get(index, dim)}
            constant = ir.Operation.create("arith.constant", results=[index], attributes=number)
            sizes.append(ir.Operation.create("tensor.dim", results=[index], operands=[result, constant.result]))
        operands = [result, *(size.result for size in sizes)]
        fence = ir.Operation.create("iree_tensor_ext.compute_barrier.start", results=[result.type], operands=operands)
    result.replace_all_uses_except(fence.result, [fence, *sizes])
