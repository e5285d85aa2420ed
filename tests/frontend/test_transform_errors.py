"""What goes wrong with transformations is said at the user's line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.errors import ConcretizationError, InputError, NotDifferentiableError, ShapeError
from tests.frontend.failing import fails
from tests.frontend.trees import x

pytestmark = pytest.mark.usefixtures("interpreted")


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
    message = r"vmap: the mapped axes have different sizes: 2 \(args\[0\]\), 3 \(args\[1\]\)"
    with fails(ShapeError, message, at="difc.vmap", remedy="in_axes has None for"):
        difc.vmap(lambda a, b: a)(np.ones((2, 3)), x)


def test_nothing_mapped() -> None:
    with fails(InputError, "vmap: no argument is mapped", at="difc.vmap", remedy="in_axes"):
        difc.vmap(np.sin, None)(x)


def test_axes_that_do_not_fit() -> None:
    message = r"vmap: axis 1 of args\[0\] does not exist: it has 1 axes"
    with fails(InputError, message, at="difc.vmap", remedy="choose another axis"):
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
