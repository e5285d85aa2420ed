"""Programs that once failed or gave wrong numbers, compiled and compared with NumPy or the interpreter."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.pytree import flatten
from tests.pipelines.artifacts import VULKAN, needs_vulkan

EMPTY, WIDE, X = np.ones((0, 5)), np.arange(10.0).reshape(2, 5), np.arange(12.0).reshape(3, 4)


def check_all(programs: list[Callable[..., Any]], *arguments: np.ndarray) -> None:
    """Compile programs of the same arguments as one, and compare with NumPy."""
    found = difc.jit(lambda *args: [program(*args) for program in programs])(*arguments)
    for i, (program, value) in enumerate(zip(programs, found, strict=True)):
        wanted = program(*arguments)
        assert np.shape(value) == np.shape(wanted), i
        np.testing.assert_allclose(value, wanted, rtol=1e-12, err_msg=f"program {i}")


def test_empty_arrays_can_be_sliced_joined_and_reversed() -> None:
    check_all(
        [
            lambda x, y: x[:, 1:],
            lambda x, y: x[::-1],
            lambda x, y: np.argmax(x[:, :2], axis=1),
            lambda x, y: np.concatenate([x[:, :2], x[:, 1:]], axis=1),
            lambda x, y: np.concatenate([y[:, :0], y[:, 1:], y[:, 5:]], axis=1),
            lambda x, y: y[:, 5:],
        ],
        EMPTY,
        WIDE,
    )
    assert np.shape(difc.grad(lambda x: np.sum(np.prod(x, axis=1)))(EMPTY)) == (0, 5)


def test_loops_over_empty_arrays() -> None:
    def loop(start: Any, rows: Any) -> Any:
        return difc.scan(lambda c, x: (np.sin(c) + np.sum(x), (c, x * 2.0)), start, rows)

    start, rows = np.ones((2, 0)), np.ones((3, 0))
    last, (states, doubled) = difc.jit(loop)(start, rows)
    assert [np.shape(a) for a in (last, states, doubled)] == [(2, 0), (3, 2, 0), (3, 0)]
    slopes = difc.grad(lambda *args: np.sum(loop(*args)[0]), argnums=(0, 1))(start, rows)
    assert [np.shape(a) for a in slopes] == [(2, 0), (3, 0)]
    slope = difc.grad(lambda x, n: np.sum(difc.fori_loop(0, n, lambda i, c: np.sin(c), x)))
    assert np.shape(difc.jit(slope)(EMPTY, 2)) == (0, 5)


def test_an_update_in_reverse_with_steps_of_a_run_time_size() -> None:
    late = difc.compile(lambda x: (x.at[::-1].set(x * 2.0), x.at[::-1].set(1.0)), difc.f64["n"])
    np.testing.assert_array_equal(late(np.arange(3.0)), [[4, 2, 0], [1, 1, 1]])
    for values in (lambda x: x[::2], lambda x: 1.0):
        with pytest.raises(difc.errors.ShapeError, match="a part with a step of dim 0, of run-time size n, cannot be"):
            difc.compile(lambda x, values=values: x.at[::-2].set(values(x)), difc.f64["n"])


def test_solving_systems_of_no_rows_and_inserting_out_of_bounds() -> None:
    none = np.ones((0, 0))
    programs = [np.linalg.inv, np.linalg.det, lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.solve(a, EMPTY)]
    check_all([*programs, lambda a: np.linalg.solve(np.linalg.cholesky(a), a)], none)
    assert np.shape(difc.grad(lambda a: np.sum(np.linalg.solve(a, EMPTY)))(none)) == (0, 0)
    with pytest.raises(difc.errors.ShapeError, match=r"(?s)insert: index 1 is out of bounds.*test_regressions"):
        difc.compile(lambda x: np.insert(x, 1, 0.5), difc.f32[0])


def test_a_single_element_joined_with_others_beside_a_changed_rank() -> None:
    def slope(x: Any) -> Any:
        return np.sum(np.sort(x, None) ** 2) * np.max(x)

    def program(x: Any) -> Any:
        smaller, y = np.minimum(difc.vmap(difc.grad(slope))(x), x), np.unwrap(x * 3.0)
        y = y / np.sqrt(1.0 + y * y)
        return np.mean(smaller) + np.mean(y), (smaller, y)

    f, x = difc.value_and_grad(program, has_aux=True), np.linspace(-1.0, 1.5, 7, dtype=np.float32)
    with difc.disable_jit():
        wanted = flatten(difc.jit(f)(x))[0]
    for got, want in zip(flatten(difc.jit(f)(x))[0], wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_second_derivatives_of_products_of_single_elements() -> None:
    inner = difc.grad(lambda x: np.sum(np.linalg.inv(x @ x.T + 1.0) ** 2))
    slope, x = difc.grad(lambda x: np.sum(np.sin(inner(x)))), np.array([[1.4]])
    with difc.disable_jit():
        wanted = difc.jit(slope)(x)
    np.testing.assert_allclose(difc.jit(slope)(x), wanted, rtol=1e-12)


def test_a_reduction_of_one_number_repeated() -> None:
    check_all(
        [
            lambda x, w: np.sum(np.tanh(x @ w) + 1.0),
            lambda x, w: np.max(np.exp(x @ w) * 3, axis=0),
            lambda x, w: np.cumsum(np.exp(x @ w) * 3, axis=0),
        ],
        np.ones((3, 0)),
        np.ones((0, 2)),
    )


def test_an_element_read_from_a_strided_slice() -> None:
    order = np.array([1, 0])
    check_all(
        [
            lambda x: x[::-1, ::2],
            lambda x: x[:, ::2][:, order],
            lambda x: x[::2][::-1],
            lambda x: np.cumsum(x, axis=1)[:, ::-3],
            lambda x: x[:, 1::3] * 2,
        ],
        X,
    )
    f = difc.compile(lambda x: (x[1::3][::-1] + x[1::3], x[:, None][::2].T), difc.f64["n"])
    for size in (0, 1, 2, 5, 8):
        y = np.arange(float(size))
        found = f(y)
        np.testing.assert_array_equal(found[0], y[1::3][::-1] + y[1::3])
        np.testing.assert_array_equal(found[1], y[:, None][::2].T)


def test_a_joined_array_that_is_transposed_or_repeated() -> None:
    check_all(
        [
            lambda x: np.swapaxes(np.stack([x, x**2], 2), 0, 2)[1],
            lambda x: np.broadcast_to(np.concatenate([x, x]), (2, 6, 4)) * 2,
        ],
        X,
    )


def test_an_axis_along_which_an_array_is_only_repeated_can_be_reduced() -> None:
    a, b = np.arange(3.0)[:, None], np.arange(1.0, 5.0)[None]
    found = difc.grad(lambda a, b: np.sum(a * b + a**2 * b[0]), argnums=(0, 1))(a, b)
    np.testing.assert_allclose(found[0], 10 + 2 * a * 10)
    np.testing.assert_allclose(found[1], np.full((1, 4), 3 + 5.0))
    check_all([lambda a, b: np.max(np.broadcast_to(b[0], (3, 4)), axis=0)], a, b)


def vulkan_programs() -> list[Callable[..., Any]]:
    return [
        lambda x, v: x - np.sum(x, axis=0, keepdims=True),
        lambda x, v: x - v @ x,
        lambda x, v: (v @ x)[None, :, None] * x[:, :, None],
        lambda x, v: difc.nn.softmax(x, axis=0),
        lambda x, v: (np.exp(x), np.sum(np.exp(x), axis=0), np.max(np.exp(x))),
        difc.grad(lambda x, v: np.sum((x - np.max(x, axis=0)) ** 2) + np.sum(np.max(x, axis=1))),
        lambda x, v: x * np.argmin(x, axis=0),
    ]


@needs_vulkan
@pytest.mark.parametrize("which", range(len(vulkan_programs())))
def test_threads_on_vulkan_wait_for_what_other_threads_computed(which: int) -> None:
    program, random = vulkan_programs()[which], np.random.default_rng(which)
    x, v = random.normal(size=(33, 17)).astype(np.float32), random.normal(size=33).astype(np.float32)
    compiled = difc.compile(program, x, v, target="vulkan")
    compiled(3 * x + 1, v - 2)  # else the memory may hold the right numbers by chance
    found = compiled(x, v)
    with difc.disable_jit():
        wanted = difc.jit(program)(x, v)
    as_tuple = lambda y: y if isinstance(y, tuple) else (y,)  # noqa: E731
    for y, z in zip(as_tuple(found), as_tuple(wanted), strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-3, atol=1e-3)


def test_a_traced_value_stored_in_a_numpy_array_says_what_to_do() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(4)
        y[0] = x[0]
        return np.sum(y)

    with pytest.raises(difc.errors.MutationError, match=r"cannot be stored in a NumPy array") as caught:
        difc.grad(f)(np.ones(4))
    assert "y[0] = x[0]" in str(caught.value)
    assert "at[index].set" in str(caught.value)
    g = difc.grad(lambda x: np.sum(dnp.zeros(4).at[0].set(x[0])))
    np.testing.assert_array_equal(g(np.ones(4)), [1, 0, 0, 0])


def test_a_formatted_traced_value_says_what_to_do() -> None:
    with pytest.raises(difc.errors.ConcretizationError, match=r"its text in the format '.3f'"):
        difc.jit(lambda x: {f"{x:.3f}": x})(1.0)
    assert difc.jit(lambda x: {f"{x}": x})(1.0) == {"Tracer<f64[]>": 1.0}


def test_a_ufunc_of_another_library() -> None:
    special = pytest.importorskip("scipy.special")
    assert difc.jit(special.expit)(np.float64(0.0)) == 0.5  # one that difc has under the same name
    with pytest.raises(difc.errors.UnsupportedError, match=r"the ufunc airy, which is not NumPy's, cannot be traced"):
        difc.jit(special.airy)(1.0)


def test_results_of_two_run_time_sizes_beside_a_sum_over_both() -> None:
    def scaled(x: Any) -> Any:
        total = np.sum((x @ x) * 2, axis=(1, 2), keepdims=True)
        return (x / total) @ x, x / total + 1, total

    x = np.random.default_rng(0).normal(size=(2, 5, 5))
    for found, wanted in zip(difc.compile(scaled, difc.f64["b", "n", "n"])(x), scaled(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_sum_of_run_time_size_that_is_a_result_and_used_by_another_sum() -> None:
    def shares(z: Any) -> Any:
        s = np.sum(z, axis=-1, keepdims=True)
        return s, np.sum(z / s, axis=-1)

    z = np.linspace(0.5, 1.5, 150, dtype=np.float32).reshape(3, 50)
    for target in ("cpu", "cpu-generic"):
        for found, wanted in zip(difc.compile(shares, difc.f32["b", 50], target=target)(z), shares(z), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_sums_of_products_with_a_repeated_factor() -> None:
    check_all([lambda x, w: np.sum(x * w), lambda x, w: np.sum(np.sum(x**2 * w, axis=1))], X, np.arange(4.0))


def test_a_column_read_twice_by_position_in_a_sum() -> None:
    t, w = np.linspace(0, 2, 32), np.ones(32)

    def f(x: Any) -> Any:
        values = np.exp(-t[:, None] * np.abs(x)) * np.cos(t[:, None] * x)
        return np.sum(w @ values) + np.trapezoid(values[:, 0], t)

    check_all([f], np.linspace(-1.0, 1.0, 20))


ORDER = np.array([1, 0])
COLUMNS: list[Callable[..., Any]] = [
    lambda x, i: (x[:, 0][ORDER], x[:, i][ORDER], x[:, -1][::-1], x.T[0][ORDER], x[1:, 0][ORDER]),
    lambda x, i: (np.sort(x[:, 0]), np.cumsum(x[:, 1])[ORDER], (x * 2)[:, 0][ORDER]),
    difc.grad(lambda x, i: np.sum(x[0][ORDER] ** 2 + x[:, i][ORDER] ** 2) + np.sum(np.sort(x[:, 0]) ** 2)),
]


@pytest.mark.parametrize("target", ["cpu", pytest.param("vulkan", marks=VULKAN)])
def test_elements_read_from_a_column_of_an_array_of_run_time_size(target: str) -> None:
    """Also written to: the derivative of reading is a scatter, into a row or column of zeros."""
    kind = difc.f64 if target == "cpu" else difc.f32
    for spec in (kind["t", "n"], kind[4, "n"]):
        compiled = difc.compile(lambda x, i: [f(x, i) for f in COLUMNS], spec, difc.i64, target=target)
        x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float64 if target == "cpu" else np.float32)
        with difc.disable_jit():
            wanted = difc.jit(lambda x, i: [f(x, i) for f in COLUMNS])(x, np.int64(2))
        for found, want in zip(flatten(compiled(x, np.int64(2)))[0], flatten(wanted)[0], strict=True):
            np.testing.assert_allclose(np.asarray(found), want, rtol=1e-5)


def test_sorting_within_loops_and_branches() -> None:
    """The loop that merges runs is within another one."""

    def f(x: Any) -> Any:
        last, rows = difc.scan(lambda c, row: (np.sort(c + row), np.argsort(row)), x[0], x)
        chosen = difc.cond(np.sum(x) > 0, lambda x: np.sort(x[0]), lambda x: -np.sort(x[1]), x)
        return np.sum(last * chosen), rows

    program = difc.value_and_grad(f, has_aux=True)
    x = np.random.default_rng(0).normal(size=(3, 70))
    with difc.disable_jit():
        wanted = program(x)
    for spec in (difc.f64[3, 70], difc.f64["t", "n"]):
        found = difc.compile(program, spec)(x)
        for a, b in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
            np.testing.assert_allclose(np.asarray(a), b, rtol=1e-12)


@needs_vulkan
def test_a_contraction_read_transposed_on_vulkan() -> None:
    f, p = np.random.default_rng(0).normal(size=(2, 4, 4))
    gradient = difc.grad(lambda f, p: np.sum((f @ p @ f.T) ** 2))
    with difc.disable_jit():
        wanted = difc.jit(gradient)(f, p)
    np.testing.assert_allclose(difc.compile(gradient, f, p, target="vulkan")(f, p), wanted, rtol=1e-12)


def test_one_array_read_along_several_dims_at_once() -> None:
    squares = lambda x: np.sum(x**2, axis=1)  # noqa: E731
    check_all(
        [
            lambda x, y: squares(x)[:, None] + squares(x),
            lambda x, y: np.outer(squares(x), squares(x)),
            lambda x, y: (x / np.max(x, axis=1, keepdims=True)).T + np.max(x, axis=1, keepdims=True),
            lambda x, y: squares(x @ y)[:, None] - squares(x @ y),
            lambda x, y: np.sum(x**2, axis=1, keepdims=True) + np.sum(x**2, axis=1, keepdims=True).T,
            lambda x, y: np.exp(squares(x)[:, None] + squares(x) - 2 * x @ x.T),
        ],
        *np.random.default_rng(0).normal(size=(2, 5, 5)),
    )


def test_products_of_the_same_factors_in_another_order() -> None:
    """One value for two results of a kernel: IREE took the second for the kernel's first result."""
    slope = difc.grad(np.sinc)
    programs = [difc.vmap(slope), difc.vmap(difc.grad(slope))]
    x = np.linspace(-0.3, 2, 11)
    with difc.disable_jit():
        wanted = [program(x) for program in programs]
    for found, want in zip(difc.jit(lambda x: [program(x) for program in programs])(x), wanted, strict=True):
        np.testing.assert_allclose(np.asarray(found), want, rtol=1e-10)


