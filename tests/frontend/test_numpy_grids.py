"""Grids and windows of run-time sizes, and creation by NumPy's own functions with `like=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc.numpy as dnp
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import ConcretizationError, ShapeError, UnsupportedError
from tests.frontend.traced import check, module_of

X, V = np.arange(12.0).reshape(3, 4), np.arange(1.0, 7.0)

RUN_TIME: dict[str, Callable[..., Any]] = {
    "bartlett": lambda x: x * dnp.bartlett(x.shape[0]),
    "blackman": lambda x: x * dnp.blackman(x.shape[0]),
    "hamming": lambda x: x * dnp.hamming(x.shape[0]),
    "hanning": lambda x: x * dnp.hanning(x.shape[0]),
    "kaiser": lambda x: dnp.kaiser(x.shape[0], x[0] + 3.0),
    "linspace": lambda x: x * dnp.linspace(1.0, 8.0, x.shape[0]),
    "geomspace": lambda x: x * dnp.geomspace(1.0, 8.0, x.shape[0]),
    "mgrid": lambda x: dnp.mgrid[0 : x.shape[0], 1:3],
    "mgrid of one": lambda x: dnp.mgrid[2 : x.shape[0] + 2],
    "ogrid": lambda x: dnp.ogrid[0 : x.shape[0], 0:1:3j],
    "fromfunction": lambda x: dnp.fromfunction(lambda i: i * 2, (x.shape[0],)) + x,
    "like": lambda x: (
        np.arange(x.shape[0], like=x)
        + np.full(x.shape[0], 2.0, like=x)
        + np.ones(1, like=x)
        + np.eye(x.shape[0], like=x)[0]
    ),
    "tile": lambda x: np.tile(np.ones(2) * x[0], x.shape[0]),
    "repeat": lambda x: np.repeat(x[0], x.shape[0]),
    "broadcast_shapes": lambda x: np.ones_like(x, shape=dnp.broadcast_shapes((3, 1), x.shape)),
    "roll": lambda x: np.roll(x, 2),
}


@pytest.mark.parametrize("name", RUN_TIME)
@pytest.mark.parametrize("count", [1, 6])
def test_run_time_sizes(name: str, count: int) -> None:
    check(RUN_TIME[name], V[:count], dynamic=[(0, 0)])


def test_a_traced_shift() -> None:
    check(lambda x, s: np.roll(x, s, 1), X, np.int64(3))
    check(lambda x, s: np.roll(x, (1, s), (1, 0)), X, np.int32(-4), dynamic=[(0, 0)])


def test_column_major_order() -> None:
    check(lambda x: [x.reshape(-1, order="F"), np.ravel(x, "F")], X, dynamic=[(0, 0)])


def test_known_grids_are_numpys() -> None:
    check(lambda x: x[0] + dnp.mgrid[0:2, 0:4][1], X)
    check(lambda x: x[0] + dnp.ogrid[0:3, 0:4][1], X)
    np.testing.assert_array_equal(dnp.mgrid[0:3], [0, 1, 2])
    assert repr(dnp.ogrid) == "<difc.numpy.ogrid>"


def test_arrays_joined_in_brackets() -> None:
    check(lambda x: [dnp.r_[x, 1, x[:2] * 2, 0:3, 0:1:3j], dnp.r_[x[0], x[1]], dnp.c_[x, x**2]], V)
    check(lambda x: [dnp.r_[x, x[:1]], dnp.c_[x, x[:, :2], 2 * x], dnp.c_[x[0, 0], 2.0]], X.astype(np.float32))
    check(lambda x: [dnp.c_[np.ones(6), x], dnp.r_[x, 2.0]], V.astype(np.float32))
    check(lambda x: [dnp.r_[x, x], dnp.c_[x, x]], V, dynamic=[(0, 0)])
    np.testing.assert_array_equal(dnp.c_[[1, 2], [3, 4]], [[1, 3], [2, 4]])


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.arange(x.shape[0]), ConcretizationError, r"the run-time size n.*difc.numpy.arange\(n\)"),
        (lambda x: np.hanning(x.shape[0]), ConcretizationError, r"difc.numpy.arange"),
        (lambda x: dnp.geomspace(0, 1, 3) + x, ShapeError, "cannot include zero"),
        (lambda x: dnp.mgrid[x.shape[0]], ShapeError, "a grid is made of slices"),
        (lambda x: dnp.r_["0,2", x], UnsupportedError, "a text that says how to join.*use np.concatenate"),
        (lambda x: np.r_[x, x], ConcretizationError, "r_ and c_ of difc.numpy"),
        (lambda x: dnp.zeros(3, device="gpu"), UnsupportedError, "zeros on device 'gpu'.*leave device= out"),
    ],
)
def test_messages(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as raised:
        module_of(f, [Aval((Dim.named("n"),), X.dtype)])
    assert "test_numpy_grids.py" in str(raised.value)
