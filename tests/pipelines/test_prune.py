"""Dead code in and across bodies: unused results, carries, scanned arrays and constants of loops, and of branches."""

from __future__ import annotations

from typing import Any

import numpy as np

import difc
from difc.dialects import context, functions_of, yielded
from difc.dialects.mlir import ir
from difc.pipelines.prune import live_values
from tests.pipelines.passes import Simplified
from tests.programs import traced

F64, V, XS = difc.f64[()], difc.f64[3], difc.f64[5, 3]
x, xs = np.linspace(-1.0, 1.0, 3), np.linspace(-2.0, 1.0, 15).reshape(5, 3)


def test_a_loop_of_which_nothing_is_used_goes() -> None:
    program = Simplified(lambda x, xs: (difc.scan(lambda c, s: (c * s, c), x, xs), x + 1.0)[1], V, XS).check(x, xs)
    assert "scan" not in program.ops


def test_stacked_results_that_nothing_uses_go() -> None:
    program = Simplified(lambda c, xs: difc.scan(lambda c, s: (np.sin(c) * s, np.exp(c)), c, xs)[0], V, XS)
    assert program.check(x, xs).loop.counts == (1, 1, 0, 0)
    assert "exp" not in program.counted


def test_a_carry_that_only_feeds_itself_goes_with_its_operands() -> None:
    def program(a: Any, b: Any, xs: Any, ys: Any, w: Any) -> Any:
        def step(carry: Any, s: Any) -> Any:
            a, b = carry
            return (np.sin(a) + s[0], b * s[1] + w), a

        (a, _), stacked = difc.scan(step, (a, b), (xs, ys))
        return a, stacked

    made = Simplified(program, V, V, XS, XS, V).check(x, x + 1.0, xs, xs * 2.0, x)
    assert made.loop.counts == (1, 1, 0, 1)
    assert "mul" not in made.counted


def test_a_carry_that_a_wanted_one_needs_stays() -> None:
    def step(carry: Any, s: Any) -> Any:
        a, b, c = carry
        return (np.sin(a * b), b + c, c * s), None  # a needs b, which needs c

    made = Simplified(lambda a, xs: difc.scan(step, (a, a, a), xs)[0][0], V, XS).check(x, xs)
    assert made.loop.counts == (3, 1, 0, 0)


def test_the_results_of_a_body_in_a_body_go() -> None:
    def outer(c: Any, s: Any) -> Any:
        last, rows = difc.scan(lambda c, e: (c * e, np.exp(c)), c, s)
        return last, np.sum(rows)

    made = Simplified(lambda c, xs: difc.scan(outer, c, xs)[0], F64, XS).check(0.5, xs)
    assert [loop.counts for loop in made.loops] == [(1, 1, 0, 0)] * 2
    assert "exp" not in made.counted


def test_results_of_a_cond_that_nothing_uses_go_with_their_operands() -> None:
    def program(p: Any, a: Any, b: Any) -> Any:
        return difc.cond(p, lambda a, b: (np.sin(a), np.exp(b)), lambda a, b: (a * a, b), a, b)[0]

    made = Simplified(program, difc.bool_[()], V, V).check(True, x, x)
    (branch,) = [o.operation for o in made.block.operations if o.operation.name == "fun.cond"]
    assert len(branch.results) == 1
    assert len(branch.operands) == 2
    assert "exp" not in made.counted


def test_one_use_in_one_branch_keeps_an_operand() -> None:
    made = Simplified(
        lambda p, a, b: difc.cond(p, lambda a, b: a + b, lambda a, b: np.sin(a), a, b), difc.bool_[()], V, V
    ).check(False, x, x)
    (branch,) = [o.operation for o in made.block.operations if o.operation.name == "fun.cond"]
    assert len(branch.operands) == 3


def test_the_forward_loop_of_a_gradient_does_not_compute_the_value() -> None:
    """The value of a loss that is linear in the result of the loop is not needed for its gradient."""
    made = Simplified(
        difc.grad(lambda c, xs: np.sum(difc.scan(lambda c, s: (c * s, np.sum(c)), c, xs)[0])), V, XS
    ).check(x, xs)
    assert made.loop.ops == ["mul"]  # backwards alone: the slices are the residuals


def test_live_values() -> None:
    with context(), ir.Location.unknown():
        module = traced(lambda a, b: (np.sin(a), np.cos(b)), V, V)
        block = functions_of(module)["f"].entry_block
        first, second = yielded(block)
        assert live_values(block, [True, False]) == {first, block.arguments[0]}
        assert live_values(block, [False, True]) == {second, block.arguments[1]}
        assert live_values(block, [False, False]) == set()
