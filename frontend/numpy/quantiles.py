"""Median, quantiles and percentiles, by all of NumPy's methods, of arrays whose size may be known only at run time.

Elements are sorted along one axis; a quantile is at a real position in them, between two elements. Its derivative is
shared between these as the method weighs them. A NaN makes the result NaN; the `nan` functions leave NaN, which sorts
last, out of the count. Inside this file arrays are rows `[*lead, n]`, and counts, positions and results `[k]` or
`[*lead, k]`, for k quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, F64, is_float
from difc.errors import InputError
from difc.numpy.common import (
    NO_VALUE,
    as_operand,
    as_tracer,
    axes_of,
    expand,
    product,
    reshaped,
    shape_error,
    shape_of,
    transposed,
)
from difc.numpy.ordering import gathered_along, sorted_along
from difc.numpy.registry import implements, unsupported
from difc.promotion import broadcast_to, dtype_of, is_weak
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap

__all__: list[str] = []

# ---- rows ----------------------------------------------------------------------------------------


def _rows(x: Any, axes: tuple[int, ...]) -> Any:
    """Return an array with the reduced axes merged into its last one."""
    value = lift(x)
    sizes = shape_of(value)
    kept = [d for d in range(len(sizes)) if d not in axes]
    merged = reshaped(transposed(value, [*kept, *axes]), [*(sizes[d] for d in kept), product([sizes[d] for d in axes])])
    return wrap(merged)


def _picked(rows: Any, places: Any) -> Any:
    """Return the elements of each row at places, the same in all rows or not, moved to the nearest end."""
    if not isinstance(places, Tracer) or places.ndim == 1:
        return np.take(rows, places, axis=-1, mode="clip")
    return wrap(gathered_along(lift(rows), lift(places), rows.ndim - 1))


def _counted(rows: Any, skip_nan: bool) -> Any:
    """Return how many elements count: an int, a traced scalar, or `[*lead, 1]` if NaN is left out."""
    if skip_nan and is_float(rows.dtype):
        return np.sum(np.logical_not(np.isnan(rows)), axis=-1, keepdims=True)
    size = rows.aval.shape[-1]
    return size if isinstance(size, int) else rows.shape[-1]


def _finished(found: Any, rows: Any, skip_nan: bool, lead: tuple[Any, ...], axes: tuple[int, ...], keep: Any) -> Any:
    """Return results `[*lead, k]` as NumPy has them: the quantiles' axes first, NaN where a row has one."""
    if is_float(rows.dtype) and not skip_nan:
        found = np.where(np.isnan(np.expand_dims(rows[..., -1], -1)), np.asarray(np.nan, found.dtype), found)
    result = lift(np.moveaxis(found, -1, 0))
    result = reshaped(result, [*lead, *shape_of(result)[1:]])
    return wrap(expand(result, [len(lead) + axis for axis in axes]) if keep is True else result)


def _sorted_rows(a: Any, axis: Any, name: str) -> tuple[Any, tuple[int, ...]]:
    x = as_tracer(a)
    axes = axes_of(axis, x.ndim)
    rows = _rows(x, axes)
    if rows.aval.shape[-1] == 0:
        raise shape_error(f"{name} of an empty array has no value")
    return wrap(sorted_along(lift(rows), rows.ndim - 1)), axes


# ---- methods -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Method:
    """How a method finds a quantile.

    Attributes:
      place: the real position of quantile q among n sorted elements, counted from 0.
      weight: the weight of the later of the two elements around a position, from its fraction and itself; None where
        positions are whole numbers.
    """

    place: Callable[[Any, Any], Any]
    weight: Callable[[Any, Any], Any] | None


def _between(alpha: float, beta: float) -> _Method:
    """Return a method of Hyndman and Fan (1996), section 3, by its two parameters."""
    return _Method(lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1, lambda part, place: part)


def _span(n: Any, q: Any) -> Any:
    return (n - 1) * q


def _whole(place: Any, is_earlier: Callable[[Any, Any], Any]) -> Any:
    """Return the element before a position where a condition on its fraction and itself holds, else the one after."""
    before = np.floor(place)
    return np.where(is_earlier(place - before, before), before, before + 1)


_METHODS = {
    "linear": _Method(_span, lambda part, place: part),
    "lower": _Method(lambda n, q: np.floor(_span(n, q)), None),
    "higher": _Method(lambda n, q: np.ceil(_span(n, q)), None),
    "nearest": _Method(lambda n, q: np.rint(_span(n, q)), None),
    "midpoint": _Method(_span, lambda part, place: np.where(part == 0, 0.0, 0.5)),
    "inverted_cdf": _Method(lambda n, q: _whole(n * q - 1, lambda part, _: part == 0), None),
    "averaged_inverted_cdf": _Method(lambda n, q: n * q - 1, lambda part, _: np.where(part == 0, 0.5, 1.0)),
    "closest_observation": _Method(
        lambda n, q: _whole(n * q - 1.5, lambda part, before: (part == 0) & (np.remainder(before, 2) == 1)), None
    ),
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "median_unbiased": _between(1 / 3, 1 / 3),
    "normal_unbiased": _between(3 / 8, 3 / 8),
}


def _mixed(first: Any, second: Any, weight: Any) -> Any:
    """Return a mixture, computed from the nearer end, as NumPy does."""
    step = second - first
    return np.where(weight >= 0.5, second - step * (1 - weight), first + step * weight)


