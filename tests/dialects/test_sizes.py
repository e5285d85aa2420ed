"""Sizes that `reify` computes before an op runs are those that its result has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import F64, I64, Aval, Builder, aval_of, context, interpreter, new_block
from difc.dialects.mlir import ir
from difc.dialects.sizes import minimum, minus, product, reify, size_value
from tests.case import module_of, sizes
from tests.cases import CASES, Case
from tests.dialects.evaluating import FAST, aval, seeds


def _sized(results: list[tuple[ir.Value, list[Any]]]) -> list[ir.Value]:
    """Return each value, followed by its computed sizes as one array."""
    built = []
    for value, computed in results:
        scalars = [dif.constant(value=np.array(d, I64)) if isinstance(d, int) else d for d in computed]
        joined = dif.constant(value=np.zeros(0, I64))
        for scalar in scalars:
            joined = dif.concatenate(joined, dif.reshape(scalar, shape=(1,)), dimension=0)
        built += [value, joined]
    return built


def _with_sizes(fn: Callable[..., ir.Value]) -> Callable[..., tuple[ir.Value, ...]]:
    """Return a function that gives every intermediate array of dynamic shape, and its sizes from its operands'."""

    def wrapped(*arguments: ir.Value) -> tuple[ir.Value, ...]:
        block = new_block([v.type for v in arguments])
        with dif.use_builder(Builder(block)):
            dif.yield_(fn(*block.arguments))
        seen: list[tuple[ir.Value, list[Any]]] = []

        def visit(operation: Any, operands: list[ir.Value]) -> list[ir.Value]:
            results = dif.clone_op(operation, operands)
            for result in results:
                if not aval_of(result).is_static:
                    seen.append((result, reify(result, lambda v: list(sizes(v)), lambda v: v)))
            return results

        dif.inline_block(block, list(arguments), visit)
        return tuple(_sized(seen))

    return wrapped


def _check(fn: Callable[..., ir.Value], avals: list[Aval], arrays: list[np.ndarray]) -> None:
    module = module_of(_with_sizes(fn), avals)
    dif.verify(module)
    results = interpreter.run(module, "f", *arrays)
    for value, computed in zip(results[::2], results[1::2], strict=True):
        assert tuple(computed.tolist()) == value.shape


@pytest.mark.parametrize("case", [c for c in CASES if c.dynamic], ids=lambda case: case.name)
def test_every_row(case: Case) -> None:
    dtype = case.dtypes[0]
    _check(case.fn, case.avals(dtype, dynamic=True), case.draw(dtype))


def test_the_table_has_every_op_of_dynamic_results() -> None:
    dynamic = set()
    for case in CASES:
        if case.dynamic:
            module = case.module(case.dtypes[0], dynamic=True)
            for operation in dif.functions_of(module)["f"].entry_block.operations:
                dynamic |= {operation.operation.name for r in operation.results if not aval_of(r).is_static}
    never = {"dif.constant", "dif.dim", "dif.dynamic_slice", "func.return"}
    assert {name for name in dif.OPS if name.startswith("dif.")} - never <= dynamic


def _steps(data: st.DataObject, length: int) -> Callable[[ir.Value], ir.Value]:
    """Draw a chain of ops that change the size of a matrix."""
    small = st.integers(0, 3)

    def one(x: ir.Value) -> ir.Value:
        d = data.draw(st.integers(0, 1))
        along = lambda value, other: tuple(value if i == d else other for i in range(2))  # noqa: E731
        match data.draw(st.sampled_from(["slice", "pad", "concatenate", "transpose", "broadcast", "reshape", "sum"])):
            case "slice":
                return dif.slice(x, start=(0, 0), limit=(-1, -1), stride=along(data.draw(st.integers(1, 3)), 1))
            case "pad":
                low, high, interior = (along(data.draw(small), 0) for _ in range(3))
                return dif.pad(x, dif.constant(value=np.array(0.0)), low=low, high=high, interior=interior)
            case "concatenate":
                return dif.concatenate(x, dif.reverse(x, dimensions=(d,)), dimension=d)
            case "transpose":
                return dif.transpose(x, permutation=(1, 0))
            case "broadcast":
                sum_ = dif.reduce_sum(x, axes=(d,))
                return dif.broadcast_in_dim(sum_, shape=along(data.draw(small), sizes(x)[1 - d]), dimensions=(1 - d,))
            case "reshape":
                n, m = (dif.dim(x, dimension=i) for i in range(2))
                return dif.reshape(x, shape=along(dif.mul(n, m), 1))
            case _:
                points = dif.iota(shape=(dif.dim(x, dimension=d), 1), dtype=I64, dimension=0)
                return dif.gather(x, points, axes=(d,), batch=0, mode="fill")

    def chain(x: ir.Value) -> ir.Value:
        for _ in range(length):
            x = one(x)
        return x

    return chain


@FAST
@given(st.data(), st.integers(1, 5), st.tuples(st.integers(0, 4), st.integers(0, 4)), seeds)
def test_programs(data: st.DataObject, length: int, shape: tuple[int, int], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(shape)
    _check(_steps(data, length), [aval("f64[?, ?]")], [x])


def test_reify_builds_no_more_than_the_sizes() -> None:
    with context(), ir.Location.unknown():
        first, second = new_block([aval("f64[?, 3]")]), new_block([aval("i64[]")])
        with dif.use_builder(Builder(first)):
            x = first.arguments[0]
            y = dif.concatenate(dif.sin(x), x, dimension=0)
        with dif.use_builder(Builder(second)):
            rows, columns = reify(y, lambda v: [second.arguments[0], 3], lambda v: None)
        assert columns == 3
        assert rows.type == second.arguments[0].type
        assert [op.operation.name for op in second.operations] == ["dif.add"]


def test_a_size_that_is_an_operand() -> None:
    with context(), ir.Location.unknown():
        block = new_block([aval("i64[]")])
        with dif.use_builder(Builder(block)):
            n = block.arguments[0]
            x = dif.zeros(shape=(n, 2), dtype=F64)
            assert reify(x, lambda v: [], lambda v: v) == [n, 2]
            assert reify(x, lambda v: [], lambda v: None) == [None, 2]


def test_arithmetic_on_sizes() -> None:
    """It is done at once where all are known, and built of ops where one is not."""
    assert (product([2, 3, 4]), product([]), minus(2, 5), minimum(2, 5)) == (24, 1, -3, 2)

    def built(x: ir.Value) -> tuple[ir.Value, ...]:
        (n,) = sizes(x)
        found = product([2, n, 3]), product([n]), minus(n, 2), minimum(9, n), minimum(n, 5)
        return tuple(map(size_value, found))

    found = interpreter.run(module_of(built, [aval("f64[?]")]), "f", np.zeros(7))
    assert [int(v) for v in found] == [42, 7, 5, 7, 5]
