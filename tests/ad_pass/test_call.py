"""Derivatives of loops whose numbers of steps are mapped: `vmap` of each against a Python loop over the lanes.

The derivatives of one lane are held against finite differences in test_control.py, as are those of mapped ones, for the
programs of the table there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import difc
from difc.ad_pass.functions import expand_requests
from difc.ad_pass.registry import BATCH
from difc.dialects import context, functions_of
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from tests.frontend.traced import compare, trace_and_run
from tests.pipelines.passes import Loop, all_ops
from tests.programs import traced

Function = Callable[..., Any]
X, ENDS = np.array([0.7, 0.5, -0.3, 0.9]), np.array([2, 0, 3, 1])
DYNAMIC = [(0, 0), (1, 0)]


def powers(x: Any, end: Any) -> Any:
    return difc.fori_loop(0, end, lambda i, c: np.sin(c) * x + 0.1 * i, x)


def nested(x: Any, end: Any) -> Any:
    """Both loops have as many steps as the lane says."""

    def outer(i: Any, c: Any) -> Any:
        return difc.fori_loop(0, end, lambda j, d: np.sin(d) * x + 0.1 * j, c) * c

    return difc.fori_loop(0, end, outer, x)


def one_after_the_other(x: Any, end: Any) -> Any:
    """The second loop starts where the first ended, and makes other numbers of steps."""
    first = powers(x, end)
    return difc.fori_loop(end, 4, lambda i, c: np.cos(c) * first * i, x)


def in_a_branch(x: Any, end: Any) -> Any:
    """Where a lane does not take it, the slope of the root is infinite or NaN."""
    return difc.cond(x > 0.5, lambda: powers(np.sqrt(x - 0.5), end), lambda: x * end)


def beyond_the_end(x: Any, end: Any) -> Any:
    """Roots of what is negative, in steps that a lane does not make."""
    starts = np.where(end > 1, 30.0 * end, 8.0)
    return difc.fori_loop(0, end, lambda i, c: np.sqrt(c - 4.0 - x) + 4.0 * (i + 1), starts + x)


def reversed_scan(x: Any, end: Any) -> Any:
    return difc.scan(lambda c, _: (np.sin(c) * x, None), x, length=end, reverse=True)[0]


def of_called(x: Any, end: Any) -> Any:
    return difc.jit(powers)(x * x, end) * x


def of_many(x: Any, end: Any) -> Any:
    """The loop is mapped within as well, over numbers of steps and over starts."""
    ends = difc.vmap(powers, (None, 0))(x, end + np.arange(3))
    return np.sum(difc.vmap(powers, (0, None))(ends, end) * ends)


def of_slopes(x: Any, end: Any) -> Any:
    """A derivative within a loop."""
    return difc.scan(lambda c, s: (difc.grad(powers)(c, end) * s, None), x, np.array([0.5, -2.0]))[0]


LOOPS = (
    powers,
    nested,
    one_after_the_other,
    in_a_branch,
    beyond_the_end,
    reversed_scan,
    of_called,
    of_many,
    of_slopes,
)


def hessian_product(f: Function) -> Function:
    return lambda x, end: difc.jvp(lambda x: difc.grad(f)(x, end), (x,), (1.0,))


def pulled_back(f: Function) -> Function:
    def both(x: Any, end: Any) -> Any:
        y, pullback = difc.vjp(lambda x: f(x, end), x)
        return y, pullback(x * 2.0)

    return both


DERIVATIVES: dict[str, Callable[[Function], Function]] = {
    "gradient": difc.grad,
    "gradient of gradient": lambda f: difc.grad(difc.grad(f)),
    "gradient of jvp": lambda f: difc.grad(lambda x, end: difc.jvp(lambda x: f(x, end), (x,), (x,))[1]),
    "jvp of gradient": hessian_product,
    "pullback": pulled_back,
}


def expanded(f: Function, *specs: Any) -> ir.Module:
    with context(), ir.Location.unknown():
        return expand_requests(traced(f, *specs))


def looped(f: Function, *columns: Any) -> Any:
    """Return what `vmap` gives, by a Python loop over lanes, one at a time."""
    rows = [f(*lane) for lane in zip(*columns, strict=True)]
    return optree.tree_map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *rows)


def check(mapped: Function, f: Function, *columns: Any, dynamic: Any = ()) -> None:
    """Check a mapped function of arrays against `f` on each lane of `columns`."""
    with difc.disable_jit(), np.errstate(invalid="ignore"):
        found, wanted = trace_and_run(mapped, X, ENDS, dynamic=dynamic), looped(f, *columns)
    assert all(np.isfinite(leaf).all() for leaf in optree.tree_leaves(wanted))
    compare(found, wanted, 1e-12)


@pytest.mark.parametrize("dynamic", [(), DYNAMIC], ids=["static", "dynamic"])
@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("loop", LOOPS, ids=lambda f: f.__name__)
def test_a_mapped_derivative_is_that_of_each_lane(loop: Function, derivative: str, dynamic: Any) -> None:
    f = DERIVATIVES[derivative](loop)
    check(difc.vmap(f), f, X, ENDS, dynamic=dynamic)


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("loop", [powers, nested, in_a_branch], ids=lambda f: f.__name__)
def test_what_is_differentiated_in_may_be_shared(loop: Function, derivative: str) -> None:
    f = DERIVATIVES[derivative](loop)
    check(lambda x, ends: difc.vmap(f, (None, 0))(x[0], ends), f, np.full(4, X[0]), ENDS)


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("loop", [powers, nested, in_a_branch], ids=lambda f: f.__name__)
def test_lanes_of_lanes(loop: Function, derivative: str) -> None:
    """Numbers of steps are mapped by the outer `vmap`, by the inner one, and by both."""
    f = DERIVATIVES[derivative](loop)
    pairs = np.repeat(X, 4), np.tile(ENDS, 4)
    many = {
        "inner": lambda x, ends: difc.vmap(difc.vmap(f, (None, 0)), (0, None))(x, ends),
        "outer": lambda x, ends: difc.vmap(difc.vmap(f, (0, None)), (None, 0), 1)(x, ends),
        "both": lambda x, ends: difc.vmap(difc.vmap(f, (None, 0)), (0, 0))(x, np.stack([ends] * 4)),
    }
    for mapped in many.values():

        def flat(x: Any, ends: Any, mapped: Function = mapped) -> Any:
            return optree.tree_map(lambda y: np.reshape(y, 16), mapped(x, ends))

        check(flat, f, *pairs)


def test_the_derivative_of_mapped_derivatives() -> None:
    """Shared operands get the sum over the lanes, without what a lane computes beyond its end."""
    for loop in LOOPS:
        slopes = difc.vmap(difc.grad(lambda x, end, w, loop=loop: loop(x * w, end)), (0, 0, None))

        def total(w: Any, slopes: Function = slopes) -> Any:
            return np.sum(np.sin(slopes(X, ENDS, w)))

        def wanted(w: Any, loop: Function = loop) -> Any:
            one = difc.grad(lambda x, end, w: loop(x * w, end))
            return sum(np.sin(one(x, end, w)) for x, end in zip(X, ENDS, strict=True))

        with difc.disable_jit(), np.errstate(invalid="ignore"):
            np.testing.assert_allclose(difc.grad(total)(1.1), difc.grad(wanted)(1.1), rtol=1e-12)


@pytest.mark.parametrize("ends", [[0, 0, 0], [-2, 1, -1], []])
def test_lanes_without_steps(ends: list[int]) -> None:
    n = np.array(ends, np.int64)
    with difc.disable_jit():
        slopes = np.asarray(difc.vmap(difc.grad(powers))(X[: len(n)], n))
        np.testing.assert_allclose(slopes, [difc.grad(powers)(x, max(k, 0)) for x, k in zip(X, n, strict=False)])


def test_what_no_lane_changes_is_not_copied_for_each() -> None:
    """Only what the derivative is taken in is: neither the matrix, nor a result that it gives alone."""
    matrix = np.linspace(-0.5, 0.5, 9).reshape(3, 3)

    def loss(x: Any, w: Any, end: Any) -> Any:
        return np.sum(difc.fori_loop(0, end, lambda i, c: np.tanh(w @ c), x)), np.sum(w)

    f = difc.value_and_grad(loss, has_aux=True)
    mapped = difc.vmap(f, (None, None, 0), ((0, None), 0))
    x, ends = np.ones(3), np.array([2, 0, 1, 1])
    module = expanded(mapped, difc.f64[3], difc.f64[3, 3], difc.i64[4])
    assert "tensor<4x3x3xf64>" not in str(module)
    with difc.disable_jit():
        (values, total), slopes = mapped(x, matrix, ends)
        lanes = [f(x, matrix, end) for end in ends]
    np.testing.assert_allclose(values, [value for (value, _), _ in lanes], rtol=1e-12)
    np.testing.assert_allclose(slopes, [slope for _, slope in lanes], rtol=1e-12, atol=1e-15)
    assert np.asarray(total) == np.sum(matrix)


def test_only_where_their_code_cannot_be_mapped_are_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    own, shared = difc.vmap(difc.grad(powers)), difc.vmap(difc.grad(powers), (0, None))
    wanted = str(expanded(shared, difc.f64["n"], difc.i64[()]))
    module = expanded(own, difc.f64["n"], difc.i64["n"])
    loops = [Loop(o) for o in all_ops(functions_of(module)["f"].entry_block) if o.name == "fun.scan"]
    assert loops[0].counts[3] == loops[1].counts[1] > 0  # rows, as many for each lane
    for name in ("fun.call", "fun.jvp", "fun.vjp", "fun.vmap"):
        monkeypatch.delitem(BATCH, name)
    assert str(expanded(shared, difc.f64["n"], difc.i64[()])) == wanted
    with pytest.raises(UnsupportedError, match=r"fun\.vjp has no batching rule"):
        expanded(own, difc.f64["n"], difc.i64["n"])


def test_what_the_user_stacks_is_refused() -> None:
    def rows(x: Any, end: Any) -> Any:
        return np.sum(difc.scan(lambda c, _: (c * x, c), x, length=end)[1])

    with pytest.raises(UnsupportedError, match="the number of steps of a scan differs") as error:
        expanded(difc.vmap(difc.grad(rows)), difc.f64[4], difc.i64[4])
    assert "difc.scan(lambda c, _" in str(error.value)
    assert "np.where" in error.value.remedy
    assert error.value.__context__ is None
