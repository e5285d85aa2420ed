"""Scans and conds: numbers beside the interpreter, and what stays on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import BOOL, DYN, F32, I64, Aval, Builder, new_block
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from tests.pipelines.lowered import build, check, compiles, loop, text_of

SCALAR, COUNT = Aval((), F32), Aval((), I64)
RNG = np.random.default_rng(0)


def _number(value: int) -> ir.Value:
    return dif.constant(value=np.int64(value))


def _zeros(*shape: int) -> ir.Value:
    return dif.zeros(shape=shape, dtype=F32)


def _block(avals: list[Aval], body: Any) -> ir.Block:
    block = new_block(avals)
    with dif.use_builder(Builder(block)):
        dif.yield_(*body(*block.arguments))
    return block


def _sums(x: ir.Value, length: int, reverse: bool = False) -> Any:
    def body(total: ir.Value, x: ir.Value) -> Any:
        return dif.add(total, x), dif.mul(total, x)

    return loop([SCALAR, SCALAR], body, [_zeros(), x], carry=1, xs=1, length=length, reverse=reverse)


def _swapping(length: ir.Value) -> Any:
    one = dif.constant(value=np.float32(1))
    body = lambda a, b: (b, dif.add(a, b), a)  # noqa: E731
    return loop([SCALAR, SCALAR], body, [_zeros(), one, length], carry=2)


def _equal_starts(x: ir.Value) -> Any:
    """Two carries that start equal are written in different places, at a counter."""

    def body(i: ir.Value, a: ir.Value, b: ir.Value, x: ir.Value) -> Any:
        row = dif.dynamic_slice(x, i, _number(0), sizes=(1, 4))
        mirror = dif.sub(_number(5), i)
        a = dif.dynamic_update_slice(a, row, i, _number(0))
        return dif.add(i, _number(1)), a, dif.dynamic_update_slice(b, dif.neg(row), mirror, _number(0))

    table = Aval((6, 4), F32)
    start = _zeros(6, 4)
    return loop([COUNT, table, table, table], body, [_number(0), start, start, x], carry=3, length=6)


def _nested(x: ir.Value) -> Any:
    """Both loops have run-time lengths, and what is stacked has sizes computed in the body."""

    def inner(total: ir.Value, y: ir.Value) -> Any:
        return dif.add(total, y), dif.mul(total, y)

    def outer(total: ir.Value, row: ir.Value) -> Any:
        count = dif.dim(row, dimension=0)
        total, ys = loop([SCALAR, SCALAR], inner, [total, row, count], carry=1, xs=1)
        return total, dif.concatenate(ys, row, dimension=0)

    return loop([SCALAR, Aval((DYN,), F32)], outer, [_zeros(), x, dif.dim(x, dimension=0)], carry=1, xs=1)


def _points(x: ir.Value) -> Any:
    """Elements are read and written at a counter, in and out of bounds."""
    form = {"axes": (0,), "batch": 0, "mode": "fill"}

    def body(i: ir.Value, state: ir.Value, x: ir.Value) -> Any:
        value = dif.gather(x, dif.reshape(i, shape=(1,)), **form)
        state = dif.scatter_add(state, dif.reshape(dif.rem(i, _number(3)), shape=(1,)), value, **form)
        state = dif.scatter(state, dif.reshape(dif.add(i, _number(4)), shape=(1,)), value, **form)
        return dif.add(i, _number(1)), state

    vector = Aval((7,), F32)
    return loop([COUNT, vector, vector], body, [_number(0), _zeros(7), x], carry=2, length=9)


def _ramp(x: ir.Value) -> Any:
    """The slices of a ramp are the loop's counter."""

    def body(total: ir.Value, i: ir.Value, x: ir.Value) -> Any:
        return dif.add(total, dif.reshape(dif.dynamic_slice(x, i, sizes=(1,)), shape=())), i

    ramp = dif.iota(shape=(4,), dtype=I64, dimension=0)
    avals = [SCALAR, COUNT, Aval((4,), F32)]
    return loop(avals, body, [_zeros(), ramp, x], carry=1, xs=1, length=4, reverse=True)


