"""Factorisations and triangular solves as programs of the dialect: column by column within a block, blocks by matmuls.

A column is a step of a scan over whole stacks of matrices. Matrices of a size known at compile time are cut in halves
until a block is small: the work between the blocks is matmuls and solves with blocks. Every target can take this, and
the interpreter, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from difc import dialects as dif
from difc.dialects import I32, I64, Builder, aval_of, current_builder, matrices, new_block
from difc.dialects.matrices import (
    diagonal,
    matmul,
    matrix_transpose,
    permutation_sign,
    rows_at,
    sizes_of,
    splat,
    strict,
    triangle,
    triangle_mask,
)
from difc.dialects.mlir import ir

__all__ = [
    "cholesky",
    "cholesky_by_halves",
    "cholesky_cotangent",
    "det",
    "log_det",
    "lower_factor",
    "lu",
    "lu_by_halves",
    "lu_solve",
    "matrix_transpose",
    "triangular_solve",
]

ROUND = 32  # what sizes above a limit are made multiples of, before they are cut
BLOCK = 64  # the largest size that is done column by column, where there is a choice

# ---- loops over columns --------------------------------------------------------------------------


def _loop(
    length: int | ir.Value,
    carry: Sequence[ir.Value],
    consts: Sequence[ir.Value],
    step: Callable[..., tuple[Sequence[ir.Value], Sequence[ir.Value]]],
    reverse: bool = False,
) -> list[ir.Value]:
    """Append a scan of `step(k, *carry, *consts) -> carry, ys`, with the number k of the step as an i64 scalar."""
    counts = dif.iota(shape=(length,), dtype=I64, dimension=0)
    types = [*(aval_of(x) for x in carry), dif.Aval((), I64), *(aval_of(x) for x in consts)]
    body = new_block(types)
    with dif.use_builder(Builder(body, current_builder().location)):
        state, k, rest = body.arguments[: len(carry)], body.arguments[len(carry)], body.arguments[len(carry) + 1 :]
        after, ys = step(k, *state, *rest)
        dif.yield_(*after, *ys)
    trips = [] if isinstance(length, int) else [length]
    made = dif.scan(
        *carry,
        counts,
        *consts,
        *trips,
        num_carry=len(carry),
        num_xs=1,
        length=length if isinstance(length, int) else -1,
        reverse=reverse,
        linear=(),
        regions=[body],
    )
    return list(made) if isinstance(made, tuple) else [made]


def _at(x: ir.Value, k: ir.Value, axis: int) -> ir.Value:
    """Return the slice of `x` at k along an axis, which the result drops."""
    return dif.gather(x, dif.reshape(k, shape=(1,)), axes=(axis,), batch=0, mode="clip")


def _along(x: ir.Value, like: ir.Value, dimensions: Sequence[int]) -> ir.Value:
    return dif.broadcast_in_dim(x, shape=tuple(sizes_of(like)), dimensions=tuple(dimensions))


def _places(like: ir.Value, k: ir.Value, axis: int, direction: str, dtype: np.dtype = I64) -> ir.Value:
    """Return where the position along an axis compares so with k, a scalar or one number for each of the stack."""
    position = dif.iota(shape=tuple(sizes_of(like)), dtype=dtype, dimension=axis)
    return dif.compare(position, _along(k, like, range(aval_of(k).ndim)), direction=direction)


def _outer(x: ir.Value, y: ir.Value) -> ir.Value:
    """Return x[b, i] * y[b, j]."""
    return dif.dot_general(x, y, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(), rhs_contract=())


def _flat(x: ir.Value) -> ir.Value:
    """Return a stack of matrices with one batch dim."""
    sizes = sizes_of(x)
    if len(sizes) == 3:
        return x
    count: int | ir.Value = 1
    for size in sizes[:-2]:
        both = isinstance(size, int) and isinstance(count, int)
        count = size * count if both else dif.mul(_scalar(size), _scalar(count))  # type: ignore[operator]
    return dif.reshape(x, shape=(count, *sizes[-2:]))


def _scalar(size: int | ir.Value) -> ir.Value:
    return dif.constant(value=np.array(size, I64)) if isinstance(size, int) else size


def _part(x: ir.Value, rows: slice, columns: slice) -> ir.Value:
    """Return a block of every matrix of a stack with one batch dim."""
    sizes = aval_of(x).shape
    bounds = [s.indices(n) for s, n in zip((rows, columns), sizes[1:], strict=True)]
    limits = (sizes[0] if isinstance(sizes[0], int) else -1, bounds[0][1], bounds[1][1])
    return dif.slice(x, start=(0, bounds[0][0], bounds[1][0]), limit=limits, stride=(1, 1, 1))


def _halves(size: int, limit: int) -> int:
    """Return where to cut: the first part is a power of two times the limit, so that there are few different shapes."""
    half = limit
    while 2 * half < size:
        half *= 2
    return half


def _rounded(x: ir.Value, diagonal: float) -> ir.Value:
    """Return matrices with rows and columns added up to a multiple of `ROUND`: halves then have few different shapes.

    What is added is zero, but for the diagonal.
    """
    size = aval_of(x).shape[-1]
    more = -size % ROUND
    if not more:
        return x
    zero = dif.constant(value=np.array(0, aval_of(x).dtype))
    padded = dif.pad(x, zero, low=(0, 0, 0), high=(0, more, more), interior=(0, 0, 0))
    last = dif.and_(triangle_mask(padded, "eq"), _places(padded, _scalar(size), 2, "ge"))
    return dif.select(last, splat(diagonal, padded), padded)


def _joined(top: Sequence[ir.Value], bottom: Sequence[ir.Value]) -> ir.Value:
    rows = [dif.concatenate(*pair, dimension=2) for pair in (top, bottom)]
    return dif.concatenate(*rows, dimension=1)


def _is_cut(size: int | ir.Value) -> bool:
    return isinstance(size, int) and size > BLOCK


# ---- cholesky ------------------------------------------------------------------------------------


def cholesky(x: ir.Value) -> ir.Value:
    """Build `dif.cholesky`."""
    return dif.reshape(_checked(_cholesky(_flat(x))), shape=tuple(sizes_of(x)))


def cholesky_by_halves(x: ir.Value, limit: int) -> ir.Value:
    """Build `dif.cholesky` from smaller ones of at most `limit` rows, and solves."""

    def solve(a: ir.Value, b: ir.Value) -> ir.Value:
        return dif.triangular_solve(a, b, left_side=True, lower=True, transpose_a=False, unit_diagonal=False)

    size = aval_of(x).shape[-1]
    factor = _halved(_rounded(_flat(x), 1.0), limit, dif.cholesky, solve)
    return dif.reshape(_part(factor, slice(size), slice(size)), shape=tuple(sizes_of(x)))


def _checked(factor: ir.Value) -> ir.Value:
    """Return lower triangular factors as NaN where they are in the end: what comes after a bad pivot is."""
    size = _scalar(sizes_of(factor)[-1])
    last = dif.sub(size, splat(1, size))
    pivot = _at(_at(factor, last, 1), last, 1)
    failed = dif.compare(pivot, pivot, direction="ne")
    return dif.select(_along(failed, factor, (0,)), triangle(splat(np.nan, factor), "ge"), factor)


def lower_factor(upper: ir.Value) -> ir.Value:
    """Return L of U, which lies above something without meaning."""
    return dif.reshape(_checked(triangle(matrix_transpose(_flat(upper)), "ge")), shape=tuple(sizes_of(upper)))


def _cholesky(x: ir.Value) -> ir.Value:
    size = sizes_of(x)[-1]
    if not _is_cut(size):
        return _cholesky_columns(x, size)
    return _halved(x, BLOCK, _cholesky, partial(_substitute, lower=True, unit=False))


def _halved(
    x: ir.Value,
    limit: int,
    factor: Callable[[ir.Value], ir.Value],
    solve: Callable[[ir.Value, ir.Value], ir.Value],
) -> ir.Value:
    cut = _halves(sizes_of(x)[-1], limit)
    first = factor(_part(x, slice(cut), slice(cut)))
    below = solve(first, matrix_transpose(_part(x, slice(cut, None), slice(cut))))
    corner = _part(x, slice(cut, None), slice(cut, None))
    last = factor(dif.sub(corner, matmul(below, below, transpose_x=True)))
    above = dif.zeros(shape=tuple(sizes_of(below)), dtype=aval_of(x).dtype)
    return _joined((first, above), (matrix_transpose(below), last))


def cholesky_cotangent(factor: ir.Value, ct: ir.Value, limit: int) -> ir.Value:
    """Build `dif.cholesky_cotangent`, backwards through the halves, down to at most `limit` rows if they are known."""
    size, given = aval_of(factor).shape[-1], (_flat(factor), triangle(_flat(ct), "ge"))
    if not isinstance(size, int) or size <= limit:
        return dif.reshape(matrices.cholesky_cotangent(*given), shape=tuple(sizes_of(ct)))
    found = _cotangent(_rounded(given[0], 1.0), _rounded(given[1], 0.0), limit)
    return dif.reshape(_part(found, slice(size), slice(size)), shape=tuple(sizes_of(ct)))


def _cotangent(factor: ir.Value, ct: ir.Value, limit: int) -> ir.Value:
    """The steps of `_halved`: first, below = first^-1 x21^T, last of x22 - below^T below.

    With a symmetric cotangent S of what `last` is the factor of, below gets that of itself less 2 below S, and first
    that of itself less what its solve passes on.
    """
    size = aval_of(factor).shape[-1]
    if size <= limit:
        return matrices.cholesky_cotangent(factor, ct)
    cut = _halves(size, limit)
    one, two = slice(cut), slice(cut, None)
    first, across = _part(factor, one, one), _part(factor, two, one)
    corner = _cotangent(_part(factor, two, two), _part(ct, two, two), limit)
    twice = matmul(across, corner, transpose_x=True)
    given = dif.sub(matrix_transpose(_part(ct, two, one)), dif.add(twice, twice))
    below = dif.triangular_solve(first, given, left_side=True, lower=True, transpose_a=True, unit_diagonal=False)
    rest = dif.sub(_part(ct, one, one), triangle(matmul(below, across), "ge"))
    start = _cotangent(first, rest, limit)
    halved = dif.mul(below, splat(0.5, below))
    return _joined((start, halved), (matrix_transpose(halved), corner))


def _cholesky_columns(x: ir.Value, size: int | ir.Value) -> ir.Value:
    def step(k: ir.Value, rest: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        column = _at(rest, k, 2)
        pivot = _at(column, k, 1)
        positive = dif.compare(pivot, splat(0.0, pivot), direction="gt")
        root = dif.sqrt(dif.select(positive, pivot, splat(np.nan, pivot)))
        scaled = dif.div(column, _along(root, column, (0,)))
        new = dif.select(_places(column, k, 1, "ge"), scaled, splat(0.0, column))
        return [dif.sub(rest, _outer(new, new))], [new]

    _, columns = _loop(size, [x], [], step)
    return dif.transpose(columns, permutation=(1, 2, 0))


# ---- triangular_solve ----------------------------------------------------------------------------


def triangular_solve(
    a: ir.Value, b: ir.Value, *, left_side: bool, lower: bool, transpose_a: bool, unit_diagonal: bool
) -> ir.Value:
    """Build `dif.triangular_solve`."""
    matrix, right = _flat(a), _flat(b)
    if not left_side:
        right, transpose_a = matrix_transpose(right), not transpose_a
    if transpose_a:
        matrix, lower = matrix_transpose(matrix), not lower
    x = _substitute(matrix, right, lower, unit_diagonal)
    return dif.reshape(x if left_side else matrix_transpose(x), shape=tuple(sizes_of(b)))


def _substitute(a: ir.Value, b: ir.Value, lower: bool, unit: bool) -> ir.Value:
    size = sizes_of(a)[-1]
    if not _is_cut(size):
        return _substitute_columns(a, b, size, lower, unit)
    cut = _halves(size, BLOCK)
    parts = [slice(cut), slice(cut, None)]
    first, second = parts if lower else reversed(parts)
    everything = slice(None)
    one = _substitute(_part(a, first, first), _part(b, first, everything), lower, unit)
    rest = dif.sub(_part(b, second, everything), matmul(_part(a, second, first), one))
    two = _substitute(_part(a, second, second), rest, lower, unit)
    return dif.concatenate(*((one, two) if lower else (two, one)), dimension=1)


def _substitute_columns(a: ir.Value, b: ir.Value, size: int | ir.Value, lower: bool, unit: bool) -> ir.Value:
    def step(k: ir.Value, rest: ir.Value, a: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        column, x = _at(a, k, 2), _at(rest, k, 1)
        if not unit:
            x = dif.div(x, _along(_at(column, k, 1), x, (0,)))
        below = dif.select(_places(column, k, 1, strict(lower, unit=True)), column, splat(0.0, column))
        return [dif.sub(rest, _outer(below, x))], [x]

    _, rows = _loop(size, [b], [a], step, reverse=not lower)
    return dif.transpose(rows, permutation=(1, 0, 2))


# ---- lu ------------------------------------------------------------------------------------------


def lu(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Build `dif.lu`."""
    return _like(x, *_lu(_flat(x)))


