"""`pad`: elements put around an array, constant or made of its own. All of NumPy's modes but a function.

Axes are padded one after the other, so that later ones see what earlier ones put there, as NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of, is_float
from difc.dialects.mlir import ir
from difc.numpy.common import axis_of, cast, integer, shape_error, shape_of, static_size
from difc.numpy.joining import concatenated
from difc.numpy.registry import implements, unsupported
from difc.numpy.shaping import sliced
from difc.promotion import broadcast_to, to_dtype
from difc.tracer import Tracer, lift, wrap

__all__ = ["pad"]

#: mode -> its keyword, and the default of that
_KEYWORDS: dict[str, tuple[str, Any] | None] = {
    "constant": ("constant_values", 0),
    "edge": None,
    "empty": None,
    "linear_ramp": ("end_values", 0),
    "maximum": ("stat_length", None),
    "mean": ("stat_length", None),
    "median": ("stat_length", None),
    "minimum": ("stat_length", None),
    "reflect": ("reflect_type", "even"),
    "symmetric": ("reflect_type", "even"),
    "wrap": None,
}
_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "mean": np.mean,
    "median": np.median,
    "minimum": np.min,
}


def _pairs(given: Any, ndim: int, what: str) -> list[tuple[Any, Any]]:
    """Return a (before, after) pair for each axis, from a number, a pair, or pairs."""
    if isinstance(given, dict):
        found = [(0, 0)] * ndim
        for axis, pair in given.items():
            found[axis_of(axis, ndim)] = pair if isinstance(pair, tuple) else (pair, pair)
        return found
    if given is None or isinstance(given, Tracer):
        return [(given, given)] * ndim
    try:
        return [tuple(p) for p in np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()]
    except ValueError:
        raise shape_error(f"pad: {what} {given} does not give a pair for each of {ndim} axes") from None


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """Return the array with elements put around it. (numpy.pad)

    Raises:
      UnsupportedError: for a function as mode, which NumPy lets write into the padding.
      ShapeError: for widths that are negative, or do not fit the axes.
    """
    if callable(mode):
        raise unsupported("numpy.pad with a function, which writes in place,", "use a mode, or np.concatenate")
    if mode not in _KEYWORDS:
        raise shape_error(f"pad: mode {mode!r} is not one of {', '.join(_KEYWORDS)}")
    x = lift(array)
    ndim = aval_of(x).ndim
    widths = [(integer(a, "pad_width"), integer(b, "pad_width")) for a, b in _pairs(pad_width, ndim, "pad_width")]
    if any(w < 0 for pair in widths for w in pair):
        raise shape_error("pad: a width is negative", "use a slice to remove elements")
    keyword, default = _KEYWORDS[mode] or ("", None)
    extra = kwargs.pop(keyword, default) if keyword else None
    if kwargs:
        raise shape_error(f"pad: mode {mode!r} takes no {', '.join(kwargs)}=")
    if mode in ("constant", "empty"):
        return wrap(_pad_constant(x, widths, _pairs(extra if mode == "constant" else 0, ndim, "constant_values")))
    choices = _pairs(extra, ndim, keyword) if mode not in ("reflect", "symmetric") else [(extra, extra)] * ndim
    for axis, (width, choice) in enumerate(zip(widths, choices, strict=True)):
        if width != (0, 0):
            x = _pad_axis(x, axis, width, mode, choice)
    return wrap(x)


def _pad_axis(x: ir.Value, axis: int, width: tuple[int, int], mode: str, choice: tuple[Any, Any]) -> ir.Value:
    if mode == "edge":
        return _joined(x, axis, width, [_edge(x, axis, side) for side in (0, 1)])
    if mode == "linear_ramp":
        return _pad_ramp(x, axis, width, choice)
    if mode in _STATISTICS:
        return _joined(x, axis, width, [_statistic(x, axis, mode, side, choice[side]) for side in (0, 1)])
    if choice[0] == "odd":
        return _pad_odd(x, axis, width, mode)
    return _pad_copy(x, axis, width, mode)


def _pad_constant(x: ir.Value, widths: list[Any], values: list[Any]) -> ir.Value:
    dtype = aval_of(x).dtype
    numbers = {v for pair in values for v in pair if not isinstance(v, Tracer)}
    if len(numbers) == 1 and not any(isinstance(v, Tracer) for pair in values for v in pair):
        low, high = ([pair[side] for pair in widths] for side in (0, 1))
        return dif.pad(x, cast(numbers.pop(), dtype), low=low, high=high, interior=[0] * len(widths))
    for axis, (width, pair) in enumerate(zip(widths, values, strict=True)):
        for side in (0, 1):
            low, high = ([width[side] * (d == axis and s == side) for d in range(len(widths))] for s in (0, 1))
            x = dif.pad(x, cast(pair[side], dtype), low=low, high=high, interior=[0] * len(widths))
    return x


# ---- one slice repeated --------------------------------------------------------------------------


def _edge(x: ir.Value, axis: int, side: int) -> ir.Value:
    """Return the first or last slice along an axis."""
    size = static_size(x, axis, "pad")
    if not size:
        raise shape_error(f"pad: axis {axis} is empty, so that there is nothing to repeat", "use mode='constant'")
    at = (size - 1) * side
    return sliced(x, axis, at, at + 1)


def _statistic(x: ir.Value, axis: int, mode: str, side: int, length: Any) -> ir.Value:
    """Return a statistic of the slices next to one side (all by default), as a slice."""
    size = static_size(x, axis, f"pad with mode {mode!r}")
    count = size if length is None else min(integer(length, "stat_length"), size)
    if count < 1:
        raise shape_error(f"pad: a {mode} of no elements along axis {axis}")
    start = (size - count) * side
    found = _STATISTICS[mode](wrap(sliced(x, axis, start, start + count)), axis=axis, keepdims=True)
    if not is_float(aval_of(x).dtype) and is_float(found.dtype):
        found = np.round(found)
    return to_dtype(lift(found), aval_of(x).dtype)


def _joined(x: ir.Value, axis: int, width: tuple[int, int], slices: list[ir.Value]) -> ir.Value:
    """Put one slice, repeated, before the array and one after it."""
    sides = []
    for count, part in zip(width, slices, strict=True):
        shape = [count if d == axis else s for d, s in enumerate(shape_of(x))]
        sides.append(broadcast_to(part, [(x, shape_of(x))], shape) if count else None)
    return concatenated([part for part in (sides[0], x, sides[1]) if part is not None], axis)


def _pad_ramp(x: ir.Value, axis: int, width: tuple[int, int], ends: tuple[Any, Any]) -> ir.Value:
    """Put a ramp from an end value to the edge on each side."""
    dtype = aval_of(x).dtype
    parts = [x]
    for side, (count, end) in enumerate(zip(width, ends, strict=True)):
        if not count:
            continue
        edge = np.squeeze(wrap(_edge(x, axis, side)), axis)
        kind = dtype if is_float(dtype) else np.float64
        far = np.broadcast_to(wrap(to_dtype(lift(end), kind)), edge.shape)
        ramp = np.linspace(far, edge.astype(kind), count, endpoint=False, dtype=dtype, axis=axis)
        parts.insert(0, lift(ramp)) if side == 0 else parts.append(lift(np.flip(ramp, axis)))
    return concatenated(parts, axis)


# ---- copies of the array -------------------------------------------------------------------------


def _pad_copy(x: ir.Value, axis: int, width: tuple[int, int], mode: str) -> ir.Value:
    """Pad with a copy of the array, reversed or not: the positions are those that NumPy pads a ramp with."""
    size = static_size(x, axis, f"pad with mode {mode!r}")
    source = np.pad(np.arange(size), width, mode)  # type: ignore[call-overload]
    return lift(np.take(wrap(x), source, axis=axis))


def _pad_odd(x: ir.Value, axis: int, width: tuple[int, int], mode: str) -> ir.Value:
    """Pad with the array reflected in the point at each edge: what NumPy makes of unit vectors is its matrix."""
    size = static_size(x, axis, f"pad with mode {mode!r}")
    units = np.pad(np.eye(size, dtype=np.int64), (width, (0, 0)), mode, reflect_type="odd")  # type: ignore[call-overload]
    found = np.tensordot(units.astype(aval_of(x).dtype), wrap(x), (1, axis))
    return lift(np.moveaxis(found, 0, axis))
