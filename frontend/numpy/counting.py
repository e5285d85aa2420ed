"""Counting and finding: bincount, histograms, unique elements, positions of what is not zero.

The sizes of NumPy's results depend on values here, so they have to be given where these are traced: `length=` for
bincount, `size=` for the others, keywords that difc.numpy has and NumPy has not (as in JAX). A count is constant, so it
has no derivative; weights and the bounds of bins have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, F64, I64, aval_of, is_float
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from difc.numpy.common import as_tracer, expand, full, integer, named_size, product, shape_error, shape_of
from difc.numpy.ordering import searched
from difc.numpy.registry import implements, unsupported
from difc.promotion import common_dtype, to_dtype
from difc.tracer import Tracer, lift, wrap

__all__: list[str] = []


def _unsized(name: str, keyword: str, instead: str = "") -> UnsupportedError:
    also = f", or {instead}" if instead else ""
    return unsupported(
        f"numpy.{name} of a traced array, the size of whose result depends on values,",
        f"use difc.numpy.{name}(..., {keyword}=n), which gives n of them{also}",
    )


# ---- counting by number --------------------------------------------------------------------------


def _tally(places: ir.Value, length: Any, weights: Any, dtype: Any) -> Any:
    """Return the sums of weights (or the counts) at each place; places outside count nowhere."""
    zeros = full([length], 0, dtype, [places])
    counted = full(shape_of(places), 1, dtype, [places]) if weights is None else to_dtype(lift(weights), dtype)
    points = expand(places, (aval_of(places).ndim,))
    return wrap(dif.scatter_add(zeros, points, counted, axes=(0,), batch=0, mode="fill"))


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0, *, length: Any = None) -> Any:
    """Return how often each of 0, 1, 2, ... occurs, or the sums of weights there. (numpy.bincount)

    Args:
      length: the size of the result, needed where the numbers are traced; larger (and negative) ones count nowhere.
    """
    if length is None and isinstance(x, Tracer):
        raise _unsized("bincount", "length")
    if length is None:
        known = np.asarray(x)
        length = max(int(known.max(initial=-1)) + 1, integer(minlength, "minlength"))
    numbers = as_tracer(x)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iub":
        raise shape_error(f"bincount needs a vector of integers, not {numbers.aval}")
    if weights is not None and as_tracer(weights).aval.shape != numbers.aval.shape:
        raise shape_error(f"bincount: weights {as_tracer(weights).aval} for numbers {numbers.aval}")
    found = None if weights is None else as_tracer(weights)
    return _tally(to_dtype(lift(numbers), I64), named_size(length), found, I64 if weights is None else F64)


# ---- histograms ----------------------------------------------------------------------------------


def _is_several(bins: Any) -> bool:
    return isinstance(bins, (list, tuple)) or np.ndim(bins) > 0


def _bounds(a: Any, limits: Any) -> tuple[Any, Any]:
    """Return the outer bounds of bins: those given, else the least and greatest element, moved apart if equal."""
    if limits is not None:
        first, last = limits
        if not isinstance(first, Tracer) and not isinstance(last, Tracer):
            if not (np.isfinite(first) and np.isfinite(last) and first <= last):
                raise shape_error(f"range=({first}, {last}) is not a finite interval")
            return (first - 0.5, last + 0.5) if first == last else (first, last)
    elif 0 in a.aval.shape:
        return 0.0, 1.0
    else:
        first, last = np.min(a), np.max(a)
    same = np.equal(first, last)
    return np.where(same, first - 0.5, first), np.where(same, last + 0.5, last)


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Return the bounds of the bins of a histogram. (numpy.histogram_bin_edges)

    Raises:
      UnsupportedError: for the name of a rule that finds the number of bins from values.
    """
    if isinstance(bins, str):
        raise unsupported(f"numpy.histogram with bins={bins!r}, a number that depends on values,", "give bins=n")
    if _is_several(bins):
        edges = as_tracer(bins)
        if edges.ndim != 1:
            raise shape_error("the bounds of bins must be a vector")
        return edges
    x = np.ravel(as_tracer(a))
    return _even_edges(x, bins, range, x)


def _even_edges(x: Any, bins: Any, limits: Any, *like: Any) -> Any:
    """Return bounds of bins of one width, in the dtype of the outer ones and of what else is given."""
    count = integer(bins, "bins")
    if count < 1:
        raise shape_error(f"bins={count}: a histogram needs one bin or more")
    first, last = _bounds(x.astype(np.uint8) if x.dtype == BOOL else x, limits)
    dtype = common_dtype(first, last, *like)
    return np.linspace(as_tracer(first), as_tracer(last), count + 1, dtype=dtype if is_float(dtype) else F64)


