"""Orthogonal factorisations of numpy.linalg, and what stands on them: qr, eigh, svd, pinv, lstsq, rank, condition.

Everything works on the last two axes, for any leading axes, in float32 and float64 (integers become float64, as in
NumPy). Results have NumPy's field names. Where NumPy stops with a LinAlgError, for NaN and infinity, results are NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.matrices import symmetric
from difc.dialects.mlir import ir
from difc.dialects.types import NamedDim
from difc.numpy.common import NO_VALUE, as_tracer, rank_of, shape_error, shape_of, size_scalar
from difc.numpy.factor import matrices
from difc.numpy.registry import implements, unsupported
from difc.promotion import broadcast_to, to_dtype
from difc.tracer import lift, wrap

__all__ = ["EighResult", "QRResult", "SVDResult"]


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Return Q with orthonormal columns and upper triangular R with a = Q R; only R for mode "r". (numpy.linalg.qr)

    Derivatives need full rank. The columns that "complete" adds are an arbitrary basis; derivatives are right for what
    does not depend on its choice.
    """
    if mode == "raw":
        raise unsupported('numpy.linalg.qr with mode="raw"')
    if mode not in ("reduced", "complete", "r"):
        raise shape_error(f"qr has no mode {mode!r}", 'use "reduced", "complete" or "r"')
    (x,) = matrices("qr", a, square=False)
    q, r = dif.qr(x, complete=mode == "complete")
    return wrap(r) if mode == "r" else QRResult(wrap(q), wrap(r))


# ---- symmetric matrices --------------------------------------------------------------------------


def _eigh(name: str, a: Any, triangle_name: str = "L") -> tuple[Any, Any]:
    """Return eigenvalues and eigenvectors of symmetric matrices; a gradient is that of the triangle that is read."""
    if triangle_name.upper() not in ("L", "U"):
        raise shape_error(f"{name}: UPLO is {triangle_name!r}", 'use "L" for the lower triangle, or "U" for the upper')
    (x,) = matrices(name, a)
    values, vectors = dif.eigh(x, lower=triangle_name.upper() == "L")
    return wrap(values), wrap(vectors)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Return eigenvalues, ascending, and eigenvectors of symmetric matrices, one triangle read. (numpy.linalg.eigh)

    A gradient is that of what is read, as finite differences have it: 0 in the other triangle, and twice as large off
    the diagonal as where both count. `eigh((a + a.T) / 2)`, which is what JAX's does, has symmetric ones. They are not
    defined for the vectors of equal eigenvalues (NaN or infinity).
    """
    return EighResult(*_eigh("eigh", a, UPLO))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of symmetric matrices, ascending; for gradients see `eigh`. (numpy.linalg.eigvalsh)"""
    return _eigh("eigvalsh", a, UPLO)[0]


