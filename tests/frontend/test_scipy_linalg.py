"""difc.scipy.linalg: in traced code and outside, against SciPy where it is installed, and derivatives."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.scipy.linalg as dl
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import ConcretizationError, InputError, ShapeError, UnsupportedError
from difc.testing import check_grads
from tests.frontend.failing import fails
from tests.frontend.traced import check, module_of, trace_and_run

RNG = np.random.default_rng(3)
A = RNG.uniform(-1, 1, (4, 4)) + np.eye(4)
DEFINITE = A @ A.T + np.eye(4)
STACK = RNG.uniform(-1, 1, (3, 4, 4)) + np.eye(4)
N = Dim.named("n")
B, VECTOR = RNG.uniform(-1, 1, (4, 2)), np.arange(4.0)


FORMS = (None, "sym", "pos", "diagonal", "upper triangular", "lower triangular")


def _solved(a: Any, b: Any, trans: int = 0) -> Any:
    return dl.lu_solve(dl.lu_factor(a), b, trans=trans)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "solve_triangular": (dl.solve_triangular, (A, VECTOR)),
    "solve_triangular_lower": (lambda a, b: dl.solve_triangular(a, b, lower=True, trans="T"), (A, B)),
    "solve_triangular_unit": (lambda a, b: dl.solve_triangular(a, b, trans=1, unit_diagonal=True), (STACK, B)),
    "cho_solve": (lambda a, b: dl.cho_solve(dl.cho_factor(a), b), (DEFINITE, VECTOR)),
    "cho_solve_lower": (lambda a, b: dl.cho_solve(dl.cho_factor(a, lower=True), b), (DEFINITE, B)),
    "cho_factor": (lambda a: dl.cho_factor(a)[0], (DEFINITE,)),
    "lu_factor": (dl.lu_factor, (STACK,)),
    "lu_solve": (_solved, (A, VECTOR)),
    "lu_solve_transposed": (lambda a, b: _solved(a, b, 1), (A, B)),
    "lu": (dl.lu, (STACK,)),
    "lu_permuted": (lambda a: dl.lu(a, permute_l=True), (A,)),
    "lu_indices": (lambda a: dl.lu(a, p_indices=True), (A,)),
    "lu_tall": (lambda a: (*dl.lu(a), *dl.lu_factor(a)), (STACK[..., :2],)),
    "lu_wide": (lambda a: (*dl.lu(a), *dl.lu_factor(a)), (STACK[:, :2],)),
    "lu_wide_indices": (lambda a: (*dl.lu(a, p_indices=True), *dl.lu(a, permute_l=True)), (A[:3],)),
    "lu_empty": (lambda a: (*dl.lu(a, p_indices=True), *dl.lu_factor(a)), (A[:0],)),
    "eigh": (lambda a: dl.eigh(a, lower=False)[0], (DEFINITE,)),
    "eigh_pair": (lambda a, b: (dl.eigvalsh(a, b), dl.eigh(a, b)[1] ** 2), (A + A.T, DEFINITE)),
    "svd": (lambda a: (dl.svd(a, full_matrices=False)[1], dl.svd(a, compute_uv=False), dl.svdvals(a)), (B,)),
    "qr": (dl.qr, (B,)),
    "qr_economic": (lambda a: (*dl.qr(a, mode="economic"), *dl.qr(a, mode="r")), (B,)),
    "pinv": (dl.pinv, (B,)),
    "expm": (dl.expm, (A,)),
    "sqrtm": (dl.sqrtm, (STACK @ STACK,)),
    "solve_sylvester": (dl.solve_sylvester, (A, STACK[0, :2, :2] + 3 * np.eye(2), B)),
    "solve_sylvester_of_stacks": (dl.solve_sylvester, (STACK, DEFINITE, A)),
    "solve_continuous_lyapunov": (dl.solve_continuous_lyapunov, (A, DEFINITE)),
    "solve_discrete_lyapunov": (dl.solve_discrete_lyapunov, (0.3 * STACK, DEFINITE)),
    "cholesky": (lambda a: (dl.cholesky(a), dl.cholesky(a, lower=True)), (DEFINITE,)),
    "det_norm": (lambda a: (dl.det(a), dl.norm(a), dl.norm(a, 1, axis=(-2, -1))), (STACK,)),
    "inv": (lambda a: tuple(dl.inv(a, assume_a=form) for form in (None, "pos", "upper triangular")), (DEFINITE,)),
    "solve": (lambda a, b: (dl.solve(a, b), dl.solve(a, b, transposed=True)), (STACK, B)),
    "solve_forms": (lambda a, b: tuple(dl.solve(a, b, assume_a=form) for form in FORMS), (A + 3 * np.eye(4), VECTOR)),
    "solve_forms_lower": (
        lambda a, b: tuple(dl.solve(a, b, lower=True, assume_a=form) for form in FORMS),
        (A + 3 * np.eye(4), B),
    ),
    "block_diag": (lambda a, b: dl.block_diag(a, 2.0, b, b[:, 0]), (A, B)),
    "block_diag_of_stacks": (lambda a, b: dl.block_diag(a, b), (STACK, B)),
    "toeplitz": (lambda a, b: (dl.toeplitz(a, b), dl.toeplitz(a)), (VECTOR, B[:, 0])),
    "hankel": (lambda a, b: (dl.hankel(a, b), dl.hankel(a)), (VECTOR, B[:, 0])),
    "circulant": (dl.circulant, (STACK[0, :2],)),
    "khatri_rao": (dl.khatri_rao, (A, STACK[1:, :3])),
    "expm_large": (dl.expm, (STACK * np.array([0.01, 1.0, 30.0])[:, None, None],)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traced_as_outside(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    found, wanted = trace_and_run(function, *arrays), function(*arrays)
    for x, y in zip(found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        *("solve_triangular", "cho_solve_lower", "lu_solve", "lu_indices", "expm", "sqrtm"),
        *("solve_forms_lower", "toeplitz", "hankel"),
    ],
)
def test_of_run_time_size(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    dynamic = [(0, -2 + arrays[0].ndim), (0, -1 + arrays[0].ndim), *((1, 0) for _ in arrays[1:])]
    found, wanted = trace_and_run(function, *arrays, dynamic=dynamic), function(*arrays)
    for x, y in zip(found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


RECTANGLES = [A[:, :2], A[:2], A[:1], A[:, :1], A[:, :3] * [1, 0, 1], A[:2] * [[0], [1]], STACK[:, 1:], STACK[..., 1:]]


@pytest.mark.filterwarnings("ignore:Diagonal number")  # SciPy's own, of a form that the matrix is not of
def test_as_scipy_has_it() -> None:
    sl = pytest.importorskip("scipy.linalg")
    ROWS = [(dl.toeplitz, sl.toeplitz), (dl.hankel, sl.hankel), (dl.circulant, sl.circulant)]
    LU = [(dl.lu, sl.lu), (dl.lu_factor, sl.lu_factor)]
    LU += [
        (lambda a, o=o: dl.lu(a, **o), lambda a, o=o: sl.lu(a, **o)) for o in ({"permute_l": True}, {"p_indices": True})
    ]
    for function, peer, arrays in (
        (dl.solve_triangular, sl.solve_triangular, (A, B)),
        (dl.lu_factor, sl.lu_factor, (A,)),
        (dl.lu, sl.lu, (A,)),
        (lambda a: dl.lu(a, permute_l=True), lambda a: sl.lu(a, permute_l=True), (A,)),
        (lambda a: dl.lu(a, p_indices=True), lambda a: sl.lu(a, p_indices=True), (A,)),
        *((function, peer, (a,)) for function, peer in LU for a in RECTANGLES),
        (dl.eigvalsh, sl.eigvalsh, (A + A.T, DEFINITE)),
        (lambda a: dl.eigh(a, lower=False)[0], lambda a: sl.eigh(a, lower=False)[0], (A,)),
        (lambda a: dl.qr(a, mode="economic"), lambda a: sl.qr(a, mode="economic"), (B,)),
        (dl.pinv, sl.pinv, (B,)),
        (dl.expm, sl.expm, (30 * A,)),
        (dl.expm, sl.expm, (STACK,)),
        (dl.sqrtm, sl.sqrtm, (STACK @ STACK,)),
        (dl.sqrtm, sl.sqrtm, (np.diag([1e-6, 1.0, 1e7]) + np.triu(np.ones((3, 3)), 1),)),
        (dl.solve_sylvester, sl.solve_sylvester, (A, B[:2] + 3 * np.eye(2), B)),
        (dl.solve_continuous_lyapunov, sl.solve_continuous_lyapunov, (A, DEFINITE)),
        (dl.solve_discrete_lyapunov, sl.solve_discrete_lyapunov, (0.3 * A, A)),
        (dl.cholesky, sl.cholesky, (DEFINITE,)),
        (dl.det, sl.det, (STACK,)),
        (dl.norm, sl.norm, (A,)),
        (dl.inv, sl.inv, (STACK,)),
        (lambda a: dl.inv(a.tolist(), assume_a="pos"), lambda a: sl.inv(a.tolist(), assume_a="pos"), (DEFINITE,)),
        *(
            (functools.partial(ours, **options), functools.partial(theirs, **options), arrays)
            for form in FORMS
            for options in ({"assume_a": form}, {"assume_a": form, "lower": True})
            for ours, theirs, arrays in ((dl.solve, sl.solve, (DEFINITE, B)), (dl.inv, sl.inv, (DEFINITE,)))
            if ours is dl.solve or form in ("sym", "pos")  # of other forms SciPy's inv gives what was not read as well
        ),
        (dl.block_diag, sl.block_diag, ()),
        (dl.block_diag, sl.block_diag, (1, [2, 3], A, STACK)),
        *((ours, theirs, (VECTOR,)) for ours, theirs in ROWS),
        *((ours, theirs, (VECTOR + 1, B[:3, 0])) for ours, theirs in ROWS[:2]),
        (dl.khatri_rao, sl.khatri_rao, (A, B[:3] @ B.T)),
    ):
        found, wanted = function(*arrays), peer(*arrays)
        for x, y in zip(*((r if isinstance(r, (tuple, list)) else (r,)) for r in (found, wanted)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        *("solve_triangular", "cho_solve_lower", "lu_solve", "expm", "sqrtm", "solve_sylvester", "solve_forms", "inv"),
        *("solve_continuous_lyapunov", "solve_discrete_lyapunov"),
        *("block_diag", "toeplitz", "hankel", "circulant", "khatri_rao"),
    ],
)
def test_gradients_to_second_order(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    check_grads(function, arrays)


def test_gradients_of_the_factors() -> None:
    for a in (A, A[:, :2], A[:2], STACK[..., :3], STACK[:, :3]):
        check_grads(lambda a: dl.lu(a)[1:], [a])
        check_grads(lambda a: dl.lu_factor(a)[0], [a])
    check_grads(lambda a: dl.cho_factor(a)[0], [A + 4 * np.eye(4)])  # reads a triangle of what is not symmetric


def test_expm_in_f32_and_out_of_range() -> None:
    check(dl.expm, A.astype(np.float32), tolerance=1e-5)
    (found,) = trace_and_run(dl.expm, np.eye(2) * np.array([1.0, -1e7])[:, None, None])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_roots_that_are_not_real() -> None:
    turned = np.array([[0.0, -1.0], [1.0, 0.0]])
    matrices = np.stack([-turned, turned, np.diag([-1.0, 2.0]), np.eye(2)])
    for found in (dl.sqrtm(matrices), trace_and_run(dl.sqrtm, matrices)[0]):
        np.testing.assert_array_equal(np.isnan(found).all((1, 2)), [False, False, True, False])
        np.testing.assert_allclose(found[1] @ found[1], turned, atol=1e-12)
    (single,) = trace_and_run(dl.sqrtm, DEFINITE.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single @ single, DEFINITE, rtol=1e-4)
    assert np.isnan(trace_and_run(dl.sqrtm, np.zeros((2, 2)))[0]).all()


def test_the_slope_of_a_root_solves_sylvesters_equation() -> None:
    direction = np.arange(16.0).reshape(4, 4) / 16
    with difc.disable_jit():
        root, slope = difc.jvp(dl.sqrtm, (DEFINITE,), (direction,))
    np.testing.assert_allclose(slope, dl.solve_sylvester(root, root, direction), rtol=1e-11, atol=1e-12)


def test_messages() -> None:
    square = Aval((3, 3), np.dtype(float))
    with pytest.raises(InputError, match="qr: mode is 'raw'"):
        dl.qr(B, mode="raw")
    with pytest.raises(UnsupportedError, match=r"eigh with subset_by_index="):
        dl.eigh(DEFINITE, subset_by_index=(0, 1))
    with pytest.raises(InputError, match=r"(?s)solve: assume_a is 'spd'.*use one of 'general', .*'pos'"):
        dl.solve(DEFINITE, B, assume_a="spd")
    with pytest.raises(InputError, match=r"(?s)trans is 'X'.*use 0 or 'N'"):
        dl.solve_triangular(A, B, trans="X")
    for function, message in (
        (lambda a: dl.solve_triangular(a, np.ones(2)), r"solve_triangular: .*\[3, 3\].*\[2\] do not fit"),
        (lambda a: dl.expm(a[:2]), "expm needs square matrices, not 2 by 3"),
        (lambda a: dl.sqrtm(a[:2]), "sqrtm needs square matrices, not 2 by 3"),
        (lambda a: dl.solve_sylvester(a, a, a[:2]), r"solve_sylvester: .*\[3, 3\], \[3, 3\], \[2, 3\] do not fit"),
        (
            lambda a: dl.solve_discrete_lyapunov(a, a[:2]),
            r"solve_discrete_lyapunov: .* \[3, 3\], \[2, 3\] do not fit.*Remedy: .* both m by m",
        ),
        (lambda a: dl.khatri_rao(a, a[0]), r"khatri_rao: .*\[3, 3\] and \[3\] are not both matrices"),
        (lambda a: dl.lu(a[0]), r"lu needs a matrix, not an array of shape \[3\]"),
        (lambda a: dl.lu_solve(dl.lu_factor(a[:2]), a[0]), "solve_triangular needs square matrices, not 2 by 3"),
    ):
        with pytest.raises(ShapeError, match=f"(?s){message}"):
            module_of(function, [square])
    for shape in ((N, 3), (3, N), (N, Dim.named("m"))):
        with pytest.raises(ShapeError, match=r"(?s)lu takes .* run-time sizes only if .* square, not.*in the spec"):
            module_of(dl.lu_factor, [Aval(shape, np.dtype(float))])


def test_importing_does_not_import_mlir() -> None:
    code = (
        "import sys, numpy as np, difc.scipy.linalg as s\n"
        "s.expm(np.eye(2)), s.solve_triangular(np.eye(2), np.ones(2))\n"
        "print([m for m in sys.modules if 'mlir' in m or 'iree.compiler' in m])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_lanes() -> None:
    with difc.disable_jit():
        found = difc.vmap(dl.expm)(STACK)
    np.testing.assert_allclose(found, dl.expm(STACK), rtol=1e-9)


def test_scipys_own_functions_say_which_of_ours_to_use() -> None:
    sl, special = pytest.importorskip("scipy.linalg"), pytest.importorskip("scipy.special")
    asked = "a NumPy array .* was asked for"
    with fails(ConcretizationError, asked, at="sl.cho_factor(a)", remedy="use difc.scipy.linalg.cho_factor instead"):
        module_of(lambda a: sl.cho_factor(a)[0], [Aval((3, 3), A.dtype)])
    with fails(ConcretizationError, asked, at="logsumexp(a)", remedy="use difc.scipy.special.logsumexp instead"):
        module_of(lambda a: special.logsumexp(a), [Aval((3, 3), A.dtype)])
    with fails(ConcretizationError, asked, at="polar(a)", remedy="use difc.scipy.linalg and .special: of SciPy itself"):
        module_of(lambda a: sl.polar(a)[0], [Aval((3, 3), A.dtype)])
