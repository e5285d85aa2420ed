"""grad, value_and_grad, jvp and vjp mean what they mean in JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import difc
import difc.numpy as dnp
from tests.frontend.trees import m, same, tree, x, y

pytestmark = pytest.mark.usefixtures("interpreted", "wide")


def loss(np: Any) -> Callable[..., Any]:
    return lambda a, b, scale=2.0: np.sum(np.sin(a) * b) * scale + np.exp(b[0])


def tree_loss(np: Any) -> Callable[..., Any]:
    return lambda t, c: np.sum(t["a"][0] @ t["b"][0]) * c + np.sum(t["b"][1].left ** 3)


# ---- grad ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (0, 1), (1, 0), (-1, 0), [1]])
def test_argnums(argnums: Any) -> None:
    same(difc.grad(loss(dnp), argnums)(x, y), jax.grad(loss(jnp), argnums)(x, y))
    same(difc.value_and_grad(loss(dnp), argnums)(x, y), jax.value_and_grad(loss(jnp), argnums)(x, y))


def test_keywords_are_passed_on() -> None:
    same(difc.grad(loss(dnp))(x, y, scale=3.0), jax.grad(loss(jnp))(x, y, scale=3.0))
    same(difc.grad(loss(dnp))(x, b=y), jax.grad(loss(jnp))(x, b=y))


def test_pytrees() -> None:
    same(difc.grad(tree_loss(dnp))(tree, 1.5), jax.grad(tree_loss(jnp))(tree, 1.5))
    same(difc.grad(tree_loss(dnp), (0, 1))(tree, 1.5), jax.grad(tree_loss(jnp), (0, 1))(tree, 1.5))


def test_aux() -> None:
    def make(np: Any) -> Callable[..., Any]:
        return lambda a, b: (np.sum(a * b), {"doubled": a * 2.0, "count": 3})

    same(difc.grad(make(dnp), has_aux=True)(x, y)[0], jax.grad(make(jnp), has_aux=True)(x, y)[0])
    (value, aux), gradient = difc.value_and_grad(make(dnp), (0, 1), has_aux=True)(x, y)
    same((value, gradient), (np.sum(x * y), (y, x)))
    same(aux["doubled"], 2 * x)
    assert int(aux["count"]) == 3


def test_python_numbers() -> None:
    gradient = difc.grad(lambda x: x**3)(2.0)
    assert float(gradient) == 12.0
    assert np.asarray(gradient).dtype == np.float64


def test_float32_stays() -> None:
    assert np.asarray(difc.grad(lambda x: np.sum(x**2) * 0.5)(x.astype(np.float32))).dtype == np.float32


def test_an_unused_argument_has_a_gradient_of_zeros() -> None:
    same(difc.grad(lambda a, b: np.sum(a), (0, 1))(x, m), (np.ones(3), np.zeros((2, 3))))


def test_a_constant_function() -> None:
    same(difc.grad(lambda a: 3.0)(x), np.zeros(3))
    same(difc.grad(lambda a: np.sum(y))(x), np.zeros(3))


def test_the_function_keeps_its_name_and_docs() -> None:
    def energy(a: Any) -> Any:
        """Energy of a."""
        return np.sum(a)

    assert difc.grad(energy).__name__ == "energy"
    assert difc.grad(energy).__doc__ == "Energy of a."


def test_partials_and_methods() -> None:
    class Model:
        scale = 3.0

        def energy(self, a: Any) -> Any:
            return np.sum(a * a) * self.scale

        slope = difc.grad(energy, 1)

    same(difc.grad(Model().energy)(x), 6 * x)
    same(difc.grad(np.sum)(x), np.ones(3))
    same(difc.grad(functools.partial(loss(dnp), scale=3.0))(x, y), 3 * np.cos(x) * y)


def test_aliased_arguments_are_two() -> None:
    same(difc.grad(lambda a, b: np.sum(a * a * b), (0, 1))(x, x), (2 * x * x, x * x))


# ---- higher order, closures ----------------------------------------------------------------------


def test_perturbations_are_not_confused() -> None:
    assert float(difc.grad(lambda x: x * difc.grad(lambda y: x + y)(2.0))(3.0)) == 1.0
    assert float(difc.grad(lambda x: x * difc.grad(lambda y: x * y)(2.0))(3.0)) == 6.0
    assert float(difc.jvp(lambda x: x * difc.jvp(lambda y: x + y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1]) == 1.0


def test_nesting_three_deep() -> None:
    f = lambda x: np.sin(x) * x  # noqa: E731
    g = lambda x: jnp.sin(x) * x  # noqa: E731
    same(difc.grad(difc.grad(difc.grad(f)))(0.7), jax.grad(jax.grad(jax.grad(g)))(0.7))
    forward = lambda h: lambda x: difc.jvp(h, (x,), (1.0,))[1]  # noqa: E731
    same(forward(difc.grad(forward(f)))(0.7), jax.grad(jax.grad(jax.grad(g)))(0.7))


def test_closures_in_nested_gradients() -> None:
    def make(np: Any, grad: Any) -> Callable[..., Any]:
        def outer(a: Any) -> Any:
            inner = grad(lambda b: np.sum(np.sin(a * b) * b))(a * 2.0)
            return np.sum(inner * a)

        return grad(outer)

    same(make(dnp, difc.grad)(x), make(jnp, jax.grad)(x))


def test_stop_gradient() -> None:
    assert float(difc.grad(lambda x: x * difc.stop_gradient(x))(3.0)) == 3.0
    same(difc.grad(lambda t: t["a"] * difc.stop_gradient(t)["b"])({"a": 2.0, "b": 5.0}), {"a": 5.0, "b": 0.0})
    same(difc.stop_gradient({"a": x}), {"a": x})


def test_a_gradient_within_jit_vmap_and_scan() -> None:
    def make(np: Any, grad: Any, vmap: Any, scan: Any, jit: Any) -> Callable[..., Any]:
        def descend(w: Any, rows: Any) -> Any:
            def step(w: Any, row: Any) -> Any:
                g = grad(lambda w: np.sum((w @ row - 1.0) ** 2))(w)
                return w - 0.1 * g, np.sum(g)

            return scan(step, w, rows)

        return jit(vmap(descend, in_axes=(0, None)))

    rows = np.linspace(-1, 1, 12).reshape(4, 3)
    ours = make(dnp, difc.grad, difc.vmap, difc.scan, difc.jit)
    theirs = make(jnp, jax.grad, jax.vmap, jax.lax.scan, jax.jit)
    same(ours(m, rows), theirs(m, rows))


# ---- jvp, vjp ------------------------------------------------------------------------------------


def test_jvp_structures() -> None:
    def make(np: Any) -> Callable[..., Any]:
        return lambda t, c: {"out": [np.sin(t["b"][0]) * c, t["a"][0] @ t["b"][1].left]}

    ours = difc.jvp(make(dnp), (tree, 1.5), (tree, 2.0))
    same(ours, jax.jvp(make(jnp), (tree, 1.5), (tree, 2.0)))


def test_jvp_with_aux_and_an_integer_result() -> None:
    out, dot, aux = difc.jvp(lambda a: (np.sin(a), np.argmax(a)), (x,), (y,), has_aux=True)
    same((out, dot), (np.sin(x), np.cos(x) * y))
    assert int(aux) == 2
    _, (dot, none) = difc.jvp(lambda a: (a * a, np.argmax(a)), (x,), (y,))
    same(dot, 2 * x * y)
    assert not np.asarray(none).any()


def test_vjp_structures() -> None:
    def make(np: Any) -> Callable[..., Any]:
        return lambda t, c: {"out": [np.sin(t["b"][0]) * c, t["a"][0] @ t["b"][1].left]}

    value, pullback = difc.vjp(make(dnp), tree, 1.5)
    theirs, other = jax.vjp(make(jnp), tree, 1.5)
    same(value, theirs)
    ct = {"out": [y, np.array([1.0, -2.0])]}
    same(pullback(ct), other(ct))
    same(pullback(ct), other(ct))  # a pullback can be called again


def test_vjp_sees_what_its_function_sees_now() -> None:
    factor = 1.0

    def scaled(a: Any) -> Any:
        return a * factor

    difc.vjp(scaled, x)
    factor = 3.0
    value, pullback = difc.vjp(scaled, x)
    np.testing.assert_array_equal(value, x * 3.0)
    np.testing.assert_array_equal(pullback(np.ones_like(x))[0], np.full_like(x, 3.0))


def test_vjp_with_aux() -> None:
    value, pullback, aux = difc.vjp(lambda a: (np.sin(a), a * 2.0), x, has_aux=True)
    same((value, aux), (np.sin(x), 2 * x))
    same(pullback(np.ones(3)), (np.cos(x),))


def test_vjp_within_a_trace() -> None:
    def make(np: Any, vjp: Any) -> Callable[..., Any]:
        def program(a: Any, b: Any) -> Any:
            value, pullback = vjp(lambda a, c: (np.sin(a) * b, c * a), a, 2.0)
            return value, pullback((b, a)), pullback((a, b))

        return program

    same(difc.jit(make(dnp, difc.vjp))(x, y), jax.jit(make(jnp, jax.vjp))(x, y))


def test_a_gradient_through_a_pullback() -> None:
    def make(np: Any, vjp: Any) -> Callable[..., Any]:
        return lambda a: np.sum(vjp(lambda b: np.sin(b) * a, a * a)[1](np.ones(3))[0])

    same(difc.grad(make(dnp, difc.vjp))(x), jax.grad(make(jnp, jax.vjp))(x))
