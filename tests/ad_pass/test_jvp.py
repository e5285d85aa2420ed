"""The forward walk: symbolic zeros stay symbolic, and locations say what made an op."""

from __future__ import annotations

from typing import Any

import numpy as np

import difc
from difc.ad_pass.jvp import interleave
from difc.ad_pass.zero import Zero, add_tangents
from difc.dialects import F64, Aval, functions_of
from tests.harness import Program
from tests.pipelines.passes import Loop, all_ops
from tests.programs import traced

f64 = difc.f64


def made(fn: Any, *specs: Any, mask: tuple[bool, ...]) -> Program:
    return Program.of(traced(fn, *specs)).jvp(mask)


def ops(program: Program) -> list[Any]:
    return list(all_ops(functions_of(program.derivatives.module)[program.name].entry_block))


def test_where_no_tangent_flows_nothing_is_added() -> None:
    program = made(lambda a, b: np.sin(a) * b + np.exp(a), f64[3], f64[3], mask=(False, True))
    assert sorted(o.name for o in ops(program)) == ["dif.add", "dif.exp", "dif.mul", "dif.mul", "dif.sin"]


def test_what_is_not_used_is_left_out() -> None:
    program = made(lambda a: (np.sin(np.exp(a)), a * a)[1], f64[3], mask=(True,))
    assert {o.name for o in ops(program)} == {"dif.mul", "dif.add"}


def test_a_result_without_a_tangent_gets_zeros() -> None:
    program = made(lambda a, b: (np.sin(a), b * b), f64[3], f64[3], mask=(False, True))
    a = np.ones(3)
    np.testing.assert_array_equal(program(a, a, a)[2], np.zeros(3))


def test_stopped_gradients_and_integers_carry_no_tangent() -> None:
    program = made(lambda a: difc.stop_gradient(a) * a, f64[3], mask=(True,))
    assert [o.name for o in ops(program)].count("dif.mul") == 2  # one of the function, one of its derivative
    program = made(lambda a: a.astype(np.int64).astype(np.float64) * a, f64[3], mask=(True,))
    assert [o.name for o in ops(program)].count("dif.mul") == 2


def test_a_loop_carries_tangents_only_where_they_can_be_nonzero() -> None:
    def program(a: Any, b: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            u, v, n = carry
            return (u * v, v + x, n + 1), v

        return difc.scan(step, (a, b, 0), xs)

    for mask, carries in (((True, False, False), 4), ((False, True, False), 5), ((False, False, True), 5)):
        found = made(program, f64[3], f64[3], f64[4, 3], mask=mask)
        (loop,) = [Loop(o) for o in ops(found) if o.name == "fun.scan"]
        assert loop.counts[0] == carries


def test_locations_name_the_rule_and_the_line() -> None:
    program = made(lambda a: np.sin(a), f64[3], mask=(True,))
    locations = {o.name: str(o.location) for o in ops(program)}
    assert "jvp(dif.sin)" in locations["dif.cos"]
    assert __file__ in locations["dif.cos"]


def test_zeros_add_up_to_zero() -> None:
    zero = Zero(Aval((3,), F64))
    assert add_tangents(zero, zero) is zero
    assert interleave([True, False, True], "ac", "b") == ["a", "b", "c"]
