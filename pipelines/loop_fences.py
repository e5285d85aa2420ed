"""Fences within a kernel, which keep IREE from computing the elements of an array again for everything that reads them.

IREE (3.13) makes what is computed elementwise a part of every linalg op that reads it, however many there are: of
`x = tanh(x) + sum(exp(x))`, repeated, the code grows with the square of the repetitions. 50 steps of a recurrent cell's
gradient took 52 us, and take 23; six steps of the above on 256 numbers took 410 us in a kernel, and take 9.

Works on kernels of linalg on tensors, in place. A fence is an operation of IREE's that has no code.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from difc.dialects import end_of
from difc.dialects.mlir import ir
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.operations import is_reduction
from difc.pipelines.upstream import is_made_by, nested, on_arrays

__all__ = ["FENCE", "compute_once", "keep_results_apart", "split_reductions"]

FENCE = "iree_codegen.fusion_barrier"
"""The operation: of a tensor, that tensor."""

_COSTLY = 20  # operations on an element that make vectors worth a pass over memory: an elementary function
_ELEMENTS = 512  # at most, of an array that has to be in memory just for this


def split_reductions(function: ir.Operation) -> None:
    """Fence what takes elementary functions from the sums over it: such a sum is added up number by number, in order.

    Comes before elementwise ops are fused. Before and after:

        %e = linalg.generic {exp} ins(%x)
        %s = linalg.generic {reduction} ins(%e)

        %e = linalg.generic {exp} ins(%x)
        %f = iree_codegen.fusion_barrier %e
        %s = linalg.generic {reduction} ins(%f)
    """
    for op in filter(_is_costly, list(on_arrays(function))):
        _fence(op, is_reduction)


def compute_once(function: ir.Operation) -> None:
    """Fence each array that a kernel computes from the linalg ops that read it. Comes last."""
    for op in filter(_is_generic, list(on_arrays(function))):
        _fence(op, _is_generic)


def keep_results_apart(function: ir.Operation) -> None:
    """Fence the results of a kernel that no loop carries, for them to be computed in memory of their own.

    IREE (3.13) computes a result in the memory where it is returned. What several results begin with, as the zeros of
    two sums, is there as well, and a result that is copied there can overwrite another one before that is returned.
    """
    end = end_of(function.regions[0].blocks[0])
    e = TensorEmitter(end.block, end.location)
    for i, value in enumerate(end.operands):
        if not is_made_by(value, "scf.for"):
            with e.within(end):
                end.operands[i] = e.value(FENCE, [value], value.type)


def _is_generic(op: ir.Operation) -> bool:
    return op.name == "linalg.generic"


def _is_costly(op: ir.Operation) -> bool:
    if not _is_generic(op) or sum(1 for _ in nested(op)) < _COSTLY:
        return False
    types = [v.type for v in op.results]
    return all(type_.has_static_shape and math.prod(type_.shape) <= _ELEMENTS for type_ in types)


def _fence(op: ir.Operation, is_meant: Callable[[ir.Operation], bool]) -> None:
    """Let the generics that are meant read the results of an operation behind a fence, right after it."""
    e = TensorEmitter(op.block, op.location)
    for result in op.results:
        uses = [(use.owner.operation, use.operand_number) for use in result.uses]
        uses = [(user, i) for user, i in uses if is_meant(user) and i < len(user.operands) - len(user.results)]
        if uses:
            with e.within(op):
                fence = e.operation(FENCE, [result], [result.type])
            fence.move_after(op)
            for user, i in uses:
                user.operands[i] = fence.results[0]
