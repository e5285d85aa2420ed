"""The walk of vmap: what is not mapped is computed once, and the batch goes where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import difc
from difc.ad_pass.batch import add_batch, move_dim
from difc.ad_pass.registry import BATCH
from difc.dialects import DYN, F64, Aval, functions_of, interpreter
from difc.errors import UnsupportedError
from tests.case import module_of
from tests.harness import Program
from tests.pipelines.passes import Loop, all_ops
from tests.programs import traced

f64 = difc.f64
x = np.arange(24.0).reshape(2, 3, 4)


def ops(program: Program) -> list[Any]:
    return list(all_ops(functions_of(program.derivatives.module)[program.name].entry_block))


@pytest.mark.parametrize(("source", "to"), [(0, 0), (0, 2), (2, 0), (1, 2), (2, 1)])
def test_move_dim(source: int, to: int) -> None:
    module = module_of(lambda a: move_dim(a, source, to), [Aval((2, 3, 4), F64)])
    np.testing.assert_array_equal(interpreter.run(module, "f", x)[0], np.moveaxis(x, source, to))


def test_add_batch() -> None:
    module = module_of(lambda a: add_batch(a, 5), [Aval((2, DYN, 4), F64)])
    np.testing.assert_array_equal(interpreter.run(module, "f", x)[0], np.stack([x] * 5))


def test_what_is_not_mapped_is_computed_once() -> None:
    mapped = Program.of(traced(lambda a, w: a * np.exp(w), f64[3], f64[3])).vmap([0, -1], [0], 5)
    (exp,) = [o for o in ops(mapped) if o.name == "dif.exp"]
    assert "tensor<3xf64>" in str(exp)


def test_a_result_that_is_not_mapped_stays_as_it_is_or_is_repeated() -> None:
    f = Program.of(traced(lambda a, w: (a + w, w * 2.0), f64[3], f64[3]))
    a, w = np.ones((5, 3)), np.arange(3.0)
    np.testing.assert_array_equal(f.vmap([0, -1], [0, -1], 5)(a, w)[1], w * 2)
    np.testing.assert_array_equal(f.vmap([0, -1], [0, 0], 5)(a, w)[1], np.stack([w * 2] * 5))


def test_a_carry_becomes_mapped_only_if_it_has_to() -> None:
    def program(c: Any, n: Any, xs: Any) -> Any:
        return difc.scan(lambda carry, x: ((carry[0] * x, carry[1] + 1.0), carry[1]), (c, n), xs)

    mapped = Program.of(traced(program, f64[3], f64[()], f64[4, 3])).vmap([-1, -1, 0], [0, -1, -1], 5)
    (loop,) = [Loop(o) for o in ops(mapped) if o.name == "fun.scan"]
    assert [str(a.type) for a in loop.body.arguments] == ["tensor<5x3xf64>", "tensor<f64>", "tensor<5x3xf64>"]


@pytest.mark.parametrize("mapped", [True, False])
def test_a_conditional_stays_one_unless_its_predicate_is_mapped(mapped: bool) -> None:
    f = Program.of(traced(lambda p, a: difc.cond(p, np.sin, np.cos, a), difc.bool_[()], f64[3]))
    names = [o.name for o in ops(f.vmap([0 if mapped else -1, 0], [0], 5))]
    assert ("fun.cond" in names) != mapped
    assert ("dif.select" in names) == mapped


@pytest.fixture
def rules() -> Iterator[None]:
    """Restore the batching rules after a test that changes them."""
    kept = dict(BATCH)
    yield
    BATCH.clear()
    BATCH.update(kept)


@pytest.mark.usefixtures("rules")
def test_a_missing_rule_names_the_op_and_the_line() -> None:
    del BATCH["dif.sin"]
    module = traced(lambda a: np.sin(a) * 2.0, f64[3])
    with pytest.raises(UnsupportedError, match=r"dif\.sin") as error:
        Program.of(module).vmap([0], [0], 4)
    assert "np.sin(a)" in str(error.value)
