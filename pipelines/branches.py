"""Branches of the VM that pass one reference only once, because IREE loses it otherwise.

IREE 3.13 moves a reference out of its register at the last use. Where a branch passes a reference to two arguments of
a block, and the register of the first argument is the one that holds it already, nothing is done for the first, and the
move for the second leaves the first empty: a null buffer, or a fence that nobody waits for. Which registers arguments
get shows only in the bytecode, so no branch may pass a reference twice.

Works on a module at the vm dialect, the last stage before the bytecode.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.ownership import operations

__all__ = ["separate_references"]

_BRANCHES = ("vm.br", "vm.cond_br", "vm.br_table")
_NULL = "vm.const.ref.zero"


def separate_references(module: Any) -> int:
    """Give every branch of a module a value of its own for each reference it passes; return how many that took.

    Before and after:

        vm.br ^next(%x, %x)

        %full = vm.cmp.nz.ref %x
        %again = vm.select.ref %full, %x, %null
        vm.br ^next(%x, %again)
    """
    added = 0
    for op in [op for op in operations(module) if op.name in _BRANCHES]:
        newest: list[tuple[Any, Any]] = []  # a reference, and the last value made for it
        for index, value in enumerate(op.operands):
            if not str(value.type).startswith("!vm.") or _is_null(value):  # the other types are numbers
                continue
            at = next((i for i, (passed, _) in enumerate(newest) if passed == value), None)
            if at is None:
                newest.append((value, value))
                if not _is_needed_later(value, op):
                    continue
                at = -1
            again = _again(newest[at][1], op)  # from the last one: equal operations would become one
            newest[at] = (value, again)
            op.operands[index] = again
            added += 1
    return added


def _is_needed_later(value: Any, branch: Any) -> bool:
    """Return whether a reference may be used after a branch that passes it, by its own name."""
    users = [use.owner.operation for use in value.uses]
    return any(user != branch and user.block != branch.block for user in users)


def _is_null(value: Any) -> bool:
    from iree.compiler import ir

    return not isinstance(value.owner, ir.Block) and value.owner.operation.name == _NULL


def _again(value: Any, op: Any) -> Any:
    """Return the reference as another value, before an op, in a way that no folding sees through."""
    from iree.compiler import ir

    with ir.InsertionPoint(op), op.location:
        full = ir.Operation.create("vm.cmp.nz.ref", results=[ir.IntegerType.get_signless(32)], operands=[value]).result
        null = ir.Operation.create(_NULL, results=[value.type]).result
        return ir.Operation.create("vm.select.ref", results=[value.type], operands=[full, value, null]).result
