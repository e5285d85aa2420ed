"""Reductions whose results are repeated for another reduction, each in a kernel of its own on CPUs.

Of `sum(exp(x - max(x)))` IREE 3.13 makes one kernel, and cuts the last reduction into tiles. It computes the first one
again for each tile: 22 times JAX's time for [1000, 1000]. Where its result is needed elsewhere too, as for gradients,
each tile adds to what the tile before has left there: such a sum is as many times too large as there are tiles.

Works on the modules that `lower.py` makes, in place; of other modules it knows nothing.
"""

from __future__ import annotations

from difc.dialects.mlir import ir
from difc.pipelines.lowering.tensors import RESHAPES, TensorEmitter
from difc.pipelines.operations import is_reduction
from difc.pipelines.upstream import blocks_of, is_array

__all__ = ["separate_reductions"]

_GENERIC = "linalg.generic"
_MOVES = frozenset(("linalg.transpose", *RESHAPES))


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
    e, following = TensorEmitter(block, block.owner.location), None
    for operation in reversed([op.operation for op in block.operations]):
        found = [leads[result] for result in operation.results if result in leads]
        if operation.name == _GENERIC:
            if reduces := is_reduction(operation):
                for result in operation.results:
                    if leads.get(result):
                        _fence(e, result, following)
            if reduces or found:
                loops = len(operation.attributes["iterator_types"])
                is_repeated = not reduces and any(found)
                for operand in operation.operands:
                    leads[operand] = is_repeated or leads.get(operand, False) or _is_smaller(operand, loops)
        elif operation.name in _MOVES:
            if found:
                leads[operation.operands[0]] = any(found) or leads.get(operation.operands[0], False)
        else:
            for inner in blocks_of(operation):
                separate_reductions(inner)
        following = operation


def _is_smaller(operand: ir.Value, loops: int) -> bool:
    """Say whether a kernel of so many loops reads elements of an operand again and again."""
    return is_array(operand) and (operand.type.rank < loops or 1 in operand.type.shape)


def _fence(e: TensorEmitter, result: ir.Value, before: ir.Operation) -> None:
    """Let all users of a result read it behind a fence, which is put before an operation."""
    uses = [(use.owner, use.operand_number) for use in result.uses]
    e.location = result.location
    with e.within(before):
        fenced = e.fence(result)
    for user, index in uses:
        user.operands[index] = fenced
