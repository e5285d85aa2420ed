"""Functional updates: `x.at[index].set(value)` and its kin. (jax.numpy.ndarray.at)

Known slices become one block that is put in place (or a select, where they have steps); traced integers a dynamic update; arrays
of integers a scatter. Updates at traced positions out of bounds are dropped; negative ones count from the end. Positions that
repeat add up in `add`; the last wins in `set`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, I64, aval_of
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from difc.numpy.common import as_operand, expand, full, reshaped, shape_error, shape_of, size_scalar, transposed
from difc.numpy.index_plan import IndexPlan, Item, Range, read_index
from difc.numpy.indexing import getitem, index_vectors, result_axes
from difc.promotion import broadcast_to, to_dtype
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap
from difc.tracing import constant

__all__ = ["At", "AtIndex"]


class At:
    """What `x.at` is: indexed, it gives the place to update."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> AtIndex:
        return AtIndex(self._x, index)


class AtIndex:
    """A place in an array. Each method returns a copy of the array with that place updated.

    Values are broadcast to the shape of `x[index]` and converted to the dtype of `x`.
    """

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any) -> None:
        self._x, self._index = x, index

    def get(self) -> Any:
        """Return `x[index]`."""
        return getitem(self._x, self._index)

    def set(self, values: Any) -> Any:
        """Return a copy with `x[index] = values` done."""
        return _updated(self._x, self._index, values, None)

    def add(self, values: Any) -> Any:
        """Return a copy with `x[index] += values` done; positions that repeat add up."""
        return _updated(self._x, self._index, values, np.add)

    def subtract(self, values: Any) -> Any:
        """Return a copy with `x[index] -= values` done; positions that repeat add up."""
        return _updated(self._x, self._index, values, np.subtract)

    def multiply(self, values: Any) -> Any:
        """Return a copy with `x[index] *= values` done.

        Raises:
          UnsupportedError: (also the methods below) for arrays of positions that are traced or repeat.
        """
        return _updated(self._x, self._index, values, np.multiply)

    mul = multiply

    def divide(self, values: Any) -> Any:
        """Return a copy with `x[index] /= values` done."""
        return _updated(self._x, self._index, values, np.divide)

    def power(self, values: Any) -> Any:
        """Return a copy with `x[index] **= values` done."""
        return _updated(self._x, self._index, values, np.power)

    def min(self, values: Any) -> Any:
        """Return a copy with `x[index] = minimum(x[index], values)` done."""
        return _updated(self._x, self._index, values, np.minimum)

    def max(self, values: Any) -> Any:
        """Return a copy with `x[index] = maximum(x[index], values)` done."""
        return _updated(self._x, self._index, values, np.maximum)


def _updated(x: Any, index: Any, values: Any, combine: np.ufunc | None) -> Any:
    target = lift(x)
    dtype = aval_of(target).dtype
    value = to_dtype(lift(as_operand(values)), dtype)
    mask = _mask_of(index)
    if mask is not None and (isinstance(mask, Tracer) or len(shape_of(value)) <= aval_of(target).ndim - mask.ndim):
        return _where(target, mask, value, combine)
    plan = read_index(target, index)
    if combine is np.subtract:
        value, combine = dif.neg(value), np.add
    if combine is np.add and dtype == BOOL:
        combine = np.logical_or
    if combine is not None and combine is not np.add:
        _check_distinct(plan, combine)
        value = to_dtype(lift(combine(getitem(x, index), wrap(value))), dtype)
        combine = None
    if plan.advanced:
        return wrap(_scattered(target, plan, value, combine is np.add))
    return wrap(_added(target, plan, index, value) if combine is np.add else _placed(target, plan, value))


# ---- masks ---------------------------------------------------------------------------------------


def _mask_of(index: Any) -> Any:
    """Return an index that is one mask."""
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(index, tuple):
        return None
    given = as_operand(index)
    return given if getattr(given, "dtype", None) == BOOL and given.ndim else None


def _where(x: ir.Value, mask: Any, value: ir.Value, combine: np.ufunc | None) -> Any:
    """Update where a mask holds: a choice of each element, so the mask may be traced."""
    shape = shape_of(x)
    condition = lift(mask)
    rank = aval_of(condition).ndim
    if rank > len(shape) or shape_of(condition) != tuple(shape[:rank]):
        raise shape_error(f"a mask of shape {list(shape_of(condition))} does not fit an array of shape {list(shape)}")
    if aval_of(value).ndim > len(shape) - rank:
        raise UnsupportedError(
            "values for the elements of a traced mask must be as many as one masked element has",
            where=user_frame_location(),
            remedy="use np.where(mask, values, x) with values of the shape of x",
        )
    condition = dif.broadcast_in_dim(condition, shape=_sizes(x), dimensions=range(rank))
    value = broadcast_to(value, [(x, shape)], shape)
    new = value if combine is None else to_dtype(lift(combine(wrap(x), wrap(value))), aval_of(x).dtype)
    return wrap(dif.select(condition, new, x))


