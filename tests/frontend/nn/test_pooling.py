"""Pooling equals JAX's windowed reductions; gradients at ties are shared evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from jax import lax

import difc
from difc import nn
from difc.errors import InputError, ShapeError
from tests.frontend.failing import fails
from tests.frontend.traced import trace_and_run

pytestmark = pytest.mark.usefixtures("wide")
RNG = np.random.default_rng(0)
SHAPES = {1: (2, 9, 3), 2: (2, 7, 6, 3), 3: (1, 5, 4, 6, 2)}
FORMS: list[tuple[Any, Any, Any]] = [
    (2, None, "VALID"), (3, 2, "SAME"), (3, 1, "VALID"), (2, 2, "SAME"), (2, 3, 1), (2, 1, "SAME"),
]  # fmt: skip


def _jax(x: np.ndarray, reduce: Any, start: Any, window: int, strides: Any, padding: Any) -> np.ndarray:
    rank = x.ndim - 2
    full = lambda n: (1, *(n,) * rank, 1)  # noqa: E731
    pads = padding if isinstance(padding, str) else [(0, 0), *[(padding, padding)] * rank, (0, 0)]
    return np.asarray(lax.reduce_window(x, x.dtype.type(start), reduce, full(window), full(strides or window), pads))


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize(("window", "strides", "padding"), FORMS)
def test_pools_are_those_of_jax(rank: int, window: int, strides: Any, padding: Any) -> None:
    x = RNG.normal(size=SHAPES[rank])
    form = (window, strides, padding)
    sums = _jax(x, lax.add, 0, *form)
    wanted = {
        "max_pool": _jax(x, lax.max, -np.inf, *form),
        "min_pool": _jax(x, lax.min, np.inf, *form),
        "avg_pool": sums / window**rank,
        "counted": sums / _jax(np.ones_like(x), lax.add, 0, *form),
    }
    functions = {
        "max_pool": lambda x: nn.max_pool(x, *form),
        "min_pool": lambda x: nn.min_pool(x, *form),
        "avg_pool": lambda x: nn.avg_pool(x, *form),
        "counted": lambda x: nn.avg_pool(x, *form, count_include_pad=False),
    }
    traced = trace_and_run(lambda x: [f(x) for f in functions.values()], x, dynamic=[(0, 0)])
    for (name, f), found in zip(functions.items(), traced, strict=True):
        for y in (f(x), found):
            np.testing.assert_allclose(y, wanted[name], rtol=1e-12, atol=1e-12, err_msg=name)


def test_integers_and_bools() -> None:
    x = RNG.integers(-9, 9, (1, 4, 4, 1))
    assert trace_and_run(lambda x: nn.max_pool(x, 3, 1, "SAME"), x)[0].dtype == x.dtype
    np.testing.assert_array_equal(
        trace_and_run(lambda x: nn.max_pool(x, 3, 1, "SAME"), x > 5)[0], nn.max_pool(x, 3, 1, "SAME") > 5
    )
    np.testing.assert_array_equal(
        trace_and_run(lambda x: nn.min_pool(x, 3, 1, "SAME"), x.astype(np.uint8))[0],
        nn.min_pool(x.astype(np.uint8), 3, 1, "SAME"),
    )
    assert trace_and_run(lambda x: nn.avg_pool(x, 2), x)[0].dtype == np.float64


def test_ties_share_the_gradient() -> None:
    x = np.zeros((1, 4, 1))
    with difc.disable_jit():
        found = difc.grad(lambda x: np.sum(nn.max_pool(x, 2)))(x)
        np.testing.assert_array_equal(found[0, :, 0], [0.5, 0.5, 0.5, 0.5])
        found = difc.grad(lambda x: np.sum(nn.max_pool(x, 3, 1)))(x)
        np.testing.assert_allclose(found[0, :, 0], [1 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_gradients() -> None:
    x = RNG.normal(size=(2, 7, 6, 3))

    def f(x: Any) -> Any:
        y = nn.max_pool(x, 3, 2, "SAME") + nn.avg_pool(x, (2, 3), (2, 2), [(1, 0), (1, 1)])
        return np.sum(np.sin(y))

    with difc.disable_jit():
        difc.testing.check_grads(f, (x,), order=2)


def test_errors() -> None:
    x = np.ones((1, 4, 4, 1))
    with fails(ShapeError, "max_pool needs spatial sizes known", at="nn.max_pool", remedy="the batch may"):
        trace_and_run(lambda x: nn.max_pool(x, 2), x, dynamic=[(0, 1)])
    with fails(InputError, r"avg_pool: window \(2, 2, 2\) is not a positive number", at="nn.avg_pool"):
        trace_and_run(lambda x: nn.avg_pool(x, (2, 2, 2)), x)
