"""Factorisations and solves of numpy.linalg: cholesky, solve, inv, det and their kin.

Everything works on the last two axes, for any leading axes, in float32 and float64 (other dtypes become float64, as in
NumPy). What NumPy stops at with a LinAlgError (a matrix that is singular, or not positive definite) gives NaN or
infinities here, since compiled code has no exceptions.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from difc import dialects as dif
from difc.dialects import BF16, F16, F32, F64, aval_of, is_float
from difc.dialects.matrices import diagonal, matrix_transpose, permutation_sign
from difc.dialects.mlir import ir
from difc.errors import DtypeError
from difc.numpy.common import as_operand, as_tracer, axes_of, integer, product, reshaped, shape_error, shape_of
from difc.numpy.diagonals import diagonal_mask
from difc.numpy.registry import implements
from difc.promotion import broadcast_shapes, broadcast_to, common_dtype, dtype_of, to_dtype
from difc.source import user_frame_location
from difc.tracer import lift, wrap

__all__ = ["SlogdetResult", "matrices", "repeated", "solved", "substituted"]


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


# ---- operands ------------------------------------------------------------------------------------


def matrices(name: str, *arrays: Any, square: bool = True) -> list[ir.Value]:
    """Return operands as values of their common dtype, float32 or float64; the first is a stack of matrices.

    Args:
      name: of the function, for messages.
      square: whether the matrices must be square.

    Raises:
      ShapeError: for a first operand that is no stack of (square) matrices.
      DtypeError: for half floats, which NumPy does not take either; beside wider ones they are converted.
    """
    given = [as_operand(a) for a in arrays]
    dtype = common_dtype(*given)
    if dtype in (F16, BF16):
        raise DtypeError(
            f"{name} does not work in {dtype}",
            where=user_frame_location(),
            remedy="convert the operands with .astype(np.float32)",
        )
    single = dtype == F32 and all(is_float(dtype_of(a)) for a in given)  # integers are float64 beside float32, too
    values = [to_dtype(lift(a), F32 if single else F64) for a in given]
    shape = shape_of(values[0])
    if len(shape) < 2:
        raise shape_error(f"{name} needs a matrix, not an array of shape {list(shape)}")
    if square and shape[-1] != shape[-2]:
        rows, columns = shape[-2:]
        remedy = ""
        if isinstance(rows, int) != isinstance(columns, int):
            index = f"np.arange({columns}), :" if isinstance(columns, int) else f"np.arange({rows})"
            remedy = f"where {rows} and {columns} are equal, say so by an index: a[..., {index}]"
        raise shape_error(f"{name} needs square matrices, not {rows} by {columns}", remedy)
    return values


def repeated(*stacks: ir.Value) -> list[ir.Value]:
    """Return stacks of matrices with their leading axes broadcast to common ones."""
    shapes = [shape_of(x) for x in stacks]
    lead = broadcast_shapes(*(s[:-2] for s in shapes))
    like = list(zip(stacks, shapes, strict=True))
    return [broadcast_to(x, like, (*lead, *s[-2:])) for x, s in like]


def _columns(name: str, a: ir.Value, b: ir.Value, vector: bool) -> ir.Value:
    """Return a right-hand side as a stack of matrices, one column if it is a vector."""
    shape = shape_of(b)
    if not vector and len(shape) < 2:
        raise shape_error(f"{name}: a right-hand side of shape {list(shape)} is neither a vector nor a matrix")
    rows = shape[-1] if vector else shape[-2]
    if rows != shape_of(a)[-1]:
        raise shape_error(
            f"{name}: matrices of shape {list(shape_of(a))} and a right-hand side of shape {list(shape)} do not fit: "
            f"{shape_of(a)[-1]} rows and {rows}",
            "add an axis to a stack of vectors, b[..., None], and take it off the result",
        )
    return reshaped(b, (*shape, 1)) if vector else b


# ---- factors -------------------------------------------------------------------------------------


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Return the lower triangular L with L L^T = a, or its transpose if `upper`. (numpy.linalg.cholesky)

    Only the lower triangle is read, or the upper one if `upper`, and a gradient is that of what is read, as finite
    differences have it: 0 in the other triangle. `cholesky((a + a.T) / 2)`, which is what JAX's does, has symmetric
    ones. Where a is not positive definite the factor's triangle is NaN.
    """
    (x,) = matrices("cholesky", a)
    return wrap(matrix_transpose(dif.cholesky(matrix_transpose(x))) if upper else dif.cholesky(x))


# ---- solves --------------------------------------------------------------------------------------


def substituted(name: str, a: ir.Value, b: ir.Value, **form: bool) -> ir.Value:
    """Solve with triangular matrices; `b` is a vector, or matrices with any leading axes."""
    vector = aval_of(b).ndim == 1
    matrix, right = repeated(a, _columns(name, a, b, vector))
    x = dif.triangular_solve(matrix, right, left_side=True, **form)
    return reshaped(x, shape_of(x)[:-1]) if vector else x


def solved(a: ir.Value, b: ir.Value) -> ir.Value:
    """Solve a x = b for stacks of matrices."""
    shapes = shape_of(a)[:-2], shape_of(b)[:-2]
    if product(shapes[0]) == 1 and len(shapes[0]) <= len(shapes[1]) and any(d != 1 for d in shapes[1]):
        return _solved_side_by_side(a, b)
    packed, _, permutation = dif.lu(a)
    if tuple(shapes[0]) != tuple(shapes[1]):
        a, b = repeated(a, b)
        packed = repeated(packed, b)[0]
        lead = shape_of(a)[:-1]
        permutation = broadcast_to(permutation, [(a, shape_of(a))], lead)
    return dif.lu_solve(a, packed, permutation, b, transpose_a=False)


