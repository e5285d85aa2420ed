"""Activations, softmax and one-hot codes equal JAX's, traced and on NumPy arrays, also at the edges."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import difc
from difc import nn
from difc.errors import InputError
from difc.nn import activations
from tests.frontend.traced import compare, trace_and_run

jax.config.update("jax_enable_x64", True)

X = np.array([[-800.0, -1.0, 0.0, 0.3], [2.0, 800.0, 30.0, -40.0]])

OTHERS = ("as_array", "one_hot", "logsumexp", "swish", "leaky_relu")
ACTIVATIONS = [name for name in activations.__all__ if name not in OTHERS]


def _both(f: Any, *arrays: Any) -> list[np.ndarray]:
    with np.errstate(all="ignore"):
        return [np.asarray(f(*arrays)), trace_and_run(f, *arrays)[0]]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_activations_equal_jax(name: str, dtype: Any) -> None:
    x = X.astype(dtype)
    expected = np.asarray(getattr(jax.nn, name)(x))
    for found in _both(getattr(nn, name), x):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-10 if dtype == np.float64 else 2e-5, atol=1e-15)


def test_options() -> None:
    for f, g in [
        (lambda x: nn.gelu(x, approximate=False), lambda x: jax.nn.gelu(x, approximate=False)),
        (lambda x: nn.leaky_relu(x, 0.2), lambda x: jax.nn.leaky_relu(x, 0.2)),
        (lambda x: nn.elu(x, 2.0), lambda x: jax.nn.elu(x, 2.0)),
        (lambda x: nn.softmax(x, axis=0), lambda x: jax.nn.softmax(x, axis=0)),
        (lambda x: nn.log_softmax(x, axis=(0, 1)), lambda x: jax.nn.log_softmax(x, axis=(0, 1))),
    ]:
        for found in _both(f, X):
            np.testing.assert_allclose(found, g(X), rtol=1e-10, atol=1e-15)
    assert np.isnan(nn.relu(np.array([np.nan]))).all()


MASKS = {
    "some": np.array([[True, False, True, True], [False, True, False, False]]),
    "a row": np.array([[False], [True]]),
    "a column": np.array([True, True, False, True]),
    "none": np.zeros((2, 4), bool),
}
MASKED = np.array([[-1.0, np.inf, 0.0, 0.3], [np.nan, 2.0, 30.0, -40.0]])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_what_does_not_count(name: str, mask: str) -> None:
    ours, theirs, where = getattr(nn, name), getattr(jax.nn, name), MASKS[mask]
    x = np.where(where, np.nan_to_num(MASKED, posinf=5.0), MASKED) if mask != "none" else MASKED
    for axis in (-1, 0, None):
        expected = np.asarray(theirs(x, axis=axis, where=where))
        for found in (
            np.asarray(ours(x, axis=axis, where=where)),
            trace_and_run(lambda x, w, axis=axis: ours(x, axis=axis, where=w), x, where)[0],
        ):
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)

    def loss(x: Any) -> Any:
        return np.sum(np.exp(ours(x, axis=-1, where=where)) * np.arange(1.0, 5.0)[: 2 if name == "logsumexp" else 4])

    with difc.disable_jit():
        slope, change = difc.grad(loss)(x), difc.jvp(difc.grad(loss), (x,), (np.ones_like(x),))[1]
        whole = np.nan_to_num(x, posinf=0.0)
        np.testing.assert_allclose(slope, difc.grad(loss)(whole))
        difc.testing.check_grads(loss, (whole,), order=2)
    assert np.isfinite(change).all()
    np.testing.assert_array_equal(slope[~np.broadcast_to(where, x.shape)], 0)


def test_what_does_not_count_of_a_signed_sum() -> None:
    x, b = np.array([1.0, np.nan, 2.0]), np.array([1.0, np.nan, -3.0])
    found = nn.logsumexp(x, b=b, return_sign=True, where=~np.isnan(x))
    expected = jax.nn.logsumexp(x[::2], b=b[::2], return_sign=True)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_one_hot() -> None:
    codes = np.array([0, 2, 5, -1])
    for dtype in (np.float32, np.int8):
        for found in _both(lambda c, d=dtype: nn.one_hot(c, 3, dtype=d), codes):
            compare([found], np.asarray(jax.nn.one_hot(codes, 3, dtype=dtype)))
    for found in _both(lambda c: nn.one_hot(c, 3, axis=0), codes.astype(np.uint8)):
        assert found.shape == (3, 4)
    with pytest.raises(InputError, match="the classes are float64, not integers"):
        nn.one_hot(X, 3)
