"""`pad`: elements put around an array, of a constant or copied from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from difc.numpy.common import axis_of, integer, shape_error, shape_of, static_size
from difc.numpy.joining import concatenated
from difc.numpy.registry import implements, unsupported
from difc.numpy.shaping import sliced
from difc.promotion import broadcast_to, to_dtype
from difc.tracer import Tracer, lift, wrap

__all__ = ["pad"]


def _pairs(given: Any, ndim: int, what: str) -> list[tuple[Any, Any]]:
    """Return a (before, after) pair for each axis, from a number, a pair, or pairs."""
    if isinstance(given, dict):
        found = [(0, 0)] * ndim
        for axis, pair in given.items():
            found[axis_of(axis, ndim)] = pair if isinstance(pair, tuple) else (pair, pair)
        return found
    if isinstance(given, Tracer):
        return [(given, given)] * ndim
    try:
        return [tuple(p) for p in np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()]
    except ValueError:
        raise shape_error(f"pad: {what} {given} does not give a pair for each of {ndim} axes") from None


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """Return the array with elements put around it; modes constant, edge, reflect, symmetric and wrap. (numpy.pad)"""
    x = lift(array)
    ndim = aval_of(x).ndim
    widths = [(integer(a, "pad_width"), integer(b, "pad_width")) for a, b in _pairs(pad_width, ndim, "pad_width")]
    if any(w < 0 for pair in widths for w in pair):
        raise shape_error("pad: a width is negative", "use a slice to remove elements")
    if mode == "constant":
        values = _pairs(kwargs.pop("constant_values", 0), ndim, "constant_values")
        return wrap(_pad_constant(x, widths, values))
    if mode not in ("edge", "reflect", "symmetric", "wrap") or kwargs:
        raise unsupported(f"numpy.pad with mode={mode!r}" + "".join(f" and {k}=" for k in kwargs))
    for axis, width in enumerate(widths):
        if width != (0, 0):
            x = _pad_edge(x, axis, width) if mode == "edge" else _pad_copy(x, axis, width, mode)
    return wrap(x)


def _pad_constant(x: ir.Value, widths: list[Any], values: list[Any]) -> ir.Value:
    dtype = aval_of(x).dtype
    numbers = {v for pair in values for v in pair if not isinstance(v, Tracer)}
    if len(numbers) == 1 and not any(isinstance(v, Tracer) for pair in values for v in pair):
        low, high = ([pair[side] for pair in widths] for side in (0, 1))
        return dif.pad(x, lift(numbers.pop(), dtype), low=low, high=high, interior=[0] * len(widths))
    for axis, (width, pair) in enumerate(zip(widths, values, strict=True)):
        for side in (0, 1):
            low, high = ([width[side] * (d == axis and s == side) for d in range(len(widths))] for s in (0, 1))
            scalar = to_dtype(lift(pair[side]), dtype)
            x = dif.pad(x, scalar, low=low, high=high, interior=[0] * len(widths))
    return x


def _pad_edge(x: ir.Value, axis: int, width: tuple[int, int]) -> ir.Value:
    size = static_size(x, axis, "pad with mode 'edge'")
    edges = []
    for count, at in zip(width, (0, size - 1), strict=True):
        shape = [count if d == axis else s for d, s in enumerate(shape_of(x))]
        edges.append(broadcast_to(sliced(x, axis, at, at + 1), [(x, shape_of(x))], shape) if count else None)
    return concatenated([part for part in (edges[0], x, edges[1]) if part is not None], axis)


def _pad_copy(x: ir.Value, axis: int, width: tuple[int, int], mode: str) -> ir.Value:
    """Pad with a copy of the array, reversed or not: the positions are those that NumPy pads a ramp with."""
    size = static_size(x, axis, f"pad with mode {mode!r}")
    source = np.pad(np.arange(size), width, mode)  # type: ignore[call-overload]
    return lift(np.take(wrap(x), source, axis=axis))
