"""Cholesky factors and triangular solves of small matrices, as one kernel: for targets without kernels of their own.

Each thread makes one element of the result. It does all the work that leads there in its registers, without a loop:
that is less than what other kernels, one after the other, and their memory would cost. `factor_columns.py` makes
programs for larger matrices of these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, element_type
from difc.pipelines.lowering.emitter import SIGNED, Size
from difc.pipelines.lowering.scalars import compare, number

__all__ = ["small_cholesky", "small_solve"]


def small_cholesky(c: Context, dtype: np.dtype, x: ir.Value, batch: Size) -> ir.Value:
    """Append the factors of `x`, [batch, n, n], of which the lower triangles are read; NaN where there is none."""
    size, read = x.type.get_dim_size(1), c.fence(x)

    def element(place: ir.Value, row: ir.Value, column: ir.Value) -> ir.Value:
        known: dict[tuple[int, int], ir.Value] = {}
        for j in range(size):
            for i in range(j, size):
                value = c.extract(read, [place, c.index(i), c.index(j)])
                for k in range(j):
                    value = _less(c, dtype, value, known[i, k], known[j, k])
                known[i, j] = scalars.div(c, dtype, value, known[j, j]) if i > j else _root(c, dtype, value)
        last = known[size - 1, size - 1]
        found = number(c, dtype, 0)
        for (i, j), value in known.items():
            found = c.select(c.both(_is(c, row, i), _is(c, column, j)), value, found)
        bad = compare(c, dtype, last, last, "ne")
        below = c.compare(SIGNED["ge"], row, column)
        return c.select(c.both(bad, below), last, found)

    return _kernel(c, dtype, [batch, size, size], element)


def small_solve(
    c: Context, dtype: np.dtype, a: ir.Value, b: ir.Value, sizes: list[Size], *, lower: bool, unit: bool
) -> ir.Value:
    """Append the solutions of systems with triangular `a`, [batch, n, n], and right-hand sides `b` of `sizes`."""
    size, matrix, right = a.type.get_dim_size(1), c.fence(a), c.fence(b)

    def element(place: ir.Value, row: ir.Value, column: ir.Value) -> ir.Value:
        known: dict[int, ir.Value] = {}
        found = number(c, dtype, 0)
        for i in range(size) if lower else reversed(range(size)):
            value = c.extract(right, [place, c.index(i), column])
            for k, solved in known.items():
                value = _less(c, dtype, value, c.extract(matrix, [place, c.index(i), c.index(k)]), solved)
            if not unit:
                value = scalars.div(c, dtype, value, c.extract(matrix, [place, c.index(i), c.index(i)]))
            known[i] = value
            found = c.select(_is(c, row, i), value, found)
        return found

    return _kernel(c, dtype, sizes, element)


def _kernel(c: Context, dtype: np.dtype, sizes: list[Size], element: Callable[..., ir.Value]) -> ir.Value:
    return c.fence(c.pointwise(sizes, element_type(dtype), lambda: element(*c.position(3))))


def _less(c: Context, dtype: np.dtype, x: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    return scalars.sub(c, dtype, x, scalars.mul(c, dtype, a, b))


def _root(c: Context, dtype: np.dtype, pivot: ir.Value) -> ir.Value:
    positive = compare(c, dtype, pivot, number(c, dtype, 0), "gt")
    return c.value("math.sqrt", [c.select(positive, pivot, number(c, dtype, np.nan))], pivot.type)


def _is(c: Context, index: ir.Value, wanted: int) -> ir.Value:
    return c.compare(SIGNED["eq"], index, c.index(wanted))
