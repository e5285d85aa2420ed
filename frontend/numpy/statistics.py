"""Covariance and correlation of variables."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.dialects import F64
from difc.numpy.common import as_tracer, integer, shape_error
from difc.numpy.registry import implements
from difc.promotion import common_dtype

__all__: list[str] = []


def _weights(w: Any, count: Any, what: str) -> Any:
    found = as_tracer(w)
    if found.aval.shape != (count,):
        raise shape_error(f"cov: {what} {found.aval} are not one for each of {count} observations")
    return found.astype(F64)


@implements(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Return the covariances of variables, which are rows (or columns). (numpy.cov)"""
    x: Any = np.atleast_2d(as_tracer(m))
    if x.ndim > 2:
        raise shape_error(f"cov needs a matrix, not an array of {x.ndim} dimensions")
    x = x if rowvar or np.ndim(m) == 1 else np.transpose(x)
    if y is not None:
        other: Any = np.atleast_2d(as_tracer(y))
        x = np.concatenate([x, other if rowvar or other.aval.shape[0] == 1 else np.transpose(other)])
    x = x.astype(common_dtype(x, np.float64(0)) if dtype is None else dtype)
    off = integer(ddof, "ddof") if ddof is not None else 0 if bias else 1
    count = x.aval.shape[1]
    frequency = None if fweights is None else _weights(fweights, count, "fweights")
    reliability = None if aweights is None else _weights(aweights, count, "aweights")
    given = [w for w in (frequency, reliability) if w is not None]
    if not given:
        centered = x - np.mean(x, axis=1, keepdims=True)
        total = np.maximum(np.asarray(count - off, x.dtype) if isinstance(count, int) else x.shape[1] - off, 0)
        return np.squeeze(centered @ np.transpose(centered) / total.astype(x.dtype))
    w = given[0] if len(given) == 1 else given[0] * given[1]
    mass = np.sum(w)
    centered = x - np.sum(x * w, axis=1, keepdims=True) / mass
    lost = off if reliability is None else off * np.sum(w * reliability) / mass
    return np.squeeze((centered @ np.transpose(centered * w)) / np.maximum(mass - lost, 0))


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Return the correlations of variables, which are rows (or columns). (numpy.corrcoef)"""
    covariance = cov(x, y, rowvar, dtype=dtype)
    if not covariance.ndim:
        return covariance / covariance
    spread = np.sqrt(np.diagonal(covariance))
    return np.clip(covariance / np.expand_dims(spread, 1) / spread, -1, 1)
