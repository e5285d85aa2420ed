"""Rows of the case table for factorisations of matrices and solves with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np

from difc import dialects as dif
from difc.dialects.matrices import matmul, splat, triangle_mask
from difc.dialects.mlir import ir
from tests.case import Case, Input

__all__ = ["factors"]

BOTH = ("f32", "f64")
_rng = np.random.default_rng(0)
#: Matrices that are far from singular, in a stack.
STACK = np.round(_rng.uniform(-1, 1, (2, 3, 3)), 2) + 2 * np.eye(3)
MATRIX, FACTOR = STACK[0], np.tril(STACK[0])
#: Rows change places, and an element below a pivot is larger than it.
MIXED = ((0.1, 2.0, -1.0, 0.5), (1.5, 0.3, 0.2, 1.0), (-0.5, 0.4, 0.3, 2.5), (0.7, -1.2, 1.9, 0.1))


def _definite(x: ir.Value) -> ir.Value:
    """Return x x^T + 2."""
    square = matmul(x, x, transpose_y=True)
    return dif.add(square, dif.select(triangle_mask(square, "eq"), splat(2.0, square), splat(0.0, square)))


def _solved(a: ir.Value, b: ir.Value, transpose_a: bool) -> ir.Value:
    packed, _, permutation = dif.lu(a)
    return dif.lu_solve(a, packed, permutation, b, transpose_a=transpose_a)


def _log_det(a: ir.Value) -> ir.Value:
    packed, _, permutation = dif.lu(a)
    return dif.log_det(a, packed, permutation)


def factors() -> Iterator[Case]:
    """Return the rows."""
    for name, shape in (("", (3, 3)), ("_empty", (0, 0))):
        definite = lambda x: dif.cholesky(_definite(x))  # noqa: E731
        yield Case(f"cholesky{name}", "dif.cholesky", definite, (Input(shape),), BOTH)
    yield Case("cholesky_triangle", "dif.cholesky", dif.cholesky, (Input((2, 3, 3), values=STACK),), BOTH)
    for name in ("tangent", "cotangent"):
        op = dif.OPS[f"dif.cholesky_{name}"]
        inputs = (Input((3, 3), values=FACTOR), Input((3, 3)))
        yield Case(f"cholesky_{name}", op.name, op, inputs, BOTH)
    yield from _triangular()
    for i, name in ((0, "packed"), (2, "permutation")):
        result = lambda x, i=i: dif.lu(x)[i]  # noqa: E731
        yield Case(f"lu_{name}", "dif.lu", result, (Input((4, 4), values=MIXED),), BOTH)
    for transpose_a in (False, True):
        inputs = (Input((4, 4), values=MIXED), Input((4, 2)))
        fn = partial(_solved, transpose_a=transpose_a)
        yield Case(f"lu_solve{'_transposed' * transpose_a}", "dif.lu_solve", fn, inputs, BOTH)
    inputs = (Input((2, 3, 3), values=STACK), Input((2, 3, 1)))
    yield Case("lu_solve_stack", "dif.lu_solve", partial(_solved, transpose_a=False), inputs, BOTH)
    for op, fn in (("det", dif.det), ("log_det", _log_det)):
        yield Case(op, f"dif.{op}", fn, (Input((4, 4), values=MIXED),), BOTH)
        yield Case(f"{op}_stack", f"dif.{op}", fn, (Input((2, 3, 3), values=STACK),), BOTH)


def _triangular() -> Iterator[Case]:
    op = dif.triangular_solve
    for left_side, lower in itertools.product((True, False), repeat=2):
        transpose_a = left_side != lower
        name = f"{'left' if left_side else 'right'}_{'lower' if lower else 'upper'}{'_transposed' * transpose_a}"
        form = {"left_side": left_side, "lower": lower, "transpose_a": transpose_a}
        inputs = (Input((3, 3), values=MATRIX), Input((3, 2) if left_side else (2, 3)))
        fn = partial(op, **form, unit_diagonal=lower != transpose_a)
        yield Case(f"triangular_solve_{name}", op.name, fn, inputs, BOTH)
    fn = partial(op, left_side=True, lower=True, transpose_a=False, unit_diagonal=False)
    inputs = (Input((2, 3, 3), values=STACK), Input((2, 3, 1)))
    yield Case("triangular_solve_stack", op.name, fn, inputs, BOTH)
