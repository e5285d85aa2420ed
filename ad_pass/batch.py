"""vmap: evaluate a block on arrays that carry a batch as their first dim, or on shared ones that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import BATCH, Node
from difc.ad_pass.zero import shape_of
from difc.dialects import Aval, Builder, aval_of, clone_op, new_block
from difc.dialects.body import block_locations, return_
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import ShapeError, UnsupportedError

__all__ = ["add_batch", "batch_block", "batch_values", "move_dim"]


def move_dim(x: ir.Value, source: int, target: int) -> ir.Value:
    """Return `x` with one dim moved to another place, the others in order. (NumPy moveaxis)"""
    if source == target:
        return x
    order = [d for d in range(aval_of(x).ndim) if d != source]
    order.insert(target, source)
    return dif.transpose(x, permutation=order)


def add_batch(x: ir.Value, size: Any) -> ir.Value:
    """Return `x` repeated along a new first dim."""
    sizes = shape_of(x)
    return dif.broadcast_in_dim(x, shape=(size, *sizes), dimensions=range(1, len(sizes) + 1))


def batch_values(
    block: ir.Block, size: Any, arguments: Sequence[ir.Value], batched: Sequence[bool]
) -> tuple[list[ir.Value], list[bool]]:
    """Re-emit a block through the current builder, where marked arguments carry a batch along dim 0.

    Args:
      block: a body that ends with `fun.yield` or `func.return`.
      size: the batch size, an int or an i64 scalar value.
      arguments: values of its arguments.
      batched: which of them carry the batch.

    Returns:
      What the block ends with, and which of that carries the batch.
    """
    builder = dif.current_builder()
    outer = builder.location
    values: dict[ir.Value, ir.Value] = dict(zip(block.arguments, arguments, strict=True))
    marked = {a for a, mark in zip(block.arguments, batched, strict=True) if mark}
    for operation in block.operations:
        operation = operation.operation
        ins, marks = [values[v] for v in operation.operands], [v in marked for v in operation.operands]
        if dif.is_terminator(operation):
            builder.location = outer
            return ins, marks
        if not any(marks):
            builder.location = operation.location
            outs, out_marks = clone_op(operation, ins), [False] * len(operation.results)
        else:
            builder.location = ir.Location.name(f"vmap({operation.name})", operation.location)
            rule = BATCH.get(operation.name)
            if rule is None:
                raise UnsupportedError(
                    f"{operation.name} has no batching rule",
                    where=user_location(operation.location),
                    remedy="use a Python loop instead of vmap here",
                )
            outs, out_marks = rule(Node.of(operation), size, ins, marks)
        values.update(zip(operation.results, outs, strict=True))
        marked.update(r for r, mark in zip(operation.results, out_marks, strict=True) if mark)
    raise AssertionError("a block without a terminator")


def batch_block(
    body: ir.Block, in_axes: Sequence[int], out_axes: Sequence[int], location: ir.Location, width: Any
) -> ir.Block:
    """Return the body of a mapped function, ended by `func.return`; see `fun.vmap` for the axes. `width` may be DYN."""
    avals = [aval_of(a) for a in body.arguments]
    mapped = [axis != -1 for axis in in_axes]
    if not any(mapped):
        raise ShapeError("vmap: no argument is mapped", where=user_location(location))
    types = [
        Aval((*a.shape[:axis], width, *a.shape[axis:]), a.dtype) if axis != -1 else a
        for a, axis in zip(avals, in_axes, strict=True)
    ]
    block = new_block(types, block_locations(body))
    with dif.use_builder(Builder(block, location)):
        arguments = list(block.arguments)
        first = mapped.index(True)
        amount = width if isinstance(width, int) else dif.dim(arguments[first], dimension=in_axes[first])
        ins = [move_dim(a, axis, 0) if axis != -1 else a for a, axis in zip(arguments, in_axes, strict=True)]
        outs, batched = batch_values(body, amount, ins, mapped)
        final = []
        for i, (y, mark, axis) in enumerate(zip(outs, batched, out_axes, strict=True)):
            if axis == -1:
                if mark:
                    raise ShapeError(
                        f"vmap: result {i} depends on a mapped argument, so its out axis cannot be None",
                        where=user_location(location),
                        remedy="give its axis in out_axes",
                    )
                final.append(y)
            else:
                final.append(move_dim(y if mark else add_batch(y, amount), 0, axis))
        return_(block, final, location)
    return block