def _interpolated(rows: Any, count: Any, q: Any, method: _Method, weak: bool) -> Any:
    # As a number of Python's, how many there are does not decide the dtype of positions.
    place = method.place(count.astype(q.dtype) if isinstance(count, Tracer) and is_float(q.dtype) else count, q)
    if method.weight is None or dtype_of(place).kind in "iu":
        return _picked(rows, np.minimum(np.maximum(place, 0), count - 1).astype(np.int64))
    before = np.floor(place)
    weight = method.weight(place - before, place)
    if weak:
        weight = weight.astype(rows.dtype if is_float(rows.dtype) else F64)
    last = count - 1
    first, second = (np.minimum(np.maximum(p, 0), last).astype(np.int64) for p in (before, before + 1))
    return _mixed(_picked(rows, first), _picked(rows, second), weight)


# ---- quantiles -----------------------------------------------------------------------------------


def _check_range(name: str, q: Any, top: int) -> None:
    if not isinstance(q, Tracer) and not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= top)):
        raise InputError(
            f"{name}: q={q} is not between 0 and {top}", where=user_frame_location(), remedy=f"pass 0 <= q <= {top}"
        )


def _quantile(
    name: str, a: Any, q: Any, top: int, axis: Any, method: str, keepdims: Any, weights: Any, skip_nan: bool
) -> Any:
    if method not in _METHODS:
        raise InputError(
            f"{name}: method {method!r} is not one of NumPy's",
            where=user_frame_location(),
            remedy=f"use one of {', '.join(_METHODS)}",
        )
    _check_range(name, q, top)
    weak = is_weak(q) and dtype_of(q) != BOOL
    q = as_operand(q)
    shape = q.aval.shape if isinstance(q, Tracer) else np.shape(q)
    if len(shape) > 2:
        raise shape_error(f"{name}: q has {len(shape)} dimensions, and may have two at most")
    flat = np.reshape(q if isinstance(q, Tracer) else np.asarray(q), (-1,))
    flat = flat / 100 if top == 100 else flat
    if weights is not None:
        if method != "inverted_cdf" or skip_nan:
            raise unsupported(f"numpy.{name} with weights=", "use method='inverted_cdf', the one that has weights")
        rows, found, axes = _weighted(a, flat, axis, weights, name)
    else:
        rows, axes = _sorted_rows(a, axis, name)
        found = _interpolated(rows, _counted(rows, skip_nan), flat, _METHODS[method], weak)
    return _finished(found, rows, skip_nan, shape, axes, keepdims)


def _weighted(a: Any, q: Any, axis: Any, weights: Any, name: str) -> tuple[Any, Any, tuple[int, ...]]:
    """Return sorted rows and, in each, the first element up to which the share of the weights reaches q."""
    x, w = (as_tracer(v) for v in (a, weights))
    axes = axes_of(axis, x.ndim)
    if w.aval.shape != x.aval.shape:
        if w.ndim != 1 or len(axes) != 1:
            raise shape_error(f"{name}: weights of shape {list(w.aval.shape)} do not fit {list(x.aval.shape)}")
        w = wrap(broadcast_to(lift(np.expand_dims(w, tuple(range(1, x.ndim - axes[0])))), None, x.aval.shape))
    rows, shares = _rows(x, axes), _rows(w, axes)
    last = rows.ndim - 1
    order = dif.argsort(lift(rows), axis=last)
    rows, shares = (wrap(gathered_along(lift(v), order, last)) for v in (rows, shares))
    total = np.cumsum(shares, axis=-1, dtype=F64)
    share = total / np.expand_dims(total[..., -1], -1)
    share = np.where(share == 0, -1.0, share)  # an element without weight is never found
    wanted = np.broadcast_to(wrap(lift(q)).astype(F64), (*rows.shape[:-1], len(q)))
    places = dif.searchsorted(lift(share), lift(wanted), batch=last, side="left")
    return rows, wrap(gathered_along(lift(rows), places, last)), axes


@implements(np.quantile)
def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Return the q-th quantiles, 0 <= q <= 1, over axes. (numpy.quantile)"""
    return _quantile("quantile", a, q, 1, axis, method, keepdims, weights, False)


@implements(np.percentile)
def percentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Return the q-th percentiles, 0 <= q <= 100, over axes. (numpy.percentile)"""
    return _quantile("percentile", a, q, 100, axis, method, keepdims, weights, False)


@implements(np.nanquantile)
def nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: Any = NO_VALUE, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Return the q-th quantiles of what is not NaN. (numpy.nanquantile)"""
    return _quantile("nanquantile", a, q, 1, axis, method, keepdims, weights, True)


@implements(np.nanpercentile)
def nanpercentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: Any = NO_VALUE, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Return the q-th percentiles of what is not NaN. (numpy.nanpercentile)"""
    return _quantile("nanpercentile", a, q, 100, axis, method, keepdims, weights, True)


# ---- median --------------------------------------------------------------------------------------


def _median(name: str, a: Any, axis: Any, keepdims: Any, skip_nan: bool) -> Any:
    rows, axes = _sorted_rows(a, axis, name)
    count = _counted(rows, skip_nan)
    if isinstance(count, int):
        middle: Any = np.unique([(count - 1) // 2, count // 2])
    else:
        middle = np.concatenate([np.reshape(np.floor_divide(count - i, 2), (*count.shape[:-1], 1)) for i in (1, 0)], -1)
    found = np.mean(_picked(rows, middle), axis=-1, keepdims=True)
    return _finished(found, rows, skip_nan, (), axes, keepdims)


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """Return the middle element, or the mean of the middle two, over axes. (numpy.median)"""
    return _median("median", a, axis, keepdims, False)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = NO_VALUE
) -> Any:
    """Return the median of what is not NaN. (numpy.nanmedian)"""
    return _median("nanmedian", a, axis, keepdims, True)
