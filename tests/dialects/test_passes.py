"""Upstream passes work on the dialect: common subexpressions, dead code, the inliner's view of bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import Builder, context, interpreter, new_block
from difc.dialects.mlir import ir, passmanager
from tests.case import Case, module_of
from tests.cases import CASES
from tests.dialects.evaluating import aval, same


def _run(passes: str, module: ir.Module) -> str:
    with context():
        passmanager.PassManager.parse(f"builtin.module({passes})").run(module.operation)
    dif.verify(module)
    return str(module)


def test_cse_merges_equal_ops() -> None:
    def fn(x: ir.Value) -> ir.Value:
        return dif.add(dif.reduce_sum(x, axes=(0,)), dif.reduce_sum(x, axes=(0,)))

    assert _run("cse", module_of(fn, [aval("f64[3]")])).count("dif.reduce_sum") == 1


def test_cse_tells_attributes_apart() -> None:
    def fn(x: ir.Value) -> ir.Value:
        return dif.add(dif.cumsum(x, axis=0, reverse=True), dif.cumsum(x, axis=0, reverse=False))

    assert _run("cse", module_of(fn, [aval("f64[3]")])).count("dif.cumsum") == 2


def test_cse_merges_constants() -> None:
    def fn(x: ir.Value) -> ir.Value:
        one, same_one, two = (dif.constant(value=np.array(v)) for v in (1.0, 1.0, 2.0))
        return dif.mul(dif.add(x, one), dif.add(two, same_one))

    assert _run("cse", module_of(fn, [aval("f64[]")])).count("dif.constant") == 2


def test_dead_ops_go() -> None:
    def fn(x: ir.Value) -> ir.Value:
        dif.exp(dif.sin(x))
        return dif.neg(x)

    text = _run("canonicalize", module_of(fn, [aval("f64[]")]))
    assert "dif.neg" in text
    assert "dif.sin" not in text


def _body(types: list[str], fn: Any) -> ir.Block:
    body = new_block(list(map(aval, types)))
    with dif.use_builder(Builder(body)):
        dif.yield_(*fn(*body.arguments))
    return body


def _loop_and_the_same_outside(x: ir.Value) -> ir.Value:
    """A constant and an op on it, inside the body of a loop and outside."""
    outside = dif.sin(dif.constant(value=np.array(1.0)))
    body = _body(["f64[]"], lambda c: [dif.add(c, dif.sin(dif.constant(value=np.array(1.0))))])
    inside = dif.scan(x, num_carry=1, num_xs=0, length=3, reverse=False, linear=(), regions=[body])
    return dif.add(inside, outside)


def _branches_and_the_same_outside(x: ir.Value) -> ir.Value:
    outside = dif.sin(dif.constant(value=np.array(1.0)))
    bodies = [_body(["f64[]"], lambda c: [dif.add(c, dif.sin(dif.constant(value=np.array(1.0))))]) for _ in range(2)]
    inside = dif.cond(dif.compare(x, outside, direction="lt"), x, linear=(), regions=bodies)
    return dif.add(inside, outside)


@pytest.mark.parametrize("fn", [_loop_and_the_same_outside, _branches_and_the_same_outside])
@pytest.mark.parametrize("passes", ["cse", "canonicalize", "cse,canonicalize,cse", "loop-invariant-code-motion"])
def test_no_value_moves_into_or_out_of_a_body(fn: Any, passes: str) -> None:
    module = module_of(fn, [aval("f64[]")])
    before = interpreter.run(module, "f", np.array(0.5))
    text = _run(passes, module)  # verifies that bodies use nothing from outside
    assert text.count("dif.sin") == (2 if fn is _loop_and_the_same_outside else 3)
    same(interpreter.run(module, "f", np.array(0.5))[0], before[0])


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: case.name)
def test_meaning_is_kept(case: Case) -> None:
    module = case.module(case.dtypes[0])
    arrays = case.draw(case.dtypes[0])
    before = interpreter.run(module, "f", *arrays)
    _run("cse,canonicalize,symbol-dce", module)
    for a, b in zip(interpreter.run(module, "f", *arrays), before, strict=True):
        same(a, b)
