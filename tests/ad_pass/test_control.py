"""Derivatives and batching of scan and cond, in float64 through the interpreter.

For each program of the table: forward mode against finite differences; reverse mode by the dot-product identity under
every mask of float operands; both again on the gradient (second order); vmap against a loop under every mask. All with
static and with run-time sizes.
"""

from __future__ import annotations

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.dialects import marked
from difc.errors import UnsupportedError
from tests.harness import Mask, Program, check_identity, differences, directions, is_real, masks
from tests.programs import VARIANTS, Sample, traced

over = pytest.mark.parametrize(
    ("sample", "dynamic"), VARIANTS, ids=[f"{p.name}-{'dynamic' if dynamic else 'static'}" for p, dynamic in VARIANTS]
)


@over
def test_jvp_is_the_finite_difference(sample: Sample, dynamic: bool) -> None:
    f, primals = Program.of(sample.module(dynamic)), sample.draw()
    mask = tuple(map(is_real, primals))
    ts = directions(sample.name, marked(primals, mask))
    count = len(f(*primals))
    for a, b in zip(f.jvp(mask)(*primals, *ts)[count:], differences(f, primals, mask, ts, 1e-6), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7)


@over
def test_vjp_is_the_transpose_under_every_mask(sample: Sample, dynamic: bool) -> None:
    f, primals = Program.of(sample.module(dynamic)), sample.draw()
    for mask in masks([is_real(x) for x in primals]):
        check_identity(f, primals, mask, sample.name, 1e-11)


@over
def test_second_order(sample: Sample, dynamic: bool) -> None:
    f, primals = Program.of(sample.module(dynamic)), sample.draw()
    mask = tuple(map(is_real, primals))
    outs = f(*primals)
    reals = tuple(map(is_real, outs))
    gradient = f.vjp(mask, reals)
    arguments = [*primals, *directions(sample.name, marked(outs, reals))]
    every = (*mask, *(True for _ in range(sum(reals))))
    ts = directions(sample.name + "second", marked(arguments, every))
    count = len(gradient(*arguments))
    forward = gradient.jvp(every)(*arguments, *ts)[count:]
    for a, b in zip(forward, differences(gradient, arguments, every, ts, 1e-6), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    check_identity(gradient, arguments, every, sample.name, 1e-10)


@over
def test_forward_over_forward(sample: Sample, dynamic: bool) -> None:
    f, primals = Program.of(sample.module(dynamic)), sample.draw()
    mask = tuple(map(is_real, primals))
    once = f.jvp(mask)
    arguments = [*primals, *directions(sample.name, marked(primals, mask))]
    every = (*mask, *(True for _ in range(sum(mask))))
    ts = directions(sample.name + "second", marked(arguments, every))
    count = len(once(*arguments))
    found = once.jvp(every)(*arguments, *ts)[count:]
    for a, b in zip(found, differences(once, arguments, every, ts, 1e-6), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def lanes_of(sample: Sample, mask: Mask, count: int = 3) -> list[list[np.ndarray]]:
    """Return the arguments of each lane: those that the mask marks differ."""
    base = sample.draw()
    draws = [sample.draw(seed) for seed in range(1, count + 1)]
    return [[d if m else b for d, b, m in zip(draw, base, mask, strict=True)] for draw in draws]


@over
def test_vmap_is_a_loop_under_every_mask(sample: Sample, dynamic: bool) -> None:
    f = Program.of(sample.module(dynamic))
    for mask in masks([i not in sample.shared for i in range(len(sample.specs))]):
        lanes = lanes_of(sample, mask)
        stacked = [
            np.stack(column) if m else column[0] for column, m in zip(zip(*lanes, strict=True), mask, strict=True)
        ]
        expected = [np.stack(column) for column in zip(*(f(*lane) for lane in lanes), strict=True)]
        mapped = f.vmap([0 if m else -1 for m in mask], [0] * len(expected), dif.DYN if dynamic else len(lanes))
        for a, b in zip(mapped(*stacked), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@over
def test_vmap_of_the_gradient(sample: Sample, dynamic: bool) -> None:
    f = Program.of(sample.module(dynamic))
    lanes = lanes_of(sample, tuple(i not in sample.shared for i in range(len(sample.specs))))
    mask = tuple(map(is_real, lanes[0]))
    outs = f(*lanes[0])
    reals = tuple(map(is_real, outs))
    gradient = f.vjp(mask, reals)
    rows = [[*lane, *directions(f"{sample.name}{i}", marked(outs, reals))] for i, lane in enumerate(lanes)]
    expected = [np.stack(column) for column in zip(*(gradient(*row) for row in rows), strict=True)]
    axes = [-1 if i in sample.shared else 0 for i in range(len(rows[0]))]
    stacked = [
        column[0] if axis else np.stack(column) for column, axis in zip(zip(*rows, strict=True), axes, strict=True)
    ]
    mapped = gradient.vmap(axes, [0] * len(expected), dif.DYN if dynamic else len(rows))
    for a, b in zip(mapped(*stacked), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@over
def test_the_gradient_of_vmap(sample: Sample, dynamic: bool) -> None:
    f = Program.of(sample.module(dynamic))
    varied = tuple(i not in sample.shared for i in range(len(sample.specs)))
    lanes = lanes_of(sample, varied, 2)
    stacked = [np.stack(column) if m else column[0] for column, m in zip(zip(*lanes, strict=True), varied, strict=True)]
    count = len(f(*lanes[0]))
    mapped = f.vmap([0 if m else -1 for m in varied], [0] * count, dif.DYN if dynamic else len(lanes))
    check_identity(mapped, stacked, tuple(map(is_real, stacked)), sample.name, 1e-11)


def test_a_mapped_number_of_steps_is_refused_at_the_users_line_where_something_is_stacked() -> None:
    module = traced(lambda x, n: difc.scan(lambda x, _: (x * x, x), x, length=n)[1][0], difc.f64[2], difc.i64[()])
    with pytest.raises(UnsupportedError, match=r"steps of a scan differs .* sizes of what it stacks") as error:
        Program.of(module).vmap([-1, 0], [0], 4)
    assert "difc.scan(lambda x, _" in str(error.value)
    assert "np.where" in error.value.remedy


def test_a_mapped_number_of_steps() -> None:
    module = traced(lambda x, n: difc.fori_loop(0, n, lambda i, x: x * x, x), difc.f64[2], difc.i64[()])
    program = Program.of(module).vmap([-1, 0], [0], dif.DYN)
    x, n = np.array([0.5, 1.5]), np.array([0, 3, 1])
    np.testing.assert_allclose(program(x, n)[0], x ** (2.0 ** n[:, None]))
