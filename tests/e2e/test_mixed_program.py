"""A program that mixes scan, cond, dot_general, gather and reductions: its derivatives against differences and JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.testing import check_grads

STEPS, WIDTH, TABLE = 6, 4, 7
TOKENS = np.array([3, 0, 6, 3, 2, 5])


def make(np: Any, scan: Any, cond: Any) -> Any:
    def loss(params: Any, tokens: Any) -> Any:
        def step(h: Any, token: Any) -> Any:
            x = params["table"][token]
            z = np.tanh(params["w"] @ h + x)
            h = cond(np.sum(z) > 0.0, lambda z, x: z * np.exp(-x * x), lambda z, x: z + 0.5 * x, z, x)
            return h, np.max(h) * np.sum(x)

        h, ys = scan(step, params["h"], tokens)
        return np.sum(h**2) + np.mean(np.logaddexp(ys, 0.0)) + np.prod(1.0 + 0.1 * h)

    return loss


@pytest.fixture(scope="module")
def params() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        "table": random.normal(size=(TABLE, WIDTH)),
        "w": random.normal(size=(WIDTH, WIDTH)) / 2,
        "h": random.normal(size=WIDTH),
    }


LOSS = make(dnp, difc.scan, difc.cond)


def derivatives(params: Any, direction: Any) -> dict[str, Any]:
    """Return the loss, its gradient, and the slope of the gradient along a direction, by both orders of modes."""

    def slope(p: Any) -> Any:
        gradient = difc.grad(LOSS)(p, TOKENS)
        return sum(dnp.sum(gradient[k] * direction[k]) for k in gradient)

    value, gradient = difc.value_and_grad(LOSS)(params, TOKENS)
    _, forward_over_reverse = difc.jvp(lambda p: difc.grad(LOSS)(p, TOKENS), (params,), (direction,))
    return {
        "value": value,
        "gradient": gradient,
        "reverse over reverse": difc.grad(slope)(params),
        "forward over reverse": forward_over_reverse,
    }


@pytest.fixture(scope="module")
def direction(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: np.cos(v) for k, v in params.items()}


@pytest.fixture(scope="module")
def compiled() -> Any:
    return difc.jit(derivatives)


def flat(tree: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(tree[k])) for k in sorted(tree)])


def test_gradient_agrees_with_finite_differences(params: Any, direction: Any, compiled: Any) -> None:
    eps, wanted = 1e-6, []
    for key in sorted(params):
        for i in range(params[key].size):
            values = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in params.items()}
                moved[key].flat[i] += sign * eps
                values.append(float(compiled(moved, direction)["value"]))
            wanted.append((values[0] - values[1]) / (2 * eps))
    np.testing.assert_allclose(flat(compiled(params, direction)["gradient"]), wanted, rtol=1e-6, atol=1e-6)


def test_gradient_and_hessian_agree_with_jax(params: Any, direction: Any, compiled: Any) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        theirs = make(jax.numpy, jax.lax.scan, jax.lax.cond)
        wanted = jax.grad(theirs)(params, TOKENS)

        def slope(p: Any) -> Any:
            g = jax.grad(theirs)(p, TOKENS)
            return sum((g[k] * direction[k]).sum() for k in g)

        wanted_second = jax.grad(slope)(params)
    found = compiled(params, direction)
    np.testing.assert_allclose(flat(found["gradient"]), flat(wanted), rtol=1e-10, atol=1e-12)
    for order in ("reverse over reverse", "forward over reverse"):
        np.testing.assert_allclose(flat(found[order]), flat(wanted_second), rtol=1e-9, atol=1e-11, err_msg=order)


def test_second_derivative_agrees_with_finite_differences(params: Any, direction: Any, compiled: Any) -> None:
    eps = 1e-6
    plus, minus = (
        flat(compiled({k: v + sign * eps * direction[k] for k, v in params.items()}, direction)["gradient"])
        for sign in (1, -1)
    )
    found = flat(compiled(params, direction)["reverse over reverse"])
    np.testing.assert_allclose(found, (plus - minus) / (2 * eps), rtol=1e-6, atol=1e-6)


def test_check_grads_to_order_two(params: dict[str, np.ndarray]) -> None:
    check_grads(lambda p: LOSS(p, TOKENS), [params], order=2)


def test_the_interpreter_and_the_compiled_code_agree(params: Any, direction: Any, compiled: Any) -> None:
    found = compiled(params, direction)
    with difc.disable_jit():
        wanted = compiled(params, direction)
    np.testing.assert_allclose(found.pop("value"), wanted.pop("value"), rtol=1e-12)
    for name, tree in found.items():
        np.testing.assert_allclose(flat(tree), flat(wanted[name]), rtol=1e-10, atol=1e-12, err_msg=name)
