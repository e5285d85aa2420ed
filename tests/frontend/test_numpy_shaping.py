"""Shapes, joins and creation with sizes known only at run time, and over random shapes; their messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import difc.numpy as dnp
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import DtypeError, ShapeError, UnsupportedError
from difc.tracer import Tracer
from tests.frontend.traced import check, compare, module_of, trace_and_run

X = np.random.default_rng(0).normal(size=(2, 3, 4))
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@settings(max_examples=40, deadline=None)
@given(shapes, st.data())
def test_random_shapes(shape: tuple[int, ...], data: st.DataObject) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    order = data.draw(st.permutations(range(len(shape))))
    check(
        lambda a: [
            np.transpose(a, order), np.flip(a, axis), np.roll(a, 2, axis), np.concatenate([a, a, a], axis),
            np.repeat(a, 2, axis),
            np.stack([a, a], axis), np.expand_dims(a, axis), np.moveaxis(a, axis, 0), np.reshape(a, (-1, shape[0])),
            np.array_split(a, 3, axis), np.cumsum(a, axis), np.cumprod(a, axis), np.diff(a, axis=axis), np.ravel(a),
            a.T,
        ],
        x,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # NumPy's own, where pad takes the mean of no element
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.reshape(x, (x.shape[0], -1)),
        lambda x: x.reshape(x.shape[0] * 3, 4),
        lambda x: x.reshape(-1),
        lambda x: x.reshape(-1, 2),
        lambda x: x.reshape(2, -1),
        lambda x: x.reshape(x.shape[0], 3, 2, -1),
        lambda x: np.concatenate([x, x]).reshape(x.shape[0], -1),
        lambda x: np.concatenate([x, x[1:], x]),
        lambda x: np.stack([x, 2 * x], 1),
        lambda x: np.tile(x, (2, 1, 1)),
        lambda x: np.repeat(x, 2, 0),
        lambda x: np.broadcast_to(x[:, :1], x.shape),
        lambda x: np.zeros_like(x) + np.ones_like(x),
        lambda x: x.transpose(2, 0, 1).swapaxes(0, 1),
        lambda x: np.pad(x, ((1, 2), (0, 0), (0, 1))),
        lambda x: [np.mean(x, 0), np.var(x, (0, 1)), np.std(x), np.average(x, 0), np.mean(x, 0, where=x > 0)],
        lambda x: [np.sum(x, 0), np.max(x, 0), np.argmax(x, 0), np.cumsum(x, 0), np.cumsum(x), np.any(x > 1, 0)],
        lambda x: np.diff(x, axis=0),
        lambda x: np.einsum("bij,bkj->bik", x, x),
        lambda x: np.einsum("bij,bij->", x, x),
        lambda x: np.trace(np.einsum("aij,bij->ab", x, x)),
        lambda x: np.tril(x[:, :, 0] @ x[:, :, 0].T),
        lambda x: x @ x.transpose(0, 2, 1),
        lambda x: np.tensordot(x, x, ([0, 1], [0, 1])),
        lambda x: np.squeeze(np.expand_dims(x, 0), 0),
        lambda x: np.array_equal(x, x),
        lambda x: x / np.size(x) + x.shape[0] * x.shape[1],
        lambda x: np.diag(x[:, 0, 0]),
        lambda x: np.flip(x).ravel(),
        lambda x: np.outer(x[:, 0, 0], x[:, 0, 1]),
    ],
)
def test_run_time_sizes(f: Any) -> None:
    check(f, X, dynamic=[(0, 0)])


def test_creation_of_run_time_sizes() -> None:
    def f(x: Any) -> Any:
        m: Any = dnp if isinstance(x, Tracer) else np
        n = x.shape[0]
        return [
            m.zeros(n) + x, m.ones((n, 2)), m.arange(n) * x, m.arange(1, n), m.arange(0, n, 2), m.eye(n) * x, m.tri(n),
            m.full((2, n), 3.0) * x, m.linspace(0.0, 1.0, n), m.zeros(n // 2) + m.ones(n // 2), m.zeros(2 * n - 1),
            m.indices((n,)), m.zeros((n, n)) + x[:, None], m.arange(n, dtype=np.float32), m.identity(n),
        ]  # fmt: skip

    check(f, np.arange(5.0), dynamic=[(0, 0)])


def test_equal_sizes_are_equal_when_traced() -> None:
    def f(x: Any, y: Any) -> Any:
        assert x.shape[0] == y.shape[0]
        assert x.shape[0] != x.shape[1]
        assert x.shape == (x.shape[0], 4)
        return x + y

    module_of(f, [Aval((Dim.named("n"), 4), X.dtype)] * 2)


def test_lists_of_traced_values() -> None:
    compare(
        trace_and_run(lambda x: dnp.array([[x[0], 1.0], [2.0, x[1]]]), np.array([5.0, 6.0])),
        np.array([[5.0, 1], [2, 6]]),
    )
    compare(trace_and_run(lambda x: dnp.sum([x[0], x[1]]), np.array([5.0, 6.0])), np.float64(11))
    compare(trace_and_run(lambda x: np.add(x, [x[0], 1.0]), np.array([5.0, 6.0])), np.array([10.0, 7.0]))


def test_numbers_in_arrays() -> None:
    one_two, order = np.array([1, 2]), np.array([1, 2, 0])
    check(
        lambda x: [
            x.transpose(order), x.reshape(order + 2), x.reshape(24), np.flip(x, one_two), np.sum(x, tuple(one_two)),
            np.roll(x, one_two, one_two), np.resize(x, one_two), x.transpose(range(2, -1, -1)),
        ],
        np.arange(24.0).reshape(2, 3, 4),
    )  # fmt: skip


N = Dim.named("n")


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x + np.ones(5), r"shapes \[n, 3, 4\] and \[5\] do not broadcast.*x\[:, None\]"),
        (lambda x: x[:, 0] + x[0], r"do not broadcast: sizes n and 3"),
        (lambda x: np.reshape(x[0], (5, -1)), "12 elements are not a multiple of 5"),
        (lambda x: np.reshape(x[0], (5, 2)), "12 elements do not make 10"),
        (lambda x: np.reshape(x, (-1, -1)), "only one size can be -1"),
        (lambda x: np.concatenate([x, x[:, :2]], 0), r"array 1 has shape \[n, 2, 4\], which does not fit"),
        (lambda x: np.concatenate([]) if x is None else np.concatenate([x[0, 0, 0]]), "scalars cannot be joined"),
        (lambda x: np.stack([x, x[0]]), r"stack: array 1 has shape \[3, 4\]"),
        (lambda x: np.sum(x, 5), "axis 5 is not an axis of an array of 3 dimensions.*from -3 to 2"),
        (lambda x: np.sum(x, (0, 0)), "names an axis twice"),
        (lambda x: np.squeeze(x, 1), "squeeze: axis 1 has size 3, not 1"),
        (lambda x: np.split(x, 2, 1), "3 elements do not split into 2 equal parts"),
        (lambda x: np.split(x, 2, 0), "needs a size known when the function is traced.*run-time size n"),
        (lambda x: np.pad(x, 1, "mirror"), "pad: mode 'mirror' is not one of constant, edge"),
        (lambda x: np.pad(x, 1, "edge", stat_length=2), "pad: mode 'edge' takes no stat_length="),
        (lambda x: np.pad(x, ((0, 0), (1, 1), (0, 0)), "mean", stat_length=0), "a mean of no elements along axis 1"),
        (lambda x: np.pad(x[:, :0], ((0, 0), (1, 1), (0, 0)), "edge"), "axis 1 is empty"),
        (lambda x: np.pad(x, ((1, 2), (3, 4))), "does not give a pair for each of 3 axes"),
        (lambda x: np.reshape(x, -1, order="Z"), "order='Z' is not one of"),
        (lambda x: np.pad(x, -1), "a width is negative"),
        (lambda x: np.broadcast_to(x, (3, 4)), "does not repeat"),
        (lambda x: np.transpose(x, (0, 1)), "are not all 3 axes"),
        (lambda x: np.max(np.zeros_like(x, shape=(0,))), "max of an empty array"),
        (lambda x: np.diagonal(x), "the matrix is n by 3"),
        (lambda x: dnp.zeros(x[0, 0, 0]), "a size must be an integer scalar"),
        (lambda x: dnp.arange(0.0, x.sum()), "arange with traced bounds needs integers"),
        (lambda x: dnp.arange(0, 5, 0), "arange: the step is 0"),
        (lambda x: dnp.arange(), "arange needs an end"),
        (lambda x: np.rollaxis(x, 0, 4), "start 4 is not an axis of an array of 3 dim"),
    ],
)
def test_messages(f: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"(?s){message}") as raised:
        module_of(f, [Aval((N, 3, 4), X.dtype)])
    assert "test_numpy_shaping.py" in str(raised.value)
    assert "^" in str(raised.value)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.sum(x, 1.0), "axis must be an integer, not 1.0"),
        (lambda x: x.reshape(3 / 2, 2), "a size must be an integer, not 1.5.*divide sizes with //"),
    ],
)
def test_numbers_that_are_no_integers(f: Any, message: str) -> None:
    with pytest.raises(DtypeError, match=f"(?s){message}"):
        module_of(f, [Aval((3,), X.dtype)])


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: np.repeat(x, x.astype(int)), "repeat with traced numbers"),
        (lambda x: np.pad(x, 1, lambda *args: None), "pad with a function, which writes in place"),
    ],
)
def test_what_is_not_traced(f: Any, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        module_of(f, [Aval((3,), X.dtype)])
