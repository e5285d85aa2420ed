"""Factorisations and solves as programs, by the interpreter; and compiled: kernels on the CPU, programs on Vulkan."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import difc
import difc.scipy.linalg as dl
from difc import dialects as dif
from difc.dialects import DYN, F64, Aval, interpreter
from difc.pipelines.lowering import factor, factor_columns, factor_lu, factor_parts
from tests.case import module_of
from tests.pipelines.artifacts import call, needs_vulkan
from tests.pipelines.lowered import build, compiled

RNG = np.random.default_rng(0)
FORMS = [
    dict(zip(("left_side", "lower", "transpose_a", "unit_diagonal"), marks, strict=True))
    for marks in itertools.product((True, False), repeat=4)
]


def _matrices(*lead: int, size: int, dtype: type = np.float64) -> np.ndarray:
    return (RNG.uniform(-1, 1, (*lead, size, size)) / np.sqrt(size) + np.eye(size)).astype(dtype)


def _definite(*lead: int, size: int, dtype: type = np.float64) -> np.ndarray:
    """Return the lower triangle of definite matrices; the other one is not to be read."""
    x = _matrices(*lead, size=size)
    return np.where(np.tri(size, dtype=bool), x @ x.swapaxes(-1, -2) + np.eye(size), np.nan).astype(dtype)


# ---- programs ------------------------------------------------------------------------------------


def _agree(program: Callable[..., Any], op: Callable[..., Any], *arrays: np.ndarray) -> None:
    """Check that a program computes what the op means, also for run-time sizes, which only square matrices may have."""
    is_square = arrays[0].shape[-1] == arrays[0].shape[-2]
    for dynamic in (False, True) if is_square else (False,):
        avals = [Aval((DYN,) * a.ndim if dynamic else a.shape, F64) for a in arrays]
        found, wanted = (interpreter.run(module_of(f, avals), "f", *arrays) for f in (program, op))
        for x, y in zip(found, wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("block", [2, 64])
def test_programs_compute_what_the_ops_mean(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factor_parts, "PANEL", block)
    x, lower = _matrices(2, size=7), np.tril(_matrices(2, size=7))
    x[1, :, 2] = 0  # no pivot
    definite = _definite(2, size=7)
    _agree(factor_columns.cholesky, dif.cholesky, definite * np.array([1, -1])[:, None, None])
    cotangent = partial(factor_columns.cholesky_cotangent, limit=block)
    _agree(cotangent, dif.cholesky_cotangent, lower, x)
    _agree(factor_lu.lu, dif.lu, x)
    _agree(factor_lu.lu, dif.lu, x.reshape(2, 1, 7, 7))
    _agree(factor_lu.lu, dif.lu, x[:, :, :3])
    _agree(factor_lu.det, dif.det, x)
    for form in FORMS:
        b = RNG.uniform(-1, 1, (2, 7, 3) if form["left_side"] else (2, 3, 7))
        _agree(partial(factor_columns.triangular_solve, **form), partial(dif.triangular_solve, **form), lower + x, b)


# ---- compiled ------------------------------------------------------------------------------------


def _traced(op: Callable[..., Any], **form: bool) -> Callable[..., Any]:
    from difc.tracer import lift, wrap

    return lambda *arrays: wrap(op(*map(lift, arrays), **form))


def _traced_lu(x: Any) -> list[Any]:
    from difc.tracer import lift, wrap

    return list(map(wrap, dif.lu(lift(x))))


def _family(solves: list[dict[str, bool]]) -> Callable[..., Any]:
    """Return a program with every kernel in it."""

    def program(definite: Any, x: Any, b: Any, rows: Any) -> Any:
        factor = np.linalg.cholesky(definite)
        return [
            factor,
            np.linalg.solve(x, b),
            dl.lu_factor(x),
            np.linalg.slogdet(x)[1],
            np.linalg.det(x),
            *(_traced(dif.triangular_solve, **f)(x, b if f["left_side"] else rows) for f in solves),
            difc.grad(lambda s: np.sum(np.linalg.cholesky(s) * np.sum(b, -1, keepdims=True)))(definite),
        ]

    return program


def _check(program: Callable[..., Any], arrays: list[np.ndarray], tolerance: float, **options: Any) -> None:
    specs = options.pop("specs", arrays)
    found = difc.compile(program, *specs, **options)(*arrays)
    with difc.disable_jit():
        wanted = difc.jit(program)(*arrays)
    for i, (x, y) in enumerate(zip(*(difc.pytree.flatten(r)[0] for r in (found, wanted)), strict=True)):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance, err_msg=f"result {i}")


def _arguments(*lead: int, size: int, columns: int, dtype: type = np.float64) -> list[np.ndarray]:
    b = RNG.uniform(-1, 1, (*lead, size, columns)).astype(dtype)
    return [
        _definite(*lead, size=size, dtype=dtype),
        _matrices(*lead, size=size, dtype=dtype),
        b,
        b.swapaxes(-1, -2).copy(),
    ]


def test_kernels() -> None:
    """Sizes beside those of tiles and slices, so that all edges are met, and matrices that are cut in halves."""
    _check(_family(FORMS[:9]), _arguments(2, size=75, columns=17), 1e-9)
    _check(_family(FORMS[:1]), _arguments(size=150, columns=1, dtype=np.float32), 2e-4)


def test_large_matrices_are_cut_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHOLESKY", "COTANGENT", "LU"):
        monkeypatch.setattr(factor, name, 32)
    definite, x, _, _ = _arguments(size=100, columns=1)
    module = build(
        {
            "cholesky": (dif.cholesky, [Aval(definite.shape, F64)]),
            "cotangent": (dif.cholesky_cotangent, [Aval(x.shape, F64)] * 2),
            "lu": (dif.lu, [Aval(x.shape, F64)]),
        }
    )
    entries = compiled(module)
    factors = np.linalg.cholesky(definite), np.tril(x)
    for name, given in (("cholesky", [definite]), ("cotangent", list(factors)), ("lu", [x])):
        wanted = interpreter.run(module, name, *given)
        for found, expected in zip(call(getattr(entries, name), given), wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("target", ["cpu", pytest.param("cpu-generic", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cholesky_of_all_sizes_around_tiles_slices_and_strips(dtype: str, target: str) -> None:
    """Only lower triangles are read; a matrix that is not positive definite is NaN, and its neighbours are not."""
    spec = difc.f32["b", "n", "n"] if dtype == "float32" else difc.f64["b", "n", "n"]
    module = difc.compile(np.linalg.cholesky, spec, target=target)
    for size in (1, 2, 11, 12, 13, 31, 33, 47, 48, 49, 64, 81, 96, 97, 131, 160):
        x = _definite(3, size=size, dtype=np.dtype(dtype).type)
        wanted = np.linalg.cholesky(x)
        x[1, size // 2, size // 2] = -1.0
        wanted[1] = np.tril(np.full((size, size), np.nan))
        np.testing.assert_allclose(module(x), wanted, rtol=0, atol=2e-4 if dtype == "float32" else 1e-11, err_msg=size)


def test_kernels_of_run_time_sizes() -> None:
    n, m = "n", "m"
    specs = [difc.f64["b", n, n], difc.f64["b", n, n], difc.f64["b", n, m], difc.f64["b", m, n]]
    module = difc.compile(_family(FORMS[:2]), *specs)
    for size, columns in ((9, 2), (1, 1), (70, 33)):
        arrays = _arguments(2, size=size, columns=columns)
        with difc.disable_jit():
            wanted = difc.jit(_family(FORMS[:2]))(*arrays)
        for x, y in zip(*(difc.pytree.flatten(r)[0] for r in (module(*arrays), wanted)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


def test_arguments_stay_as_they_are() -> None:
    """A factorisation whose factor is used at once: IREE once solved in the memory of the right-hand side."""
    definite, _, b, _ = _arguments(size=60, columns=1)
    solve = difc.jit(lambda s, b: dl.solve_triangular(np.linalg.cholesky(s + np.eye(60)), b, lower=True))
    arrays = difc.to_device(definite), difc.to_device(b[:, 0])
    first, second = (np.array(solve(*arrays)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.asarray(arrays[1]), b[:, 0])


def test_kernels_for_any_processor() -> None:
    """Narrow vectors, few registers, and no fused multiply-add."""
    _check(_family(FORMS[1:3]), _arguments(1, size=11, columns=5), 1e-9, target="cpu-generic")


@pytest.mark.parametrize("target", ["cpu", pytest.param("cpu-generic", marks=pytest.mark.slow)])
def test_a_lane_for_each_of_many_small_matrices(target: str) -> None:
    """The last lanes overlap those before; one matrix has no pivot, and one is not positive definite."""
    arguments = _arguments(37, size=5, columns=2)
    arguments[0][3] *= -1
    singular = arguments[1] * (np.arange(37) != 20)[:, None, None]

    def program(definite: Any, x: Any, b: Any, rows: Any) -> Any:
        found = _family(FORMS[1:3])(definite, x, b, rows)
        return [*found[:-1], *dl.lu(singular[:, ::-1] * x), *_traced_lu(singular * x)]

    _check(program, arguments, 1e-9, target=target)


def test_what_has_no_factor_compiled() -> None:
    bad = np.stack([np.diag([1.0, -1, 1]), np.eye(3), np.zeros((3, 3)), np.full((3, 3), np.nan)])
    factor, solved = difc.jit(lambda x: (np.linalg.cholesky(x), np.linalg.solve(x, np.ones((3, 1)))))(bad)
    lower = np.tri(3, dtype=bool)
    assert np.isnan(np.asarray(factor)[[0, 2, 3]][:, lower]).all()
    np.testing.assert_array_equal(np.asarray(factor)[:, ~lower], 0)
    np.testing.assert_array_equal(np.asarray(factor)[1], np.eye(3))
    np.testing.assert_allclose(np.asarray(solved)[:2, :, 0], [[1, -1, 1], [1, 1, 1]])
    assert not np.isfinite(np.asarray(solved)[2:]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [3, 40])
def test_nan_is_the_largest_pivot(count: int, dtype: type) -> None:
    """As it is for NumPy, and above infinity: by the kernel for one matrix, and by that with lanes for many."""
    x = _matrices(count, size=4, dtype=dtype)
    x[0, 2, 0], x[1, 1:3, 1], x[2, 0, 0], x[2, 3, 1], x[2, 2, 2] = np.nan, np.nan, np.inf, np.nan, -np.inf
    packed, pivots = difc.jit(dl.lu_factor)(x)
    with difc.disable_jit():
        wanted, wanted_pivots = difc.jit(dl.lu_factor)(x)
    np.testing.assert_array_equal(pivots, wanted_pivots)
    np.testing.assert_allclose(packed, wanted, rtol=1e-4, atol=1e-4)
    assert (pivots[0, 0], pivots[1, 1], pivots[2, 1]) == (2, 1, 3)


def _check_infinite_pivots(target: str) -> None:
    """The row and the column of one are zero but for it, as in LAPACK; nothing is NaN."""
    for batch, size in ((1, 5), (16, 5), (1, 40), (1, 150)):
        factor = difc.jit(np.linalg.cholesky, target=target)
        for place in (0, size // 2, size - 1):
            x = np.tile(4 * np.eye(size) + np.eye(size, k=1) + np.eye(size, k=-1), (batch, 1, 1))
            x[:, place, place] = np.inf
            found = np.asarray(factor(x.astype(np.float32)))
            np.testing.assert_allclose(found, np.linalg.cholesky(x), rtol=1e-5, atol=1e-6)


def test_infinite_pivots() -> None:
    _check_infinite_pivots("cpu")


@needs_vulkan
@pytest.mark.vulkan
def test_infinite_pivots_on_vulkan() -> None:
    _check_infinite_pivots("vulkan")


#: Sizes of matrices that are written out, that are one call of a kernel, and that are cut in halves. On Vulkan the
#: gradient of (70, 33) joins results of loops, of which IREE would move one before what its body uses.
RECTANGLES = ((3, 5, 2), (3, 2, 5), (7, 1), (1, 7), (20, 33), (70, 33), (2, 33, 70))


def _check_rectangles(target: str, dtype: type, tolerance: float) -> None:
    def program(*matrices: Any) -> list[Any]:
        slopes = [difc.grad(lambda x: sum(np.sum(np.sin(y)) for y in dl.lu(x)[1:]))(x) for x in matrices]
        return [*map(dl.lu, matrices), *map(dl.lu_factor, matrices), slopes]

    arrays = [RNG.uniform(-1, 1, shape) for shape in RECTANGLES]
    for x in arrays:
        diagonal = np.arange(min(x.shape[-2:]))
        x[..., diagonal, diagonal] += 3 * np.sqrt(x.shape[-1])
    arrays = [x[..., ::-1, :].astype(dtype) for x in arrays]  # so that rows change places, by pivots that are clear
    _check(program, arrays, tolerance, target=target)


def test_rectangles() -> None:
    _check_rectangles("cpu", np.float64, 1e-9)


def test_rectangles_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factor, "LU", 16)
    _check_rectangles("cpu", np.float32, 2e-3)


@needs_vulkan
@pytest.mark.vulkan
def test_rectangles_on_vulkan() -> None:
    _check_rectangles("vulkan", np.float32, 2e-3)


@needs_vulkan
def test_programs_on_vulkan() -> None:
    def program(definite: Any, x: Any, b: Any, rows: Any) -> Any:
        return [
            *_family(FORMS[:1])(definite, x, b, rows),
            *(np.linalg.inv(x), np.linalg.matrix_power(x, -2), np.linalg.tensorinv(x[0][:, :, None], 1)),
            *(dl.cho_solve(dl.cho_factor(definite), b), dl.expm(x), dl.lu(x)),
        ]

    _check(program, _arguments(2, size=4, columns=2, dtype=np.float32), 1e-4, target="vulkan")


@needs_vulkan
@pytest.mark.vulkan
def test_panels_on_vulkan() -> None:
    """Sizes known only at run time: below a panel, a whole number of them, and with a part of one at the end."""

    def program(definite: Any, x: Any, b: Any) -> list[Any]:
        factor = np.linalg.cholesky(definite)
        upper = factor.swapaxes(-1, -2)
        return [
            factor,
            dl.solve_triangular(factor, b, lower=True),
            dl.solve_triangular(upper, b),
            dl.solve_triangular(upper, b, trans=1, unit_diagonal=True),
            difc.grad(lambda s: np.sum(np.linalg.cholesky(s) * np.sum(b, -1, keepdims=True)))(definite),
            *_traced_lu(x),
        ]

    module = difc.compile(program, difc.f64["n", "n"], difc.f64["n", "n"], difc.f64["n", "m"], target="vulkan")
    for size, columns in ((5, 1), (32, 3), (37, 40)):
        definite, square, b, _ = _arguments(size=size, columns=columns)
        arrays = definite, square[RNG.permutation(size)], b
        with difc.disable_jit():
            wanted = difc.jit(program)(*arrays)
        for x, y in zip(module(*arrays), wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)
    definite[1, 1] = -1
    assert np.isnan(np.asarray(module(definite, *arrays[1:])[0])[np.tri(size, dtype=bool)]).all()
