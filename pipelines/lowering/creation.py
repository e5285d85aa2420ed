"""Constants, zeros and ramps, and the sizes of dims: no kernels, but scalars, constants and views of them."""

from __future__ import annotations

import numpy as np

from difc import dialects as dif
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir
from difc.dialects.types import I64
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.scalars import convert
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


@lowering(dif.constant)
def _(c: Context, out: Out) -> Value:
    attribute = out.operation.attributes["value"]
    if attribute.is_splat:
        return Value(out.aval, scalar=c.constant(attribute.get_splat_value().value, out.element))
    if out.dtype.kind == "u":  # the same bits as signless elements
        bits = attributes_of(out.operation)["value"].view(f"i{out.dtype.itemsize}")
        attribute = ir.DenseElementsAttr.get(bits, shape=bits.shape, type=out.element)
    return Value(out.aval, base=c.function_constant(attribute))


@lowering(dif.zeros)
def _(c: Context, out: Out, *_: Value, shape: tuple[int, ...], dtype: np.dtype) -> Value:
    return c.splat(out.aval, 0, out.sizes)


@lowering(dif.iota)
def _(c: Context, out: Out, *_: Value, shape: tuple[int, ...], dtype: np.dtype, dimension: int) -> Value:
    def count() -> ir.Value:
        return convert(c, I64, c.index_cast(c.iteration_index(dimension), c.i64), dtype)

    result = out.value(c.pointwise(out.sizes, out.element, count))
    result.is_count = out.aval.ndim == 1
    return result


@lowering(dif.dim)
def _(c: Context, out: Out, x: Value, *, dimension: int) -> Value:
    return c.host_value(c.size(x, dimension))
