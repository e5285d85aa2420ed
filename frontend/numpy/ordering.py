"""Sorting along an axis, and searching in what is sorted: sort, argsort, lexsort, partition, searchsorted, digitize.

Every sort is stable, with NaN last; `kind` must be one of NumPy's and changes nothing. Values are gathered by the
positions that sort them, so derivatives follow the elements to their places.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, aval_of
from difc.dialects.mlir import ir
from difc.errors import InputError
from difc.numpy.common import (
    along,
    as_operand,
    as_tracer,
    axis_of,
    expand,
    integer,
    shape_error,
    shape_of,
    transposed,
)
from difc.numpy.registry import implements, unsupported
from difc.promotion import common_dtype, to_dtype
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap

__all__ = ["gathered_along", "searched", "sorted_along"]

# ---- building blocks -----------------------------------------------------------------------------


def gathered_along(x: ir.Value, positions: ir.Value, axis: int) -> ir.Value:
    """Return elements at positions along an axis; both have the same sizes along all other axes."""
    rank = aval_of(x).ndim
    last = [*(d for d in range(rank) if d != axis), axis]
    points = expand(transposed(positions, last), (rank,))
    found = dif.gather(transposed(x, last), points, axes=(rank - 1,), batch=rank - 1, mode="clip")
    return transposed(found, [last.index(d) for d in range(rank)])


def sorted_along(x: ir.Value, axis: int) -> ir.Value:
    """Return a value with its elements in increasing order along an axis."""
    return gathered_along(x, dif.argsort(x, axis=axis), axis)


def searched(table: ir.Value, values: ir.Value, side: str) -> ir.Value:
    """Return how many elements of a sorted vector come before each value, compared in their common dtype."""
    dtype = common_dtype(wrap(table), wrap(values))
    return dif.searchsorted(to_dtype(table, dtype), to_dtype(values, dtype), batch=0, side=side)


def _check_options(function: Any, order: Any, *arguments: Any, **options: Any) -> None:
    """Refuse fields of records, and let NumPy say whether the other options are ones of its own."""
    name = function.__name__
    if order is not None:
        raise unsupported(f"numpy.{name} with order=, which names fields of records,", f"sort by np.{name} of an array")
    try:
        function(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise InputError(f"numpy.{name}: {error}", where=user_frame_location(), remedy="leave kind= out") from None


# ---- sorting -------------------------------------------------------------------------------------


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Return the elements in increasing order along an axis. (numpy.sort)"""
    _check_options(np.sort, order, [0], kind=kind, stable=stable)
    return wrap(sorted_along(*along(lift(as_operand(a)), axis)))


@implements(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Return the positions that put the elements in increasing order along an axis. (numpy.argsort)"""
    _check_options(np.argsort, order, [0], kind=kind, stable=stable)
    x, dim = along(lift(as_operand(a)), axis)
    return wrap(dif.argsort(x, axis=dim))


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """Return the positions that sort by several keys, of which the last one counts most. (numpy.lexsort)"""
    if isinstance(keys, Tracer):
        keys = np.unstack(keys)
    values = [lift(as_operand(key)) for key in keys]
    if not values or len({tuple(shape_of(v)) for v in values}) > 1:
        raise shape_error("lexsort needs one or more keys of one shape")
    dim = axis_of(axis, aval_of(values[0]).ndim)
    found = dif.argsort(values[0], axis=dim)
    for value in values[1:]:
        found = gathered_along(found, dif.argsort(gathered_along(value, found, dim), axis=dim), dim)
    return wrap(found)


def _check_kth(name: str, kth: Any, size: Any) -> None:
    if isinstance(kth, Tracer):
        return
    for k in np.atleast_1d(kth):
        if isinstance(size, int) and not -size <= integer(k, "kth") < size:
            raise shape_error(f"{name}: kth={k} is not a place in an axis of size {size}")


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Return the elements with the k-th smallest in its place, smaller ones before it; here all are sorted.
    (numpy.partition)
    """
    _check_options(np.partition, order, [0], 0, kind=kind)
    x, dim = along(lift(as_operand(a)), axis)
    _check_kth("partition", kth, shape_of(x)[dim])
    return wrap(sorted_along(x, dim))


@implements(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Return the positions of the elements of `partition`. (numpy.argpartition)"""
    _check_options(np.argpartition, order, [0], 0, kind=kind)
    x, dim = along(lift(as_operand(a)), axis)
    _check_kth("argpartition", kth, shape_of(x)[dim])
    return wrap(dif.argsort(x, axis=dim))


# ---- searching -----------------------------------------------------------------------------------


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    """Return where values would be put into a sorted vector to keep it sorted. (numpy.searchsorted)"""
    table, values = (as_tracer(x) for x in (a, v))
    if table.ndim != 1 or side not in dif.SIDES:
        raise shape_error("searchsorted needs a sorted vector, and side='left' or 'right'")
    table = table if sorter is None else np.take(table, as_operand(sorter))
    return wrap(searched(lift(table), lift(values), side))


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Return the number of the bin that each value falls into; bounds increase, or all decrease. (numpy.digitize)"""
    values, table = (as_tracer(v) for v in (x, bins))
    if table.ndim != 1:
        raise shape_error(f"digitize needs a vector of bounds, not {table.aval}")
    if table.aval.shape[0] == 0:
        return np.zeros_like(values, dtype=np.int64)
    side = "left" if right else "right"
    upwards = searched(lift(table), lift(values), side)
    if not isinstance(bins, Tracer):
        if np.all(np.diff(np.asarray(bins)) >= 0):
            return wrap(upwards)
        if not np.all(np.diff(np.asarray(bins)) <= 0):
            raise shape_error("digitize: the bounds must increase, or all decrease", "sort them")
    downwards = table.shape[0] - wrap(searched(lift(np.flip(table)), lift(values), side))
    falls = np.any(np.maximum.accumulate(table) > table)  # which no elements do
    return np.where(falls, downwards, wrap(upwards))


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """Return for each element whether it is among others. (numpy.isin)"""
    _check_options(np.isin, None, [0], [0], kind=kind)
    values, others = (as_tracer(v) for v in (element, test_elements))
    if 0 in others.aval.shape:
        return np.full_like(values, invert, dtype=BOOL)
    table = np.sort(np.ravel(others))
    dtype = np.result_type(values.dtype, table.dtype)
    values, table = values.astype(dtype), table.astype(dtype)
    found = table[np.minimum(searchsorted(table, values), table.shape[0] - 1)] == values
    return np.logical_not(found) if invert else found
