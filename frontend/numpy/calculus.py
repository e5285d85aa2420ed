"""Slopes and interpolation on grids of points, even or not: gradient, interp, unwrap. Sizes may be run-time sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.dialects import F64, is_float
from difc.dialects.types import short_name
from difc.errors import DtypeError
from difc.numpy.common import as_operand, as_tracer, axes_of, axis_of, shape_error
from difc.numpy.ordering import gathered_along, searched
from difc.numpy.registry import implements
from difc.source import user_frame_location
from difc.tracer import lift, wrap

__all__: list[str] = []


# ---- interpolation -------------------------------------------------------------------------------


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Return the piecewise linear function through points `xp` (increasing), `fp`, at x. (numpy.interp)

    The derivative by x is the slope of the piece; at a point it is that of the piece to the right. What stands to the
    `left` and `right` of all points may be arrays that broadcast with x, in NumPy numbers alone.
    """
    x, xp, fp = (as_tracer(v).astype(F64) for v in (x, xp, fp))
    if xp.ndim != 1 or fp.aval.shape != xp.aval.shape or xp.aval.shape[0] == 0:
        raise shape_error(f"interp needs two vectors of as many points, not {xp.aval} and {fp.aval}")
    if period is not None:
        period = np.abs(as_tracer(period).astype(F64))
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = lift(np.argsort(xp))
        xp, fp = (wrap(gathered_along(lift(v), order, 0)) for v in (xp, fp))
        xp = np.concatenate([np.reshape(xp[-1] - period, 1), xp, np.reshape(xp[0] + period, 1)])
        fp = np.concatenate([np.reshape(fp[-1], 1), fp, np.reshape(fp[0], 1)])
    last = xp.shape[0] - 1
    start = np.minimum(np.maximum(wrap(searched(lift(xp), lift(x), "right")) - 1, 0), np.maximum(last - 1, 0))
    end = np.minimum(start + 1, last)
    x0, x1, f0, f1 = (np.take(v, i, mode="clip") for v in (xp, fp) for i in (start, end))
    width = x1 - x0
    part = np.where(width == 0, 0.0, (x - x0) / np.where(width == 0, 1.0, width))
    rise = f1 - f0
    found = np.where(part > 0.5, f1 - (1 - part) * rise, f0 + part * rise)  # from the nearer point: exact at both
    if period is not None:
        return found
    found = np.where(x < xp[0], fp[0] if left is None else left, found)
    return np.where(x > xp[-1], fp[-1] if right is None else right, found)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Return phases with jumps of more than half a period taken out. (numpy.unwrap)

    Raises:
      DtypeError: for unsigned integers with an integer period: their differences have no sign.
    """
    x = as_tracer(p)
    dim = axis_of(axis, x.ndim)
    steps = np.diff(x, axis=dim)
    dtype = np.result_type(steps.dtype, np.asarray(period).dtype if isinstance(period, np.ndarray) else period)
    if dtype.kind == "u":
        raise DtypeError(
            f"unwrap: differences of {short_name(dtype)} have no sign",
            where=user_frame_location(),
            remedy="convert the phases with .astype(np.int64)",
        )
    if dtype.kind == "i":
        top, rest = divmod(period, 2)
        is_tie_possible = rest == 0
    else:
        top, is_tie_possible = period / 2, True
    jump = period / 2 if discont is None else np.maximum(discont, period / 2)
    inside = np.remainder(steps + top, period) - top
    if is_tie_possible:
        inside = np.where((inside == -top) & (steps > 0), top, inside)
    change = np.where(np.abs(steps) < jump, 0, inside - steps)
    if x.shape[dim] == 0:
        return x.astype(dtype)
    lead = (slice(None),) * dim
    first = np.expand_dims(x[(*lead, 0)], dim).astype(dtype)
    return np.concatenate([first, x[(*lead, slice(1, None))] + np.cumsum(change, axis=dim)], dim).astype(dtype)


# ---- gradient ------------------------------------------------------------------------------------


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return central differences, one-sided at the ends, on even or uneven grids. (numpy.gradient)

    Slopes have the dtype of `f`, float64 for integers and for bool, which NumPy refuses.

    Args:
      varargs: a step for each axis, or the coordinates of the points along it; one step counts for all axes.
      edge_order: the order of accuracy at the ends, 1 or 2.
    """
    x = as_tracer(f)
    x = x if is_float(x.dtype) else x.astype(F64)
    axes = axes_of(axis, x.ndim)
    steps = [as_tracer(h) if np.ndim(h) else h for h in map(as_operand, varargs)] or [1.0]
    if len(steps) == 1 and not np.ndim(steps[0]):
        steps = steps * len(axes)
    if len(steps) != len(axes) or edge_order not in (1, 2):
        raise shape_error(f"gradient: {len(steps)} steps for {len(axes)} axes, or edge_order not 1 or 2")
    found = [_slopes(x, h, a, edge_order).astype(x.dtype) for a, h in zip(axes, steps, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _slopes(x: Any, step: Any, axis: int, edge_order: int) -> Any:
    size = x.aval.shape[axis]
    if isinstance(size, int) and size < edge_order + 1:
        raise shape_error(f"gradient needs at least {edge_order + 1} points along an axis, and axis {axis} has {size}")
    lead = (slice(None),) * axis

    def one(place: int) -> Any:
        return np.expand_dims(x[(*lead, place)], axis)

    def part(start: int | None, stop: int | None) -> Any:
        return x[(*lead, slice(start, stop))]

    if not np.ndim(step):
        inner = (part(2, None) - part(None, -2)) / (2.0 * step)
        widths: Any = (step,) * 4
    else:
        if step.ndim != 1 or step.aval.shape[0] != size:
            raise shape_error(f"gradient: {step.aval} are not the coordinates of {size} points")
        step = step if is_float(step.dtype) else step.astype(F64)
        every = np.diff(step)
        h, k = (np.reshape(e, [-1 if d == axis else 1 for d in range(x.ndim)]) for e in (every[:-1], every[1:]))
        before, here, after = -k / (h * (h + k)), (k - h) / (h * k), h / (k * (h + k))
        inner = before * part(None, -2) + here * part(1, -1) + after * part(2, None)
        widths = (every[0], every[1] if edge_order == 2 else None, every[-2] if edge_order == 2 else None, every[-1])
    if edge_order == 1:
        ends = (one(1) - one(0)) / widths[0], (one(-1) - one(-2)) / widths[3]
    else:
        ends = _edge(one(0), one(1), one(2), *widths[:2]), -_edge(one(-1), one(-2), one(-3), widths[3], widths[2])
    return np.concatenate([ends[0], inner, ends[1]], axis)


def _edge(f0: Any, f1: Any, f2: Any, h: Any, k: Any) -> Any:
    """Return the slope at the first of three points, a step of h and one of k apart."""
    return -(2 * h + k) / (h * (h + k)) * f0 + (h + k) / (h * k) * f1 - h / (k * (h + k)) * f2
