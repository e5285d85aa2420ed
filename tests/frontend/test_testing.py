"""`check_grads` passes on right derivatives and catches wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.errors import InputError
from difc.testing import check_grads
from tests.frontend.failing import fails

x = np.linspace(0.3, 1.2, 3)


def wrong_slope(a: Any) -> Any:
    """A function whose value is sin(a) and whose derivative is 2 cos(a)."""
    return 2.0 * np.sin(a) - difc.stop_gradient(np.sin(a))


def wrong_curvature(a: Any) -> Any:
    """A function with a right first derivative, cos(a), whose derivative is wrong."""
    return np.sin(difc.stop_gradient(a)) + np.cos(difc.stop_gradient(a)) * (a - difc.stop_gradient(a))


@pytest.mark.parametrize("modes", [("fwd",), ("rev",), ("fwd", "rev")])
def test_right_derivatives(modes: tuple[str, ...]) -> None:
    check_grads(lambda a, t: {"y": np.tanh(a @ a) * t["b"], "z": a * t["b"][0]}, [x, {"b": x * 2}], 2, modes)


@pytest.mark.parametrize(("mode", "what"), [("fwd", "jvp: found"), ("rev", "vjp: found")])
def test_a_wrong_derivative(mode: str, what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        check_grads(wrong_slope, [x], 1, [mode])


@pytest.mark.parametrize(("mode", "what"), [("fwd", "jvp of jvp: found"), ("rev", "vjp of vjp: found")])
def test_a_wrong_second_derivative(mode: str, what: str) -> None:
    check_grads(wrong_curvature, [x], 1, [mode])
    with pytest.raises(AssertionError, match=what):
        check_grads(wrong_curvature, [x], 2, [mode])


def test_what_would_check_nothing() -> None:
    check_grads(np.sin, (x,), 1, "rev")
    for modes in ((), "reverse", ("fwd", "both")):
        with fails(InputError, "check_grads: modes is", at="check_grads(np.sin", remedy='"fwd", "rev", or both'):
            check_grads(np.sin, (x,), 1, modes)
    with fails(InputError, "check_grads: args is no tuple", at="check_grads(np.sin", remedy="check_grads(f, (x,))"):
        check_grads(np.sin, x)


def test_compiled_code() -> None:
    check_grads(lambda a: np.exp(a) * a[0], [x], 1, compiled=True)


def test_float32_arguments_are_checked_in_float64() -> None:
    check_grads(lambda a: np.sum(a**3), [x.astype(np.float32)], 2)
