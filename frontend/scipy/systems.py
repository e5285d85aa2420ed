"""What scipy.linalg has by the names of numpy.linalg, with SciPy's arguments; part of `difc.scipy.linalg`.

Each function works on NumPy arrays outside a trace as well; importing this module does not import MLIR. Matrices are in
the last two axes, for any leading axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.errors import InputError
from difc.scipy.common import matrices

__all__ = ["cholesky", "det", "inv", "norm", "solve"]

_FORMS: dict[str | None, str] = {
    **dict.fromkeys((None, "general", "gen", "tridiagonal", "banded"), "general"),
    **dict.fromkeys(("symmetric", "sym", "hermitian", "her"), "symmetric"),
    **dict.fromkeys(("positive definite", "pos"), "definite"),
    **{form: form for form in ("diagonal", "upper triangular", "lower triangular")},
}


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Return the upper factor U with a = U^T U, or the lower one with a = L L^T. (scipy.linalg.cholesky)

    Only that triangle of `a` is read; a gradient has its shape. numpy.linalg.cholesky gives the lower one by default.

    Example:
      >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
      array([[2., 1.],
             [0., 2.]])
    """
    return np.linalg.cholesky(a, upper=not lower)


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Return the determinants of square matrices. (scipy.linalg.det)"""
    return np.linalg.det(a)


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """Return the norm of a matrix or vector, as numpy.linalg.norm does. (scipy.linalg.norm)"""
    return np.linalg.norm(a, ord=ord, axis=axis, keepdims=keepdims)


def inv(
    a: Any, overwrite_a: bool = False, check_finite: bool = True, *, assume_a: str | None = None, lower: bool = False
) -> Any:
    """Return the inverses of square matrices; `assume_a` and `lower` are those of `solve`. (scipy.linalg.inv)"""
    if _form("inv", assume_a) == "general":
        return np.linalg.inv(a)
    from difc import numpy as dnp

    (a,) = matrices("inv", a)
    return solve(a, dnp.eye(np.shape(a)[-1], dtype=a.dtype), lower=lower, assume_a=assume_a)


def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Any:
    """Return x with a x = b, or a^T x = b if `transposed`. (scipy.linalg.solve)

    Args:
      a: square matrices.
      b: a vector, or matrices.
      lower: which triangle of a symmetric or positive definite matrix is read; the gradient is that of what is read.
      assume_a: "pos" solves by a Cholesky factor, "upper triangular" and "lower triangular" by substitution, "diagonal"
        by division; "sym" and "her" read one triangle; all else is the general case.

    Raises:
      InputError: for another `assume_a`.

    Example:
      >>> solve(np.array([[2.0, 0.0], [1.0, 4.0]]), np.array([2.0, 9.0]), assume_a="lower triangular")
      array([1., 2.])
    """
    form = _form("solve", assume_a)
    if form == "definite":
        from difc.scipy.linalg import cho_factor, cho_solve

        return cho_solve(cho_factor(a, lower), b)
    if form.endswith("triangular"):
        from difc.scipy.linalg import solve_triangular

        return solve_triangular(a, b, trans=int(transposed), lower=form.startswith("lower"))
    if form == "diagonal":
        diagonal = np.diagonal(a, axis1=-2, axis2=-1)
        return b / (diagonal if np.ndim(b) == 1 else diagonal[..., None])
    if form == "symmetric":
        half, rest = (np.tril(a), np.tril(a, -1)) if lower else (np.triu(a), np.triu(a, 1))
        return np.linalg.solve(half + np.swapaxes(rest, -1, -2), b)
    return np.linalg.solve(np.swapaxes(a, -1, -2) if transposed else a, b)


def _form(name: str, assume_a: str | None) -> str:
    """Return what is to be done for `assume_a`.

    Raises:
      InputError: if SciPy has no such form.
    """
    if assume_a not in _FORMS:
        known = ", ".join(repr(form) for form in _FORMS if form)
        raise InputError(f"{name}: assume_a is {assume_a!r}", remedy=f"use one of {known}")
    return _FORMS[assume_a]
