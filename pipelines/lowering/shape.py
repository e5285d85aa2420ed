"""Ops that move elements: views where reading in another order will do, blocks of tensors elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import PARALLEL, Size, identity_map
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


@lowering(dif.broadcast_in_dim)
def _(c: Context, out: Out, x: Value, *_: Value, shape: tuple[int, ...], dimensions: tuple[int, ...]) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    repeated = [i for i, d in enumerate(dimensions) if x.sizes[i] == 1 and out.sizes[d] != 1]
    source = c.drop_unit_dims(x, repeated) if repeated else x
    kept = [d for i, d in enumerate(dimensions) if i not in repeated]
    walked = dict(zip(kept, source.dims, strict=True))
    return Value(
        out.aval, base=source.base, dims=tuple(walked.get(d) for d in range(out.aval.ndim)), sizes=out.sizes
    )


@lowering(dif.transpose)
def _(c: Context, out: Out, x: Value, *, permutation: tuple[int, ...]) -> Value:
    sizes = [x.sizes[d] for d in permutation]
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=sizes)
    return Value(out.aval, base=x.base, dims=tuple(x.dims[d] for d in permutation), sizes=sizes)


@lowering(dif.reshape)
def _(c: Context, out: Out, x: Value, *_: Value, shape: tuple[int, ...]) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    return out.value(regroup(c, c.settled(x), c.sizes(x), out.sizes))


@lowering(dif.concatenate)
def _(c: Context, out: Out, x: Value, y: Value, *, dimension: int) -> Value:
    pieces = [*(x.pieces if x.pieces and x.pieces[0] == dimension else (dimension, x))[1:]]
    pieces += (y.pieces if y.pieces and y.pieces[0] == dimension else (dimension, y))[1:]
    return Value(out.aval, sizes=out.sizes, pieces=(dimension, *pieces))


@lowering(dif.slice)
def _(
    c: Context, out: Out, x: Value, *, start: tuple[int, ...], limit: tuple[int, ...], stride: tuple[int, ...]
) -> Value:
    if x.scalar is not None:
        return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
    return out.value(c.extract_slice(c.settled(x), start, out.sizes, stride))


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
    if any(interior) or min(*low, *high, 0) < 0:
        return _pad_by_selection(c, out, x, value, low, interior)
    made = c.operation(
        "tensor.pad",
        [c.settled(x), padding],
        [c.tensor_type(out.sizes, out.element)],
        {
            "static_low": ir.DenseI64ArrayAttr.get(list(low)),
            "static_high": ir.DenseI64ArrayAttr.get(list(high)),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 0, 0]),
        },
        regions=1,
    )
    return out.value(made.results[0])


def _pad_by_selection(
    c: Context, out: Out, x: Value, value: Value, low: Sequence[int], interior: Sequence[int]
) -> Value:
    """Ask for each element of the result whether it comes from `x`, and from where."""
    source, sizes = c.settled(x), c.sizes(x)
    rank = out.aval.ndim
