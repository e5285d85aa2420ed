"""Matrices of a known form of scipy.linalg, made of blocks, rows or columns; part of `difc.scipy.linalg`.

Each function works on NumPy arrays outside a trace as well; importing this module does not import MLIR. Vectors are in
the last axis, matrices in the last two, for any leading axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import numpy as dnp
from difc.errors import ShapeError
from difc.numpy import surface
from difc.source import user_frame_location

__all__ = ["block_diag", "circulant", "hankel", "khatri_rao", "toeplitz"]


def block_diag(*arrs: Any) -> Any:
    """Return the matrix with the given ones along its diagonal, and zeros elsewhere. (scipy.linalg.block_diag)

    Args:
      arrs: matrices, of which the leading axes broadcast; a vector is a matrix of one row, a number one of one element.

    Example:
      >>> block_diag(1.0, [2.0, 3.0])
      array([[1., 0., 0.],
             [0., 2., 3.]])
    """
    blocks = [dnp.atleast_2d(a) for a in arrs or ([],)]
    lead = np.broadcast_shapes(*(np.shape(b)[:-2] for b in blocks))
    widths = [np.shape(b)[-1] for b in blocks]
    rows = []
    for i, block in enumerate(blocks):
        height = np.shape(block)[-2]
        left, right = (dnp.zeros((*lead, height, sum(w)), block.dtype) for w in (widths[:i], widths[i + 1 :]))
        rows.append(np.concatenate([left, np.broadcast_to(block, (*lead, height, widths[i])), right], axis=-1))
    return np.concatenate(rows, axis=-2)


def toeplitz(c: Any, r: Any = None) -> Any:
    """Return the matrix with first column c and first row r, and equal elements along each diagonal.
    (scipy.linalg.toeplitz)

    Args:
      c: vectors of size m.
      r: vectors of size n, of which the first element is not read; without it, c: a symmetric matrix.

    Example:
      >>> toeplitz([1.0, 2.0, 3.0], [1.0, 4.0])
      array([[1., 4.],
             [2., 1.],
             [3., 2.]])
    """
    c = _vectors(c)
    r = c if r is None else _vectors(r)
    down, along = dnp.arange(np.shape(c)[-1]), dnp.arange(np.shape(r)[-1])
    return np.take(np.concatenate([c[..., ::-1], r[..., 1:]], axis=-1), down[::-1, None] + along, axis=-1)


def hankel(c: Any, r: Any = None) -> Any:
    """Return the matrix with first column c and last row r, and equal elements along each antidiagonal.
    (scipy.linalg.hankel)

    Args:
      c: vectors of size m.
      r: vectors of size n, of which the first element is not read; without it, zeros, as many as c has.

    Example:
      >>> hankel([1.0, 2.0, 3.0])
      array([[1., 2., 3.],
             [2., 3., 0.],
             [3., 0., 0.]])
    """
    c = _vectors(c)
    r = np.zeros_like(c) if r is None else _vectors(r)
    down, along = dnp.arange(np.shape(c)[-1]), dnp.arange(np.shape(r)[-1])
    return np.take(np.concatenate([c, r[..., 1:]], axis=-1), down[:, None] + along, axis=-1)


def circulant(c: Any) -> Any:
    """Return the square matrix with first column c, of which each column is the one before, turned down by one.
    (scipy.linalg.circulant)

    Example:
      >>> circulant([1.0, 2.0, 3.0])
      array([[1., 3., 2.],
             [2., 1., 3.],
             [3., 2., 1.]])
    """
    c = _vectors(c)
    return toeplitz(c, np.roll(c[..., ::-1], 1, axis=-1))


def khatri_rao(a: Any, b: Any) -> Any:
    """Return the Kronecker products of equal columns: of shape (..., m k, n). (scipy.linalg.khatri_rao)

    Args:
      a, b: matrices of shapes (..., m, n) and (..., k, n).

    Example:
      >>> khatri_rao(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]))
      array([[ 3.,  8.],
             [ 5., 12.]])
    """
    a, b = (_array(x) for x in (a, b))
    shapes = [list(np.shape(x)) for x in (a, b)]
    if min(map(len, shapes)) < 2:
        raise ShapeError(
            f"khatri_rao: arrays of shapes {shapes[0]} and {shapes[1]} are not both matrices",
            where=user_frame_location(),
            remedy="make a matrix of one column of a vector: x[:, None]",
        )
    products = a[..., :, None, :] * b[..., None, :, :]
    *lead, m, k, n = np.shape(products)
    return np.reshape(products, (*lead, m * k, n))


def _array(x: Any) -> Any:
    """Return a traced array as it is, other things as an array."""
    return dnp.asarray(x) if surface.has_tracer(x) else np.asarray(x)


def _vectors(x: Any) -> Any:
    return dnp.atleast_1d(_array(x))
