"""Grids and windows: geomspace, mgrid, ogrid, r_, c_, and the windows of signal processing. Sizes may be traced."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from difc.numpy.common import as_operand, axis_of, dtype_from, shape_error
from difc.numpy.creation import arange, linspace, logspace
from difc.numpy.registry import creates, implements, unsupported
from difc.numpy.surface import has_tracer
from difc.promotion import common_dtype, to_dtype
from difc.scipy import special
from difc.tracer import Tracer, lift, wrap

__all__ = ["INDEXED"]


@implements(np.geomspace)
@creates("geomspace")
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Return numbers from start to stop, each the same multiple of the one before. (numpy.geomspace)

    They are float64 unless `dtype` says another. Both ends must have one sign; it is not checked on traced values,
    where the logarithm gives NaN.
    """
    first, last = (as_operand(v) for v in (start, stop))
    if any(not isinstance(v, Tracer) and np.any(np.asarray(v) == 0) for v in (first, last)):
        raise shape_error("geomspace: a geometric sequence cannot include zero")
    kind = np.result_type(common_dtype(first, last, np.float64(1)))
    first, last = np.broadcast_arrays(*(wrap(lift(v)).astype(kind) for v in (first, last)))
    sign = np.sign(first)
    numbers = logspace(np.log10(first * sign), np.log10(last * sign), num, endpoint) * sign
    index = np.reshape(arange(num), (num, *[1] * first.ndim))
    if endpoint:  # exactly the ends, without the rounding of powers
        numbers = np.where(index == num - 1, last, numbers)
    numbers = np.where(index == 0, first, numbers)
    result = np.moveaxis(numbers, 0, axis_of(axis, numbers.ndim))
    return result if dtype is None else result.astype(dtype_from(dtype))


# ---- objects that are indexed --------------------------------------------------------------------


def _grid(key: Any, sparse: bool) -> Any:
    """Return numpy.mgrid[key], or numpy.ogrid[key] if sparse, as traced arrays; bounds may be traced integers."""
    entries = key if isinstance(key, tuple) else (key,)
    if not has_tracer(*entries):
        found = (np.ogrid if sparse else np.mgrid)[key]
        return tuple(wrap(lift(a)) for a in found) if isinstance(found, tuple) else wrap(lift(found))
    ramps = [_ramp(entry) for entry in entries]
    if not isinstance(key, tuple):
        return ramps[0]
    kind = common_dtype(*ramps)
    axes = np.meshgrid(*[r.astype(kind) for r in ramps], indexing="ij", sparse=sparse)
    return tuple(axes) if sparse else np.stack(axes)


def _ramp(entry: Any) -> Any:
    if not isinstance(entry, slice):
        raise shape_error("a grid is made of slices: mgrid[0:n, 0:m]")
    start, step = (0 if entry.start is None else entry.start), (1 if entry.step is None else entry.step)
    if isinstance(step, complex):  # NumPy's way to say how many points
        return linspace(start, entry.stop, int(abs(step)))
    return arange(start, entry.stop, step)


def _joined(key: Any, columns: bool) -> Any:
    """Return numpy.r_[key], or numpy.c_[key] with `columns`: numbers, arrays and slices (as ramps) in one array."""
    entries = key if isinstance(key, tuple) else (key,)
    if any(isinstance(entry, str) for entry in entries):
        raise unsupported("numpy.r_ with a text that says how to join", "use np.concatenate or np.stack")
    parts = [_ramp(entry) if isinstance(entry, slice) else as_operand(entry) for entry in entries]
    kind = common_dtype(*parts)
    arrays = [wrap(to_dtype(lift(part), kind)) for part in parts]
    if not columns:
        return np.concatenate([np.atleast_1d(a) for a in arrays])
    return np.concatenate([np.reshape(a, (-1, 1)) if a.ndim < 2 else a for a in arrays], axis=-1)


#: NumPy's name -> what makes the array of an index inside a trace
INDEXED: dict[str, Callable[[Any], Any]] = {
    "c_": partial(_joined, columns=True),
    "mgrid": partial(_grid, sparse=False),
    "ogrid": partial(_grid, sparse=True),
    "r_": partial(_joined, columns=False),
}


# ---- windows -------------------------------------------------------------------------------------


def _window(name: str, shape: Callable[..., Any]) -> None:
    """Enter a window: NumPy's own numbers for a known size, else its formula of the place in [-1, 1]."""

    def window(M: Any, *more: Any, **named: Any) -> Any:
        if not has_tracer(M, *more, *named.values()):
            return wrap(lift(getattr(np, name)(M, *more, **named)))
        place = (2.0 * arange(M) + (1 - M)) / np.maximum(M - 1, 1)
        return shape(place, *more, **named)

    window.__name__, window.__doc__ = name, f"Return a window of M numbers. (numpy.{name})"
    creates(name)(window)


@implements(np.i0)
def i0(x: Any) -> Any:
    """Return the modified Bessel function of the first kind and order 0. (numpy.i0)"""
    return special.i0(x)


def _kaiser(place: Any, beta: Any) -> Any:
    inside = np.maximum(1.0 - place * place, 0.0)
    return special.i0(beta * np.sqrt(inside)) / special.i0(1.0 * beta)


_window("bartlett", lambda p: 1.0 - np.abs(p))
_window("blackman", lambda p: 0.42 + 0.5 * np.cos(np.pi * p) + 0.08 * np.cos(2.0 * np.pi * p))
_window("hamming", lambda p: 0.54 + 0.46 * np.cos(np.pi * p))
_window("hanning", lambda p: 0.5 + 0.5 * np.cos(np.pi * p))
_window("kaiser", _kaiser)
