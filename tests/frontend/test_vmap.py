"""vmap means what it means in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import difc
import difc.numpy as dnp
from tests.frontend.trees import m, same, x

pytestmark = pytest.mark.usefixtures("interpreted", "wide")


CUBE = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("in_axes", [0, 1, 2, -1, -3, (0, None), (1, -2), (None, 2), [0, 0]])
def test_in_axes(in_axes: Any) -> None:
    f = lambda np: lambda a, b: np.sum(a) * 2.0 + np.sum(b * b)  # noqa: E731
    same(
        difc.vmap(f(dnp), in_axes)(CUBE, CUBE),
        jax.vmap(f(jnp), tuple(in_axes) if isinstance(in_axes, list) else in_axes)(CUBE, CUBE),
    )


@pytest.mark.parametrize("out_axes", [0, 1, 2, -1, (2, None), (-2, None), [1, None]])
def test_out_axes(out_axes: Any) -> None:
    if isinstance(out_axes, int):
        same(difc.vmap(lambda a: a * 2.0, 0, out_axes)(CUBE), jax.vmap(lambda a: a * 2.0, 0, out_axes)(CUBE))
    else:
        ours = difc.vmap(lambda a: (a * 2.0, x * 1.0), 0, out_axes)
        same(ours(CUBE), jax.vmap(lambda a: (a * 2.0, x * 1.0), 0, tuple(out_axes))(CUBE))


def test_axes_as_prefixes_of_pytrees() -> None:
    f = lambda np: lambda t, c: {"s": np.sum(t["a"]) * c, "p": t["b"][1]}  # noqa: E731
    t = {"a": CUBE, "b": (x, np.ones((2, 5)))}
    axes = ({"a": 2, "b": None}, 0)
    c = np.arange(4.0)
    out = {"s": 0, "p": None}
    same(difc.vmap(f(dnp), axes, out)(t, c), jax.vmap(f(jnp), axes, out)(t, c))


def test_vmap_of_grad_of_vmap() -> None:
    def make(np: Any, grad: Any, vmap: Any) -> Callable[..., Any]:
        return vmap(grad(lambda w, b: np.sum(vmap(lambda row: np.tanh(row @ w) * b)(rows))), (0, None))

    rows = np.linspace(-1, 1, 12).reshape(4, 3)
    same(make(dnp, difc.grad, difc.vmap)(m, 2.0), make(jnp, jax.grad, jax.vmap)(m, 2.0))


def test_a_jacobian_by_vmap() -> None:
    basis = np.eye(3)
    jacobian = difc.vmap(lambda t: difc.jvp(lambda a: np.sin(a) * a[0], (x,), (t,))[1])(basis)
    same(np.asarray(jacobian).T, jax.jacfwd(lambda a: jnp.sin(a) * a[0])(x))


def test_vmap_over_a_closed_over_value() -> None:
    same(difc.jit(lambda a, c: difc.vmap(lambda r: r * c)(a))(m, 3.0), m * 3.0)


def test_derivatives_flow_only_through_the_branch_that_is_taken() -> None:
    def loss(np: Any, vmap: Any, cond: Any) -> Callable[[Any], Any]:
        def choose(v: Any) -> Any:  # sqrt has an infinite slope at 0, where it is not taken
            return cond(v[0] > 1, lambda a: np.sum(np.sqrt(a)), lambda a: np.prod(a), v)

        return lambda rows: np.sum(vmap(choose)(rows))

    ours, theirs = loss(dnp, difc.vmap, difc.cond), loss(jnp, jax.vmap, jax.lax.cond)
    rows = np.arange(6.0).reshape(3, 2)
    same(difc.grad(ours)(rows), jax.grad(theirs)(rows))
    same(difc.jvp(difc.grad(ours), (rows,), (rows,))[1], jax.jvp(jax.grad(theirs), (rows,), (rows,))[1])
    same(ours(rows), theirs(rows))