def _sizes(x: ir.Value) -> tuple[Any, ...]:
    return tuple(d if isinstance(d, int) else dif.dim(x, dimension=i) for i, d in enumerate(shape_of(x)))


# ---- slices and integers -------------------------------------------------------------------------


def _block(x: ir.Value, plan: IndexPlan, value: ir.Value) -> ir.Value:
    """Return the value in the shape of the part of `x` that it replaces, with all dims of `x`, in its order."""
    shape = shape_of(x)
    wanted = [_count(shape[i.dim], i.what) if i.kind == "slice" else 1 for i in plan.items if i.kind != "pick"]
    value = _fitted(value, wanted, x)
    ranges = plan.ranges
    value = reshaped(value, [_count(shape[d], ranges[d]) if d in ranges else 1 for d in range(len(shape))])
    reverse = tuple(d for d, r in ranges.items() if r.reverse)
    return dif.reverse(value, dimensions=reverse) if reverse else value


def _count(size: Any, r: Range) -> Any:
    """Return how many elements a slice has: an int, or a named size."""
    if r.count is not None:
        return r.count
    left = size - r.start - r.cut
    return left if r.step == 1 else (left + (r.step - 1)) // r.step


def _fitted(value: ir.Value, wanted: list[Any], x: ir.Value) -> ir.Value:
    """Return a value broadcast to what an index selects; leading dims of size 1 are dropped, as NumPy's assignment does."""
    have = shape_of(value)
    extra = len(have) - len(wanted)
    if extra > 0 and all(d == 1 for d in have[:extra]):
        value = reshaped(value, have[extra:])
        have = have[extra:]
    if len(have) > len(wanted) or any(d not in (1, w) for d, w in zip(have[::-1], wanted[::-1], strict=False)):
        raise shape_error(f"a value of shape {list(have)} does not fit the shape {wanted} of what is updated")
    return broadcast_to(value, [(value, have), (x, shape_of(x))], wanted)


def _placed(x: ir.Value, plan: IndexPlan, value: ir.Value) -> ir.Value:
    """Replace the part of `x` that slices and integers select."""
    block = _block(x, plan, value)
    ranges = plan.ranges
    if len(ranges) == len(shape_of(x)) and all(r.is_full or (r.count is None and r.reverse) for r in ranges.values()):
        return block
    if any(r.step != 1 for r in ranges.values()):
        known = _padding(x, plan)
        marks = full(shape_of(block), True, BOOL, [block])
        return dif.select(_spread(marks, *known), _spread(block, *known), x)
    starts, inside = _starts(x, plan)
    if inside is not None:  # an update at a traced position out of bounds is dropped: what is there is put back
        old = dif.dynamic_slice(x, *starts, sizes=[int(d) for d in shape_of(block)])
        block = dif.select(broadcast_to(inside, [(block, shape_of(block))], shape_of(block)), block, old)
    return dif.dynamic_update_slice(x, block, *starts)


def _starts(x: ir.Value, plan: IndexPlan) -> tuple[list[ir.Value], ir.Value | None]:
    """Return where the block starts, and whether its traced positions are within bounds."""
    starts: list[Any] = [0] * aval_of(x).ndim
    inside: ir.Value | None = None
    for d, r in plan.ranges.items():
        starts[d] = r.start
    for pick in plan.picks:
        assert pick.dim is not None
        starts[pick.dim] = pick.what
        if isinstance(pick.what, Tracer):
            within = lift((pick.what >= 0) & (pick.what < wrap(size_scalar(x, (pick.dim,), I64))))
            inside = within if inside is None else dif.and_(inside, within)
    return [to_dtype(lift(s), I64) if isinstance(s, Tracer) else constant(np.int64(s)) for s in starts], inside


def _padding(x: ir.Value, plan: IndexPlan) -> tuple[list[int], list[int], list[int]]:
    """Return the padding that puts a block into its place in an array of zeros."""
    low, high, interior = [], [], []
    ranges = plan.ranges
    picks = {p.dim: Range(p.what, 1, 1, False) for p in plan.picks}
    for d, size in enumerate(shape_of(x)):
        r = ranges.get(d) or picks[d]
        if r.count is None and (r.step == 1 or not isinstance(size, int)):
            if r.step != 1:
                raise shape_error(
                    f"a part with a step of dim {d}, of run-time size {size}, cannot be updated",
                    "choose elements with np.where and a condition on np.arange",
                )
            last = r.cut
        else:
            assert r.count is not None
            last = size - (r.start + (r.count - 1) * r.step + 1) if r.count else size - r.start
        low.append(r.start)
        high.append(last)
        interior.append(r.step - 1)
    return low, high, interior


