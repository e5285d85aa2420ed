"""Constructions on stacks of matrices that rules, decompositions and the frontend share, built of ops of the dialect.

A stack has any number of batch dims before the two of its matrices; sizes may be known only at run time. Imports only
this package.
"""

from __future__ import annotations

import numpy as np

from difc.dialects.contraction import dot_general
from difc.dialects.creation import constant, dim, iota, zeros
from difc.dialects.elementwise import add, and_, compare, convert, mul, select, sub
from difc.dialects.factor import triangular_solve
from difc.dialects.indexing import gather
from difc.dialects.mlir import ir
from difc.dialects.reduction import reduce_sum
from difc.dialects.shape import broadcast_in_dim, pad, reshape, transpose
from difc.dialects.sizes import Size
from difc.dialects.types import I32, aval_of

__all__ = [
    "add_diagonal_axis",
    "cholesky_cotangent",
    "cholesky_tangent",
    "diagonal",
    "framed",
    "half",
    "matmul",
    "matrix_transpose",
    "permutation_sign",
    "rows_at",
    "sizes_of",
    "splat",
    "strict",
    "symmetric",
    "triangle",
    "triangle_mask",
]


def sizes_of(x: ir.Value) -> list[Size]:
    """Return the sizes of an array: ints, and i64 scalars for those known only at run time."""
    return [d if isinstance(d, int) else dim(x, dimension=i) for i, d in enumerate(aval_of(x).shape)]


def splat(number: float, like: ir.Value) -> ir.Value:
    """Return an array like `like` with all elements equal to a number."""
    value, shape = constant(value=np.array(number, aval_of(like).dtype)), sizes_of(like)
    return broadcast_in_dim(value, shape=shape, dimensions=()) if shape else value


def matrix_transpose(x: ir.Value) -> ir.Value:
    """Return every matrix transposed."""
    rank = aval_of(x).ndim
    return transpose(x, permutation=(*range(rank - 2), rank - 1, rank - 2))


def matmul(x: ir.Value, y: ir.Value, transpose_x: bool = False, transpose_y: bool = False) -> ir.Value:
    """Return the products of two stacks of matrices with the same batch dims."""
    rank = aval_of(x).ndim
    batch = tuple(range(rank - 2))
    return dot_general(
        x,
        y,
        lhs_batch=batch,
        rhs_batch=batch,
        lhs_contract=(rank - 2 if transpose_x else rank - 1,),
        rhs_contract=(rank - 1 if transpose_y else rank - 2,),
    )


def framed(x: ir.Value, low: tuple[int, int], high: tuple[int, int]) -> ir.Value:
    """Return matrices with so many rows and columns of zeros before and after theirs."""
    none = (0,) * (aval_of(x).ndim - 2)
    zero = constant(value=np.array(0, aval_of(x).dtype))
    return pad(x, zero, low=(*none, *low), high=(*none, *high), interior=(*none, 0, 0))


def triangle_mask(x: ir.Value, direction: str, offset: int = 0) -> ir.Value:
    """Return where row and column compare so: "ge" is the lower triangle, "gt" the strict one, "eq" the diagonal.

    Args:
      offset: which diagonal: `column - row`.
    """
    shape, rank = tuple(sizes_of(x)), aval_of(x).ndim
    rows, columns = (iota(shape=shape, dtype=I32, dimension=d) for d in (rank - 2, rank - 1))
    if offset:
        rows = add(rows, splat(offset, rows))
    return compare(rows, columns, direction=direction)


def triangle(x: ir.Value, direction: str) -> ir.Value:
    """Return the matrices with zeros where `triangle_mask` does not hold."""
    return select(triangle_mask(x, direction), x, zeros(shape=tuple(sizes_of(x)), dtype=aval_of(x).dtype))


def strict(lower: bool, unit: bool) -> str:
    """Return the direction of the triangle that a triangular solve reads."""
    return ("gt" if unit else "ge") if lower else ("lt" if unit else "le")


def diagonal(x: ir.Value) -> ir.Value:
    """Return the diagonals of square matrices."""
    return reduce_sum(triangle(x, "eq"), axes=(aval_of(x).ndim - 1,))


def add_diagonal_axis(x: ir.Value, axis: int) -> ir.Value:
    """Repeat a stack of vectors [..., n] to [..., n, n]; the vector lies along `axis`, -1 (rows) or -2 (columns)."""
    shape, rank = sizes_of(x), aval_of(x).ndim
    place = rank if axis == -1 else rank - 1
    return broadcast_in_dim(x, shape=(*shape, shape[-1]), dimensions=(*range(rank - 1), place))


def rows_at(x: ir.Value, rows: ir.Value) -> ir.Value:
    """Return the rows (of matrices, or elements of vectors) that integer indices [..., n] name, for each of a stack."""
    batch = aval_of(rows).ndim - 1
    indices = reshape(rows, shape=(*sizes_of(rows), 1))
    return gather(x, indices, axes=(batch,), batch=batch, mode="clip")


def permutation_sign(pivots: ir.Value, dtype: np.dtype) -> ir.Value:
    """Return 1 or -1: the determinants of the permutations that the pivots of `lu` make."""
    places = iota(shape=tuple(sizes_of(pivots)), dtype=I32, dimension=aval_of(pivots).ndim - 1)
    swaps = convert(compare(pivots, places, direction="ne"), dtype=I32)
    count = reduce_sum(swaps, axes=(aval_of(pivots).ndim - 1,))
    odd = convert(and_(count, splat(1, count)), dtype=dtype)
    return sub(splat(1, odd), add(odd, odd))


# ---- formulas ------------------------------------------------------------------------------------


def half(x: ir.Value) -> ir.Value:
    """Return the lower triangle with half the diagonal: what added to its transpose gives a symmetric matrix."""
    scaled = select(triangle_mask(x, "eq"), mul(splat(0.5, x), x), x)
    return triangle(scaled, "ge")


def symmetric(x: ir.Value) -> ir.Value:
    """Return the symmetric matrices with the lower triangle of `x`."""
    return add(triangle(x, "ge"), matrix_transpose(triangle(x, "gt")))


def cholesky_tangent(factor: ir.Value, t: ir.Value) -> ir.Value:
    """Build what the op of that name means, of solves and a product."""
    inner = _solve(factor, symmetric(t))
    return matmul(factor, half(_solve(factor, inner, left_side=False, transpose_a=True)))


def cholesky_cotangent(factor: ir.Value, ct: ir.Value) -> ir.Value:
    """Build what the op of that name means, of a product and solves."""
    inner = half(matmul(factor, triangle(ct, "ge"), transpose_x=True))
    both = add(inner, matrix_transpose(inner))  # twice what belongs to the whole of a symmetric matrix
    return half(_solve(factor, _solve(factor, both, transpose_a=True), left_side=False))


def _solve(a: ir.Value, b: ir.Value, left_side: bool = True, transpose_a: bool = False) -> ir.Value:
    return triangular_solve(a, b, left_side=left_side, lower=True, transpose_a=transpose_a, unit_diagonal=False)
