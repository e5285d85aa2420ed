"""Cholesky factors and triangular solves as programs of the dialect: column by column, blocks by matmuls.

A column is a step of a scan over whole stacks of matrices. Matrices of a size known at compile time are cut in halves
until a block is small: the work between the blocks is matmuls and solves with blocks. Every target can take this, and
the interpreter, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of, matrices
from difc.dialects.matrices import matmul, matrix_transpose, sizes_of, splat, strict, triangle
from difc.dialects.mlir import ir
from difc.pipelines.lowering import factor_parts
from difc.pipelines.lowering.factor_parts import (
    column_loop,
    flat,
    half_of,
    is_cut,
    joined,
    outer,
    part,
    places,
    repeated_along,
    rounded,
    slice_at,
)

__all__ = [
    "cholesky",
    "cholesky_by_halves",
    "cholesky_cotangent",
    "lower_factor",
    "substitute",
    "triangular_solve",
]

# ---- cholesky ------------------------------------------------------------------------------------


def cholesky(x: ir.Value) -> ir.Value:
    """Build `dif.cholesky`."""
    return dif.reshape(_checked(_cholesky(flat(x))), shape=tuple(sizes_of(x)))


def cholesky_by_halves(x: ir.Value, limit: int) -> ir.Value:
    """Build `dif.cholesky` from smaller ones of at most `limit` rows, and solves."""

    def solve(a: ir.Value, b: ir.Value) -> ir.Value:
        return dif.triangular_solve(a, b, left_side=True, lower=True, transpose_a=False, unit_diagonal=False)

    size = aval_of(x).shape[-1]
    factor = _halved(rounded(flat(x), 1.0), limit, dif.cholesky, solve)
    return dif.reshape(part(factor, slice(size), slice(size)), shape=tuple(sizes_of(x)))


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


def lower_factor(upper: ir.Value) -> ir.Value:
    """Return L of U, which lies above something without meaning."""
    return dif.reshape(_checked(matrix_transpose(flat(upper))), shape=tuple(sizes_of(upper)))


def _cholesky(x: ir.Value) -> ir.Value:
    size = sizes_of(x)[-1]
    if not is_cut(size):
        return _cholesky_columns(x, size)
    return _halved(x, factor_parts.BLOCK, _cholesky, partial(substitute, lower=True, unit=False))


def _halved(
    x: ir.Value,
    limit: int,
    factor: Callable[[ir.Value], ir.Value],
    solve: Callable[[ir.Value, ir.Value], ir.Value],
) -> ir.Value:
    cut = half_of(sizes_of(x)[-1], limit)
    first = factor(part(x, slice(cut), slice(cut)))
    below = solve(first, matrix_transpose(part(x, slice(cut, None), slice(cut))))
    corner = part(x, slice(cut, None), slice(cut, None))
    last = factor(dif.sub(corner, matmul(below, below, transpose_x=True)))
    above = dif.zeros(shape=tuple(sizes_of(below)), dtype=aval_of(x).dtype)
    return joined((first, above), (matrix_transpose(below), last))


def cholesky_cotangent(factor: ir.Value, ct: ir.Value, limit: int) -> ir.Value:
    """Build `dif.cholesky_cotangent`, backwards through the halves, down to at most `limit` rows if they are known."""
    size, given = aval_of(factor).shape[-1], (flat(factor), triangle(flat(ct), "ge"))
    if not isinstance(size, int) or size <= limit:
        return dif.reshape(matrices.cholesky_cotangent(*given), shape=tuple(sizes_of(ct)))
    found = _cotangent(rounded(given[0], 1.0), rounded(given[1], 0.0), limit)
    return dif.reshape(part(found, slice(size), slice(size)), shape=tuple(sizes_of(ct)))


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


def _cholesky_columns(x: ir.Value, size: int | ir.Value) -> ir.Value:
    def step(k: ir.Value, rest: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        column = slice_at(rest, k, 2)
        pivot = slice_at(column, k, 1)
        positive = dif.compare(pivot, splat(0.0, pivot), direction="gt")
        root = dif.sqrt(dif.select(positive, pivot, splat(np.nan, pivot)))
        scaled = dif.div(column, repeated_along(root, column, (0,)))
        new = dif.select(places(column, k, 1, "ge"), scaled, splat(0.0, column))
        return [dif.sub(rest, outer(new, new))], [new]

    _, columns = column_loop(size, [x], [], step)
    return dif.transpose(columns, permutation=(1, 2, 0))


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
    x = substitute(matrix, right, lower, unit_diagonal)
    return dif.reshape(x if left_side else matrix_transpose(x), shape=tuple(sizes_of(b)))


def substitute(a: ir.Value, b: ir.Value, lower: bool, unit: bool) -> ir.Value:
    size = sizes_of(a)[-1]
    if not is_cut(size):
        return _substitute_columns(a, b, size, lower, unit)
    cut = half_of(size, factor_parts.BLOCK)
    parts = [slice(cut), slice(cut, None)]
    first, second = parts if lower else reversed(parts)
    everything = slice(None)
    one = substitute(part(a, first, first), part(b, first, everything), lower, unit)
    rest = dif.sub(part(b, second, everything), matmul(part(a, second, first), one))
    two = substitute(part(a, second, second), rest, lower, unit)
    return dif.concatenate(*((one, two) if lower else (two, one)), dimension=1)


def _substitute_columns(a: ir.Value, b: ir.Value, size: int | ir.Value, lower: bool, unit: bool) -> ir.Value:
    def step(k: ir.Value, rest: ir.Value, a: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        column, x = slice_at(a, k, 2), slice_at(rest, k, 1)
        if not unit:
            x = dif.div(x, repeated_along(slice_at(column, k, 1), x, (0,)))
        below = dif.select(places(column, k, 1, strict(lower, unit=True)), column, splat(0.0, column))
        return [dif.sub(rest, outer(below, x))], [x]

    _, rows = column_loop(size, [b], [a], step, reverse=not lower)
    return dif.transpose(rows, permutation=(1, 0, 2))
