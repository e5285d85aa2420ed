"""Cholesky factors and triangular solves as programs of the dialect: panels of some columns, or halves of a matrix.

A panel is a step of a scan over whole stacks of matrices: the small block on the diagonal is an op that
`factor_small.py` makes one kernel of, and a matmul takes the panel off what is left. Every target can take this, and
the interpreter, too. Halves are what kernels of CPUs want: few matrices that fit them.
"""

from __future__ import annotations

import numpy as np

from difc import dialects as dif
from difc.dialects import I64, aval_of, matrices
from difc.dialects.matrices import matmul, matrix_transpose, sizes_of, splat, symmetric, triangle
from difc.dialects.mlir import ir
from difc.dialects.sizes import product
from difc.pipelines.lowering import factor_parts
from difc.pipelines.lowering.factor_parts import (
    column_loop,
    cut_to,
    enlarged,
    flat,
    half_of,
    joined,
    panel_at,
    panels_in,
    part,
    repeated_along,
    round_up,
    slice_at,
)

__all__ = [
    "cholesky",
    "cholesky_by_halves",
    "cholesky_cotangent",
    "triangular_solve",
]

# ---- cholesky ------------------------------------------------------------------------------------


def cholesky(x: ir.Value) -> ir.Value:
    """Build `dif.cholesky`."""
    return dif.reshape(_checked(_cholesky(flat(x))), shape=tuple(sizes_of(x)))


def cholesky_by_halves(x: ir.Value, limit: int) -> ir.Value:
    """Build `dif.cholesky` from smaller ones of at most `limit` rows, and solves."""
    return dif.reshape(_halved(flat(x), limit), shape=tuple(sizes_of(x)))


def _checked(factor: ir.Value) -> ir.Value:
    """Return the lower triangles of factors, as NaN where they are in the end: what comes after a bad pivot is."""
    size = sizes_of(factor)[-1]
    if isinstance(size, int):
        last = slice(size - 1, size)
        pivot = dif.reshape(part(factor, last, last), shape=(sizes_of(factor)[0],))
    else:
        at = dif.sub(size, splat(1, size))
        pivot = slice_at(slice_at(factor, at, 1), at, 1)
    zero = splat(0.0, pivot)
    added = dif.select(dif.compare(pivot, pivot, direction="ne"), splat(np.nan, pivot), zero)
    return triangle(dif.add(factor, repeated_along(added, factor, (0,))), "ge")