def test_programs_can_be_longer_than_pythons_stack() -> None:
    """No stage calls itself for the operands of an op, whose sizes are asked for at the end of the chain first."""

    def chain(count: int) -> Any:
        return lambda x, scale: np.sin(functools.reduce(lambda y, _: y * scale + 0.25, range(count), x))

    def function(count: int) -> Any:
        def f(x: Any) -> Any:
            fixed = difc.stop_gradient(x[0])
            rows = difc.scan(lambda c, row: (chain(count)(c, 1.1) + row, c * chain(count)(1.1, fixed)), x[0], x)[1]
            return np.sum(difc.cond(x[0, 0] > 0, lambda y: chain(count)(y, y), lambda y: y, rows))

        return difc.grad(f)

    limit = sys.getrecursionlimit()
    difc.trace(function(1), difc.f32["n", "m"]).ir("linalg")
    try:
        sys.setrecursionlimit(len(inspect.stack(0)) + 200)
        assert len(difc.trace(function(160), difc.f32["n", "m"]).ir("linalg").splitlines()) > 160
    finally:
        sys.setrecursionlimit(limit)


def _agrees(function: Callable[..., Any], *arguments: np.ndarray, specs: tuple[Any, ...] = ()) -> None:
    """Compile one program and compare with the interpreter."""
    found = difc.compile(function, *(specs or arguments))(*arguments)
    with difc.disable_jit():
        wanted = difc.jit(function)(*arguments)
    for value, want in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        scale = max(1.0, float(np.max(np.abs(want), initial=0)))
        np.testing.assert_allclose(value, want, rtol=1e-4, atol=1e-4 * scale)


