"""LU factors with pivoting, and what is computed with them, as programs of the dialect; see `factor_columns.py`.

A panel is factored column by column, as each needs its pivot; all else of a step is a solve and a matmul.
"""

from __future__ import annotations

from difc import dialects as dif
from difc.dialects import I32, I64, aval_of
from difc.dialects.matrices import diagonal, matmul, permutation_sign, rows_at, sizes_of, splat
from difc.dialects.mlir import ir
from difc.dialects.sizes import product, size_value
from difc.pipelines.lowering import factor_parts
from difc.pipelines.lowering.factor_parts import (
    column_loop,
    cut_to,
    enlarged,
    flat,
    half_of,
    joined,
    outer,
    panel_at,
    panels_in,
    part,
    places,
    repeated_along,
    round_up,
    slice_at,
)

__all__ = ["det", "log_det", "lu", "lu_by_halves", "lu_solve"]

# ---- lu ------------------------------------------------------------------------------------------


def lu(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Build `dif.lu`."""
    return _like(x, *_lu(flat(x)))


def lu_by_halves(x: ir.Value, limit: int) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Build `dif.lu` from smaller ones of at most `limit` columns, and a solve."""
    return _like(x, *_lu_halved(flat(x), limit))


def _unit_solve(a: ir.Value, b: ir.Value) -> ir.Value:
    return dif.triangular_solve(a, b, left_side=True, lower=True, transpose_a=False, unit_diagonal=True)


def _like(x: ir.Value, packed: ir.Value, pivots: ir.Value, order: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    *lead, rows, columns = sizes_of(x)
    shapes = (*lead, rows, columns), (*lead, columns), (*lead, rows)
    packed, pivots, order = (dif.reshape(v, shape=s) for v, s in zip((packed, pivots, order), shapes, strict=True))
    return packed, pivots, order


def _lu(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return the factors of a stack, panel by panel.

    Zeros are added until the last panel is whole; a column of zeros changes nothing.
    """
    batch, rows, columns = sizes_of(x)
    if columns == 0:  # there is no panel to look for pivots in
        return x, dif.zeros(shape=(batch, 0), dtype=I32), _all_places(x)
    width = round_up(columns, factor_parts.PANEL)
    is_known = isinstance(rows, int) and isinstance(columns, int)  # else the matrices are square
    whole = enlarged(x, round_up(rows + width - columns, factor_parts.PANEL) if is_known else width, width)

    def step(k: ir.Value, rest: ir.Value, order: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        start = dif.mul(k, splat(factor_parts.PANEL, k))
        end = dif.add(start, splat(factor_parts.PANEL, k))
        panel, pivots, moves = _lu_columns(panel_at(rest, k, 2), start)
        rest, order = rows_at(rest, moves), rows_at(order, moves)
        right = panel_at(rest, k, 1)
        after = places(right, end, 2, "ge")
        above = dif.select(after, _unit_solve(panel_at(panel, k, 1), right), splat(0.0, right))
        below = dif.select(places(panel, end, 1, "ge"), panel, splat(0.0, panel))
        rest = dif.sub(rest, matmul(below, above))
        zero = size_value(0)
        rest = dif.dynamic_update_slice(rest, dif.select(after, above, right), zero, start, zero)
        return [dif.dynamic_update_slice(rest, panel, zero, zero, start), order], [pivots]

    packed, order, pivots = column_loop(panels_in(width), [whole, _all_places(whole)], [], step)
    *counts, batch = sizes_of(pivots)
    pivots = dif.transpose(dif.reshape(pivots, shape=(product(counts), batch)), permutation=(1, 0))
    pivots = dif.convert(cut_to(pivots, columns, 1), dtype=I32)
    return cut_to(cut_to(packed, rows, 1), columns, 2), pivots, cut_to(order, rows, 1)


def _all_places(x: ir.Value) -> ir.Value:
    """Return the number of each row of each matrix of a stack."""
    # Not an i32 iota: IREE (3.13) fails where the start of a loop is also used after it, and callers compare with one.
    return dif.convert(dif.iota(shape=tuple(sizes_of(x)[:2]), dtype=I64, dimension=1), dtype=I32)


def _lu_halved(x: ir.Value, limit: int) -> tuple[ir.Value, ir.Value, ir.Value]:
    cut = half_of(aval_of(x).shape[-1], limit)
    everything, first, second = slice(None), slice(cut), slice(cut, None)
    left, pivots, order = dif.lu(part(x, everything, first))
    right = rows_at(part(x, everything, second), order)
    above = _unit_solve(part(left, first, first), part(right, first, everything))
    rest = dif.sub(part(right, second, everything), matmul(part(left, second, everything), above))
    corner, more_pivots, more_order = dif.lu(rest)
    below = rows_at(part(left, second, everything), more_order)
    packed = joined((part(left, first, everything), above), (below, corner))
    shift = splat(cut, more_pivots)
    order = dif.concatenate(_columns(order, first), rows_at(_columns(order, second), more_order), dimension=1)
    return packed, dif.concatenate(pivots, dif.add(more_pivots, shift), dimension=1), order


def _columns(x: ir.Value, part: slice) -> ir.Value:
    count, size = aval_of(x).shape
    start, stop, _ = part.indices(size)
    return dif.slice(x, start=(0, start), limit=(count if isinstance(count, int) else -1, stop), stride=(1, 1))


def _lu_columns(x: ir.Value, start: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return the factors of panels whose first pivot comes to row `start`, the pivots, and which rows come where."""

    def step(t: ir.Value, rest: ir.Value, order: ir.Value, start: ir.Value) -> tuple[list[ir.Value], list[ir.Value]]:
        k = dif.add(start, t)
        column = slice_at(rest, t, 2)
        candidates = dif.select(places(column, k, 1, "ge"), dif.abs(column), splat(-1.0, column))
        chosen = dif.argmax(candidates, axis=1)
        moves = _exchange(column, k, chosen)
        rest, order = rows_at(rest, moves), rows_at(order, moves)
        row, column = slice_at(rest, k, 1), slice_at(rest, t, 2)
        pivot = repeated_along(slice_at(row, t, 1), column, (0,))
        divisor = dif.select(dif.compare(pivot, splat(0.0, pivot), direction="eq"), splat(1.0, pivot), pivot)
        factors = dif.div(column, divisor)
        after = dif.select(places(rest, t, 2, "gt"), dif.sub(rest, outer(factors, row)), rest)
        after = dif.select(places(rest, t, 2, "eq"), repeated_along(factors, rest, (0, 1)), after)
        return [dif.select(places(rest, k, 1, "gt"), after, rest), order], [chosen]

    packed, order, pivots = column_loop(factor_parts.PANEL, [x, _all_places(x)], [start], step)
    return packed, pivots, order


def _exchange(column: ir.Value, k: ir.Value, chosen: ir.Value) -> ir.Value:
    """Return which row of each matrix comes where, when row k changes places with the chosen one."""
    place = dif.iota(shape=tuple(sizes_of(column)), dtype=I64, dimension=1)
    moves = dif.select(places(column, chosen, 1, "eq"), repeated_along(k, column, ()), place)
    return dif.select(places(column, k, 1, "eq"), repeated_along(chosen, column, (0,)), moves)


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
