"""Offsets into shared allocations as plain arithmetic, where IREE would otherwise take them for 0.

Buffers of run-time sizes that share an allocation lie at offsets that IREE computes with `util.align`. Its range
analysis (3.13) knows nothing of that op, not even that it does not know: an offset which is 0 before the first step of
a loop and an aligned size afterwards "is" 0, and a kernel reads another buffer. As additions, divisions and products
the same offsets are analysed rightly. Works on a module at the stream dialect's command stage.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.operations import constant, operations

__all__ = ["spell_out_alignment"]


def spell_out_alignment(module: Any) -> int:
    """Replace each `util.align %x, %a` outside kernels by `(x + (a - 1)) / a * a`; return how many there were."""
    found = [op for op in operations(module) if op.name == "util.align"]
    for op in found:
        _spell_out(op)
    return len(found)


def _spell_out(align: Any) -> None:
    from iree.compiler import ir

    value, alignment = align.operands
    type_ = value.type

    def arith(name: str, *operands: Any) -> Any:
        return ir.Operation.create(f"arith.{name}", results=[type_], operands=list(operands)).results[0]

    with ir.InsertionPoint(align), align.location:
        one = constant(1, type_)
        padded = arith("addi", value, arith("subi", alignment, one))
        aligned = arith("muli", arith("divui", padded, alignment), alignment)
    align.results[0].replace_all_uses_with(aligned)
    align.erase()
