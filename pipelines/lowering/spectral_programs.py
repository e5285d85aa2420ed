"""`eigh` and `svd` as programs of other ops: what comes before and after the kernels of CPUs, or `spectral_jacobi.py`.

They work on stacks [b, m, n]. Matrices that are not finite are replaced by zeros on the way in and by NaN on the way
out, so that they neither keep a loop running nor touch their neighbours; the others are scaled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difc import dialects as dif
from difc.dialects import I32, I64, OpDef, aval_of
from difc.dialects.matrices import (
    add_diagonal_axis,
    diagonal,
    matmul,
    matrix_transpose,
    sizes_of,
    splat,
    triangle,
    triangle_mask,
)
from difc.dialects.mlir import ir
from difc.dialects.sizes import minimum
from difc.pipelines.lowering.composition import Values, loop
from difc.pipelines.lowering.spectral_householder import eye_like, repeated

__all__ = [
    "eigh_finished",
    "eigh_from_rows",
    "eigh_prepared",
    "eigh_rows",
    "pinv_from_svd",
    "svd_finished",
    "svd_from_rows",
    "svd_prepared",
    "svd_rows",
]


# ---- what both spectral ops need -----------------------------------------------------------------


def _over_matrix(reduce: OpDef, x: ir.Value) -> ir.Value:
    """Reduce a stack [b, m, n] to [b], one dim after the other.

    IREE (3.13) collapses the two dims else, and where it then fuses what has several results of run-time size, it takes
    wrong sizes for their buffers.
    """
    return reduce(reduce(x, axes=(2,)), axes=(1,))


def _prepared(x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return a stack with elements of at most 1, the scale [b] of each matrix, and which [b] are finite."""
    largest = _over_matrix(dif.reduce_max, dif.abs(x))
    is_finite = dif.compare(largest, splat(np.inf, largest), direction="lt")  # false for NaN, which a maximum keeps
    is_usual = dif.and_(is_finite, dif.compare(largest, splat(0, largest), direction="gt"))
    scale = dif.select(is_usual, largest, splat(1, largest))
    shape = sizes_of(x)
    scaled = dif.div(x, repeated(scale, shape, (0,)))
    return dif.select(repeated(is_finite, shape, (0,)), scaled, splat(0, x)), scale, is_finite


def _finished(is_finite: ir.Value, results: Sequence[ir.Value]) -> Values:
    """Return the results with NaN for the matrices that were not finite."""
    return [dif.select(repeated(is_finite, sizes_of(y), (0,)), y, splat(np.nan, y)) for y in results]


def _ordering(values: ir.Value, direction: str) -> ir.Value:
    """Return permutation matrices [b, n, n] with a one at (r, i) if value i [b, n] comes at place r.

    A product with 0 and 1 is exact, and where the vectors came from cost more.
    """
    batch, n = sizes_of(values)
    shape = [batch, n, n]
    own, other = repeated(values, shape, (0, 1)), repeated(values, shape, (0, 2))
    index, other_index = (dif.iota(shape=tuple(shape), dtype=I32, dimension=d) for d in (1, 2))
    is_tied = dif.and_(dif.compare(other, own, direction="eq"), dif.compare(other_index, index, direction="lt"))
    is_before = dif.or_(dif.compare(other, own, direction=direction), is_tied)
    place = dif.reduce_sum(dif.convert(is_before, dtype=aval_of(values).dtype), axes=(2,))
    places = dif.iota(shape=tuple(shape), dtype=aval_of(values).dtype, dimension=1)
    return dif.convert(dif.compare(repeated(place, shape, (0, 2)), places, direction="eq"), dtype=aval_of(values).dtype)


def _applied(matrix: ir.Value, vector: ir.Value) -> ir.Value:
    return dif.dot_general(matrix, vector, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(2,), rhs_contract=(1,))


