"""Functional updates: `x.at[index].set(value)` and its kin. (jax.numpy.ndarray.at)

Known slices become one block that is put in place (or a select, where they have steps); traced integers a dynamic
update; arrays of integers a scatter. Updates at traced positions out of bounds are dropped; negative ones count from
the end. Positions that repeat add up in `add`, multiply in `multiply`, ...; the last wins in `set`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, I64, aval_of, is_float
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from difc.numpy.common import as_operand, bounds_error, fill, full, reshaped, shape_error, shape_of, size_scalar
from difc.numpy.index_plan import IndexPlan, Range, read_index
from difc.numpy.indexing import getitem
from difc.numpy.scattering import COMBINING, check_distinct, count_of, fitted, is_distinct, scattered
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
        """Return a copy with `x[index] *= values` done; positions that repeat multiply."""
        return _updated(self._x, self._index, values, np.multiply)

    mul = multiply

    def divide(self, values: Any) -> Any:
        """Return a copy with `x[index] /= values` done; positions that repeat divide again."""
        return _updated(self._x, self._index, values, np.divide)

    def power(self, values: Any) -> Any:
        """Return a copy with `x[index] **= values` done; exponents of positions that repeat multiply."""
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
    number = isinstance(values, int) and dtype.kind in "iu"  # it must fit, as in NumPy
    value = lift(values, dtype) if number else to_dtype(lift(as_operand(values)), dtype)
    mask = _mask_of(index)
    if mask is not None:
        rank = aval_of(target).ndim - mask.ndim  # of one masked element
        value = _one_for_all(value, rank)
        if isinstance(mask, Tracer) or aval_of(value).ndim <= rank:
            return _where(target, mask, value, combine)
    plan = read_index(target, index)
    if combine is np.subtract:
        value, combine = dif.neg(value), np.add
    if combine in (np.add, np.multiply) and dtype == BOOL:
        combine = np.maximum if combine is np.add else np.minimum  # or, and
    if combine is np.divide and is_float(dtype) and not is_distinct(plan):
        ones = fill(target, 1)
        return wrap(target) / wrap(scattered(ones, plan, value, np.multiply))
    if combine is np.power and dtype != BOOL and not is_distinct(plan):
        return _raised(target, plan, value)
    if combine is not None and combine is not np.add and (combine not in COMBINING or is_distinct(plan)):
        check_distinct(plan, combine.__name__)
        value = to_dtype(lift(combine(getitem(x, index), wrap(value))), dtype)
        combine = None
    if plan.advanced:
        return wrap(scattered(target, plan, value, combine))
    return wrap(_added(target, plan, index, value) if combine is np.add else _placed(target, plan, value))


def _raised(x: ir.Value, plan: IndexPlan, value: ir.Value) -> Any:
    """Return elements raised to the product of the exponents for their position."""
    dtype = aval_of(x).dtype if is_float(aval_of(x).dtype) else I64  # the product may be too large for small integers
    exponents = scattered(fill(x, 1, dtype), plan, to_dtype(value, dtype), np.multiply)
    chosen = scattered(fill(x, False, BOOL), plan, constant(np.asarray(True)), None)
    base = dif.select(chosen, x, fill(x, 1))  # by the exponents of others there is no derivative, not even NaN
    powers = np.power(wrap(base), wrap(exponents)).astype(aval_of(x).dtype)
    return wrap(dif.select(chosen, lift(powers), x))


# ---- masks ---------------------------------------------------------------------------------------


def _mask_of(index: Any) -> Any:
    """Return an index that is one mask."""
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(index, tuple):
        return None
    given = np.asarray(index) if isinstance(index, bool) else as_operand(index)
    return given if getattr(given, "dtype", None) == BOOL else None


def _one_for_all(value: ir.Value, rank: int) -> ir.Value:
    """Return a value of a masked element of `rank` dims without leading dims of size 1, if it is one for all."""
    shape = shape_of(value)
    extra = max(len(shape) - max(rank, 0), 0)
    return reshaped(value, shape[extra:]) if all(size == 1 for size in shape[:extra]) else value


def _where(x: ir.Value, mask: Any, value: ir.Value, combine: np.ufunc | None) -> Any:
    """Update where a mask holds: a choice of each element, so the mask may be traced."""
    shape = shape_of(x)
    condition = lift(mask)
    sizes = shape_of(condition)
    rank = len(sizes)
    if rank > len(shape) or any(held not in (0, size) for held, size in zip(sizes, shape, strict=False)):
        raise bounds_error(f"a mask of shape {list(sizes)} does not fit an array of shape {list(shape)}")
    if aval_of(value).ndim > len(shape) - rank:
        raise UnsupportedError(
            "values for the elements of a traced mask must be as many as one masked element has",
            where=user_frame_location(),
            remedy="use np.where(mask, values, x) with values of the shape of x",
        )
    if 0 in sizes:
        return wrap(x)
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
    wanted = [count_of(shape[i.dim], i.what) if i.kind == "slice" else 1 for i in plan.items if i.kind != "pick"]
    value = fitted(value, wanted, x)
    ranges = plan.ranges
    value = reshaped(value, [count_of(shape[d], ranges[d]) if d in ranges else 1 for d in range(len(shape))])
    reverse = tuple(d for d, r in ranges.items() if r.reverse)
    return dif.reverse(value, dimensions=reverse) if reverse else value


def _placed(x: ir.Value, plan: IndexPlan, value: ir.Value) -> ir.Value:
    """Replace the part of `x` that slices and integers select."""
    ranges = plan.ranges
    known = _padding(x, plan) if any(r.step != 1 for r in ranges.values()) else None
    block = _block(x, plan, value)
    if len(ranges) == len(shape_of(x)) and all(r.is_whole for r in ranges.values()):
        return block
    if known is not None:
        marks = full(shape_of(block), True, BOOL, [block])
        return dif.select(_spread(marks, *known), _spread(block, *known), x)
    starts, inside = _starts(x, plan)
    if inside is None:
        return dif.dynamic_update_slice(x, block, *starts)
    # An update at a traced position out of bounds is dropped: what is there is put back.
    shape, whole = shape_of(block), shape_of(x)
    if not all(isinstance(d, int) for d in shape):
        placed = dif.dynamic_update_slice(x, block, *starts)
        return dif.select(broadcast_to(inside, [(x, whole)], whole), placed, x)
    old = dif.dynamic_slice(x, *starts, sizes=shape)
    block = dif.select(broadcast_to(inside, [(block, shape)], shape), block, old)
    return dif.dynamic_update_slice(x, block, *starts)


def _starts(x: ir.Value, plan: IndexPlan) -> tuple[list[ir.Value], ir.Value | None]:
    """Return where the block starts, and whether its traced positions are within bounds."""
    starts: list[Any] = [0] * aval_of(x).ndim
    inside: ir.Value | None = None
    for d, r in plan.ranges.items():
        starts[d] = r.start
    for pick in plan.picks:
        at: Any = pick.what
        starts[pick.dim] = at
        if isinstance(at, Tracer):
            within = _within(at, wrap(size_scalar(x, (pick.dim,), I64)))
            inside = within if inside is None else dif.and_(inside, within)
    return [to_dtype(lift(s), I64) if isinstance(s, Tracer) else constant(np.int64(s)) for s in starts], inside


def _within(index: Any, size: Any) -> ir.Value:
    return lift((index >= 0) & (index < size))


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
        return scattered(x, plan, value, np.add)
    low, high, interior = _padding(x, plan)
    if all(isinstance(width, int) for width in high):
        return dif.add(x, _spread(_block(x, plan, value), low, high, interior))
    # The distance of an integer to the end of a run-time size is no known padding: read, add and put back.
    old = lift(getitem(wrap(x), index))
    wanted = list(shape_of(old))
    return _placed(x, plan, dif.add(old, fitted(value, wanted, x)))