# ---- singular values -----------------------------------------------------------------------------


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Return U, S, Vh with a = (U * S) @ Vh and S descending; only S if not `compute_uv`. (numpy.linalg.svd)

    Derivatives of the vectors need distinct values that are not zero; parts that are not defined count as 0. The
    vectors that `full_matrices` adds are an arbitrary basis: derivatives are right for what does not depend on it.
    """
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    (x,) = matrices("svd", a, square=False)
    u, s, vh = dif.svd(x, full=bool(full_matrices and compute_uv))
    return SVDResult(wrap(u), wrap(s), wrap(vh)) if compute_uv else wrap(s)


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    w, v = _eigh("svd", a)
    order = np.argsort(-np.abs(w), axis=-1)
    w = np.take_along_axis(w, order, axis=-1)
    if not compute_uv:
        return np.abs(w)
    v = np.take_along_axis(v, order[..., None, :], axis=-1)
    sign = np.where(w < 0, -1.0, 1.0).astype(w.dtype)
    return SVDResult(v, np.abs(w), np.swapaxes(v * sign[..., None, :], -1, -2))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """Return the singular values, descending. (numpy.linalg.svdvals)"""
    return svd(x, compute_uv=False)


def _default_tolerance(x: ir.Value, factor: float = 1.0) -> Any:
    """Return `factor` times the larger size of the matrices, as a number or a traced one."""
    sizes = shape_of(x)[-2:]
    if not any(isinstance(d, NamedDim) for d in sizes):
        return factor * max(sizes)
    rank = aval_of(x).ndim
    counts = [wrap(size_scalar(x, [d], aval_of(x).dtype)) for d in (rank - 2, rank - 1)]
    return np.maximum(*counts) * factor


def _epsilon(x: ir.Value) -> float:
    return float(np.finfo(aval_of(x).dtype).eps)


def _pinv(x: ir.Value, tolerance: Any) -> ir.Value:
    lead = shape_of(x)[:-2]
    rtol = to_dtype(lift(tolerance), aval_of(x).dtype)
    return dif.pinv(x, broadcast_to(rtol, [(rtol, shape_of(rtol)), (x, shape_of(x))], lead))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NO_VALUE) -> Any:
    """Return the pseudo-inverse; singular values up to `rcond` times the largest count as 0. (numpy.linalg.pinv)

    The default of `rcond` is 1e-15, as in NumPy, or the larger size times the dtype's epsilon, if that is more: it is
    in float32, which NumPy computes in float64 inside. `rtol=None` stands for the larger size times epsilon alone. The
    derivative is that among matrices of the same rank; it exists for equal singular values, too.
    """
    (x,) = matrices("pinv", a, square=hermitian)
    x = symmetric(x) if hermitian else x
    if rcond is not None and rtol is not NO_VALUE:
        raise shape_error("pinv takes rcond= or rtol=, not both", "leave out rcond")
    if rcond is None:
        rcond = _default_tolerance(x, _epsilon(x)) if rtol is NO_VALUE or rtol is None else rtol
        rcond = np.maximum(rcond, 1e-15) if rtol is NO_VALUE else rcond
    return wrap(_pinv(x, rcond))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """Return the least squares solution of a x = b, sums of squared residuals, rank and singular values of `a`.

    As numpy.linalg.lstsq, but the residuals are there for a matrix of lower rank, too, since their number cannot
    depend on values: they are empty only if `a` has no more rows than columns. The default of `rcond` is the larger
    size times the epsilon of the dtype that is computed in: float32's in float32, which NumPy solves in float64.
    """
    x, y = matrices("lstsq", a, b, square=False)
    if aval_of(x).ndim != 2 or aval_of(y).ndim not in (1, 2):
        raise shape_error(
            f"lstsq takes one matrix and one right-hand side, not {aval_of(x)} and {aval_of(y)}", "use difc.vmap"
        )
    m, n = shape_of(x)
    if shape_of(y)[0] != m:
        raise shape_error(f"lstsq: a matrix of {m} rows and a right-hand side of {shape_of(y)[0]} do not fit")
    if rcond is None:
        rcond = _default_tolerance(x, _epsilon(x))
    elif not hasattr(rcond, "dtype") and rcond < 0:
        rcond = _epsilon(x)
    matrix, right = wrap(x), wrap(y)
    solution = wrap(_pinv(x, rcond)) @ right
    s = svd(matrix, compute_uv=False)
    rank = np.sum(s > rcond * np.max(s, initial=0.0)).astype(np.int32)
    rest = right - matrix @ solution
    if isinstance(m, int) and isinstance(n, int) and m <= n:
        rest = rest[:0]
        return solution, np.reshape(rest, (0,)) if rest.ndim == 1 else rest[:, 0], rank, s
    residuals = np.sum(rest * rest, axis=0)
    return solution, np.atleast_1d(residuals), rank, s


def _for_each(tolerance: Any) -> Any:
    """Return a tolerance for each matrix, or one for all, in the form that compares with the singular values."""
    return tolerance[..., None] if getattr(tolerance, "ndim", 0) else tolerance


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return the number of singular values above a tolerance, relative (`rtol`) or not. (numpy.linalg.matrix_rank)"""
    if rank_of(A) < 2:
        return np.any(as_tracer(A) != 0).astype(np.int64)
    (x,) = matrices("matrix_rank", A, square=hermitian)
    if tol is not None and rtol is not None:
        raise shape_error("matrix_rank takes tol= or rtol=, not both", "leave out tol")
    s = np.abs(_eigh("matrix_rank", A)[0]) if hermitian else svd(wrap(x), compute_uv=False)
    if tol is None:
        relative = _default_tolerance(x, _epsilon(x)) if rtol is None else rtol
        bound = np.max(s, axis=-1, keepdims=True, initial=0.0) * _for_each(relative)
    else:
        bound = _for_each(tol)
    return np.sum(s > bound, axis=-1)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number of matrices in the norm `p`; by default 2, from singular values. (numpy.linalg.cond)

    As in NumPy it is infinite where it is not defined, and NaN only for a matrix with NaN.
    """
    if p is None or (not isinstance(p, str) and p in (2, -2)):
        (value,) = matrices("cond", x, square=False)
        s = svd(wrap(value), compute_uv=False)
        found = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        (value,) = matrices("cond", x)
        given = wrap(value)
        found = np.linalg.norm(given, ord=p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(given), ord=p, axis=(-2, -1))
    has_nan = np.any(np.isnan(wrap(value)), axis=(-2, -1))
    return np.where(np.isnan(found) & ~has_nan, np.inf, found).astype(aval_of(value).dtype)
