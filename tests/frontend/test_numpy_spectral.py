"""numpy.linalg's qr, eigh, svd and what stands on them, in traced code: values, derivatives, messages.

Vectors have no sign of their own: what does not depend on it is compared.
"""

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
from difc.errors import DtypeError, ShapeError, UnsupportedError
from difc.testing import check_grads
from tests.frontend.traced import check, module_of

RNG = np.random.default_rng(11)
TALL, STACK = RNG.normal(size=(5, 3)), RNG.normal(size=(2, 4, 4))
SYMMETRIC = STACK + STACK.swapaxes(-1, -2)
RIGHT = RNG.normal(size=(5, 2))
DEFICIENT = np.outer(np.arange(1.0, 6.0), np.arange(1.0, 4.0))
NEAR = 1e-10


def _product(factors: Any) -> Any:
    u, s, vh = factors
    k = s.shape[-1]
    return (u[..., :k] * s[..., None, :]) @ vh[..., :k, :]


def _of_vectors(values: Any, vectors: Any) -> Any:
    """Return a symmetric function of an eigendecomposition: the sine of the matrix."""
    return (vectors * np.sin(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "qr": (lambda x: tuple(np.linalg.qr(x)), (TALL,)),
    "qr_stack": (lambda x: np.linalg.qr(x).R, (STACK,)),
    "qr_wide": (lambda x: np.linalg.qr(x.T).Q, (TALL,)),
    "qr_r": (lambda x: np.linalg.qr(x, mode="r"), (TALL,)),
    "qr_complete": (lambda x: np.linalg.qr(x, "complete").R, (TALL,)),
    "qr_integers": (lambda x: np.linalg.qr(x).R, (np.array([[1, 2], [3, 4]]),)),
    "eigh": (lambda x: (np.linalg.eigh(x).eigenvalues, np.abs(np.linalg.eigh(x).eigenvectors)), (SYMMETRIC,)),
    "eigh_lower": (lambda x: _of_vectors(*np.linalg.eigh(x)), (STACK,)),
    "eigh_upper": (lambda x: _of_vectors(*np.linalg.eigh(x, UPLO="U")), (STACK,)),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(x, "u"), (STACK,)),
    "svd": (lambda x: (np.linalg.svd(x).S, _product(np.linalg.svd(x))), (TALL,)),
    "svd_reduced": (lambda x: np.abs(np.linalg.svd(x, full_matrices=False).Vh), (TALL.T,)),
    "svd_values": (lambda x: np.linalg.svd(x, compute_uv=False), (STACK,)),
    "svd_hermitian": (lambda x: _product(np.linalg.svd(x, hermitian=True)), (SYMMETRIC,)),
    "svd_hermitian_values": (lambda x: np.linalg.svd(x, compute_uv=False, hermitian=True), (SYMMETRIC,)),
    "svdvals": (np.linalg.svdvals, (STACK,)),
    "pinv": (np.linalg.pinv, (STACK,)),
    "pinv_deficient": (lambda x: np.linalg.pinv(x, rtol=None), (DEFICIENT,)),
    "pinv_hermitian": (lambda x: np.linalg.pinv(x, hermitian=True), (SYMMETRIC,)),
    "pinv_cutoffs": (lambda x: np.linalg.pinv(x, rcond=np.array([0.1, 0.5])), (STACK,)),
    "lstsq": (np.linalg.lstsq, (TALL, RIGHT)),
    "lstsq_vector": (lambda a, b: np.linalg.lstsq(a, b[:, 0], rcond=-1), (TALL, RIGHT)),
    "lstsq_wide": (lambda a, b: np.linalg.lstsq(a.T, b[:3]), (TALL, RIGHT)),
    "matrix_rank": (lambda x, y: [np.linalg.matrix_rank(z) for z in (x, y, x[0])], (TALL, DEFICIENT)),
    "matrix_rank_tol": (lambda x: np.linalg.matrix_rank(x, tol=2.0), (STACK,)),
    "matrix_rank_hermitian": (lambda x: np.linalg.matrix_rank(x, hermitian=True, rtol=0.3), (SYMMETRIC,)),
    "cond": (lambda x: [np.linalg.cond(x, p) for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")], (STACK,)),
    "cond_tall": (np.linalg.cond, (TALL,)),
    "norm": (lambda x: [np.linalg.norm(x, p) for p in (2, -2, "nuc", "fro", 1, -np.inf)], (TALL,)),
    "norm_axes": (lambda x: np.linalg.norm(x, "nuc", axis=(2, 0), keepdims=True), (STACK,)),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x, ord=-2, keepdims=True), (STACK,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    check(function, *arrays, tolerance=NEAR)
    if "deficient" not in name and name != "matrix_rank":
        check(function, *(a.astype(np.float32) if a.dtype == float else a for a in arrays), tolerance=1e-3)


@pytest.mark.parametrize("name", ["qr", "qr_wide", "eigh_lower", "svd_reduced", "pinv", "lstsq", "matrix_rank", "cond"])
def test_values_of_run_time_size(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    dynamic = [(i, a.ndim - k) for i, a in enumerate(arrays) for k in (1, 2) if name != "lstsq" or i == 0 or k == 2]
    check(function, *arrays, dynamic=dynamic, tolerance=NEAR)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(), (1,), (2, 3)]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from(["f4", "f8", "i4"]),
    st.integers(0, 99),
)
def test_any_shape(lead: Any, m: int, n: int, dtype: str, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-9, 10, (*lead, m, n)).astype(dtype)
    near = 1e-3 if dtype == "f4" else 1e-9
    check(lambda x: np.matmul(*np.linalg.qr(x)), x, tolerance=near)
    check(lambda x: [np.linalg.svd(x)[1], _product(np.linalg.svd(x, full_matrices=False))], x, tolerance=near)
    if m:
        gram = x.swapaxes(-1, -2) @ x
        check(lambda x: [np.linalg.eigvalsh(x), _of_vectors(*np.linalg.eigh(x))], gram, tolerance=near)


def test_results_have_names_and_are_tuples() -> None:
    with difc.disable_jit():
        q, r = found = difc.jit(np.linalg.qr)(TALL)
        np.testing.assert_array_equal(found.Q @ found.R, q @ r)
        assert difc.jit(np.linalg.eigh)(SYMMETRIC)._fields == np.linalg.eigh(SYMMETRIC)._fields
        assert difc.jit(np.linalg.svd)(TALL)._fields == np.linalg.svd(TALL)._fields


# ---- derivatives ---------------------------------------------------------------------------------

NEAR_DIAGONAL = np.diag([1.0, 2.0, 3.5]) + 0.1 * RNG.normal(size=(3, 3))
RECTANGLE = np.vstack([NEAR_DIAGONAL, 0.3 * RNG.normal(size=(1, 3))])


def _projector(basis: Any) -> Any:
    return basis @ np.swapaxes(basis, -1, -2)


SMOOTH: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "qr": (lambda x: tuple(np.linalg.qr(x)), (RECTANGLE,)),
    "qr_wide": (lambda x: tuple(np.linalg.qr(x)), (RECTANGLE.T,)),
    "qr_complete": (
        lambda x: (np.linalg.qr(x, "complete").R, _projector(np.linalg.qr(x, "complete").Q[:, 3:])),
        (RECTANGLE,),
    ),
    "eigh": (lambda x: (np.linalg.eigvalsh(x), np.linalg.eigh(x)[1] ** 2), (NEAR_DIAGONAL,)),
    "eigh_upper": (lambda x: _of_vectors(*np.linalg.eigh(x, UPLO="U")), (NEAR_DIAGONAL,)),
    "svd": (lambda x: (np.linalg.svdvals(x), np.linalg.svd(x, full_matrices=False).U ** 2), (RECTANGLE,)),
    "svd_wide": (lambda x: np.linalg.svd(x, full_matrices=False).Vh ** 2, (RECTANGLE.T,)),
    "svd_full": (lambda x: _projector(np.linalg.svd(x).U[:, 3:]), (RECTANGLE,)),
    "pinv": (np.linalg.pinv, (RECTANGLE,)),
    "pinv_hermitian": (lambda x: np.linalg.pinv(x, hermitian=True), (NEAR_DIAGONAL,)),
    "pinv_wide": (np.linalg.pinv, (RECTANGLE.T,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b)[:2], (RECTANGLE, RIGHT[:4])),
    "norms": (lambda x: [np.linalg.norm(x, p) for p in (2, -2, "nuc")], (RECTANGLE,)),
    "cond": (np.linalg.cond, (RECTANGLE,)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_to_second_order(name: str) -> None:
    check_grads(*SMOOTH[name])


def _gradient(function: Callable[..., Any], x: np.ndarray) -> np.ndarray:
    with difc.disable_jit():
        return np.asarray(difc.grad(lambda x: np.sum(function(x)))(x))


def test_a_gradient_is_that_of_the_triangle_that_is_read() -> None:
    """The other one may hold anything. Of the mean of a matrix and its transpose, gradients are symmetric."""
    x = SYMMETRIC[0]
    vector = np.linalg.eigh(x)[1][:, -1]
    both = np.outer(vector, vector)
    found = _gradient(lambda x: np.linalg.eigvalsh((x + x.T) / 2)[-1], x)
    np.testing.assert_allclose(found, both, atol=1e-12)
    for side, read in (("L", np.tril), ("U", np.triu)):
        found = _gradient(lambda x, side=side: np.linalg.eigvalsh(x, side)[-1], np.where(read(x) != 0, x, np.nan))
        np.testing.assert_allclose(found, read(both + both.T - np.diag(np.diag(both))), atol=1e-12)


def test_equal_values() -> None:
    """Eigenvalues, singular values and the pseudo-inverse have derivatives; vectors have none, as in JAX."""
    np.testing.assert_allclose(_gradient(np.linalg.eigvalsh, np.eye(3)), np.eye(3))
    assert np.isnan(_gradient(lambda x: np.linalg.eigh(x)[1][0] ** 3, np.eye(3))).any()
    np.testing.assert_allclose(_gradient(np.linalg.svdvals, np.eye(3)), np.eye(3))
    assert np.isfinite(_gradient(lambda x: np.linalg.svd(x)[0] ** 3, np.eye(3))).all()
    check_grads(np.linalg.pinv, (2 * np.eye(3),))


@pytest.mark.slow
def test_derivatives_against_jax() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    weight = RNG.normal(size=(4, 3))
    functions: list[Callable[..., Any]] = [
        lambda np, x: np.sum(np.linalg.qr(x)[0] * weight) + np.sum(np.linalg.qr(x)[1] ** 3),
        lambda np, x: np.sum(np.abs(np.linalg.svd(x, full_matrices=False)[0]) * weight),
        lambda np, x: np.sum(np.linalg.svd(x, full_matrices=False)[2] ** 4),
        lambda np, x: np.sum(np.sin(np.linalg.svd(x, compute_uv=False))),
        lambda np, x: np.sum(np.linalg.pinv(x) ** 3),
        lambda np, x: np.sum(np.abs(np.linalg.eigh(x.T @ x)[1]) * weight[:3]),
    ]
    with jax.experimental.enable_x64() if hasattr(jax.experimental, "enable_x64") else jax.enable_x64(True):
        for function in functions:
            want = jax.grad(lambda x, f=function: f(jnp, x))(RECTANGLE)
            with difc.disable_jit():
                found = difc.grad(lambda x, f=function: f(np, x))(RECTANGLE)
            np.testing.assert_allclose(found, np.asarray(want), atol=1e-10)


def test_vmap() -> None:
    functions = [lambda x: tuple(np.linalg.qr(x)), np.linalg.eigvalsh, np.linalg.svdvals, np.linalg.pinv]
    with difc.disable_jit():
        for function in functions:
            for mapped, whole in zip(
                difc.pytree.flatten(difc.vmap(function)(STACK))[0], difc.pytree.flatten(function(STACK))[0], strict=True
            ):
                np.testing.assert_allclose(mapped, whole, atol=1e-12)


# ---- messages ------------------------------------------------------------------------------------

N = Dim.named("n")


@pytest.mark.parametrize(
    ("function", "shapes", "error", "message"),
    [
        (np.linalg.qr, [(3,)], ShapeError, r"qr needs a matrix, not an array of shape \[3\]"),
        (lambda x: np.linalg.qr(x, "full"), [(3, 3)], ShapeError, "qr has no mode 'full'"),
        (lambda x: np.linalg.qr(x, "raw"), [(3, 3)], UnsupportedError, 'qr with mode="raw"'),
        (
            np.linalg.eigh,
            [(N, 3)],
            ShapeError,
            r"not n by 3.*Remedy: where .* say so.* a\[\.\.\., np\.arange\(3\), :\]",
        ),
        (lambda x: np.linalg.eigh(x, "B"), [(3, 3)], ShapeError, "UPLO is 'B'"),
        (lambda x: np.linalg.norm(x, 3), [(3, 3)], ShapeError, "a matrix has no norm of order 3"),
        (lambda x: np.linalg.pinv(x, 0.1, rtol=0.1), [(3, 3)], ShapeError, "rcond= or rtol=, not both"),
        (lambda x: np.linalg.matrix_rank(x, 0.1, rtol=0.1), [(3, 3)], ShapeError, "tol= or rtol=, not both"),
        (np.linalg.lstsq, [(3, 2), (4,)], ShapeError, "a matrix of 3 rows and a right-hand side of 4"),
        (np.linalg.lstsq, [(2, 3, 2), (2, 3, 1)], ShapeError, "lstsq takes one matrix.*difc.vmap"),
        (np.linalg.eig, [(3, 3)], UnsupportedError, "general matrix are complex.*eigh"),
        (np.linalg.eigvals, [(3, 3)], UnsupportedError, "general matrix are complex.*eigh"),
    ],
)
def test_messages(function: Any, shapes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as raised:
        module_of(lambda *xs: function(*xs), [Aval(s, np.dtype(float)) for s in shapes])
    assert "test_numpy_spectral.py" in str(raised.value)


def test_half_floats_are_refused() -> None:
    with pytest.raises(DtypeError, match="svd does not work in float16"):
        module_of(np.linalg.svd, [Aval((2, 2), np.dtype(np.float16))])
