"""One or more cases for every NumPy function that is traced: its name, and a function of arrays that calls it.

Ufuncs are not here: `test_numpy_elementwise` takes them from the table itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.frontend.numpy_cases_linalg import LINALG_CASES
from tests.frontend.numpy_cases_order import ORDER_CASES
from tests.frontend.numpy_cases_shape import SHAPE_CASES, SHAPE_CREATION_CASES

__all__ = ["CASES", "CREATION_CASES"]

_RNG = np.random.default_rng(7)


def _r(*shape: int) -> np.ndarray:
    return _RNG.normal(size=shape)


_A, _V, _W, _M, _S = _r(3, 4), _r(5), _r(5), _r(2, 3, 4), _r(4, 4)
_NAN = np.where(_r(3, 4) > 0.3, np.nan, _A)
_INT, _MASK = np.arange(12).reshape(3, 4) - 5, _r(3, 4) > 0
_SORTED = np.sort(_r(6))
_F32 = _A.astype(np.float32)

Case = tuple[Callable[..., Any], tuple[Any, ...]]

CASES: dict[str, list[Case]] = {
    "all": [(lambda x: np.all(x, 0), (_MASK,)), (lambda x: np.all(x), (_A,))],
    "allclose": [(lambda x: np.allclose(x, x + 1e-9), (_A,))],
    "amax": [(np.amax, (_A,))],
    "amin": [(np.amin, (_A,))],
    "any": [(lambda x: np.any(x, -1, keepdims=True), (_MASK,)), (lambda x: np.any(x, where=x > 0), (_A,))],
    "append": [(lambda x: np.append(x, x[:1], 0), (_A,)), (lambda x: np.append(x, 1.0), (_A,))],
    "argmax": [(lambda x: np.argmax(x, 1, keepdims=True), (_A,)), (np.argmax, (_NAN,))],
    "argmin": [(lambda x: np.argmin(x, 0), (_A,))],
    "around": [(lambda x: np.around(x, 1), (_A,))],
    "array_equal": [(lambda x: np.array_equal(x, x), (_A,)), (lambda x: np.array_equal(x, x[:1]), (_A,))],
    "array_equiv": [(lambda x: np.array_equiv(x, x[:1]), (_A,))],
    "array_split": [(lambda x: np.array_split(x, 3, 1), (_A,)), (lambda x: np.array_split(x, [1, 1, 9], 1), (_A,))],
    "astype": [(lambda x: np.astype(x, np.float32), (_INT,))],
    "atleast_1d": [(lambda x: np.atleast_1d(x, x[0, 0]), (_A,))],
    "atleast_2d": [(lambda x: np.atleast_2d(x), (_V,))],
    "atleast_3d": [(np.atleast_3d, (_V,)), (np.atleast_3d, (_A,)), (np.atleast_3d, (_A[0, 0],))],
    "average": [
        (lambda x: np.average(x, 1, weights=np.array([1, 2, 3, 4])), (_A,)),
        (lambda x: np.average(x, weights=x * x, returned=True), (_A,)),
        (lambda x: np.average(x, 0, returned=True), (_INT,)),
    ],
    "block": [(lambda x: np.block([[x, x], [x[:1], x[:1]]]), (_A,)), (lambda x: np.block([x, x]), (_V,))],
    "broadcast_arrays": [(lambda x, y: np.broadcast_arrays(x, y), (_A, _A[:1]))],
    "broadcast_to": [(lambda x: np.broadcast_to(x, (2, 3, 4)), (_A[:1],))],
    "clip": [
        (lambda x: np.clip(x, -0.5, 0.5), (_F32,)),
        (lambda x: np.clip(x, None, 2), (_INT,)),
        (lambda x: np.clip(x, 0.5, None), (_INT,)),
    ],
    "column_stack": [(lambda x, y: np.column_stack([x, y]), (_V, _r(5, 2)))],
    "compress": [(lambda x: np.compress([True, False, True], x, 0), (_A,))],
    "concat": [(lambda x: np.concat([x, x], 1), (_A,))],
    "concatenate": [
        (lambda x: np.concatenate([x, x.astype(np.float32), x], 0), (_A,)),
        (lambda x: np.concatenate([x, x], None), (_INT,)),
        (lambda x: np.concatenate([x] * 5, -1), (_A,)),
    ],
    "convolve": [
        *((lambda x, y, m=m: np.convolve(x, y, m), (_V, _r(3))) for m in ("full", "same", "valid")),
        (lambda x, y: np.convolve(x, y), (_INT[0], _INT[1].astype(np.int8))),
        (lambda x: np.convolve(x[0], x[1]), (_MASK,)),
    ],
    "copy": [(np.copy, (_A,))],
    "corrcoef": [(np.corrcoef, (_A,))],
    "correlate": [(lambda x, y, m=m: np.correlate(x, y, m), (_V, _r(3))) for m in ("full", "same", "valid")],
    "count_nonzero": [(np.count_nonzero, (_INT,)), (lambda x: np.count_nonzero(x, 1), (_MASK,))],
    "cov": [(np.cov, (_A,)), (lambda x: np.cov(x, rowvar=False, bias=True), (_F32,)), (np.cov, (_V, _W))],
    "cross": [(np.cross, (_r(4, 3), _r(3))), (lambda x, y: np.cross(x, y, axis=0), (_r(3, 2), _r(3, 2)))],
    "cumprod": [(np.cumprod, (_A,)), (lambda x: np.cumprod(x, 1), (_INT,))],
    "cumsum": [(np.cumsum, (_A,)), (lambda x: np.cumsum(x, 1), (_INT.astype(np.int8),))],
    "cumulative_prod": [(lambda x: np.cumulative_prod(x, axis=1, include_initial=True), (_A,))],
    "cumulative_sum": [(lambda x: np.cumulative_sum(x), (_V,))],
    "delete": [(lambda x: np.delete(x, [0, -1], 1), (_A,)), (lambda x: np.delete(x, slice(2)), (_A,))],
    "diag": [(lambda x, k=k: np.diag(x, k), (a,)) for k in (-1, 0, 2) for a in (_V, _A)],
    "diagflat": [(np.diagflat, (_A,))],
    "diagonal": [
        (lambda x, k=k: np.diagonal(x, k, 0, 2), (_M,)) for k in (-1, 0, 1, 5)
    ],
    "diff": [(np.diff, (_A,)), (lambda x: np.diff(x, 2, 0), (_INT,)), (lambda x: np.diff(x, prepend=0), (_MASK,)),
             (lambda x: np.diff(x, append=x[:, :2]), (_A,)), (lambda x: np.diff(x, 0, prepend=0), (_A,))],
    "digitize": [(lambda x, b, r=r: np.digitize(x, b, r), (_A, _SORTED)) for r in (False, True)],
    "dot": [
        (np.dot, (_A, _r(4, 2))), (np.dot, (_V, _W)), (np.dot, (_M, _r(5, 4, 2))), (np.dot, (_A, _r(4))),
        (lambda x: np.dot(x, 2), (_A,)),
    ],
    "dsplit": [(lambda x: np.dsplit(x, 2), (_M,))],
    "dstack": [(lambda x, y: np.dstack([x, y]), (_V, _W))],
    "ediff1d": [(np.ediff1d, (_A,)), (lambda x: np.ediff1d(x, to_end=[1.0], to_begin=0.0), (_V,))],
    "einsum": [
        (lambda *a, s=s: np.einsum(s, *a), tuple(_r(*shape) for shape in shapes))
        for s, *shapes in [
            ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk,kl", (2, 3), (3, 4), (4, 5)), ("ii", (3, 3)), ("ii->i", (3, 3)),
            ("iij->j", (3, 3, 2)), ("iiij->ij", (2, 2, 2, 3)), ("i,j", (2,), (3,)), ("ij->", (2, 3)),
        ("ij->ji", (2, 3)),
            ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...ij->...", (2, 3, 4)), ("i...,i...->...", (2, 3), (2, 3)),
            ("bij,bjk->bik", (4, 2, 3), (4, 3, 2)), ("ij,j", (1, 3), (3,)), ("ij,ik,il->jkl", (2, 3), (2, 4), (2, 5)),
            ("ij,jk,kl,lm,mn->in", (3, 3), (3, 3), (3, 3), (3, 3), (3, 3)), ("i,i,i->", (3,), (3,), (3,)),
            ("ij,jj->i", (2, 3), (3, 3)), ("dc,ba", (2, 3), (4, 5)),
        ]
    ] + [
        (lambda x, y: np.einsum(x, [0, 1], y, [1, 2]), (_A, _r(4, 2))),
        (lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), (_A, _r(4, 2))),
        (lambda x, y: np.einsum("ij,jk->ik", x, y), (_MASK, _MASK.T)),
        (lambda x: np.einsum("ij->i", x), (_MASK,)),
        (lambda x, y: np.einsum("ij,jk->ik", x, y), (_INT.astype(np.int32), _F32.T)),
    ],
    "empty_like": [(lambda x: np.ones_like(np.empty_like(x)), (_A,))],
    "expand_dims": [(lambda x: np.expand_dims(x, (0, -1)), (_A,))],
    "extract": [(lambda x: np.extract(_MASK, x), (_A,))],
    "fix": [(np.fix, (3 * _A,))],
    "flip": [(np.flip, (_A,)), (lambda x: np.flip(x, -1), (_A,))],
    "fliplr": [(np.fliplr, (_A,))],
    "flipud": [(np.flipud, (_A,))],
    "full_like": [(lambda x: np.full_like(x, 2.7), (_INT,)), (lambda x: np.full_like(x, [1, 2], shape=(3, 2)), (_A,))],
    "gradient": [(np.gradient, (_A,)), (lambda x: np.gradient(x, 0.5, axis=1), (_INT,))],
    "hsplit": [(lambda x: np.hsplit(x, [1, 3]), (_A,)), (lambda x: np.hsplit(x, 5), (_V,))],
    "hstack": [(lambda x, y: np.hstack([x, y]), (_V, _W)), (lambda x: np.hstack([x, x]), (_A,))],
    "imag": [(np.imag, (_A,))],
    "inner": [(np.inner, (_A, _r(2, 4))), (lambda x: np.inner(x, 3.0), (_A,))],
    "insert": [
        (lambda x: np.insert(x, 1, 5.0, 1), (_A,)), (lambda x: np.insert(x, [0, 2], x[:2], 0), (_A,)),
        (lambda x: np.insert(x, 2, [7.0, 8.0]), (_V,)), (lambda x: np.insert(x, slice(0, 2), 9), (_INT,)),
    ],
    "interp": [
        (lambda x, t, f: np.interp(x, t, f), (_A, _SORTED, _r(6))),
        (lambda x, t, f: np.interp(x, t, f, left=-9, right=9), (_F32, _SORTED, _r(6))),
    ],
    "isclose": [(lambda x: np.isclose(x, x + 1e-6), (_A,)), (lambda x: np.isclose(x, x, equal_nan=True), (_NAN,))],
    "iscomplex": [(np.iscomplex, (_A,))],
    "iscomplexobj": [(lambda x: x + np.iscomplexobj(x), (_A,))],
    "isneginf": [(np.isneginf, (np.array([1.0, np.inf, -np.inf, np.nan]),))],
    "isposinf": [(np.isposinf, (np.array([1.0, np.inf, -np.inf, np.nan]),))],
    "isreal": [(np.isreal, (_A,))],
    "isrealobj": [(lambda x: x + np.isrealobj(x), (_A,))],
    "ix_": [(lambda x: x[np.ix_(*np.split(np.take(x, [0, 1]).astype(int) * 0 + 1, 2))], (_A,))],
    "kron": [(np.kron, (_r(2, 3), _r(3, 1))), (np.kron, (_r(3), _r(2, 2)))],
    "linalg.cross": [(np.linalg.cross, (_r(4, 3), _r(4, 3)))],
    "linalg.diagonal": [(lambda x: np.linalg.diagonal(x, offset=1), (_M,))],
    "linalg.matmul": [(np.linalg.matmul, (_M, _r(4, 2)))],
    "linalg.matrix_norm": [(np.linalg.matrix_norm, (_M,)), (lambda x: np.linalg.matrix_norm(x, ord=np.inf), (_M,))],
    "linalg.matrix_power": [(lambda x, n=n: np.linalg.matrix_power(x, n), (_S,)) for n in (0, 1, 2, 5)],
    "linalg.matrix_transpose": [(np.linalg.matrix_transpose, (_M,))],
    "linalg.multi_dot": [(lambda a, b, c: np.linalg.multi_dot([a, b, c]), (_r(4), _r(4, 3), _r(3, 2)))],
    "linalg.norm": [
        *[(lambda x, o=o: np.linalg.norm(x, o), (_A,)) for o in (None, "fro", 1, -1, np.inf, -np.inf)],
        *[(lambda x, o=o: np.linalg.norm(x, o, 1, True), (_A,)) for o in (None, 0, 1, 2, 3, np.inf, -np.inf)],
        (lambda x: np.linalg.norm(x, axis=(0, 2), keepdims=True), (_M,)),
        (lambda x: np.linalg.norm(x, keepdims=True), (_M,)),
        (np.linalg.norm, (_INT,)),
    ],
    "linalg.outer": [(np.linalg.outer, (_V, _W))],
    "linalg.tensordot": [(lambda x, y: np.linalg.tensordot(x, y, axes=1), (_A, _r(4, 2)))],
    "linalg.trace": [(lambda x: np.linalg.trace(x, offset=1), (_M,))],
    "linalg.vecdot": [(np.linalg.vecdot, (_A, _A))],
    "linalg.vector_norm": [(np.linalg.vector_norm, (_A,)), (lambda x: np.linalg.vector_norm(x, axis=0, ord=3), (_A,))],
    "linspace": [
        (lambda x: np.linspace(x[0], x[1], 4), (_A,)), (lambda x: np.linspace(0, x, 3, endpoint=False, axis=-1), (_V,)),
        (lambda x: np.linspace(x[0], 1.0, 3, retstep=True), (_F32,)), (lambda x: np.linspace(x, 9, 3, dtype=int),
        (_INT,)),
    ],
    "logspace": [(lambda x: np.logspace(x[0], x[1], 4), (_V,))],
    "matrix_transpose": [(np.matrix_transpose, (_M,))],
    "max": [(lambda x: np.max(x, (0, -1)), (_M,)), (lambda x: np.max(x, 1, where=x > 0, initial=-9), (_A,)),
            (lambda x: np.max(x, initial=99), (_INT.astype(np.int8),))],
    "mean": [
        (lambda x: np.mean(x, 1, keepdims=True), (_M,)), (np.mean, (_INT,)), (np.mean, (_MASK,)),
        (lambda x: np.mean(x, 0), (_A.astype(np.float16),)), (lambda x: np.mean(x, 0, where=x > -0.5), (_A,)),
        (lambda x: np.mean(x, dtype=np.float32), (_INT,)),
    ],
    "meshgrid": [
        (lambda x, y, i=i, s=s: np.meshgrid(x, y, indexing=i, sparse=s),
        (_V, _r(3))) for i in ("xy", "ij") for s in (True, False)
    ] + [(lambda x, y, z: np.meshgrid(x, y, z), (_V, _r(3), _r(2)))],
    "min": [(lambda x: np.min(x, 1), (_A,)), (np.min, (_MASK,))],
    "moveaxis": [(lambda x: np.moveaxis(x, 0, -1), (_M,)), (lambda x: np.moveaxis(x, (0, 2), (1, 0)), (_M,))],
    "nan_to_num": [(np.nan_to_num, (np.array([1.0, np.nan, np.inf, -np.inf]),)),
                   (lambda x: np.nan_to_num(x, nan=1, posinf=2, neginf=3), (np.float32([np.nan, np.inf, -np.inf]),))],
    "nanargmax": [(lambda x: np.nanargmax(x, 0), (np.where(np.eye(3, dtype=bool), np.nan, _r(3, 3)),))],
    "nanargmin": [(lambda x: np.nanargmin(x, 0), (np.where(np.eye(3, dtype=bool), np.nan, _r(3, 3)),))],
    "nancumprod": [(lambda x: np.nancumprod(x, 1), (_NAN,))],
    "nancumsum": [(np.nancumsum, (_NAN,))],
    "nanmax": [(lambda x: np.nanmax(x), (_NAN,)), (np.nanmax, (_INT,))],
    "nanmean": [(np.nanmean, (_NAN,)), (np.nanmean, (_INT,))],
    "nanmin": [(lambda x: np.nanmin(x), (_NAN,))],
    "nanprod": [(lambda x: np.nanprod(x, 0, keepdims=True), (_NAN,))],
    "nanstd": [(lambda x: np.nanstd(x, ddof=1), (_NAN,))],
    "nansum": [(lambda x: np.nansum(x, 1), (_NAN,)), (np.nansum, (_INT,))],
    "nanvar": [(np.nanvar, (_NAN,))],
    "ndim": [(lambda x: x + np.ndim(x), (_A,))],
    "ones_like": [(lambda x: np.ones_like(x, dtype=np.int8), (_A,)), (np.ones_like, (_A,))],
    "outer": [(np.outer, (_A, _V))],
    "pad": [
        *[(lambda x, m=m: np.pad(x, ((1, 2), (0, 3)), m), (_A,)) for m in ("edge", "reflect", "symmetric", "wrap")],
        (lambda x: np.pad(x, 1), (_INT,)), (lambda x: np.pad(x, (1, 0), constant_values=(5, 6)), (_A,)),
        (lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=((1, 2), (3, 4))), (_A,)),
    ],
    "permute_dims": [(lambda x: np.permute_dims(x, (2, 0, 1)), (_M,))],
    "polyval": [(np.polyval, (_r(4), _A)), (lambda x: np.polyval([1, 2, 3], x), (_INT,))],
    "prod": [(lambda x: np.prod(x, 1), (_A,)), (np.prod, (np.uint8([1, 200, 3]),)),
        (lambda x: np.prod(x, initial=2), (_V,))],
    "ptp": [(lambda x: np.ptp(x, 0), (_A,))],
    "ravel": [(np.ravel, (_A,))],
    "real": [(np.real, (_A,))],
    "real_if_close": [(np.real_if_close, (_A,))],
    "repeat": [(lambda x: np.repeat(x, 2, 1), (_A,)), (lambda x: np.repeat(x, 3), (_A,)),
               (lambda x: np.repeat(x, [2, 0, 1], 0), (_A,))],
    "reshape": [(lambda x: np.reshape(x, (2, -1)), (_A,)), (lambda x: np.reshape(x, 12), (_A,))],
    "resize": [(lambda x: np.resize(x, (2, 7)), (_A,)), (lambda x: np.resize(x[:0], [2, 3]), (_INT,))],
    "result_type": [(lambda x: x.astype(np.result_type(x, np.float64)), (_F32,))],
    "roll": [(lambda x: np.roll(x, 5), (_A,)), (lambda x: np.roll(x, (1, -2), (0, 1)), (_A,)),
        (lambda x: np.roll(x, 3, 1), (_A,))],
    "rollaxis": [(lambda x, i=i, j=j: np.rollaxis(x, i, j), (_M,)) for i in (0, 2) for j in (-3, -1, 0, 2, 3)],
    "rot90": [(lambda x, k=k: np.rot90(x, k), (_A,)) for k in range(4)],
    "round": [(np.round, (3 * _A,)), (lambda x: np.round(x, 2), (_A,)), (lambda x: np.round(x, -1), (30 * _A,)),
        (np.round, (_INT,))],
    "searchsorted": [(lambda t, x, s=s: np.searchsorted(t, x, s), (_SORTED, _A)) for s in ("left", "right")],
    "select": [(lambda x: np.select([x > 1, x > 0], [x, 2 * x], -1.0), (_A,))],
    "shape": [(lambda x: x.reshape(np.shape(x)[::-1]), (_A,))],
    "sinc": [(np.sinc, (np.array([0.0, 0.5, 1.0, -2.5]),)), (np.sinc, (_INT,))],
    "size": [(lambda x: x + np.size(x) + np.size(x, 1), (_A,))],
    "split": [(lambda x: np.split(x, 2, 1), (_A,)), (lambda x: np.split(x, [1, 2]), (_A,))],
    "squeeze": [(np.squeeze, (_A[:1, None],)), (lambda x: np.squeeze(x, 1), (_A[:1, None],))],
    "stack": [(lambda x: np.stack([x, x, x], -1), (_A,)), (lambda x: np.stack([x[0], 1]), (_INT[0],))],
    "std": [(lambda x: np.std(x, 0), (_F32,)), (lambda x: np.std(x, ddof=1), (_INT,))],
    "sum": [
        (lambda x: np.sum(x, (0, -1), keepdims=True), (_M,)), (np.sum, (_INT.astype(np.int8),)), (np.sum, (_MASK,)),
        (lambda x: np.sum(x, 0), (_A.astype(np.float16),)), (lambda x: np.sum(x, 1, where=x > 0, initial=3), (_A,)),
        (lambda x: np.sum(x, dtype=np.float32), (_INT,)), (lambda x: np.sum(x, dtype=bool), (_MASK,)),
    ],
    "swapaxes": [(lambda x: np.swapaxes(x, 0, -1), (_M,))],
    "take": [
        (lambda x: np.take(x, [0, -1], 1), (_A,)), (lambda x: np.take(x, 3), (_A,)),
        *[(lambda x, m=m: np.take(x, [[-9, 7], [0, 1]], 0, mode=m), (_A,)) for m in ("clip", "wrap")],
    ],
    "take_along_axis": [
        (lambda x: np.take_along_axis(x, np.array([[0, -1], [1, 1], [3, 2]]), 1), (_A,)),
        (lambda x: np.take_along_axis(x, np.array([3, 4]), None), (_A,)),
        (lambda x, i: np.take_along_axis(x, i, 0), (_A, np.array([[2, 0, 1, -1]]))),
    ],
    "tensordot": [(lambda x, y: np.tensordot(x, y, ([0, 1], [1, 0])), (_M, _r(3, 2, 5))),
        (lambda x, y: np.tensordot(x, y, 0), (_V, _W))],
    "tile": [(lambda x: np.tile(x, (2, 1, 3)), (_A,)), (lambda x: np.tile(x, 2), (_A,))],
    "trace": [(lambda x: np.trace(x, 1), (_A,)), (lambda x: np.trace(x, axis1=1, axis2=2), (_M,))],
    "transpose": [(np.transpose, (_M,)), *[(lambda x, o=o: np.transpose(x, o), (_M,)) for o in (range(3), (1, -1, 0))]],
    "trapezoid": [(lambda y: np.trapezoid(y, dx=0.1), (_A,)), (lambda y, x: np.trapezoid(y, x, axis=0),
        (_A, np.arange(3.0))), (lambda y, x: np.trapezoid(y, x, axis=-2), (_r(2, 3, 4), _A))],
    "tril": [(lambda x, k=k: np.tril(x, k), (_M,)) for k in (-1, 0, 1, 2**40)] + [(np.tril, (_V,))],
    "triu": [(lambda x, k=k: np.triu(x, k), (_A,)) for k in (-1, 0, 1, -(2**40))],
    "unstack": [(lambda x: list(np.unstack(x, axis=1)), (_A,))],
    "vander": [(np.vander, (_V,)), (lambda x: np.vander(x, 3, True), (_INT[0],))],
    "var": [(lambda x: np.var(x, 1, ddof=1), (_A,)), (lambda x: np.var(x, where=x > 0), (_A,)), (np.var, (_MASK,)),
            (lambda x: np.var(x, 0, mean=np.mean(x, 0, keepdims=True)), (_A,))],
    "vdot": [(np.vdot, (_A, _A))],
    "vsplit": [(lambda x: np.vsplit(x, 3), (_A,))],
    "vstack": [(lambda x, y: np.vstack([x, y]), (_V, _W))],
    "where": [
        (lambda c, x: np.where(c, x, 0), (_MASK, _F32)), (lambda c: np.where(c, 1, 2.5), (_MASK,)),
        (lambda x, y: np.where(x, x, y), (_INT, _A)),
    ],
    "zeros_like": [(np.zeros_like, (_A,)), (lambda x: np.zeros_like(x, shape=(2, 2)), (_INT,))],
}  # fmt: skip

#: Functions that make arrays, as calls of a module of that name: NumPy, and difc.numpy inside a trace.
CREATION_CASES: dict[str, list[Callable[[Any], Any]]] = {
    "arange": [
        lambda m: m.arange(5), lambda m: m.arange(2, 9, 2), lambda m: m.arange(9, 2, -2),
        lambda m: m.arange(0.0, 1, 0.1),
        lambda m: m.arange(3, dtype=np.float32), lambda m: m.arange(5, 2),
        lambda m: m.arange(0, 300, 0.1, dtype=np.float32),
        lambda m: m.arange(3.0, dtype=np.int32), lambda m: m.arange(3.0), lambda m: m.arange(0, 3.0, 1),
        lambda m: m.arange(np.float32(3)), lambda m: m.arange(np.int8(3)), lambda m: m.arange(np.uint64(3)),
        lambda m: m.arange(stop=4), lambda m: m.arange(start=1, stop=4),
    ],
    "array": [lambda m: m.array([[1, 2], [3, 4.0]]), lambda m: m.array(3, dtype=np.float32, ndmin=2),
        lambda m: m.array(True)],
    "asarray": [lambda m: m.asarray([1, 2])],
    "asanyarray": [lambda m: m.asanyarray(2.5)],
    "ascontiguousarray": [lambda m: m.ascontiguousarray([1.0]), lambda m: m.ascontiguousarray(2)],
    "copy": [lambda m: m.copy(np.arange(3))],
    "empty": [lambda m: m.ones_like(m.empty((2, 3)))],
    "empty_like": [lambda m: m.ones_like(m.empty_like(np.arange(3)))],
    "eye": [lambda m: m.eye(3), lambda m: m.eye(3, 4, 1, dtype=np.int32)]
    + [lambda m, k=k: m.eye(3, k=k) for k in (-1, 2**40)],
    "full": [lambda m: m.full((2, 3), 7), lambda m: m.full(2, [1.5, 2]), lambda m: m.full((), 1, np.float32)],
    "full_like": [lambda m: m.full_like(np.arange(3), 2)],
    "identity": [lambda m: m.identity(2, np.float32)],
    "indices": [lambda m: m.indices((2, 3)), lambda m: list(m.indices((2, 3), sparse=True))],
    "linspace": [
        lambda m: m.linspace(0, 1, 7), lambda m: m.linspace(0, 1, 7, False), lambda m: m.linspace(0, 10, 5, dtype=int),
        lambda m: m.linspace([0, 1], [3, 4], 5, axis=1), lambda m: m.linspace(0, 1, 1), lambda m: m.linspace(2, 3, 0),
    ],
    "logspace": [lambda m: m.logspace(0, 2, 5), lambda m: m.logspace(0, 4, 3, base=2)],
    "meshgrid": [lambda m: list(m.meshgrid(np.arange(2), np.arange(3.0)))],
    "ones": [lambda m: m.ones((2,), np.int32), lambda m: m.ones(())],
    "ones_like": [lambda m: m.ones_like(np.arange(3))],
    "tri": [lambda m: m.tri(3), lambda m: m.tri(2, 4, 1, dtype=bool)],
    "zeros": [lambda m: m.zeros(4), lambda m: m.zeros((2, 0), bool)],
    "zeros_like": [lambda m: m.zeros_like(np.arange(3))],
}  # fmt: skip

for _name, _rows in (*SHAPE_CASES.items(), *ORDER_CASES.items(), *LINALG_CASES.items()):
    CASES[_name] = CASES.get(_name, []) + _rows
CREATION_CASES |= SHAPE_CREATION_CASES
