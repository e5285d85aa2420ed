"""Reading elements: `x[index]`, take, take_along_axis, and functions that pick elements by known positions.

Slices and integers are slices; a traced integer is a dynamic slice; arrays of integers are a gather, with NumPy's
placement of the picked axes. Traced negative indices count from the end, and ones out of bounds are moved to the
edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import I32, I64, aval_of
from difc.dialects.mlir import ir
from difc.numpy.common import (
    along,
    as_operand,
    as_tracer,
    expand,
    reshaped,
    shape_error,
    shape_of,
    static_size,
    transposed,
)
from difc.numpy.index_plan import IndexPlan, Item, Range, read_index, with_truths_as_axes
from difc.numpy.joining import concatenated
from difc.numpy.registry import implements, unsupported
from difc.promotion import broadcast_shapes, broadcast_to, to_dtype
from difc.tracer import Tracer, lift, wrap
from difc.tracing import constant

__all__ = ["getitem", "index_vectors", "point_axes_order", "result_axes"]


def getitem(x: Any, index: Any) -> Any:
    """Return `x[index]` of a traced array.

    Raises:
      BoundsError: for an index that the array does not have.
      ShapeError: for a size that would depend on a run-time size.
      UnsupportedError: for a traced mask.
    """
    value, index = with_truths_as_axes(lift(x), index)
    plan = read_index(value, index)
    value = _sliced(value, plan.ranges)
    return wrap(_gathered(value, plan) if plan.advanced else _picked(value, plan))


# ---- slices --------------------------------------------------------------------------------------


def _sliced(x: ir.Value, ranges: dict[int, Range]) -> ir.Value:
    """Apply slices to dims, all dims at once."""
    rank = aval_of(x).ndim
    cut = {d: r for d, r in ranges.items() if r.count is None and (r.start or r.cut)}
    if cut:
        low, high = (
            [-cut[d].start if d in cut else 0 for d in range(rank)],
            [-cut[d].cut if d in cut else 0 for d in range(rank)],
        )
        x = dif.pad(x, constant(np.zeros((), aval_of(x).dtype)), low=low, high=high, interior=[0] * rank)
    start, limit, stride = [0] * rank, [-1] * rank, [1] * rank
    for d, r in ranges.items():
        if r.count is not None:
            start[d], limit[d] = r.start, r.start + (r.count - 1) * r.step + 1 if r.count else r.start
        stride[d] = r.step
    flips = tuple(d for d, r in ranges.items() if r.reverse)
    # A run-time size is reversed first, because only then a stride counts from the end.
    early = tuple(d for d in flips if ranges[d].count is None)
    x = dif.reverse(x, dimensions=early) if early else x
    if any(s != 0 for s in start) or any(e != -1 for e in limit) or any(s != 1 for s in stride):
        x = dif.slice(x, start=start, limit=limit, stride=stride)
    late = tuple(d for d in flips if d not in early)
    return dif.reverse(x, dimensions=late) if late else x


# ---- integers ------------------------------------------------------------------------------------


def _picked(x: ir.Value, plan: IndexPlan) -> ir.Value:
    """Pick single positions: known ones by a slice, traced ones by a dynamic slice."""
    known = {p.dim: Range(p.what, 1, 1, False) for p in plan.picks if not isinstance(p.what, Tracer)}
    x = _sliced(x, known)
    traced = {p.dim: p.what for p in plan.picks if isinstance(p.what, Tracer)}
    dropped = {p.dim for p in plan.picks}
    if traced:
        x = _at_position(x, traced)
    shape = shape_of(x)
    kept = [1 if item.kind == "new" else shape[item.dim] for item in plan.items if item.dim not in dropped]
    return reshaped(x, kept)


def _at_position(x: ir.Value, traced: dict[int, Any]) -> ir.Value:
    """Return the part of a value at traced positions of some dims, which stay as size 1."""
    shape = shape_of(x)
    if all(isinstance(d, int) for d in shape):
        starts = [to_dtype(lift(traced[d]), I64) if d in traced else constant(np.int64(0)) for d in range(len(shape))]
        return dif.dynamic_slice(x, *starts, sizes=[1 if d in traced else s for d, s in enumerate(shape)])
    vectors = [expand(to_dtype(lift(index), I64), (0,)) for index in traced.values()]
    found = dif.gather(x, concatenated(vectors, 0), axes=tuple(traced), batch=0, mode="clip")
    return expand(found, tuple(traced))


# ---- arrays of integers --------------------------------------------------------------------------


def index_vectors(picks: Sequence[Item], points: Sequence[Any]) -> ir.Value:
    """Return the positions of all points as one array, whose last dim has one coordinate for each pick."""
    values = [lift(p.what) for p in picks]
    wide = any(isinstance(p.what, Tracer) and p.what.dtype.itemsize == 8 for p in picks)
    like = [(v, shape_of(v)) for v in values]
    values = [broadcast_to(to_dtype(v, I64 if wide else I32), like, points) for v in values]
    return concatenated([expand(v, (len(points),)) for v in values], len(points))


def _gathered(x: ir.Value, plan: IndexPlan) -> ir.Value:
    """Gather the windows at the points, and put axes where NumPy has them."""
    picks = plan.picks
    axes = tuple(p.dim for p in picks)
    found = dif.gather(x, index_vectors(picks, plan.points), axes=axes, batch=0, mode="clip")
    found = transposed(found, point_axes_order(plan))
    return expand(found, [i for i, item in enumerate(result_axes(plan)) if item == "new"])


def result_axes(plan: IndexPlan) -> list[str]:
    """Return what each axis of the result is: "point", "slice" or "new"."""
    rest = [item.kind for item in plan.items if item.kind != "pick"]
    return [*rest[: plan.place], *["point"] * len(plan.points), *rest[plan.place :]]


def point_axes_order(plan: IndexPlan) -> list[int]:
    """Return the permutation from `[*points, *window]` to the order of the result, new axes left out."""
    count = len(plan.points)
    before = sum(kind == "slice" for kind in result_axes(plan)[: plan.place])
    window = sum(item.kind == "slice" for item in plan.items)
    return [*range(count, count + before), *range(count), *range(count + before, count + window)]


# ---- take and its kin ----------------------------------------------------------------------------


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """Return elements at positions along an axis, or of the flattened array. (numpy.take)

    Traced positions out of bounds are moved to the edge, as with mode="clip"; mode="wrap" counts round.
    """
    value, dim = along(lift(a), axis)
    x, index = wrap(value), as_operand(indices)
    if mode in ("clip", "wrap"):
        size = x.shape[dim]
        index = np.clip(index, 0, size - 1) if mode == "clip" else np.remainder(index, size)
    elif mode != "raise":
        raise unsupported(f"numpy.take with mode={mode!r}")
    return x[(*[slice(None)] * dim, index)]


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Return elements at positions along an axis that differ from row to row. (numpy.take_along_axis)"""
    value, dim = along(lift(arr), axis)
    x, index = wrap(value), as_tracer(indices)
    if index.ndim != x.ndim or index.dtype.kind not in "iu":
        raise shape_error(f"take_along_axis needs integer indices of {x.ndim} dimensions, not {index.aval}")
    x, index = np.moveaxis(x, dim, -1), np.moveaxis(index, dim, -1)
    size = x.shape[-1]
    index = np.where(index < 0, index + size, index)
    lead = broadcast_shapes(x.aval.shape[:-1], index.aval.shape[:-1])
    values = [lift(x), lift(index)]
    like = [(v, shape_of(v)) for v in values]
    values = [broadcast_to(v, like, (*lead, shape_of(v)[-1])) for v in values]
    points = expand(values[1], (len(lead) + 1,))
    found = dif.gather(values[0], points, axes=(len(lead),), batch=len(lead), mode="clip")
    return np.moveaxis(wrap(found), -1, dim)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """Return the slices along an axis where a mask that is known at trace time holds. (numpy.compress)"""
    if isinstance(condition, Tracer):
        raise unsupported("numpy.compress with a traced condition", "use np.where(condition, x, other)")
    return take(a, np.nonzero(np.asarray(condition))[0], axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """Return the elements where a mask that is known at trace time holds. (numpy.extract)"""
    if isinstance(condition, Tracer):
        raise unsupported("numpy.extract with a traced condition", "use np.where(condition, x, other)")
    return take(arr, np.nonzero(np.ravel(condition))[0])


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """Return the array without the elements at known positions along an axis. (numpy.delete)"""
    if isinstance(obj, Tracer):
        raise unsupported("numpy.delete with traced positions", "use np.where with a mask, or np.roll and a slice")
    x, dim = along(lift(arr), axis)
    size = static_size(x, dim, "delete")
    return take(wrap(x), np.delete(np.arange(size), obj), dim)
