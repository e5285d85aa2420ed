"""Functions of the user mapped over arrays: vectorize, apply_along_axis, piecewise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc.numpy as dnp
from difc.dialects import Aval
from difc.errors import InputError, ShapeError
from tests.frontend.traced import check, module_of

X, V = np.arange(12.0).reshape(3, 4), np.arange(1.0, 7.0)


def test_vectorize() -> None:
    gap = dnp.vectorize(lambda a, b: np.where(a > b, a - b, a + b), otypes=[float])
    check(lambda x: gap(x, 2.0), X)
    check(lambda x: gap(x, b=np.array([1.0, 5.0, 9.0, 2.0])), X, dynamic=[(0, 0)])
    check(lambda x, y: gap(x[:, None], y), V[:2], V)
    check(lambda x, y: gap(x[0, 0], y[0]), X, V)
    np.testing.assert_array_equal(gap(V, 3.0), np.where(V > 3, V - 3, V + 3))


def test_vectorize_with_a_signature() -> None:
    product = dnp.vectorize(lambda a, b: a @ b, signature="(m,n),(n)->(m)")
    check(product, np.ones((5, 2, 3)), np.ones(3))
    check(product, np.ones((2, 3)), np.arange(12.0).reshape(4, 3))
    check(product, np.ones((4, 2, 3)), np.arange(12.0).reshape(4, 3), dynamic=[(0, 0), (1, 0)])


def test_vectorize_with_excluded_arguments() -> None:
    value = dnp.vectorize(lambda p, x: p[0] * x + p[1], excluded=[0, "p"])
    check(lambda x: value(np.array([1.0, 2.0]), x), V)
    check(lambda x: value(p=np.array([1.0, 2.0]), x=x), V)


def test_run_time_sizes() -> None:
    check(lambda x: np.apply_along_axis(np.sum, 1, x), X, dynamic=[(0, 0)])
    check(lambda x: np.apply_along_axis(lambda v: v - v.mean(), 0, x), X, dynamic=[(0, 0)])
    check(lambda x: np.piecewise(x, [x > 3], [np.sqrt]), V, dynamic=[(0, 0)])


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: dnp.vectorize(np.add, signature="(n),(n)->()")(x), InputError, "1 arguments for the signature"),
        (lambda x: dnp.vectorize(np.sum, signature="(n,m)->()")(x), ShapeError, "an operand of 1 dim"),
        (lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), ShapeError, "3 functions for 1 conditions"),
        (lambda x: np.apply_along_axis(np.sum, 2, x), ShapeError, "axis 2 is not an axis"),
        (lambda x: np.apply_over_axes(lambda a, i: a[0, 0], x[None], 0), ShapeError, "another number of dim"),
    ],
)
def test_messages(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        module_of(f, [Aval((3,), X.dtype)])
