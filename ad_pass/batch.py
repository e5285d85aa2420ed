"""vmap: evaluate a block on arrays that carry a batch as their first dim, or on shared ones that do not.

A branch of a mapped `cond` is evaluated for all lanes and its results are used for some, those that take it. In the
others it computes what nobody asked for: a slope there may be infinite, and times a cotangent of 0 that is NaN. So
derivatives flow only through lanes that take the branch: out of what carries a batch (`flows_in`), and into a shared
value wherever one meets a value that carries a batch (`_kept_apart`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import BATCH, LINEAR_SLOTS, Node
from difc.ad_pass.zero import shape_of, zeros_like
from difc.dialects import Aval, Builder, aval_of, clone_op, is_float, new_block
from difc.dialects.body import block_locations, return_
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import ShapeError, UnsupportedError

__all__ = [
    "add_batch",
    "batch_block",
    "batch_values",
    "batched_as",
    "batched_aval",
    "batched_results",
    "choose",
    "flows_in",
    "mapped_size",
    "move_dim",
]

ELEMENTWISE = {opdef.name for opdef in (*dif.BINARY, dif.select)}


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


def batched_aval(aval: Aval, size: Any, batched: bool) -> Aval:
    """Return the type of a value that has `aval` in each lane, if it carries a batch."""
    width = size if isinstance(size, int) else dif.DYN
    return Aval((width, *aval.shape), aval.dtype) if batched else aval


def mapped_size(operands: Sequence[ir.Value], in_axes: Sequence[int]) -> Any:
    """Return the size of the axis that a `fun.vmap` maps over, `DYN` where it is known only at run time."""
    sizes = {aval_of(v).shape[axis] for v, axis in zip(operands, in_axes, strict=True) if axis != -1}
    return sizes.pop() if len(sizes) == 1 else dif.DYN


# ---- the lanes that take a branch ----------------------------------------------------------------


def choose(pred: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    """Choose whole batch entries by a predicate for each, or all by one predicate."""
    dims = tuple(range(aval_of(pred).ndim))
    return dif.select(dif.broadcast_in_dim(pred, shape=tuple(shape_of(on_true)), dimensions=dims), on_true, on_false)


def batched_as(
    want: Sequence[bool], values: Sequence[ir.Value], have: Sequence[bool], size: Any, taken: ir.Value | None
) -> list[ir.Value]:
    """Return values with a batch where it is wanted; derivatives flow back through it only in the lanes `taken`."""
    return [
        flows_in(taken, add_batch(v, size)) if w and not h else v for v, h, w in zip(values, have, want, strict=True)
    ]


def flows_in(taken: ir.Value | None, x: ir.Value) -> ir.Value:
    """Return `x`, through which derivatives flow only in the lanes that `taken` names (None: in all)."""
    if taken is None or not is_float(aval_of(x).dtype):
        return x
    return choose(taken, x, dif.stop_gradient(x))


def _is_linear(node: Node, operands: Sequence[ir.Value]) -> tuple[bool, bool]:
    """Return whether an op is linear in its operands of floats together, and in each of them alone."""
    rule = LINEAR_SLOTS.get(node.name)
    floats = [is_float(aval_of(v).dtype) for v in operands]
    if rule is None:
        return False, False
    alone = [[i == j for j in range(len(floats))] for i, mark in enumerate(floats) if mark]
    return rule(node, floats), all(rule(node, one) for one in alone)


def _kept_apart(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool], bool]:
    """Prepare an op of operands with a batch and shared ones: no lane that is not taken may reach the shared ones.

    A shared operand gets a batch, so that its derivative is cut in those lanes, where the op computes a whole batch of
    it anyway. A matrix must not: there, what multiplies it is 0 in those lanes, and what comes of it is cut.

    Returns:
      Operands, which carry a batch, and whether the results have to be cut.
    """
    together, alone = _is_linear(node, operands)
    if node.name not in ELEMENTWISE and (together or alone):
        if together:
            return operands, batched, True
        factors = [mark and is_float(aval_of(x).dtype) for x, mark in zip(operands, batched, strict=True)]
        pairs = zip(operands, factors, strict=True)
        return [choose(node.taken, x, zeros_like(x)) if factor else x for x, factor in pairs], batched, True
    whole = [mark or is_float(aval_of(x).dtype) for x, mark in zip(operands, batched, strict=True)]
    return batched_as(whole, operands, batched, size, node.taken), whole, False


# ---- blocks --------------------------------------------------------------------------------------


def batch_values(
    block: ir.Block,
    size: Any,
    arguments: Sequence[ir.Value],
    batched: Sequence[bool],
    taken: ir.Value | None = None,
) -> tuple[list[ir.Value], list[bool]]:
    """Re-emit a block through the current builder, where marked arguments carry a batch along dim 0.

    Args:
      block: a body that ends with `fun.yield` or `func.return`.
      size: the batch size, an int or an i64 scalar value.
      arguments: values of its arguments.
      batched: which of them carry the batch.
      taken: the lanes in which the block is wanted, bool[size]; None for all.

    Returns:
      What the block ends with, and which of that carries the batch.
    """
    builder = dif.current_builder()
    outer = builder.location
    values: dict[ir.Value, ir.Value] = dict(zip(block.arguments, arguments, strict=True))
    marked = {a for a, mark in zip(block.arguments, batched, strict=True) if mark}
    shared: set[ir.Value] = set()  # what derivatives of lanes that are not taken could reach
    if taken is not None:
        shared.update(a for a in block.arguments if a not in marked and is_float(aval_of(a).dtype))
    for operation in block.operations:
        operation = operation.operation
        ins, marks = [values[v] for v in operation.operands], [v in marked for v in operation.operands]
        if dif.is_terminator(operation):
            builder.location = outer
            return ins, marks
        if not any(marks):
            builder.location = operation.location
            outs, out_marks = clone_op(operation, ins), [False] * len(operation.results)
            if shared and any(v in shared for v in operation.operands):
                shared.update(r for r in operation.results if is_float(aval_of(r).dtype))
        else:
            builder.location = ir.Location.name(f"vmap({operation.name})", operation.location)
            rule = BATCH.get(operation.name)
            if rule is None:
                raise UnsupportedError(
                    f"{operation.name} has no batching rule",
                    where=user_location(operation.location),
                    remedy="use a Python loop instead of vmap here",
                )
            node, cut = Node.of(operation, taken), False
            if shared and not node.bodies and any(v in shared for v in operation.operands):
                ins, marks, cut = _kept_apart(node, size, ins, marks)
            outs, out_marks = rule(node, size, ins, marks)
            outs = [flows_in(taken, y) for y in outs] if cut else outs
        values.update(zip(operation.results, outs, strict=True))
        marked.update(r for r, mark in zip(operation.results, out_marks, strict=True) if mark)
    raise AssertionError("a block without a terminator")


def batched_results(block: ir.Block, size: Any, batched: Sequence[bool]) -> list[bool]:
    """Return which values that a block ends with carry the batch, given which arguments do.

    It batches the block into a scratch one, so the answer is that of `batch_values`.
    """
    types = [batched_aval(aval_of(a), size, mark) for a, mark in zip(block.arguments, batched, strict=True)]
    scratch = new_block([*types, Aval((), dif.I64)])
    with dif.use_builder(Builder(scratch)):
        *arguments, size_here = scratch.arguments
        return batch_values(block, size if isinstance(size, int) else size_here, arguments, batched)[1]


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