def _solved_side_by_side(a: ir.Value, b: ir.Value) -> ir.Value:
    """Solve with one matrix for a stack of right-hand sides, which then are one matrix."""
    *lead, rows, columns = shape_of(b)
    rank = len(lead)
    moved = dif.transpose(b, permutation=(rank, *range(rank), rank + 1))
    joined = reshaped(moved, (rows, product([*lead, columns])))
    matrix = reshaped(a, shape_of(a)[-2:])
    packed, _, permutation = dif.lu(matrix)
    x = reshaped(dif.lu_solve(matrix, packed, permutation, joined, transpose_a=False), (rows, *lead, columns))
    return dif.transpose(x, permutation=(*range(1, rank + 1), 0, rank + 1))


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """Return x with a x = b, for b a vector, or a stack of matrices. (numpy.linalg.solve)

    Singular matrices give infinities and NaN. Derivatives use the factors again.
    """
    x, y = matrices("solve", a, b)
    vector = aval_of(y).ndim == 1
    found = solved(x, _columns("solve", x, y, vector))
    return wrap(reshaped(found, shape_of(found)[:-1]) if vector else found)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """Return the inverse; prefer `solve`, which is faster and more accurate. (numpy.linalg.inv)"""
    (x,) = matrices("inv", a)
    size = shape_of(x)[-1]
    mask = diagonal_mask((size, size), 0, "eq", [x])
    identity = broadcast_to(to_dtype(mask, aval_of(x).dtype), [(x, shape_of(x))], shape_of(x))
    return wrap(solved(x, identity))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Return x with tensordot(a, x, x.ndim) = b. (numpy.linalg.tensorsolve)"""
    x, y = (as_tracer(v) for v in (a, b))
    if axes is not None:
        moved = axes_of(axes, x.ndim, "axes")
        x = np.transpose(x, [*(d for d in range(x.ndim) if d not in moved), *moved])
    shape = x.aval.shape[y.ndim :]
    rows, columns = product(y.aval.shape), product(shape)
    if rows != columns:
        raise shape_error(f"tensorsolve needs as many equations as unknowns, not {rows} and {columns}")
    found = solve(wrap(reshaped(lift(x), (rows, columns))), wrap(reshaped(lift(y), (rows,))))
    return wrap(reshaped(lift(found), shape))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse of a as a map from its last axes to its first `ind` ones. (numpy.linalg.tensorinv)"""
    x, count = lift(as_operand(a)), integer(ind, "ind")
    shape = shape_of(x)
    if not 0 < count < len(shape):
        raise shape_error(f"tensorinv needs an ind of 1 to {len(shape) - 1}, not {count}")
    rows, columns = product(shape[:count]), product(shape[count:])
    if rows != columns:
        raise shape_error(f"tensorinv needs a square map, not one of {rows} by {columns} elements")
    return wrap(reshaped(lift(inv(wrap(reshaped(x, (rows, columns))))), (*shape[count:], *shape[:count])))


# ---- determinants --------------------------------------------------------------------------------


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """Return the determinant. (numpy.linalg.det)

    Its first and second derivatives are right for singular matrices, too; up to size 4, all derivatives are.
    """
    (x,) = matrices("det", a)
    size = shape_of(x)[-1]
    if not isinstance(size, int) or size > 4:
        return wrap(dif.det(x))
    return _small_det(wrap(x), size)


def _small_det(x: Any, size: int) -> Any:
    """Return the determinant as the polynomial that it is, by the first row."""
    if size == 0:
        return np.prod(x, axis=(-2, -1))
    if size == 1:
        return x[..., 0, 0]
    if size == 2:
        return _minor(x, 0, (0, 1))
    if size == 3:
        terms = [x[..., 2, j] * _minor(x, 0, columns) for j, columns in enumerate(((1, 2), (0, 2), (0, 1)))]
        return terms[0] - terms[1] + terms[2]
    pairs = list(itertools.combinations(range(4), 2))  # columns of the first two rows; the last two have the others
    terms = [_minor(x, 0, some) * _minor(x, 2, others) for some, others in zip(pairs, reversed(pairs), strict=True)]
    return terms[0] - terms[1] + terms[2] + terms[3] - terms[4] + terms[5]


def _minor(x: Any, row: int, columns: tuple[int, ...]) -> Any:
    """Return the determinant of two rows from `row` on, in two columns."""
    j, k = columns
    return x[..., row, j] * x[..., row + 1, k] - x[..., row, k] * x[..., row + 1, j]


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    """Return the sign of the determinant and the logarithm of its absolute value. (numpy.linalg.slogdet)"""
    (x,) = matrices("slogdet", a)
    packed, pivots, permutation = dif.lu(x)
    signs = dif.reduce_prod(dif.sign(diagonal(packed)), axes=(aval_of(pivots).ndim - 1,))
    sign = dif.mul(permutation_sign(pivots, aval_of(x).dtype), signs)
    return SlogdetResult(wrap(sign), wrap(dif.log_det(x, packed, permutation)))
