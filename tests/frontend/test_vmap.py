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
from tests.frontend.traced import trace_and_run
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


ROWS = np.array([[0.0, 0.0], [1.5, 2.0], [0.0, 3.0], [2.0, 1.0]])
MATRIX, VECTOR = np.array([[0.5, 1.0], [2.0, 0.3]]), np.array([2.0, 0.5])


def _steps(x: Any, w: Any) -> Any:
    return np.sum(difc.scan(lambda c, t: (np.sqrt(c * w) + t * x, np.sum(c * x)), w * 0.0 + x, np.arange(3.0))[1])


def _chosen_again(x: Any, w: Any) -> Any:
    return difc.cond(x[1] > 1.5, lambda: np.sum(np.sqrt(x - 1.4) * w * np.log(w * x)), lambda: np.sum(w / x))


def _chosen_for_all(x: Any, w: Any) -> Any:
    return difc.cond(w[1] > 0, lambda: np.sum(w * np.log(w * x)), lambda: np.sum(w / x))


#: What a branch makes of a row and of what all rows share; where it is not taken, a row has zeros: infinite slopes.
SHARED: dict[str, tuple[Callable[[Any, Any], Any], np.ndarray]] = {
    "products": (lambda x, w: np.sum(np.sqrt(w * x)), VECTOR),
    "quotients": (lambda x, w: np.sum(w / x), VECTOR),
    "matrix": (lambda x, w: np.sum(w @ np.log(x)), MATRIX),
    "infinite beyond the matrix": (lambda x, w: np.sum(np.sqrt(w @ x)), MATRIX),
    "solve": (lambda x, w: np.sum(np.linalg.solve(w, np.log(x))), MATRIX),
    "of a matrix of its own": (lambda x, w: np.sum(np.linalg.solve(np.outer(x, x) + np.diag(x), w)), VECTOR),
    "lookup": (lambda x, w: np.sqrt(w[x[1].astype(int)] - 0.4) / x[0], np.array([0.4, 5.0, 1.0, 1.0])),
    "concatenate": (lambda x, w: np.sum(np.sqrt(np.concatenate([x, w]))), VECTOR),
    "scan": (_steps, VECTOR),
    "cond within": (_chosen_again, VECTOR),
    "cond for all within": (_chosen_for_all, VECTOR),
}


@pytest.mark.parametrize("name", SHARED)
def test_shared_operands_have_the_derivative_of_the_branches_taken(name: str) -> None:
    branch, shared = SHARED[name]

    def choose(x: Any, w: Any) -> Any:
        return difc.cond(x[0] > 1, branch, lambda x, w: np.sum(w) * np.sum(x), x, w)

    def mapped(w: Any) -> Any:
        return np.sum(difc.vmap(choose, (0, None))(ROWS, w))

    def looped(w: Any) -> Any:
        return sum(choose(row, w) for row in ROWS)

    same(difc.grad(mapped)(shared), difc.grad(looped)(shared))
    second = [difc.grad(lambda w, f=f: np.sum(np.sin(difc.grad(f)(w))))(shared) for f in (mapped, looped)]
    assert np.isfinite(second[1]).all()
    same(second[0], second[1])
    same(*(difc.jvp(difc.grad(f), (shared,), (np.ones_like(shared),))[1] for f in (mapped, looped)))


def test_a_branch_that_no_lane_takes_has_no_derivative() -> None:
    def loss(w: Any) -> Any:
        return np.sum(difc.vmap(lambda x: difc.cond(x[0] > 9, lambda: np.sum(np.sqrt(w)) * x, lambda: x * w))(ROWS))

    same(difc.grad(loss)(np.zeros(2)), ROWS.sum(0))


def test_a_run_time_number_of_lanes() -> None:
    def loss(x: Any, w: Any) -> Any:
        return np.sum(difc.vmap(lambda row: difc.cond(row[0] > 1, _steps, lambda x, w: np.sum(w), row, w))(x))

    (found,) = trace_and_run(difc.grad(loss, 1), ROWS, VECTOR, dynamic=[(0, 0)])
    same(found, difc.grad(loss, 1)(ROWS, VECTOR))
