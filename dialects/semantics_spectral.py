"""What `qr`, `eigh`, `svd` and `pinv` mean, by NumPy's LAPACK; NaN in, NaN out. Imports only NumPy and the dialect."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.semantics import meaning

__all__: list[str] = []


@meaning(dif.qr)
def _(x: np.ndarray, complete: bool) -> list[np.ndarray]:
    return list(np.linalg.qr(x, mode="complete" if complete else "reduced"))


def _by_finite(x: np.ndarray, factors: Any) -> list[np.ndarray]:
    """Factor the matrices without NaN and infinity (for the others LAPACK fails, or does not end); else NaN."""
    finite = np.isfinite(x).all((-2, -1))
    found = factors(np.where(finite[..., None, None], x, np.eye(*x.shape[-2:], dtype=x.dtype)))
    masks = [finite.reshape(finite.shape + (1,) * (y.ndim - finite.ndim)) for y in found]
    return [np.where(mask, y, y.dtype.type(np.nan)) for mask, y in zip(masks, found, strict=True)]


@meaning(dif.eigh)
def _(x: np.ndarray, lower: bool) -> list[np.ndarray]:
    def factors(y: np.ndarray) -> Any:
        return np.linalg.eigh(y, UPLO="L" if lower else "U")

    triangle = np.tril(x) if lower else np.triu(x)
    return _by_finite(triangle, factors)


@meaning(dif.svd)
def _(x: np.ndarray, full: bool) -> list[np.ndarray]:
    return _by_finite(x, lambda y: np.linalg.svd(y, full_matrices=full))


@meaning(dif.pinv)
def _(x: np.ndarray, rtol: np.ndarray) -> np.ndarray:
    u, s, vh = _by_finite(x, lambda y: np.linalg.svd(y, full_matrices=False))
    kept = s > rtol[..., None] * s.max(-1, keepdims=True, initial=0)
    inverse = np.where(kept | np.isnan(s), 1 / np.where(s == 0, 1, s), 0).astype(x.dtype)
    return np.matmul(vh.swapaxes(-1, -2) * inverse[..., None, :], u.swapaxes(-1, -2))
