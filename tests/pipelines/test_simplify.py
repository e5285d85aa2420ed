"""Simplification keeps the numbers: each of its passes, on programs with control flow and on their derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import context, copy_function, functions_of, interpreter
from difc.dialects.mlir import ir
from difc.pipelines import simplify as passes
from difc.pipelines.prune import prune_dead
from difc.pipelines.simplify import simplify
from tests.harness import Program, directions, is_real, pick
from tests.programs import PROGRAMS, VARIANTS, Sample

over = pytest.mark.parametrize(
    ("sample", "dynamic"), VARIANTS, ids=[f"{p.name}-{'dynamic' if dynamic else 'static'}" for p, dynamic in VARIANTS]
)


def refill(module: ir.Module, fill: Callable[..., Any]) -> ir.Module:
    """Return a module with each function emitted again by `fill`."""
    made = ir.Module.create()
    for name, function in functions_of(module).items():
        copy_function(function, name, function.entry_block, made, fill)
    return made


PASSES: dict[str, Callable[[ir.Module], ir.Module]] = {
    "prune": lambda module: refill(module, prune_dead),
    "fold": lambda module: refill(module, passes._folded),
    "defer": lambda module: refill(module, passes._deferred),
    "simplify": simplify,
}


def derivatives(sample: Sample, dynamic: bool) -> tuple[ir.Module, dict[str, list[np.ndarray]]]:
    """Return a module with a program, its derivatives of first and second order and its vmap, and arguments of each."""
    f, primals = Program.of(sample.module(dynamic)), sample.draw()
    mask = tuple(map(is_real, primals))
    outs = f(*primals)
    reals = tuple(map(is_real, outs))
    forward, backward = f.jvp(mask), f.vjp(mask, reals)
    ts, cts = directions("t", pick(primals, mask)), directions("ct", pick(outs, reals))
    every = (*mask, *(True for _ in cts))
    both = [*primals, *cts]
    second = backward.vjp(every, tuple(map(is_real, backward(*both))))
    axes = [-1 if i in sample.shared else 0 for i in range(len(both))]
    mapped = backward.vmap(axes, [0] * len(backward(*both)), dif.DYN if dynamic else 2)
    arguments = {
        f.name: primals,
        forward.name: [*primals, *ts],
        backward.name: both,
        second.name: [*both, *directions("ct2", pick(backward(*both), map(is_real, backward(*both))))],
        mapped.name: [x if axis else np.stack([x, x]) for x, axis in zip(both, axes, strict=True)],
    }
    return f.derivatives.module, arguments


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
