"""Derivatives and batching of factorisations and triangular solves.

A derivative uses the factor that there is: products and triangular solves, no inverse and no second factorisation. As
all of that is linear in the tangent, reverse mode is made of the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from difc import dialects as dif
from difc.ad_pass.jvp import jvp_block
from difc.ad_pass.registry import JVP, Node, defbatch, defjvp, deftranspose, zero_tangents
from difc.ad_pass.rules._common import Size, mapped, mapped_all, move_dim, product
from difc.ad_pass.zero import Tangent, Zero, const_like, shape_of, zeros_like
from difc.dialects import I64, Builder, OpDef, aval_of, clone_op, current_builder, matrices, new_block
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

__all__: list[str] = []


def _solve(a: ir.Value, b: ir.Value, **form: bool) -> ir.Value:
    base = {"left_side": True, "lower": True, "transpose_a": False, "unit_diagonal": False}
    return dif.triangular_solve(a, b, **{**base, **form})


# ---- cholesky ------------------------------------------------------------------------------------


defjvp(dif.cholesky, lambda t, factor, x: dif.cholesky_tangent(factor, t))
defbatch(dif.cholesky, lambda size, batched, x: dif.cholesky(x))


def _along_factor(formula: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    """Return the partial derivative by the factor of an op with a formula."""

    def partial(t: ir.Value, out: ir.Value, factor: ir.Value, x: ir.Value) -> ir.Value:
        block = new_block([factor.type, x.type])
        with dif.use_builder(Builder(block, current_builder().location)):
            dif.yield_(formula(*block.arguments))
        _, (tangent,) = jvp_block(block, [factor, x], [t, Zero(aval_of(x))])
        assert isinstance(tangent, ir.Value)
        return tangent

    return partial


def _linear_in_tangent(opdef: OpDef, transpose: OpDef, formula: Callable[..., ir.Value]) -> None:
    defjvp(opdef, _along_factor(formula), lambda t, out, factor, x: opdef(factor, t))
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
    unit = dif.select(triangle_mask(top, "eq"), const_like(top, 1.0), triangle(top, "gt"))
    moved = dif.add(matmul(unit, lower), matmul(upper, triangle(top, "le")))
    if tall:
        below = _solve(top, _rows(t, size, rows), left_side=False, lower=False)
        below = dif.sub(below, matmul(_rows(packed, size, rows), upper))
        moved = dif.concatenate(moved, below, dimension=aval_of(packed).ndim - 2)
    return outs, [moved, *zero_tangents([pivots, permutation])]


def _rows(x: ir.Value, start: int, limit: int) -> ir.Value:
    shape = aval_of(x).shape
    limits = [d if isinstance(d, int) else -1 for d in shape]
    starts = [0] * len(shape)
    starts[-2], limits[-2] = start, limit
    return dif.slice(x, start=starts, limit=limits, stride=(1,) * len(shape))


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


def _det_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    """The trace of adj(x) t, without a division by the smallest pivot.

    With u the smallest diagonal element of U, in row k, and V as U but with 1 there, U^-1 det(U) is
    d (u V^-1 + (1 - u) V^-1 e_k e_k^T V^-1), where d is the product of the other ones. If d is 0, two pivots are, and
    so are all cofactors: then any V will do, and it gets 1 for every 0.
    """
    (x,), (t,) = primals, tangents
    packed, pivots, permutation = dif.lu(x)
    sign, pivot = permutation_sign(pivots, aval_of(x).dtype), diagonal(packed)
    out = dif.mul(sign, dif.reduce_prod(pivot, axes=(aval_of(pivot).ndim - 1,)))
    if isinstance(t, Zero):
        return [out], zero_tangents([out])
    solved = _solve(packed, rows_at(t, permutation), unit_diagonal=True)
    return [out], [dif.mul(sign, _adjugate_trace(solved, packed, pivot))]


def _adjugate_trace(x: ir.Value, packed: ir.Value, pivot: ir.Value) -> ir.Value:
    """The trace of det(U) U^-1 x."""
    last = aval_of(pivot).ndim - 1
    shape = tuple(shape_of(pivot))
    along = dif.iota(shape=shape, dtype=I64, dimension=last)
    smallest = dif.argmin(dif.abs(pivot), axis=last)
    here = dif.compare(
        along, dif.broadcast_in_dim(smallest, shape=shape, dimensions=tuple(range(last))), direction="eq"
    )
    one, zero = const_like(pivot, 1.0), zeros_like(pivot)
    others = dif.reduce_prod(dif.select(here, one, pivot), axes=(last,))
    u = dif.reduce_sum(dif.select(here, pivot, zero), axes=(last,))
    replaced = dif.select(here, one, dif.select(dif.compare(pivot, zero, direction="eq"), one, pivot))
    matrix = dif.select(triangle_mask(packed, "eq"), add_diagonal_axis(replaced, -1), packed)
    column = dif.reshape(dif.select(here, one, zero), shape=(*shape, 1))  # e_k
    right = _solve(matrix, column, lower=False)
    left = _solve(matrix, column, lower=False, transpose_a=True)
    trace = dif.reduce_sum(diagonal(_solve(matrix, x, lower=False)), axes=(last,))
    corner = dif.reshape(matmul(matmul(left, x, transpose_x=True), right), shape=tuple(shape_of(trace)))
    both = dif.add(dif.mul(u, trace), dif.mul(dif.sub(const_like(u, 1.0), u), corner))
    return dif.mul(others, both)


JVP[dif.det.name] = _det_jvp
defbatch(dif.det, lambda size, batched, x: dif.det(x))
