"""grad, value_and_grad, jvp, vjp and vmap mean what they mean in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.errors import ConcretizationError, InputError, NotDifferentiableError, ShapeError
from difc.pytree import flatten
from tests.frontend.failing import fails

pytestmark = pytest.mark.usefixtures("interpreted")


@pytest.fixture(autouse=True)
def _wide() -> Any:
    with jax.enable_x64(True):
        yield


def same(found: Any, wanted: Any) -> None:
    """Assert that two results have the same structure and numbers."""
    leaves, structure = flatten(found)
    others, other = flatten(wanted)
    assert structure == other
    for a, b in zip(leaves, others, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


class Pair(NamedTuple):
    left: Any
    right: Any


x, y, m = np.linspace(0.2, 1.0, 3), np.linspace(-1.0, 1.0, 3), np.linspace(-1.0, 1.0, 6).reshape(2, 3)
tree = {"b": [x, Pair(y, None)], "a": (m, {})}


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
    same(difc.grad(__import__("functools").partial(loss(dnp), scale=3.0))(x, y), 3 * np.cos(x) * y)


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


# ---- vmap ----------------------------------------------------------------------------------------

CUBE = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("in_axes", [0, 1, 2, -1, -3, (0, None), (1, -2), (None, 2), [0, 0]])
def test_in_axes(in_axes: Any) -> None:
    f = lambda np: lambda a, b: np.sum(a) * 2.0 + np.sum(b * b)  # noqa: E731
    same(
        difc.vmap(f(dnp), in_axes)(CUBE, CUBE),
        jax.vmap(f(jnp), tuple(in_axes) if isinstance(in_axes, list) else in_axes)(CUBE, CUBE),
    )


@pytest.mark.parametrize("out_axes", [0, 1, 2, -1, (0, 1), (2, None), [1, {"c": -1}][0]])
def test_out_axes(out_axes: Any) -> None:
    f = lambda np, b: lambda a: (a * 2.0, b * b if isinstance(out_axes, tuple) else a + b)  # noqa: E731
    same(
        difc.vmap(f(dnp, m[0, 0]), 0, out_axes)(CUBE) if out_axes != (0, 1) else 0,
        jax.vmap(f(jnp, m[0, 0]), 0, out_axes)(CUBE) if out_axes != (0, 1) else 0,
    )


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


# ---- errors --------------------------------------------------------------------------------------


def test_a_function_that_returns_an_array_has_no_gradient() -> None:
    with fails(
        NotDifferentiableError,
        r"grad: `<?lambda>?`? returns f64\[3\], not a float scalar",
        at="difc.grad(lambda a: a * a)(x)",
        remedy="np.sum",
    ):
        difc.grad(lambda a: a * a)(x)


def test_a_function_that_returns_an_integer_has_no_gradient() -> None:
    with fails(NotDifferentiableError, r"returns i64\[\], not a float scalar", at="np.argmax", remedy="return a float"):
        difc.grad(lambda a: np.argmax(a))(x)


def test_a_function_that_returns_several_arrays_has_no_gradient() -> None:
    with fails(NotDifferentiableError, "returns 2 arrays, not one scalar", at="difc.grad", remedy="has_aux=True"):
        difc.grad(lambda a: (np.sum(a), a))(x)


def test_an_integer_has_no_gradient() -> None:
    with fails(
        NotDifferentiableError,
        r"grad needs a float array, but argument 0\['n'\] is i64\[3\]",
        at="difc.grad",
        remedy=".astype",
    ):
        difc.grad(lambda t: np.sum(t["n"]))({"n": np.arange(3)})


def test_argnums_out_of_range() -> None:
    with fails(
        InputError, "argnums names argument 2, but there are 1 positional", at="difc.grad", remedy="by position"
    ):
        difc.grad(np.sum, 2)(x)
    with fails(InputError, "argnums names argument 0, but there are 0 positional", at="difc.grad"):
        difc.grad(lambda a: np.sum(a))(a=x)


def test_aux_that_is_not_there() -> None:
    with fails(InputError, r"does not return a pair \(value, aux\)", at="difc.grad"):
        difc.grad(np.sum, has_aux=True)(x)


def test_tangents_that_do_not_fit() -> None:
    with fails(
        ShapeError, r"jvp: the tangent for primals\[0\] is f64\[2\], but primals\[0\] is f64\[3\]", at="difc.jvp"
    ):
        difc.jvp(np.sin, (x,), (np.ones(2),))
    with fails(ShapeError, "jvp: primals have the structure", at="difc.jvp"):
        difc.jvp(np.sin, (x,), (x, x))
    with fails(InputError, "primals and tangents are tuples", at="difc.jvp", remedy="jvp(f, (x,), (t,))"):
        difc.jvp(np.sin, x, x)
    with fails(NotDifferentiableError, r"jvp needs a float array, but primals\[0\] is i64\[3\]", at="difc.jvp"):
        difc.jvp(np.sin, (np.arange(3),), (np.arange(3),))


def test_cotangents_that_do_not_fit() -> None:
    _, pullback = difc.vjp(np.sin, x)
    with fails(
        ShapeError,
        r"vjp: the cotangent for result 0 has shape \[2\], but result 0 is f64\[3\]",
        at="pullback(np.ones(2))",
    ):
        pullback(np.ones(2))
    with fails(ShapeError, "vjp: the value has the structure", at="pullback((x, x))"):
        pullback((x, x))
    with fails(NotDifferentiableError, r"vjp needs a float array, but \S+ is i64\[3\]", at="difc.vjp"):
        difc.vjp(np.sin, np.arange(3))


def test_mapped_sizes_that_differ() -> None:
    with fails(
        ShapeError, r"vmap: the mapped axes have different sizes: 2 \(args\[0\]\), 3 \(args\[1\]\)", at="difc.vmap"
    ):
        difc.vmap(lambda a, b: a)(np.ones((2, 3)), x)


def test_nothing_mapped() -> None:
    with fails(InputError, "vmap: no argument is mapped", at="difc.vmap", remedy="in_axes"):
        difc.vmap(np.sin, None)(x)


def test_axes_that_do_not_fit() -> None:
    with fails(InputError, r"vmap: axis 1 of args\[0\] does not exist: it has 1 axes", at="difc.vmap"):
        difc.vmap(np.sin, 1)(x)
    with fails(InputError, "vmap: in_axes does not have the structure", at="difc.vmap"):
        difc.vmap(np.sin, (0, 0))(x)
    with fails(InputError, "vmap: out_axes does not have the structure", at="difc.vmap"):
        difc.vmap(np.sin, 0, (0, 0))(x)


def test_a_mapped_result_without_an_axis() -> None:
    with fails(ShapeError, "result 0 depends on a mapped argument, so its out axis cannot be None", at="difc.vmap"):
        difc.vmap(np.sin, 0, None)(x)


def test_a_tracer_that_escapes() -> None:
    kept: list[Any] = []
    difc.grad(lambda a: (kept.append(a), np.sum(a))[1])(x)
    with fails(
        ConcretizationError,
        "a traced value is used after its tracing has ended",
        at="kept[0] + 1.0",
        remedy="return the value",
    ):
        kept[0] + 1.0
    with fails(ConcretizationError, "a traced value of `.*` is used after its tracing has ended", at="a + kept[0]"):
        difc.grad(lambda a: np.sum(a + kept[0]))(x)
