"""Making and filling blocks and functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import Builder, context, interpreter, new_block
from difc.dialects.body import copy_function, copy_functions, copy_module, inline_block, map_body
from difc.dialects.mlir import ir
from tests.case import module_of
from tests.dialects.evaluating import aval

X = "tensor<2xf64>"


def test_new_block() -> None:
    with context(), ir.Location.unknown():
        place = ir.Location.file("user.py", 3, 4)
        block = new_block([aval("f64[2, ?]"), ir.RankedTensorType.get([3], ir.F32Type.get())], [place, place])
        assert [dif.aval_of(a) for a in block.arguments] == [aval("f64[2, ?]"), aval("f32[3]")]
        assert dif.block_locations(block) == [place, place]


def test_needed_first() -> None:
    with context(), ir.Location.unknown():
        block = new_block([aval("f64[2]")])
        with dif.use_builder(Builder(block)):
            x = block.arguments[0]
            twice = dif.add(x, x)
            y = dif.mul(dif.sin(twice), twice)

        def needs(value: ir.Value) -> list[ir.Value]:
            return [] if value in (x, twice) else list(value.owner.operands)

        assert list(dif.needed_first(y, needs)) == [twice, y.owner.operands[0], y]


def test_unique_name() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse("func.func @f() { return }\nfunc.func @f_1() { return }")
        assert [dif.unique_name(module, n) for n in ("f", "g")] == ["f_2", "g"]
        assert dif.unique_name(module, "g", reserved=["g"]) == "g_1"


def test_add_function() -> None:
    with context(), ir.Location.unknown():
        module, block = ir.Module.create(), new_block([aval("f64[2]")])
        with dif.use_builder(Builder(block)):
            dif.return_(block, [dif.sin(block.arguments[0])])
        dif.add_function(module, "f", block, attributes={"my.mark": ir.UnitAttr.get()})
    assert f"func.func private @f(%arg0: {X}) -> {X} attributes {{my.mark}}" in str(module)


def _loop(x: ir.Value) -> ir.Value:
    body = new_block([aval("f64[2]")])
    with dif.use_builder(Builder(body)):
        dif.yield_(dif.sin(body.arguments[0]))
    return dif.scan(x, num_carry=1, num_xs=0, length=2, reverse=False, linear=(), regions=[body])


def _neg_for_sin(operation: Any, operands: list[ir.Value]) -> list[ir.Value] | None:
    return [dif.neg(*operands)] if operation.name == "dif.sin" else None


def test_inline_block_replaces_ops_also_in_bodies() -> None:
    module = module_of(lambda x: dif.sin(_loop(x)), [aval("f64[2]")])
    source = dif.functions_of(module)["f"].entry_block
    plain = module_of(lambda x: dif.inline_block(source, [x])[0], [aval("f64[2]")])
    assert str(plain) == str(module)
    changed = module_of(lambda x: dif.inline_block(source, [x], _neg_for_sin)[0], [aval("f64[2]")])
    assert str(changed) == str(module).replace("dif.sin", "dif.neg")


def test_inlining_on_more_static_types() -> None:
    module = module_of(lambda x: dif.concatenate(x, x, dimension=0), [aval("f64[?]")])
    source = dif.functions_of(module)["f"].entry_block
    static = module_of(lambda x: dif.inline_block(source, [x])[0], [aval("f64[2]")])
    assert "tensor<4xf64>" in str(static)


def test_inlining_keeps_locations() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse(
            f'func.func @f(%x: {X}) -> {X} {{ %r = "dif.sin"(%x) : ({X}) -> {X} loc("user.py":3:4)\n return %r : {X} }}'
        )
    source = dif.functions_of(module)["f"].entry_block
    copy = module_of(lambda x: dif.inline_block(source, [x])[0], [aval("f64[2]")])
    assert dif.functions_of(copy)["f"].entry_block.operations[0].location == source.operations[0].location


def test_map_body() -> None:
    with context(), ir.Location.unknown():
        body = new_block([aval("f64[2]")])
        with dif.use_builder(Builder(body)):
            dif.yield_(dif.sin(body.arguments[0]))
        copy = map_body(body, _neg_for_sin)
        assert [op.operation.name for op in copy.operations] == ["dif.neg", "fun.yield"]
        assert [op.operation.name for op in body.operations] == ["dif.sin", "fun.yield"]


def test_copies() -> None:
    module = module_of(_loop, [aval("f64[2]")])
    with context(), ir.Location.unknown():
        copy = copy_module(module)
        assert str(copy) == str(module)
        function = dif.functions_of(module)["f"]
        copy_function(function, "g", function.entry_block, copy)
    assert set(dif.functions_of(copy)) == {"f", "g"}
    assert set(dif.functions_of(module)) == {"f"}
    x = np.array([0.5, 1.0])
    assert interpreter.run(copy, "g", x)[0].tolist() == np.sin(np.sin(x)).tolist()


def test_functions_made_anew() -> None:
    module = module_of(lambda x: dif.sin(x), [aval("f64[2]")])
    with context(), ir.Location.unknown():
        copied = dif.functions_of(module)["f"]
        copied.attributes["sym_visibility"] = ir.StringAttr.get("private")
        made = copy_functions(module, lambda block, arguments: inline_block(block, arguments, _neg_for_sin))
        assert dif.is_private(dif.functions_of(made)["f"])
    assert "dif.neg" in str(made)
    assert "dif.sin" in str(module)


def test_marked() -> None:
    assert dif.marked("abc", [True, False, True]) == ["a", "c"]
    with pytest.raises(ValueError, match="shorter"):
        dif.marked("abc", [True])
