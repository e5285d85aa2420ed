"""Derivatives and batching of the reductions.

`reduce_max` and `reduce_min` share a tangent equally among tied elements. `reduce_prod` multiplies, never divides, so
that zeros among the elements are no exception, at any order.
"""

from __future__ import annotations

from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import defbatch, defjvp, deflinear, defzero
from difc.ad_pass.rules._common import move_dim, shifted, slice_along
from difc.ad_pass.zero import const_like, scalar, shape_of, zeros_like
from difc.dialects import DYN, I32, Aval, OpDef, aval_of, build_body, free_dims
from difc.dialects.base import Ints
from difc.dialects.mlir import ir

__all__: list[str] = []


def _spread(y: ir.Value, x: Any, axes: Ints) -> ir.Value:
    """Repeat a reduced array along the reduced axes, into the shape of `x`."""
    shape = tuple(shape_of(x))
    return dif.broadcast_in_dim(y, shape=shape, dimensions=free_dims(len(shape), axes))


# ---- sums ----------------------------------------------------------------------------------------

deflinear(dif.reduce_sum, lambda ct, x, axes: _spread(ct, x, axes))

# ---- maximum and minimum -------------------------------------------------------------------------


def _extremum(t: ir.Value, y: ir.Value, x: ir.Value, *, axes: Ints) -> ir.Value:
    """The mean of the tangents of the elements that are equal to the result, or NaN as it is."""
    hits = dif.or_(dif.compare(x, _spread(y, x, axes), direction="eq"), dif.compare(x, x, direction="ne"))
    count = dif.reduce_sum(dif.convert(hits, dtype=I32), axes=axes)  # counted in integers: exact in every float dtype
    return dif.div(
        dif.reduce_sum(dif.select(hits, t, zeros_like(x)), axes=axes), dif.convert(count, dtype=aval_of(x).dtype)
    )


defjvp(dif.reduce_max, _extremum)
defjvp(dif.reduce_min, _extremum)

# ---- products ------------------------------------------------------------------------------------


def _others_by_halves(x: ir.Value, axis: int, size: int) -> ir.Value:
    """The product of all other elements along a static axis, by pairing the halves: O(size) work in O(log size) ops.

    The others of an element are the others of its pair in lo * hi (the halves), times its partner in the other half.
    """
    if size <= 1:
        return const_like(x, 1.0)
    half = (size + 1) // 2
    lo, hi = slice_along(x, axis, 0, half), slice_along(x, axis, half, size)
    if size % 2:
        rank = aval_of(x).ndim
        high = tuple(int(d == axis) for d in range(rank))
        hi = dif.pad(hi, scalar(1.0, aval_of(x).dtype), low=(0,) * rank, high=high, interior=(0,) * rank)
    pairs = _others_by_halves(dif.mul(lo, hi), axis, half)
    both = dif.concatenate(dif.mul(pairs, hi), dif.mul(pairs, lo), dimension=axis)
    return slice_along(both, axis, 0, size) if size % 2 else both


def _product_before(x: ir.Value, reverse: bool) -> ir.Value:
    """The product of the elements before each one along dim 0 (after it, if `reverse`), by a loop."""
    sizes, aval = shape_of(x), aval_of(x)
    element = Aval(aval.shape[1:], aval.dtype)
    body = build_body([element, element], lambda values: [dif.mul(*values), values[0]])
    start = dif.broadcast_in_dim(scalar(1.0, aval.dtype), shape=tuple(sizes[1:]), dimensions=())
    _, found = dif.scan(
        start, x, sizes[0], num_carry=1, num_xs=1, length=-1, reverse=reverse, linear=(), regions=[body]
    )
    return found


def _others(x: ir.Value, axis: int) -> ir.Value:
    """The product of all other elements along an axis, for each element."""
    size = aval_of(x).shape[axis]
    if size is not DYN:
        return _others_by_halves(x, axis, size)
    moved = move_dim(x, axis, 0)
    return move_dim(dif.mul(_product_before(moved, False), _product_before(moved, True)), 0, axis)


def _product(t: ir.Value, y: ir.Value, x: ir.Value, *, axes: Ints) -> ir.Value:
    # One axis after the other, from the last, so that the numbers of the remaining ones stay as they are.
    order = sorted(axes, reverse=True)
    for axis in order:
        t = dif.reduce_sum(dif.mul(t, _others(x, axis)), axes=(axis,))
        if axis != order[-1]:
            x = dif.reduce_prod(x, axes=(axis,))
    return t


defjvp(dif.reduce_prod, _product)

# ---- no derivative -------------------------------------------------------------------------------

defzero(dif.argmax, dif.argmin, dif.reduce_and, dif.reduce_or, because="its result is not a real number")

# ---- batching ------------------------------------------------------------------------------------


def _batch_reduction(opdef: OpDef) -> None:
    defbatch(opdef, lambda size, batched, x, axes: opdef(x, axes=shifted(axes)))


def _batch_along_axis(opdef: OpDef) -> None:
    defbatch(opdef, lambda size, batched, x, axis: opdef(x, axis=axis + 1))


for _op in dif.REDUCTIONS:
    _batch_reduction(_op)
for _op in (dif.argmax, dif.argmin):
    _batch_along_axis(_op)