def _spread(block: ir.Value, low: list[int], high: list[int], interior: list[int]) -> ir.Value:
    if not any((*low, *high, *interior)):
        return block
    zero = constant(np.zeros((), aval_of(block).dtype))
    return dif.pad(block, zero, low=low, high=high, interior=interior)


def _added(x: ir.Value, plan: IndexPlan, index: Any, value: ir.Value) -> ir.Value:
    """Add to the part of `x` that slices and integers select."""
    if any(isinstance(p.what, Tracer) for p in plan.picks):
        return _scattered(x, plan, value, add=True)
    low, high, interior = _padding(x, plan)
    if all(isinstance(width, int) for width in high):
        return dif.add(x, _spread(_block(x, plan, value), low, high, interior))
    # The distance of an integer to the end of a run-time size is no known padding: read, add and put back.
    old = lift(getitem(wrap(x), index))
    wanted = list(shape_of(old))
    return _placed(x, plan, dif.add(old, _fitted(value, wanted, x)))


# ---- arrays of integers --------------------------------------------------------------------------


def _scattered(x: ir.Value, plan: IndexPlan, value: ir.Value, add: bool) -> ir.Value:
    """Write or add at points; dims with partial slices become further axes of the points."""
    shape = shape_of(x)
    kept = [item for item in plan.items if item.kind != "new"]
    wanted, sources = _result_layout(plan, shape)
    value = _fitted(value, wanted, x)
    value = reshaped(value, [w for w, source in zip(wanted, sources, strict=True) if source != "new"])
    sources = [s for s in sources if s != "new"]
    partial = [item for item in kept if item.kind == "slice" and not item.what.is_full]
    whole = [item.dim for item in kept if item.kind == "slice" and item.what.is_full]
    order = [("point", i) for i in range(len(plan.points))] + [item.dim for item in partial] + whole
    value = transposed(value, [sources.index(s) for s in order])
    points, picks = _all_points(plan, partial, shape, x)
    op: Callable[..., ir.Value] = dif.scatter_add if add else dif.scatter
    axes = [p.dim for p in picks]
    return op(x, index_vectors(picks, points), value, axes=axes, batch=0, mode="fill")


def _result_layout(plan: IndexPlan, shape: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return the shape of `x[index]`, and for each axis the dim, the number of the point axis, or "new" that it comes from."""
    slices = iter([item for item in plan.items if item.kind == "slice"])
    count = iter(range(len(plan.points)))
    wanted, sources = [], []
    for kind in result_axes(plan):
        if kind == "slice":
            item = next(slices)
            wanted.append(_count(shape[item.dim], item.what))
            sources.append(item.dim)
        else:
            i = next(count) if kind == "point" else None
            wanted.append(1 if i is None else plan.points[i])
            sources.append("new" if i is None else ("point", i))
    return wanted, sources


def _all_points(
    plan: IndexPlan, partial: list[Item], shape: tuple[Any, ...], x: ir.Value
) -> tuple[tuple[Any, ...], list[Item]]:
    """Return the shape of all points, and picks that broadcast to it, for the picks of a plan and its partial slices."""
    points = (*plan.points, *(_count(shape[item.dim], item.what) for item in partial))
    picks = []
    for pick in plan.picks:
        what = wrap(lift(pick.what))
        picks.append(Item("pick", pick.dim, wrap(expand(lift(what), range(what.ndim, what.ndim + len(partial))))))
    for i, item in enumerate(partial):
        r = item.what
        if r.count is None:
            raise shape_error(f"a part of dim {item.dim}, of a run-time size, cannot be updated at arrays of positions")
        positions = r.start + np.arange(r.count, dtype=np.int32) * r.step
        positions = positions[::-1] if r.reverse else positions
        shape_here = [-1 if j == i else 1 for j in range(len(partial))]
        picks.append(Item("pick", item.dim, positions.reshape(shape_here)))
    return points, picks


def _check_distinct(plan: IndexPlan, combine: np.ufunc) -> None:
    """Refuse an update that reads and writes, where one position may be there twice."""
    if not plan.advanced:
        return
    name = {np.true_divide: "divide"}.get(combine, combine.__name__)
    remedy = "use positions that are known at trace time and distinct, or .add, or np.where with a mask"
    if any(isinstance(p.what, Tracer) for p in plan.picks):
        raise UnsupportedError(
            f"x.at[index].{name} at traced positions, which may repeat", where=user_frame_location(), remedy=remedy
        )
    points = np.stack([np.broadcast_to(p.what, plan.points).reshape(-1) for p in plan.picks], -1)
    if len(np.unique(points, axis=0)) != len(points):
        raise UnsupportedError(
            f"x.at[index].{name} at positions that repeat", where=user_frame_location(), remedy=remedy
        )
