"""Normalization: means, variances, groups, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc import nn
from difc.errors import ShapeError
from tests.frontend.failing import fails
from tests.frontend.traced import check, trace_and_run

RNG = np.random.default_rng(0)
X, SCALE, BIAS = RNG.normal(2, 3, size=(4, 5, 6)), RNG.normal(size=6), RNG.normal(size=6)


def test_what_they_compute() -> None:
    y = nn.layer_norm(X, SCALE, BIAS, epsilon=0.0)
    expected = (X - X.mean(-1, keepdims=True)) / X.std(-1, keepdims=True) * SCALE + BIAS
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    np.testing.assert_allclose(nn.rms_norm(X, SCALE, epsilon=0.0), X / np.sqrt((X**2).mean(-1, keepdims=True)) * SCALE)
    y = nn.group_norm(X, 2, epsilon=0.0)
    assert np.abs(y.reshape(4, 5, 2, 3).mean((1, 3))).max() < 1e-12
    np.testing.assert_allclose(y.reshape(4, 5, 2, 3).std((1, 3)), 1)
    y, (mean, variance) = nn.batch_norm(X, epsilon=0.0)
    np.testing.assert_allclose((mean, variance), (X.mean((0, 1)), X.var((0, 1))))
    np.testing.assert_allclose(nn.batch_norm(X[:1], statistics=(mean, variance), epsilon=0.0)[0], y[:1], rtol=1e-10)


def test_traced() -> None:
    check(lambda x, s, b: nn.layer_norm(x, s, b), X, SCALE, BIAS, dynamic=[(0, 0)])
    check(lambda x, s: nn.rms_norm(x, s, axis=(1, 2)), X, SCALE)
    check(lambda x, s, b: nn.group_norm(x, 3, s, b), X, SCALE, BIAS, dynamic=[(0, 0), (0, 1)])
    check(
        lambda x, s, b: nn.batch_norm(x, s, b), X.astype(np.float32), SCALE.astype(np.float32), BIAS.astype(np.float32)
    )
    check(lambda x, s, b: nn.batch_norm(x, statistics=(s, b * b)), X, SCALE, BIAS)


def test_gradients() -> None:
    def f(x: Any, s: Any) -> Any:
        total = nn.layer_norm(x, s) + nn.rms_norm(x) + nn.group_norm(x, 2) + nn.batch_norm(x, s)[0]
        return np.sum(np.sin(total))

    with difc.disable_jit():
        difc.testing.check_grads(f, (X, SCALE), order=2)


def test_far_from_zero() -> None:
    np.testing.assert_allclose(nn.standardize(X + 1e8, epsilon=0.0), nn.standardize(X, epsilon=0.0), atol=1e-6)


def test_groups_that_do_not_fit() -> None:
    with fails(ShapeError, "6 channels do not make 4 equal groups", at="nn.group_norm(x, 4)", remedy="divides"):
        trace_and_run(lambda x: nn.group_norm(x, 4), X)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "standardize"])
def test_lists(name: str) -> None:
    np.testing.assert_allclose(getattr(nn, name)(X.tolist()), getattr(nn, name)(X))
