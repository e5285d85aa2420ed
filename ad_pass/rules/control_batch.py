"""Batching of `cond` and `scan`.

A scan of batched values is one scan over whole batches. A cond whose predicate is batched runs both branches and
selects; `batch.py` says how their derivatives are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from difc import dialects as dif
from difc.ad_pass.batch import batch_values, batched_as, batched_aval, batched_results, choose, flows_in, move_dim
from difc.ad_pass.registry import BATCH, Node
from difc.ad_pass.zero import scalar, shape_of
from difc.dialects import Aval, ScanParts, as_list, aval_of, build_body
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError

__all__: list[str] = []


@dataclass(frozen=True)
class _Passed:
    """What bodies are given besides their operands, as the last ones: the batch size, and `taken`; see `Node`."""

    size: Any
    taken: ir.Value | None

    @property
    def values(self) -> list[ir.Value]:
        return [v for v in (self.size, self.taken) if isinstance(v, ir.Value)]

    def within(self, arguments: Sequence[ir.Value]) -> _Passed:
        """Return the same in a body, from all its arguments."""
        last = list(arguments)
        taken = last.pop() if self.taken is not None else None
        return _Passed(last.pop() if isinstance(self.size, ir.Value) else self.size, taken)


def _cond_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    pred, args, flags = operands[0], operands[1:], batched[1:]
    if batched[0]:
        branches = [
            _branch_of_all(node, body, size, taken, args, flags)
            for taken, body in zip((pred, dif.not_(pred)), node.bodies, strict=True)
        ]
        return [choose(pred, a, b) for a, b in zip(*branches, strict=True)], [True] * len(node.results)
    out = [a or b for a, b in zip(*(batched_results(body, size, flags) for body in node.bodies), strict=True)]
    passed = _Passed(size, node.taken)
    types = [v.type for v in [*args, *passed.values]]

    def branch(body: ir.Block) -> ir.Block:
        def fill(arguments: list[ir.Value]) -> list[ir.Value]:
            here = passed.within(arguments)
            values, have = batch_values(body, here.size, arguments[: len(args)], flags, here.taken)
            return batched_as(out, values, have, here.size, here.taken)

        return build_body(types, fill)

    linear = node.attributes["linear"]
    marks = [*linear, *[False] * len(passed.values)] if linear else ()
    results = dif.cond(pred, *args, *passed.values, linear=marks, regions=[branch(body) for body in node.bodies])
    return as_list(results), out


def _branch_of_all(
    node: Node, body: ir.Block, size: Any, taken: ir.Value, args: Sequence[ir.Value], batched: Sequence[bool]
) -> list[ir.Value]:
    """Return what a branch gives in all lanes, where derivatives flow only in those that take it.

    What the branch computes of shared operands alone, it computes at all only if some lane takes it.
    """
    if node.attributes["linear"]:  # nothing in it has an infinite slope in what is differentiated
        values, have = batch_values(body, size, args, batched)
        return batched_as([True] * len(values), values, have, size, None)
    if node.taken is not None:
        taken = dif.and_(taken, node.taken)
    anywhere = dif.reduce_or(taken, axes=(0,))
    given = [flows_in(taken if b else anywhere, x) for x, b in zip(args, batched, strict=True)]
    values, have = batch_values(body, size, given, batched, taken)
    return batched_as([True] * len(values), values, have, size, taken)


def _scan_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    # body: c, x, k -> c', y   =>   the same on batches; xs are [T, B, ...] within
    a = node.attributes
    parts, flags = (ScanParts.grouped(each, a) for each in (operands, batched))
    if any(flags.length):
        return _scan_of_mapped_length(node, size, parts, flags)
    (body,) = node.bodies
    carry_flags, nc = list(flags.carry), len(parts.carry)
    while True:
        out = batched_results(body, size, [*carry_flags, *flags.xs, *flags.consts])
        grown = [f or g for f, g in zip(carry_flags, out[:nc], strict=True)]
        if grown == carry_flags:
            break
        carry_flags = grown
    carry = batched_as(carry_flags, parts.carry, flags.carry, size, node.taken)
    xs = [move_dim(x, 0, 1) if f else x for x, f in zip(parts.xs, flags.xs, strict=True)]
    passed = _Passed(size, node.taken)
    declared = [aval_of(v) for v in list(body.arguments)[:nc]]
    types = [
        *(batched_aval(d, size, f) for d, f in zip(declared, carry_flags, strict=True)),
        *(Aval(aval_of(x).shape[1:], aval_of(x).dtype) for x in xs),
        *(aval_of(v) for v in [*parts.consts, *passed.values]),
    ]
    count = len(carry) + len(xs) + len(parts.consts)

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        here = passed.within(arguments)
        flags_here = [*carry_flags, *flags.xs, *flags.consts]
        values, have = batch_values(body, here.size, arguments[:count], flags_here, here.taken)
        return batched_as([*carry_flags, *have[nc:]], values, have, here.size, here.taken)

    linear = a["linear"]
    results = as_list(
        dif.scan(
            *carry,
            *xs,
            *parts.consts,
            *passed.values,
            *parts.length,
            num_carry=nc,
            num_xs=len(xs),
            length=a["length"],
            reverse=a["reverse"],
            linear=[*linear, *[False] * len(passed.values)] if linear else (),
            regions=[build_body(types, fill)],
        )
    )
    ys = [move_dim(y, 1, 0) if f else y for y, f in zip(results[nc:], out[nc:], strict=True)]
    return [*results[:nc], *ys], [*carry_flags, *out[nc:]]


def _scan_of_mapped_length(
    node: Node, size: Any, parts: ScanParts, flags: ScanParts
) -> tuple[list[ir.Value], list[bool]]:
    """Batch a loop whose number of steps differs from lane to lane: all go on until the last is done.

    A lane keeps its carry from where it ends, and what it computes from there on has no derivative. What steps read or
    stack would have different sizes.
    """
    # body: c, k -> c'   =>   n, c, k, limits -> n + 1, where(n < limits, c', c)
    if parts.xs or len(node.results) > len(parts.carry) or node.attributes["linear"]:
        raise UnsupportedError(
            "vmap: the number of steps of a scan differs between the mapped elements, and so would the sizes of what "
            "it stacks",
            where=user_location(node.operation.location),
            remedy="use one length for all, and select what the extra steps give with np.where",
        )
    (body,), (limits,) = node.bodies, parts.length
    longest = dif.max(dif.reduce_max(limits, axes=(0,)), scalar(0, dif.I64))
    every = [True] * len(parts.carry)
    carry = batched_as(every, parts.carry, flags.carry, size, node.taken)
    passed = _Passed(size, node.taken)
    count = 1 + len(carry)
    given = [scalar(0, dif.I64), *carry, *parts.consts, limits, *passed.values]

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        here, (step, *before) = passed.within(arguments), arguments[:count]
        consts, ends = arguments[count : count + len(parts.consts)], arguments[count + len(parts.consts)]
        sizes = tuple(shape_of(ends))
        live = dif.compare(dif.broadcast_in_dim(step, shape=sizes, dimensions=()), ends, direction="lt")
        taken = live if here.taken is None else dif.and_(live, here.taken)
        ins = [flows_in(taken, x) if f else x for x, f in zip([*before, *consts], [*every, *flags.consts], strict=True)]
        values, have = batch_values(body, here.size, ins, [*every, *flags.consts], taken)
        after = batched_as(every, values, have, here.size, taken)
        kept = [choose(live, a, b) for a, b in zip(after, before, strict=True)]
        return [dif.add(step, scalar(1, dif.I64)), *kept]

    results = as_list(
        dif.scan(
            *given,
            longest,
            num_carry=count,
            num_xs=0,
            length=-1,
            reverse=node.attributes["reverse"],
            linear=(),
            regions=[build_body([v.type for v in given], fill)],
        )
    )
    return results[1:], every


BATCH["fun.cond"], BATCH["fun.scan"] = _cond_batch, _scan_batch
