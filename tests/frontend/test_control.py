"""cond, scan, fori_loop and map mean what they mean in JAX, traced and as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.errors import ConcretizationError, DtypeError, InputError, ShapeError
from tests.frontend.failing import fails
from tests.frontend.traced import compare, trace_and_run
from tests.frontend.trees import same

pytestmark = pytest.mark.usefixtures("interpreted", "wide")
x, rows = np.linspace(-1.0, 1.0, 3), np.linspace(-1.0, 2.0, 12).reshape(4, 3)


class Lib:
    """The names that programs use, of difc or of JAX."""

    def __init__(self, np: Any, control: Any, grad: Any, vmap: Any, jit: Any) -> None:
        self.np, self.grad, self.vmap, self.jit = np, grad, vmap, jit
        self.cond, self.scan, self.fori_loop, self.map = control.cond, control.scan, control.fori_loop, control.map


OURS, THEIRS = Lib(dnp, difc, difc.grad, difc.vmap, difc.jit), Lib(jnp, jax.lax, jax.grad, jax.vmap, jax.jit)


def agree(make: Callable[[Lib], Callable[..., Any]], *args: Any) -> None:
    """Check a program, jitted, against JAX."""
    same(difc.jit(make(OURS))(*args), jax.jit(make(THEIRS))(*args))


# ---- cond ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [True, False])
def test_cond_with_captured_values_and_pytrees(p: bool) -> None:
    def make(lib: Lib) -> Callable[..., Any]:
        def program(p: Any, a: Any, b: Any) -> Any:
            w = a * 2.0
            return lib.cond(
                p, lambda t: {"r": t["u"] * w, "s": b}, lambda t: {"r": t["v"] + b, "s": w}, {"u": a, "v": b}
            )

        return program

    agree(make, p, x, x + 1.0)


@pytest.mark.parametrize("value", [-1.0, 2.0])
def test_a_number_in_one_branch_takes_the_dtype_of_the_other(value: float) -> None:
    f = difc.jit(lambda a: difc.cond(a > 0, lambda: a, lambda: 0.0))
    result = np.asarray(f(np.float32(value)))
    assert result.dtype == np.float32
    assert result == max(value, 0)


def test_numbers_in_both_branches_become_the_wider_kind() -> None:
    for first, second in [(0.5, 1), (1, 0.5), (True, 3), (7, 0.25)]:
        found = difc.jit(lambda p, a=first, b=second: difc.cond(p, lambda: a, lambda: b))
        wanted = np.array([first, second])  # of their common dtype
        same([found(True), found(False)], [wanted[0], wanted[1]])


def test_a_number_that_the_dtype_of_the_other_branch_cannot_hold() -> None:
    with fails(DtypeError, r"cond: result is f64\[\] in one branch and i64\[\] in the other", at="difc.cond(p",
               remedy="convert one of them"):  # fmt: skip
        difc.jit(lambda p, n: difc.cond(p, lambda: 0.5, lambda: n))(True, np.int64(3))


@pytest.mark.parametrize("p", [True, False])
def test_a_branch_that_returns_a_captured_value_alone(p: bool) -> None:
    agree(lambda lib: lambda p, a, b: lib.cond(p, lambda: a, lambda: lib.np.zeros(3)), p, x, x)
    agree(lambda lib: lambda p, a, b: lib.cond(p, lambda: lib.np.ones(3), lambda: b), p, x, x)
    agree(lambda lib: lambda p, a, b: lib.cond(p, lambda: a, lambda: b), p, x, 2 * x)


def test_a_number_as_predicate() -> None:
    agree(lambda lib: lambda n, a: lib.cond(n, lambda a: a, lambda a: -a, a), 3, x)
    agree(lambda lib: lambda n, a: lib.cond(n, lambda a: a, lambda a: -a, a), 0, x)


def test_only_one_branch_counts_in_a_gradient() -> None:
    """A square root of a negative number in the other branch gives no NaN."""

    def make(lib: Lib) -> Callable[..., Any]:
        return lib.grad(lambda a: lib.cond(a > 0.0, lambda a: lib.np.sqrt(a), lambda a: a * a, a))

    agree(make, -2.0)
    agree(make, 2.0)


def test_a_mapped_predicate() -> None:
    def make(lib: Lib) -> Callable[..., Any]:
        return lib.vmap(lambda a, b: lib.cond(a[0] > b, lambda a: a * b, lambda a: lib.np.sin(a), a), (0, None))

    agree(make, rows, 0.5)


def test_cond_outside_a_trace_is_an_if() -> None:
    ran: list[str] = []
    assert difc.cond(x[0] > 0, lambda a: ran.append("yes"), lambda a: a, 3) == 3
    assert ran == []


# ---- scan ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_with_pytrees_and_captured_values(reverse: bool) -> None:
    def make(lib: Lib) -> Callable[..., Any]:
        def program(a: Any, rows: Any) -> Any:
            w = a * 0.5

            def step(carry: Any, row: Any) -> Any:
                u, (v,) = carry["u"], carry["v"]
                u = lib.np.sin(u * w + row["x"])
                return {"u": u, "v": [v + lib.np.sum(u)]}, (row["y"], [u])

            return lib.scan(step, {"u": a, "v": [a[0]]}, {"x": rows, "y": rows * 2.0}, reverse=reverse)

        return program

    agree(make, x, rows)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [True, False, 1, 2, 3, 4, 9])
def test_scan_unrolled(unroll: Any, reverse: bool) -> None:
    def make(lib: Lib) -> Callable[..., Any]:
        def program(a: Any, rows: Any) -> Any:
            def step(carry: Any, row: Any) -> Any:
                u = lib.np.sin(carry["u"] * a + row["x"])
                return {"u": u, "n": carry["n"] + 1}, (row["y"][0], [u], carry["n"])

            return lib.scan(step, {"u": a, "n": 0}, {"x": rows, "y": rows * 2.0}, reverse=reverse, unroll=unroll)

        return program

    agree(make, x, rows)
    agree(lambda lib: lib.grad(lambda a, r: lib.np.sum(make(lib)(a, r)[0]["u"]) + lib.np.sum(make(lib)(a, r)[1][0])),
          x, rows)  # fmt: skip
    agree(lambda lib: lib.vmap(make(lib), (0, None)), rows, rows)
    same(make(OURS)(x, rows), make(THEIRS)(x, rows))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [True, 2, 3])
def test_scan_unrolled_of_run_time_sizes(unroll: int | bool, reverse: bool) -> None:
    def program(r: Any) -> Any:
        return difc.scan(lambda c, v: (np.sin(c) + v, (c * v, np.sum(c))), r[0], r, reverse=reverse, unroll=unroll)

    compare(trace_and_run(program, rows, dynamic=[(0, 1)]), program(rows))


def test_how_much_is_left_of_a_loop_that_is_unrolled() -> None:
    def loops(unroll: Any) -> tuple[int, int]:
        text = difc.trace(
            lambda r: difc.scan(lambda c, v: (np.sin(c) + v, c), r[0] * 1.0, r, unroll=unroll), difc.f64[7, "n"]
        ).ir("dif")
        return text.count("fun.scan"), text.count("dif.sin")

    assert [loops(u) for u in (1, False, 3, 6, 7, True)] == [(1, 1), (1, 1), (1, 4), (0, 7), (0, 7), (0, 7)]
    total = difc.jit(lambda a: difc.fori_loop(2, 7, lambda i, c: c * a + i, a, unroll=2))
    same(total(x), jax.lax.fori_loop(2, 7, lambda i, c: c * x + i, x))
    with difc.disable_jit():
        same(difc.fori_loop(2, 7, lambda i, c: c * x + i, x, unroll=2), total(x))


def test_scan_without_xs_and_without_ys() -> None:
    agree(lambda lib: lambda a: lib.scan(lambda c, _: (c * 0.5 + 1.0, None), a, None, length=5), x)
    agree(lambda lib: lambda a: lib.scan(lambda c, _: (c * 0.5, c), a, None, length=0), x)


def test_a_carry_that_starts_as_a_number() -> None:
    """It takes the dtype that a step gives it, as it would in a loop on NumPy arrays."""
    total, partial = difc.jit(lambda r: difc.scan(lambda c, v: (c + v, c), 0.0, r))(np.arange(3, dtype=np.float32))
    assert (np.asarray(total).dtype, np.asarray(partial).dtype) == (np.float32, np.float32)
    assert list(np.asarray(partial)) == [0.0, 0.0, 1.0]
    count, _ = difc.jit(lambda r: difc.scan(lambda c, v: (c + 1, None), 0, r))(x)
    assert np.asarray(count).dtype == np.int64
    both, _ = difc.jit(lambda r: difc.scan(lambda c, v: ((c[1], c[0] + v), None), (0.0, 0.0), r))(x.astype(np.float32))
    assert {np.asarray(c).dtype for c in both} == {np.dtype(np.float32)}


def test_a_carry_that_starts_as_a_number_and_grows_wider() -> None:
    """As in Python, an int that is multiplied by a float is a float from then on, also by way of other carries."""
    three = np.arange(3)
    scale, chain = lambda c, _: (c * 1.5, c), lambda c, _: ((c[1], c[2], c[2] * 1.5), None)
    for run in (difc.jit, lambda f: f):
        last, ys = run(lambda xs: difc.scan(scale, 1, xs))(three)
        same([np.asarray(last), np.asarray(ys)], [np.float64(3.375), np.array([1, 1.5, 2.25])])
        same(run(lambda xs: difc.fori_loop(0, 3, lambda i, c: c / 2, 1))(three), np.float64(0.125))
        same(run(lambda xs: difc.fori_loop(0, 3, lambda i, c: c + 1, True))(three), np.int64(4))
        same(run(lambda xs: difc.fori_loop(0, 3, lambda i, c: chain(c, i)[0], (1, 2, 3)))(three), (4.5, 6.75, 10.125))
    with fails(DtypeError, r"scan: the dtype of carry changes: it starts as f64\[\], and the body returns i64\[\]",
               at="difc.scan(", remedy="start with i64[]"):  # fmt: skip
        difc.jit(lambda xs: difc.scan(lambda c, n: (n, c), 0.5, xs))(three)
    with fails(DtypeError, r"the dtype of carry changes: it starts as i64\[\], and the body returns f64\[\]",
               at="difc.scan(", remedy="start with f64[]"):  # fmt: skip
        difc.jit(lambda xs: difc.scan(lambda c, n: (0.5, c), xs[0], xs))(three)


def test_scan_outside_a_trace_is_a_loop() -> None:
    seen: list[Any] = []
    last, ys = difc.scan(lambda c, v: (seen.append(v) or c + v, {"c": c}), 1.0, np.arange(3.0))
    assert (last, seen) == (4.0, [0.0, 1.0, 2.0])
    assert list(ys["c"]) == [1.0, 1.0, 2.0]
    last, ys = difc.scan(lambda c, v: (c * 2 + v, c), 0.0, np.arange(3.0), reverse=True)
    same(ys, jax.lax.scan(lambda c, v: (c * 2 + v, c), 0.0, jnp.arange(3.0), reverse=True)[1])
    assert difc.scan(lambda c, _: (c + 1, None), 0, None, length=4)[0] == 4


def test_a_loop_in_the_gradient_of_a_loop() -> None:
    def make(lib: Lib) -> Callable[..., Any]:
        def inner(a: Any) -> Any:
            return lib.np.sum(lib.scan(lambda c, row: (lib.np.tanh(c * row), c), a, rows)[0])

        def outer(a: Any) -> Any:
            return lib.np.sum(lib.scan(lambda c, _: (c - 0.1 * lib.grad(inner)(c), None), a, None, length=3)[0] ** 2)

        return lib.grad(outer)

    agree(make, x)


# ---- fori_loop, map ------------------------------------------------------------------------------


@pytest.mark.parametrize(("lower", "upper"), [(0, 4), (2, 5), (3, 3), (4, 1), (-2, 1)])
def test_fori_loop(lower: int, upper: int) -> None:
    agree(lambda lib: lambda a: lib.fori_loop(lower, upper, lambda i, c: c * 0.5 + i, a), x)
    agree(lambda lib: lambda n, m, a: lib.fori_loop(n, m, lambda i, c: c * 0.5 + i, a), lower, upper, x)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_traced_bounds_under_grad(n: int) -> None:
    """JAX refuses reverse mode here."""
    ours = difc.jit(lambda a, n: difc.grad(lambda a: np.sum(difc.fori_loop(0, n, lambda i, c: np.sin(c) * a, a)))(a))
    theirs = jax.grad(lambda a: jnp.sum(jax.lax.fori_loop(0, n, lambda i, c: jnp.sin(c) * a, a)))
    same(ours(x, n), theirs(x))
    same(difc.grad(lambda a, n: np.sum(difc.fori_loop(0, n, lambda i, c: np.sin(c) * a, a)))(x, n), theirs(x))


def test_fori_loop_outside_a_trace_is_a_loop() -> None:
    assert difc.fori_loop(1, 4, lambda i, c: [*c, i], []) == [1, 2, 3]


def test_map() -> None:
    agree(lambda lib: lambda r: lib.map(lambda row: {"s": lib.np.sum(row), "r": row * 2.0}, r), rows)
    agree(lambda lib: lib.grad(lambda r: lib.np.sum(lib.map(lambda row: lib.np.sin(row) * row[0], r))), rows)
    same(difc.map(np.sum, rows), rows.sum(1))


# ---- errors --------------------------------------------------------------------------------------


def test_branches_that_differ() -> None:
    with fails(ShapeError, r"cond: result is f64\[3\] in one branch and f64\[1\] in the other", at="difc.cond"):
        difc.jit(lambda p, a: difc.cond(p, lambda: a, lambda: a[:1]))(True, x)
    with fails(
        DtypeError,
        r"cond: result is f64\[3\] in one branch and f32\[3\] in the other",
        at="difc.cond",
        remedy=".astype",
    ):
        difc.jit(lambda p, a: difc.cond(p, lambda: a, lambda: a.astype(np.float32)))(True, x)
    with fails(DtypeError, r"cond: result\['r'\]\[1\] is f64\[3\] in one branch and i64", at="difc.cond"):
        difc.jit(lambda p, a: difc.cond(p, lambda: {"r": (a, a)}, lambda: {"r": (a, a.astype(np.int64))}))(True, x)
    with fails(
        ShapeError,
        r"cond: the branches return different structures: an array and \(array, array\)",
        at="difc.cond",
        remedy="same containers",
    ):
        difc.jit(lambda p, a: difc.cond(p, lambda: a, lambda: (a, a)))(True, x)


@pytest.mark.parametrize("run", [difc.jit, lambda f: f], ids=["traced", "in Python"])
def test_branches_that_cannot_be_called(run: Any) -> None:
    for branch, why in ((lambda: x, "takes 0 positional arguments but 1 was given"), (x, "object is not callable")):
        with fails(
            InputError,
            f"cond: a branch cannot be called with 1 operands: .*{why}",
            at="difc.cond",
            remedy="two functions of the operands",
        ):
            run(lambda a: difc.cond(np.sum(a) < 9, branch, branch, a))(x)  # noqa: B023 - it is called at once


def test_a_predicate_that_is_an_array() -> None:
    with fails(
        ShapeError, r"cond: the predicate is an array, bool\[3\], not a scalar", at="difc.cond", remedy="np.where"
    ):
        difc.jit(lambda a: difc.cond(a > 0, lambda: a, lambda: a))(x)
    with fails(ShapeError, r"cond: the predicate is an array of shape \[3\]", at="difc.cond", remedy="np.where"):
        difc.cond(x > 0, lambda: x, lambda: x)


def test_python_control_flow_on_a_tracer() -> None:
    def branchy(a: Any) -> Any:
        if a[0] > 0:
            return a
        return -a

    with fails(
        ConcretizationError, "has no numbers yet: a truth value was asked for", at="if a[0] > 0:", remedy="difc.cond"
    ):
        difc.jit(branchy)(x)
    with fails(ConcretizationError, "a Python index or range was asked for", at="range(n)", remedy="static_argnums"):
        difc.jit(lambda n: sum(range(n)))(3)


BOUNDS = {
    "upper": ((None, 0, 0, None), (0, np.array([3, 0, 5, 1]), np.linspace(0.2, 1, 4), 2.0)),
    "lower": ((0, None, None, None), (np.array([0, 2, 1, 9]), 4, 0.5, 2.0)),
    "both": ((0, 0, 0, 0), (np.array([0, 2, 1, 4]), np.array([3, 0, 5, 4]), np.linspace(0.2, 1, 4), np.ones(4))),
    "no step": ((0, None, None, None), (np.array([7, 9]), 4, 0.5, 2.0)),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_fori_loop_with_mapped_bounds(name: str) -> None:
    axes, arguments = BOUNDS[name]

    def make(lib: Lib) -> Callable[..., Any]:
        def program(lower: Any, upper: Any, a: Any, w: Any) -> Any:
            return lib.fori_loop(lower, upper, lambda i, c: (c[0] * 0.5 + a * w * i, c[1] + 1), (a, 0))

        return lib.vmap(program, axes)

    agree(make, *arguments)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", BOUNDS)
def test_gradients_of_a_fori_loop_with_mapped_bounds(name: str, order: int) -> None:
    """JAX refuses reverse mode here, but not forward mode."""
    axes, arguments = BOUNDS[name]

    def slopes(lib: Lib, derivative: Callable[..., Any]) -> Callable[..., Any]:
        def program(lower: Any, upper: Any, a: Any, w: Any) -> Any:
            return lib.fori_loop(lower, upper, lambda i, c: lib.np.sin(c) * a * w + i, a)

        f = program
        for _ in range(order):
            f = derivative(f, argnums=2)
        return lib.vmap(f, axes)

    same(difc.jit(slopes(OURS, difc.grad))(*arguments), jax.jit(slopes(THEIRS, jax.jacfwd))(*arguments))


def test_derivatives_of_lanes_that_end_before_others() -> None:
    """What a lane computes beyond its end has an infinite slope here, which nobody asked for."""
    ends, starts = np.array([2, 1, 3, 0]), np.array([30.0, 20.0, 300.0, 4.0])

    def last(n: Any, start: Any, w: Any) -> Any:
        return difc.fori_loop(0, n, lambda i, c: np.sqrt(c - w) + 4.0 * (i + 1), start)

    def mapped(w: Any) -> Any:
        return np.sum(difc.vmap(last, (0, 0, None))(ends, starts, w))

    def looped(w: Any) -> Any:
        return sum(last(int(n), s, w) for n, s in zip(ends, starts, strict=True))

    with np.errstate(invalid="ignore"):
        same(mapped(4.0), looped(4.0))
    same(difc.grad(mapped)(4.0), difc.grad(looped)(4.0))
    assert np.isfinite(difc.grad(mapped)(4.0))
    second = [difc.grad(difc.grad(f))(4.0) for f in (mapped, looped)]
    same(*second)
    scaled = difc.vmap(difc.grad(lambda a, n: difc.fori_loop(0, n, lambda i, c: c * 0.5, a)), (None, 0))
    same(scaled(2.0, ends), 0.5**ends)  # no step has to be kept for the way back