def _cholesky(x: ir.Value) -> ir.Value:
    """Return factors, and something without meaning above their diagonals, panel by panel.

    The rows and columns of `rest` that are done have no meaning either, and nothing that comes after depends on them.
    """
    size = sizes_of(x)[-1]
    whole = round_up(size, factor_parts.PANEL)

    def step(k: ir.Value, rest: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        rows = panel_at(rest, k, 1)
        factor = dif.cholesky(panel_at(rows, k, 2))
        # The solve has the factor, too, but for its diagonal where that is infinite.
        origin, at = dif.constant(value=np.array(0, I64)), dif.mul(k, splat(factor_parts.PANEL, k))
        new = _solve(factor, rows, lower=True)
        new = dif.dynamic_update_slice(new, matrix_transpose(factor), origin, origin, at)
        return [dif.sub(rest, matmul(new, new, transpose_x=True))], [new]

    _, found = column_loop(panels_in(whole), [enlarged(symmetric(x), whole, whole, 1.0)], [], step)
    return matrix_transpose(cut_to(_stacked(found, size), size, 2))


def _stacked(panels: ir.Value, size: int | ir.Value) -> ir.Value:
    """Return matrices with the rows of all panels, [panels, batch, rows, m], up to a size."""
    count, batch, rows, width = sizes_of(panels)
    found = dif.transpose(panels, permutation=(1, 0, 2, 3))
    return cut_to(dif.reshape(found, shape=(batch, product([count, rows]), width)), size, 1)


def _halved(x: ir.Value, limit: int) -> ir.Value:
    cut = half_of(sizes_of(x)[-1], limit)
    first = dif.cholesky(part(x, slice(cut), slice(cut)))
    below = _solve(first, matrix_transpose(part(x, slice(cut, None), slice(cut))), lower=True)
    corner = part(x, slice(cut, None), slice(cut, None))
    last = dif.cholesky(dif.sub(corner, matmul(below, below, transpose_x=True)))
    above = dif.zeros(shape=tuple(sizes_of(below)), dtype=aval_of(x).dtype)
    return joined((first, above), (matrix_transpose(below), last))


def cholesky_cotangent(factor: ir.Value, ct: ir.Value, limit: int) -> ir.Value:
    """Build `dif.cholesky_cotangent`, backwards through the halves, down to at most `limit` rows if they are known."""
    size, given = aval_of(factor).shape[-1], (flat(factor), triangle(flat(ct), "ge"))
    if not isinstance(size, int) or size <= limit:
        return dif.reshape(matrices.cholesky_cotangent(*given), shape=tuple(sizes_of(ct)))
    return dif.reshape(_cotangent(*given, limit), shape=tuple(sizes_of(ct)))


def _cotangent(factor: ir.Value, ct: ir.Value, limit: int) -> ir.Value:
    """The steps of `_halved`: first, below = first^-1 x21^T, last of x22 - below^T below.

    With the cotangent C of the lower triangle that `last` is the factor of, below gets that of itself less
    below (C + C^T), and first that of itself less what its solve passes on.
    """
    size = aval_of(factor).shape[-1]
    if size <= limit:
        return matrices.cholesky_cotangent(factor, ct)
    cut = half_of(size, limit)
    one, two = slice(cut), slice(cut, None)
    first, across = part(factor, one, one), part(factor, two, one)
    corner = _cotangent(part(factor, two, two), part(ct, two, two), limit)
    both = dif.add(corner, matrix_transpose(corner))
    given = dif.sub(matrix_transpose(part(ct, two, one)), matmul(across, both, transpose_x=True))
    below = dif.triangular_solve(first, given, left_side=True, lower=True, transpose_a=True, unit_diagonal=False)
    rest = dif.sub(part(ct, one, one), triangle(matmul(below, across), "ge"))
    start = _cotangent(first, rest, limit)
    above = dif.zeros(shape=tuple(sizes_of(below)), dtype=aval_of(below).dtype)
    return joined((start, above), (matrix_transpose(below), corner))


# ---- triangular_solve ----------------------------------------------------------------------------


def triangular_solve(
    a: ir.Value, b: ir.Value, *, left_side: bool, lower: bool, transpose_a: bool, unit_diagonal: bool
) -> ir.Value:
    """Build `dif.triangular_solve`."""
    matrix, right = flat(a), flat(b)
    if not left_side:
        right, transpose_a = matrix_transpose(right), not transpose_a
    if transpose_a:
        matrix, lower = matrix_transpose(matrix), not lower
    known = aval_of(a).shape[-1]
    if isinstance(known, int) and known <= factor_parts.PANEL:
        x = _solve(matrix, right, lower, unit_diagonal)
    else:
        x = _substitute(matrix, right, lower, unit_diagonal)
    return dif.reshape(x if left_side else matrix_transpose(x), shape=tuple(sizes_of(b)))


def _solve(a: ir.Value, b: ir.Value, lower: bool, unit: bool = False) -> ir.Value:
    return dif.triangular_solve(a, b, left_side=True, lower=lower, transpose_a=False, unit_diagonal=unit)


def _substitute(a: ir.Value, b: ir.Value, lower: bool, unit: bool) -> ir.Value:
    """Return the solution of a stack of systems, panel by panel.

    The rows of `rest` that are done have no meaning, and nothing that comes after depends on them.
    """
    size, width = sizes_of(b)[1:]
    whole = round_up(size, factor_parts.PANEL)

    def step(k: ir.Value, rest: ir.Value, a: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        columns = panel_at(a, k, 2)
        x = _solve(panel_at(columns, k, 1), panel_at(rest, k, 1), lower, unit)
        return [dif.sub(rest, matmul(columns, x))], [x]

    start, matrix = enlarged(b, whole, width), enlarged(a, whole, whole, 1.0)
    _, found = column_loop(panels_in(whole), [start], [matrix], step, reverse=not lower)
    return _stacked(found, size)
