"""Derivatives and batching of reading and writing at run-time positions.

All are linear in the arrays and constant in the positions. A batched `dynamic_slice` whose starts differ from lane to
lane is a `gather`, and `dynamic_update_slice` a `scatter`; with common starts they stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import JVP, Node, defbatch, deflinear
from difc.ad_pass.rules._common import (
    clamped_start,
    inverse,
    mapped,
    mapped_all,
    move_dim,
    permuted,
    range_along,
    shifted,
)
from difc.ad_pass.zero import Linear, Tangent, Zero, const_like, instantiate, scalar, shape_of, zeros_like
from difc.dialects import I64, aval_of, clone_op, window_dims
from difc.dialects.base import Ints
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, product

__all__: list[str] = []


# ---- gather and scatter_add: transposes of each other --------------------------------------------


def _gather_transpose(ct: ir.Value, x: Linear, indices: ir.Value, **form: Any) -> ir.Value:
    return dif.scatter_add(zeros_like(x), indices, ct, **form)


def _scatter_add_transpose(ct: ir.Value, x: Any, indices: ir.Value, updates: Any, **form: Any) -> tuple[Any, Any]:
    return ct, dif.gather(ct, indices, **form) if isinstance(updates, Linear) else None


def _scatter_add_jvp(
    node: Node, primals: list[ir.Value], tangents: list[Tangent]
) -> tuple[list[ir.Value], list[Tangent]]:
    outs = clone_op(node.operation, primals)
    tx, _, tu = tangents
    if isinstance(tu, Zero):
        return outs, [tx]
    return outs, [dif.scatter_add(instantiate(tx, primals[0]), primals[1], tu, **node.attributes)]


deflinear(dif.gather, _gather_transpose)
deflinear(dif.scatter_add, _scatter_add_transpose, slots=(0, 2))
JVP[dif.scatter_add.name] = _scatter_add_jvp  # spares a scatter of zeros where only `x` varies

# ---- scatter: the last of equal points wins ------------------------------------------------------


def _winners(x: Any, indices: ir.Value, axes: Ints, batch: int, mode: str) -> ir.Value:
    """Say for each point whether its update is in the result: number the points, scatter the numbers, read them back.

    A point out of bounds in mode "fill" is undecided.
    """
    sizes, points = shape_of(x), shape_of(indices)[:-1]
    order = sorted(axes)
    board = [*sizes[:batch], *(sizes[a] for a in order)]
    form = {"axes": tuple(batch + order.index(a) for a in axes), "batch": batch, "mode": mode}
    count = product(points)
    numbers = dif.iota(shape=(count,), dtype=I64, dimension=0)
    numbers = dif.reshape(numbers, shape=tuple(points))
    written = dif.scatter(dif.zeros(shape=tuple(board), dtype=I64), indices, numbers, **form)
    return dif.compare(dif.gather(written, indices, **form), numbers, direction="eq")


def _scatter_transpose(
    ct: ir.Value, x: Any, indices: ir.Value, updates: Any, *, axes: Ints, batch: int, mode: str
) -> tuple[Any, Any]:
    form = {"axes": axes, "batch": batch, "mode": mode}
    to_x = to_updates = None
    if isinstance(x, Linear):
        to_x = dif.scatter(ct, indices, zeros_like(updates), **form)
    if isinstance(updates, Linear):
        wins = _winners(x, indices, axes, batch, mode)
        sizes = tuple(shape_of(updates))
        wins = dif.broadcast_in_dim(wins, shape=sizes, dimensions=tuple(range(aval_of(wins).ndim)))
        # where `wins` is undecided, gather reads 0
        to_updates = dif.select(wins, dif.gather(ct, indices, **form), zeros_like(updates))
    return to_x, to_updates


deflinear(dif.scatter, _scatter_transpose, slots=(0, 2))

# ---- scatter_mul, scatter_min and scatter_max ----------------------------------------------------


def _combined_jvp(shares: Any) -> Any:
    """Return the jvp rule of a scatter from the weights that the tangents of `x` and of the updates get."""

    def rule(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
        (out,) = clone_op(node.operation, primals)
        (tx, _, tu), (x, indices, updates), form = tangents, primals, node.attributes
        of_x, of_updates = shares(out, x, indices, updates, form, isinstance(tu, Zero))
        total: Tangent = tx if isinstance(tx, Zero) else dif.mul(tx, of_x)
        if isinstance(tu, Zero):
            return [out], [total]
        return [out], [dif.scatter_add(instantiate(total, x), indices, dif.mul(tu, of_updates), **form)]

    return rule


def _mark(x: ir.Value, condition: ir.Value) -> ir.Value:
    """Return 1 where a condition holds, else 0, in the dtype of `x`."""
    return dif.convert(condition, dtype=aval_of(x).dtype)


def _extreme_shares(
    out: ir.Value, x: ir.Value, indices: ir.Value, updates: ir.Value, form: dict[str, Any], fixed: bool
) -> tuple[ir.Value, ir.Value]:
    """All that equal the extreme share the derivative evenly, as in `max`."""
    wins = _mark(x, dif.compare(x, out, direction="eq"))
    wins_update = _mark(x, dif.compare(updates, dif.gather(out, indices, **form), direction="eq"))
    count = dif.scatter_add(wins, indices, wins_update, **form)
    at_points = dif.gather(count, indices, **form)
    count, at_points = (dif.max(n, const_like(n, 1.0)) for n in (count, at_points))  # 0 for NaN, and out of bounds
    return dif.div(wins, count), dif.div(wins_update, at_points)


def _product_shares(
    out: ir.Value, x: ir.Value, indices: ir.Value, updates: ir.Value, form: dict[str, Any], fixed: bool
) -> tuple[ir.Value, ir.Value]:
    """Each gets the product of the others.

    With s and q the sums of the zeros among the others and of their squares, that is the product of the rest times 1,
    s, (s^2 - q) / 2 or 0 where there are no, one, two or more of them: all are 0, but have the derivatives of products
    of zeros. (So derivatives are right up to the third.)
    """
    of_x = dif.scatter_mul(const_like(x, 1.0), indices, updates, **form)
    if fixed:
        return of_x, updates

    def split(v: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
        """1 for a zero, the zeros alone, and 1 in their place."""
        is_zero, one, zero = dif.compare(v, zeros_like(v), direction="eq"), const_like(v, 1.0), zeros_like(v)
        return dif.select(is_zero, one, zero), dif.select(is_zero, v, zero), dif.select(is_zero, one, v)

    def others(of_cells: ir.Value, of_updates: ir.Value) -> ir.Value:
        return dif.sub(dif.gather(dif.scatter_add(of_cells, indices, of_updates, **form), indices, **form), of_updates)

    (mark_x, zero_x, rest_x), (mark, zero, rest) = split(x), split(updates)
    product = dif.gather(dif.scatter_mul(rest_x, indices, rest, **form), indices, **form)
    count, none, one = others(mark_x, mark), zeros_like(updates), const_like(updates, 1.0)
    single, squares = others(zero_x, zero), others(dif.mul(zero_x, zero_x), dif.mul(zero, zero))
    double = dif.mul(dif.sub(dif.mul(single, single), squares), const_like(updates, 0.5))
    zeros = none
    for number, product_of_zeros in ((2, double), (1, single), (0, one)):
        here = dif.compare(count, const_like(count, number), direction="eq")
        zeros = dif.select(here, product_of_zeros, zeros)
    return of_x, dif.mul(dif.div(product, rest), zeros)


JVP[dif.scatter_mul.name] = _combined_jvp(_product_shares)
JVP[dif.scatter_min.name] = JVP[dif.scatter_max.name] = _combined_jvp(_extreme_shares)

# ---- blocks --------------------------------------------------------------------------------------


def _read_block(x: ir.Value, starts: Sequence[ir.Value], sizes: Sequence[Size]) -> ir.Value:
    """Return the block at `starts` in the last dims of `x`; `sizes` may be known only at run time."""
    lanes = aval_of(x).ndim - len(starts)
    whole = shape_of(x)[:lanes]
    if all(isinstance(size, int) for size in (*whole, *sizes)):
        return dif.dynamic_slice(x, *[scalar(0, I64)] * lanes, *starts, sizes=(*whole, *sizes))
    for axis, (start, want) in enumerate(zip(starts, sizes, strict=True), lanes):
        have = shape_of(x)[axis]
        if not (isinstance(have, int) and have == want):
            x = range_along(x, axis, clamped_start(start, have, want), want)
    return x


def _update_transpose(ct: ir.Value, x: Any, update: Any, *starts: ir.Value) -> tuple[Any, Any]:
    to_x = dif.dynamic_update_slice(ct, zeros_like(update), *starts) if isinstance(x, Linear) else None
    return to_x, _read_block(ct, starts, shape_of(update)) if isinstance(update, Linear) else None


deflinear(dif.dynamic_slice, lambda ct, x, *starts, sizes: dif.dynamic_update_slice(zeros_like(x), ct, *starts))
deflinear(dif.dynamic_update_slice, _update_transpose, slots=(0, 1))

# ---- batching of gather and the scatters ---------------------------------------------------------


def _gather_batch(
    size: Size, batched: list[bool], x: ir.Value, indices: ir.Value, *, axes: Ints, batch: int, mode: str
) -> ir.Value:
    if all(batched):
        return dif.gather(x, indices, axes=shifted(axes), batch=batch + 1, mode=mode)
    if batched[1]:  # the mapped axis becomes the first dim of points
        found = dif.gather(x, move_dim(indices, 0, batch), axes=axes, batch=batch, mode=mode)
        return move_dim(found, batch, 0)
    # The mapped axis becomes the first dim of the window, so that the indices need not be repeated.
    found = dif.gather(move_dim(x, 0, batch), indices, axes=shifted(axes), batch=batch, mode=mode)
    return move_dim(found, aval_of(indices).ndim - 1, 0)


defbatch(dif.gather, _gather_batch)


def _batch_scatter(opdef: dif.OpDef) -> None:
    def rule(size: Size, batched: list[bool], *operands: ir.Value, axes: Ints, batch: int, mode: str) -> ir.Value:
        return opdef(*mapped_all(size, batched, operands), axes=shifted(axes), batch=batch + 1, mode=mode)

    defbatch(opdef, rule)


for _op in dif.SCATTERS:
    _batch_scatter(_op)

# ---- batching of blocks --------------------------------------------------------------------------


def _block_points(
    size: Size, starts: Sequence[ir.Value], mapped_starts: Sequence[bool], have: Sequence[Size], want: Sequence[Size]
) -> tuple[Ints, ir.Value]:
    """Return the dims in which a block is smaller than its array, and its points there, one block for each lane.

    The points are indices of shape `[lanes, *want[axes], len(axes)]`.
    """
    axes = tuple(d for d, (h, w) in enumerate(zip(have, want, strict=True)) if not (isinstance(h, int) and h == w))
    grid = (size, *(want[d] for d in axes))
    coordinates = None
    for i, d in enumerate(axes):
        start = clamped_start(mapped(starts[d], size, mapped_starts[d]), have[d], want[d])
        column = dif.add(
            dif.broadcast_in_dim(start, shape=grid, dimensions=(0,)), dif.iota(shape=grid, dtype=I64, dimension=i + 1)
        )
        column = dif.broadcast_in_dim(column, shape=(*grid, 1), dimensions=tuple(range(len(grid))))
        coordinates = column if coordinates is None else dif.concatenate(coordinates, column, dimension=len(grid))
    if coordinates is None:
        coordinates = dif.zeros(shape=(*grid, 0), dtype=I64)
    return axes, coordinates


def _block_order(rank: int, axes: Ints) -> Ints:
    """Return the dims of a batched array, in the order in which `gather` leaves them: lanes, points, window."""
    return (0, *shifted(axes), *shifted(window_dims(rank, axes, 0)))


def _dynamic_slice_batch(size: Size, batched: list[bool], x: ir.Value, *starts: ir.Value, sizes: Ints) -> ir.Value:
    if not any(batched[1:]):
        return _read_block(x, starts, sizes)
    have = shape_of(x)[1:] if batched[0] else shape_of(x)
    axes, points = _block_points(size, starts, batched[1:], have, sizes)
    found = dif.gather(x, points, axes=shifted(axes) if batched[0] else axes, batch=int(batched[0]), mode="clip")
    return permuted(found, inverse(_block_order(len(sizes), axes)))


def _update_batch(size: Size, batched: list[bool], x: ir.Value, update: ir.Value, *starts: ir.Value) -> ir.Value:
    x, update = mapped(x, size, batched[0]), mapped(update, size, batched[1])
    if not any(batched[2:]):
        return dif.dynamic_update_slice(x, update, scalar(0, I64), *starts)
    axes, points = _block_points(size, starts, batched[2:], shape_of(x)[1:], shape_of(update)[1:])
    updates = permuted(update, _block_order(len(starts), axes))
    return dif.scatter(x, points, updates, axes=shifted(axes), batch=1, mode="clip")


defbatch(dif.dynamic_slice, _dynamic_slice_batch)
defbatch(dif.dynamic_update_slice, _update_batch)
