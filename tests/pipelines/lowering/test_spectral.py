"""Factorisations: their programs in the interpreter, and compiled, where factors are those of LAPACK up to signs.

What a factorisation must be is checked, not what it is: the product, orthonormal vectors, order, in units of the
rounding error, as LAPACK's own tests do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, Aval, aval_of, interpreter
from difc.dialects.matrices import matrix_transpose
from difc.dialects.mlir import ir
from difc.pipelines.lowering import spectral, spectral_panels
from difc.pipelines.lowering import spectral_programs as programs
from difc.pipelines.lowering.spectral_householder import householder
from difc.pipelines.lowering.spectral_jacobi import orthogonal_rows
from tests.pipelines.artifacts import call
from tests.pipelines.lowered import build, compiled, compiles, text_of

Arrays = list[np.ndarray]
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


# ---- what factors must be ------------------------------------------------------------------------


def _scaled(error: np.ndarray, x: np.ndarray) -> float:
    """Return an error relative to the norm of x, in units of its rounding error, for the worst matrix of a stack."""
    size = np.abs(x).astype(np.float64).max((-2, -1))
    norm = np.linalg.norm(x / np.where(size, size, 1)[..., None, None], axis=(-2, -1)) * size
    parts = np.linalg.norm(error / np.where(size, size, 1)[..., None, None], axis=(-2, -1)) * size
    return float(np.max(parts / np.where(norm, norm, 1)) / np.finfo(x.dtype).eps)


def _is_orthonormal(q: np.ndarray) -> bool:
    gram = np.matmul(q.swapaxes(-1, -2), q, dtype=np.float64)
    error = np.linalg.norm(gram - np.eye(q.shape[-1]), axis=(-2, -1)) / np.sqrt(q.shape[-1])
    return bool(np.max(error) <= 25 * np.finfo(q.dtype).eps)


def check_qr(x: np.ndarray, found: Arrays) -> None:
    q, r = found
    assert _scaled(np.matmul(q, r, dtype=np.float64) - x, x) <= 20
    assert _is_orthonormal(q)
    np.testing.assert_array_equal(r, np.triu(r))


def check_eigh(x: np.ndarray, found: Arrays) -> None:
    w, v = found
    wide = v.astype(np.float64)
    assert _scaled(np.matmul(x, wide) - wide * w[..., None, :], x) <= 20
    assert _is_orthonormal(v)
    assert (np.diff(w, axis=-1) >= 0).all()


def check_svd(x: np.ndarray, found: Arrays) -> None:
    u, s, vh = found
    k = s.shape[-1]
    product = np.matmul(u[..., :k].astype(np.float64) * s[..., None, :], vh[..., :k, :])
    assert _scaled(product - x, x) <= 20
    assert _is_orthonormal(u)
    assert _is_orthonormal(vh.swapaxes(-1, -2))
    assert (s >= 0).all()
    assert (np.diff(s, axis=-1) <= 0).all()


# ---- the programs --------------------------------------------------------------------------------


def eigh_program(x: ir.Value) -> Any:
    rows, *rest = programs.eigh_rows(x, lower=True)
    return programs.eigh_from_rows(*orthogonal_rows(rows), *rest)


def svd_program(x: ir.Value, full: bool = False) -> Any:
    _, m, n = aval_of(x).shape
    if isinstance(m, int) and isinstance(n, int) and m < n:
        v, s, uh = svd_program(matrix_transpose(x), full)
        return [matrix_transpose(uh), s, matrix_transpose(v)]
    rows, turn, *rest = programs.svd_rows(x)
    return programs.svd_from_rows(*orthogonal_rows(rows, turn), *rest, full=full)


def interpreted(program: Callable[..., Any], x: np.ndarray, dynamic: bool = False) -> Arrays:
    module = build({"f": (program, [Aval((DYN,) * x.ndim if dynamic else x.shape, x.dtype)])})
    return list(interpreter.run(module, "f", x))


def _random(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(list(shape)).normal(size=shape).astype(dtype)


def _symmetric(x: np.ndarray) -> np.ndarray:
    return x + x.swapaxes(-1, -2)


def _with_values(values: Any, dtype: Any) -> np.ndarray:
    """Return a symmetric matrix with the given eigenvalues."""
    q = np.linalg.qr(_random(len(values), len(values)))[0]
    return _symmetric((q * values) @ q.T / 2)[None].astype(dtype)


def _with_small_rows(dtype: np.dtype) -> np.ndarray:
    """Return matrices whose rows, in no order, are small: so is what is left of columns, and squares lose digits."""
    return (_random(20, 33, 33) * 10 ** np.random.default_rng(0).uniform(-30, 0, (20, 33, 1))).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (2, 3, 5), (1, 4, 1), (1, 1, 4), (1, 70, 66), (1, 66, 70)])
def test_qr_has_the_signs_of_lapack(dtype: np.dtype, shape: tuple[int, ...]) -> None:
    x = _random(*shape, dtype=dtype)
    for complete in (False, True):
        found = interpreted(partial(householder, complete=complete), x)
        check_qr(x, found)
        for y, z in zip(found, np.linalg.qr(x, "complete" if complete else "reduced"), strict=True):
            np.testing.assert_allclose(y, z, atol=1e3 * np.finfo(dtype).eps)
            assert y.shape == z.shape


@pytest.mark.parametrize("shape", [(2, 4, 4), (1, 5, 3), (1, 3, 5)])
def test_programs_for_sizes_known_at_run_time(shape: tuple[int, ...]) -> None:
    x = _random(*shape)
    for complete in (False, True):
        check_qr(x, interpreted(partial(householder, complete=complete), x, dynamic=True))
    for full in (False, True):
        check_svd(x, interpreted(partial(svd_program, full=full), x, dynamic=True))
    if shape[1] == shape[2]:
        check_eigh(_symmetric(x), interpreted(eigh_program, _symmetric(x), dynamic=True))


def test_qr_of_small_rows() -> None:
    x = _with_small_rows(DTYPES[0])
    check_qr(x, interpreted(partial(householder, complete=False), x))


def difficult(dtype: np.dtype) -> dict[str, np.ndarray]:
    """Return symmetric matrices that break careless algorithms."""
    return {
        "one": _random(1, 1, 1, dtype=dtype),
        "stack": _symmetric(_random(3, 4, 4, dtype=dtype)),
        "odd": _symmetric(_random(1, 9, 9, dtype=dtype)),
        "zero": np.zeros((1, 3, 3), dtype),
        "identity": 3 * np.eye(4, dtype=dtype)[None],
        "rank one": np.ones((1, 5, 5), dtype),
        "opposite": np.array([[[0, 1], [1, 0]]], dtype),
        "clusters": _with_values(np.repeat([1.0, 2.0, -2.0], 4), dtype),
        "nearly equal": _with_values(1 + np.arange(8) * float(np.finfo(dtype).eps), dtype),
        "graded": _with_values(np.geomspace(1, 1e-30, 12), dtype),
        "large": _with_values(np.arange(6) * 1e30, dtype),
        "small": _with_values(np.arange(6) * 1e-30, dtype),
        "largest": 0.9 * float(np.finfo(np.float32).max) * np.eye(4, dtype=dtype)[None],
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", difficult(DTYPES[0]))
def test_difficult_matrices(name: str, dtype: np.dtype) -> None:
    x = difficult(dtype)[name]
    found = interpreted(eigh_program, x)
    check_eigh(x, found)
    near = 20 * np.finfo(dtype).eps * np.abs(found[0]).max()
    np.testing.assert_allclose(found[0], np.linalg.eigvalsh(x.astype(np.float64)), rtol=1e-30, atol=near)
    for y in (x, x[:, :-1]) if x.shape[1] > 1 else (x,):
        for full in (False, True):
            check_svd(y, interpreted(partial(svd_program, full=full), y))


def test_matrices_that_are_not_finite_do_not_touch_their_neighbours() -> None:
    x = _symmetric(_random(4, 3, 3))
    x[1, 2, 0], x[2, 1, 1] = np.nan, np.inf
    for program in (eigh_program, svd_program):
        alone, found = interpreted(program, x[[0, 3]]), interpreted(program, x)
        for y, z in zip(found, alone, strict=True):
            np.testing.assert_allclose(y[[0, 3]], z, atol=1e-13)
            assert np.isnan(y[[1, 2]]).all()


# ---- compiled ------------------------------------------------------------------------------------

CHECKS: dict[str, tuple[Any, Any]] = {
    "qr": (partial(dif.qr, complete=False), check_qr),
    "eigh": (partial(dif.eigh, lower=True), check_eigh),
    "svd": (partial(dif.svd, full=False), check_svd),
}


@pytest.mark.parametrize("dtype", [DTYPES[0], pytest.param(DTYPES[1], marks=pytest.mark.slow)])
def test_compiled_for_any_sizes(dtype: np.dtype) -> None:
    """One module of run-time sizes, run on many: also with a kernel's vectors and without."""
    dims = (DYN, DYN, DYN)
    entries = compiled(build({name: (CHECKS[name][0], [Aval(dims, dtype)]) for name in CHECKS}), 2)
    for name in CHECKS:
        for shape in ((1, 1, 1), (3, 4, 4), (2, 33, 33), *(((2, 7, 3), (1, 3, 40)) if name != "eigh" else ())):
            x = _random(*shape, dtype=dtype)
            x = _symmetric(x) if name == "eigh" else x
            CHECKS[name][1](x, call(getattr(entries, name), [x]))
    scales = np.array([1e30, 1e-30, 0, 1], dtype)
    x = np.concatenate([_random(1, 6, 4, dtype=dtype) * scales, np.full((1, 6, 4), np.nan, dtype)])
    (q, other), (r, _) = call(entries.qr, [x])
    assert np.isnan(other).any()
    assert _is_orthonormal(q)
    divisors = np.where(scales, scales, 1)
    np.testing.assert_allclose(q @ r / divisors, x[0] / divisors, atol=20 * np.finfo(dtype).eps)
    x = _with_small_rows(dtype)
    check_qr(x, call(entries.qr, [x]))
    check_svd(x, call(entries.svd, [x]))
    for x in difficult(dtype).values():
        check_eigh(x, call(entries.eigh, [x]))
        check_svd(x, call(entries.svd, [x]))


