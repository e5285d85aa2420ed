"""Factorisations of square matrices, and solves with triangular ones.

The last two dims are those of the matrix; all leading dims are batch dims. What has no factor (a matrix that is not
positive definite, a singular one) gives NaN or infinities, never an error.
"""

from __future__ import annotations

from typing import Any

from difc.dialects.base import Bool, op
from difc.dialects.types import F32, F64, I32, Aval, check_same_dtype, same_dim, same_shape
from difc.errors import DtypeError, ShapeError

__all__ = [
    "cholesky",
    "cholesky_cotangent",
    "cholesky_tangent",
    "det",
    "log_det",
    "lu",
    "lu_solve",
    "triangular_solve",
]


def _check_square(name: str, x: Aval) -> Any:
    """Check that `x` is a stack of square matrices of f32 or f64; return their size."""
    if x.dtype not in (F32, F64):
        raise DtypeError(f"{name} works in f32 and f64, not on {x}", remedy="convert the matrix with .astype(float)")
    if x.ndim < 2:
        raise ShapeError(f"{name} takes matrices, not {x}")
    return same_dim(x.shape[-2], x.shape[-1], f"{name} takes square matrices: the last two sizes of {x}")


@op
def cholesky(x: Aval) -> Aval:
    """The lower triangular L with L L^T = x, of which only the lower triangle is read; above the diagonal it is 0.

    Where x is not positive definite all of the lower triangle is NaN. The derivative is that by what is read: of a
    tangent the lower triangle counts, and a cotangent is 0 above the diagonal.
    """
    size = _check_square("cholesky", x)
    return Aval((*x.shape[:-2], size, size), x.dtype)


def _check_like_factor(name: str, factor: Aval, t: Aval) -> Aval:
    _check_square(name, factor)
    check_same_dtype(name, factor, t)
    return Aval(same_shape(name, factor, t), t.dtype)


@op
def cholesky_tangent(factor: Aval, t: Aval) -> Aval:
    """The tangent of L for the tangent t of L L^T, of which only the lower triangle is read: L half(L^-1 t L^-T).

    Half of a symmetric matrix is its lower triangle, with half the diagonal. Linear in t.
    """
    return _check_like_factor("cholesky_tangent", factor, t)


@op
def cholesky_cotangent(factor: Aval, ct: Aval) -> Aval:
    """The cotangent of the lower triangle of L L^T for one of L, of which the lower triangle counts. Linear in ct.

    Above the diagonal it is 0. The transpose of `cholesky_tangent`. It costs twice as much as the factorisation.
    """
    return _check_like_factor("cholesky_cotangent", factor, ct)


@op
def triangular_solve(a: Aval, b: Aval, *, left_side: Bool, lower: Bool, transpose_a: Bool, unit_diagonal: Bool) -> Aval:
    """Solve op(a) x = b (`left_side`) or x op(a) = b, where op(a) is a, or its transpose if `transpose_a`.

    Only the triangle of `a` that `lower` says is read, and its diagonal only unless `unit_diagonal`, which takes it as
    ones. A zero on the diagonal divides as numbers do: infinities and NaN.
    """
    size = _check_square("triangular_solve", a)
    check_same_dtype("triangular_solve", a, b)
    if a.ndim != b.ndim:
        raise ShapeError(f"triangular_solve: operands have different ranks: {a} and {b}")
    lead = [
        same_dim(p, q, f"triangular_solve: batch sizes of {a} and {b}")
        for p, q in zip(a.shape, b.shape[:-2], strict=False)
    ]
    same_dim(size, b.shape[-2 if left_side else -1], f"triangular_solve: sizes of {a} and {b}")
    return Aval((*lead, *b.shape[-2:]), b.dtype)


@op(results=3)
def lu(x: Aval) -> list[Aval]:
    """LU factors with partial pivoting of matrices [m, n] with m >= n: x[permutation] = L U.

    Results: L below the diagonal (its own diagonal is 1) and U on and above it, in one array; the pivots, i32, as in
    LAPACK but from 0: in step i rows i and pivots[i] changed places; and the permutation of all rows, i32, that they
    make together. A column without a pivot other than 0 is left as it is, so that U has a 0 on its diagonal.
    """
    if x.ndim < 2 or not all(isinstance(d, int) for d in x.shape[-2:]):
        size = _check_square("lu", x)
        shape = (*x.shape[:-2], size, size)
    else:
        shape = x.shape
        _check_square("lu", Aval((*shape[:-1], shape[-2]), x.dtype))
        if shape[-2] < shape[-1]:
            raise ShapeError(f"lu takes matrices with at least as many rows as columns, not {x}")
    return [Aval(shape, x.dtype), Aval((*shape[:-2], shape[-1]), I32), Aval(shape[:-1], I32)]


def _check_factors(name: str, a: Aval, packed: Aval, permutation: Aval) -> Any:
    size = _check_square(name, a)
    same_shape(name, a, packed)
    if packed.dtype != a.dtype or permutation.dtype != I32 or permutation.ndim != a.ndim - 1:
        raise DtypeError(f"{name}: {packed} and {permutation} are not what lu gives for {a}")
    return size


@op
def lu_solve(a: Aval, packed: Aval, permutation: Aval, b: Aval, *, transpose_a: Bool) -> Aval:
    """Solve op(a) x = b with the factors that `lu` gave for a; op(a) is a, or its transpose if `transpose_a`.

    The result is a function of a and b alone: a derivative takes the tangent of a, not those of the factors, and
    solves with the same factors again. Of a only derivatives read anything.
    """
    size = _check_factors("lu_solve", a, packed, permutation)
    if a.dtype != b.dtype or a.ndim != b.ndim:
        raise ShapeError(f"lu_solve: operands do not fit together: {a} and {b}")
    lead = [
        same_dim(p, q, f"lu_solve: batch sizes of {a} and {b}") for p, q in zip(a.shape, b.shape[:-2], strict=False)
    ]
    same_dim(size, b.shape[-2], f"lu_solve: sizes of {a} and {b}")
    return Aval((*lead, *b.shape[-2:]), b.dtype)


@op
def log_det(a: Aval, packed: Aval, permutation: Aval) -> Aval:
    """The logarithm of the absolute value of the determinant, with the factors that `lu` gave for a.

    It is a function of a alone, as with `lu_solve`.
    """
    _check_factors("log_det", a, packed, permutation)
    return Aval(a.shape[:-2], a.dtype)


@op
def det(x: Aval) -> Aval:
    """The determinant. Its derivatives exist for singular matrices, too.

    They are right there up to the second, and beyond it where the rank is short by no more than two.
    """
    _check_square("det", x)
    return Aval(x.shape[:-2], x.dtype)
