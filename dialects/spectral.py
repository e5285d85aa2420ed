"""Orthogonal factorisations of matrices: qr, eigh, svd; and the pseudo-inverse.

The last two dims are the matrix, all others are batches; elements are f32 or f64. A matrix with an element that is not
finite gives factors of NaN (`qr`: wherever they arise), and leaves the other matrices of the batch alone. Vectors of
`eigh` and `svd` are determined up to their sign, and within the space of a repeated value up to any rotation: nothing
more is promised.
"""

from __future__ import annotations

from typing import Any

from difc.dialects.base import Bool, op
from difc.dialects.types import F32, F64, Aval, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = ["eigh", "pinv", "qr", "smaller_dim", "svd"]


def smaller_dim(m: Any, n: Any) -> Any:
    """Return the smaller of two dims, of any kind that type rules compute with."""
    if isinstance(m, int) and isinstance(n, int):
        return min(m, n)
    return m if m is n or m == n else m - (m - n).at_least(0)


def _check_matrix(name: str, x: Aval) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name} takes matrices, not {x}")
    if x.dtype not in (F32, F64):
        raise DtypeError(f"{name} takes float32 or float64 elements, not {x.dtype}")


@op(results=2)
def qr(x: Aval, *, complete: Bool) -> list[Aval]:
    """Factors `q @ r` of `[*b, m, n]`: `q` has orthonormal columns, `r` is upper triangular.

    With k = min(m, n) they are `[*b, m, k]` and `[*b, k, n]`, and `[*b, m, m]` and `[*b, m, n]` if `complete`. Signs
    are those of Householder reflections as LAPACK makes them: unique, and the diagonal of `r` may be negative.

    Derivative: of full column rank in the first k columns. The columns of `q` beyond k are an arbitrary basis of a
    space; they are moved along with it, which is right for results that do not depend on the choice.
    """
    _check_matrix("qr", x)
    *batch, m, n = x.shape
    k = m if complete else smaller_dim(m, n)
    return [Aval((*batch, m, k), x.dtype), Aval((*batch, k, n), x.dtype)]


@op(results=2)
def eigh(x: Aval, *, lower: Bool) -> list[Aval]:
    """Eigenvalues, ascending, and eigenvectors (as columns) of symmetric matrices, of which one triangle is read.

    Derivative, by the triangle that is read: of the eigenvalues always; of the vectors where the values are distinct.
    Vectors of equal values have a derivative of NaN or infinity, as in JAX.
    """
    _check_matrix("eigh", x)
    *batch, m, n = x.shape
    size = same_dim(m, n, "eigh takes square matrices; their sizes")
    return [Aval((*batch, size), x.dtype), Aval((*batch, size, size), x.dtype)]


@op(results=3)
def svd(x: Aval, *, full: Bool) -> list[Aval]:
    """Factors `u`, `s`, `vh` with `x = (u * s) @ vh`: orthonormal columns, values descending, orthonormal rows.

    With k = min(m, n) they are `[*b, m, k]`, `[*b, k]`, `[*b, k, n]`; `u` and `vh` are square if `full`.

    Derivative: of the values where they are not zero; of the vectors where they are distinct and not zero. Of vectors
    with equal or zero values the undefined parts count as zero, as in JAX. Vectors beyond k are moved along with the
    space that they span, which is right for results that do not depend on the choice of its basis.
    """
    _check_matrix("svd", x)
    *batch, m, n = x.shape
    k = smaller_dim(m, n)
    u, vh = (m, n) if full else (k, k)
    return [Aval((*batch, m, u), x.dtype), Aval((*batch, k), x.dtype), Aval((*batch, vh, n), x.dtype)]


@op
def pinv(x: Aval, rtol: Aval) -> Aval:
    """The pseudo-inverse `[*b, n, m]`; singular values of at most `rtol` (one for each matrix) times the largest are 0.

    Derivative: that among matrices of the same rank. It exists for equal singular values, where that of `svd` does not.
    """
    _check_matrix("pinv", x)
    *batch, m, n = x.shape
    if rtol.dtype != x.dtype or rtol.ndim != len(batch):
        raise ShapeError(f"pinv: the tolerances {rtol} are not one for each matrix of {x}")
    lead = [same_dim(a, b, "pinv: batch sizes") for a, b in zip(batch, rtol.shape, strict=True)]
    return Aval((*lead, n, m), x.dtype)