def _bin_numbers(x: Any, edges: Any) -> Any:
    """Return the number of the bin of each element; the last bin has its upper bound; others are outside."""
    last = edges.shape[0] - 1
    found = wrap(searched(lift(edges), lift(x), "right")) - 1
    return np.where(x == edges[-1], last - 1, found)


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Return how many elements are in each bin, and the bounds of the bins. (numpy.histogram)

    Counts have no derivative; sums of weights have one by the weights, and bounds by the least and greatest element.
    """
    x: Any = np.ravel(as_tracer(a))
    x = x.astype(np.uint8) if x.dtype == BOOL else x
    edges = histogram_bin_edges(x, bins, range)
    w: Any = None if weights is None else np.ravel(as_tracer(weights))
    if w is not None and w.aval.shape != x.aval.shape:
        raise shape_error("histogram: there must be one weight for each element")
    counted = _tally(lift(_bin_numbers(x, edges)), edges.aval.shape[0] - 1, w, I64 if w is None else w.dtype)
    if density:
        return counted / np.diff(edges).astype(F64) / np.sum(counted), edges
    return counted, edges


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Return how many points are in each cell of a grid, and the bounds of its bins. (numpy.histogramdd)"""
    if isinstance(sample, (list, tuple)):
        columns = [as_tracer(c) for c in sample]
    else:
        points = np.atleast_2d(as_tracer(sample))
        columns = list(np.unstack(points if np.ndim(sample) > 1 else np.transpose(points), axis=1))
    count = len(columns)
    each = list(bins) if _is_several(bins) else [bins] * count
    limits = [None] * count if range is None else list(range)
    if len(each) != count or len(limits) != count:
        raise shape_error(f"histogramdd: {len(each)} bins and {len(limits)} ranges for points of {count} dimensions")
    edges = [
        histogram_bin_edges(c, b) if _is_several(b) else _even_edges(c, b, r)
        for c, b, r in zip(columns, each, limits, strict=True)
    ]
    sizes = [e.aval.shape[0] - 1 for e in edges]
    numbers = [_bin_numbers(c, e) for c, e in zip(columns, edges, strict=True)]
    cell: Any = 0
    inside: Any = True
    for number, size in zip(numbers, sizes, strict=True):
        cell = cell * size + number
        inside = np.logical_and(inside, (number >= 0) & (number < size))
    w = None if weights is None else as_tracer(weights)
    counted = np.reshape(_tally(lift(np.where(inside, cell, -1)), product(sizes), w, F64), sizes)
    if density:
        counted = counted / np.sum(counted)
        for axis, edge in enumerate(edges):
            counted = counted / np.expand_dims(np.diff(edge), tuple(d for d in np.arange(count) if d != axis))
    return counted, edges


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """Return how many points are in each cell, and the bounds along both axes. (numpy.histogram2d)"""
    if _is_several(bins) and len(bins) not in (1, 2):
        bins = [bins, bins]  # one vector of bounds for both axes
    counted, edges = histogramdd([x, y], bins, range, density, weights)
    return counted, edges[0], edges[1]


# ---- finding -------------------------------------------------------------------------------------


def _true_places(mask: Any, size: int) -> tuple[Any, Any]:
    """Return the places of the first `size` elements of a flat mask that hold, and which of them exist."""
    running = np.cumsum(mask)
    wanted = np.arange(1, size + 1)
    places = wrap(searched(lift(running), lift(wanted), "left"))
    return places, places < mask.shape[0]


def _size_of(name: str, size: Any, instead: str = "") -> int:
    if size is None:
        raise _unsized(name, "size", instead)
    return integer(size, "size")


@implements(np.flatnonzero)
def flatnonzero(a: Any, *, size: Any = None, fill_value: Any = 0) -> Any:
    """Return the first `size` positions, in the flattened array, of what is not zero. (numpy.flatnonzero)

    Args:
      size: how many positions; needed in a trace.
      fill_value: what stands for positions that there are not.
    """
    count = _size_of("flatnonzero", size, "the mask itself: np.where(mask, x, other)")
    places, exist = _true_places(np.ravel(as_tracer(a)) != 0, count)
    return np.where(exist, places, fill_value)


@implements(np.nonzero)
def nonzero(a: Any, *, size: Any = None, fill_value: Any = 0) -> tuple[Any, ...]:
    """Return the indices, axis by axis, of the first `size` elements that are not zero. (numpy.nonzero)"""
    count = _size_of("nonzero", size, "the mask itself: np.where(mask, x, other)")
    x = np.atleast_1d(as_tracer(a))
    places, exist = _true_places(np.ravel(x) != 0, count)
    indices = []
    for extent in reversed(x.shape):
        indices.append(np.where(exist, np.remainder(places, extent), fill_value))
        places = np.floor_divide(places, extent)
    return tuple(reversed(indices))


@implements(np.argwhere)
def argwhere(a: Any, *, size: Any = None, fill_value: Any = 0) -> Any:
    """Return the indices of the first `size` elements that are not zero, as rows. (numpy.argwhere)"""
    return np.stack(nonzero(a, size=_size_of("argwhere", size), fill_value=fill_value), axis=1)


@implements(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: Any = None,
    *, equal_nan: bool = True, sorted: bool = True, size: Any = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """Return the first `size` different elements in increasing order, and where they are. (numpy.unique)

    Args:
      size: how many elements; needed in a trace.
      fill_value: what stands for elements that there are not (the smallest one by default); their count is 0.
    """
    count = _size_of("unique", size, "np.sort, and compare neighbours")
    x = as_tracer(ar)
    if axis is not None and x.ndim != 1:
        raise unsupported("numpy.unique with axis=", "use np.lexsort, and compare neighbours")
    flat: Any = np.ravel(x)
    if flat.aval.shape[0] == 0:
        raise shape_error("unique of an empty array has no value to fill with")
    order = np.argsort(flat)
    values = np.take(flat, order)
    differ = values[1:] != values[:-1]
    if equal_nan and is_float(x.dtype):
        differ = differ & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    starts = np.concatenate([np.ones(1, BOOL), differ])
    bounds, found = _true_places(starts, count + 1)
    places, exist = bounds[:-1], found[:-1]
    fill = values[0] if fill_value is None else as_tracer(fill_value).astype(x.dtype)
    results = [np.where(exist, np.take(values, places, mode="clip"), fill)]
    if return_index:
        results.append(np.where(exist, np.take(order, places, mode="clip"), 0))
    if return_inverse:
        numbers = np.cumsum(starts) - 1
        results.append(np.reshape(np.take(numbers, np.argsort(order)), x.shape))
    if return_counts:
        results.append(np.where(exist, np.diff(bounds), 0))
    return results[0] if len(results) == 1 else tuple(results)
