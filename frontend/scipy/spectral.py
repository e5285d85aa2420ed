"""The orthogonal factorisations of scipy.linalg, on those of numpy.linalg; part of `difc.scipy.linalg`.

Each function works on NumPy arrays outside a trace as well; importing this module does not import MLIR. Matrices are in
the last two axes. Options of SciPy that are not here (pivoting, parts of a spectrum) are an error that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.errors import InputError, UnsupportedError
from difc.source import user_frame_location

__all__ = ["eigh", "eigvalsh", "pinv", "qr", "svd", "svdvals"]


def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """Return Q, R with a = Q R; for mode "economic" with min(m, n) columns, for "r" R alone. (scipy.linalg.qr)"""
    _refuse("qr", pivoting=pivoting)
    modes = {"full": "complete", "economic": "reduced", "r": "r"}
    if mode not in modes:
        raise InputError(f"qr: mode is {mode!r}", remedy='use "full", "economic" or "r"')
    if mode == "r":
        return (np.linalg.qr(a, mode="complete")[1],)
    return tuple(np.linalg.qr(a, mode=modes[mode]))  # type: ignore[call-overload]


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """Return U, s, Vh with a = (U * s) @ Vh, or s alone if not `compute_uv`. (scipy.linalg.svd)"""
    if not compute_uv:
        return svdvals(a)
    return tuple(np.linalg.svd(a, full_matrices=full_matrices))


def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Return the singular values, descending. (scipy.linalg.svdvals)"""
    return np.linalg.svd(a, compute_uv=False)


def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Any = None,
) -> Any:
    """Return eigenvalues w and eigenvectors v of a v = w v, or of a v = w b v with b definite. (scipy.linalg.eigh)

    Args:
      lower: which triangle of `a` and `b` is read; a gradient is that of what is read.
      eigvals_only: return w alone.
    """
    _refuse("eigh", subset_by_index=subset_by_index, subset_by_value=subset_by_value, type=type != 1)
    side: Any = "L" if lower else "U"
    if b is None:
        return np.linalg.eigvalsh(a, UPLO=side) if eigvals_only else tuple(np.linalg.eigh(a, UPLO=side))
    from difc.scipy.linalg import solve_triangular

    half, rest = (np.tril(a), np.tril(a, -1)) if lower else (np.triu(a), np.triu(a, 1))
    factor = np.linalg.cholesky(b if lower else np.swapaxes(b, -1, -2))
    inner = solve_triangular(factor, half + np.swapaxes(rest, -1, -2), lower=True)
    inner = solve_triangular(factor, np.swapaxes(inner, -1, -2), lower=True)
    if eigvals_only:
        return np.linalg.eigvalsh(inner)
    values, vectors = np.linalg.eigh(inner)
    return values, solve_triangular(factor, vectors, trans=1, lower=True)


def eigvalsh(a: Any, b: Any = None, *, lower: bool = True, **options: Any) -> Any:
    """Return the eigenvalues that `eigh` gives. (scipy.linalg.eigvalsh)"""
    return eigh(a, b, lower=lower, eigvals_only=True, **options)


def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Any:
    """Return the pseudo-inverse; singular values up to `rtol` times the largest count as 0. (scipy.linalg.pinv)"""
    _refuse("pinv", atol=atol, return_rank=return_rank)
    return np.linalg.pinv(a, rtol=rtol)


def _refuse(name: str, **options: Any) -> None:
    """Raise for an option that is not there.

    Raises:
      UnsupportedError: names the option.
    """
    for option, value in options.items():
        if value is not None and value is not False:
            raise UnsupportedError(
                f"scipy.linalg.{name} with {option}= cannot be traced",
                where=user_frame_location(),
                remedy=f"leave out {option}",
            )
