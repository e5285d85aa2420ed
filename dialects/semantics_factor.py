"""What the `dif` ops that factor and solve mean, as NumPy functions on stacks of matrices.

They go column by column (or row by row) through all matrices at once, so that what has no factor gives NaN and
infinities where the op's docstring says, where LAPACK would stop with an error. Imports only NumPy and the dialect.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from difc import dialects as dif
from difc.dialects.semantics import meaning
from difc.dialects.types import I32

__all__: list[str] = []


@meaning(dif.cholesky)
def _(x: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        pass  # some of the stack are not positive definite, perhaps not all
    factor = np.zeros_like(x)
    for k in range(x.shape[-1]):
        done = factor[..., k:, :k]
        column = x[..., k:, k] - np.matmul(done, done[..., 0, :, None])[..., 0]
        pivot = np.where(column[..., :1] > 0, column[..., :1], np.nan)
        factor[..., k:, k] = column / np.sqrt(pivot)
    failed = np.isnan(np.diagonal(factor, axis1=-2, axis2=-1)).any(-1)[..., None, None]
    return np.where(failed & np.tri(x.shape[-1], dtype=bool), x.dtype.type(np.nan), factor)


def _half(x: np.ndarray) -> np.ndarray:
    scale = np.tril(np.ones(x.shape[-1:] * 2, x.dtype)) - np.eye(x.shape[-1], dtype=x.dtype) / 2
    return x * scale


def _mT(x: np.ndarray) -> np.ndarray:
    return x.swapaxes(-1, -2)


@meaning(dif.triangular_solve)
def _triangular_solve(
    a: np.ndarray, b: np.ndarray, *, left_side: bool, lower: bool, transpose_a: bool, unit_diagonal: bool
) -> np.ndarray:
    matrix = a.swapaxes(-1, -2) if transpose_a else a
    if not left_side:  # x matrix = b is matrix^T x^T = b^T
        matrix, b = matrix.swapaxes(-1, -2), b.swapaxes(-1, -2)
    size, forward = a.shape[-1], lower == (transpose_a != left_side)
    x = np.array(b)
    for k in range(size) if forward else reversed(range(size)):
        known = slice(0, k) if forward else slice(k + 1, size)
        x[..., k, :] -= np.matmul(matrix[..., k, None, known], x[..., known, :])[..., 0, :]
        if not unit_diagonal:
            x[..., k, :] /= matrix[..., k, k, None]
    return x if left_side else x.swapaxes(-1, -2)


def _lower_solve(a: np.ndarray, b: np.ndarray, transpose_a: bool = False) -> np.ndarray:
    return _triangular_solve(a, b, left_side=True, lower=True, transpose_a=transpose_a, unit_diagonal=False)


@meaning(dif.cholesky_tangent)
def _(factor: np.ndarray, t: np.ndarray) -> np.ndarray:
    symmetric = np.tril(t) + _mT(np.tril(t, -1))
    inner = _mT(_lower_solve(factor, _mT(_lower_solve(factor, symmetric))))
    return np.matmul(factor, _half(inner))


@meaning(dif.cholesky_cotangent)
def _(factor: np.ndarray, ct: np.ndarray) -> np.ndarray:
    inner = _half(np.matmul(_mT(factor), np.tril(ct)))
    outer = _lower_solve(factor, inner + _mT(inner), transpose_a=True)
    return _half(_mT(_lower_solve(factor, _mT(outer), transpose_a=True)))


@meaning(dif.lu)
def _lu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, size = x.shape[-2:]
    packed = np.array(x).reshape(math.prod(x.shape[:-2]), rows, size)
    stack = np.arange(len(packed))
    pivots = np.zeros((len(packed), size), I32)
    permutation = np.broadcast_to(np.arange(rows, dtype=I32), (len(packed), rows)).copy()
    for k in range(size):
        p = k + np.argmax(np.abs(packed[:, k:, k]), axis=1)
        pivots[:, k] = p
        for moved in (packed, permutation):
            moved[stack, k], moved[stack, p] = moved[stack, p], moved[stack, k].copy()
        pivot = packed[:, k, k, None]
        packed[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        packed[:, k + 1 :, k + 1 :] -= packed[:, k + 1 :, k, None] * packed[:, k, None, k + 1 :]
    return packed.reshape(x.shape), pivots.reshape((*x.shape[:-2], size)), permutation.reshape(x.shape[:-1])


@meaning(dif.lu_solve)
def _(a: np.ndarray, packed: np.ndarray, permutation: np.ndarray, b: np.ndarray, *, transpose_a: bool) -> np.ndarray:
    solve = partial(_triangular_solve, packed, left_side=True, transpose_a=transpose_a)
    rows = permutation[..., None]
    if not transpose_a:
        return solve(
            solve(np.take_along_axis(b, rows, -2), lower=True, unit_diagonal=True), lower=False, unit_diagonal=False
        )
    x = solve(solve(b, lower=False, unit_diagonal=False), lower=True, unit_diagonal=True)
    return np.take_along_axis(x, np.argsort(rows, -2), -2)


@meaning(dif.log_det)
def _(a: np.ndarray, packed: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    return np.sum(np.log(np.abs(np.diagonal(packed, axis1=-2, axis2=-1))), axis=-1)


@meaning(dif.det)
def _(x: np.ndarray) -> np.ndarray:
    packed, pivots, _ = _lu(x)
    swaps = np.where(pivots == np.arange(x.shape[-1]), 1, -1).astype(x.dtype)
    pivot = np.diagonal(packed, axis1=-2, axis2=-1)
    return np.multiply.reduce(swaps, axis=-1) * np.multiply.reduce(pivot, axis=-1)