def _many_rows(dtype: np.dtype) -> np.ndarray:
    """Return symmetric matrices of many rows whose values or sizes are special; the last one is not finite."""
    spectra = [np.geomspace(1, 1e-20, 131), np.geomspace(1e-20, 1, 131), np.repeat([0.0, 1.0, -1.0], [50, 50, 31])]
    beside = np.diag(np.ones(130), 1)
    wilkinson = np.diag(np.abs(np.arange(131.0) - 65)) + beside + beside.T
    plain, infinite = _symmetric(_random(131, 131)), np.full((131, 131), np.inf)
    found = [*(_with_values(values, dtype)[0] for values in spectra), wilkinson, plain, np.zeros((131, 131)), infinite]
    return np.stack(found).astype(dtype)


def test_many_rows() -> None:
    """More rows than are reflected, swept or kept in vectors at a time; values are the same where vectors go unused."""

    def both(x: ir.Value) -> Any:
        values = [dif.eigh(x, lower=True)[0], dif.svd(x, full=False)[1]]
        return [*values, *dif.eigh(x, lower=True), *dif.svd(x, full=False)]

    entries = compiled(build({t.name: (both, [Aval((DYN, 131, 131), t)]) for t in DTYPES}), 2)
    for dtype in DTYPES:
        x = _many_rows(dtype)
        found = call(getattr(entries, dtype.name), [x])
        assert all(np.isnan(y[-1]).all() for y in found)
        x, (w_alone, s_alone, w, v, u, s, vh) = x[:-1], [y[:-1] for y in found]
        check_eigh(x, [w, v])
        check_svd(x, [u, s, vh])
        expected = np.linalg.eigvalsh(x.astype(np.float64))
        near = 66 * np.finfo(dtype).eps * np.abs(expected).max(-1, keepdims=True)  # as of LAPACK's without vectors
        assert (np.abs(w - expected) <= near).all()
        assert (np.abs(s - np.sort(np.abs(expected))[:, ::-1]) <= near).all()
        np.testing.assert_array_equal(w_alone, w)
        np.testing.assert_array_equal(s_alone, s)


