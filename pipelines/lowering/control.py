"""`cond` and `scan` as `scf.if` and `scf.for` over tensors.

A carry keeps its sizes from step to step. Integers and bools that a body computes from such alone (counters, sizes,
loop bounds) are carried as scalars on the host, so that reading with them needs no read-back. Each stacked result is
one tensor, written one slice a step; the write is the last use of the old one, so that it happens in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from difc import dialects as dif
from difc.dialects import ScanParts, aval_of, yielded
from difc.dialects.mlir import ir
from difc.dialects.types import I64
from difc.pipelines.lowering.context import Context, element_type, lowering
from difc.pipelines.lowering.elementwise import HOST_DTYPES, runs_on_host
from difc.pipelines.lowering.emitter import Size, tensor_type_of
from difc.pipelines.lowering.scalars import convert
from difc.pipelines.lowering.sizes import BlockSizes, unknown
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


def _is_host(x: Value) -> bool:
    return x.scalar is not None and x.aval.ndim == 0 and x.aval.dtype in HOST_DTYPES


def _hosted(block: ir.Block, arguments: Sequence[bool]) -> list[bool]:
    """Say which results of a block are computed on the host, given which of its arguments are."""
    hosted = {a for a, flag in zip(block.arguments, arguments, strict=True) if flag}
    for operation in block.operations:
        if runs_on_host(operation.operation, hosted):
            hosted.update(operation.results)
    return [v in hosted for v in yielded(block)]


def _received(
    c: Context,
    avals: Sequence[dif.Aval],
    found: Sequence[ir.Value],
    sizes: Sequence[Sequence[Size | None]],
    hosted: Sequence[bool],
) -> list[Value]:
    """Return what a branch or loop gives, or a loop carries, as values of the dialect; hosted ones have no sizes."""
    return [
        Value(a, scalar=v) if h else Value(a, base=c.tied(v, s), sizes=s)
        for a, v, s, h in zip(avals, found, sizes, hosted, strict=False)
    ]


def _itself(x: Value) -> Value:
    return x


# ---- cond ----------------------------------------------------------------------------------------


@lowering(dif.cond)
def _cond(c: Context, operation: ir.Operation, pred: Value, *args: Value) -> list[Value]:
    branches = [region.blocks[0] for region in operation.regions]
    if (known := c.known(pred)) is not None:
        return c.lower_block(branches[0 if known else 1], [x.copy() for x in args])
    avals = [aval_of(r) for r in operation.results]
    flags = [_is_host(x) for x in args]
    hosted = [all(both) for both in zip(*(_hosted(b, flags) for b in branches), strict=True)]
    types = [
        element_type(a.dtype) if h else tensor_type_of(a.shape, element_type(a.dtype))
        for a, h in zip(avals, hosted, strict=True)
    ]
    sizes = _sizes_of_branches(c, branches, args, avals)
    asked = [(i, d) for i, known in enumerate(sizes) for d, size in enumerate(known) if size is None]
    made = c.operation("scf.if", [c.host_scalar(pred)], [*types, *[c.index_type] * len(asked)], regions=2)
    for region, branch in zip(made.regions, branches, strict=True):
        with c.within(c.block(region, [])):
            results = c.lower_block(branch, [x.copy() for x in args])
            yields = [x.scalar if h else c.as_declared(x, a) for x, a, h in zip(results, avals, hosted, strict=True)]
            c.operation("scf.yield", [*yields, *(c.index(c.size(results[i], d)) for i, d in asked)])
    found = list(made.results)
    for (i, d), size in zip(asked, found[len(avals) :], strict=True):
        sizes[i][d] = size
    return _received(c, avals, found, sizes, hosted)


def _sizes_of_branches(
    c: Context, branches: Sequence[ir.Block], args: Sequence[Value], avals: Sequence[dif.Aval]
) -> list[list[Size | None]]:
    """Return the sizes of what a cond gives, as far as they are the same, and known, before either branch runs."""
    if all(a.is_static for a in avals):
        return [list(a.shape) for a in avals]
    sizes = [c.sizes(x) for x in args]
    values = [partial(_itself, x) if _is_host(x) else unknown for x in args]
    inner = [BlockSizes(c, branch, sizes, values) for branch in branches]
    ends = [yielded(branch) for branch in branches]
    found: list[list[Size | None]] = []
    for i, aval in enumerate(avals):
        known: list[Size | None] = list(aval.shape)
        if not aval.is_static:
            both = [block.known(end[i]) for block, end in zip(inner, ends, strict=True)]
            known = [a if a is not None and b is not None and a == b else None for a, b in zip(*both, strict=True)]
        found.append(known)
    return found


# ---- scan ----------------------------------------------------------------------------------------


def _hosted_carries(body: ir.Block, parts: ScanParts) -> list[bool]:
    """Say which carries stay on the host: those that do if they all did, less the others, until nothing changes."""
    xs = [(x.is_count and x.aval.dtype in HOST_DTYPES) or _is_host_row(x) for x in parts.xs]
    consts = [_is_host(x) for x in parts.consts]
    carries = [_is_host(x) for x in parts.carry]
    while True:
        after = _hosted(body, [*carries, *xs, *consts])[: len(carries)]
        kept = [a and b for a, b in zip(carries, after, strict=True)]
        if kept == carries:
            return carries
        carries = kept


def _is_host_row(x: Value) -> bool:
    return x.scalar is not None and x.aval.ndim == 1 and x.aval.dtype in HOST_DTYPES


def _slice(c: Context, x: Value, step: ir.Value) -> Value:
    """Return the slice of a stacked array at a step."""
    aval = dif.Aval(x.aval.shape[1:], x.aval.dtype)
    sizes = c.sizes(x)
    if x.scalar is not None:
        return Value(aval, scalar=x.scalar, sizes=sizes[1:])
    if x.is_count and x.aval.dtype in HOST_DTYPES:
        return Value(aval, scalar=convert(c, I64, c.index_cast(step, c.i64), x.aval.dtype))
    zeros, ones = [0] * len(aval.shape), [1] * len(sizes)
    row = c.extract_slice(c.tensor(x), [step, *zeros], [1, *sizes[1:]], ones, drop=[0])
    return Value(aval, base=row, sizes=sizes[1:])


@lowering(dif.scan)
def _scan(c: Context, operation: ir.Operation, *operands: Value) -> list[Value]:
    attributes = dif.scan.decode(operation)
    num_carry = attributes["num_carry"]
    parts = ScanParts.grouped(operands, attributes)
    (body,) = (region.blocks[0] for region in operation.regions)
    length: Size = c.host_index(parts.length[0]) if parts.length else attributes["length"]
    avals = [aval_of(r) for r in operation.results]
    tapes = _tape_sizes(c, body, parts, length, avals)
    if length == 0:
        empty = [
            Value(a, base=c.empty(s, element_type(a.dtype)), sizes=s)
            for a, s in zip(avals[num_carry:], tapes, strict=True)
        ]
        return [
            *(Value(a, base=c.tensor(x), sizes=c.sizes(x)) for a, x in zip(avals, parts.carry, strict=False)),
            *empty,
        ]
    hosted = _hosted_carries(body, parts)
    sizes = [c.sizes(x) for x in parts.carry]
    types = [tensor_type_of(s, element_type(a.dtype)) for a, s in zip(avals, [*sizes, *tapes], strict=True)]
    starts = [x.scalar if h else c.cast(c.tensor(x), t) for x, t, h in zip(parts.carry, types, hosted, strict=False)]
    starts += [c.empty(s, t.element_type) for s, t in zip(tapes, types[num_carry:], strict=True)]
    for x in [*parts.xs, *parts.consts]:
        if x.scalar is None:
            c.view(x)  # what has to be built is built before the loop
    xs = [
        x if x.scalar is not None or x.is_count else Value(x.aval, base=c.tensor(x), sizes=c.sizes(x)) for x in parts.xs
    ]

    bounds = [c.index(0), c.index(length), c.index(1)]
    loop = c.operation("scf.for", [*bounds, *starts], [v.type for v in starts], regions=1)
    block = c.block(loop.regions[0], [c.index_type, *(v.type for v in starts)])
    with c.within(block):
        step, *state = block.arguments
        if attributes["reverse"]:
            last = c.arith("subi", length, 1)
            step = c.arith("subi", last, step)
        carries = _received(c, avals, state, sizes, hosted)
        arguments = [*carries, *(_slice(c, x, step) for x in xs), *(x.copy() for x in parts.consts)]
        results = c.lower_block(body, arguments)
        new = [x.scalar if h else c.cast(c.tensor(x), t) for x, t, h in zip(results, types, hosted, strict=False)]
        rows = [c.tensor(y) for y in results[num_carry:]]
        for row, tape, size in zip(rows, state[num_carry:], tapes, strict=True):
            rest = [0] * (len(size) - 1)
            new.append(c.insert_slice(row, tape, [step, *rest], [1, *size[1:]], [1] * len(size)))
        c.operation("scf.yield", new)
    return _received(c, avals, list(loop.results), [*sizes, *tapes], [*hosted, *[False] * len(tapes)])


def _tape_sizes(
    c: Context, body: ir.Block, parts: ScanParts, length: Size, avals: Sequence[dif.Aval]
) -> list[list[Size]]:
    """Return the sizes of the stacked results, which are needed before the loop runs."""
    stacked = avals[len(parts.carry) :]
    inner: BlockSizes | None = None
    tapes = []
    for aval, y in zip(stacked, yielded(body)[len(parts.carry) :], strict=True):
        row = list(aval.shape[1:])
        if not all(isinstance(d, int) for d in row):
            if inner is None:
                rows = [c.sizes(x)[1:] for x in parts.xs]
                sizes = [*(c.sizes(x) for x in parts.carry), *rows, *(c.sizes(x) for x in parts.consts)]
                changing = [unknown] * (len(parts.carry) + len(rows))
                inner = BlockSizes(c, body, sizes, [*changing, *(partial(_itself, x) for x in parts.consts)])
            row = inner.of(y)
        tapes.append([length, *row])
    return tapes
