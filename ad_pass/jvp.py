"""Forward mode: evaluate a block on primals and tangents together.

The same walk serves `linearize`: only the builder differs, which puts what depends on a tangent elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import JVP, LINEARIZE, Node, zero_tangents
from difc.ad_pass.zero import Tangent, Zero
from difc.dialects import aval_of, clone_op, is_float
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import NotDifferentiableError

__all__ = ["interleave", "jvp_block", "with_zeros"]


def jvp_block(
    block: ir.Block, primals: Sequence[ir.Value], tangents: Sequence[Tangent], *, linearize: bool = False
) -> tuple[list[ir.Value], list[Tangent]]:
    """Re-emit what a block uses on `primals` through the current builder, with the tangent of every value.

    Args:
      block: a body that ends with `fun.yield` or `func.return`.
      primals: values of its arguments.
      tangents: their tangents; `Zero` where there is none.
      linearize: prefer an op's linearize rule to its jvp rule (the builder must then be a `LinearizeBuilder`).

    Returns:
      What the block ends with, and the tangents of that.

    Raises:
      NotDifferentiableError: for an op without a derivative rule, naming the user's line.
    """
    builder = dif.current_builder()
    outer = builder.location
    values: dict[ir.Value, ir.Value] = dict(zip(block.arguments, primals, strict=True))
    dots: dict[ir.Value, Tangent] = dict(zip(block.arguments, tangents, strict=True))
    for operation in _used(block):
        ins = [values[v] for v in operation.operands]
        ts: list[Tangent] = [dots[v] for v in operation.operands]
        if dif.is_terminator(operation):
            builder.location = outer
            return ins, ts
        if all(isinstance(t, Zero) for t in ts):
            builder.location = operation.location
            outs = clone_op(operation, ins)
            out_ts = zero_tangents(outs)
        else:
            builder.location = ir.Location.name(f"jvp({operation.name})", operation.location)
            rule = (LINEARIZE.get(operation.name) if linearize else None) or JVP.get(operation.name)
            if rule is None:
                raise NotDifferentiableError(
                    f"{operation.name} has no derivative rule",
                    where=user_location(operation.location),
                    remedy="pass the value through difc.stop_gradient",
                )
            outs, out_ts = rule(Node.of(operation), ins, ts)
            out_ts = [t if is_float(aval_of(v).dtype) else Zero(aval_of(v)) for v, t in zip(outs, out_ts, strict=True)]
        values.update(zip(operation.results, outs, strict=True))
        dots.update(zip(operation.results, out_ts, strict=True))
    raise AssertionError("a block without a terminator")


def _used(block: ir.Block) -> list[Any]:
    """Return the operations that what the block ends with depends on, so that of the others no derivative is asked."""
    used, wanted = [], set()
    for operation in reversed(list(block.operations)):
        operation = operation.operation
        if dif.is_terminator(operation) or any(result in wanted for result in operation.results):
            used.append(operation)
            wanted.update(operation.operands)
    return used[::-1]


def interleave(mask: Sequence[bool], marked: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Merge two lists: for each place the next of `marked` where the mask holds, else the next of `others`."""
    first, second = iter(marked), iter(others)
    return [next(first) if mark else next(second) for mark in mask]


def with_zeros(values: Iterable[Any], tangents: Sequence[Tangent], mask: Sequence[bool]) -> list[Tangent]:
    """Return a tangent for each value (or type): the next of `tangents` where the mask holds, else a symbolic zero."""
    return interleave(mask, tangents, [Zero(aval_of(v)) for v, mark in zip(values, mask, strict=True) if not mark])