def lu_by_halves(x: ir.Value, limit: int) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Build `dif.lu` from smaller ones of at most `limit` columns, and solves."""
    return _like(x, *_lu_halved(_flat(x), limit, dif.lu, _unit_solve))


def _unit_solve(a: ir.Value, b: ir.Value) -> ir.Value:
    return dif.triangular_solve(a, b, left_side=True, lower=True, transpose_a=False, unit_diagonal=True)


def _like(x: ir.Value, packed: ir.Value, pivots: ir.Value, order: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    *lead, rows, columns = sizes_of(x)
    shapes = (*lead, rows, columns), (*lead, columns), (*lead, rows)
    packed, pivots, order = (dif.reshape(v, shape=s) for v, s in zip((packed, pivots, order), shapes, strict=True))
    return packed, pivots, order


def _lu(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    size = sizes_of(x)[-1]
    if not _is_cut(size):
        return _lu_columns(x, size)
    return _lu_halved(x, BLOCK, _lu, partial(_substitute, lower=True, unit=True))


def _lu_halved(
    x: ir.Value,
    limit: int,
    factor: Callable[[ir.Value], tuple[ir.Value, ir.Value, ir.Value]],
    solve: Callable[[ir.Value, ir.Value], ir.Value],
) -> tuple[ir.Value, ir.Value, ir.Value]:
    cut = _halves(aval_of(x).shape[-1], limit)
    everything, first, second = slice(None), slice(cut), slice(cut, None)
    left, pivots, order = factor(_part(x, everything, first))
    right = rows_at(_part(x, everything, second), order)
    above = solve(_part(left, first, first), _part(right, first, everything))
    rest = dif.sub(_part(right, second, everything), matmul(_part(left, second, everything), above))
    corner, more_pivots, more_order = factor(rest)
    below = rows_at(_part(left, second, everything), more_order)
    packed = _joined((_part(left, first, everything), above), (below, corner))
    shift = splat(cut, more_pivots)
    order = dif.concatenate(_columns(order, first), rows_at(_columns(order, second), more_order), dimension=1)
    return packed, dif.concatenate(pivots, dif.add(more_pivots, shift), dimension=1), order


def _columns(x: ir.Value, part: slice) -> ir.Value:
    count, size = aval_of(x).shape
    start, stop, _ = part.indices(size)
    return dif.slice(x, start=(0, start), limit=(count if isinstance(count, int) else -1, stop), stride=(1, 1))


def _lu_columns(x: ir.Value, size: int | ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    count, rows, _ = sizes_of(x)

    def step(k: ir.Value, rest: ir.Value, order: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        stack = sizes_of(rest)[0]
        at_k = dif.broadcast_in_dim(k, shape=(stack,), dimensions=())
        column = _at(rest, k, 2)
        candidates = dif.select(_places(column, k, 1, "ge"), dif.abs(column), splat(-1.0, column))
        chosen = dif.argmax(candidates, axis=1)

        def swapped(x: ir.Value) -> ir.Value:
            """Exchange row k of every matrix (or element of every vector) with the chosen one."""
            others = tuple(d for d in range(aval_of(x).ndim) if d != 1)
            one = _at(x, k, 1)
            two = rows_at(x, dif.reshape(chosen, shape=(stack, 1)))
            two = dif.reshape(two, shape=tuple(sizes_of(one)))
            moved = dif.select(_places(x, at_k, 1, "eq"), _along(two, x, others), x)
            return dif.select(_places(x, chosen, 1, "eq"), _along(one, x, others), moved)

        rest, order = swapped(rest), swapped(order)
        row, column = _at(rest, k, 1), _at(rest, k, 2)
        pivot = _at(row, k, 1)
        divisor = dif.select(dif.compare(pivot, splat(0.0, pivot), direction="eq"), splat(1.0, pivot), pivot)
        factors = dif.div(column, _along(divisor, column, (0,)))
        below, right = _places(column, k, 1, "gt"), _places(row, k, 1, "gt")
        factors = dif.select(below, factors, splat(0.0, factors))
        after = dif.sub(rest, _outer(factors, dif.select(right, row, splat(0.0, row))))
        written = dif.and_(_places(rest, k, 2, "eq"), _along(below, rest, (0, 1)))
        after = dif.select(written, _along(factors, rest, (0, 1)), after)
        return [after, order], [dif.convert(chosen, dtype=I32)]

    # Not an i32 iota: IREE (3.13) fails where the start of a loop is also used after it, and callers compare with one.
    start = dif.convert(dif.iota(shape=(count, rows), dtype=I64, dimension=1), dtype=I32)
    packed, order, pivots = _loop(size, [x, start], [], step)
    return packed, dif.transpose(pivots, permutation=(1, 0)), order


# ---- with the factors of lu ----------------------------------------------------------------------


def lu_solve(a: ir.Value, packed: ir.Value, permutation: ir.Value, b: ir.Value, *, transpose_a: bool) -> ir.Value:
    """Build `dif.lu_solve`."""

    def solve(b: ir.Value, lower: bool) -> ir.Value:
        return dif.triangular_solve(
            packed, b, left_side=True, lower=lower, transpose_a=transpose_a, unit_diagonal=lower
        )

    if not transpose_a:
        return solve(solve(rows_at(b, permutation), lower=True), lower=False)
    return rows_at(solve(solve(b, lower=False), lower=True), _inverse(permutation))


def _inverse(permutation: ir.Value) -> ir.Value:
    """Return the inverses of a stack of permutations."""
    rank = aval_of(permutation).ndim
    shape = tuple(sizes_of(permutation))
    zeros, places = dif.zeros(shape=shape, dtype=I32), dif.iota(shape=shape, dtype=I32, dimension=rank - 1)
    indices = dif.reshape(permutation, shape=(*shape, 1))
    return dif.scatter(zeros, indices, places, axes=(rank - 1,), batch=rank - 1, mode="clip")


def log_det(a: ir.Value, packed: ir.Value, permutation: ir.Value) -> ir.Value:
    """Build `dif.log_det`."""
    sizes = dif.log(dif.abs(diagonal(packed)))
    return dif.reduce_sum(sizes, axes=(aval_of(sizes).ndim - 1,))


def det(x: ir.Value) -> ir.Value:
    """Build `dif.det`."""
    packed, pivots, _ = dif.lu(x)
    product = dif.reduce_prod(diagonal(packed), axes=(aval_of(pivots).ndim - 1,))
    return dif.mul(permutation_sign(pivots, aval_of(x).dtype), product)
