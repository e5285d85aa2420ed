"""Ops that move elements: views where reading in another order will do, blocks of tensors elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import SIGNED, projection, tensor_type_of
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


@lowering(dif.broadcast_in_dim)
def _(c: Context, out: Out, x: Value, *_: Value, shape: tuple[int, ...], dimensions: tuple[int, ...]) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    repeated = [i for i, d in enumerate(dimensions) if x.sizes[i] == 1 and out.sizes[d] != 1]
    c.view_to_repeat(x)
    source = c.without_dims(x, repeated) if repeated else x
    kept = [d for i, d in enumerate(dimensions) if i not in repeated]
    walked = dict(zip(kept, source.dims, strict=True))
    return Value(out.aval, base=source.base, dims=tuple(walked.get(d) for d in range(out.aval.ndim)), sizes=out.sizes)


@lowering(dif.transpose)
def _(c: Context, out: Out, x: Value, *, permutation: tuple[int, ...]) -> Value:
    sizes = [x.sizes[d] for d in permutation]
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=sizes)
    if x.base is None:  # pieces
        c.tensor(x)
    return Value(out.aval, base=x.base, dims=tuple(x.dims[d] for d in permutation), sizes=sizes)


@lowering(dif.reshape)
def _(c: Context, out: Out, x: Value, *_: Value, shape: tuple[int, ...]) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    return out.value(regroup(c, c.tensor(x), c.sizes(x), out.sizes))


@lowering(dif.concatenate)
def _(c: Context, out: Out, x: Value, y: Value, *, dimension: int) -> Value:
    pieces = [piece for z in (x, y) for piece in (z.pieces[1] if z.pieces and z.pieces[0] == dimension else [z])]
    return Value(out.aval, sizes=out.sizes, pieces=(dimension, pieces))


@lowering(dif.slice)
def _(
    c: Context, out: Out, x: Value, *, start: tuple[int, ...], limit: tuple[int, ...], stride: tuple[int, ...]
) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    if 0 in out.sizes:  # a slice may not start at the end of a tensor
        return c.splat(out.aval, 0, out.sizes)
    source, rank = c.tensor(x), out.aval.ndim
    steps = [1 if size == 1 else step for size, step in zip(out.sizes, stride, strict=True)]
    if steps[-1:] in ([], [1]):
        return out.value(c.extract_slice(source, start, out.sizes, steps))

    # IREE cannot gather from a view with a stride in the last dim (3.13), so this one is copied out.
    source = c.readable(x)

    def body() -> ir.Value:
        indices = c.position(rank)
        for d, (first, step) in enumerate(zip(start, steps, strict=True)):
            if step != 1:
                indices[d] = c.arith("muli", indices[d], step)
            if first:
                indices[d] = c.arith("addi", indices[d], first)
        return c.extract(source, indices)

    return out.value(c.pointwise(out.sizes, out.element, body))


@lowering(dif.pad)
def _(
    c: Context,
    out: Out,
    x: Value,
    value: Value,
    *,
    low: tuple[int, ...],
    high: tuple[int, ...],
    interior: tuple[int, ...],
) -> Value:
    padding = value.scalar
    if padding is None:
        return _pad_by_selection(c, out, x, value, low, interior)
    if x.scalar is not None and c.known(x) is not None and c.known(x) == c.known(value):
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    cut = [min(a, 0) + min(b, 0) for a, b in zip(low, high, strict=True)]
    dims = zip(cut, x.sizes, strict=True)
    can_cut = all(not less or (isinstance(size, int) and size + less >= 0) for less, size in dims)
    if any(interior) or not can_cut:
        return _pad_by_selection(c, out, x, value, low, interior)
    source = c.tensor(x)
    if any(cut):
        kept = [size + less if isinstance(size, int) else size for size, less in zip(c.sizes(x), cut, strict=True)]
        source = c.extract_slice(source, [max(-a, 0) for a in low], kept, [1] * out.aval.ndim)
        low, high = (tuple(max(edge, 0) for edge in edges) for edges in (low, high))
        if not any((*low, *high)):
            return out.value(source)
    made = c.operation(
        "tensor.pad",
        [source],
        [tensor_type_of(out.sizes, out.element)],
        {
            "static_low": ir.DenseI64ArrayAttr.get(list(low)),
            "static_high": ir.DenseI64ArrayAttr.get(list(high)),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 0, 0]),
        },
        regions=1,
    )
    with c.within(c.block(made.regions[0], [ir.IndexType.get()] * out.aval.ndim)):
        c.operation("tensor.yield", [padding])
    return out.value(made.results[0])


def _pad_by_selection(
    c: Context, out: Out, x: Value, value: Value, low: Sequence[int], interior: Sequence[int]
) -> Value:
    """Ask for each element of the result whether it comes from `x`, and from where."""
    rank = out.aval.ndim
    source, sizes = c.readable(x), c.sizes(x)
    if 0 in sizes:
        source, sizes = c.filled(c.constant(0, out.element), [1] * rank), [0] * rank  # never read from
    padding = c.view(value) if value.scalar is None else None

    def body(*elements: ir.Value) -> ir.Value:
        inside, indices = c.constant(1, c.i1), []
        for d in range(rank):
            offset = c.arith("subi", c.iteration_index(d), low[d])
            step = c.index(interior[d] + 1)
            tests = [c.compare(SIGNED["ge"], offset, c.index(0))]
            if interior[d]:
                left = c.arith("remsi", offset, step)
                tests.append(c.compare(SIGNED["eq"], left, c.index(0)))
                offset = c.arith("divsi", offset, step)
            tests.append(c.compare(SIGNED["lt"], offset, c.index(sizes[d])))
            for test in tests:
                inside = c.both(inside, test)
            indices.append(c.select(inside, offset, c.index(0)))
        pad = value.scalar if padding is None else elements[0]
        return c.select(inside, c.extract(source, indices), pad)

    inputs = [] if padding is None else [(padding[0], projection(rank, ()))]
    return out.value(c.pointwise(out.sizes, out.element, body, inputs))


@lowering(dif.reverse)
def _(c: Context, out: Out, x: Value, *, dimensions: tuple[int, ...]) -> Value:
    if x.scalar is not None or not dimensions or 0 in out.sizes:
        return x
    source, rank = c.readable(x), out.aval.ndim
    lasts = {d: c.arith("subi", out.sizes[d], 1) for d in dimensions}

    def body() -> ir.Value:
        indices = c.position(rank)
        for d, last in lasts.items():
            indices[d] = c.arith("subi", last, indices[d])
        return c.extract(source, indices)

    return out.value(c.pointwise(out.sizes, out.element, body))
