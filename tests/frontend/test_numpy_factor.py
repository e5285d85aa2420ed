"""numpy.linalg's factorisations and solves in traced code: values, derivatives, what has no factor, messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import difc
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import DtypeError, ShapeError
from difc.testing import check_grads
from tests.frontend.traced import check, module_of, trace_and_run

RNG = np.random.default_rng(5)
A = RNG.uniform(-1, 1, (4, 4)) + 2 * np.eye(4)
STACK = RNG.uniform(-1, 1, (2, 3, 4, 4)) + 2 * np.eye(4)
DEFINITE = STACK @ STACK.swapaxes(-1, -2) + np.eye(4)
EQUATIONS, UNKNOWNS = RNG.uniform(-1, 1, (6, 2, 3)), RNG.uniform(-1, 1, 6)
TURNED = RNG.uniform(-1, 1, (2, 6, 3))
NEAR = 1e-10

FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cholesky": (np.linalg.cholesky, (DEFINITE,)),
    "cholesky_upper": (lambda x: np.linalg.cholesky(x, upper=True), (DEFINITE,)),
    "solve_vector": (np.linalg.solve, (A, np.arange(4.0))),
    "solve_matrix": (np.linalg.solve, (A, np.ones((4, 2)))),
    "solve_stack": (np.linalg.solve, (STACK, STACK[..., :1])),
    "solve_one_matrix": (np.linalg.solve, (A, STACK)),
    "solve_one_side": (np.linalg.solve, (STACK, A)),
    "solve_stack_of_one_vector": (np.linalg.solve, (STACK, np.arange(4.0))),
    "inv": (np.linalg.inv, (STACK,)),
    "inv_integers": (np.linalg.inv, (np.array([[1, 2], [3, 5]]),)),
    "det": (np.linalg.det, (STACK,)),
    "det_small": (lambda *xs: [np.linalg.det(x) for x in xs], [STACK[..., :k, :k] for k in range(4)]),
    "slogdet": (lambda x: tuple(np.linalg.slogdet(x)), (STACK - 2 * np.eye(4),)),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, -3), (A,)),
    "tensorsolve": (np.linalg.tensorsolve, (EQUATIONS, UNKNOWNS)),
    "tensorsolve_axes": (lambda a, b: np.linalg.tensorsolve(a, b, axes=(0, 2)), (TURNED, UNKNOWNS)),
    "tensorinv": (lambda a: np.linalg.tensorinv(a, 1), (EQUATIONS,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    check(function, *arrays, tolerance=NEAR)


@pytest.mark.parametrize("name", ["cholesky", "solve_matrix", "solve_vector", "inv", "det", "slogdet"])
def test_values_in_f32_and_of_run_time_size(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    check(function, *(a.astype(np.float32) for a in arrays), tolerance=1e-4)
    rank = arrays[0].ndim
    dynamic = [(0, rank - 1), (0, rank - 2), *((i, d) for i, d in [(1, 0)] if len(arrays) > 1)]
    check(function, *arrays, dynamic=dynamic, tolerance=NEAR)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(), (1,), (2,), (3, 1)]),
    st.sampled_from([(), (1,), (2,), (3, 2)]),
    st.integers(0, 5),
    st.integers(0, 3),
    st.sampled_from(["f4", "f8", "i4"]),
)
def test_solve_of_any_shapes(lead: Any, other: Any, size: int, columns: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    a = (rng.integers(-2, 3, (*lead, size, size)) + 9 * np.eye(size)).astype(dtype)
    b = rng.integers(-5, 6, (*other, size, columns)).astype(dtype)
    check(np.linalg.solve, a, b, tolerance=1e-4 if dtype == "f4" else NEAR)


# ---- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["cholesky", "solve_vector", "solve_one_matrix", "solve_one_side", "inv", "det", "det_small", "slogdet"]
)
def test_gradients_to_second_order(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    if name == "slogdet":
        check_grads(lambda x: np.linalg.slogdet(x)[1], arrays)
    else:
        check_grads(function, [a[:1, :2] if a.ndim == 4 else a for a in arrays])


def test_cholesky_reads_one_triangle() -> None:
    """The other one may hold anything; a gradient is 0 there."""
    lower, upper = np.where(np.tri(4), DEFINITE, np.nan), np.where(np.tri(4).T, DEFINITE, np.nan)
    functions = {"lower": np.linalg.cholesky, "upper": lambda x: np.linalg.cholesky(x, upper=True)}
    for name, x in (("lower", lower), ("upper", upper)):
        check(functions[name], x, tolerance=NEAR)
        check_grads(functions[name], [STACK[0, 0] + 2 * np.eye(4)])  # of what is not symmetric
        with difc.disable_jit():
            gradient = difc.grad(lambda x, f=functions[name]: np.sum(f(x) ** 3))(x)
        assert np.isfinite(gradient).all()
        np.testing.assert_array_equal(np.where(np.isnan(x), gradient, 0), 0)


SHIFT = np.eye(4, k=1)
SINGULAR = np.array([[1.0, 2, 3, 1], [2, 4, 6, 2], [1, 0, 1, 5], [0, 1, 1, 1]])  # the second row is twice the first
ZERO_COLUMN = A * [1.0, 0, 1, 1]


@pytest.mark.parametrize("x", [SINGULAR, SINGULAR.T, ZERO_COLUMN, A, np.outer(A[0], A[1]), SHIFT, 0 * SHIFT])
def test_the_gradient_of_det_is_the_cofactors(x: np.ndarray) -> None:
    """Also where one pivot is zero, wherever it is, or several are."""
    minors = [[np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) for j in range(4)] for i in range(4)]
    cofactors = np.array(minors) * (-1.0) ** np.add.outer(range(4), range(4))
    with difc.disable_jit():
        for f in (np.linalg.det, lambda x: np.linalg.det(np.pad(x, (0, 1)) + np.diag([0, 0, 0, 0, 1.0]))):
            np.testing.assert_allclose(difc.grad(f)(x), cofactors, atol=1e-12)


@pytest.mark.parametrize("scale", [np.logspace(6, -6, 6), np.logspace(-6, 6, 6)[:, None]])
def test_the_gradient_of_det_where_scales_differ(scale: np.ndarray) -> None:
    x = np.random.default_rng(5).standard_normal((6, 6)) * scale
    with difc.disable_jit():
        np.testing.assert_allclose(difc.grad(np.linalg.det)(x), np.linalg.det(x) * np.linalg.inv(x).T, rtol=1e-12)


@pytest.mark.parametrize("rank", [0, 2, 3, 4, 5])
def test_the_second_derivative_of_det(rank: int) -> None:
    """Along a line the determinant is a polynomial."""
    rng = np.random.default_rng(rank)
    t, steps = rng.uniform(-1, 1, (5, 5)), np.arange(-2.5, 3)
    for x in (rng.uniform(-1, 1, (5, rank)) @ rng.uniform(-1, 1, (rank, 5)), np.eye(5, k=5 - rank)):
        values = np.linalg.det(x + steps[:, None, None] * t)
        want = 2 * np.polynomial.Polynomial.fit(steps, values, 5).convert().coef[2]
        with difc.disable_jit():
            found = np.sum(t * difc.jvp(difc.grad(np.linalg.det), (x,), (t,))[1])
        np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_second_derivative_of_det_at_zeros(size: int) -> None:
    x, t = np.zeros((size, size)), np.diag([1.0] * (size - 1) + [0.0])
    with difc.disable_jit():
        tangents = [difc.jvp(difc.grad(np.linalg.det), (x + s * t,), (t,))[1][-1, -1] for s in (0.0, 1.0)]
    np.testing.assert_array_equal(tangents, [size == 2, size - 1])  # of s^(size - 1)


def _ops(function: Callable[..., Any], *arrays: Any) -> str:
    return difc.trace(function, *arrays).ir("ad")


def test_derivatives_use_the_factor_again() -> None:
    for function in (np.linalg.solve, lambda a, b: np.linalg.inv(a), lambda a, b: np.linalg.slogdet(a)[1]):
        gradient = difc.grad(lambda a, b, f=function: np.sum(f(a, b)), argnums=(0, 1))
        for f in (gradient, lambda a, b, g=gradient: difc.jvp(g, (a, b), (a, b))[1]):
            text = _ops(f, A, A)
            assert text.count('"dif.lu"') == 1
            assert "triangular_solve" not in text
    text = _ops(difc.grad(lambda x: np.sum(np.linalg.cholesky(x))), DEFINITE[0, 0])
    assert text.count('"dif.cholesky"') == text.count('"dif.cholesky_cotangent"') == 1


def test_lanes_with_one_matrix_share_its_factors() -> None:
    text = _ops(difc.vmap(np.linalg.solve, in_axes=(None, 0)), A, np.ones((5, 4)))
    assert '"dif.lu"(%arg0) : (tensor<4x4xf64>)' in text
    assert "tensor<4x5xf64>) -> tensor<4x5xf64>" in text


# ---- no factor, no program -----------------------------------------------------------------------


def test_what_has_no_factor_gives_nan_or_infinities() -> None:
    stack = np.stack([DEFINITE[0, 0], -DEFINITE[0, 0], np.zeros((4, 4))])
    (found,) = trace_and_run(np.linalg.cholesky, stack)
    np.testing.assert_allclose(found[0], np.linalg.cholesky(stack[0]))
    assert np.isnan(found[1:, np.tri(4, dtype=bool)]).all()
    assert (found[1:, ~np.tri(4, dtype=bool)] == 0).all()
    (solved,) = trace_and_run(np.linalg.solve, ZERO_COLUMN, np.ones(4))
    assert not np.isfinite(solved).all()
    sign, logarithm = trace_and_run(lambda x: tuple(np.linalg.slogdet(x)), ZERO_COLUMN)
    assert (sign, logarithm) == (0, -np.inf)


N, M = Dim.named("n"), Dim.named("m")


@pytest.mark.parametrize(
    ("function", "shapes", "message"),
    [
        (np.linalg.cholesky, [(2, 3)], "cholesky needs square matrices, not 2 by 3"),
        (np.linalg.inv, [(N, M)], "inv needs square matrices, not n by m"),
        (np.linalg.det, [(3,)], r"det needs a matrix, not an array of shape \[3\]"),
        (np.linalg.solve, [(3, 3), (4,)], r"solve: matrices of shape \[3, 3\].*shape \[4\] do not fit: 3 rows and 4"),
        (np.linalg.solve, [(3, 3), (2, 4, 1)], r"do not fit: 3 rows and 4.*b\[..., None\]"),
        (np.linalg.solve, [(2, 3, 3), (4, 3, 1)], "do not broadcast"),
        (np.linalg.solve, [(3, 3), ()], "neither a vector nor a matrix"),
        (np.linalg.tensorsolve, [(6, 2, 2), (6,)], "as many equations as unknowns, not 6 and 4"),
        (np.linalg.tensorinv, [(6, 2, 3)], "a square map, not one of 12 by 3"),
        (lambda x: np.linalg.tensorinv(x, 0), [(6, 2, 3)], "an ind of 1 to 2, not 0"),
    ],
)
def test_messages(function: Any, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"(?s){message}") as raised:
        module_of(lambda *xs: function(*xs), [Aval(s, np.dtype(float)) for s in shapes])
    assert "test_numpy_factor.py" in str(raised.value)


def test_half_floats_are_refused() -> None:
    with pytest.raises(DtypeError, match=r"(?s)inv does not work in float16.*astype\(np.float32\)"):
        module_of(np.linalg.inv, [Aval((2, 2), np.dtype(np.float16))])
