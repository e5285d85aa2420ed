"""Lowering an op as a program of other ops of the dialect, which are lowered in its place.

Every target then has the op, for sizes known only at run time as well, and the interpreter can run the same program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from difc import dialects as dif
from difc.dialects import Aval, Builder, as_list, aval_of, build_body, new_block
from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.values import Value
from difc.pipelines.prune import prune_into

__all__ = ["Values", "composed", "composed_used", "loop"]

#: Values of the dialect, as programs take and give them.
Values = list[ir.Value]


def composed_used(c: Context, used: Sequence[bool], program: Callable[..., Any], *operands: Value) -> list[Any]:
    """Lower a program of several results, less the code that only unused ones need.

    Returns:
      The lowered results, None for an unused one.
    """

    def needed(*values: ir.Value) -> tuple[ir.Value, ...]:
        block = build_body([aval_of(v) for v in values], lambda arguments: program(*arguments))
        return tuple(prune_into(block, values, used))

    found = iter(composed(c, needed, *operands))
    return [next(found) if mark else None for mark in used]


def composed(c: Context, program: Callable[..., Any], *operands: Value) -> list[Value]:
    """Lower a program in the place of the op that is being lowered.

    Args:
      c: where to append.
      program: builds ops on values of the operands; returns one value, or a tuple.
      operands: lowered operands.

    Returns:
      The program's lowered results.
    """
    avals = [_known(c, x) for x in operands]
    with dif.use_builder(Builder(new_block([]), c.location)):
        block = build_body(avals, lambda arguments: program(*arguments))
    arguments = [_as(x, aval) for x, aval in zip(operands, avals, strict=True)]
    return c.lower_block(block, arguments)


def _known(c: Context, x: Value) -> Aval:
    """Return the aval of a value with all sizes that are known by now."""
    return Aval(tuple(s if isinstance(s, int) else dif.DYN for s in c.sizes(x)), x.aval.dtype)


def _as(x: Value, aval: Aval) -> Value:
    copy = x.copy()
    copy.aval = aval
    return copy


# ---- bodies of programs --------------------------------------------------------------------------


def loop(
    step: Callable[[Values, Values, Values], tuple[Values, Values]],
    carry: Sequence[ir.Value],
    length: int | ir.Value,
    *,
    xs: Sequence[ir.Value] = (),
    consts: Sequence[ir.Value] = (),
    reverse: bool = False,
) -> Values:
    """Emit a `fun.scan`: `step(carry, slices of xs, consts)` gives the next carry and what is stacked.

    Returns:
      The last carry, then the stacked arrays.
    """
    nc, nx = len(carry), len(xs)
    slices = [Aval(a.shape[1:], a.dtype) for a in map(aval_of, xs)]

    def fill(arguments: Values) -> Values:
        new, stacked = step(arguments[:nc], arguments[nc : nc + nx], arguments[nc + nx :])
        return [*new, *stacked]

    body = build_body([*map(aval_of, carry), *slices, *map(aval_of, consts)], fill)
    trips = [] if isinstance(length, int) else [length]
    return as_list(
        dif.scan(
            *carry,
            *xs,
            *consts,
            *trips,
            num_carry=nc,
            num_xs=nx,
            length=-1 if trips else length,
            reverse=reverse,
            linear=(),
            regions=[body],
        )
    )
