"""Ops that depend on the order of elements only: sorting, and searching in what is sorted.

The order is NumPy's: -0.0 equals 0.0, and NaN comes after all numbers and equals NaN. Both ops give positions;
sorted values are gathered by them, so sorting needs no derivative of its own.
"""

from __future__ import annotations

from difc.dialects.base import Int, Str, op
from difc.dialects.types import I64, Aval, check_dims, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = ["SIDES", "argsort", "searchsorted"]

SIDES = ("left", "right")


@op
def argsort(x: Aval, *, axis: Int) -> Aval:
    """The positions (i64) along `axis` of the elements in increasing order; equal elements keep theirs (stable)."""
    check_dims("argsort", (axis,), x.ndim)
    return Aval(x.shape, I64)


@op
def searchsorted(table: Aval, values: Aval, *, batch: Int, side: Str) -> Aval:
    """How many elements of a sorted row come before each value (i64): those less than it, and equal ones if "right".

    `table` has shape `[*batch, n]`, `values` and the result `[*batch, *points]`; `batch` is the number of the dims
    that run together.

    Example: `np.searchsorted(a, v)` is `searchsorted(a, v, batch=0, side="left")`.
    """
    if side not in SIDES:
        raise ShapeError(f"searchsorted: side {side!r} is not one of {', '.join(SIDES)}")
    if table.dtype != values.dtype:
        raise DtypeError(f"searchsorted: the table {table} and the values {values} have different dtypes")
    if table.ndim != batch + 1 or values.ndim < batch:
        raise ShapeError(f"searchsorted: {batch} batch dims do not fit a table {table} and values {values}")
    pairs = zip(table.shape[:batch], values.shape[:batch], strict=True)
    shared = [same_dim(a, b, "searchsorted: batch dims") for a, b in pairs]
    return Aval((*shared, *values.shape[batch:]), I64)
