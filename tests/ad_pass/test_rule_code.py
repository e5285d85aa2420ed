"""What the rules build: no op that could be spared, structured ops kept whole, and the errors of batching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from difc import dialects as dif
from difc.dialects import DYN, F64, I64, Aval
from difc.errors import UnsupportedError
from tests.cases import module_of
from tests.harness import Program


def program(fn: Callable[..., Any], *shapes: Any) -> Program:
    """Return `fn` on f64 arrays; a shape that is "start" is a scalar i64."""
    return Program.of(module_of(fn, [Aval((), I64) if s == "start" else Aval(s, F64) for s in shapes]))


def ops(p: Program) -> list[str]:
    """Return the names of a function's ops, in order."""
    body = dif.functions_of(p.derivatives.module)[p.name].entry_block
    return [op.operation.name.removeprefix("dif.") for op in body.operations][:-1]


def matvec(x: Any, y: Any) -> Any:
    return dif.dot_general(x, y, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))


@pytest.mark.parametrize(
    ("fn", "shapes", "mask", "expected"),
    [
        (dif.add, [(3,)] * 2, (True, False), ["add"]),
        (dif.sub, [(3,)] * 2, (True, True), ["sub", "sub"]),
        (dif.sub, [(3,)] * 2, (False, True), ["sub", "neg"]),
        (dif.div, [(3,)] * 2, (True, False), ["div", "div"]),
        (dif.div, [(3,)] * 2, (True, True), ["div", "mul", "sub", "div"]),
        (dif.exp, [(3,)], (True,), ["exp", "mul"]),
        (dif.sin, [(3,)], (True,), ["sin", "cos", "mul"]),
        (matvec, [(2, 3), (3,)], (True, False), ["dot_general", "dot_general"]),
    ],
)
def test_forward_mode_adds_nothing_needless(fn: Any, shapes: Any, mask: Any, expected: list[str]) -> None:
    assert ops(program(fn, *shapes).jvp(mask)) == expected


@pytest.mark.parametrize("shapes", [[(2, 3), (3, 4)], [(DYN, DYN), (DYN, DYN)]], ids=["static", "dynamic"])
def test_the_gradient_of_a_matmul_is_two_matmuls(shapes: Any) -> None:
    found = ops(program(matvec, *shapes).vjp((True, True), (True,)))
    assert [name for name in found if name != "dim"] == ["dot_general"] * 3


@pytest.mark.parametrize(
    ("in_axes", "expected"),
    [
        ((-1, 0), ["dot_general", "transpose"]),  # A X^T, with the lanes moved to the front
        ((0, -1), ["dot_general"]),
        ((0, 0), ["dot_general"]),
    ],
)
def test_a_mapped_matvec_is_one_product(in_axes: tuple[int, int], expected: list[str]) -> None:
    shapes = [(2, 3), (3,)]
    assert ops(program(matvec, *shapes).vmap(in_axes, [0], 5)) == expected


def test_blocks_at_common_starts_stay_blocks() -> None:
    read = program(lambda x, i: dif.dynamic_slice(x, i, sizes=(2,)), (5,), "start")
    assert ops(read.vmap([0, -1], [0], 4)) == ["constant", "dynamic_slice"]
    assert "gather" in ops(read.vmap([-1, 0], [0], 4))
    write = program(dif.dynamic_update_slice, (5,), (2,), "start")
    assert ops(write.vmap([0, 0, -1], [0], 4)) == ["constant", "dynamic_update_slice"]
    assert "scatter" in ops(write.vmap([-1, -1, 0], [0], 4))


@pytest.mark.parametrize(
    ("name", "fn"),
    [
        ("broadcast_in_dim", lambda x, n: dif.broadcast_in_dim(x, shape=(n, 3), dimensions=(1,))),
        ("reshape", lambda x, n: dif.reshape(x, shape=(n, 1))),
        ("zeros", lambda x, n: dif.zeros(shape=(n,), dtype=F64)),
        ("iota", lambda x, n: dif.iota(shape=(n,), dtype=I64, dimension=0)),
    ],
)
def test_sizes_that_differ_between_lanes_are_refused(name: str, fn: Any) -> None:
    mapped = program(fn, (3,), "start")
    with pytest.raises(UnsupportedError, match=f"vmap of {name}: a size depends on a mapped value"):
        mapped.vmap([-1, 0], [0], 4)


def test_the_size_of_a_mapped_array_is_shared() -> None:
    size = program(lambda x: dif.dim(x, dimension=0), (DYN,))
    assert ops(size.vmap([0], [-1], DYN))[-1] == "dim"
    with pytest.raises(Exception, match="no argument is mapped"):
        size.vmap([-1], [-1], DYN)
