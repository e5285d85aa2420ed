"""`qr`, `eigh`, `svd` and `pinv`: types, meanings where LAPACK gives none, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from difc.dialects.semantics import MEANINGS
from difc.errors import DtypeError, ShapeError

NAN = np.nan


@pytest.mark.parametrize(
    ("op", "shape", "attributes", "shapes"),
    [
        (dif.qr, (5, 3), {"complete": False}, [(5, 3), (3, 3)]),
        (dif.qr, (5, 3), {"complete": True}, [(5, 5), (5, 3)]),
        (dif.qr, (2, 3, 5), {"complete": False}, [(2, 3, 3), (2, 3, 5)]),
        (dif.qr, (DYN, 3), {"complete": False}, [(DYN, DYN), (DYN, 3)]),
        (dif.eigh, (DYN, 4, DYN), {"lower": True}, [(DYN, 4), (DYN, 4, 4)]),
        (dif.svd, (5, 3), {"full": False}, [(5, 3), (3,), (3, 3)]),
        (dif.svd, (5, 3), {"full": True}, [(5, 5), (3,), (3, 3)]),
        (dif.svd, (3, 5), {"full": True}, [(3, 3), (3,), (5, 5)]),
    ],
)
def test_types(op: Any, shape: Any, attributes: dict[str, bool], shapes: list[Any]) -> None:
    assert op.infer(Aval(shape, F32), **attributes) == [Aval(s, F32) for s in shapes]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: dif.eigh.infer(Aval((2, 3), F32), lower=True), ShapeError, "square matrices; their sizes differ"),
        (lambda: dif.qr.infer(Aval((3,), F32), complete=True), ShapeError, "qr takes matrices"),
        (lambda: dif.svd.infer(Aval((3, 3), np.dtype(int)), full=True), DtypeError, "svd takes float32 or float64"),
        (lambda: dif.pinv.infer(Aval((2, 3, 3), F64), Aval((), F64)), ShapeError, "not one for each matrix"),
        (lambda: dif.pinv.infer(Aval((2, 3, 3), F64), Aval((4,), F64)), ShapeError, "batch sizes differ: 2 and 4"),
    ],
)
def test_errors(build: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


def test_nan_stays_in_its_matrix() -> None:
    x = np.stack([np.eye(3), np.full((3, 3), NAN), 2 * np.eye(3)])
    for name, attributes in (("eigh", {"lower": True}), ("svd", {"full": False}), ("qr", {"complete": False})):
        for y in MEANINGS[f"dif.{name}"](x, **attributes):
            found = np.isnan(y).reshape(3, -1)
            assert not found[::2].any()
            assert found[1].any()
    inverse = MEANINGS["dif.pinv"](x, np.full(3, 1e-12))
    np.testing.assert_array_equal(np.isnan(inverse).all((1, 2)), [False, True, False])


def test_the_triangle_that_is_not_read_may_hold_anything() -> None:
    x = np.array([[2.0, NAN], [1.0, 2.0]])
    np.testing.assert_allclose(MEANINGS["dif.eigh"](x, lower=True)[0], [1, 3])
    np.testing.assert_allclose(MEANINGS["dif.eigh"](x.T, lower=False)[0], [1, 3])
