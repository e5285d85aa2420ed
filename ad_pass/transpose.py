"""Reverse mode, second half: a linear block backwards, from cotangents of results to cotangents of arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from difc import dialects as dif
from difc.ad_pass.linearize import linear_values
from difc.ad_pass.registry import TRANSPOSE, Node
from difc.ad_pass.sizes import SizeFinder, Sizes
from difc.ad_pass.zero import Linear, Tangent, Zero, add_tangents
from difc.dialects import aval_of, clone_op, yielded
from difc.dialects.mlir import ir

__all__ = ["transpose_block"]


def transpose_block(
    block: ir.Block,
    count: int,
    others: Sequence[ir.Value],
    cotangents: Sequence[Tangent],
    argument_sizes: Callable[[int], Sizes],
) -> list[Tangent]:
    """Emit the transpose of a linear block through the current builder.

    Args:
      block: its first `count` arguments are linear; it ends with `fun.yield` or `func.return`.
      others: values of its other arguments (residuals).
      cotangents: of what it ends with; `Zero` where there is none.
      argument_sizes: the sizes of linear argument i, asked for only where its type has dynamic dims.

    Returns:
      A cotangent for each linear argument, `Zero` where nothing flows back to it.
    """
    builder = dif.current_builder()
    outer = builder.location
    arguments = list(block.arguments)
    values: dict[ir.Value, ir.Value] = dict(zip(arguments[count:], others, strict=True))
    finder = SizeFinder(lambda argument: argument_sizes(arguments.index(argument)), values.get)
    linear_ops, plain_ops = linear_values(block, count)
    for operation in plain_ops:
        builder.location = operation.location
        if operation.name == "dif.dim" and operation.operands[0] not in values:
            results = [finder.value(operation.results[0])]
        else:
            results = clone_op(operation, [values[v] for v in operation.operands])
        values.update(zip(operation.results, results, strict=True))

    cts: dict[ir.Value, Tangent] = {}

    def accumulate(value: ir.Value, ct: Tangent) -> None:
        cts[value] = add_tangents(cts[value], ct) if value in cts else ct

    for value, ct in zip(yielded(block), cotangents, strict=True):
        if not isinstance(ct, Zero):
            accumulate(value, ct)
    for operation, marks in reversed(linear_ops):
        out_cts = [cts.get(r, Zero(aval_of(r))) for r in operation.results]
        if all(isinstance(ct, Zero) for ct in out_cts):
            continue
        builder.location = ir.Location.name(f"transpose({operation.name})", operation.location)
        operands = [
            Linear(aval_of(v), partial(finder.sizes, v)) if mark else values[v]
            for v, mark in zip(operation.operands, marks, strict=True)
        ]
        found = TRANSPOSE[operation.name](Node.of(operation), out_cts, operands)
        for value, mark, ct in zip(operation.operands, marks, found, strict=True):
            if mark and ct is not None and not isinstance(ct, Zero):
                accumulate(value, ct)
    builder.location = outer
    return [cts.get(a, Zero(aval_of(a))) for a in arguments[:count]]
