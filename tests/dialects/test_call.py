"""Calls and requests, and `verify`, which checks them against the functions of the module."""

from __future__ import annotations

import re

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import Builder, context, interpreter, new_block
from difc.dialects.mlir import ir
from difc.errors import ShapeError, SourceLocation, UnsupportedError, VerificationError
from tests.dialects.evaluating import aval

X = "tensor<2xf32>"
#: f: f32[2], i32 -> f32[2], i32.
CALLEE = f"func.func @f(%x: {X}, %n: tensor<i32>) -> ({X}, tensor<i32>) {{ return %x, %n : {X}, tensor<i32> }}"


def _module(text: str) -> ir.Module:
    """Return a module of @f and a function that holds one op, at user.py:3:4."""
    arguments = f"%x: {X}, %n: tensor<i32>, %m: tensor<5x2xf32>, %d: tensor<?x2xf32>, %b: tensor<i1>"
    with context(), ir.Location.unknown():
        return ir.Module.parse(f'{CALLEE}\nfunc.func @g({arguments}) {{ {text} loc("user.py":3:4)\n return }}')


@pytest.mark.parametrize(
    "text",
    [
        f'%r:2 = "fun.call"(%x, %n) {{callee = @f}} : ({X}, tensor<i32>) -> ({X}, tensor<i32>)',
        f'%r:3 = "fun.jvp"(%x, %n, %x) {{callee = @f, mask = array<i1: true, false>}} '
        f": ({X}, tensor<i32>, {X}) -> ({X}, tensor<i32>, {X})",
        '%r:3 = "fun.vjp"(%x, %n, %x) '
        "{callee = @f, mask = array<i1: true, false>, out_mask = array<i1: true, false>} "
        f": ({X}, tensor<i32>, {X}) -> ({X}, tensor<i32>, {X})",
        '%r:2 = "fun.vmap"(%m, %n) {callee = @f, in_axes = array<i64: 0, -1>, out_axes = array<i64: 1, -1>} '
        ": (tensor<5x2xf32>, tensor<i32>) -> (tensor<2x5xf32>, tensor<i32>)",
        '%r:2 = "fun.vmap"(%d, %n) {callee = @f, in_axes = array<i64: 0, -1>, out_axes = array<i64: 0, 0>} '
        ": (tensor<?x2xf32>, tensor<i32>) -> (tensor<?x2xf32>, tensor<?xi32>)",
    ],
)
def test_what_fits(text: str) -> None:
    module = _module(text)
    dif.verify(module)
    with context(), ir.Location.unknown():
        assert str(ir.Module.parse(str(module))) == str(module)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'%r = "fun.call"(%x) {{callee = @h}} : ({X}) -> {X}', "'fun.call' op names a function @h that is not there"),
        (f'%r = "fun.call"(%x) : ({X}) -> {X}', "'fun.call' op lacks the symbol attribute 'callee'"),
        (
            f'%r = "fun.call"(%x) {{callee = "f"}} : ({X}) -> {X}',
            "has an attribute 'callee' that is not a symbol: \"f\"",
        ),
        (f'%r = "fun.call"(%x) {{callee = @f}} : ({X}) -> {X}', "'fun.call' op has 1 operands where @f needs 2"),
        (
            f'%r:2 = "fun.call"(%x, %x) {{callee = @f}} : ({X}, {X}) -> ({X}, tensor<i32>)',
            "'fun.call' op has operand 1 of type f32[2] where @f needs i32[]",
        ),
        (
            f'%r = "fun.call"(%x, %n) {{callee = @f}} : ({X}, tensor<i32>) -> {X}',
            "'fun.call' op has 1 results where @f needs 2",
        ),
        (
            f'%r:2 = "fun.call"(%x, %n) {{callee = @f}} : ({X}, tensor<i32>) -> ({X}, tensor<i64>)',
            "'fun.call' op has result 1 of type i64[] where @f needs i32[]",
        ),
        (
            f'%r = "fun.jvp"(%x) {{callee = @f, mask = array<i1: true>}} : ({X}) -> {X}',
            "'fun.jvp' op does not fit @f: mask has 1 entries for 2 arguments",
        ),
        (
            f'%r = "fun.jvp"(%x, %n) {{callee = @f, mask = array<i1: true, false>}} : ({X}, tensor<i32>) -> {X}',
            "'fun.jvp' op has 2 operands where @f needs 3",
        ),
        (
            f'%r = "fun.vjp"(%x) {{callee = @f, mask = array<i1: true, true>, out_mask = array<i1>}} : ({X}) -> {X}',
            "'fun.vjp' op does not fit @f: out_mask has 0 entries for 2 results",
        ),
        (
            f'%r = "fun.vmap"(%x) {{callee = @f, in_axes = array<i64: -1>, out_axes = array<i64: 0>}} : ({X}) -> {X}',
            "'fun.vmap' op does not fit @f: no argument is mapped",
        ),
        (
            f'%r = "fun.vmap"(%x) {{callee = @f, in_axes = array<i64: 1>, out_axes = array<i64: 0>}} : ({X}) -> {X}',
            "'fun.vmap' op does not fit @f: there is no axis 1 to map over in f32[2]",
        ),
        (
            f'%r = "fun.vmap"(%m, %x) {{callee = @f, in_axes = array<i64: 0, 0>, out_axes = array<i64: 0, 0>}} '
            f": (tensor<5x2xf32>, {X}) -> {X}",
            "'fun.vmap' op does not fit @f: mapped sizes differ: 5 and 2",
        ),
        (
            '%r = "fun.vmap"(%m, %n) {callee = @f, in_axes = array<i64: 0, -1>, out_axes = array<i64: 2, 0>} '
            f": (tensor<5x2xf32>, tensor<i32>) -> {X}",
            "'fun.vmap' op does not fit @f: axis 2 is no place for a mapped axis in f32[2]",
        ),
        (
            '%r = "fun.vmap"(%m, %n) {callee = @f, in_axes = array<i64: 0, -1>, out_axes = array<i64: 0>} '
            f": (tensor<5x2xf32>, tensor<i32>) -> {X}",
            "'fun.vmap' op does not fit @f: out_axes has 1 entries for 2 results",
        ),
        (f'%r = "fun.grad"(%x) : ({X}) -> {X}', "'fun.grad' op is not an op of this dialect"),
        (
            f'%r = "fun.scan"(%x) ({{^b(%c: {X}): "fun.yield"(%x) : ({X}) -> ()}}) '
            "{num_carry = 1, num_xs = 0, length = 3, reverse = false, linear = array<i1>} "
            f": ({X}) -> {X}",
            "'fun.scan' op has a body whose 'fun.yield' uses a value from outside",
        ),
        (
            f'%r = "fun.scan"(%x) {{num_carry = 1, num_xs = 0, length = 3, reverse = false, linear = array<i1>}} '
            f": ({X}) -> {X}",
            "'fun.scan' op has 0 bodies where it needs 1",
        ),
        (
            f'%r = "fun.scan"(%x) ({{^b(%c: {X}): %y = "dif.neg"(%c) : ({X}) -> {X} }}) '
            "{num_carry = 1, num_xs = 0, length = 3, reverse = false, linear = array<i1>} "
            f": ({X}) -> {X}",
            "'fun.scan' op has a body that is not one block ended by 'fun.yield'",
        ),
        (
            f'%r = "fun.scan"(%x) ({{^b(%c: {X}): "fun.yield"(%c) : ({X}) -> ()}}) '
            "{num_carry = 1, num_xs = 0, length = 3, reverse = 1, linear = array<i1>} "
            f": ({X}) -> {X}",
            "'fun.scan' op has an attribute 'reverse' that is not a bool: 1 : i64",
        ),
        (
            f'%r = "fun.scan"(%x) ({{^b(%c: {X}): "fun.yield"(%c) : ({X}) -> ()}}) '
            "{num_carry = 1, num_xs = 0, length = 3, reverse = true, linear = array<i1>} "
            f": ({X}) -> tensor<?xf32>",
            "'fun.scan' op has results (f32[?]) where its operands give (f32[2])",
        ),
    ],
)
def test_what_does_not_fit(text: str, message: str) -> None:
    with pytest.raises(VerificationError) as raised:
        dif.verify(_module(text))
    assert message in raised.value.message
    assert raised.value.where == SourceLocation("user.py", 3, 4, 4)


