"""Flat and separate indices, choices by number, and copies made by functions that write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc.numpy as dnp
from difc.dialects import Aval
from difc.errors import MutationError, ShapeError, UnsupportedError
from tests.frontend.traced import check, compare, module_of, trace_and_run

X = np.arange(12.0).reshape(3, 4)


def test_run_time_sizes() -> None:
    check(lambda x, i: np.unravel_index(i, x.shape), X, np.array([3, 11]), dynamic=[(0, 0)])
    check(lambda x, i: np.ravel_multi_index((i, i), x.shape), X, np.array([0, 2]), dynamic=[(0, 0)])
    check(lambda x: x[np.diag_indices_from(x)], X[:, :3], dynamic=[(0, 0), (0, 1)])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("put_along_axis", (np.array([[0], [1], [-1]]), 9.0, 1)),
        ("put_along_axis", (np.array([[2, 0, 1, 1]]), np.arange(4.0), 0)),
        ("put_along_axis", (np.array([3, 7]), np.array([1.0, 2.0]), None)),
        ("put", ([0, -5, 7], [1.0, 2.0])),
        ("put", ([[0, 25], [7, -1]], 3.0, "wrap")),
        ("put", ([0, 25], [1.0, 2.0], "clip")),
        ("put", ([1, 2], [])),
        ("fill_diagonal", (7.0,)),
        ("fill_diagonal", ([1.0, 2.0],)),
    ],
)
def test_a_copy_instead_of_writing(name: str, arguments: tuple[Any, ...]) -> None:
    expected = X.copy()
    getattr(np, name)(expected, *arguments)
    compare(trace_and_run(lambda x: getattr(dnp, name)(x, *arguments, inplace=False), X), expected)
    with pytest.raises(MutationError, match=rf"numpy.{name} writes into an array in place(?s:.*)inplace=False"):
        trace_and_run(lambda x: getattr(np, name)(x, *arguments), X)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.choose(x, [1, 2]), ShapeError, "choose needs integers, not f64"),
        (
            lambda x: np.choose(x.astype(int), [1], mode="no"),
            ShapeError,
            "choose: mode='no' is not one of 'raise', 'wrap'",
        ),
        (lambda x: np.choose(x.astype(int), []), ShapeError, "choose needs one or more choices"),
        (lambda x: np.ravel_multi_index([x.astype(int)], [3], mode="no"), ShapeError, "ravel_multi_index: mode='no'"),
        (lambda x: dnp.put(x, 0, 1.0, mode="no", inplace=False), ShapeError, "put: mode='no' is not one of"),
        (lambda x: np.unravel_index(x.astype(int), (3, 4), order="K"), ShapeError, "neither 'C' nor 'F'"),
        (lambda x: np.ravel_multi_index((x.astype(int),), (3, 4)), ShapeError, "1 indices for 2 dims"),
        (lambda x: np.tril_indices_from(x), ShapeError, "needs a matrix, not an array of 1 dim"),
        (lambda x: np.diag_indices_from(x), ShapeError, "two or more dimensions of equal sizes"),
        (lambda x: dnp.fill_diagonal(x[None], 1, inplace=False, wrap=True), UnsupportedError, "wrap=True"),
        (lambda x: np.copyto(x, 1.0), MutationError, r"numpy.copyto writes.*(?s:.)*x.at\[index\].set"),
    ],
)
def test_messages(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        module_of(f, [Aval((3,), X.dtype)])
    assert "test_numpy_positions.py" in str(raised.value)
