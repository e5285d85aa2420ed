"""Where IREE cuts a function into command buffers: at every loop and branch on the host.

IREE (3.13) collects operations into one command buffer from the end of a block. What a loop or branch uses from outside
in its regions is not counted as used there, so that what has to run before a loop can land in one buffer with what runs
after it: "circular dependency". An op with side effects makes it start anew.

Works on a module at the stream dialect's async stage, before execution is scheduled.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.operations import constant, hidden, operations
from difc.pipelines.ownership import CONTROL

__all__ = ["cut_at_control"]


def cut_at_control(module: Any) -> int:
    """Put an optimization barrier, which IREE drops later, behind each loop and branch; return how many there were."""
    from iree.compiler import ir

    found = [op for op in operations(module) if op.name in CONTROL]
    for op in found:
        with ir.InsertionPoint.after(op), op.location:
            hidden(constant(0))
    return len(found)
