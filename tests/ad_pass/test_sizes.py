"""Run-time sizes in derivatives: found without running what makes the array, and without work that doubles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.ad_pass.sizes import SizeFinder
from difc.dialects import DYN, F64, I64, Aval, Builder, aval_of, context, interpreter, new_block
from difc.dialects.body import add_function, return_
from difc.dialects.mlir import ir
from difc.errors import NotDifferentiableError
from tests.case import sizes
from tests.harness import Program, check_identity
from tests.programs import traced

N, NM = Aval((DYN,), F64), Aval((DYN, 3), F64)


def found(fn: Any, avals: list[Aval], arrays: list[np.ndarray]) -> tuple[list[int], int]:
    """Return the sizes of what `fn` builds, found from those of its arguments, and how many ops that takes."""
    with context(), ir.Location.unknown():
        inner = new_block(avals)
        with dif.use_builder(Builder(inner)):
            value = fn(*inner.arguments)
        outer = new_block(avals)
        with dif.use_builder(Builder(outer)):
            given = dict(zip(inner.arguments, outer.arguments, strict=True))
            finder = SizeFinder(lambda argument: list(sizes(given[argument])), given.get)
            assert finder.knows(value)
            ops = len(list(outer.operations))
            result = finder.sizes(value)
            ops = len(list(outer.operations)) - ops
            values = [dif.constant(value=np.array(d)) if isinstance(d, int) else d for d in result]
            assert len(values) == aval_of(value).ndim
            return_(outer, values)
        module = ir.Module.create()
        add_function(module, "f", outer, private=False)
        return [int(d) for d in interpreter.run(module, "f", *arrays)], ops


x, y = np.zeros(4), np.zeros((4, 3))


@pytest.mark.parametrize(
    ("fn", "avals", "arrays", "wanted"),
    [
        (dif.sin, [N], [x], [4]),
        (lambda a: dif.transpose(a, permutation=(1, 0)), [NM], [y], [3, 4]),
        (lambda a, b: dif.concatenate(dif.concatenate(a, b, dimension=0), b, dimension=0), [N, N], [x, x[1:]], [10]),
        (lambda a: dif.reshape(a, shape=(dif.mul(*sizes(a)[:1], dif.dim(a, dimension=1)),)),
         [Aval((DYN, DYN), F64)], [y], [12]),
        (lambda a: dif.reduce_sum(a, axes=(1,)), [NM], [y], [4]),
        (lambda a, n: dif.broadcast_in_dim(a, shape=(n,), dimensions=()), [Aval((), F64), Aval((), I64)],
         [np.zeros(()), np.array(7)], [7]),
    ],
    ids=["elementwise", "transpose", "concatenate", "reshape", "reduce", "by value"],
)  # fmt: skip
def test_sizes_follow_from_those_of_the_arguments(fn: Any, avals: Any, arrays: Any, wanted: list[int]) -> None:
    assert found(fn, avals, arrays)[0] == wanted


def test_each_value_is_asked_once() -> None:
    def powers(a: Any) -> Any:
        for _ in range(64):
            a = dif.mul(a, a)
        return a

    result, ops = found(powers, [N], [x])
    assert result == [4]
    assert ops < 8


def test_a_size_that_is_a_number_of_the_program_is_refused() -> None:
    with context(), ir.Location.unknown():
        block = new_block([N, Aval((), I64)])
        with dif.use_builder(Builder(block)):
            value = dif.broadcast_in_dim(dif.constant(value=np.float64(0)), shape=(block.arguments[1],), dimensions=())
            finder = SizeFinder(lambda _: [4], lambda _: None)
            assert not finder.knows(value)
            with pytest.raises(
                NotDifferentiableError, match=r"the size of a result of dif\.\w+ is known only by running"
            ):
                finder.sizes(value)


def test_what_is_a_size() -> None:
    with context(), ir.Location.unknown():
        block = new_block([N, Aval((), I64), Aval((3,), I64)])
        array, number, numbers = block.arguments
        with dif.use_builder(Builder(block)):
            finder = SizeFinder(lambda _: [4], {number: number}.get)
            size = dif.dim(dif.sin(array), dimension=0)
            assert finder.is_size(dif.add(dif.mul(size, number), dif.constant(value=np.array(2))))
            assert not finder.is_size(array)
            assert not finder.is_size(dif.reduce_sum(numbers, axes=(0,)))


def test_sizes_in_a_branch_are_computed_outside() -> None:
    """So they are no results of the cond, which could not be mapped with a predicate for each lane."""
    module = traced(
        lambda p, a: difc.cond(p, lambda a: np.tanh(a) * np.float64(2), lambda a: a * a, a),
        difc.bool_[()],
        difc.f64["n"],
    )
    text = Program.of(module).vjp((False, True), (True,)).text
    (cond,) = [line for line in text.splitlines() if "}) {linear = array<i1>}" in line][:1]
    assert "i64" not in cond.rpartition("->")[2]


def test_a_stacked_size_is_none() -> None:
    """The size of a value of a body is the same in all steps, so it is not stacked."""
    module = traced(
        lambda c, xs: difc.scan(lambda c, x: (np.tanh(c * x), None), c, xs)[0], difc.f64["m"], difc.f64["n", "m"]
    )
    f = Program.of(module)
    assert "tensor<?xi64>" not in f.vjp((True, True), (True,)).text
    check_identity(f, [np.ones(3), np.ones((4, 3))], (True, True), "stacked")
