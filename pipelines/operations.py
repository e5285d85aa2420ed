"""What all edits of IREE's modules share: the operations of a module, numbers, and values that IREE cannot see.

`is_reduction` takes operations of upstream's bindings as well: the passes on lowered modules ask it, too.

Imports no MLIR but IREE's, and that late.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BARRIER", "constant", "hidden", "is_reduction", "operations"]

BARRIER = "util.optimization_barrier"
"""Passes its operands on; IREE does not look through it, and drops it in the end."""

_KERNELS = ("flow.dispatch.workgroups", "flow.executable", "stream.executable", "hal.executable")


def operations(module: Any) -> list[Any]:
    """Return the operations of a module, or of another operation, in order, without the kernels'."""
    from iree.compiler import ir

    found = []

    def visit(op: Any) -> Any:
        found.append(op)
        return ir.WalkResult.SKIP if op.name in _KERNELS else ir.WalkResult.ADVANCE

    # Not by `block.operations`, which imports Python's classes for each dialect: 80 ms for those of linalg and vm.
    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def is_reduction(op: Any) -> bool:
    """Say whether an operation is a `linalg.generic` that reduces."""
    return op.name == "linalg.generic" and "reduction" in str(op.attributes["iterator_types"])


def constant(number: int, kind: Any = None) -> Any:
    """Return an integer at the current insertion point, of type `index` or of another."""
    from iree.compiler import ir

    kind = kind or ir.IndexType.get()
    value = {"value": ir.IntegerAttr.get(kind, number)}
    return ir.Operation.create("arith.constant", results=[kind], attributes=value).result


def hidden(value: Any, attributes: Any = None) -> Any:
    """Return a value as one of which IREE knows nothing, at the current insertion point."""
    from iree.compiler import ir

    return ir.Operation.create(BARRIER, results=[value.type], operands=[value], attributes=attributes).result