def test_every_problem_is_told() -> None:
    with pytest.raises(VerificationError) as raised:
        dif.verify(_module('"fun.one"() : () -> () loc("user.py":1:2)\n "fun.two"() : () -> ()'))
    lines = str(raised.value).splitlines()
    assert [line for line in lines if "fun." in line] == [
        "'fun.one' op is not an op of this dialect",
        "'fun.two' op is not an op of this dialect",
    ]


def test_functions_cannot_be_recursive() -> None:
    call = f'%r = "fun.call"(%x) {{callee = @NAME}} : ({X}) -> {X}\n return %r : {X}'
    with context(), ir.Location.unknown():
        module = ir.Module.parse(
            f"func.func @f(%x: {X}) -> {X} {{ {call.replace('NAME', 'g')} }}\n"
            f"func.func @g(%x: {X}) -> {X} {{ {call.replace('NAME', 'f')} }}"
        )
    with pytest.raises(VerificationError, match=re.escape("functions cannot be recursive")):
        dif.verify(module)


def test_a_call_runs_the_function() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse(CALLEE)
        block = new_block([aval("f32[2]"), aval("i32[]")])
        with dif.use_builder(Builder(block)):
            results = dif.call(*block.arguments, callee="f", results=[aval("f32[2]"), aval("i32[]")])
            dif.return_(block, [dif.neg(results[0]), results[1]])
        dif.add_function(module, "h", block)
    dif.verify(module)
    x, n = interpreter.run(module, "h", np.ones(2, np.float32), np.array(3, np.int32))
    assert x.tolist() == [-1, -1]
    assert n == 3