def _unit_rows(x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the lengths [b, n] of the rows of a stack [b, n, m], and the rows made 1 long (0 where they vanish)."""
    lengths = dif.sqrt(dif.reduce_sum(dif.mul(x, x), axes=(2,)))
    is_short = dif.compare(lengths, splat(_vanishing(lengths), lengths), direction="le")
    divisor = dif.select(is_short, splat(np.inf, lengths), lengths)
    return lengths, dif.div(x, repeated(divisor, sizes_of(x), (0, 1)))


def _vanishing(x: ir.Value) -> float:
    """Return the length below which squares lose their digits."""
    info = np.finfo(aval_of(x).dtype)
    return float(np.sqrt(info.tiny / info.eps))


# ---- eigh ----------------------------------------------------------------------------------------


def eigh_prepared(x: ir.Value, *, lower: bool) -> Values:
    """Return the symmetric matrices with elements of at most 1; then what `eigh_finished` needs."""
    half = triangle(x, "ge" if lower else "le")
    other = matrix_transpose(triangle(x, "gt" if lower else "lt"))
    return list(_prepared(dif.add(half, other)))


def eigh_finished(scale: ir.Value, is_finite: ir.Value, values: ir.Value, *vectors: ir.Value) -> Values:
    """Return eigenvalues [b, n] and, if they are there, eigenvectors: of what `eigh_prepared` was given."""
    return _finished(is_finite, [dif.mul(values, repeated(scale, sizes_of(values), (0,))), *vectors])


def eigh_rows(x: ir.Value, *, lower: bool) -> Values:
    """Return rows to be made orthogonal: they become multiples of the eigenvectors. Then what `eigh_from_rows` needs.

    They are 1.5 I + A, with A scaled to a norm of at most 1: the shift makes it definite and well conditioned.
    """
    a, scale, is_finite = eigh_prepared(x, lower=lower)
    square = matmul(a, a)
    norm = _over_matrix(dif.reduce_sum, dif.mul(square, square))
    for _ in range(2):
        norm = dif.sqrt(norm)  # the fourth root: within n^(1/4) of the largest eigenvalue, and never below it
    norm = dif.select(dif.compare(norm, splat(0, norm), direction="gt"), norm, splat(1, norm))
    a = dif.div(a, repeated(norm, sizes_of(a), (0,)))
    shift = dif.select(triangle_mask(a, "eq"), splat(1.5, a), splat(0, a))
    return [dif.add(a, shift), a, norm, scale, is_finite]


def eigh_from_rows(rows: ir.Value, a: ir.Value, norm: ir.Value, scale: ir.Value, is_finite: ir.Value) -> Values:
    """Return eigenvalues and eigenvectors, in order, with their errors (some times n ulp) refined away."""
    _, vectors = _unit_rows(rows)
    values, vectors = _refined(a, vectors)
    order = _ordering(values, "lt")
    values = dif.mul(_applied(order, values), repeated(norm, sizes_of(values), (0,)))
    return eigh_finished(scale, is_finite, values, matmul(vectors, order, transpose_x=True, transpose_y=True))


def _refined(a: ir.Value, vectors: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return eigenvalues [b, n] of symmetric `a` of norm 1, and the eigenvectors (as rows) with their errors squared.

    After Ogita and Aishima, Iterative refinement for symmetric eigenvalue decomposition (2018). Where two values are
    so close that the correction would not be small, their vectors are only made orthogonal.
    """
    one = dif.select(triangle_mask(a, "eq"), splat(1, a), splat(0, a))
    defect = dif.sub(one, matmul(vectors, vectors, transpose_y=True))
    inner = matmul(matmul(vectors, a), vectors, transpose_y=True)
    values = dif.div(diagonal(inner), diagonal(dif.sub(one, defect)))
    columns, rows = add_diagonal_axis(values, -1), add_diagonal_axis(values, -2)
    gap, mean, half = dif.sub(columns, rows), dif.add(columns, rows), splat(0.5, inner)
    # symmetric to the last bit, so that the rotation keeps the vectors as orthogonal as they are
    mixed = dif.mul(half, dif.add(dif.add(inner, matrix_transpose(inner)), dif.mul(mean, defect)))
    small = splat(float(np.sqrt(np.finfo(aval_of(a).dtype).eps)), gap)
    is_apart = dif.compare(dif.abs(mixed), dif.mul(small, dif.abs(gap)), direction="lt")
    rotation = dif.select(is_apart, dif.div(mixed, dif.select(is_apart, gap, splat(1, gap))), splat(0, gap))
    correction = dif.add(rotation, dif.mul(half, defect))
    vectors = dif.add(vectors, matmul(correction, vectors, transpose_x=True))
    return values, vectors


# ---- svd -----------------------------------------------------------------------------------------


def svd_rows(x: ir.Value) -> Values:
    """Return rows to be made orthogonal, and an identity to be rotated with them; then what `svd_from_rows` needs.

    The rows are those of R, or of x itself if it is square (m >= n where sizes are known).
    """
    a, scale, is_finite = _prepared(x)
    batch, m, n = sizes_of(a)
    k = minimum(m, n)
    identity = eye_like((batch, k, k), aval_of(x).dtype)
    if isinstance(m, int) and m == n:
        return [a, identity, scale, is_finite]
    q, r = dif.qr(a, complete=False)
    return [r, identity, scale, is_finite, q]


def svd_from_rows(
    rows: ir.Value, turn: ir.Value, scale: ir.Value, is_finite: ir.Value, q: ir.Value | None = None, *, full: bool
) -> Values:
    """Return `u`, `s` and `vh` from orthogonal rows and the rotation: their lengths are the singular values."""
    s, vh = _unit_rows(rows)
    order = _ordering(s, "gt")
    s, vh, turn = _applied(order, s), matmul(order, vh), matmul(order, turn)
    u = matrix_transpose(turn) if q is None else matmul(q, turn, transpose_y=True)
    if full and q is not None:
        u = _completed(u, True)
    k, n = aval_of(vh).shape[1:]
    if full and not (isinstance(n, int) and k == n):
        vh = matrix_transpose(_completed(matrix_transpose(vh), True))
    else:
        vh = _without_gaps(s, vh)
    return _finished(is_finite, [u, dif.mul(s, repeated(scale, sizes_of(s), (0,))), vh])


def _without_gaps(s: ir.Value, vh: ir.Value) -> ir.Value:
    """Return orthonormal rows, where those that belong to a singular value of zero were left as zeros."""
    smallest = dif.reduce_min(s, axes=(0, 1))
    has_gaps = dif.compare(smallest, splat(_vanishing(s), smallest), direction="le")

    def complete(carry: Values, _: Values, consts: Values) -> tuple[Values, Values]:
        return [matrix_transpose(_completed(matrix_transpose(carry[0]), False))], []

    return loop(complete, [vh], dif.convert(has_gaps, dtype=I64))[0]  # a loop of one step, or of none


def _completed(columns: ir.Value, complete: bool) -> ir.Value:
    """Return orthonormal columns (a whole basis if `complete`) that begin with those given, of which some may be 0."""
    q, r = dif.qr(columns, complete=complete)
    batch = sizes_of(q)[0]
    rows = dif.reduce_sum(triangle(r, "eq"), axes=(2,))  # the diagonal, 1 or -1 where a column was there
    signs = dif.select(dif.compare(rows, splat(0, rows), direction="lt"), splat(-1, rows), splat(1, rows))
    return dif.mul(q, repeated(signs, [batch, *sizes_of(q)[1:]], (0, 2)))


def svd_prepared(x: ir.Value, *, vectors: bool) -> Values:
    """Return square matrices with elements of at most 1, then what `svd_finished` needs for values, or `vectors` too.

    They are the R of x, where it is not square, or L, the transposed R of that (m >= n where sizes are known).
    """
    a, scale, is_finite = _prepared(x)
    _, m, n = sizes_of(a)
    if isinstance(m, int) and m == n:
        return [a, scale, is_finite]
    q, r = dif.qr(a, complete=False)
    if isinstance(m, int) and isinstance(n, int):
        return [r, scale, is_finite, *[q] * vectors]
    other, transposed = dif.qr(matrix_transpose(r), complete=False)
    return [matrix_transpose(transposed), scale, is_finite, *[q, other] * vectors]


def svd_finished(
    u: ir.Value,
    s: ir.Value,
    vh: ir.Value,
    scale: ir.Value,
    is_finite: ir.Value,
    q: ir.Value | None = None,
    other: ir.Value | None = None,
    *,
    full: bool,
) -> Values:
    """Return `u`, `s` and `vh` of what `svd_prepared` was given, from those of what it returned."""
    u = u if q is None else matmul(q, u)
    vh = vh if other is None else matmul(vh, other, transpose_y=True)
    if full and q is not None:
        u = _completed(u, True)
    if full and other is not None:
        vh = matrix_transpose(_completed(matrix_transpose(vh), True))
    return _finished(is_finite, [u, dif.mul(s, repeated(scale, sizes_of(s), (0,))), vh])


# ---- pinv ----------------------------------------------------------------------------------------


def pinv_from_svd(u: ir.Value, s: ir.Value, vh: ir.Value, rtol: ir.Value) -> ir.Value:
    """Return the pseudo-inverses; `rtol` is [b]."""
    bound = dif.mul(rtol, dif.reduce_max(s, axes=(1,)))
    is_dropped = dif.compare(s, repeated(bound, sizes_of(s), (0,)), direction="le")
    inverse = dif.select(is_dropped, splat(0, s), dif.div(splat(1, s), s))
    v = matrix_transpose(vh)
    return matmul(dif.mul(v, repeated(inverse, sizes_of(v), (0, 2))), u, transpose_y=True)
