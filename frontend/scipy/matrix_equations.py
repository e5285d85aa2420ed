"""Matrix equations of scipy.linalg: X X = A, A X + X B = Q and A X A^T - X + Q = 0; part of `difc.scipy.linalg`.

Each function works on NumPy arrays outside a trace as well; importing this module does not import MLIR. Matrices are in
the last two axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import numpy as dnp
from difc.errors import ShapeError
from difc.numpy import surface
from difc.scipy.common import constant, matrices
from difc.source import user_frame_location

__all__ = ["solve_continuous_lyapunov", "solve_discrete_lyapunov", "solve_lyapunov", "solve_sylvester", "sqrtm"]

#: With scaling, matrices whose eigenvalues are as far apart as the dtype allows take about ten steps.
STEPS = 16


# ---- square roots --------------------------------------------------------------------------------


def sqrtm(A: Any) -> Any:
    """Return the principal square roots of square matrices: X with X @ X = A. (scipy.linalg.sqrtm)

    By Denman and Beavers' iteration, scaled by determinants (Higham, "Functions of Matrices", 2008, section 6.3). NaN
    where there is no real root that it finds: with eigenvalues on the negative real axis, where SciPy's result is
    complex, and for singular matrices (numpy.linalg.LinAlgError outside a trace). The error grows with the condition of
    the root.

    Example:
      >>> sqrtm(np.array([[4.0, 0.0], [0.0, 9.0]])).round(12)
      array([[2., 0.],
             [0., 3.]])
    """
    (A,) = matrices("sqrtm", A)
    size = np.shape(A)[-1]
    identity = dnp.eye(size, dtype=A.dtype)

    def step(_: Any, parts: tuple[Any, Any]) -> tuple[Any, Any]:
        root, product = parts  # of which the second goes to the identity
        scale = constant(np.exp(np.linalg.slogdet(product)[1] * (-0.5 / size)))[..., None, None].astype(A.dtype)
        inverse = np.linalg.inv(product) / (scale * scale)
        product = 0.5 * (identity + 0.5 * (scale * scale * product + inverse))
        return 0.5 * scale * root @ (identity + inverse), product

    if surface.has_tracer(A):
        from difc.loops import fori_loop

        root = fori_loop(0, STEPS, step, (A, A))[0]
    else:
        parts = (A, A)
        for i in range(STEPS):
            parts = step(i, parts)
        root = parts[0]
    error, height = (np.max(np.abs(constant(x)), (-2, -1)) for x in (root @ root - A, A))
    found = error <= np.sqrt(np.finfo(A.dtype).eps).astype(A.dtype) * height
    return np.where(found[..., None, None], root, np.full_like(root, np.nan))


# ---- Sylvester's equation ------------------------------------------------------------------------


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """Return X with a X + X b = q. (scipy.linalg.solve_sylvester)

    It is solved as one system of all m n elements of X, which takes (m n)^2 numbers: for small matrices.

    Args:
      a, b, q: matrices, m by m, n by n and m by n; no eigenvalue of a is the negative of one of b.

    Raises:
      ShapeError: if they do not fit each other.

    Example:
      >>> solve_sylvester(np.array([[1.0]]), np.array([[2.0]]), np.array([[6.0]]))
      array([[2.]])
    """
    a, b, q = matrices("solve_sylvester", a, b, q)
    m, n = _checked("solve_sylvester", a, b, q, "m by m, n by n and m by n")
    # element (i, j) of the left side is the sum of a[i, k] x[k, j] and x[i, l] b[l, j]
    first = a[..., :, None, :, None] * dnp.eye(n, dtype=a.dtype)[:, None, :]
    second = dnp.eye(m, dtype=a.dtype)[:, None, :, None] * np.swapaxes(b, -1, -2)[..., None, :, None, :]
    return _solution(first + second, q)


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """Return X with a X + X a^T = q, as `solve_sylvester` does. (scipy.linalg.solve_continuous_lyapunov)"""
    a, q = matrices("solve_continuous_lyapunov", a, q)
    _checked("solve_continuous_lyapunov", a, a, q, "both m by m")
    return solve_sylvester(a, np.swapaxes(a, -1, -2), q)


solve_lyapunov = solve_continuous_lyapunov


def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """Return X with a X a^T - X + q = 0: the stationary covariance of x' = a x + noise of covariance q.
    (scipy.linalg.solve_discrete_lyapunov)

    It is solved as one system of all m^2 elements of X, which takes m^4 numbers: for small matrices.

    Args:
      a, q: matrices, m by m; no product of two eigenvalues of a is 1.
      method: SciPy's "direct" is what is done; "bilinear" gives the same matrix.

    Raises:
      ShapeError: if they do not fit each other.

    Example:
      >>> solve_discrete_lyapunov(np.array([[0.5]]), np.array([[3.0]]))
      array([[4.]])
    """
    a, q = matrices("solve_discrete_lyapunov", a, q)
    m, _ = _checked("solve_discrete_lyapunov", a, a, q, "both m by m")
    identity = dnp.eye(m, dtype=a.dtype)
    # element (i, j) of q is x[i, j] without the sum of a[i, k] x[k, l] a[j, l]
    alone = identity[:, None, :, None] * identity[:, None, :]
    return _solution(alone - a[..., :, None, :, None] * a[..., None, :, None, :], q)


def _checked(name: str, a: Any, b: Any, q: Any, wanted: str) -> tuple[Any, Any]:
    """Return the numbers of rows and columns of the unknown matrix.

    Raises:
      ShapeError: if the matrices do not fit each other.
    """
    shapes = [np.shape(x)[-2:] for x in (a, b, q)]
    fitting = [(shapes[0][-1],) * 2, (shapes[1][-1],) * 2, (shapes[0][-1], shapes[1][-1])]
    if [len(s) for s in shapes] != [2, 2, 2] or any(
        isinstance(d, int) and isinstance(e, int) and d != e
        for s, w in zip(shapes, fitting, strict=True)
        for d, e in zip(s, w, strict=True)
    ):
        given = (a, q) if a is b else (a, b, q)
        raise ShapeError(
            f"{name}: matrices of shapes {', '.join(str(list(np.shape(x))) for x in given)} do not fit",
            where=user_frame_location(),
            remedy=f"pass matrices that are {wanted}",
        )
    m, n = shapes[2]
    return m, n


def _solution(system: Any, q: Any) -> Any:
    """Return x where the sum of system[i, j, k, l] x[k, l] is q[i, j]."""
    *stack, m, n, _, _ = np.shape(system)
    x = np.linalg.solve(np.reshape(system, (*stack, m * n, m * n)), np.reshape(q, (*np.shape(q)[:-2], m * n, 1)))
    return np.reshape(x, (*np.shape(x)[:-2], m, n))