def _choice(pred: ir.Value, x: ir.Value, n: ir.Value) -> Any:
    avals = [Aval((4,), F32), COUNT]
    repeat = lambda n: dif.broadcast_in_dim(n, shape=(2,), dimensions=())  # noqa: E731
    first = _block(avals, lambda x, n: (dif.neg(x), dif.add(n, _number(1)), repeat(n)))
    second = _block(avals, lambda x, n: (x, _number(7), dif.constant(value=np.array([3, 4]))))
    return dif.cond(pred, x, n, regions=[first, second], linear=())


def _choice_of_sizes(x: ir.Value) -> Any:
    """The branches give arrays of different sizes, and the condition and a result are numbers on the host."""
    avals = [Aval((DYN,), F32), COUNT]
    two = lambda n: dif.broadcast_in_dim(dif.constant(value=np.float32(2)), shape=(n,), dimensions=())  # noqa: E731
    first = _block(avals, lambda x, n: (dif.slice(x, start=(1,), limit=(3,), stride=(1,)), dif.add(n, _number(1))))
    second = _block(avals, lambda x, n: (two(n), n))
    count = dif.dim(x, dimension=0)
    is_long = dif.compare(count, _number(3), direction="gt")
    y, n = dif.cond(is_long, x, count, regions=[first, second], linear=())
    return dif.mul(y, y), dif.broadcast_in_dim(n, shape=(n,), dimensions=())


def _choice_in_loop(x: ir.Value, w: ir.Value) -> Any:
    """A cond in a loop: its branches say the same sizes in other words, and what is stacked has them."""
    row = Aval((DYN,), F32)

    def body(carry: ir.Value, x: ir.Value, w: ir.Value) -> Any:
        avals = [row, row, row]
        first = _block(avals, lambda c, x, w: (dif.mul(c, w), dif.concatenate(x, w, dimension=0)))
        second = _block(avals, lambda c, x, w: (dif.sub(x, c), dif.concatenate(c, x, dimension=0)))
        total = dif.reduce_sum(carry, axes=(0,))
        is_large = dif.compare(total, dif.constant(value=np.float32(0.1)), direction="gt")
        carry, y = dif.cond(is_large, carry, x, w, regions=[first, second], linear=())
        return carry, dif.mul(y, y), dif.reduce_sum(carry, axes=(0,))

    return loop([row, row, row], body, [w, x, w, dif.dim(x, dimension=0)], carry=1, xs=1)


def _counted_in_loop(x: ir.Value, n: ir.Value) -> Any:
    """A loop of run-time length in another one, over a carry of run-time size."""
    row = Aval((DYN,), F32)

    def inner(c: ir.Value) -> Any:
        return dif.tanh(c), dif.mul(c, c)

    def outer(c: ir.Value, x: ir.Value, n: ir.Value) -> Any:
        c, ys = loop([row], inner, [dif.add(c, x), n], carry=1)
        return c, dif.reduce_sum(ys, axes=(0,))

    start = dif.reduce_sum(x, axes=(0,))
    return loop([row, row, COUNT], outer, [start, x, n, dif.dim(x, dimension=0)], carry=1, xs=1)


