"""Shaping of scans: what does not change from step to step leaves the loop.

Rewrites that keep the numbers: a carry that a step hands on unchanged becomes a loop constant; an op on loop constants
alone is computed once, outside; but copies of one array for each element of a batch are not made for products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.dialects import Builder, ScanParts, clone_op, new_block, yield_, yielded
from difc.dialects.base import attributes_of, emit
from difc.dialects.body import Visitor, is_terminator, visit_op
from difc.dialects.mlir import ir
from difc.pipelines.products import is_copied

__all__ = ["reshape_scan"]

#: Ops that stay in the loop: they cost nothing there, and outside they would make arrays to be read in every step.
FREE = ("dif.constant", "dif.zeros", "dif.iota", "dif.broadcast_in_dim")


def reshape_scan(operation: Any, operands: list[ir.Value], visit: Visitor) -> list[ir.Value]:
    """Build a scan again on other operands, with `visit` applied to its body, and shape it.

    Returns:
      Its results.
    """
    attributes = attributes_of(operation)
    parts = ScanParts.grouped(operands, attributes)
    body = operation.regions[0].blocks[0]
    nc, nx = len(parts.carry), len(parts.xs)
    arguments, outs = list(body.arguments), yielded(body)
    fixed = [outs[i] == arguments[i] for i in range(nc)]
    if len(outs) == nc and all(fixed):
        return list(parts.carry)  # a loop without results would be left

    # invariant value of the old body -> its value outside; constants first, then fixed carries
    outside: dict[ir.Value, ir.Value] = dict(zip(arguments[nc + nx :], parts.consts, strict=True))
    outside |= {a: c for a, c, f in zip(arguments[:nc], parts.carry, fixed, strict=False) if f}
    inside: list[Any] = []
    for old in body.operations:
        old = old.operation
        hoistable = not is_terminator(old) and not len(old.regions) and old.name not in FREE and len(old.operands)
        if hoistable and all(v in outside for v in old.operands):
            found = visit_op(old, [outside[v] for v in old.operands], visit)
            outside.update(zip(old.results, found, strict=True))
        else:
            inside.append(old)

    used = {v for old in inside for v in old.operands}
    copies = {
        v: outside[v].owner.operation for v in outside if v in used and _only_products_read(v, outside[v], inside)
    }
    consts = [v for v in outside if v in used and v not in copies]
    distinct: dict[ir.Value, int] = {}  # outer value -> place among the new constants
    for outer in [*(outside[v] for v in consts), *(x for copy in copies.values() for x in copy.operands)]:
        distinct.setdefault(outer, len(distinct))
    moving = [i for i in range(nc) if not fixed[i]]
    types = [
        *(arguments[i].type for i in moving),
        *(a.type for a in arguments[nc : nc + nx]),
        *(v.type for v in distinct),
    ]
    new_body = new_block(types, None)
    fresh = list(new_body.arguments)
    values = {arguments[i]: a for i, a in zip(moving, fresh, strict=False)}
    values |= dict(zip(arguments[nc : nc + nx], fresh[len(moving) :], strict=False))
    constant = {outer: fresh[len(moving) + nx + place] for outer, place in distinct.items()}
    values |= {v: constant[outside[v]] for v in consts}
    with dif.use_builder(Builder(new_body, operation.location)) as builder:
        for v, copy in copies.items():
            (values[v],) = clone_op(copy, [constant[x] for x in copy.operands])
        for old in inside:
            given = [values.get(v) for v in old.operands]
            builder.location = old.location
            if is_terminator(old):
                kept = [g for i, g in enumerate(given) if i >= nc or not fixed[i]]
                yield_(*kept)
                break
            results = visit_op(old, given, visit)
            values.update(zip(old.results, results, strict=True))
    made = {**attributes, "num_carry": len(moving), "linear": ()}  # marks matter only until a scan is transposed
    new_operands = [*(parts.carry[i] for i in moving), *parts.xs, *distinct, *parts.length]
    kept_results = iter(emit(dif.OPS["fun.scan"], new_operands, made, [new_body]))
    return [parts.carry[i] if i < nc and fixed[i] else next(kept_results) for i in range(len(outs))]


def _only_products_read(value: ir.Value, outer: ir.Value, inside: Sequence[Any]) -> bool:
    """Say whether a loop constant is a batch of copies that need not be made: see `product_of_one`."""

    def needs_none(old: Any) -> bool:
        if old.name != "dif.dot_general":
            return False
        batches = attributes_of(old)["lhs_batch"], attributes_of(old)["rhs_batch"]
        return all(v != value or is_copied(outer, batch) for v, batch in zip(old.operands, batches, strict=True))

    return all(needs_none(old) for old in inside if value in list(old.operands))
