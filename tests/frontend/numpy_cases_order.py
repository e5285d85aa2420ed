"""Cases of functions that sort, search, count and go along an axis; part of `numpy_cases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import difc.numpy as dnp

__all__ = ["METHODS", "ORDER_CASES"]

_RNG = np.random.default_rng(9)


def _r(*shape: int) -> np.ndarray:
    return _RNG.normal(size=shape)


_A, _M, _V = _r(3, 4), _r(2, 3, 4), _r(7)
_F32, _F16 = _V.astype(np.float32), _V.astype(np.float16)
_INT, _NUMBERS = _RNG.integers(-5, 5, (3, 6)), _RNG.integers(0, 6, 20)
_NAN = np.where(_M > 0.8, np.nan, _M)
_SORTED, _POINTS = np.sort(_r(6)), _r(6)
METHODS = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull"),
    *("linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
)
_QS = [0.0, 0.3, 0.5, 0.77, 1.0]

Case = tuple[Callable[..., Any], tuple[Any, ...]]


def _quantiles(name: str, scale: int, x: np.ndarray) -> list[Case]:
    function = getattr(np, name)
    # NumPy's nan functions put the axes of a matrix of quantiles in another order where axes are kept.
    table = [0.1 * scale, 0.7 * scale] if "nan" in name else [[0.1 * scale], [0.7 * scale]]
    return [
        *[(lambda x, m=m: function(x, [scale * q for q in _QS], method=m), (_F32,)) for m in METHODS],
        *[(lambda x, m=m: function(x, 0.4 * scale, axis=-1, method=m), (_INT,)) for m in METHODS],
        (lambda x: function(x, table, axis=(0, 2), keepdims=True), (x,)),
        (lambda x: function(x, 0.3 * scale, axis=1), (x,)),
        (lambda x: function(x, scale), (_F16,)),
        (lambda x, q: function(x, q), (_V, np.array([0.2, 0.6]) * scale)),
    ]


ORDER_CASES: dict[str, list[Case]] = {
    "argpartition": [(lambda x: np.take(x, np.argpartition(x, 3)[3]), (_V,))],
    "argsort": [
        (np.argsort, (_NAN,)), (lambda x: np.argsort(x, 0, stable=True), (_INT,)),
        (lambda x: np.argsort(x, None, kind="stable"), (_INT,)), (lambda x: x.argsort(), (_F16,)),
    ],
    "argwhere": [(lambda x: dnp.argwhere(x, size=30, fill_value=-1), (_INT > 0,))],
    "bincount": [
        (lambda x: dnp.bincount(x, length=8), (_NUMBERS,)), (lambda x: dnp.bincount(x, length=3), (_NUMBERS - 1,)),
        (lambda x, w: dnp.bincount(x, w, length=8), (_NUMBERS, _r(20))),
        (lambda w: np.bincount(_NUMBERS, w), (_r(20),)),
    ],
    "corrcoef": [(np.corrcoef, (_V,)), (np.corrcoef, (_A, _r(3, 4)))],
    "cov": [
        (lambda x: np.cov(x, fweights=[1, 2, 0, 3, 1, 1]), (_INT,)), (lambda x: np.cov(x, ddof=0), (_V,)),
        (lambda x, w: np.cov(x, aweights=w), (_INT, abs(_POINTS))), (lambda x: np.cov(x, dtype=np.float32), (_INT,)),
        (lambda x, w: np.cov(x, aweights=w, fweights=[1, 2, 1, 3, 1, 1], ddof=2), (_INT, abs(_POINTS))),
    ],
    "cumprod": [(lambda x: np.cumprod(x, 1), (_M,)), (np.cumprod, (_INT.astype(np.int8),)), (np.cumprod, (_F16,))],
    "digitize": [
        (lambda x, b, r=r, s=s: np.digitize(x, b[::s], r), (_INT, np.sort(_NUMBERS))) for r in (0, 1) for s in (1, -1)
    ] + [(lambda x, r=r: np.digitize(x, [3, 1, 0], r), (_INT,)) for r in (0, 1)],
    "flatnonzero": [(lambda x: dnp.flatnonzero(x, size=5), (_INT,))],
    "gradient": [
        *[(lambda x, e=e: np.gradient(x, 0.5, 2.0, axis=(0, 1), edge_order=e), (_A,)) for e in (1, 2)],
        *[(lambda x, e=e: np.gradient(x, [0, 1, 3, 7], axis=-1, edge_order=e), (_A,)) for e in (1, 2)],
        *[(lambda x, c, e=e: np.gradient(x, c, edge_order=e), (_POINTS, _SORTED)) for e in (1, 2)],
    ],
    "histogram": [
        (np.histogram, (_V,)), (lambda x: np.histogram(x, 5, (-1, 1)), (_F32,)),
        (lambda x: np.histogram(x, 4), (_INT,)),
        (lambda x: np.histogram(x, 5, density=True), (_F32,)), (lambda x: np.histogram(x, 3), (np.full(4, 2.0),)),
        (lambda x, w: np.histogram(x, [-2, 0, 0.5, 1], weights=w), (_V, _F32)), (np.histogram, (_INT > 0,)),
    ],
    "histogram2d": [
        (lambda x, y: np.histogram2d(x, y, [3, [-1, 0, 1]], density=True), (_V, _V[::-1])),
        (lambda x, y: np.histogram2d(x, y, [-1, 0, 1.0, 2]), (_V, _V[::-1])),
    ],
    "histogram_bin_edges": [(lambda x: np.histogram_bin_edges(x, 4), (_INT,))],
    "histogramdd": [
        (lambda x: np.histogramdd(x, (2, 3, 2, 2)), (_A,)),
        (lambda x: np.histogramdd(x, 3, range=[(0, 1)] * 4, weights=[1, 2, 3]), (_A,)),
    ],
    "interp": [
        (lambda x, t, f: np.interp(x, t, f, period=1.5), (_M * 4, _SORTED, _POINTS)),
        (lambda x, t, f: np.interp(x, t, f), (_SORTED, _SORTED, _POINTS)),
        (lambda x: np.interp(x, [1.0], [2.0], -1, 7), (_F32,)),
    ],
    "isin": [(lambda x: np.isin(x, [1, 2, 9]), (_INT,)), (lambda x, y: np.isin(x, y, invert=True), (_INT, _NUMBERS))],
    "lexsort": [(lambda a, b: np.lexsort((a, b)), (_NUMBERS, _NUMBERS[::-1] // 2)),
                (lambda x: np.lexsort(x, axis=0), (_NUMBERS.reshape(2, 5, 2),))],
    "median": [
        (np.median, (x,)) for x in (_V, _F32[:6], _F16, _INT, np.float64(3))
    ] + [(lambda x: np.median(x, (0, 1)), (_NAN,)), (lambda x: np.median(x, 1, keepdims=True), (_M,))],
    "nanmedian": [
        (np.nanmedian, (_NAN,)), (lambda x: np.nanmedian(x, (0, 1)), (_NAN,)), (np.nanmedian, (_INT,)),
        (lambda x: np.nanmedian(x, 1, keepdims=True), (_NAN,)), (np.nanmedian, (np.full(3, np.nan),)),
    ],
    "nanpercentile": _quantiles("nanpercentile", 100, _NAN),
    "nanquantile": _quantiles("nanquantile", 1, _NAN),
    "nanvar": [(lambda x: np.nanvar(x, 1, ddof=2, keepdims=True), (_NAN,))],
    "nonzero": [(lambda x: dnp.nonzero(x, size=4), (_INT > 0,)),
                (lambda x: dnp.nonzero(x, size=30, fill_value=-1), (_M > 0,))],
    "partition": [(lambda x: np.partition(x, 3)[3], (_V,)), (lambda x: np.partition(x, [0, -1], 0)[[0, -1]], (_A,))],
    "percentile": _quantiles("percentile", 100, _M),
    "quantile": [
        *_quantiles("quantile", 1, _M),
        (lambda x, w: np.quantile(x, _QS, method="inverted_cdf", weights=w), (_V, abs(_V[::-1]))),
        (lambda x: np.quantile(x, 0.4, 1, method="inverted_cdf", weights=[0, 1, 2, 0, 3, 1]), (_INT,)),
        (lambda x, w: np.quantile(x, _QS, (0, 1), method="inverted_cdf", weights=w), (_INT, abs(_INT))),
    ],
    "searchsorted": [
        (lambda t, x: np.searchsorted(t, x, "right", sorter=np.argsort(t)), (_NUMBERS, _INT)),
        (lambda t: np.searchsorted(t, 2.5), (np.sort(_NUMBERS),)), (lambda x: np.searchsorted([1, 2, 3], x), (_V,)),
    ],
    "sort": [
        (np.sort, (_NAN,)), (lambda x: np.sort(x, 0), (_INT.astype(np.int8),)), (lambda x: np.sort(x, None), (_M,)),
        (np.sort, (_F16,)), (np.sort, (_INT > 0,)),
    ],
    "unique": [
        (lambda x: dnp.unique(x, True, True, True, size=9, fill_value=-7), (_INT,)),
        (lambda x: dnp.unique(x, size=2), (_INT,)),
        (lambda x: dnp.unique(x, return_counts=True, size=3), (np.array([np.nan, 1, 2, np.nan, 1]),)),
    ],
    "unwrap": [
        (lambda x: np.unwrap(9 * x, axis=0), (_M,)), (lambda x: np.unwrap(x, discont=4), (np.cumsum(2 * _V),)),
        (lambda x: np.unwrap(x, period=4), (np.array([0, 1, 2, 3, 0, 1, 2, 6, 0]),)), (np.unwrap, (9 * _F32,)),
        (np.unwrap, (_M[:, :, :0],)), (lambda x: np.unwrap(x, axis=0), (_M[:0],)),
        (lambda x: np.unwrap(x, period=255), (np.array([0, 100, 250, 3, 9, 200]),)),
    ],
}  # fmt: skip
