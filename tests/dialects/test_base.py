"""How ops are defined, built and verified: the machinery that all ops share."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, OPS, Builder, context, current_builder, interpreter, new_block
from difc.dialects.attributes import Int, Ints, Shape
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir
from difc.errors import DifcError, ShapeError, SourceLocation, VerificationError
from tests.case import Case, module_of
from tests.cases import CASES
from tests.dialects.evaluating import aval

# ---- definition ----------------------------------------------------------------------------------


def test_an_op_is_its_type_rule() -> None:
    assert dif.pad.name == "dif.pad"
    assert dif.pad.operands == ["x", "value"]
    assert dif.zeros.operands == ["*sizes"]
    assert dif.pad.attributes == {"low": Ints, "high": Ints, "interior": Ints}
    assert repr(dif.pad) == "<op dif.pad>"
    assert "around" in (dif.pad.__doc__ or "")


@pytest.mark.parametrize("name", OPS)
def test_every_op_says_what_it_means(name: str) -> None:
    assert (OPS[name].__doc__ or "").strip().endswith((".", ".)", "`"))


# ---- building ------------------------------------------------------------------------------------


def test_building() -> None:
    with context(), ir.Location.unknown():
        block = new_block([aval("f32[2, 3]")])
        with dif.use_builder(Builder(block, ir.Location.file("user.py", 3, 4))) as builder:
            assert current_builder() is builder
            y = dif.transpose(block.arguments[0], permutation=(1, 0))
        assert y.owner.location == ir.Location.file("user.py", 3, 4)
        assert dif.OPS[y.owner.name] is dif.transpose
        assert attributes_of(y.owner) == {"permutation": (1, 0)}
        with pytest.raises(LookupError):
            current_builder()


def test_sizes_become_operands() -> None:
    with context(), ir.Location.unknown():
        block = new_block([aval("i64[]"), aval("i64[]")])
        with dif.use_builder(Builder(block)):
            n, m = block.arguments
            x = dif.zeros(shape=(n, 2, m), dtype=F32)
        assert list(x.owner.operands) == [n, m]
        assert attributes_of(x.owner) == {"shape": (DYN, 2, DYN), "dtype": F32}


class _Placed(Builder):
    def where(self) -> SourceLocation:
        return SourceLocation("user.py", 12, 5)


def test_a_builder_places_the_errors_of_type_rules() -> None:
    with context(), ir.Location.unknown():
        block = new_block([aval("f32[2, 3]")])
        with dif.use_builder(_Placed(block)), pytest.raises(ShapeError) as raised:
            dif.transpose(block.arguments[0], permutation=(0, 0))
        assert raised.value.where == SourceLocation("user.py", 12, 5)
        assert "user.py:12:5" in str(raised.value)
        with dif.use_builder(Builder(block)), pytest.raises(ShapeError) as raised:
            dif.transpose(block.arguments[0], permutation=(0, 0))
        assert raised.value.where is None


# ---- verifying -----------------------------------------------------------------------------------

X = "tensor<2x3xf32>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f'"dif.transpose"(%x) {{permutation = array<i64: 0, 0>}} : ({X}) -> {X}',
            "'dif.transpose' op transpose: dimensions [0, 0] are not distinct dimensions of a rank-2 array",
        ),
        (
            f'"dif.transpose"(%x) {{permutation = array<i64: 1, 0>}} : ({X}) -> {X}',
            "'dif.transpose' op has results (f32[2, 3]) where its operands give (f32[3, 2])",
        ),
        (f'"dif.transpose"(%x) : ({X}) -> {X}', "'dif.transpose' op lacks the i64 array attribute 'permutation'"),
        (
            f'"dif.transpose"(%x) {{permutation = 3 : i64}} : ({X}) -> {X}',
            "'dif.transpose' op has an attribute 'permutation' that is not a i64 array: 3 : i64",
        ),
        (
            f'"dif.neg"(%x) {{axis = 3 : i64}} : ({X}) -> {X}',
            "'dif.neg' op has an attribute 'axis' that it does not take",
        ),
        (f'"dif.add"(%x) : ({X}) -> {X}', "'dif.add' op has 1 operands where it takes 2: x, y"),
        (f'"dif.neg"(%x, %x) : ({X}, {X}) -> {X}', "'dif.neg' op has 2 operands where it takes 1: x"),
        (
            '"dif.dynamic_slice"() {sizes = array<i64>} : () -> tensor<f32>',
            "'dif.dynamic_slice' op has 0 operands where it takes at least 1: x, *starts",
        ),
        (
            f'"dif.neg"(%x) : ({X}) -> tensor<2x3xf64>',
            "'dif.neg' op has results (f64[2, 3]) where its operands give (f32[2, 3])",
        ),
        (
            f'"dif.neg"(%x) : ({X}) -> ({X}, {X})',
            "'dif.neg' op has results (f32[2, 3], f32[2, 3]) where its operands give (f32[2, 3])",
        ),
        (f'"dif.neg"(%x) : ({X}) -> tensor<*xf32>', "'dif.neg' op tensor<*xf32> is not a ranked tensor"),
        (f'"dif.neg"(%c) : (complex<f32>) -> {X}', "'dif.neg' op complex<f32> is not a ranked tensor"),
        (
            f'"dif.convert"(%x) {{dtype = complex<f32>}} : ({X}) -> {X}',
            "'dif.convert' op element type complex<f32> is not one of the dialect's",
        ),
        (f'"dif.nothing"(%x) : ({X}) -> {X}', "unregistered operation 'dif.nothing' found in dialect ('dif')"),
    ],
)
def test_wrong_text_is_an_error_at_its_place(text: str, message: str) -> None:
    results = "%r:2" if ") -> (" in text else "%r"
    module = f'func.func @f(%x: {X}, %c: complex<f32>) {{ {results} = {text} loc("user.py":3:4)\n return }}'
    with context(), ir.Location.unknown(), pytest.raises(ir.MLIRError) as raised:
        ir.Module.parse(module)
    assert f'error: "user.py":3:4: {message}' in str(raised.value)


def test_attributes_of_other_dialects_are_allowed() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse(f'func.func @f(%x: {X}) {{ %r = "dif.neg"(%x) {{my.mark}} : ({X}) -> {X}\n return }}')
    dif.verify(module)


def test_a_wrong_op_built_without_the_builder() -> None:
    with context(), ir.Location.unknown():
        module = module_of(lambda x: dif.transpose(x, permutation=(1, 0)), [aval("f32[2, 3]")])
        operation = dif.functions_of(module)["f"].entry_block.operations[0].operation
        operation.attributes["permutation"] = ir.DenseI64ArrayAttr.get([0, 1])
        with pytest.raises(VerificationError, match=re.escape("has results (f32[3, 2]) where its operands give")):
            dif.verify(module)


# ---- type rules, verifier and interpreter agree, whatever the attributes ---------------------------


def _mutated(name: str, kind: Any, value: Any, rng: np.random.Generator) -> Any:
    """Return another value for an attribute."""
    if kind is Int:
        return int(rng.integers(-2, 4))
    if kind in (Ints, Shape):
        if rng.random() < 0.2:
            return tuple(int(i) for i in rng.integers(-2, 5, rng.integers(0, 4)))
        return tuple(
            int(i) if rng.random() < 0.5 else v for v, i in zip(value, rng.integers(-2, 5, len(value)), strict=True)
        )
    return value


@pytest.mark.parametrize("case", [c for c in CASES if OPS[c.op].attributes], ids=lambda case: case.name)
def test_wrong_attributes_never_get_further_than_the_type_rule(case: Case) -> None:
    """With random attributes, an op is either rejected by its rule, or verifies and runs."""
    dtype = case.dtypes[0]
    module = case.module(dtype)
    operation = next(o for o in dif.functions_of(module)["f"].entry_block.operations if o.operation.name == case.op)
    opdef, values = OPS[case.op], attributes_of(operation)
    avals = [dif.aval_of(v) for v in operation.operands]
    arrays = [np.zeros(a.shape, a.dtype) for a in avals]
    rng = np.random.default_rng([*case.name.encode()])
    for _ in range(12):
        changed = {n: _mutated(n, opdef.attributes[n], v, rng) for n, v in values.items()}
        try:
            module = module_of(lambda *x, changed=changed: opdef(*x, **changed), avals)
        except DifcError:
            continue
        dif.verify(module)
        interpreter.run(module, "f", *arrays)
