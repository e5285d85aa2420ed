"""Reading and updating by index: NumPy's results for every kind of index, known or traced, also on run-time sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import difc
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import BoundsError, DtypeError, MutationError, ShapeError, UnsupportedError
from difc.testing import check_grads
from tests.frontend.traced import check, compare, module_of, trace_and_run

X = np.arange(120.0).reshape(4, 5, 6)
P, Q = np.array([1, -1]), np.array([[0], [2], [1]])
ALL = slice(None)
MASK = np.arange(20).reshape(4, 5) % 3 == 0

INDICES: list[Any] = [
    0, -1, np.int64(2), (1, 2, 3), slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(5, 2), ..., (..., 0), ALL,
    (ALL, slice(4, None, -2)), (None, 0, ..., None, slice(1, 2)), (slice(None, None, 2), slice(1, None, 3)),
    P, (P, P), (ALL, P, P), (P, ALL, P), (0, ALL, P), (ALL, 0, P), (ALL, P, 0), (Q, P), (ALL, Q, P), (None, P, None),
    (slice(1, 3), Q, slice(None, None, 2)), (P, None, P), (ALL, None, P, 0), (ALL, P, ..., P), (P, ..., P), [0, 2],
    ([0, 1], [1, 2]), (ALL, P, None, P), (np.array(1), ALL, P), MASK, (MASK, 0), np.zeros((4, 0), bool),
    (ALL, [True, False, True, False, True]),
    np.zeros((2, 0), int), [],
]  # fmt: skip


def _is_pick(entry: Any) -> bool:
    return isinstance(entry, (int, np.integer, list, np.ndarray)) and np.asarray(entry).dtype.kind in "iu"


def _traced(index: Any) -> tuple[list[np.ndarray], Any]:
    """Return the integers of an index as arrays, and a function that puts traced ones in their place."""
    entries = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(e) for e in entries if _is_pick(e)]

    def put(values: Any) -> tuple[Any, ...]:
        rest = iter(values)
        return tuple(next(rest) if _is_pick(e) else e for e in entries)

    return arrays, put


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_reading(index: Any) -> None:
    check(lambda x: x[index], X)
    arrays, put = _traced(index)
    if arrays:
        compare(trace_and_run(lambda x, *i: x[put(i)], X, *arrays), X[index])


@pytest.mark.parametrize(
    "index",
    [
        True,
        False,
        (True, 0),
        (0, True),
        (..., True),
        (ALL, True),
        (None, False, ALL),
        (True, P),
        (P, True),
        (True,) * 2,
        np.array(True),
        np.array(False),
        (np.array(True), 0, np.array(True)),
    ],
    ids=str,
)
def test_reading_at_truths(index: Any) -> None:
    check(lambda x: x[index], X)


def _in_place(x: np.ndarray, index: Any, values: Any, ufunc: np.ufunc | None) -> np.ndarray:
    x = x.copy()
    if ufunc is None:
        x[index] = values
    else:
        ufunc.at(x, index, values)
    return x


UPDATES = {
    "set": None, "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "max": np.maximum, "min": np.minimum,
    "divide": np.divide, "power": np.power,
}  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_updating(index: Any) -> None:
    block = np.random.default_rng(0).uniform(1, 2, X[index].shape)
    arrays, put = _traced(index)
    for method, ufunc in UPDATES.items():
        for values in (2.0, block):
            expected = _in_place(X, index, values, ufunc)
            compare(trace_and_run(lambda x, v, m=method: getattr(x.at[index], m)(v), X, values), expected)
            if arrays:
                found = trace_and_run(lambda x, v, *i, m=method: getattr(x.at[put(i)], m)(v), X, values, *arrays)
                compare(found, expected)


@st.composite
def _entries(draw: st.DrawFn) -> Any:
    bound = st.none() | st.integers(-7, 7)
    entry = st.one_of(
        st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1, -3])),
        st.integers(-4, 3),
        st.none(),
        st.lists(st.integers(-4, 3), min_size=2, max_size=2).map(np.array),
        st.just(Q[:, :]),
    )
    found = draw(st.lists(entry, max_size=5))
    if draw(st.booleans()):
        found.insert(draw(st.integers(0, len(found))), ...)
    return tuple(found)


@settings(max_examples=150, deadline=None)
@given(_entries())
def test_any_index(index: Any) -> None:
    try:
        expected = X[index]
    except IndexError:
        with pytest.raises((ShapeError, UnsupportedError)):
            trace_and_run(lambda x: x[index], X)
        return
    compare(trace_and_run(lambda x: x[index], X), expected)
    arrays, put = _traced(index)
    compare(trace_and_run(lambda x, *i: x[put(i)], X, *arrays), expected)
    compare(trace_and_run(lambda x: x.at[index].add(1.0), X), _in_place(X, index, 1.0, np.add))
    compare(trace_and_run(lambda x: x.at[index].set(7.0), X), _in_place(X, index, 7.0, None))


RUN_TIME: list[Any] = [
    slice(1, None), slice(None, -1), slice(1, -1), slice(None, None, 2), slice(1, None, 2), slice(None, None, -1),
    slice(None, None, -2), 0, -1, 2, P, (P, 0), (ALL, 1), (slice(1, None), P), (0, slice(None, None, -1)), ..., None,
    (ALL, None), (ALL, slice(1, 3)), (-1, P),
]  # fmt: skip


@pytest.mark.parametrize("index", RUN_TIME, ids=str)
def test_reading_run_time_sizes(index: Any) -> None:
    check(lambda x: x[index], X, dynamic=[(0, 0)])


@pytest.mark.parametrize("index", [i for i in RUN_TIME if getattr(i, "step", None) not in (2, -2)], ids=str)
def test_updating_run_time_sizes(index: Any) -> None:
    if isinstance(index, tuple) and isinstance(index[0], slice) and index[0].start:
        return
    for method in ("set", "add", "multiply", "max"):  # 1 and -1 may be the same position
        found = trace_and_run(lambda x, m=method: getattr(x.at[index], m)(2.0), X, dynamic=[(0, 0)])
        compare(found, _in_place(X, index, 2.0, UPDATES[method]))


def test_a_traced_index_of_a_run_time_size() -> None:
    compare(trace_and_run(lambda x, i: x[i], X, 2, dynamic=[(0, 0)]), X[2])
    compare(trace_and_run(lambda x: x[: x.shape[0] - 1], X, dynamic=[(0, 0)]), X[:-1])
    compare(trace_and_run(lambda x: x[x.shape[0] - 1], X, dynamic=[(0, 0)]), X[-1])


def test_out_of_bounds() -> None:
    x = np.arange(5.0)
    compare(trace_and_run(lambda x, i: x[i], x, 7), x[4])
    compare(trace_and_run(lambda x, i: x[i], x, [-9, 9]), x[[0, 4]])
    for method in UPDATES:
        for at in (7, [-9, 9]):
            compare(trace_and_run(lambda x, i, m=method: getattr(x.at[i], m)(1.0), x, at), x)


def test_known_to_be_out_of_bounds() -> None:
    for index in (4, (ALL, -6), (0,) * 4, (..., ...), [0, 9], np.ones(3, bool), np.ones((4, 4), bool)):
        with pytest.raises(IndexError):
            _ = X[index]
        with pytest.raises(IndexError):
            trace_and_run(lambda x, i=index: x[i], X)


def test_positions_that_repeat_add_up() -> None:
    compare(trace_and_run(lambda x, i: x.at[i].add(1.0), np.zeros(3), [1, 1, 2]), np.array([0, 2.0, 1]))
    compare(
        trace_and_run(lambda x: x.at[np.array([1, 1])].set(np.array([4.0, 5.0])), np.zeros(3)), np.array([0, 5.0, 0])
    )


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1", "?"])
def test_positions_that_repeat(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, places = rng.integers(0, 9, (4, 3)).astype(dtype), rng.integers(-4, 4, 20)
    values = rng.integers(0, 9, (20, 3)).astype(dtype)
    ufuncs = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}
    for method, ufunc in ufuncs.items():
        expected = _in_place(x, places, values, ufunc)
        compare(trace_and_run(lambda x, i, v, m=method: getattr(x.at[i], m)(v), x, places, values), expected)
        found = trace_and_run(lambda x, v, m=method: getattr(x.at[places], m)(v), x, values, dynamic=[(0, 0)])
        compare(found, expected)
    if dtype == "f4":
        expected = _in_place(x, places, values + 1, np.divide)
        found = trace_and_run(lambda x, i, v: x.at[i].divide(v + 1), x, places, values)
        np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    if dtype != "?":
        exponents = rng.integers(0, 3, (20, 1)).astype(dtype)
        expected = _in_place(x, places, exponents, np.power)
        compare(trace_and_run(lambda x, i, v: x.at[i].power(v), x, places, exponents), expected)


def test_powers_at_positions_that_repeat() -> None:
    x, places = np.array([-3.0, 2.0, 0.0, 1.5]), np.array([1, 3, 1, 3, 0])
    exponents = np.array([2.0, 0.5, -1.0, 3.0, 2.0])
    expected = np.array([9.0, 2.0**-2, 0.0, 1.5**1.5])  # as JAX has it; where x is negative, so are powers in steps
    compare(trace_and_run(lambda x, i, e: x.at[i].power(e), x, places, exponents), expected)
    np.testing.assert_allclose(difc.jit(lambda x, i, e: x.at[i].power(e))(x, places, exponents), expected)
    check_grads(lambda x: x.at[places].power(exponents), [x])
    check_grads(lambda x, e: x.at[places].power(e), [np.abs(x) + 0.5, exponents])
    (tangent,) = trace_and_run(
        lambda e: difc.jvp(lambda e: difc.numpy.asarray(x).at[[1, 1]].power(e), (e,), (e,))[1], exponents[:2]
    )
    assert tangent[0] == 0  # nothing is raised there, or the logarithm of -3 would make it NaN


def test_masks() -> None:
    x = np.arange(6.0).reshape(2, 3)
    compare(trace_and_run(lambda x: x.at[x > 2].set(0), x), np.where(x > 2, 0, x))
    compare(trace_and_run(lambda x: x.at[x > 2].multiply(2), x), np.where(x > 2, 2 * x, x))
    rows = trace_and_run(lambda x: x.at[x[:, 0] > 0].set(np.array([7.0, 8.0, 9.0])), x)
    compare(rows, np.array([[0, 1, 2], [7.0, 8, 9]]))
    compare(trace_and_run(lambda x: x.at[x > 2].add(1), x, dynamic=[(0, 0)]), np.where(x > 2, x + 1, x))


@pytest.mark.parametrize("truth", [True, False])
def test_one_truth_for_all(truth: bool) -> None:
    x = np.arange(6.0).reshape(2, 3)
    for value in (7.0, x + 1, (x + 1)[None], (x + 1)[None, None]):
        expected = np.where(truth, value, x).reshape(2, 3)
        for index in (truth, np.array(truth), (truth,)):
            compare(trace_and_run(lambda x, v, i=index: x.at[i].set(v), x, value), expected)
        compare(trace_and_run(lambda x, v, i: x.at[i].set(v), x, value, truth), expected)
    doubled = trace_and_run(lambda x, i: x.at[i].add(x), x, truth, dynamic=[(0, 0)])
    compare(doubled, np.where(truth, 2 * x, x))


def test_one_value_for_a_mask() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for value in ([7.0], [[7.0]]):
        compare(trace_and_run(lambda x, v: x.at[x > 2].set(v), x, value), np.where(x > 2, 7.0, x))
        compare(trace_and_run(lambda x, v: x.at[X[:2, :3, 0] > 2].set(v), x, value), np.where(X[:2, :3, 0] > 2, 7.0, x))


def test_an_empty_mask_fits_any_size() -> None:
    for sizes in ((0,), (0, 5), (4, 0)):
        mask = np.zeros(sizes, bool)
        compare(trace_and_run(lambda x, m=mask: x[m], X), X[mask])
        compare(trace_and_run(lambda x, m=mask: x.at[m].set(7.0), X), X)
        compare(trace_and_run(lambda x, m: x.at[m].set(7.0), X, mask), X)


def test_known_slices_need_no_scatter() -> None:
    for index in (slice(1, 3), (0, slice(None, None, 2)), (ALL, -1), ..., (ALL, slice(None, None, -1))):
        for method in ("set", "add", "multiply"):
            text = str(module_of(lambda x, m=method, i=index: getattr(x.at[i], m)(1.0), [Aval(X.shape, X.dtype)]))
            assert "scatter" not in text
            assert "gather" not in text


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: x[x > 3], UnsupportedError, "traced mask.*np.where"),
        (lambda x: x[:, 9], BoundsError, "index 9 is out of bounds for dim 1 of size 5"),
        (lambda x: x[:, [0, 9]], BoundsError, "index 9 is out of bounds for dim 1"),
        (lambda x: x[0, 0, 0, 0], BoundsError, "too many indices: 4 for an array of 3"),
        (lambda x: x[..., 0, ...], BoundsError, "only one ellipsis"),
        (lambda x: x[1.5], DtypeError, "an index must be an integer.*not float"),
        (lambda x: x[:5], ShapeError, "run-time size n, up to a limit.*use the positions np.arange\\(0, 5\\)"),
        (lambda x: x[-1:], ShapeError, "positions np.arange\\(-1, 0\\)"),
        (lambda x: x[1:9:2], ShapeError, "positions np.arange\\(1, 9, 2\\)"),
        (lambda x: x[-3:4], ShapeError, "up to a limit.*Remedy: give dim 0 a fixed size in the spec"),
        (lambda x: x[:, : x.sum().astype(int)], ShapeError, "traced stop.*np.arange"),
        (lambda x: x[:, : x.shape[0]], ShapeError, r"traced stop.*x\[difc\.numpy\.arange\(n\)\]"),
        (lambda x: x[:, ::0], ShapeError, "step of 0"),
        (lambda x: x[:, np.ones(3, bool)], BoundsError, "a mask of size 3 does not fit dim 1 of size 5"),
        (lambda x: x.at[x[0] > 0].set(0.0), BoundsError, r"a mask of shape \[5, 6\] does not fit"),
        (lambda x: x.sum(axis=3), BoundsError, "axis 3 is not an axis of an array of 3 dimensions"),
        (lambda x: x.at[:, 0].set(np.ones(3)), ShapeError, r"a value of shape \[3\] does not fit"),
        (lambda x: (x > 0).at[[0, 0]].power(True), UnsupportedError, "power at positions that are traced or repeat"),
        (lambda x: x.at[x > 0].set(x), UnsupportedError, "values for the elements of a traced mask"),
        (lambda x: x.at[True, 0].set(0.0), UnsupportedError, "updated at True or False beside other indices"),
        (lambda x: x.__setitem__(0, 1.0), MutationError, "cannot be assigned to in place.*x.at"),
        (lambda x: np.put(x, 0, 1.0), MutationError, "numpy.put writes into an array in place"),
    ],
)
def test_messages(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as raised:
        module_of(f, [Aval((Dim.named("n"), 5, 6), X.dtype)])
    assert "test_numpy_indexing.py" in str(raised.value)
