"""Shaping of loops: what does not change from step to step leaves the body."""

from __future__ import annotations

from typing import Any

import numpy as np

import difc
from tests.pipelines.passes import Simplified

V, XS = difc.f64[3], difc.f64[5, 3]
x, xs = np.linspace(-1.0, 1.0, 3), np.linspace(-2.0, 1.0, 15).reshape(5, 3)


def test_a_carry_that_never_changes_becomes_a_constant() -> None:
    def step(carry: Any, s: Any) -> Any:
        a, fixed = carry
        return (np.sin(a * fixed) + s, fixed), None

    made = Simplified(lambda a, b, xs: difc.scan(step, (a, b), xs)[0], V, V, XS).check(x, x + 1.0, xs)
    assert made.loop.counts == (1, 1, 1, 0)


def test_ops_on_constants_alone_are_computed_once() -> None:
    made = Simplified(
        lambda w, a, xs: difc.scan(lambda c, s: (np.sin(c * np.exp(w * w)) + s, c), a, xs), V, V, XS
    ).check(x, x, xs)
    assert made.loop.ops == ["mul", "sin", "add"]
    assert made.ops == ["mul", "exp", "scan"]


def test_an_op_on_a_carry_that_never_changes_is_computed_once() -> None:
    def step(carry: Any, s: Any) -> Any:
        a, fixed = carry
        return (np.sin(a) * np.exp(fixed) + s, fixed), None

    made = Simplified(lambda a, b, xs: difc.scan(step, (a, b), xs)[0][0], V, V, XS).check(x, x, xs)
    assert "exp" not in made.loop.ops


def test_equal_constants_are_one() -> None:
    def program(a: Any, b: Any, xs: Any) -> Any:
        v, w = b * 1.0, b + 0.0  # both are b once they are folded
        return difc.scan(lambda c, s: (np.sin(c * v + w) + s, None), a, xs)[0]

    assert Simplified(program, V, V, XS).check(x, x, xs).loop.counts == (1, 1, 1, 0)


def test_numbers_stay_in_the_body() -> None:
    """Outside they would be arrays, to be read in every step."""
    made = Simplified(lambda a, xs: difc.scan(lambda c, s: (np.sin(c) * 0.5 + s, None), a, xs)[0], V, XS)
    assert made.check(x, xs).loop.counts == (1, 1, 0, 0)


def test_a_loop_in_a_loop_is_shaped_too() -> None:
    def program(w: Any, c: Any, xs: Any) -> Any:
        def outer(c: Any, s: Any) -> Any:
            return difc.scan(lambda c, e: (np.sin(c * np.exp(w)) + e, None), c, s)[0], None

        return difc.scan(outer, c, xs)[0]

    made = Simplified(program, difc.f64[()], difc.f64[()], XS).check(0.3, 0.2, xs)
    assert "exp" in made.ops
    assert all("exp" not in loop.ops for loop in made.loops)


def test_a_loop_that_changes_nothing_is_left_out() -> None:
    def program(c: Any, xs: Any, w: Any) -> tuple[Any, Any]:
        def outer(c: Any, s: Any) -> Any:
            same = difc.fori_loop(0, 3, lambda i, c: c, c)
            return same * s, same @ w

        return difc.scan(outer, c, xs)

    made = Simplified(program, V, XS, difc.f64[3, 3]).check(x, xs, np.outer(x, x))
    assert made.loop.ops == ["mul"]


def test_a_conditional_keeps_to_its_branch() -> None:
    """What a branch computes is not moved in front of the loop: it might be undefined where it is not taken."""

    def program(a: Any, b: Any, xs: Any) -> Any:
        def step(c: Any, s: Any) -> Any:
            return difc.cond(s > 0.0, lambda c: c * np.exp(b), lambda c: c + s, c), None

        return difc.scan(step, a, xs)[0]

    made = Simplified(program, difc.f64[()], difc.f64[()], difc.f64[4]).check(0.5, 0.1, np.array([1.0, -1.0, 2.0, 0.0]))
    assert made.loop.ops[-1] == "cond"
