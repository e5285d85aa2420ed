"""How the interpreter is called, and what it checks while it runs. What each op means is tested by op family."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import F32, OPS, Aval, context, interpreter, semantics
from difc.dialects.interpreter_control import CONTROL
from difc.dialects.mlir import ir
from difc.errors import EntryError, InputError, ShapeError, SourceLocation, UnsupportedError
from tests.case import module_of
from tests.cases import CASES, Case
from tests.dialects.evaluating import aval, evaluate, same


def test_every_op_has_a_meaning() -> None:
    assert {name for name in OPS if name.startswith("dif.")} == set(semantics.MEANINGS)
    with_bodies = {name for name in OPS if name.startswith("fun.")} - {"fun.yield", *dif.REQUESTS}
    assert with_bodies == set(CONTROL)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_row_runs_in_every_dtype(case: Case) -> None:
    for dtype in case.dtypes:
        arrays = case.draw(dtype)
        static = evaluate(case.fn, *arrays)
        if case.dynamic:
            dynamic = interpreter.run(case.module(dtype, dynamic=True), "f", *arrays)
            for a, b in zip(static if isinstance(static, tuple) else (static,), dynamic, strict=True):
                same(b, a)


def _double() -> ir.Module:
    return module_of(lambda x: dif.add(x, x), [aval("f32[2, ?]")], name="double")


def test_run() -> None:
    (result,) = interpreter.run(_double(), "double", np.ones((2, 3), F32))
    same(result, np.full((2, 3), 2, F32))


def test_an_interpreter_runs_a_function_often() -> None:
    runner = interpreter.Interpreter(_double())
    assert [runner.run("double", np.full((2, n), n, F32))[0].sum() for n in (1, 2)] == [4, 16]


def test_an_unknown_function() -> None:
    with pytest.raises(EntryError, match="there is no function 'half', only 'double'"):
        interpreter.run(_double(), "half")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "double: 0 values for 1 places"),
        ([np.ones((2, 3))], r"double: value 0 is f64\[2, 3\], not f32\[2, \?\]"),
        ([np.ones((3, 3), F32)], r"double: value 0 is f32\[3, 3\], not f32\[2, \?\]"),
        ([np.ones(2, F32)], r"double: value 0 is f32\[2\], not f32\[2, \?\]"),
    ],
)
def test_arguments_that_do_not_fit(arrays: list[np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        interpreter.run(_double(), "double", *arrays)


def test_results_are_new_arrays() -> None:
    module = module_of(lambda x: (x, x, dif.stop_gradient(x)), [aval("f64[2]")])
    x = np.zeros(2)
    results = interpreter.run(module, "f", x)
    for i, result in enumerate(results):
        result[:] = i + 1
    assert [x.tolist(), *(r.tolist() for r in results)] == [[i, i] for i in range(4)]


def test_numpy_says_nothing() -> None:
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        zero = np.zeros((), F32)
        assert np.isnan(evaluate(dif.div, zero, zero))
        assert evaluate(dif.exp, zero + 1000) == np.inf


def test_run_time_sizes_that_differ_are_an_error_at_the_op() -> None:
    text = '"dif.add"(%x, %y) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32> loc("user.py":3:4)'
    with context(), ir.Location.unknown():
        module = ir.Module.parse(
            f"func.func @f(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {{ %r = {text}\n"
            "return %r : tensor<?xf32> }"
        )
    with pytest.raises(ShapeError, match=r"add: operand shapes differ: f32\[2\], f32\[3\]") as raised:
        interpreter.run(module, "f", np.ones(2, F32), np.ones(3, F32))
    assert raised.value.where == SourceLocation("user.py", 3, 4, 4)


@pytest.mark.parametrize("wrong", [np.ones(3, np.float64), np.ones(4, F32), np.ones((3, 1), F32)])
def test_a_wrong_meaning_is_found_at_once(wrong: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(semantics.MEANINGS, "dif.neg", lambda x: wrong)
    for types in (aval("f32[3]"), aval("f32[?]")):
        with pytest.raises(AssertionError, match=r"'dif.neg' computed a wrong result: value 0 is .*, not f32\["):
            interpreter.run(module_of(dif.neg, [types]), "f", np.ones(3, F32))


def test_a_wrong_type_rule_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of(lambda x: dif.concatenate(x, x, dimension=0), [aval("f32[?]")])
    monkeypatch.setattr(dif.concatenate, "infer", lambda x, y, dimension: Aval(x.shape, x.dtype))
    with pytest.raises(
        AssertionError, match=r"'dif.concatenate' computed a wrong result: value 0 is f32\[6\], not f32\[3\]"
    ):
        interpreter.run(module, "f", np.ones(3, F32))


def test_a_function_without_a_body() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse("func.func private @f()")
    with pytest.raises(UnsupportedError, match="function 'f' is only declared: it has no body to run"):
        interpreter.run(module, "f")


def test_ops_of_other_dialects() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse('func.func @f() { "my.op"() : () -> () loc("user.py":3:4)\n return }')
    with pytest.raises(UnsupportedError, match=r"runs dif and fun ops only, not 'my\.op'") as raised:
        interpreter.run(module, "f")
    assert raised.value.where == SourceLocation("user.py", 3, 4, 4)