def _table(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


VECTOR, MATRIX = Aval((DYN,), F32), Aval((DYN, DYN), F32)
PROGRAMS = {
    "forward": (lambda x: _sums(x, 5), [Aval((5,), F32)], [np.arange(5.0)]),
    "reverse": (lambda x: _sums(x, 5, reverse=True), [Aval((5,), F32)], [np.arange(5.0)]),
    "no_step": (lambda x: _sums(x, 0), [Aval((0,), F32)], [np.zeros(0)]),
    "swapping": (_swapping, [COUNT], [10]),
    "swapping_never": (_swapping, [COUNT], [0]),
    "equal_starts": (_equal_starts, [Aval((6, 4), F32)], [_table(6, 4)]),
    "nested": (_nested, [MATRIX], [_table(3, 4)]),
    "nested_no_step": (_nested, [MATRIX], [_table(0, 4)]),
    "points": (_points, [Aval((7,), F32)], [_table(7)]),
    "ramp": (_ramp, [Aval((4,), F32)], [_table(4)]),
    "choice_first": (_choice, [Aval((), BOOL), Aval((4,), F32), COUNT], [True, _table(4), 5]),
    "choice_second": (_choice, [Aval((), BOOL), Aval((4,), F32), COUNT], [False, _table(4), 5]),
    "choice_in_loop": (_choice_in_loop, [MATRIX, VECTOR], [_table(5, 3), _table(3)]),
    "choice_in_no_loop": (_choice_in_loop, [MATRIX, VECTOR], [_table(0, 3), _table(3)]),
    "counted_in_loop": (_counted_in_loop, [MATRIX, COUNT], [_table(4, 3), 2]),
    "counted_in_loop_never": (_counted_in_loop, [MATRIX, COUNT], [_table(4, 3), 0]),
    "choice_of_sizes_first": (_choice_of_sizes, [VECTOR], [_table(5)]),
    "choice_of_sizes_second": (_choice_of_sizes, [VECTOR], [_table(2)]),
}


def test_numbers() -> None:
    check(PROGRAMS)


@pytest.mark.parametrize("target", ["vulkan", "cuda"])
def test_compiles_for_other_targets(target: str) -> None:
    assert compiles(build({name: (emit, avals) for name, (emit, avals, _) in PROGRAMS.items()}), target)


@pytest.mark.parametrize("program", [_equal_starts, _points, _ramp])
def test_a_counter_is_never_read_back(program: Any) -> None:
    """Carried on the host, it indexes slices, which are updated in place."""
    avals = next(avals for emit, avals, _ in PROGRAMS.values() if emit is program)
    text = text_of(program, avals)
    assert "tensor.extract " not in text
    assert "tensor.extract_slice" in text


def test_a_counter_on_the_device_stays_there() -> None:
    """Where a body makes a counter from an array, all carries that depend on it are arrays."""

    def body(i: ir.Value, k: ir.Value, x: ir.Value) -> Any:
        top = dif.argmax(x, axis=0)
        return dif.add(i, k), dif.add(k, top)

    operands = lambda x: [_number(0), _number(0), x]  # noqa: E731
    avals = [COUNT, COUNT, Aval((4,), F32)]
    emit = lambda x: loop(avals, body, operands(x), carry=2, length=3)  # noqa: E731
    assert "iter_args(%arg2 = %" in text_of(emit, avals[2:])
    check({"f": (emit, avals[2:], [_table(4)])})


def test_a_known_condition_is_decided() -> None:
    emit = lambda x: _choice(dif.constant(value=np.bool_(True)), x, _number(2))  # noqa: E731
    text = text_of(emit, [Aval((4,), F32)])
    assert "scf.if" not in text
    assert "arith.negf" in text


def test_sizes_of_branches() -> None:
    """Those that both branches tell are known outside; others are results of the `if`."""
    text = text_of(_choice_in_loop, [MATRIX, VECTOR])
    assert "flow.tensor.tie_shape" in text
    assert "scf.if %extracted -> (tensor<?xf32>, tensor<?xf32>, index, index)" in text
    text = text_of(_choice_of_sizes, [VECTOR])
    assert "-> (tensor<?xf32>, i64, index)" in text


def test_a_loop_cannot_stack_arrays_of_computed_sizes() -> None:
    def body(x: ir.Value) -> Any:
        size = dif.convert(dif.reshape(dif.slice(x, start=(0,), limit=(1,), stride=(1,)), shape=()), dtype=I64)
        return x, dif.broadcast_in_dim(size, shape=(size,), dimensions=())

    emit = lambda x: loop([Aval((4,), F32)], body, [x], carry=1, length=3)  # noqa: E731
    with pytest.raises(UnsupportedError, match="gives an array in a loop whose size depends on computed"):
        text_of(emit, [Aval((4,), F32)])
