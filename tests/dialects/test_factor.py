"""Factorisations and triangular solves: their types, messages, and what they mean where there is no factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, I32, Aval, interpreter
from difc.errors import DtypeError, ShapeError
from tests.case import module_of

SQUARE, STACK = Aval((3, 3), F64), Aval((2, DYN, 3, 3), F64)
FORM = {"left_side": True, "lower": True, "transpose_a": False, "unit_diagonal": False}


@pytest.mark.parametrize(
    ("rule", "operands", "expected"),
    [
        (dif.cholesky, [STACK], [STACK]),
        (dif.lu, [Aval((2, 5, 3), F32)], [Aval((2, 5, 3), F32), Aval((2, 3), I32), Aval((2, 5), I32)]),
        (dif.lu, [Aval((DYN, DYN), F64)], [Aval((DYN, DYN), F64), Aval((DYN,), I32), Aval((DYN,), I32)]),
        (dif.det, [STACK], [Aval((2, DYN), F64)]),
        (dif.log_det, [STACK, STACK, Aval((2, DYN, 3), I32)], [Aval((2, DYN), F64)]),
    ],
)
def test_types(rule: Any, operands: list[Aval], expected: list[Aval]) -> None:
    assert rule.result_avals(operands, {}, ()) == expected


def _infer(opdef: Any, *operands: Aval, **attributes: bool) -> Callable[[], Any]:
    return lambda: opdef.infer(*operands, **attributes)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (_infer(dif.cholesky, Aval((2, 3), F64)), ShapeError, "cholesky takes square matrices.*differ: 2 and 3"),
        (_infer(dif.cholesky, Aval((3,), F64)), ShapeError, "cholesky takes matrices, not"),
        (_infer(dif.det, Aval((3, 3), I32)), DtypeError, r"det works in f32 and f64, not on i32.*astype\(float\)"),
        (_infer(dif.lu, Aval((2, 3), F64)), ShapeError, "at least as many rows as columns"),
        (_infer(dif.cholesky_tangent, SQUARE, Aval((3, 3), F32)), DtypeError, "operand dtypes differ"),
        (_infer(dif.cholesky_cotangent, SQUARE, Aval((2, 3, 3), F64)), ShapeError, "different ranks"),
        (_infer(dif.triangular_solve, SQUARE, Aval((4, 2), F64), **FORM), ShapeError, "sizes of .* differ: 3 and 4"),
        (_infer(dif.triangular_solve, SQUARE, Aval((3,), F64), **FORM), ShapeError, "different ranks"),
        (_infer(dif.triangular_solve, SQUARE, Aval((3, 1), F32), **FORM), DtypeError, "operand dtypes differ"),
        (
            _infer(dif.lu_solve, SQUARE, SQUARE, Aval((3,), F64), SQUARE, transpose_a=False),
            DtypeError,
            "are not what lu gives for",
        ),
        (
            _infer(dif.lu_solve, SQUARE, SQUARE, Aval((3,), I32), Aval((3,), F64), transpose_a=False),
            ShapeError,
            "lu_solve: operands do not fit together",
        ),
    ],
)
def test_messages(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        call()


def _run(fn: Callable[..., Any], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return interpreter.run(module_of(fn, [Aval(a.shape, a.dtype) for a in arrays]), "f", *arrays)


def test_a_column_without_a_pivot_stays() -> None:
    x = np.array([[0.0, 2.0, 1.0], [0.0, 4.0, 3.0], [0.0, 1.0, 5.0]])
    packed, pivots, permutation = _run(dif.lu, x)
    lower, upper = np.tril(packed, -1) + np.eye(3), np.triu(packed)
    np.testing.assert_allclose(lower @ upper, x[permutation])
    assert (packed[:, 0] == 0).all()
    assert (pivots[0], sorted(permutation)) == (0, [0, 1, 2])


def test_one_bad_matrix_leaves_the_others_alone() -> None:
    x = np.stack([np.eye(2), -np.eye(2), [[4.0, 7.0], [2.0, 5.0]]])  # of the last the lower triangle counts
    (factor,) = _run(dif.cholesky, x)
    np.testing.assert_array_equal(factor, [np.eye(2), [[np.nan, 0], [np.nan, np.nan]], [[2, 0], [1, 2]]])


def test_a_zero_on_the_diagonal_divides() -> None:
    (x,) = _run(lambda a, b: dif.triangular_solve(a, b, **FORM), np.diag([0.0, 2.0]), np.array([[1.0], [2.0]]))
    assert np.isinf(x[0, 0])
    assert np.isnan(x[1, 0])
