"""Cases of the factorisations and solves of numpy.linalg; part of `numpy_cases`.

Vectors that are determined up to their sign only are compared through what does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["LINALG_CASES"]

_RNG = np.random.default_rng(9)
_A = _RNG.normal(size=(4, 4)) + 3 * np.eye(4)
_STACK = _RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3)
_TALL, _WIDE = _RNG.normal(size=(5, 3)), _RNG.normal(size=(2, 3, 5))
_SYMMETRIC = _A + _A.T
_POSITIVE = _A @ _A.T
_LOW_RANK = np.outer(np.arange(1.0, 5), [1.0, -1, 2])
_INT = np.array([[2, 1], [1, 3]])
_B, _B2 = _RNG.normal(size=4), _RNG.normal(size=(4, 2))

Case = tuple[Callable[..., Any], tuple[Any, ...]]


def _rebuilt(x: Any, **options: Any) -> Any:
    u, s, vh = np.linalg.svd(x, **options)
    return s, np.abs(u), np.abs(vh)


def _spectrum(x: Any, **options: Any) -> Any:
    values, vectors = np.linalg.eigh(x, **options)
    return values, np.abs(vectors)


LINALG_CASES: dict[str, list[Case]] = {
    "linalg.cholesky": [
        (np.linalg.cholesky, (_POSITIVE,)),
        (lambda x: np.linalg.cholesky(x, upper=True), (_POSITIVE,)),
        (np.linalg.cholesky, (_INT,)),
    ],
    "linalg.cond": [(lambda x, p=p: np.linalg.cond(x, p), (_A,)) for p in (None, 1, -1, 2, -2, np.inf, "fro")],
    "linalg.det": [(np.linalg.det, (_A,)), (np.linalg.det, (_STACK,)), (np.linalg.det, (_INT,))],
    "linalg.eigh": [(_spectrum, (_SYMMETRIC,)), (lambda x: _spectrum(x, UPLO="U"), (_SYMMETRIC,))],
    "linalg.eigvalsh": [(np.linalg.eigvalsh, (_SYMMETRIC,)), (np.linalg.eigvalsh, (_INT,))],
    "linalg.inv": [(np.linalg.inv, (_A,)), (np.linalg.inv, (_STACK,))],
    "linalg.lstsq": [(lambda a, b: np.linalg.lstsq(a, b)[0], (_TALL, _RNG.normal(size=5)))],
    "linalg.matrix_rank": [(np.linalg.matrix_rank, (_A,)), (np.linalg.matrix_rank, (_LOW_RANK,))],
    "linalg.pinv": [(np.linalg.pinv, (_TALL,)), (np.linalg.pinv, (_LOW_RANK,)), (np.linalg.pinv, (_WIDE,))],
    "linalg.qr": [
        (np.linalg.qr, (_TALL,)),
        (lambda x: np.linalg.qr(x, "complete"), (_TALL,)),
        (lambda x: np.linalg.qr(x, mode="r"), (_WIDE,)),
    ],
    "linalg.slogdet": [(np.linalg.slogdet, (_A,)), (np.linalg.slogdet, (_STACK,))],
    "linalg.solve": [
        (np.linalg.solve, (_A, _B)),
        (np.linalg.solve, (_A, _B2)),
        (np.linalg.solve, (_STACK, _RNG.normal(size=(2, 3, 2)))),
    ],
    "linalg.svd": [
        (lambda x: _rebuilt(x, full_matrices=False), (_TALL,)),
        (lambda x: np.linalg.svd(x, compute_uv=False), (_WIDE,)),
    ],
    "linalg.svdvals": [(np.linalg.svdvals, (_TALL,))],
    "linalg.tensorinv": [(lambda x: np.linalg.tensorinv(x, ind=1), (_A.reshape(4, 2, 2),))],
    "linalg.tensorsolve": [(np.linalg.tensorsolve, (_A.reshape(2, 2, 4), _B.reshape(2, 2)))],
}