def test_memory_that_was_used_before() -> None:
    """Rows end with whole vectors but are longer, so there are elements that belong to no column; they begin as 0."""

    def after_others(x: ir.Value) -> Any:
        used = dif.mul(dif.eigh(dif.add(x, x), lower=True)[1], dif.svd(x, full=False)[0])
        y = dif.add(x, dif.add(used, matrix_transpose(used)))
        return [y, *dif.eigh(y, lower=True), *dif.svd(y, full=False)]

    x = _symmetric(_random(2, 64, 64))
    y, w, v, *factors = call(compiled(build({"f": (after_others, [Aval(x.shape, x.dtype)])})).f, [x])
    check_eigh(y, [w, v])
    check_svd(y, factors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bidiagonal_blocks(dtype: np.dtype) -> None:
    """Zeros on the diagonal cut a block, wherever they are; so do those beside it, and singular blocks have none."""
    generator = np.random.default_rng(3)
    d, e = generator.normal(size=(2, 40, 24))
    d[:30][generator.random((30, 24)) < 0.3] = 0
    e[:20][generator.random((20, 24)) < 0.3] = 0
    d[30:], e[30:] = 1, np.linspace(-4, 4, 10)[:, None]
    x = np.stack([np.diag(a) + np.diag(b[1:], 1) for a, b in zip(d, e, strict=True)]).astype(dtype)
    check_svd(x, call(compiled(build({"f": (CHECKS["svd"][0], [Aval(x.shape, dtype)])})).f, [x]))


def test_qr_of_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels by the kernel and products of matrices, where one core would take too long."""
    monkeypatch.setattr(spectral, "QR", 8)
    monkeypatch.setattr(spectral_panels, "PANEL", 16)
    shapes = [(2, 70, 40), (1, 30, 70)]
    functions = {f"f{i}": (partial(dif.qr, complete=i > 0), [Aval(s, DTYPES[1])]) for i, s in enumerate(shapes)}
    entries = compiled(build(functions))
    for i, shape in enumerate(shapes):
        scales = np.geomspace(1e-200, 1e200, shape[2])
        x = _random(*shape)
        x[..., 20:26] = x[..., :6]  # columns that the others have left nothing of
        x[:, :, 3], x[:, :, 17] = 0, 0
        q, r = call(getattr(entries, f"f{i}"), [x * scales])
        check_qr(x, [q, r / scales])
        np.testing.assert_allclose(q[..., :3], np.linalg.qr(x)[0][..., :3], atol=1e-13)


def test_what_is_not_used_is_not_computed() -> None:
    def rotated(index: int) -> int:
        text = text_of(lambda x: dif.svd(x, full=True)[index], [Aval((6, 6), DTYPES[0])])
        loops = [line.rpartition("->")[2] for line in text.splitlines() if "scf.for" in line]
        return max(line.count("tensor<6x1x6xf32>") for line in loops)

    assert [rotated(i) for i in range(3)] == [2, 1, 1]


def test_empty_matrices() -> None:
    module = build(
        {
            "qr": (lambda x: dif.qr(x, complete=True), [Aval((3, 0), DTYPES[0])]),
            "eigh": (lambda x: dif.eigh(x, lower=True), [Aval((2, 0, 0), DTYPES[0])]),
            "svd": (lambda x: dif.svd(x, full=True), [Aval((0, 2), DTYPES[0])]),
        }
    )
    entries = compiled(module)
    for name, shape in (("qr", (3, 0)), ("eigh", (2, 0, 0)), ("svd", (0, 2))):
        x = np.zeros(shape, np.float32)
        for y, z in zip(call(getattr(entries, name), [x]), interpreter.run(module, name, x), strict=True):
            np.testing.assert_array_equal(y, z)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["vulkan", "cuda"])
def test_compiles_for_sizes_known_at_run_time(target: str) -> None:
    dims = (DYN, DYN, DYN)
    assert compiles(build({name: (op, [Aval(dims, DTYPES[0])]) for name, (op, _) in CHECKS.items()}), target)