RANDOM = np.random.default_rng(0)
READERS: dict[str, Callable[..., Any]] = {
    "product": lambda y, w: y @ w,
    "sort": lambda y, w: np.sort(y, 1),
    "running sum": lambda y, w: np.cumsum(y, 1),
}


@pytest.mark.parametrize("target", ["cpu", pytest.param("vulkan", marks=VULKAN)])
@pytest.mark.parametrize("reader", READERS)
def test_an_array_is_read_before_it_is_updated(reader: str, target: str) -> None:
    """IREE wrote what the update sets into the array when it was computed, before the array was read."""

    def program(z: Any, w: Any) -> Any:
        y, new = np.tanh(z), np.cos(z[3:40]) * 2
        return READERS[reader](y, w), y.at[3:40].set(new)

    z, w = (RANDOM.normal(size=(64, 64)).astype(np.float32) for _ in range(2))
    found = difc.compile(program, z, w, target=target)(z, w)
    y = np.tanh(z)
    np.testing.assert_allclose(found[0], READERS[reader](y, w), rtol=1e-3, atol=1e-3)
    y[3:40] = np.cos(z[3:40]) * 2
    np.testing.assert_allclose(found[1], y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", ["cpu", pytest.param("vulkan", marks=VULKAN)])
def test_arrays_that_begin_alike(target: str) -> None:
    """IREE joins both from the same beginning, in place, and moved one's second piece before the other's copy of it."""

    def program(x: Any) -> Any:
        square = x * x
        return np.stack([x, 2 * x - 1, square]), np.stack([x, 2 * x, square + square])

    x = RANDOM.normal(size=(2, 3)).astype(np.float32)
    found = difc.compile(program, difc.f32["n", "m"], target=target)(x)
    for one, other in zip(found, program(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_second_derivatives_through_a_stack_of_three() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.stack([x, 2 * x - 1, x * x]) ** 3)

    x = RANDOM.normal(size=(2, 3))
    found = difc.compile(lambda x: difc.jvp(difc.grad(loss), (x,), (x,))[1], difc.f64["n", "m"])(x)
    np.testing.assert_allclose(found, x * (6 * x + 24 * (2 * x - 1) + 30 * x**4), rtol=1e-12)


def test_an_update_waits_for_those_who_read() -> None:
    """IREE sorted kernels by what they need: an update in place came before a product that reads the old array."""

    def program(x: Any, w: Any, k: Any) -> Any:
        low = np.minimum(np.max(w), w)
        flipped = np.mean(np.broadcast_to(x[:, ::-1], (130, *x.shape)), axis=0)
        product, changed = np.tanh(low @ w), low.at[k % 130].add(0.5)
        return [np.mean(each * 0.3) for each in (low, flipped, product, changed)]

    x, w = (RANDOM.normal(size=(n, 130)).astype(np.float32) for n in (40, 130))
    _agrees(program, x, w, RANDOM.integers(0, 130, 40))


def test_updates_of_equal_constants() -> None:
    """Two buffers of equal numbers, made for an update each, became one."""
    v, places = RANDOM.normal(size=(4, 3)), np.array([0, 2, 2, -1])
    _agrees(lambda v, p: [dnp.ones((4, 3)).at[p].multiply(u) for u in (v, v * 2)], v, places)
    _agrees(difc.grad(lambda v, p: np.sum(dnp.ones((4, 3)).at[p].multiply(v) ** 2)), v, places)


def test_an_array_that_a_branch_returns_and_a_loop_takes() -> None:
    """The virtual machine had one register for both: the branch's result was in the loop's place."""

    def program(x: Any, y: Any, k: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            return np.tanh(c) * 0.9, np.take(c, np.argsort(k)[0] % c.shape[0])

        last, seen = difc.scan(step, y, length=np.min(k) % 3 + 1)
        chosen = difc.cond(np.sum(x) - np.mean(seen) > -0.3, np.negative, lambda x: x, x)
        return np.mean(last * 0.3) + np.mean(np.outer(last * 0.3, chosen[:, 0]))

    x, y = RANDOM.normal(size=(64, 96)).astype(np.float32), RANDOM.normal(size=96).astype(np.float32)
    specs = difc.f32["n", "m"], difc.f32["m"], difc.i64["n"]
    for sign in (1, -1):
        _agrees(difc.grad(program, argnums=(0, 1)), np.abs(x) * sign, y, RANDOM.integers(0, 64, 64), specs=specs)


def test_results_that_turn_out_to_be_one_value() -> None:
    def products(x: np.ndarray, matrix: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, ...]:
        y = x + np.sin(x)
        once = np.where(mask, y, 0.0)
        twice = np.where(mask, once, 0.0)
        return matrix @ once, matrix.T @ twice, matrix @ y, matrix @ np.where(mask, twice, 0.0)

    x, matrix = np.random.default_rng(0).normal(size=(2, 5, 5))
    for got, want in zip(difc.jit(products)(x, matrix, x > 0), products(x, matrix, x > 0), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_second_derivatives_of_factors_in_loops() -> None:
    def total(a: np.ndarray) -> np.ndarray:
        def step(x: np.ndarray) -> np.ndarray:
            lower = np.linalg.cholesky(a @ np.swapaxes(a, -1, -2) * 0.1 + 2 * np.eye(7))
            return np.tanh(np.einsum("...ij,...j->...i", lower, x)) + np.sum(np.sin(a * 0.5 + lower * 0.3))

        return np.sum(difc.map(step, np.ones((1, 4, 7))))

    a = np.random.default_rng(0).normal(size=(4, 7, 7))
    slope = difc.jit(lambda a: difc.jvp(difc.grad(total), (a,), (np.sin(a),))[1])
    with difc.disable_jit():
        wanted = slope(a)
    np.testing.assert_allclose(slope(a), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("target", ["cpu", pytest.param("vulkan", marks=VULKAN)])
def test_sums_of_converted_constants(target: str) -> None:
    """IREE computes them when it compiles, and wrongly: of five times True it made 1."""
    x = np.arange(20, dtype=np.int32).reshape(4, 5)

    def program(x: Any) -> Any:
        every, narrow = np.ones_like(x, dtype=bool), np.full_like(x, 3, dtype=np.int16)
        return np.sum(every), np.sum(every, axis=1), np.sum(narrow, axis=0), np.nanmean(x, axis=1)

    for got, want in zip(difc.compile(program, x, target=target)(x), program(x), strict=True):
        np.testing.assert_array_equal(got, want)


def test_products_of_matrices_without_rows_or_columns() -> None:
    """Sizes that are 0 at run time were divisors in the kernel, which ended the process."""
    product = difc.compile(lambda x, y: x @ y, difc.f32["m", "k"], difc.f32["k", "n"])
    of_vector = difc.compile(lambda x, v: (x @ v, v @ x.T), difc.f64["m", "k"], difc.f64["k"])
    for m, k, n in ((0, 5, 3), (2, 3, 0), (2, 0, 3), (0, 0, 0), (70, 66, 65)):
        np.testing.assert_array_equal(product(np.ones((m, k), "f4"), np.ones((k, n), "f4")), np.full((m, n), k))
        for found in of_vector(np.ones((m, k)), np.ones(k)):
            np.testing.assert_array_equal(found, np.full(m, k))
