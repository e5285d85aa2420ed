"""Derivatives and batching of factorisations and triangular solves.

A derivative uses the factor that there is: products and triangular solves, no inverse and no second factorisation. As
all of that is linear in the tangent, reverse mode is made of the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.jvp import jvp_block
from difc.ad_pass.registry import JVP, Node, defbatch, defjvp, deftranspose, zero_tangents
from difc.ad_pass.rules._common import mapped, mapped_all, move_dim, slice_along
from difc.ad_pass.zero import Tangent, Zero, const_like, shape_of, zeros_like
from difc.dialects import I32, Builder, OpDef, aval_of, clone_op, current_builder, matrices, new_block
from difc.dialects.matrices import (
    add_diagonal_axis,
    diagonal,
    matmul,
    permutation_sign,
    rows_at,
    strict,
    triangle,
    triangle_mask,
)
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, product

__all__: list[str] = []


def _solve(a: ir.Value, b: ir.Value, **form: bool) -> ir.Value:
    base = {"left_side": True, "lower": True, "transpose_a": False, "unit_diagonal": False}
    return dif.triangular_solve(a, b, **{**base, **form})


# ---- cholesky ------------------------------------------------------------------------------------


defjvp(dif.cholesky, lambda t, factor, x: dif.cholesky_tangent(factor, t))
defbatch(dif.cholesky, lambda size, batched, x: dif.cholesky(x))


def _tangent_along(
    formula: Callable[..., ir.Value], primals: Sequence[ir.Value], tangents: Sequence[Tangent]
) -> ir.Value:
    """Return the tangent of a formula."""
    block = new_block([x.type for x in primals])
    with dif.use_builder(Builder(block, current_builder().location)):
        dif.yield_(formula(*block.arguments))
    _, (tangent,) = jvp_block(block, primals, tangents)
    assert isinstance(tangent, ir.Value)
    return tangent


def _linear_in_tangent(opdef: OpDef, transpose: OpDef, formula: Callable[..., ir.Value]) -> None:
    defjvp(
        opdef,
        lambda t, out, factor, x: _tangent_along(formula, [factor, x], [t, Zero(aval_of(x))]),
        lambda t, out, factor, x: opdef(factor, t),
    )
    deftranspose(opdef, 1, lambda ct, factor, x: transpose(factor, ct))
    defbatch(opdef, lambda size, batched, *operands: opdef(*mapped_all(size, batched, operands)))


_linear_in_tangent(dif.cholesky_tangent, dif.cholesky_cotangent, matrices.cholesky_tangent)
_linear_in_tangent(dif.cholesky_cotangent, dif.cholesky_tangent, matrices.cholesky_cotangent)

# ---- triangular_solve ----------------------------------------------------------------------------


def _solve_jvp_matrix(t: ir.Value, x: ir.Value, a: ir.Value, b: ir.Value, **form: bool) -> ir.Value:
    """-op(a)^-1 (op(t) x), or -(x op(t)) op(a)^-1, where t is what the op reads of the tangent."""
    t = triangle(t, strict(form["lower"], form["unit_diagonal"]))
    moved = (
        matmul(t, x, transpose_x=form["transpose_a"])
        if form["left_side"]
        else matmul(x, t, transpose_y=form["transpose_a"])
    )
    return dif.neg(dif.triangular_solve(a, moved, **form))


def _solve_jvp_right_hand_side(t: ir.Value, x: ir.Value, a: ir.Value, b: ir.Value, **form: bool) -> ir.Value:
    return dif.triangular_solve(a, t, **form)


def _solve_transpose(ct: ir.Value, a: ir.Value, b: Any, **form: bool) -> ir.Value:
    return dif.triangular_solve(a, ct, **{**form, "transpose_a": not form["transpose_a"]})


defjvp(dif.triangular_solve, _solve_jvp_matrix, _solve_jvp_right_hand_side)
deftranspose(dif.triangular_solve, 1, _solve_transpose)


def _solve_batch(size: Size, batched: list[bool], a: ir.Value, b: ir.Value, **form: bool) -> ir.Value:
    if batched[0]:
        return dif.triangular_solve(a, mapped(b, size, batched[1]), **form)
    return _side_by_side(b, form["left_side"], lambda b: dif.triangular_solve(a, b, **form))


def _side_by_side(b: ir.Value, left_side: bool, solve: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """One matrix for all lanes: their right-hand sides stand beside each other, so that it is read once."""
    rank = aval_of(b).ndim
    side = rank - 1 if left_side else rank - 2  # the dim of b that counts right-hand sides
    moved = move_dim(b, 0, side - 1)
    shape = shape_of(moved)
    joined = [*shape[: side - 1], product(shape[side - 1 : side + 1]), *shape[side + 1 :]]
    x = solve(dif.reshape(moved, shape=tuple(joined)))
    return move_dim(dif.reshape(x, shape=tuple(shape)), side - 1, 0)


defbatch(dif.triangular_solve, _solve_batch)

# ---- lu ------------------------------------------------------------------------------------------


def _lu_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    """With M = L^-1 P t U^-1 the tangents of L and U are L times its lower part and its upper part times U.

    Rows of L beyond the square have the tangent t U^-1 less those rows times the upper part.
    """
    packed, pivots, permutation = outs = clone_op(node.operation, primals)
    (t,) = tangents
    if isinstance(t, Zero):
        return outs, zero_tangents(outs)
    rows, size = aval_of(packed).shape[-2:]
    tall = isinstance(rows, int) and isinstance(size, int) and rows > size
    t = rows_at(t, permutation)
    top, first = (_rows(x, 0, size) if tall else x for x in (packed, t))
    inner = _solve(top, _solve(top, first, unit_diagonal=True), left_side=False, lower=False)
    lower, upper = triangle(inner, "gt"), triangle(inner, "le")
    moved = dif.add(matmul(_unit_lower(top), lower), matmul(upper, triangle(top, "le")))
    if tall:
        below = _solve(top, _rows(t, size, rows), left_side=False, lower=False)
        below = dif.sub(below, matmul(_rows(packed, size, rows), upper))
        moved = dif.concatenate(moved, below, dimension=aval_of(packed).ndim - 2)
    return outs, [moved, *zero_tangents([pivots, permutation])]


def _unit_lower(packed: ir.Value) -> ir.Value:
    """The factor L of packed square factors."""
    return dif.select(triangle_mask(packed, "eq"), const_like(packed, 1.0), triangle(packed, "gt"))


def _rows(x: ir.Value, start: int, limit: int) -> ir.Value:
    return slice_along(x, aval_of(x).ndim - 2, start, limit)


JVP[dif.lu.name] = _lu_jvp
defbatch(dif.lu, lambda size, batched, x: dif.lu(x))

# ---- lu_solve and log_det ------------------------------------------------------------------------


def _lu_solve_jvp_matrix(
    t: ir.Value, x: ir.Value, a: ir.Value, packed: ir.Value, permutation: ir.Value, b: ir.Value, *, transpose_a: bool
) -> ir.Value:
    moved = dif.neg(matmul(t, x, transpose_x=transpose_a))
    return dif.lu_solve(a, packed, permutation, moved, transpose_a=transpose_a)


def _lu_solve_jvp_right_hand_side(
    t: ir.Value, x: ir.Value, a: ir.Value, packed: ir.Value, permutation: ir.Value, b: ir.Value, **form: bool
) -> ir.Value:
    return dif.lu_solve(a, packed, permutation, t, **form)


def _lu_solve_transpose(
    ct: ir.Value, a: ir.Value, packed: ir.Value, permutation: ir.Value, b: Any, *, transpose_a: bool
) -> ir.Value:
    return dif.lu_solve(a, packed, permutation, ct, transpose_a=not transpose_a)


def _lu_solve_batch(size: Size, batched: list[bool], *operands: ir.Value, transpose_a: bool) -> ir.Value:
    if any(batched[:3]):
        return dif.lu_solve(*mapped_all(size, batched, operands), transpose_a=transpose_a)
    *factors, b = operands
    return _side_by_side(b, True, lambda b: dif.lu_solve(*factors, b, transpose_a=transpose_a))


defjvp(dif.lu_solve, _lu_solve_jvp_matrix, None, None, _lu_solve_jvp_right_hand_side)
deftranspose(dif.lu_solve, 3, _lu_solve_transpose)
defbatch(dif.lu_solve, _lu_solve_batch)


def _log_det_jvp(t: ir.Value, y: ir.Value, a: ir.Value, packed: ir.Value, permutation: ir.Value) -> ir.Value:
    """The trace of a^-1 t."""
    solved = dif.lu_solve(a, packed, permutation, t, transpose_a=False)
    return dif.reduce_sum(diagonal(solved), axes=(aval_of(y).ndim,))


defjvp(dif.log_det, _log_det_jvp)
defbatch(dif.log_det, lambda size, batched, *operands: dif.log_det(*mapped_all(size, batched, operands)))

# ---- det -----------------------------------------------------------------------------------------

#: How many of the smallest pivots are replaced by others.
_REPLACED = 2


def _det_by_regular_matrix(x: ir.Value) -> ir.Value:
    """A function with the derivatives of the determinant, also where x is singular: det(w) det(1 + e^T w^-1 h).

    a is x, scaled, times two reflections; w = a - h e^T is a with its smallest pivots replaced; h and e are constants.
    Where more pivots than these are 0, the constant factor is, as all derivatives up to that order should be.

    Without the reflections there could be more zeros among the pivots than ranks missing: a column that depends on
    those before it leaves a row unused. When columns are mixed, the last ones are those that depend on the others.
    Without the scales, small columns would be lost in large ones then.
    """
    scaled, scales = _scaled(x)
    a = _reflected(_reflected(scaled, dif.sqrt), dif.rsqrt)
    packed, pivots, permutation = dif.lu(dif.stop_gradient(a))
    pivot, rank = diagonal(packed), aval_of(pivots).ndim
    place = _place_by_size(pivot)
    replaced = _replaced(pivot, dif.compare(place, const_like(place, _REPLACED), direction="lt"))
    sign = permutation_sign(pivots, aval_of(a).dtype)
    constant = dif.mul(sign, dif.reduce_prod(dif.mul(replaced, scales), axes=(rank - 1,)))
    nothing = dif.compare(replaced, zeros_like(pivot), direction="eq")
    replaced = dif.select(nothing, const_like(pivot, 1.0), replaced)

    shape, along = (*shape_of(pivot), _REPLACED), tuple(range(rank))
    places = dif.broadcast_in_dim(place, shape=shape, dimensions=along)
    e = dif.compare(places, dif.iota(shape=shape, dtype=I32, dimension=rank), direction="eq")
    e = dif.convert(e, dtype=aval_of(a).dtype)
    gap = dif.broadcast_in_dim(dif.sub(pivot, replaced), shape=shape, dimensions=along)
    h = matmul(_unit_lower(packed), dif.mul(e, gap))
    rows = dif.reshape(permutation, shape=(*shape[:-1], 1))
    h = dif.scatter(zeros_like(h), rows, h, axes=(rank - 1,), batch=rank - 1, mode="clip")
    w = dif.sub(a, matmul(h, e, transpose_y=True))
    packed = dif.select(triangle_mask(packed, "eq"), add_diagonal_axis(replaced, -1), packed)
    logarithm = dif.log_det(w, packed, permutation)
    ratio = dif.exp(dif.sub(logarithm, dif.stop_gradient(logarithm)))  # det(w) / det(w), the second one constant
    inner = matmul(e, dif.lu_solve(w, packed, permutation, h, transpose_a=False), transpose_x=True)
    inner = dif.add(inner, dif.convert(triangle_mask(inner, "eq"), dtype=aval_of(a).dtype))
    return dif.mul(dif.mul(constant, ratio), _det_of_two(inner))


def _scaled(x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return x with rows, then columns, divided by their largest elements; and n constants: the product divided by."""
    scales, last = [], aval_of(x).ndim - 1
    for axis, others in ((-2, last), (-1, last - 1)):
        largest = dif.reduce_max(dif.abs(dif.stop_gradient(x)), axes=(others,))
        nothing = dif.compare(largest, zeros_like(largest), direction="eq")
        scales.append(dif.select(nothing, const_like(largest, 1.0), largest))
        x = dif.div(x, add_diagonal_axis(scales[-1], axis))
    return x, dif.mul(*scales)


