"""Derivatives and batching of `qr`, `eigh`, `svd` and `pinv`.

A tangent is made of products with the factors and of one triangular solve with `r`, never of another factorisation.
With the factors given, it is linear in the tangent of the matrix, so reverse mode is made of the same. What each rule
does where a derivative does not exist is said at the op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc import dialects as dif
from difc.ad_pass.registry import JVP, Node, defbatch, defjvp
from difc.ad_pass.rules._common import mapped_all, range_along, slice_along
from difc.ad_pass.zero import Tangent, const_like, scalar, shape_of, zeros_like
from difc.dialects import OpDef, aval_of, clone_op
from difc.dialects.matrices import (
    add_diagonal_axis,
    diagonal,
    framed,
    matmul,
    matrix_transpose,
    triangle,
    triangle_mask,
)
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, minimum, minus, size_value

__all__: list[str] = []


def _defjvp(opdef: OpDef, tangents_of: Callable[..., Sequence[ir.Value]]) -> None:
    """Give the tangents of all results: `tangents_of(t, results, **attributes)`."""

    def rule(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
        outs = clone_op(node.operation, primals)
        return outs, list(tangents_of(tangents[0], outs, **node.attributes))

    JVP[opdef.name] = rule
    defbatch(opdef, lambda size, batched, x, **attributes: opdef(x, **attributes))


def _range(x: ir.Value, axis: int, start: Size, count: Size) -> ir.Value:
    """Return `count` elements from `start` on along an axis, itself where these are all."""
    axis %= aval_of(x).ndim
    size = aval_of(x).shape[axis]
    if isinstance(start, int) and isinstance(count, int) and isinstance(size, int):
        return x if count == size else slice_along(x, axis, start, start + count)
    return range_along(x, axis, size_value(start), count)


def _scaled_columns(x: ir.Value, factors: ir.Value) -> ir.Value:
    rank = aval_of(x).ndim
    return dif.mul(x, dif.broadcast_in_dim(factors, shape=tuple(shape_of(x)), dimensions=(*range(rank - 2), rank - 1)))


# ---- qr ------------------------------------------------------------------------------------------


def _qr_tangents(t: ir.Value, outs: Sequence[ir.Value], *, complete: bool) -> list[ir.Value]:
    """dq = q S + (1 - q q^T) dx r^-1 and dr = q^T dx - S r, where S = q^T dq is skew.

    Below its diagonal S is q^T dx r^-1, of the first k columns of x and r.
    """
    q, r = outs
    m, n, count = shape_of(t)[-2], shape_of(t)[-1], shape_of(q)[-1]
    k = minimum(m, n)
    square = _range(_range(r, -1, 0, k), -2, 0, k)
    solved = dif.triangular_solve(
        square, _range(t, -1, 0, k), left_side=False, lower=False, transpose_a=False, unit_diagonal=False
    )
    inner = matmul(q, solved, transpose_x=True)
    below = _widened(triangle(inner, "gt"), count)
    skew = dif.sub(below, matrix_transpose(below))
    dq = matmul(q, skew)
    if not complete and not (isinstance(m, int) and m == k):
        dq = dif.add(dq, dif.sub(solved, matmul(q, inner)))
    return [dq, triangle(dif.sub(matmul(q, t, transpose_x=True), matmul(skew, r)), "le")]


def _widened(x: ir.Value, columns: Size) -> ir.Value:
    """Return matrices with zeros to the right, up to a number of columns."""
    *lead, k = shape_of(x)
    if isinstance(k, int) and isinstance(columns, int):
        if k == columns:
            return x
        return framed(x, (0, 0), (0, columns - k))
    ones = dif.broadcast_in_dim(scalar(1, aval_of(x).dtype), shape=(*lead[:-1], k, columns), dimensions=())
    return matmul(x, triangle(ones, "eq"))


_defjvp(dif.qr, _qr_tangents)

# ---- eigh ----------------------------------------------------------------------------------------


def _eigh_tangents(t: ir.Value, outs: Sequence[ir.Value], *, lower: bool) -> list[ir.Value]:
    """With M = v^T dx v: dw is its diagonal, and dv = v (F M) with F_ij = 1 / (w_j - w_i), 0 on the diagonal."""
    w, v = outs
    half, rest = ("ge", "gt") if lower else ("le", "lt")
    dx = dif.add(triangle(t, half), matrix_transpose(triangle(t, rest)))
    inner = matmul(v, matmul(dx, v), transpose_x=True)
    on_diagonal = triangle_mask(inner, "eq")
    gaps = dif.sub(add_diagonal_axis(w, -1), add_diagonal_axis(w, -2))
    one = const_like(gaps, 1)
    factors = dif.select(on_diagonal, zeros_like(gaps), dif.div(one, dif.select(on_diagonal, one, gaps)))
    return [diagonal(inner), matmul(v, dif.mul(inner, factors))]


_defjvp(dif.eigh, _eigh_tangents)

# ---- svd -----------------------------------------------------------------------------------------


def _inverse_or_zero(x: ir.Value) -> ir.Value:
    is_zero = dif.compare(x, zeros_like(x), direction="eq")
    one = const_like(x, 1)
    return dif.select(is_zero, zeros_like(x), dif.div(one, dif.select(is_zero, one, x)))


def _svd_tangents(t: ir.Value, outs: Sequence[ir.Value], *, full: bool) -> list[ir.Value]:
    """With M = u^T dx v and F_ij = 1 / (s_j^2 - s_i^2): du = u (F (M s + (M s)^T)) within the space of u, dv alike.

    (Townsend, Differentiating the singular value decomposition, 2016.) The other part of du is (1 - u u^T) dx v / s.
    """
    u, s, vh = outs
    m, n = shape_of(t)[-2:]
    k = minimum(m, n)
    left, right = _range(u, -1, 0, k), _range(vh, -2, 0, k)
    along = matmul(t, right, transpose_y=True)  # dx v
    across = matmul(t, left, transpose_x=True)  # dx^T u
    inner = matmul(left, along, transpose_x=True)
    columns, rows = add_diagonal_axis(s, -1), add_diagonal_axis(s, -2)
    factors = _inverse_or_zero(dif.mul(dif.add(columns, rows), dif.sub(columns, rows)))
    by_column, by_row = dif.mul(inner, columns), dif.mul(inner, rows)
    du = matmul(left, dif.mul(dif.add(by_column, matrix_transpose(by_column)), factors))
    dv = matmul(matrix_transpose(right), dif.mul(dif.add(by_row, matrix_transpose(by_row)), factors))
    inverse = _inverse_or_zero(s)
    du = _with_outside(du, u, left, _scaled_columns(along, inverse), m, k, full)
    v = matrix_transpose(vh)
    dv = _with_outside(dv, v, matrix_transpose(right), _scaled_columns(across, inverse), n, k, full)
    return [du, diagonal(inner), matrix_transpose(dv)]


def _with_outside(
    inside: ir.Value, basis: ir.Value, kept: ir.Value, moved: ir.Value, size: Size, k: Size, full: bool
) -> ir.Value:
    """Add to a tangent the part of `moved` outside of the space of the first k vectors, and join that of the others."""
    if isinstance(size, int) and size == k:
        return inside
    if not full:
        return dif.add(inside, dif.sub(moved, matmul(kept, matmul(kept, moved, transpose_x=True))))
    others = _range(basis, -1, k, minus(size, k))
    turn = matmul(others, moved, transpose_x=True)
    inside = dif.add(inside, matmul(others, turn))
    return dif.concatenate(inside, dif.neg(matmul(kept, turn, transpose_y=True)), dimension=aval_of(inside).ndim - 1)


_defjvp(dif.svd, _svd_tangents)


# ---- pinv ----------------------------------------------------------------------------------------


def _pinv_tangent(t: ir.Value, p: ir.Value, x: ir.Value, rtol: ir.Value | None = None) -> ir.Value:
    """-p dx p + p p^T dx^T (1 - x p) + (1 - p x) dx^T p^T p, with all inner products of the smaller size.

    (Golub and Pereyra, The differentiation of pseudo-inverses, 1973.)
    """
    m, n = shape_of(x)[-2:]
    if isinstance(m, int) and isinstance(n, int) and m < n:
        return matrix_transpose(_pinv_tangent(*(matrix_transpose(y) for y in (t, p, x))))
    first = matmul(matmul(p, t), p)
    second = matmul(matmul(p, p, transpose_y=True), t, transpose_y=True)
    second = dif.sub(second, matmul(matmul(second, x), p))
    third = matrix_transpose(matmul(p, t))
    third = matmul(dif.sub(third, matmul(p, matmul(x, third))), p)
    return dif.add(dif.sub(second, first), third)


defjvp(dif.pinv, _pinv_tangent, None)
defbatch(dif.pinv, lambda size, batched, x, rtol: dif.pinv(*mapped_all(size, batched, [x, rtol])))
