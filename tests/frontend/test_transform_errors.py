"""What goes wrong with transformations is said at the user's line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.errors import (
    ConcretizationError,
    DtypeError,
    InputError,
    NotDifferentiableError,
    ShapeError,
    UnsupportedError,
)
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


def test_a_function_without_a_return_has_no_gradient() -> None:
    with fails(NotDifferentiableError, "returns no array", at="difc.grad", remedy="return the value, one float"):
        difc.grad(lambda a: None)(x)


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
        InputError, r"argnums names argument 2, but the call passes 1 argument\(s\)", at="difc.grad", remedy="from 0"
    ):
        difc.grad(np.sum, 2)(x)
    with fails(InputError, "argnums names argument 0, but the call passes 0", at="difc.grad"):
        difc.grad(lambda a: np.sum(a))(a=x)


def test_argnums_that_are_no_numbers_of_arguments() -> None:
    for argnums in ("a", 1.0, True, (0, None)):
        with fails(InputError, "argnums is .*, not a number of an argument", at="difc.grad", remedy="argnums=(0, 2)"):
            difc.grad(lambda a: np.sum(a), argnums)(x)  # type: ignore[arg-type]
    with fails(InputError, r"argnums names an argument twice: \(0, -1\)", at="difc.grad", remedy="once"):
        difc.grad(lambda a: np.sum(a), (0, -1))(x)
    np.testing.assert_array_equal(difc.grad(lambda a, b: a @ b, np.int64(1))(x, 2 * x), x)


def test_aux_that_is_not_there() -> None:
    message = r"{} with has_aux=True: the function does not return a pair \(value, aux\)"
    with fails(InputError, message.format("grad"), at="difc.grad", remedy="a tuple of two"):
        difc.grad(np.sum, has_aux=True)(x)
    with fails(InputError, message.format("jvp"), at="difc.jvp", remedy="a tuple of two"):
        difc.jvp(np.sin, (x,), (x,), has_aux=True)
    with fails(InputError, message.format("vjp"), at="difc.vjp", remedy="a tuple of two"):
        difc.vjp(np.sin, x, has_aux=True)
    with fails(InputError, message.format("vjp"), at="difc.vjp", remedy="a tuple of two"):
        difc.jit(lambda a: difc.vjp(np.sin, a, has_aux=True)[0])(x)


def product(a: Any, b: Any) -> Any:
    return np.sum(a * b)


CALLS: list[tuple[str, Any]] = [
    ("grad", lambda f: difc.grad(f)(x)),
    ("jvp", lambda f: difc.jvp(f, (x,), (x,))),
    ("vjp", lambda f: difc.vjp(f, x)),
    ("vjp", lambda f: difc.jit(lambda a: difc.vjp(f, a)[0])(x)),
    ("vmap", lambda f: difc.vmap(f)(x)),
    ("jit", lambda f: difc.jit(f)(x)),
    ("trace", lambda f: difc.trace(f, x)),
    ("compile", lambda f: difc.compile(f, x)),
]


@pytest.mark.parametrize(("what", "call"), CALLS, ids=[what for what, _ in CALLS])
def test_functions_that_cannot_be_called_so(what: str, call: Any) -> None:
    """Without the frames of difc that a TypeError would bring."""
    message = f"{what}: `product` cannot be called with these arguments: product.. missing 1 required .* 'b'"
    remedy = "give specs for product(a: " if what in ("trace", "compile") else "call it as product(a: "
    with fails(InputError, message, at=f"difc.{what}(f", remedy=remedy) as caught:
        call(product)
    assert len(caught.traceback) <= 5
    if what != "jit":  # a decorator that takes no function waits for one
        with fails(InputError, f"{what}: 3 is no function", at=f"difc.{what}(f", remedy=f"write {what}(f, ...)"):
            call(3)
    with fails(InputError, "jit: 3 is no function", at="difc.jit(3)"):
        difc.jit(3)  # type: ignore[arg-type]


ARGUMENTS: list[tuple[str, str, Any]] = [
    ("value_and_grad", r"argument 0\['n'\]", lambda f, a: difc.value_and_grad(f)({"n": a})),
    ("jvp", r"primals\[0\]", lambda f, a: difc.jvp(f, (a,), (a,))),
    ("vjp", r"primals\[0\]", lambda f, a: difc.vjp(f, a)),
    ("vjp", r"primals\[0\]", lambda f, a: difc.jit(lambda b: difc.vjp(f, a)[0])(x)),
    ("vmap", r"args\[1\]", lambda f, a: difc.vmap(f)(x, a)),
    ("scan", "carry", lambda f, a: difc.jit(lambda b: difc.scan(f, a, b))(x)),
    ("scan", "xs", lambda f, a: difc.scan(f, 0.0, a)),
    ("map", r"xs\[0\]", lambda f, a: difc.map(f, [a])),
]


@pytest.mark.parametrize(("what", "name", "call"), ARGUMENTS, ids=[what for what, *_ in ARGUMENTS])
def test_arguments_that_are_no_arrays(what: str, name: str, call: Any) -> None:
    message = f"^{name} is not an array but of type str"
    with fails(UnsupportedError, message, at=f"difc.{what}(f", remedy="use arrays and numbers"):
        call(lambda *args: args, "text")


def test_arrays_that_compiled_code_has_not() -> None:
    """They are named as the function's own parameters, before anything is compiled."""
    for given, has in ((np.ones(2, complex), "dtype complex128"), (np.array(["a"]), "dtype <U1"), (2**64, "more than")):
        with fails(DtypeError, f"^table has {has}", at="(x, given)", remedy="use bool, int8"):
            difc.jit(lambda a, table: a)(x, given)
        with fails(DtypeError, rf"^primals\[0\] has {has}", at="difc.vjp", remedy="use bool, int8"):
            difc.vjp(np.sum, given)
    masked = np.ma.masked_array(x)
    with fails(InputError, r"^table\['m'\]: a masked array would lose its mask", at="masked", remedy="x.filled"):
        difc.grad(lambda a, table: a @ table["m"])(x, {"m": masked})
    _, pullback = difc.vjp(np.sin, x)
    with fails(InputError, "the cotangent for result 0: a masked array would", at="pullback(masked)", remedy="filled"):
        pullback(masked)


