"""Functions that sort, search, count and go along an axis: what they refuse, and what they are outside a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import DifcError, InputError, ShapeError, UnsupportedError
from tests.frontend.traced import check, module_of

N = Dim.named("n")
V = np.array([3.0, 1, 2])


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.sort(x, order="a"), UnsupportedError, "numpy.sort with order=.*np.sort of an array"),
        (lambda x: np.sort(x, 2), ShapeError, "axis 2 is not an axis"),
        (lambda x: np.lexsort((x, x[0])), ShapeError, "lexsort needs one or more keys of one shape"),
        (lambda x: np.partition(x, 3), ShapeError, "partition: kth=3 is not a place in an axis of size 3"),
        (lambda x: np.searchsorted(x, 1.0), ShapeError, "searchsorted needs a sorted vector, and side="),
        (lambda x: np.searchsorted(x[0], 1.0, side="middle"), ShapeError, "side='left' or 'right'"),
        (lambda x: np.digitize(x, [0, 2, 1]), ShapeError, "the bounds must increase, or all decrease.*sort them"),
        (lambda x: np.digitize(x, x), ShapeError, "digitize needs a vector of bounds"),
        (lambda x: dnp.cummax(x, 2), ShapeError, "axis 2 is not an axis"),
        (lambda x: np.cumsum(x[0, 0], 1), ShapeError, "axis 1 is not an axis of an array of 1 dimension"),
        (lambda x: np.argmax(x[0, 0], axis=1), ShapeError, "axis 1 is not an axis of an array of 1 dimension"),
        (lambda x: dnp.top_k(x, 4), InputError, "top_k: 4 of 3 elements were asked for.*from 0 to the size"),
        (lambda x: np.quantile(x, 1.5), InputError, "quantile: q=1.5 is not between 0 and 1.*0 <= q <= 1"),
        (lambda x: np.percentile(x, -3), InputError, "percentile: q=-3 is not between 0 and 100"),
        (lambda x: np.quantile(x, 0.5, method="best"), InputError, "method 'best' is not one.*use one of linear, "),
        (lambda x: np.quantile(x, 0.5, weights=x), UnsupportedError, "with weights=.*method='inverted_cdf'"),
        (
            lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=V[:2]),
            ShapeError,
            r"weights of shape \[2\] do not fit",
        ),
        (lambda x: np.quantile(x, np.full((1, 1, 1), 0.5)), ShapeError, "q has 3 dimensions, and may have two at most"),
        (lambda x: np.median(x[:, :0]), ShapeError, "median of an empty array has no value"),
        (lambda x: np.bincount(x[0].astype(int)), UnsupportedError, r"numpy.bincount of a traced.*\(..., length=n\)"),
        (lambda x: dnp.bincount(x[0], length=3), ShapeError, r"bincount needs a vector of integers, not f64\[3\]"),
        (lambda x: dnp.bincount(np.arange(2), x[0]), ShapeError, r"weights f64\[3\] for numbers i64\[2\]"),
        (np.unique, UnsupportedError, r"numpy.unique of a traced.*difc.numpy.unique\(..., size=n\).*np.sort"),
        (lambda x: dnp.unique(x, axis=0, size=2), UnsupportedError, "numpy.unique with axis=.*np.lexsort"),
        (lambda x: dnp.unique(x[:, :0], size=2), ShapeError, "unique of an empty array"),
        (np.nonzero, UnsupportedError, r"numpy.nonzero of a traced.*size=n\).*np.where\(mask, x, other\)"),
        (np.flatnonzero, UnsupportedError, r"difc.numpy.flatnonzero\(..., size=n\)"),
        (np.argwhere, UnsupportedError, r"difc.numpy.argwhere\(..., size=n\)"),
        (lambda x: np.histogram(x, "auto"), UnsupportedError, "bins='auto', a number that depends on values.*bins=n"),
        (lambda x: np.histogram(x, 0), ShapeError, "bins=0: a histogram needs one bin or more"),
        (lambda x: np.histogram(x, x), ShapeError, "the bounds of bins must be a vector"),
        (lambda x: np.histogram(x, 3, (2, 1)), ShapeError, r"range=\(2, 1\) is not a finite interval"),
        (lambda x: np.histogram(x, 3, weights=V), ShapeError, "one weight for each element"),
        (lambda x: np.histogramdd(x, [2, 2]), ShapeError, "2 bins and 3 ranges for points of 3 dimensions"),
        (lambda x: np.interp(x, V, V[:2]), ShapeError, "interp needs two vectors of as many points"),
        (lambda x: np.gradient(x[0, :1]), ShapeError, "gradient needs at least 2 points along an axis"),
        (lambda x: np.gradient(x, V[:2], axis=1), ShapeError, "are not the coordinates of 3 points"),
        (lambda x: np.gradient(x, 1.0, edge_order=3), ShapeError, "edge_order not 1 or 2"),
        (lambda x: np.cov(x, fweights=V[:2]), ShapeError, "cov: fweights f64.*one for each of 3 observations"),
        (lambda x: np.cov(np.stack([x, x])), ShapeError, "cov needs a matrix, not an array of 3 dimensions"),
        (lambda x: np.add.reduceat(x, [3], 1), ShapeError, "an index is not within an axis of 3 elements"),
        (lambda x: np.add.reduceat(V, x[0].astype(int)), ShapeError, "reduceat at traced indices.*at.numbers..add"),
        (lambda x: np.fmax.reduce(x, where=x > 0), ShapeError, "may find nothing to combine.*pass initial="),
        (lambda x: np.fmin.reduce(x[:, :0], axis=1), ShapeError, "numpy.fmin.reduce of an empty array.*initial="),
        (lambda x: np.logaddexp.reduce(x), ShapeError, "logaddexp.reduce needs a size known.*dim 0"),
        (lambda x: np.convolve(x[:, 0], x[:, 1]), ShapeError, "convolve needs a size known.*one of the vectors"),
        (lambda x: np.correlate(x, V), ShapeError, "correlate needs two vectors with elements"),
        (lambda x: np.convolve(x[0], V, "all"), ShapeError, "mode 'all' is not one of 'full', 'same', 'valid'"),
        (lambda x: np.einsum(x, ["i", "j"]), InputError, r"einsum: the labels \['i', 'j'\].*are not integers"),
        (lambda x: np.vdot(x[0], V[:2]), ShapeError, "vdot: shapes .3. and .2. do not fit"),
    ],
)
def test_messages(f: Any, error: type[DifcError], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as raised:
        module_of(lambda x: f(x), [Aval((N, 3), np.dtype(float))])
    assert "test_numpy_order.py" in str(raised.value)
    assert "^" in str(raised.value)


def test_functions_of_a_given_size_work_outside_a_trace() -> None:
    x = np.array([[0, 5], [7, 0]])
    assert [i.tolist() for i in dnp.nonzero(x, size=3, fill_value=-1)] == [[0, 1, -1], [1, 0, -1]]
    assert dnp.flatnonzero(x, size=1).tolist() == [1]
    assert dnp.argwhere(x, size=3).tolist() == [[0, 1], [1, 0], [0, 0]]
    assert dnp.bincount([1, 1, 5], length=3).tolist() == [0, 2, 0]
    values, first, inverse, counts = dnp.unique(x, True, True, True, size=4)
    assert (values.tolist(), first.tolist(), counts.tolist()) == ([0, 5, 7, 0], [0, 1, 2, 0], [2, 1, 1, 0])
    assert inverse.tolist() == [[0, 1], [2, 0]]
    for name in ("nonzero", "flatnonzero", "argwhere", "unique", "bincount"):  # without a size they are NumPy's
        argument = np.array([0, 2, 2])
        np.testing.assert_equal(getattr(dnp, name)(argument), getattr(np, name)(argument))


def test_the_largest_elements_of_rows() -> None:
    x = np.array([[1.0, 3, np.nan, 3], [2, -1, 2, 0]])
    assert difc.nn.top_k is dnp.top_k
    values, places = dnp.top_k(x, 2)
    np.testing.assert_array_equal(values, [[np.nan, 3], [2, 2]])
    np.testing.assert_array_equal(places, [[2, 1], [0, 2]])
    check(lambda a: dnp.top_k(a, 3, axis=0), np.array([[1, 2], [3, 2], [0, 9]]), dynamic=[(0, 0)])
    assert dnp.top_k(np.arange(3, dtype=np.uint8), 0)[0].shape == (0,)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "u1", "?"])
@pytest.mark.parametrize(("ours", "ufunc"), [(dnp.cummax, np.maximum), (dnp.cummin, np.minimum)])
def test_running_extremes(ours: Any, ufunc: np.ufunc, dtype: str) -> None:
    x = np.array([[3, 1, 4], [1, 5, 9], [2, 6, 5]]).astype(dtype)
    if x.dtype.kind == "f":
        x[1, 1] = np.nan
    np.testing.assert_array_equal(ours(x, 1), ufunc.accumulate(x, 1))
    for function in (ours, lambda a: ours(a, axis=-1)):
        check(function, x)
        check(function, x, dynamic=[(0, 0), (0, 1)])


def test_bounds_of_bins_may_be_none() -> None:
    spec = difc.f64["n"], difc.f64["m"]
    found = difc.compile(np.digitize, *spec)
    for bounds in ([], [2.0], [0.0, 2.0, 2.0], [2.0, 1.0, 1.0]):
        values = np.array([-1.0, 1.0, 2.0, 3.0])
        np.testing.assert_array_equal(found(values, np.array(bounds)), np.digitize(values, bounds))
