"""Dead code, including what the upstream passes cannot see: unused results, carries and operands of ops with bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.dialects import Builder, end_of, marked, new_block, scan_parts, yield_, yielded
from difc.dialects.base import attributes_of, current_builder, emit
from difc.dialects.body import block_locations, clone_op, is_terminator
from difc.dialects.mlir import ir

__all__ = ["live_values", "prune_dead", "prune_into"]


def live_values(block: ir.Block, keep: Sequence[bool]) -> set[ir.Value]:
    """Return the values of a block that what it ends with depends on.

    Args:
      keep: which of the values that it ends with are wanted.
    """
    live = set(marked(yielded(block), keep))
    for operation in reversed(list(block.operations)[:-1]):
        operation = operation.operation
        wanted = [r in live for r in operation.results]
        if any(wanted):
            needed = _needed_operands(operation, wanted)
            live.update(v for v, need in zip(operation.operands, needed, strict=True) if need)
    return live


def _needed_operands(operation: Any, wanted: list[bool]) -> list[bool]:
    if operation.name == "fun.cond":
        used = [False] * (len(operation.operands) - 1)
        for region in operation.regions:
            live = live_values(region.blocks[0], wanted)
            used = [u or a in live for u, a in zip(used, region.blocks[0].arguments, strict=True)]
        return [True, *used]
    if operation.name == "fun.scan":
        _, used = _scan_needs(operation, wanted)
        return [*used, *[True] * (len(operation.operands) - len(used))]
    return [True] * len(operation.operands)


def _scan_needs(operation: Any, wanted: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    """Return which values the body must give, and which of its arguments are used: a carry that is used is wanted."""
    body, count = operation.regions[0].blocks[0], attributes_of(operation)["num_carry"]
    keep = list(wanted)
    while True:
        live = live_values(body, keep)
        used = [a in live for a in body.arguments]
        grown = [k or (i < count and used[i]) for i, k in enumerate(keep)]
        if grown == keep:
            return keep, [u or (i < count and keep[i]) for i, u in enumerate(used)]
        keep = grown


def prune_into(block: ir.Block, arguments: Sequence[ir.Value], keep: Sequence[bool]) -> list[ir.Value]:
    """Re-emit through the current builder what the kept results of a block need; return those."""
    live = live_values(block, keep)
    values: dict[ir.Value, ir.Value] = dict(zip(block.arguments, arguments, strict=True))
    builder = current_builder()
    outer = builder.location
    for operation in block.operations:
        operation = operation.operation
        if is_terminator(operation):
            builder.location = outer
            return [values[v] for v in marked(operation.operands, keep)]
        wanted = [r in live for r in operation.results]
        if not any(wanted):
            continue
        builder.location = operation.location
        results: Sequence[Any]
        if operation.name == "fun.scan":
            results = _prune_scan(operation, values, wanted)
        elif operation.name == "fun.cond":
            results = _prune_cond(operation, values, wanted)
        else:
            results = clone_op(operation, [values[v] for v in operation.operands])
        for old, new in zip(operation.results, results, strict=True):
            if new is not None:
                values[old] = new
    raise AssertionError("a block without a terminator")


def prune_dead(block: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """Re-emit what all results of a block need, as `prune_into` does; return those."""
    return prune_into(block, arguments, [True] * len(yielded(block)))


def _pruned_body(body: ir.Block, used: Sequence[bool], keep: Sequence[bool]) -> ir.Block:
    """Return a copy of a body with some arguments and some of the values that it gives."""
    locations = block_locations(body)
    arguments = list(body.arguments)
    places = [i for i, u in enumerate(used) if u]
    copy = new_block([arguments[i].type for i in places], [locations[i] for i in places])
    given = dict(zip(places, copy.arguments, strict=True))
    # an unused argument stands for nothing that is re-emitted, so any value may take its place
    filler: Any = None
    with dif.use_builder(Builder(copy, end_of(body).location)):
        yield_(*prune_into(body, [given.get(i, filler) for i in range(len(arguments))], keep))
    return copy


def _spread(results: Sequence[ir.Value], mask: Sequence[bool]) -> list[Any]:
    fresh = iter(results)
    return [next(fresh) if m else None for m in mask]


def _prune_cond(operation: Any, values: dict[ir.Value, ir.Value], wanted: list[bool]) -> list[Any]:
    used = _needed_operands(operation, wanted)[1:]
    attributes = attributes_of(operation)
    operands = list(operation.operands)
    bodies = [_pruned_body(region.blocks[0], used, wanted) for region in operation.regions]
    linear = marked(attributes["linear"], used) if attributes["linear"] else ()
    given = [values[operands[0]], *(values[v] for v in marked(operands[1:], used))]
    return _spread(emit(dif.OPS["fun.cond"], given, {"linear": linear}, bodies), wanted)


def _prune_scan(operation: Any, values: dict[ir.Value, ir.Value], wanted: list[bool]) -> list[Any]:
    keep, used = _scan_needs(operation, wanted)
    attributes = attributes_of(operation)
    parts = scan_parts(operation)
    nc, nx = len(parts.carry), len(parts.xs)
    used[:nc] = keep[:nc]
    body = _pruned_body(operation.regions[0].blocks[0], used, keep)
    operands = [values[v] for v in marked([*parts.carry, *parts.xs, *parts.consts], used)]
    made = {
        **attributes,
        "num_carry": sum(used[:nc]),
        "num_xs": sum(used[nc : nc + nx]),
        "linear": marked(attributes["linear"], used) if attributes["linear"] else (),
    }
    results = emit(dif.OPS["fun.scan"], [*operands, *(values[v] for v in parts.length)], made, [body])
    return _spread(results, keep)
