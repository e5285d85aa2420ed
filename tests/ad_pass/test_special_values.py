"""First and second derivatives at the points that random inputs miss: ties, zeros, repeated and outlying indices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import F64, Aval
from difc.dialects.matrices import splat
from difc.dialects.mlir import ir
from tests.cases import module_of
from tests.harness import Program, check_identity

INF = np.inf


def at_rows(op: dif.OpDef, mode: str) -> Callable[..., ir.Value]:
    return partial(op, axes=(0,), batch=0, mode=mode)


@dataclass(frozen=True)
class Point:
    """A function at a point, with the gradient of the sum of its results by each float argument."""

    name: str
    fn: Callable[..., ir.Value]
    at: tuple[Any, ...]
    gradient: tuple[Any, ...]


REPEATED = np.array([[1], [0], [1], [1]])
OUTSIDE = np.array([[0], [-1], [3], [2]])
SHARED = ([0.5, 1, 0.5], [0.5, 0, 0, 0.5])
ZEROS = ([3, 0, 1], [0, 0, 10, 0])
POINTS = (
    Point("abs", dif.abs, ([-2.0, 0.0, 3.0],), ([-1, 0, 1],)),
    Point("sign", dif.sign, ([-2.0, 0.0],), ([0, 0],)),
    Point("round", dif.round, ([0.5, 2.0],), ([0, 0],)),
    Point("sqrt", dif.sqrt, ([0.0, 4.0],), ([INF, 0.25],)),
    Point("tanh", dif.tanh, ([0.0, 400.0],), ([1, 0],)),
    Point("cbrt", dif.cbrt, ([0.0, -8.0],), ([INF, 1 / 12],)),
    Point("asin", dif.asin, ([0.0, 1.0],), ([1, INF],)),
    Point("acos", dif.acos, ([0.0, 1.0],), ([-1, -INF],)),
    Point("atan", dif.atan, ([0.0, 1e200, INF],), ([1, 0, 0],)),
    Point("asinh", dif.asinh, ([0.0, 1e200],), ([1, 1e-200],)),
    Point("acosh", dif.acosh, ([1.0, 1e200],), ([INF, 1e-200],)),
    Point("atanh", dif.atanh, ([0.0, 1.0],), ([1, INF],)),
    Point("erfc", dif.erfc, ([0.0, 400.0],), ([-2 / np.sqrt(np.pi), 0],)),
    Point("hypot", dif.hypot, ([0.0, 3e200], [0.0, 4e200]), ([0, 0.6], [0, 0.8])),
    Point("atan2", dif.atan2, ([0.0, 1e200], [2.0, 1e200]), ([0.5, 5e-201], [0, -5e-201])),
    Point("logistic", dif.logistic, ([0.0, -800.0, 800.0],), ([0.25, 0, 0],)),
    Point("exp", dif.exp, ([0.0, -1000.0],), ([1, 0],)),
    Point("stop_gradient", lambda x: dif.mul(x, dif.stop_gradient(x)), ([3.0],), ([3],)),
    Point("max", dif.max, ([1.0, 2.0, 3.0], [2.0, 2.0, 1.0]), ([0, 0.5, 1], [1, 0.5, 0])),
    Point("min", dif.min, ([1.0, 2.0, 3.0], [2.0, 2.0, 1.0]), ([1, 0.5, 0], [0, 0.5, 1])),
    Point("max_infinite", dif.max, ([INF, -INF], [INF, 0.0]), ([0.5, 0], [0.5, 1])),
    Point("rem", dif.rem, ([5.5, -5.5, 6.0], [2.0, 2.0, 3.0]), ([1, 1, 1], [-2, 2, -2])),
    Point("div_zero", dif.div, ([0.0], [2.0]), ([0.5], [0])),
    Point("pow_zero", dif.pow, ([0.0] * 4, [0.0, 1.0, 2.0, 3.0]), ([0, 1, 0, 0], [0, 0, 0, 0])),
    Point("pow_root", dif.pow, ([0.0], [0.5]), ([INF], [0])),
    Point("pow_negative", lambda x: dif.pow(x, dif.constant(value=np.full(2, 3.0))), ([-2.0, -1.0],), ([12, 3],)),
    Point("pow_inverse", lambda x: dif.pow(x, splat(-2.0, x)), ([INF, 0.0, 1e-100],), ([0, -INF, -2e300],)),
    Point("pow_exponent_zero", dif.pow, ([2.0, 1.0], [0.0, 0.0]), ([0, 0], [np.log(2), 0])),
    Point("reduce_max", partial(dif.reduce_max, axes=(0,)), ([1.0, 3.0, 3.0],), ([0, 0.5, 0.5],)),
    Point("reduce_max_all", partial(dif.reduce_max, axes=(0, 1)), (np.zeros((2, 2)),), (np.full((2, 2), 0.25),)),
    Point("reduce_min", partial(dif.reduce_min, axes=(1,)), ([[1.0, 1.0], [0.0, 2.0]],), ([[0.5, 0.5], [1, 0]],)),
    Point("reduce_max_infinite", partial(dif.reduce_max, axes=(0,)), ([-INF, -INF],), ([0.5, 0.5],)),
    Point("reduce_max_nan", partial(dif.reduce_max, axes=(0,)), ([3.0, np.nan, np.nan],), ([0, 0.5, 0.5],)),
    Point("reduce_prod_one_zero", partial(dif.reduce_prod, axes=(0,)), ([2.0, 0.0, 3.0],), ([0, 6, 0],)),
    Point("reduce_prod_two_zeros", partial(dif.reduce_prod, axes=(0,)), ([0.0, 0.0, 3.0],), ([0, 0, 0],)),
    Point("scatter", at_rows(dif.scatter, "fill"), (np.ones(3), REPEATED, np.ones(4)), ([0, 0, 1], [0, 1, 0, 1])),
    Point("scatter_fill", at_rows(dif.scatter, "fill"), (np.ones(3), OUTSIDE, np.ones(4)), ([0, 1, 0], [1, 0, 0, 1])),
    Point("scatter_clip", at_rows(dif.scatter, "clip"), (np.ones(3), OUTSIDE, np.ones(4)), ([0, 1, 0], [0, 1, 0, 1])),
    Point("add_fill", at_rows(dif.scatter_add, "fill"), (np.ones(3), OUTSIDE, np.ones(4)), ([1, 1, 1], [1, 0, 0, 1])),
    Point("add_clip", at_rows(dif.scatter_add, "clip"), (np.ones(3), OUTSIDE, np.ones(4)), ([1, 1, 1], [1, 1, 1, 1])),
    Point("max_ties", at_rows(dif.scatter_max, "fill"), (np.ones(3), OUTSIDE, np.ones(4)), SHARED),
    Point("min_ties", at_rows(dif.scatter_min, "fill"), (np.ones(3), OUTSIDE, np.ones(4)), SHARED),
    Point("mul_zero", at_rows(dif.scatter_mul, "fill"), ([0.0, 1, 2], REPEATED, [2.0, 3, 0, 5]), ZEROS),
    Point("gather_fill", at_rows(dif.gather, "fill"), (np.ones(3), OUTSIDE), ([1, 0, 1],)),
    Point("gather_clip", at_rows(dif.gather, "clip"), (np.ones(3), OUTSIDE), ([2, 0, 2],)),
)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("point", POINTS, ids=lambda p: p.name)
def test_gradient(point: Point, dynamic: bool) -> None:
    arrays = [np.asarray(a) for a in point.at]
    fixed = [a.ndim - 1 if a.dtype.kind == "i" else None for a in arrays]
    avals = [
        Aval(tuple(dif.DYN if dynamic and d != keep else n for d, n in enumerate(a.shape)), a.dtype)
        for a, keep in zip(arrays, fixed, strict=True)
    ]
    f = Program.of(module_of(point.fn, avals))
    mask = tuple(a.dtype.kind == "f" for a in arrays)
    (out,) = f(*arrays)
    found = f.vjp(mask, (True,))(*arrays, np.ones_like(out))[1:]
    for a, b in zip(found, point.gradient, strict=True):
        np.testing.assert_allclose(a, np.asarray(b, float))
    if all(np.isfinite(g).all() for g in found):
        check_identity(f, arrays, mask, point.name)


def hessian(fn: Callable[..., ir.Value], *at: list[float]) -> np.ndarray:
    """Return the second derivatives of the sum of the results, by all elements of all arguments."""
    arrays = [np.asarray(a) for a in at]
    every = tuple(True for _ in arrays)
    f = Program.of(module_of(fn, [Aval(a.shape, a.dtype) for a in arrays]))
    (out,) = f(*arrays)
    gradient = f.vjp(every, (True,))
    second = gradient.vjp((*every, False), (False, *every))
    rows = []
    for unit in np.eye(sum(a.size for a in arrays)):
        cts = np.split(unit, np.cumsum([a.size for a in arrays])[:-1])
        found = second(*arrays, np.ones_like(out), *cts)[1 + len(arrays) :]
        rows.append(np.concatenate([np.ravel(g) for g in found]))
    return np.array(rows)


def test_second_derivative_of_pow_at_zero() -> None:
    # x = 0, y = 1, 2, 3: by x twice it is y (y - 1) x^(y - 2); nothing else is nonzero, but d2/dxdy at y = 1, where
    # y x^(y-1) log x + x^(y-1) has no limit and the log counts as 0.
    found = hessian(dif.pow, [0.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    expected = np.zeros((6, 6))
    expected[1, 1], expected[0, 3], expected[3, 0] = 2, 1, 1
    np.testing.assert_allclose(found[[1, 2, 4, 5]][:, [1, 2, 4, 5]], expected[[1, 2, 4, 5]][:, [1, 2, 4, 5]])
    assert np.isfinite(found).all()


def test_mixed_derivative_of_pow_at_exponent_zero() -> None:
    x = 2.0
    np.testing.assert_allclose(hessian(dif.pow, [x], [0.0]), [[0, 1 / x], [1 / x, np.log(x) ** 2]])


@pytest.mark.parametrize("axis_size", [2, 3, 5, 8])
def test_second_derivative_of_a_product_with_zeros(axis_size: int) -> None:
    x = np.arange(2.0, 2.0 + axis_size)
    x[:2] = 0.0
    expected = np.zeros((axis_size, axis_size))
    expected[0, 1] = expected[1, 0] = np.prod(x[2:])
    np.testing.assert_allclose(hessian(partial(dif.reduce_prod, axes=(0,)), list(x)), expected)


@pytest.mark.parametrize("size", [3, 4])
def test_second_derivative_of_products_at_repeated_points(size: int) -> None:
    def product(x: ir.Value, updates: ir.Value) -> ir.Value:
        return dif.scatter_mul(x, dif.constant(value=REPEATED[:size]), updates, axes=(0,), batch=0, mode="clip")

    x, updates = [5.0, 3.0, 0.0], [0.0, 7.0, 0.0, 2.0][:size]
    cells = [[0, 4], [1, *(3 + i for i in range(size) if REPEATED[i] == 1)], [2]]
    at, expected = np.array(x + updates), np.zeros((3 + size, 3 + size))
    for cell in cells:
        for i, j in itertools.permutations(cell, 2):
            expected[i, j] = np.prod([at[k] for k in cell if k not in (i, j)])
    np.testing.assert_array_equal(hessian(product, x, updates), expected)


def along(f: Program, order: int, *arrays: np.ndarray) -> np.ndarray:
    """Return a derivative along the line through a point (the first half of the arrays) in a direction (the other)."""
    reals = len(arrays) // 2
    for k in range(order):
        f = f.jvp((*(True for _ in range(reals)), *(False for _ in range(k * reals))))
    points, directions = arrays[:reals], arrays[reals:]
    return f(*points, *(d for _ in range(order) for d in directions))[-1]


def test_third_derivative_of_products_with_zeros_at_repeated_points() -> None:
    arrays = [np.array(a, float) for a in ([5, 0, 0], [0, 7, 0, 2], [1, 2, 3], [4, 5, 6, 7])]
    x, updates, to_x, to_updates = arrays
    fn = partial(dif.scatter_mul, axes=(0,), batch=0, mode="clip")
    f = Program.of(module_of(lambda x, u: fn(x, dif.constant(value=REPEATED), u), [Aval((3,), F64), Aval((4,), F64)]))
    lines = np.polynomial.Polynomial
    cells = [lines([a, b]) for a, b in zip(x, to_x, strict=True)]
    for place, a, b in zip(REPEATED[:, 0], updates, to_updates, strict=True):
        cells[place] = cells[place] * lines([a, b])
    np.testing.assert_allclose(along(f, 3, *arrays), [c.deriv(3)(0.0) for c in cells])


@pytest.mark.parametrize(
    ("op", "order", "at", "expected"),
    [
        (dif.cbrt, 2, [0.0, INF, -8.0], [-INF, 0, 1 / 144]),
        (dif.erfcx, 3, [9.0, 100.0], [-4.8602294650050741e-4, -3.3834458206019571e-8]),
        (dif.bessel_i1e, 3, [1e-6, 0.7], [1.8749965000032812, 0.50917030232853824]),
        (lambda x: dif.hypot(x, dif.stop_gradient(x)), 2, [0.0], [0.0]),
    ],
    ids=["cbrt", "erfcx", "bessel_i1e", "hypot"],
)
def test_derivatives_of_higher_order(op: Callable[..., ir.Value], order: int, at: list, expected: list) -> None:
    f, x = Program.of(module_of(op, [Aval((len(at),), F64)])), np.array(at)
    np.testing.assert_allclose(along(f, order, x, np.ones_like(x)), expected, rtol=1e-9)
