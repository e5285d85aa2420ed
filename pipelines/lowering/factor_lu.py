"""LU factors with pivoting, and what is computed with them, as programs of the dialect; see `factor_columns.py`."""

from __future__ import annotations

from collections.abc import Callable

from difc import dialects as dif
from difc.dialects import I32, I64, aval_of
from difc.dialects.matrices import diagonal, matmul, permutation_sign, rows_at, sizes_of, splat
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
    slice_at,
)

__all__ = ["det", "log_det", "lu", "lu_by_halves", "lu_solve"]

# ---- lu ------------------------------------------------------------------------------------------


def lu(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Build `dif.lu`."""
    return _like(x, *_lu(flat(x)))


def lu_by_halves(x: ir.Value, limit: int) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Build `dif.lu` from smaller ones of at most `limit` columns, and solves."""
    return _like(x, *_lu_halved(flat(x), limit, dif.lu, _unit_solve))


def _unit_solve(a: ir.Value, b: ir.Value) -> ir.Value:
    return dif.triangular_solve(a, b, left_side=True, lower=True, transpose_a=False, unit_diagonal=True)


def _like(x: ir.Value, packed: ir.Value, pivots: ir.Value, order: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    *lead, rows, columns = sizes_of(x)
    shapes = (*lead, rows, columns), (*lead, columns), (*lead, rows)
    packed, pivots, order = (dif.reshape(v, shape=s) for v, s in zip((packed, pivots, order), shapes, strict=True))
    return packed, pivots, order


def _lu(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    size = sizes_of(x)[-1]
    if not is_cut(size):
        return _lu_columns(x, size)
    return _lu_halved(x, factor_parts.BLOCK, _lu, _unit_solve)


def _lu_halved(
    x: ir.Value,
    limit: int,
    factor: Callable[[ir.Value], tuple[ir.Value, ir.Value, ir.Value]],
    solve: Callable[[ir.Value, ir.Value], ir.Value],
) -> tuple[ir.Value, ir.Value, ir.Value]:
    cut = half_of(aval_of(x).shape[-1], limit)
    everything, first, second = slice(None), slice(cut), slice(cut, None)
    left, pivots, order = factor(part(x, everything, first))
    right = rows_at(part(x, everything, second), order)
    above = solve(part(left, first, first), part(right, first, everything))
    rest = dif.sub(part(right, second, everything), matmul(part(left, second, everything), above))
    corner, more_pivots, more_order = factor(rest)
    below = rows_at(part(left, second, everything), more_order)
    packed = joined((part(left, first, everything), above), (below, corner))
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
        column = slice_at(rest, k, 2)
        candidates = dif.select(places(column, k, 1, "ge"), dif.abs(column), splat(-1.0, column))
        chosen = dif.argmax(candidates, axis=1)

        def swapped(x: ir.Value) -> ir.Value:
            """Exchange row k of every matrix (or element of every vector) with the chosen one."""
            others = tuple(d for d in range(aval_of(x).ndim) if d != 1)
            one = slice_at(x, k, 1)
            two = rows_at(x, dif.reshape(chosen, shape=(stack, 1)))
            two = dif.reshape(two, shape=tuple(sizes_of(one)))
            moved = dif.select(places(x, at_k, 1, "eq"), repeated_along(two, x, others), x)
            return dif.select(places(x, chosen, 1, "eq"), repeated_along(one, x, others), moved)

        rest, order = swapped(rest), swapped(order)
        row, column = slice_at(rest, k, 1), slice_at(rest, k, 2)
        pivot = slice_at(row, k, 1)
        divisor = dif.select(dif.compare(pivot, splat(0.0, pivot), direction="eq"), splat(1.0, pivot), pivot)
        factors = dif.div(column, repeated_along(divisor, column, (0,)))
        below, right = places(column, k, 1, "gt"), places(row, k, 1, "gt")
        factors = dif.select(below, factors, splat(0.0, factors))
        after = dif.sub(rest, outer(factors, dif.select(right, row, splat(0.0, row))))
        written = dif.and_(places(rest, k, 2, "eq"), repeated_along(below, rest, (0, 1)))
        after = dif.select(written, repeated_along(factors, rest, (0, 1)), after)
        return [after, order], [dif.convert(chosen, dtype=I32)]

    # Not an i32 iota: IREE (3.13) fails where the start of a loop is also used after it, and callers compare with one.
    start = dif.convert(dif.iota(shape=(count, rows), dtype=I64, dimension=1), dtype=I32)
    packed, order, pivots = column_loop(size, [x, start], [], step)
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
