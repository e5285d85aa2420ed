"""Branches of the VM that pass values of their own, because IREE loses others.

IREE 3.13 moves a reference out of its register at the last use. Where a branch passes a reference to two arguments of
a block, and the register of the first argument is the one that holds it already, nothing is done for the first, and the
move for the second leaves the first empty: a null buffer, or a fence that nobody waits for. Which registers arguments
get shows only in the bytecode, so no branch may pass a reference twice.

And where what a branch passes, reference or number, is last used by the first operation of the block, the argument gets
its register: that operation then reads what the branch passes that was taken.

Works on a module at the vm dialect, the last stage before the bytecode.
"""

from __future__ import annotations

import itertools
from typing import Any

from difc.pipelines.operations import operations

__all__ = ["separate_values"]

_BRANCHES = ("vm.br", "vm.cond_br", "vm.br_table")
_ENDS = (*_BRANCHES, "vm.return", "vm.fail", "vm.call.yieldable", "vm.call.variadic.yieldable")  # of blocks
_NULL = "vm.const.ref.zero"


def separate_values(module: Any) -> int:
    """Give every branch of a module values of its own for what must not share a register; return how many that took.

    Before and after:

        vm.br ^next(%x, %x)

        %full = vm.cmp.nz.ref %x
        %again = vm.select.ref %full, %x, %null
        vm.br ^next(%x, %again)
    """
    found = operations(module)
    first = [op for end, op in itertools.pairwise(found) if end.name in _ENDS]  # of a block
    read_first = {value for op in first for value in op.operands}
    added = 0
    for op in [op for op in found if op.name in _BRANCHES]:
        newest: dict[Any, Any] = {}  # a value that is passed -> the last one made for it
        for index, value in enumerate(op.operands):
            is_twice = value in newest and not (_is_number(value) or _is_null(value))
            if is_twice or value in read_first:
                # from the last one: equal operations would become one
                op.operands[index] = newest[value] = _again(newest.get(value, value), op)
                added += 1
            newest.setdefault(value, value)
    return added


def _is_number(value: Any) -> bool:
    return not str(value.type).startswith("!vm.")


def _is_null(value: Any) -> bool:
    from iree.compiler import ir

    return not isinstance(value.owner, ir.Block) and value.owner.operation.name == _NULL


def _again(value: Any, op: Any) -> Any:
    """Return the reference, or number, as another value, before an op, in a way that no folding sees through."""
    from iree.compiler import ir

    kind = str(value.type) if _is_number(value) else "ref"
    with ir.InsertionPoint(op), op.location:
        i32 = ir.IntegerType.get_signless(32)
        full = ir.Operation.create(f"vm.cmp.nz.{kind}", results=[i32], operands=[value]).result
        null = ir.Operation.create(f"vm.const.{kind}.zero", results=[value.type]).result
        return ir.Operation.create(f"vm.select.{kind}", results=[value.type], operands=[full, value, null]).result