def test_what_is_no_fault_of_the_call_passes_through() -> None:
    def wrong(a: Any) -> Any:
        return product(a)  # type: ignore[call-arg]

    with pytest.raises(TypeError, match="missing 1 required") as caught:
        difc.grad(wrong)(x)
    assert not isinstance(caught.value, InputError)
    assert [entry.name for entry in caught.traceback][1:] == ["__call__", "wrong"]


def test_static_arguments_that_are_not_there() -> None:
    with fails(InputError, "jit: `product` has no argument 'n' that could", at="difc.jit", remedy="arguments: a, b"):
        difc.jit(product, static_argnames="n")
    with fails(InputError, "jit: `product` has no argument 2 that could", at="difc.jit", remedy="arguments: a, b"):
        difc.jit(product, static_argnums=(0, 2))
    for static in (
        {"static_argnums": "a"},
        {"static_argnums": True},
        {"static_argnames": 0},
        {"static_argnums": [0.0]},
    ):
        with fails(InputError, "jit: static_arg(nums|names) is ", at="difc.jit", remedy="count arguments from 0"):
            difc.jit(product, **static)
    assert callable(difc.jit(lambda *args, **kwargs: args, static_argnums=5, static_argnames="n"))


def test_tangents_that_do_not_fit() -> None:
    with fails(
        ShapeError, r"jvp: the tangent for primals\[0\] is f64\[2\], but primals\[0\] is f64\[3\]", at="difc.jvp"
    ):
        difc.jvp(np.sin, (x,), (np.ones(2),))
    with fails(
        ShapeError,
        r"jvp: primals are \(array,\), and tangents \(array, array\)",
        at="difc.jvp",
        remedy="same containers",
    ):
        difc.jvp(np.sin, (x,), (x, x))
    with fails(InputError, "primals and tangents are tuples", at="difc.jvp", remedy="jvp(f, (x,), (t,))"):
        difc.jvp(np.sin, x, x)
    with fails(NotDifferentiableError, r"jvp needs a float array, but primals\[0\] is i64\[3\]", at="difc.jvp"):
        difc.jvp(np.sin, (np.arange(3),), (np.arange(3),))


def test_cotangents_that_do_not_fit() -> None:
    _, pullback = difc.vjp(np.sin, x)
    with fails(
        ShapeError,
        r"vjp: the cotangent for result 0 is f64\[2\], but result 0 is f64\[3\]",
        at="pullback(np.ones(2))",
        remedy="same shape and dtype",
    ):
        pullback(np.ones(2))
    with fails(ShapeError, r"the cotangent for result 0 is f32\[3\], but", at="pullback(np.ones(3, np.float32))"):
        pullback(np.ones(3, np.float32))
    message = r"vjp: the value is an array, and the cotangent \(array, array\)"
    with fails(ShapeError, message, at="pullback((x, x))", remedy="same containers"):
        pullback((x, x))
    with fails(ShapeError, message, at="difc.vjp(np.sin, a)", remedy="same containers"):
        difc.jit(lambda a: difc.vjp(np.sin, a)[1]((a, a)))(x)
    with fails(NotDifferentiableError, r"vjp needs a float array, but primals\[0\] is i64\[3\]", at="difc.vjp"):
        difc.vjp(np.sin, np.arange(3))
    assert list(np.asarray(difc.vjp(np.sum, x)[1](2)[0])) == [2.0, 2.0, 2.0]  # a Python number takes the result's type


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
    structure = "vmap: {} does not have the structure of what it describes: {}"
    remedy = "an axis or None for each argument"
    for axes, why in (((0, 0), "entries for 2 of 1"), (("a",), "'a' for an array"), (({"a": 0},), "for an array")):
        with fails(InputError, structure.format("in_axes", f".*{why}"), at="difc.vmap", remedy=remedy):
            difc.vmap(np.sin, axes)(x)
    with fails(InputError, structure.format("in_axes", r"keys \['a'\] for keys \['a', 'b'\]"), at="difc.vmap"):
        difc.vmap(lambda t: t["a"] * t["b"], ({"a": 0},))({"a": x, "b": x})
    with fails(InputError, structure.format("out_axes", r"\(0, 0\) for an array"), at="difc.vmap", remedy=remedy):
        difc.vmap(np.sin, 0, (0, 0))(x)


def test_mapped_arguments_by_name() -> None:
    with fails(InputError, "vmap: `a` is passed by name", at="difc.vmap", remedy="by position"):
        difc.vmap(lambda a: a)(a=x)


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
