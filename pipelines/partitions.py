"""Where IREE cuts a function into command buffers: at every loop and branch on the host.

IREE (3.13) collects operations into one command buffer from the end of a block. What a loop or branch uses from outside
in its regions is not counted as used there, so that what has to run before a loop can land in one buffer with what runs
after it: "circular dependency". An op with side effects makes it start anew.

A kernel that reads no array runs again in each buffer that needs its result. But where a buffer before a cut needs it,
and a loop, IREE (3.13) leaves one behind the cut without: "expected to be in an execution region". So each part between
cuts gets a kernel of its own.

Works on a module at the stream dialect's async stage, before execution is scheduled.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.operations import constant, hidden, operations
from difc.pipelines.ownership import CONTROL

__all__ = ["cut_at_control", "repeat_between_cuts"]

_DISPATCH, _ARRAY = "stream.async.dispatch", "!stream.resource"
_CUTS = ("scf.", "util.", "hal.")


def cut_at_control(module: Any) -> int:
    """Put an optimization barrier, which IREE drops later, behind each loop and branch; return how many there were."""
    from iree.compiler import ir

    found = [op for op in operations(module) if op.name in CONTROL]
    for op in found:
        with ir.InsertionPoint.after(op), op.location:
            hidden(constant(0))
    return len(found)


def repeat_between_cuts(module: Any) -> int:
    """Copy kernels that read no array to where their results are used behind a cut; return how many."""
    from iree.compiler import ir

    found, count = operations(module), 0
    for op in found:
        if op.name != _DISPATCH or any(str(x.type).startswith(_ARRAY) for x in op.operands):
            continue
        cuts = [cut for cut in found if _is_cut(cut) and cut.block == op.block and op.is_before_in_block(cut)]
        users = [use.owner.operation for result in op.results for use in result.uses] if cuts else []
        copies: dict[int, Any] = {}
        for user in found:  # in order
            if user not in users or user.block != op.block:
                continue
            part = sum(cut.is_before_in_block(user) for cut in cuts)
            if part and part not in copies:
                copies[part] = op.clone(ir.InsertionPoint(user)).operation
            for index, operand in enumerate(user.operands if part else ()):
                if operand in list(op.results):
                    user.operands[index] = copies[part].results[list(op.results).index(operand)]
        count += len(copies)
    return count


def _is_cut(op: Any) -> bool:
    """Say whether IREE may start a new command buffer at an op; it does where the op has side effects."""
    return op.name.startswith(_CUTS)
