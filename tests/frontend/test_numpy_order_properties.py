"""Functions that sort, search, count and reduce, over random shapes, axes and values: the traced result is NumPy's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import difc.numpy as dnp
from tests.frontend.numpy_cases_order import METHODS
from tests.frontend.traced import check

FEW = settings(max_examples=40, deadline=None)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
DTYPES = st.sampled_from([np.dtype(t) for t in ("f8", "f4", "i4", "u1", "?")])
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])


@st.composite
def _arrays(draw: st.DrawFn) -> np.ndarray:
    """Return an array of few different numbers, with special ones among floats."""
    shape, dtype = draw(SHAPES), draw(DTYPES)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    x = random.integers(0, 4, shape).astype(dtype)
    if dtype.kind == "f" and draw(st.booleans()):
        x = np.where(random.random(shape) < 0.3, random.choice(SPECIAL, shape), x).astype(dtype)
    return x


def _check(function: Callable[[Any], Any], x: np.ndarray, run_time: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(function, x, dynamic=[(0, d) for d in range(x.ndim)] if run_time else ())


@FEW
@given(st.data(), _arrays(), st.booleans())
def test_ordering(data: st.DataObject, x: np.ndarray, run_time: bool) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    side, k = data.draw(st.sampled_from(["left", "right"])), data.draw(st.integers(0, x.shape[axis] - 1))
    wanted = data.draw(st.lists(st.integers(-1, 5), min_size=1, max_size=4))
    functions: list[Callable[[Any], Any]] = [
        lambda a: np.sort(a, axis),
        lambda a: np.argsort(a, axis, stable=True),
        lambda a: np.argsort(a, None, stable=True),
        lambda a: np.take(np.partition(a, k, axis), k, axis),
        lambda a: np.lexsort((a, np.flip(a, axis)), axis),
        lambda a: np.searchsorted(np.sort(a, None), wanted, side),
        lambda a: np.digitize(a, [0, 1, 3], right=side == "left") if a.dtype != bool else np.isin(a, [True]),
        lambda a: np.isin(a, wanted) if a.dtype != bool else np.isin(a, [True]),
        lambda a: np.maximum.accumulate(a, axis),
        lambda a: np.cumsum(a, axis) if a.dtype != np.float32 else np.minimum.accumulate(a, axis),
        lambda a: np.cumprod(a, axis),
    ]
    _check(data.draw(st.sampled_from(functions)), x, run_time)


@FEW
@given(st.data(), _arrays(), st.booleans())
def test_quantiles(data: st.DataObject, x: np.ndarray, run_time: bool) -> None:
    if x.dtype == np.bool_:
        x = x.astype(np.int8)
    x = np.where(np.isinf(x), 1, x).astype(x.dtype)  # NumPy's mixtures with infinities are NaN now and then
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    q, method = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0])), data.draw(st.sampled_from(METHODS))
    keep = data.draw(st.booleans())
    functions: list[Callable[[Any], Any]] = [
        lambda a: np.median(a, axis, keepdims=keep),
        lambda a: np.nanmedian(a, axis, keepdims=keep),
        lambda a: np.quantile(a, q, axis, method=method, keepdims=keep),
        lambda a: np.percentile(a, [100 * q, 50], axis, method=method, keepdims=keep),
        lambda a: np.nanquantile(a, [q, 0.5], axis, method=method),
    ]
    _check(data.draw(st.sampled_from(functions)), x, run_time)


@FEW
@given(st.data(), _arrays(), st.booleans())
def test_reductions(data: st.DataObject, x: np.ndarray, run_time: bool) -> None:
    axes = data.draw(st.none() | st.sets(st.integers(0, x.ndim - 1)).map(tuple))
    keep = data.draw(st.booleans())
    mask = np.random.default_rng(data.draw(st.integers(0, 9))).random(x.shape) < 0.7
    where = True if run_time else data.draw(st.sampled_from([True, mask]))
    start = {} if where is True else {"initial": 1}
    sums: list[Callable[..., Any]] = [np.sum, np.prod, np.mean, np.var, np.std]
    sums += [np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd]
    extremes: list[Callable[..., Any]] = [np.max, np.min, np.nanmax, np.nanmin]
    if data.draw(st.booleans()):
        function = data.draw(st.sampled_from(sums))
        _check(lambda a: function(a, axis=axes, keepdims=keep, where=where), x, run_time)
    else:
        function = data.draw(st.sampled_from(extremes))
        _check(lambda a: function(a, axis=axes, keepdims=keep, where=where, **start), x, run_time)


@FEW
@given(st.data(), _arrays(), st.booleans())
def test_counting(data: st.DataObject, x: np.ndarray, run_time: bool) -> None:
    size = data.draw(st.integers(0, 6))
    bins = data.draw(st.sampled_from([3, [0, 1, 2.5, 4]]))
    functions: list[Callable[[Any], Any]] = [
        lambda a: dnp.nonzero(a, size=size, fill_value=7),
        lambda a: dnp.flatnonzero(a, size=size),
        lambda a: dnp.unique(a, True, True, True, size=size, fill_value=0),
        lambda a: dnp.bincount(np.ravel(a), length=size) if a.dtype.kind == "u" else np.count_nonzero(a, 0),
        lambda a: np.histogram(a, bins, (0, 3) if bins == 3 else None),
    ]
    _check(data.draw(st.sampled_from(functions)), x, run_time)
