"""Updates at arrays of positions: writing or adding values at points, with partial slices as further points."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from difc.numpy.common import expand, reshaped, shape_error, shape_of, transposed
from difc.numpy.index_plan import IndexPlan, Item, Range
from difc.numpy.indexing import index_vectors, result_axes
from difc.promotion import broadcast_to
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap

__all__ = ["COMBINING", "check_distinct", "count_of", "fitted", "is_distinct", "scattered"]

#: how an update combines with what is there -> the op for positions that may repeat; None replaces
COMBINING: dict[np.ufunc | None, dif.OpDef] = {
    None: dif.scatter,
    np.add: dif.scatter_add,
    np.multiply: dif.scatter_mul,
    np.minimum: dif.scatter_min,
    np.maximum: dif.scatter_max,
}


def count_of(size: Any, r: Range) -> Any:
    """Return how many elements a slice has: an int, or a named size."""
    if r.count is not None:
        return r.count
    left = size - r.start - r.cut
    return left if r.step == 1 else (left + (r.step - 1)) // r.step


def fitted(value: ir.Value, wanted: list[Any], x: ir.Value) -> ir.Value:
    """Return a value broadcast to what an index selects; leading dims of size 1 are dropped, as NumPy's assignment
    does.
    """
    have = shape_of(value)
    extra = len(have) - len(wanted)
    if extra > 0 and all(d == 1 for d in have[:extra]):
        value = reshaped(value, have[extra:])
        have = have[extra:]
    if len(have) > len(wanted) or any(d not in (1, w) for d, w in zip(have[::-1], wanted[::-1], strict=False)):
        raise shape_error(f"a value of shape {list(have)} does not fit the shape {wanted} of what is updated")
    return broadcast_to(value, [(value, have), (x, shape_of(x))], wanted)


def scattered(x: ir.Value, plan: IndexPlan, value: ir.Value, combine: np.ufunc | None) -> ir.Value:
    """Write at points, or combine with what is there; dims with partial slices become further axes of the points."""
    shape = shape_of(x)
    kept = [item for item in plan.items if item.kind != "new"]
    wanted, sources = _result_layout(plan, shape)
    value = fitted(value, wanted, x)
    value = reshaped(value, [w for w, source in zip(wanted, sources, strict=True) if source != "new"])
    sources = [s for s in sources if s != "new"]
    partial = [item for item in kept if item.kind == "slice" and not item.what.is_full]
    whole = [item.dim for item in kept if item.kind == "slice" and item.what.is_full]
    order = [("point", i) for i in range(len(plan.points))] + [item.dim for item in partial] + whole
    value = transposed(value, [sources.index(s) for s in order])
    points, picks = _all_points(plan, partial, shape)
    axes = [p.dim for p in picks]
    return COMBINING[combine](x, index_vectors(picks, points), value, axes=axes, batch=0, mode="fill")


def _result_layout(plan: IndexPlan, shape: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return the shape of `x[index]`, and where each axis is from: a dim, `("point", i)` or "new"."""
    slices = iter([item for item in plan.items if item.kind == "slice"])
    count = iter(range(len(plan.points)))
    wanted: list[Any] = []
    sources: list[Any] = []
    for kind in result_axes(plan):
        if kind == "slice":
            item = next(slices)
            wanted.append(count_of(shape[item.dim], item.what))
            sources.append(item.dim)
        else:
            i = next(count) if kind == "point" else None
            wanted.append(1 if i is None else plan.points[i])
            sources.append("new" if i is None else ("point", i))
    return wanted, sources


def _all_points(plan: IndexPlan, partial: list[Item], shape: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Item]]:
    """Return the shape of all points, partial slices included, and picks that broadcast to it."""
    points = (*plan.points, *(count_of(shape[item.dim], item.what) for item in partial))
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


def is_distinct(plan: IndexPlan) -> bool:
    """Say whether no position can be there twice: they are known, and differ."""
    if not plan.advanced:
        return True
    if any(isinstance(p.what, Tracer) for p in plan.picks):
        return False
    points = np.stack([np.broadcast_to(p.what, plan.points).reshape(-1) for p in plan.picks], -1)
    return len(np.unique(points, axis=0)) == len(points)


def check_distinct(plan: IndexPlan, name: str) -> None:
    """Refuse an update that reads and writes, where one position may be there twice."""
    if not is_distinct(plan):
        raise UnsupportedError(
            f"x.at[index].{name} at positions that are traced or repeat",
            where=user_frame_location(),
            remedy="use positions that are known at trace time and distinct, or .add, .multiply, .min, .max",
        )
