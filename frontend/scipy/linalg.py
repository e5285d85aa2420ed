"""scipy.linalg for traced code: triangular solves, Cholesky and LU factors, the matrix exponential. More is in
`systems.py`, `spectral.py`, `matrix_equations.py` and `structured.py`.

Each function works on NumPy arrays outside a trace as well; importing this module does not import MLIR. Flags of SciPy
that only save copies or checks (`overwrite_a`, `check_finite`) are taken and ignored. Matrices are in the last two
axes; what has no factor gives NaN or infinities in a trace, and numpy.linalg.LinAlgError outside.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from difc import numpy as dnp
from difc.errors import AbsentAttributeError, InputError
from difc.numpy import surface
from difc.scipy.common import constant, matrices
from difc.scipy.matrix_equations import (
    solve_continuous_lyapunov,
    solve_discrete_lyapunov,
    solve_lyapunov,
    solve_sylvester,
    sqrtm,
)
from difc.scipy.spectral import eigh, eigvalsh, pinv, qr, svd, svdvals
from difc.scipy.structured import block_diag, circulant, hankel, khatri_rao, toeplitz
from difc.scipy.systems import cholesky, det, inv, norm, solve

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "det",
    "eigh",
    "eigvalsh",
    "expm",
    "hankel",
    "inv",
    "khatri_rao",
    "lu",
    "lu_factor",
    "lu_solve",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_continuous_lyapunov",
    "solve_discrete_lyapunov",
    "solve_lyapunov",
    "solve_sylvester",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "toeplitz",
]

_TRANSPOSED = {0: False, "N": False, 1: True, "T": True, 2: True, "C": True}


def _mT(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# ---- triangular matrices -------------------------------------------------------------------------


def solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """Return x with a x = b (`trans` 0 or "N") or a^T x = b (1, 2, "T", "C"). (scipy.linalg.solve_triangular)

    Args:
      a: triangular matrices; the other triangle is not read.
      b: a vector, or matrices.
      lower: which triangle.
      unit_diagonal: take the diagonal as ones.
    """
    if trans not in _TRANSPOSED:
        raise InputError(f"trans is {trans!r}", remedy="use 0 or 'N' for a, and 1 or 'T' for its transpose")
    if not surface.has_tracer(a, b):
        a, b = np.asarray(a), np.asarray(b)
        matrix = np.tril(a, -unit_diagonal) if lower else np.triu(a, int(unit_diagonal))
        if unit_diagonal:
            matrix = matrix + np.eye(a.shape[-1], dtype=a.dtype)
        return np.linalg.solve(_mT(matrix) if _TRANSPOSED[trans] else matrix, b)
    from difc.numpy import factor
    from difc.tracer import wrap

    x, y = factor.matrices("solve_triangular", a, b)
    form = {"lower": lower, "transpose_a": _TRANSPOSED[trans], "unit_diagonal": unit_diagonal}
    return wrap(factor.substituted("solve_triangular", x, y, **form))


# ---- cholesky ------------------------------------------------------------------------------------


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    """Return the Cholesky factor of a, of which one triangle is read, and `lower`. (scipy.linalg.cho_factor)

    The triangle of the result that is not the factor is zero; SciPy leaves it undefined. A gradient is that of what is
    read: it has the triangle's shape.
    """
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """Return x with a x = b, from what `cho_factor` gave for a. (scipy.linalg.cho_solve)"""
    c, lower = c_and_lower
    half = solve_triangular(c, b, trans=int(not lower), lower=lower)
    return solve_triangular(c, half, trans=int(lower), lower=lower)


# ---- lu ------------------------------------------------------------------------------------------


def _lu(a: Any) -> tuple[Any, Any, Any]:
    """Return the packed factors, pivots and permutation of matrices."""
    (a,) = matrices("lu", a, square=False)
    rows, columns = np.shape(a)[-2:]
    if rows == columns:
        return surface.apply("lu", a)
    if not (isinstance(rows, int) and isinstance(columns, int)):
        from difc.numpy.common import shape_error

        raise shape_error(
            f"lu takes matrices of run-time sizes only if they are square, not {rows} by {columns}",
            "give both sizes as numbers in the spec",
        )
    packed, pivots, permutation = surface.apply("lu", a[..., :rows])
    if rows < columns:  # the columns of the leading square have all pivots
        rest = np.take_along_axis(a[..., rows:], permutation[..., None], -2)
        rest = solve_triangular(packed, rest, lower=True, unit_diagonal=True)
        packed = np.concatenate([packed, rest], axis=-1)
    return packed, pivots, permutation


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """Return both factors of matrices in one, and the pivots: rows i and piv[i] were exchanged, one after the other.
    (scipy.linalg.lu_factor)

    Args:
      a: f32 or f64 (other dtypes become f64) of shape (..., m, n); sizes known only at run time must be equal.

    Returns:
      L below the diagonal and U on and above it, like `a`; the pivots, i32 of shape (..., min(m, n)).
    """
    packed, pivots, _ = _lu(a)
    return packed, pivots


def lu_solve(
    lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """Return x with a x = b, or a^T x = b (`trans` 1), from what `lu_factor` gave for a. (scipy.linalg.lu_solve)"""
    packed, pivots = lu_and_piv
    order = _permutation(pivots)
    vector = np.ndim(b) == 1
    right = b[:, None] if vector else b
    if not _TRANSPOSED[trans]:
        right = np.take_along_axis(right, order[..., None], -2)
        right = solve_triangular(packed, right, lower=True, unit_diagonal=True)
        x = solve_triangular(packed, right)
    else:
        right = solve_triangular(packed, right, trans=1)
        right = solve_triangular(packed, right, trans=1, lower=True, unit_diagonal=True)
        x = np.take_along_axis(right, _inverse(order)[..., None], -2)
    return x[..., 0] if vector else x


def _permutation(pivots: Any) -> Any:
    """Return the permutation that exchanges make together."""
    size = pivots.shape[-1]
    if not surface.has_tracer(pivots):
        order = np.broadcast_to(np.arange(size), np.shape(pivots)).copy().reshape(-1, size)
        stack = np.arange(len(order))
        for k, p in enumerate(np.reshape(pivots, (-1, size)).T):
            order[stack, k], order[stack, p] = order[stack, p], order[stack, k].copy()
        return order.reshape(np.shape(pivots))
    from difc.loops import fori_loop

    places = np.broadcast_to(dnp.arange(size, dtype=pivots.dtype), pivots.shape)

    def exchange(k: Any, order: Any) -> Any:
        p = np.take(pivots, k, -1)[..., None]
        at_k, at_p = np.take(order, k, -1)[..., None], np.take_along_axis(order, p, -1)
        return np.where(places == p, at_k, np.where(places == k, at_p, order))

    return fori_loop(0, size, exchange, places)


def lu(
    a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True, p_indices: bool = False
) -> tuple[Any, ...]:
    """Return P, L, U with a = P L U, of shapes (..., m, m), (..., m, k) and (..., k, n), k the smaller of m and n.
    (scipy.linalg.lu)

    Args:
      a: f32 or f64 (other dtypes become f64) of shape (..., m, n); sizes known only at run time must be equal.
      permute_l: return P L and U.
      p_indices: return P as the row of L U for each row of a.
    """
    packed, _, permutation = _lu(a)
    place, (rows, columns) = _inverse(permutation), np.shape(packed)[-2:]
    left = right = packed
    if rows != columns:
        left, right = packed[..., : min(rows, columns)], packed[..., : min(rows, columns), :]
    lower, upper = np.tril(left, -1) + dnp.eye(*np.shape(left)[-2:], dtype=packed.dtype), np.triu(right)
    if permute_l:
        return np.take_along_axis(lower, place[..., None], -2), upper
    if p_indices:
        return place, lower, upper
    return (place[..., :, None] == dnp.arange(rows)).astype(packed.dtype), lower, upper


def _inverse(permutation: Any) -> Any:
    """Return the inverses of permutations."""
    if np.shape(permutation)[-1] == 0:  # of nothing there is no largest one
        return permutation
    places = dnp.arange(np.shape(permutation)[-1])[:, None]
    return np.argmax(permutation[..., None, :] == places, axis=-1).astype(permutation.dtype)


# ---- the exponential -----------------------------------------------------------------------------

#: For each dtype: coefficients of the Pade approximant of e^x, and the largest norm that it is accurate for.
#: (Higham, "The scaling and squaring method for the matrix exponential revisited", 2005.)
_PADE = {np.dtype(np.float64): (13, 5.371920351148152), np.dtype(np.float32): (7, 3.925724783138660)}
_MOST_SQUARINGS = 16


def expm(A: Any) -> Any:
    """Return the exponential of square matrices, by scaling, a Pade approximant and squaring. (scipy.linalg.expm)

    In a trace, matrices whose 1-norm is above about 350,000 (250,000 in float32) give NaN.
    """
    (A,) = matrices("expm", A)
    degree, limit = _PADE[A.dtype]
    norm = np.max(np.sum(np.abs(A), -2), -1)
    ratio = constant(np.maximum(norm / limit, 1.0))
    count = np.ceil(np.log2(ratio))
    scaled = A * np.exp2(-count)[..., None, None].astype(A.dtype)
    even, odd = _pade(scaled, degree)
    return _squared(np.linalg.solve(even - odd, even + odd), count)


def _pade(x: Any, degree: int) -> tuple[Any, Any]:
    """Return the even and the odd part of the approximant's numerator."""
    numbers = [
        math.factorial(2 * degree - j) // (math.factorial(j) * math.factorial(degree - j)) for j in range(degree + 1)
    ]
    scale = numbers[-1]
    identity = dnp.eye(np.shape(x)[-1], dtype=x.dtype)
    square = x @ x
    powers = [identity, square]
    while len(powers) < degree // 2 + 1:
        powers.append(powers[-1] @ square)
    even = sum((p * (numbers[2 * j] / scale) for j, p in enumerate(powers)), start=0.0 * x)
    odd = sum((p * (numbers[2 * j + 1] / scale) for j, p in enumerate(powers)), start=0.0 * x)
    return even, x @ odd


def _squared(x: Any, count: Any) -> Any:
    """Return x squared `count` times, a number for each matrix."""
    if not surface.has_tracer(x):
        for i in range(int(np.max(count, initial=0))):
            x = np.where((i < count)[..., None, None], x @ x, x)
        return x
    from difc.control import cond
    from difc.loops import fori_loop

    def step(i: Any, x: Any) -> Any:
        wanted = i < count
        return cond(np.any(wanted), lambda x: np.where(wanted[..., None, None], x @ x, x), lambda x: x, x)

    x = fori_loop(0, _MOST_SQUARINGS, step, x)
    return np.where((count > _MOST_SQUARINGS)[..., None, None], np.nan, x)


def __getattr__(name: str) -> Any:
    from difc.scipy import catalogue

    if name in catalogue.LINALG_NAMES:
        raise surface.missing(__name__, name, catalogue.linalg_gap(name))
    raise AbsentAttributeError(f"module {__name__!r}", name, lambda: __all__)
