"""Requests: shared functions, masks, nesting, calls, batching of whole functions, and their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.ad_pass.functions import Derivatives, expand_requests
from difc.dialects import DYN, context, functions_of, interpreter
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import NotDifferentiableError, ShapeError
from tests.harness import Program, directions
from tests.pipelines.passes import all_ops
from tests.programs import traced

f64 = difc.f64
x, y = np.linspace(0.2, 1.0, 3), np.linspace(-1.0, 1.0, 3)


def three(a: Any, b: Any) -> Any:
    return np.sin(a) * b, a * a, np.argmax(a), np.exp(b)


@pytest.fixture
def program() -> Program:
    return Program.of(traced(three, f64[3], f64[3]))


def test_equal_requests_share_a_function(program: Program) -> None:
    mask = (True, False)
    assert program.jvp(mask).name == program.jvp(mask).name
    assert program.jvp(mask).name != program.jvp((True, True)).name
    outs = (True, False, False, True)
    assert program.vjp(mask, outs).name == program.vjp(mask, outs).name
    assert program.vmap([0, 0], [0] * 4, 5).name == program.vmap([0, 0], [0] * 4, 5).name
    assert program.vmap([0, 0], [0] * 4, 5).name != program.vmap([0, 0], [0] * 4, 6).name
    before = len(functions_of(program.derivatives.module))
    program.vjp(mask, (False, True, False, False))  # shares the forward half
    names = set(functions_of(program.derivatives.module))
    assert len(names) == before + 2
    assert {n for n in names if n.startswith("f_fwd")} == {"f_fwd"}


@pytest.mark.parametrize("outs", [(True, False, False, False), (False, True, False, False), (False, False, False, True),
                                  (True, True, False, True), (False,) * 4])  # fmt: skip
@pytest.mark.parametrize("mask", [(True, False), (False, True), (True, True)])
def test_subsets_of_results(program: Program, mask: Any, outs: Any) -> None:
    """A result without a cotangent counts as one with a cotangent of zeros."""
    cts = directions("ct", [x, x, x])
    every = (True, True, False, True)
    chosen = iter(outs[:2] + outs[3:])
    masked = [ct if next(chosen) else np.zeros(3) for ct in cts]
    given = [ct for ct, m in zip(cts, (outs[0], outs[1], outs[3]), strict=True) if m]
    wanted = program.vjp(mask, every)(x, y, *masked)
    found = program.vjp(mask, outs)(x, y, *given)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-15)


def test_an_integer_result_has_no_tangent(program: Program) -> None:
    outs = program.jvp((True, True))(x, y, x, y)
    assert [o.dtype.kind for o in outs] == ["f", "f", "i", "f", "f", "f", "f"]


def test_the_names_of_derivatives_say_what_they_are(program: Program) -> None:
    program.vjp((True, True), (True, True, False, True)).jvp((True,) * 5)
    names = set(functions_of(program.derivatives.module))
    assert {"f", "f_fwd", "f_lin", "f_bwd", "f_vjp", "f_vjp_jvp"} <= names


# ---- nesting and calls ---------------------------------------------------------------------------


def run(fn: Any, *arrays: Any) -> Any:
    with context(), ir.Location.unknown():
        module = expand_requests(traced(fn, *(f64[np.shape(a)] for a in arrays)))
        dif.verify(module)
        assert list(functions_of(module)) == ["f"]
        names = {o.name for o in all_ops(functions_of(module)["f"].entry_block)}
        assert not any(name in ("fun.call", "fun.jvp", "fun.vjp", "fun.vmap") for name in names)
        return interpreter.run(module, "f", *arrays)


def test_requests_nest_three_deep() -> None:
    def cube(a: Any) -> Any:
        return a * a * a * a

    def forward(f: Any) -> Any:
        return lambda a: difc.jvp(f, (a,), (1.0,))[1]

    wanted = 24 * 0.7
    for f in (
        difc.grad(difc.grad(difc.grad(cube))),
        forward(difc.grad(forward(cube))),
        difc.grad(forward(difc.grad(cube))),
    ):
        np.testing.assert_allclose(run(f, np.float64(0.7)), [wanted], rtol=1e-13)


def test_requests_on_a_function_that_makes_requests_and_calls() -> None:
    def inner(a: Any) -> Any:
        value, pullback = difc.vjp(lambda b: np.sin(b) * b, a)  # a call, and a request
        return np.sum(value * pullback(a)[0])

    mapped = run(difc.vmap(difc.grad(inner)), np.stack([x, y]))[0]
    s, c = np.sin, np.cos
    for row, a in zip(mapped, (x, y), strict=True):
        v, dv, ddv = s(a) * a, s(a) + a * c(a), 2 * c(a) - a * s(a)
        np.testing.assert_allclose(row, dv * a * dv + v * (dv + a * ddv), rtol=1e-12)


def test_a_request_within_a_loop_and_a_branch() -> None:
    def program(a: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            slope = difc.grad(lambda c: np.sum(c**3))
            return difc.cond(np.sum(c) > 0.0, lambda c: c - 0.1 * slope(c), lambda c: c, c), None

        return difc.scan(step, a, None, length=3)[0]

    wanted = x
    for _ in range(3):
        wanted = wanted - 0.3 * wanted**2
    np.testing.assert_allclose(run(program, x)[0], wanted, rtol=1e-13)


def test_private_functions_go_and_public_ones_stay() -> None:
    program = difc.trace({
        "one": difc.export(lambda a: difc.grad(lambda a: np.sum(a * a))(a), specs=[f64[3]]),
        "two": difc.export(np.sin, specs=[f64[3]]),
    })  # fmt: skip
    with context(), ir.Location.unknown():
        assert list(functions_of(expand_requests(program.module))) == ["one", "two"]
    assert len(functions_of(program.module)) == 3  # the given module is as it was


def test_every_op_of_a_second_derivative_has_the_users_line() -> None:
    def second(w: Any) -> Any:
        return difc.grad(lambda w: np.sum(difc.grad(loss)(w) ** 2))(w)

    def loss(w: Any) -> Any:
        h, _ = difc.scan(lambda h, _: (np.tanh(w * h), None), w, None, length=3)
        return difc.cond(h[0] > 0.0, lambda h: np.sum(h * h), lambda h: np.max(h), h)

    with context(), ir.Location.unknown():
        module = expand_requests(traced(second, f64[3]))
        places = [user_location(o.location) for o in all_ops(functions_of(module)["f"].entry_block)]
    assert {p.file if p else None for p in places} == {__file__}


# ---- batching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, DYN])
def test_axes_of_arguments_and_results(size: Any) -> None:
    f = Program.of(traced(lambda a, b: (a @ b, b * 2.0), f64[2, 3], f64[3]))
    rows = np.linspace(-1, 1, 24).reshape(2, 4, 3)
    first, second = f.vmap([1, -1], [1, -1], size)(rows, x)
    np.testing.assert_allclose(first, (rows @ x))
    np.testing.assert_allclose(second, x * 2)
    first, second = f.vmap([1, -1], [0, 1], size)(rows, x)
    np.testing.assert_allclose(first, (rows @ x).T)
    np.testing.assert_allclose(second, np.stack([x * 2] * 4, axis=1))


def test_a_mapped_result_needs_an_axis() -> None:
    f = Program.of(traced(lambda a: a * 2.0, f64[3]))
    with pytest.raises(ShapeError, match="vmap: result 0 depends on a mapped argument, so its out axis cannot be None"):
        f.vmap([0], [-1], 4)
    with pytest.raises(ShapeError, match="vmap: no argument is mapped"):
        f.vmap([-1], [0], 4)


# ---- errors --------------------------------------------------------------------------------------


def test_a_function_that_is_not_there() -> None:
    with context(), ir.Location.unknown(), pytest.raises(KeyError, match="no function @g in the module"):
        Derivatives(traced(np.sin, f64[3])).jvp("g", (True,))


def test_a_function_that_does_not_say_that_it_is_linear() -> None:
    with context(), ir.Location.unknown():
        derivatives = Derivatives(traced(lambda a: a * 2.0, f64[3]))
        with pytest.raises(NotDifferentiableError, match="@f does not say which arguments it is linear in") as error:
            derivatives.transpose("f")
    assert "dif.linear_args" in error.value.remedy
    assert "lambda a: a * 2.0" in str(error.value)


def test_a_function_with_calls_is_made_flat_once() -> None:
    module = traced(lambda a: difc.vjp(lambda b: np.sin(b), a)[0], f64[3])
    f = Program.of(module)
    f.jvp((True,)), f.vjp((True,), (True,))
    assert [n for n in functions_of(f.derivatives.module) if "flat" in n] == ["f_flat"]
