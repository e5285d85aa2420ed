"""Simplification keeps the numbers: each of its passes, on programs with control flow and on their derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difc import dialects as dif
from difc.ad_pass.zero import const_like
from difc.dialects import (
    DYN,
    F64,
    Aval,
    aval_of,
    context,
    copy_function,
    copy_functions,
    functions_of,
    interpreter,
    marked,
)
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir
from difc.pipelines import simplify as passes
from difc.pipelines.prune import prune_dead
from difc.pipelines.simplify import simplify
from tests.case import module_of, sizes
from tests.harness import Program, directions, is_real
from tests.programs import PROGRAMS, VARIANTS, Sample

over = pytest.mark.parametrize(
    ("sample", "dynamic"), VARIANTS, ids=[f"{p.name}-{'dynamic' if dynamic else 'static'}" for p, dynamic in VARIANTS]
)


PASSES: dict[str, Callable[[ir.Module], ir.Module]] = {
    "prune": lambda module: copy_functions(module, prune_dead),
    "fold": lambda module: copy_functions(module, passes._folded),
    "defer": lambda module: copy_functions(module, passes._deferred),
    "simplify": simplify,
}


def derivatives(sample: Sample, dynamic: bool) -> tuple[ir.Module, dict[str, list[np.ndarray]]]:
    """Return a module with a program, its derivatives of first and second order and its vmap, and arguments of each."""
    f, primals = Program.of(sample.module(dynamic)), sample.draw()
    mask = tuple(map(is_real, primals))
    outs = f(*primals)
    reals = tuple(map(is_real, outs))
    forward, backward = f.jvp(mask), f.vjp(mask, reals)
    ts, cts = directions("t", marked(primals, mask)), directions("ct", marked(outs, reals))
    every = (*mask, *(True for _ in cts))
    both = [*primals, *cts]
    second = backward.vjp(every, tuple(map(is_real, backward(*both))))
    axes = [-1 if i in sample.shared else 0 for i in range(len(both))]
    mapped = backward.vmap(axes, [0] * len(backward(*both)), dif.DYN if dynamic else 2)
    arguments = {
        f.name: primals,
        forward.name: [*primals, *ts],
        backward.name: both,
        second.name: [*both, *directions("ct2", marked(backward(*both), map(is_real, backward(*both))))],
        mapped.name: [x if axis else np.stack([x, x]) for x, axis in zip(both, axes, strict=True)],
    }
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        for name, function in functions_of(f.derivatives.module).items():
            if name in arguments:
                copy_function(function, name, function.entry_block, module)
    return module, arguments


@functools.cache
def named(name: str, dynamic: bool) -> tuple[ir.Module, dict[str, list[np.ndarray]]]:
    return derivatives(next(p for p in PROGRAMS if p.name == name), dynamic)


@over
def test_the_numbers_stay_the_same(sample: Sample, dynamic: bool) -> None:
    module, arguments = named(sample.name, dynamic)
    expected = {name: interpreter.run(module, name, *arrays) for name, arrays in arguments.items()}
    for what, transform in PASSES.items():
        with context(), ir.Location.unknown():
            made = transform(module)
            dif.verify(made)
        for name, arrays in arguments.items():
            for a, b in zip(interpreter.run(made, name, *arrays), expected[name], strict=True):
                assert (a.shape, a.dtype) == (b.shape, b.dtype), what
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11, err_msg=f"{what} of {name}")


@over
def test_simplifying_again_changes_nothing(sample: Sample, dynamic: bool) -> None:
    with context(), ir.Location.unknown():
        once = simplify(named(sample.name, dynamic)[0])
        assert str(simplify(once)) == str(once)


# ---- the folds, one by one -----------------------------------------------------------------------


def ones(x: Any) -> Any:
    return const_like(x, 1.0)


def nothing(x: Any) -> Any:
    return const_like(x, 0.0)


def padded(x: Any, low: int, high: int) -> Any:
    return dif.pad(x, dif.zeros(shape=(), dtype=F64), low=(low, 0), high=(high, 0), interior=(0, 0))


def spread(x: Any, low: int, interior: int, high: int, *, rows: int, columns: int) -> Any:
    """Return matrices whose elements in order are those of the rows of x, with zeros between."""
    flat = dif.pad(x, dif.zeros(shape=(), dtype=F64), low=(0, low), high=(0, high), interior=(0, interior))
    return dif.reshape(flat, shape=(2, rows, columns))


def cut(x: Any, start: int, limit: int) -> Any:
    return dif.slice(x, start=(start, 0), limit=(limit, 3), stride=(1, 1))


def in_shape(rows: Any, shape: Any) -> Any:
    """Return constant points of one coordinate in a shape."""
    return dif.reshape(dif.constant(value=np.array(rows, np.int64)), shape=(*shape, 1))


def at_points(opdef: dif.OpDef, x: Any, points: Any) -> Any:
    """Return the rows of an array at points, or the array changed there by ones."""
    sizes = tuple(aval_of(points).shape[:-1])
    updates = () if opdef is dif.gather else (dif.constant(value=np.ones((*sizes, 3))),)
    return opdef(x, points, *updates, axes=(0,), batch=0, mode="fill")


def element(x: Any) -> Any:
    return dif.slice(x, start=(1, 1), limit=(2, 2), stride=(1, 1))


def dot(x: Any, y: Any) -> Any:
    return dif.dot_general(x, y, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))


SELECTED = ["broadcast_in_dim", "iota", "iota", "compare", "select"]
CONSTANTS = ("constant", "zeros")
FOLDED: list[tuple[str, Callable[[Any, Any], Any], list[str]]] = [
    ("add_zero", lambda x, y: dif.add(x, nothing(x)), []),
    ("add_to_zero", lambda x, y: dif.add(nothing(x), x), []),
    ("add_negated", lambda x, y: dif.add(x, dif.neg(y)), ["sub"]),
    ("add_to_negated", lambda x, y: dif.add(dif.neg(y), x), ["sub"]),
    (
        "add_pieces",
        lambda x, y: dif.add(padded(cut(x, 0, 1), 0, 1), padded(cut(x, 1, 2), 1, 0)),
        ["slice"] * 2 + ["concatenate"],
    ),
    (
        "add_pieces_to_another",
        lambda x, y: dif.add(padded(cut(x, 1, 2), 0, 1), dif.add(y, padded(cut(x, 0, 1), 1, 0))),
        ["slice"] * 2 + ["concatenate", "add"],
    ),
    (
        "add_some_pieces",
        lambda x, y: dif.add(padded(cut(x, 0, 1), 1, 2), padded(cut(y, 0, 1), 2, 1)),
        ["slice"] * 2 + ["concatenate", "pad"],
    ),
    (
        "add_pieces_apart",
        lambda x, y: dif.add(padded(cut(x, 0, 1), 0, 2), padded(cut(y, 0, 1), 2, 0)),
        ["slice", "pad"] * 2 + ["add"],
    ),
    ("sub_zero", lambda x, y: dif.sub(x, nothing(x)), []),
    ("sub_from_zero", lambda x, y: dif.sub(nothing(x), x), ["neg"]),
    ("mul_one", lambda x, y: dif.mul(x, ones(x)), []),
    ("mul_by_one", lambda x, y: dif.mul(ones(x), x), []),
    ("mul_minus_one", lambda x, y: dif.mul(const_like(x, -1.0), x), ["neg"]),
    ("div_one", lambda x, y: dif.div(x, ones(x)), []),
    ("neg_neg", lambda x, y: dif.neg(dif.neg(x)), []),
    ("stop_gradient", lambda x, y: dif.stop_gradient(x), []),
    ("select_same", lambda x, y: dif.select(dif.compare(x, y, direction="lt"), x, x), []),
    ("select_true", lambda x, y: dif.select(const_like(dif.compare(x, y, direction="lt"), True), x, y), []),
    ("select_false", lambda x, y: dif.select(const_like(dif.compare(x, y, direction="lt"), False), x, y), []),
    (
        "select_not",
        lambda x, y: dif.select(dif.not_(dif.compare(x, y, direction="lt")), x, y),
        ["compare", "select"],
    ),
    (
        "products_in_one_order",
        lambda x, y: dif.sub(dif.sin(dif.mul(x, y)), dif.mul(dif.mul(y, x), dif.add(y, x))),
        ["mul", "sin", "add", "mul", "sub"],
    ),
    ("convert_same", lambda x, y: dif.convert(x, dtype=F64), []),
    (
        "dot_of_elements",
        lambda x, y: dot(dif.transpose(element(x), permutation=(1, 0)), element(y)),
        ["slice"] * 2 + ["mul"],
    ),
    ("transpose_same", lambda x, y: dif.transpose(x, permutation=(0, 1)), []),
    ("transpose_twice", lambda x, y: dif.transpose(dif.transpose(x, permutation=(1, 0)), permutation=(1, 0)), []),
    ("reshape_same", lambda x, y: dif.reshape(x, shape=(2, 3)), []),
    ("reshape_twice", lambda x, y: dif.reshape(dif.reshape(x, shape=(3, 2)), shape=(6,)), ["reshape"]),
    ("reshape_to_diagonals", lambda x, y: spread(x, 0, 3, 0, rows=3, columns=3), SELECTED),
    (
        "reshape_to_diagonals_above",
        lambda x, y: spread(x, 1, 5, 1, rows=3, columns=5),
        ["broadcast_in_dim", "iota", "iota", "broadcast_in_dim", "add", "compare", "select"],
    ),
    (
        "reshape_to_diagonals_below",
        lambda x, y: spread(x, 3, 3, 3, rows=5, columns=3),
        ["pad", "broadcast_in_dim", "iota", "iota", "broadcast_in_dim", "add", "compare", "select"],
    ),
    ("reshape_to_no_diagonals", lambda x, y: spread(x, 2, 3, 1, rows=4, columns=3), ["pad", "reshape"]),
    ("broadcast_same", lambda x, y: dif.broadcast_in_dim(x, shape=(2, 3), dimensions=(0, 1)), []),
    (
        "broadcast_twice",
        lambda x, y: dif.broadcast_in_dim(
            dif.broadcast_in_dim(x, shape=(5, 2, 3), dimensions=(1, 2)), shape=(4, 5, 2, 3), dimensions=(1, 2, 3)
        ),
        ["broadcast_in_dim"],
    ),
    ("sum_of_nothing", lambda x, y: dif.reduce_sum(x, axes=()), []),
    ("sum_twice", lambda x, y: dif.reduce_sum(dif.reduce_sum(x, axes=(1,)), axes=(0,)), ["reduce_sum"]),
    ("sum_of_neg", lambda x, y: dif.reduce_sum(dif.neg(x), axes=(0,)), ["reduce_sum", "neg"]),
    ("pad_that_only_cuts", lambda x, y: padded(x, -1, 0), ["slice"]),
    ("pad_that_cuts", lambda x, y: padded(x, -1, 1), ["pad"]),
    ("pad_of_pad", lambda x, y: padded(padded(x, 1, 0), 2, 3), ["pad"]),
    ("pad_of_neg", lambda x, y: padded(dif.neg(x), 1, 0), ["pad", "neg"]),
    ("pad_twice", lambda x, y: dif.sub(padded(x, 1, 0), padded(x, 0, 1)), ["pad", "slice", "slice", "sub"]),
    (
        "pad_far_away",
        lambda x, y: dif.sub(padded(x, 9, 0), padded(x, 0, 9)),
        ["pad"] * 2 + ["sub"],
    ),
    ("pad_nothing", lambda x, y: padded(x, 0, 0), []),
    ("slice_all", lambda x, y: cut(x, 0, 2), []),
    ("concatenate_empty", lambda x, y: dif.concatenate(x, cut(y, 0, 0), dimension=0), []),
    ("concatenate_to_empty", lambda x, y: dif.concatenate(cut(y, 0, 0), x, dimension=0), []),
    ("number_of_numbers", lambda x, y: dif.mul(x, dif.exp(dif.add(ones(x), ones(x)))), ["broadcast_in_dim", "mul"]),
]


@pytest.mark.parametrize(("name", "fn", "expected"), FOLDED, ids=[name for name, _, _ in FOLDED])
def test_a_fold(name: str, fn: Callable[[Any, Any], Any], expected: list[str]) -> None:
    module = module_of(fn, [Aval((2, 3), F64)] * 2)
    arrays = directions(name, [np.zeros((2, 3))] * 2)
    (wanted,) = interpreter.run(module, "f", *arrays)
    with context(), ir.Location.unknown():
        made = simplify(module)
        dif.verify(made)
        assert [o for o in ops_of(made) if o not in CONSTANTS] == expected
    np.testing.assert_allclose(interpreter.run(made, "f", *arrays)[0], wanted, rtol=1e-15)


def ops_of(module: ir.Module) -> list[str]:
    """Return the names of the ops of @f, without those of bodies."""
    block = functions_of(module)["f"].entry_block
    return [op.operation.name.removeprefix("dif.") for op in block.operations][:-1]


def test_every_fold_has_a_test() -> None:
    tested = {name.split("_")[0] for name, _, _ in FOLDED} | {
        "stop_gradient",
        "broadcast_in_dim",
        "dot_general",
        "reduce_sum",
        *(opdef.name.removeprefix("dif.") for opdef in AT_POINTS),
    }
    assert {name.removeprefix("dif.") for name in passes.FOLDS} <= tested


DYNAMIC = [
    ("reshape", lambda x, y: dif.reshape(x, shape=sizes(y)), ["dim", "dim", "reshape"]),
    ("broadcast", lambda x, y: dif.broadcast_in_dim(x, shape=sizes(y), dimensions=(0, 1)), None),
    ("slice", lambda x, y: dif.slice(x, start=(0, 0), limit=(2, 3), stride=(1, 1)), ["slice"]),
    ("gather", lambda x, y: at_points(dif.gather, dif.constant(value=np.eye(3)), in_shape(range(6), sizes(y))), None),
]


@pytest.mark.parametrize(("name", "fn", "expected"), DYNAMIC, ids=[name for name, _, _ in DYNAMIC])
def test_a_run_time_size_is_not_folded_away(name: str, fn: Callable[[Any, Any], Any], expected: Any) -> None:
    """Sizes that only happen to be equal are checked where the program runs, so the op stays."""
    module = module_of(fn, [Aval((DYN, DYN), F64)] * 2)
    with context(), ir.Location.unknown():
        made = simplify(module)
        dif.verify(made)
        assert ops_of(made) == (expected or ops_of(module))


AT_POINTS = (dif.gather, *dif.SCATTERS)


@pytest.mark.parametrize("opdef", AT_POINTS, ids=[opdef.name for opdef in AT_POINTS])
@pytest.mark.parametrize(("rows", "mode"), [((1, 0, 1), "clip"), ((0, 2), "fill"), ((-1, 0), "fill"), ((), "clip")])
def test_constant_points_are_asked_here_whether_they_lie_inside(opdef: dif.OpDef, rows: Any, mode: str) -> None:
    def fn(x: Any, y: Any) -> Any:
        return at_points(opdef, x, in_shape(rows, (len(rows),)))

    module = module_of(fn, [Aval((2, 3), F64)] * 2)
    arrays = directions(mode, [np.zeros((2, 3))] * 2)
    with context(), ir.Location.unknown():
        made = simplify(module)
        dif.verify(made)
        (found,) = [op for op in functions_of(made)["f"].entry_block.operations if op.operation.name == opdef.name]
        assert attributes_of(found.operation)["mode"] == mode
    np.testing.assert_array_equal(interpreter.run(made, "f", *arrays)[0], interpreter.run(module, "f", *arrays)[0])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_random_arithmetic_keeps_its_numbers(seed: int) -> None:
    """Chains of foldable ops on two arrays and the numbers that folds look for."""
    rng = np.random.default_rng(seed)

    def build(x: Any, y: Any) -> Any:
        values = [x, y, nothing(x), ones(x), const_like(x, -1.0)]
        for _ in range(12):
            a, b = (values[i] for i in rng.integers(len(values), size=2))
            match rng.integers(7):
                case 0:
                    values.append(dif.neg(a))
                case 1:
                    values.append(dif.select(dif.compare(a, b, direction="le"), a, b))
                case 2:
                    values.append(dif.transpose(dif.transpose(a, permutation=(1, 0)), permutation=(1, 0)))
                case 3:
                    values.append(dif.reshape(dif.reshape(a, shape=(3, 2)), shape=(2, 3)))
                case n:
                    values.append((dif.add, dif.sub, dif.mul)[n - 4](a, b))
        return tuple(values[-3:])

    module = module_of(build, [Aval((2, 3), F64)] * 2)
    arrays = [rng.integers(-3, 4, (2, 3)).astype(float) for _ in range(2)]  # sums of these are exact
    with context(), ir.Location.unknown():
        made = simplify(module)
        dif.verify(made)
        assert str(simplify(made)) == str(made)
    for a, b in zip(interpreter.run(made, "f", *arrays), interpreter.run(module, "f", *arrays), strict=True):
        np.testing.assert_array_equal(a, b)
