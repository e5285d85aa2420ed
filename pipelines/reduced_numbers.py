"""Reductions of a number, which IREE (3.13) would take into account once, whatever the count of elements.

Where fusion and folding leave a number in the place of a reduction's elements (to count what is true of all of them),
the body of the kernel is `total + 1`, whatever is read. MLIR's vectorizer makes vectors of what is read, finds none to
reduce, and adds the number once for each result. It does the same with what depends on the position alone, where that
is the last one of several. A number that is chosen by an element becomes a vector.

Works on a module after IREE's phase that configures kernels. Imports no MLIR but IREE's.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.operations import constant, is_reduction

__all__ = ["spread_numbers"]

_AT_MOST = 3  # the predicate `sle`
_LONGEST = 64


def spread_numbers(module: Any) -> None:
    """Let all that reductions reduce depend on the elements that they read, by a condition that always holds.

    Before and after, where `%zero` is of the type of the number, and each bit pattern has at most 64 bits set:

        %next = arith.addi %total, %number

        %bits = math.ctpop %element
        %is_any = arith.cmpi sle, %bits, %longest
        %chosen = arith.select %is_any, %number, %zero
        %next = arith.addi %total, %chosen
    """
    from iree.compiler import ir

    bodies: list[list[Any]] = []  # of each reduction: itself, and the operations in it

    def visit(op: Any) -> Any:
        if bodies and op.parent == bodies[-1][0]:
            bodies[-1].append(op)
        elif is_reduction(op):
            bodies.append([op])
        return ir.WalkResult.SKIP if op.name == "util.func" else ir.WalkResult.ADVANCE

    # Not by `block.operations`: see `operations.py`
    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    for reduction, *steps in bodies:
        _spread(reduction, steps)


def _spread(reduction: Any, steps: list[Any]) -> None:
    arguments = list(reduction.regions[0].blocks[0].arguments)
    count = len(arguments) - len(reduction.results)
    elements, totals = arguments[:count], set(arguments[count:])
    read = set(elements)
    for op in steps:
        operands = list(op.operands)
        if op.name == "tensor.extract" or not read.isdisjoint(operands):
            read.update(op.results)
        elif len(operands) == 2 and sum(operand in totals for operand in operands) == 1:
            number = next(i for i, operand in enumerate(operands) if operand not in totals)
            # by an element of the array with the most dims: a number beside it is no vector either
            element = max(elements, key=lambda e: getattr(reduction.operands[e.arg_number].type, "rank", 0))
            op.operands[number] = _chosen(element, operands[number], op)


def _chosen(element: Any, number: Any, before: Any) -> Any:
    """Return the number, as what is chosen by the bits of an element."""
    from iree.compiler import ir

    i1, i64 = ir.IntegerType.get_signless(1), ir.IntegerType.get_signless(64)

    def made(name: str, operands: list[Any], type_: Any, **attributes: Any) -> Any:
        return ir.Operation.create(name, [type_], operands, attributes).result

    with ir.InsertionPoint(before), before.location:
        if not isinstance(element.type, ir.IntegerType):
            element = made("arith.bitcast", [element], ir.IntegerType.get_signless(element.type.width))
        if element.type.width < _LONGEST:
            element = made("arith.extui", [element], i64)
        bits = made("math.ctpop", [element], i64)
        predicate = ir.IntegerAttr.get(i64, _AT_MOST)
        is_any = made("arith.cmpi", [bits, constant(_LONGEST, i64)], i1, predicate=predicate)
        is_integer = isinstance(number.type, ir.IntegerType)
        zero = constant(0, number.type) if is_integer else made("arith.sitofp", [constant(0, i64)], number.type)
        return made("arith.select", [is_any, number, zero], number.type)