def _reflected(x: ir.Value, curve: OpDef) -> ir.Value:
    """Return x (1 - 2 v v^T / v^T v), where v_i = curve(i + 1)."""
    *lead, size = shape_of(x)
    place = dif.iota(shape=(*lead[:-1], size, 1), dtype=aval_of(x).dtype, dimension=len(lead) - 1)
    v = curve(dif.add(place, const_like(place, 1.0)))
    square = matmul(v, v, transpose_x=True)
    scaled = matmul(v, dif.div(const_like(square, 2.0), square))
    return dif.sub(x, matmul(matmul(x, v), scaled, transpose_y=True))


def _replaced(pivot: ir.Value, chosen: ir.Value) -> ir.Value:
    """Return pivots, the chosen ones replaced by the size of the smallest other one, or by 1 if it is 0."""
    last = aval_of(pivot).ndim - 1
    sizes = dif.select(chosen, const_like(pivot, math.inf), dif.abs(pivot))
    least = dif.reduce_min(sizes, axes=(last,))
    usual = dif.and_(*(dif.compare(least, const_like(least, end), direction="ne") for end in (0.0, math.inf)))
    least = dif.select(usual, least, const_like(least, 1.0))
    least = dif.broadcast_in_dim(least, shape=tuple(shape_of(pivot)), dimensions=tuple(range(last)))
    return dif.select(chosen, least, pivot)


def _place_by_size(x: ir.Value) -> ir.Value:
    """The place, i32, that each element of vectors has among them by its absolute value."""
    size, last = dif.abs(x), aval_of(x).ndim - 1
    mine, other = add_diagonal_axis(size, -2), add_diagonal_axis(size, -1)
    before = dif.and_(dif.compare(other, mine, direction="eq"), triangle_mask(mine, "gt"))
    before = dif.or_(before, dif.compare(other, mine, direction="lt"))
    return dif.reduce_sum(dif.convert(before, dtype=I32), axes=(last + 1,))


def _det_of_two(x: ir.Value) -> ir.Value:
    """The determinants of 2 by 2 matrices."""
    *lead, _, _ = shape_of(x)

    def element(i: int, j: int) -> ir.Value:
        row = _rows(x, i, i + 1)
        return dif.reshape(slice_along(row, len(lead) + 1, j, j + 1), shape=tuple(lead))

    return dif.sub(dif.mul(element(0, 0), element(1, 1)), dif.mul(element(0, 1), element(1, 0)))


defjvp(dif.det, lambda t, y, x: _tangent_along(_det_by_regular_matrix, [x], [t]))
defbatch(dif.det, lambda size, batched, x: dif.det(x))
