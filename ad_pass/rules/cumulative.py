"""Derivatives and batching of running results.

All but the running sum come down to `recurrence`, which never divides: zeros among the factors of a running product are
no exception, at any order. `cummax` and `cummin` share a tangent equally among the tied elements up to each place.
"""

from __future__ import annotations

from difc import dialects as dif
from difc.ad_pass.registry import defbatch, defjvp, deflinear, deftranspose
from difc.ad_pass.rules._common import mapped_all
from difc.ad_pass.zero import const_like, scalar, zeros_like
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size

__all__: list[str] = []


def _before(x: ir.Value, axis: int, reverse: bool, first: float) -> ir.Value:
    """Return for each place the element that comes before it in a running op, and `first` for the first place."""
    rank = aval_of(x).ndim
    low, high = [0] * rank, [0] * rank
    low[axis], high[axis] = (-1, 1) if reverse else (1, -1)
    return dif.pad(x, scalar(first, aval_of(x).dtype), low=tuple(low), high=tuple(high), interior=(0,) * rank)


deflinear(dif.cumsum, lambda ct, x, axis, reverse: dif.cumsum(ct, axis=axis, reverse=not reverse))

# ---- recurrence ----------------------------------------------------------------------------------


def _recurrence_transpose(ct: ir.Value, factor: ir.Value, x: ir.Value, *, axis: int, reverse: bool) -> ir.Value:
    return dif.recurrence(_before(factor, axis, not reverse, 0.0), ct, axis=axis, reverse=not reverse)


defjvp(
    dif.recurrence,
    lambda t, y, factor, x, axis, reverse: dif.recurrence(
        factor, dif.mul(t, _before(y, axis, reverse, 0.0)), axis=axis, reverse=reverse
    ),
    lambda t, y, factor, x, axis, reverse: dif.recurrence(factor, t, axis=axis, reverse=reverse),
)
deftranspose(dif.recurrence, 1, _recurrence_transpose)

# ---- products and extremes -----------------------------------------------------------------------

defjvp(
    dif.cumprod,
    lambda t, y, x, axis, reverse: dif.recurrence(
        x, dif.mul(t, _before(y, axis, reverse, 1.0)), axis=axis, reverse=reverse
    ),
)


def _extremum(t: ir.Value, y: ir.Value, x: ir.Value, *, axis: int, reverse: bool) -> ir.Value:
    """The mean of the tangents of the elements so far that are equal to the result, by sums that start where it does.

    `goes_on` is 0 where the result changes, which starts the sums anew, and at the first place.
    """
    dtype, along = aval_of(x).dtype, {"axis": axis, "reverse": reverse}
    same = dif.convert(dif.compare(y, _before(y, axis, reverse, 0.0), direction="eq"), dtype=dtype)
    inner = _before(const_like(x, 1.0), axis, reverse, 0.0)
    goes_on = dif.mul(same, inner)
    hits = dif.compare(x, y, direction="eq")
    total = dif.recurrence(goes_on, dif.select(hits, t, zeros_like(x)), **along)
    return dif.div(total, dif.recurrence(goes_on, dif.convert(hits, dtype=dtype), **along))


defjvp(dif.cummax, _extremum)
defjvp(dif.cummin, _extremum)

# ---- batching ------------------------------------------------------------------------------------

for _op in dif.CUMULATIVE:
    defbatch(_op, lambda size, batched, x, axis, reverse, opdef=_op: opdef(x, axis=axis + 1, reverse=reverse))


def _recurrence_batch(
    size: Size, batched: list[bool], factor: ir.Value, x: ir.Value, *, axis: int, reverse: bool
) -> ir.Value:
    return dif.recurrence(*mapped_all(size, batched, (factor, x)), axis=axis + 1, reverse=reverse)


defbatch(dif.recurrence, _recurrence_batch)
