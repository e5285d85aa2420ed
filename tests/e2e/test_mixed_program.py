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


def flat(tree: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(tree[k])) for k in sorted(tree)])


def differences(f: Any, params: dict[str, np.ndarray], eps: float = 1e-6) -> np.ndarray:
    found = []
    for key in sorted(params):
        for i in range(params[key].size):
            values = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in params.items()}
                moved[key].flat[i] += sign * eps
                values.append(flat(f(moved)) if isinstance(f(moved), dict) else np.asarray(f(moved)))
            found.append((values[0] - values[1]) / (2 * eps))
    return np.stack(found)


def test_gradient_agrees_with_finite_differences(params: dict[str, np.ndarray]) -> None:
    value, gradient = difc.value_and_grad(LOSS)(params, TOKENS)
    loss = difc.jit(LOSS)
    wanted = differences(lambda p: float(loss(p, TOKENS)), params)
    np.testing.assert_allclose(flat(gradient), wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(value, loss(params, TOKENS), rtol=1e-12)


def test_gradient_and_hessian_agree_with_jax(params: dict[str, np.ndarray]) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        theirs = make(jax.numpy, jax.lax.scan, jax.lax.cond)
        wanted = jax.grad(theirs)(params, TOKENS)
        direction = {k: np.cos(v) for k, v in params.items()}

        def slope(p: Any) -> Any:
            g = jax.grad(theirs)(p, TOKENS)
            return sum((g[k] * direction[k]).sum() for k in g)

        wanted_second = jax.grad(slope)(params)
    gradient = difc.grad(LOSS)(params, TOKENS)
    np.testing.assert_allclose(flat(gradient), flat(wanted), rtol=1e-10, atol=1e-12)

    def ours(p: Any) -> Any:
        g = difc.grad(LOSS)(p, TOKENS)
        return sum(dnp.sum(g[k] * direction[k]) for k in g)

    reverse_over_reverse = difc.grad(ours)(params)
    np.testing.assert_allclose(flat(reverse_over_reverse), flat(wanted_second), rtol=1e-9, atol=1e-11)
    _, forward_over_reverse = difc.jvp(lambda p: difc.grad(LOSS)(p, TOKENS), (params,), (direction,))
    np.testing.assert_allclose(flat(forward_over_reverse), flat(wanted_second), rtol=1e-9, atol=1e-11)


def test_second_derivative_agrees_with_finite_differences(params: dict[str, np.ndarray]) -> None:
    direction = {k: np.cos(v) for k, v in params.items()}
    gradient = difc.grad(LOSS)
    eps = 1e-6
    plus, minus = (
        flat(gradient({k: v + sign * eps * direction[k] for k, v in params.items()}, TOKENS)) for sign in (1, -1)
    )

    def slope(p: Any) -> Any:
        g = difc.grad(LOSS)(p, TOKENS)
        return sum(dnp.sum(g[k] * direction[k]) for k in g)

    np.testing.assert_allclose(flat(difc.grad(slope)(params)), (plus - minus) / (2 * eps), rtol=1e-6, atol=1e-6)


def test_check_grads_to_order_two(params: dict[str, np.ndarray]) -> None:
    check_grads(lambda p: LOSS(p, TOKENS), [params], order=2)


def test_the_interpreter_and_the_compiled_code_agree(params: dict[str, np.ndarray]) -> None:
    compiled = difc.value_and_grad(LOSS)(params, TOKENS)
    with difc.disable_jit():
        interpreted = difc.value_and_grad(LOSS)(params, TOKENS)
    np.testing.assert_allclose(compiled[0], interpreted[0], rtol=1e-12)
    np.testing.assert_allclose(flat(compiled[1]), flat(interpreted[1]), rtol=1e-10, atol=1e-13)
