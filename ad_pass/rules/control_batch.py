"""Batching of `cond` and `scan`.

A scan of batched values is one scan over whole batches. A cond whose predicate is batched runs both branches and
selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.batch import add_batch, batch_values, move_dim
from difc.ad_pass.registry import BATCH, Node
from difc.ad_pass.rules.control import as_tuple, build_body
from difc.ad_pass.zero import shape_of
from difc.dialects import Aval, Builder, ScanParts, aval_of, is_float, new_block
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError

__all__: list[str] = []


def _batched_aval(aval: Aval, size: Any, batched: bool) -> Aval:
    width = size if isinstance(size, int) else dif.DYN
    return Aval((width, *aval.shape), aval.dtype) if batched else aval


def _out_flags(body: ir.Block, size: Any, flags: Sequence[bool]) -> list[bool]:
    """Return which results of a body are batched, given which arguments are, by batching it into a scratch block."""
    types = [_batched_aval(aval_of(a), size, f) for a, f in zip(body.arguments, flags, strict=True)]
    scratch = new_block([*types, Aval((), dif.I64)])
    with dif.use_builder(Builder(scratch)):
        *arguments, size_here = scratch.arguments
        return batch_values(body, size if isinstance(size, int) else size_here, arguments, flags)[1]


def _batched(values: Sequence[ir.Value], have: Sequence[bool], want: Sequence[bool], size: Any) -> list[ir.Value]:
    """Return values with a batch added where it is wanted and not there."""
    return [add_batch(v, size) if w and not h else v for v, h, w in zip(values, have, want, strict=True)]


def _cond_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    pred, args, flags = operands[0], operands[1:], batched[1:]
    if batched[0]:
        branches = [
            batch_values(body, size, _for_branch(pred, taken, args, flags, node), flags)
            for taken, body in zip((True, False), node.bodies, strict=True)
        ]
        every = [True] * len(node.results)
        first, second = (_batched(values, have, every, size) for values, have in branches)
        return [_select(pred, a, b) for a, b in zip(first, second, strict=True)], every
    out = [a or b for a, b in zip(*(_out_flags(body, size, flags) for body in node.bodies), strict=True)]
    extra = [] if isinstance(size, int) else [size]
    types = [v.type for v in [*args, *extra]]

    def branch(body: ir.Block) -> ir.Block:
        def fill(arguments: list[ir.Value]) -> list[ir.Value]:
            here = arguments[-1] if extra else size
            values, have = batch_values(body, here, arguments[: len(args)], flags)
            return _batched(values, have, out, here)

        return build_body(types, fill)

    linear = node.attributes["linear"]
    marks = [*linear, *[False] * len(extra)] if linear else ()
    results = dif.cond(pred, *args, *extra, linear=marks, regions=[branch(body) for body in node.bodies])
    return as_tuple(results), out


def _for_branch(
    pred: ir.Value, taken: bool, args: Sequence[ir.Value], batched: Sequence[bool], node: Node
) -> list[ir.Value]:
    """Return operands through which derivatives flow only where this branch is taken.

    Elsewhere the branch computes what nobody asked for, and its slope may be infinite: times a cotangent of 0 that is
    NaN. Operands without a batch stay as they are; to give them one would cost far more.
    """
    if node.attributes["linear"]:
        return list(args)
    return [
        _select(pred, *(pair if taken else pair[::-1])) if b and is_float(aval_of(x).dtype) else x
        for x, b, pair in ((x, b, (x, dif.stop_gradient(x))) for x, b in zip(args, batched, strict=True))
    ]


def _select(pred: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    """Choose whole batch entries by a predicate for each."""
    return dif.select(dif.broadcast_in_dim(pred, shape=tuple(shape_of(on_true)), dimensions=(0,)), on_true, on_false)


def _scan_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    # body: c, x, k -> c', y   =>   the same on batches; xs are [T, B, ...] within
    a = node.attributes
    parts = ScanParts.of(operands, a["num_carry"], a["num_xs"], a["length"])
    flags = ScanParts.of(batched, a["num_carry"], a["num_xs"], a["length"])
    if any(flags.length):
        raise UnsupportedError(
            "vmap: the number of steps of a scan differs between the mapped elements",
            where=user_location(node.operation.location),
            remedy="use one length for all, and select what the extra steps give with np.where",
        )
    (body,) = node.bodies
    carry_flags, nc = list(flags.carry), len(parts.carry)
    while True:
        out = _out_flags(body, size, [*carry_flags, *flags.xs, *flags.consts])
        grown = [f or g for f, g in zip(carry_flags, out[:nc], strict=True)]
        if grown == carry_flags:
            break
        carry_flags = grown
    carry = _batched(parts.carry, flags.carry, carry_flags, size)
    xs = [move_dim(x, 0, 1) if f else x for x, f in zip(parts.xs, flags.xs, strict=True)]
    extra = [] if isinstance(size, int) else [size]
    declared = [aval_of(v) for v in list(body.arguments)[:nc]]
    types = [
        *(_batched_aval(d, size, f) for d, f in zip(declared, carry_flags, strict=True)),
        *(Aval(aval_of(x).shape[1:], aval_of(x).dtype) for x in xs),
        *(aval_of(v) for v in [*parts.consts, *extra]),
    ]
    count = len(carry) + len(xs) + len(parts.consts)

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        here = arguments[-1] if extra else size
        values, have = batch_values(body, here, arguments[:count], [*carry_flags, *flags.xs, *flags.consts])
        return _batched(values, have, [*carry_flags, *have[nc:]], here)

    linear = a["linear"]
    results = as_tuple(
        dif.scan(
            *carry,
            *xs,
            *parts.consts,
            *extra,
            *parts.length,
            num_carry=nc,
            num_xs=len(xs),
            length=a["length"],
            reverse=a["reverse"],
            linear=[*linear, *[False] * len(extra)] if linear else (),
            regions=[build_body(types, fill)],
        )
    )
    ys = [move_dim(y, 1, 0) if f else y for y, f in zip(results[nc:], out[nc:], strict=True)]
    return [*results[:nc], *ys], [*carry_flags, *out[nc:]]


BATCH["fun.cond"], BATCH["fun.scan"] = _cond_batch, _scan_batch
