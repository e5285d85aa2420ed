"""Derivative and batching rules of every row of the table, in float64 through the interpreter.

Forward mode against finite differences; reverse mode by the dot-product identity under every mask of operands; second
order (forward and reverse over reverse); vmap against a loop over slices under every mask; all with static and with
dynamic shapes.
"""

from __future__ import annotations

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import marked
from tests.cases import CASES, Case
from tests.harness import Mask, Program, check_identity, differences, directions, is_real, masks

VARIANTS = [(c, dynamic) for c in CASES if c.inputs for dynamic in ((False, True) if c.dynamic else (False,))]
DIFFERENTIABLE = [(c, dynamic) for c, dynamic in VARIANTS if "f64" in c.dtypes]
SMOOTH = [(c, dynamic) for c, dynamic in DIFFERENTIABLE if c.smooth]
NARROW = {"f16": 2.0**-10, "bf16": 2.0**-7, "f32": 2.0**-23}


def over(variants: list[tuple[Case, bool]]) -> pytest.MarkDecorator:
    names = [f"{case.name}-{'dynamic' if dynamic else 'static'}" for case, dynamic in variants]
    return pytest.mark.parametrize(("case", "dynamic"), variants, ids=names)


@over(SMOOTH)
def test_jvp_is_the_finite_difference(case: Case, dynamic: bool) -> None:
    f, primals = Program.of(case.module(dynamic=dynamic)), case.draw()
    mask = tuple(map(is_real, primals))
    ts = directions(case.name, marked(primals, mask))
    outs = f(*primals)
    found = f.jvp(mask)(*primals, *ts)[len(outs) :]
    assert len(found) == sum(map(is_real, outs))
    for a, b in zip(found, differences(f, primals, mask, ts, case.step), strict=True):
        np.testing.assert_allclose(a, b, rtol=case.tol, atol=case.tol)


@over(DIFFERENTIABLE)
def test_vjp_is_the_transpose_under_every_mask(case: Case, dynamic: bool) -> None:
    f, primals = Program.of(case.module(dynamic=dynamic)), case.draw()
    rtol = 1e-5 if case.name == "convert_f32" else 1e-9
    for mask in masks([is_real(x) for x in primals]):
        check_identity(f, primals, mask, case.name, rtol)


@over(SMOOTH)
def test_second_order(case: Case, dynamic: bool) -> None:
    f, primals = Program.of(case.module(dynamic=dynamic)), case.draw()
    mask = tuple(map(is_real, primals))
    outs = f(*primals)
    cts = directions(case.name, [y for y in outs if is_real(y)])
    gradient = f.vjp(mask, tuple(map(is_real, outs)))
    arguments, all_mask = [*primals, *cts], (*mask, *(True for _ in cts))
    ts = directions(case.name + "second", marked(arguments, all_mask))
    count = len(gradient(*arguments))
    found = gradient.jvp(all_mask)(*arguments, *ts)[count:]
    for a, b in zip(found, differences(gradient, arguments, all_mask, ts, case.step), strict=True):
        np.testing.assert_allclose(a, b, rtol=10 * case.tol, atol=10 * case.tol)
    check_identity(gradient, arguments, all_mask, case.name, 1e-5 if case.name == "convert_f32" else 1e-9)


def stacked(case: Case, mask: Mask, dtype: str, count: int = 3) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Return arguments with a batch where the mask says, and the arguments of each lane."""
    base = case.draw(dtype)
    draws = [case.draw(dtype, seed=i + 1) for i in range(count)]
    lanes = [[d if m else b for d, b, m in zip(draw, base, mask, strict=True)] for draw in draws]
    return [np.stack([lane[i] for lane in lanes]) if m else base[i] for i, m in enumerate(mask)], lanes


@over(VARIANTS)
def test_vmap_is_a_loop_under_every_mask(case: Case, dynamic: bool) -> None:
    dtype = "f64" if "f64" in case.dtypes else case.dtypes[-1]
    f = Program.of(case.module(dtype, dynamic))
    for mask in masks([True] * len(case.inputs)):
        arguments, lanes = stacked(case, mask, dtype)
        mapped = f.vmap([0 if m else -1 for m in mask], [0], dif.DYN if dynamic else len(lanes))
        (found,) = mapped(*arguments)
        np.testing.assert_allclose(found, np.stack([f(*lane)[0] for lane in lanes]), rtol=1e-12, atol=1e-12)


@over(DIFFERENTIABLE)
def test_vmap_of_the_gradient(case: Case, dynamic: bool) -> None:
    f = Program.of(case.module(dynamic=dynamic))
    every = tuple(True for _ in case.inputs)
    arguments, lanes = stacked(case, every, "f64")
    mask = tuple(map(is_real, arguments))
    reals = tuple(map(is_real, f(*lanes[0])))
    gradient = f.vjp(mask, reals)
    cts = [directions(f"{case.name}{i}", marked(f(*lane), reals)) for i, lane in enumerate(lanes)]
    expected = [gradient(*lane, *ct) for lane, ct in zip(lanes, cts, strict=True)]
    width = len(lanes[0]) + len(cts[0])
    mapped = gradient.vmap([0] * width, [0] * len(expected[0]), dif.DYN if dynamic else len(lanes))
    found = mapped(*arguments, *(np.stack(column) for column in zip(*cts, strict=True)))
    for a, column in zip(found, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(a, np.stack(column), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("case", [c for c, dynamic in DIFFERENTIABLE if not dynamic], ids=lambda c: c.name)
def test_gradient_in_other_dtypes(case: Case, dtype: str) -> None:
    if dtype not in case.dtypes:
        return
    primals = case.draw(dtype)
    mask = tuple(map(is_real, primals))
    wide = [x.astype(np.float64) if m else x for x, m in zip(primals, mask, strict=True)]
    found: list[np.ndarray] = []
    expected: list[np.ndarray] = []
    for name, arrays, grads in ((dtype, primals, found), ("f64", wide, expected)):
        f = Program.of(case.module(name))
        outs = f(*arrays)
        reals = tuple(map(is_real, outs))
        grads += f.vjp(mask, reals)(*arrays, *(np.ones_like(y) for y in marked(outs, reals)))[1:]
    for a, b, x in zip(found, expected, marked(primals, mask), strict=True):
        assert a.dtype == x.dtype
        np.testing.assert_allclose(a.astype(np.float64), b, rtol=40 * NARROW[dtype], atol=40 * NARROW[dtype])