def test_a_call_with_a_size_that_does_not_fit() -> None:
    with context(), ir.Location.unknown():
        module = ir.Module.parse(
            f"func.func @f(%x: {X}) -> {X} {{ return %x : {X} }}\n"
            f"func.func @g(%x: tensor<?xf32>) -> {X} {{\n"
            f'  %r = "fun.call"(%x) {{callee = @f}} : (tensor<?xf32>) -> {X} loc("user.py":3:4)\n'
            f"  return %r : {X} }}"
        )
    dif.verify(module)
    with pytest.raises(ShapeError, match=r"given what does not fit it: value 0 is f32\[3\], not f32\[2\]") as raised:
        interpreter.run(module, "g", np.ones(3, np.float32))
    assert raised.value.where == SourceLocation("user.py", 3, 4, 4)


@pytest.mark.parametrize("name", dif.REQUESTS)
def test_a_request_must_be_expanded_before_a_run(name: str) -> None:
    module = _module(f'"{name}"() : () -> ()')
    with pytest.raises(UnsupportedError, match=f"met a request, '{name}'") as raised:
        interpreter.run(
            module,
            "g",
            np.ones(2, np.float32),
            np.array(3, np.int32),
            np.ones((5, 2), np.float32),
            np.ones((1, 2), np.float32),
            np.array(True),
        )
    assert raised.value.where == SourceLocation("user.py", 3, 4, 4)
    assert "Remedy: expand requests" in str(raised.value)


def test_sizes_go_through_calls() -> None:
    """A scan of no steps, whose stacked results get their sizes from a function."""
    v = "tensor<?xf32>"
    with context(), ir.Location.unknown():
        module = ir.Module.parse(
            f"func.func @twice(%x: {v}) -> {v} {{\n"
            f'  %r = "dif.concatenate"(%x, %x) {{dimension = 0 : i64}} : ({v}, {v}) -> {v}\n'
            f"  return %r : {v} }}\n"
            f"func.func @g(%xs: tensor<0x?xf32>) -> tensor<0x?xf32> {{\n"
            f'  %r = "fun.scan"(%xs) ({{^b(%x: {v}):\n'
            f'    %y = "fun.call"(%x) {{callee = @twice}} : ({v}) -> {v}\n'
            f'    "fun.yield"(%y) : ({v}) -> () }})\n'
            f"    {{num_carry = 0, num_xs = 1, length = 0, reverse = false, linear = array<i1>}}\n"
            f"    : (tensor<0x?xf32>) -> tensor<0x?xf32>\n"
            f"  return %r : tensor<0x?xf32> }}"
        )
    dif.verify(module)
    assert interpreter.run(module, "g", np.ones((0, 3), np.float32))[0].shape == (0, 6)
