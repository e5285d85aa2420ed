"""Gather, scatters and blocks, against loops over points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import I64, Aval
from difc.dialects.indexing import window_dims
from difc.errors import DtypeError, ShapeError
from tests.dialects.evaluating import DTYPES, FAST, aval, dynamic_dims, elements, evaluate, same, seeds

Form = dict[str, Any]


@st.composite
def forms(draw: Any) -> tuple[Form, tuple[int, ...], np.ndarray]:
    """Draw the attributes of a gather, the shape of the array and the indices, some of them out of bounds."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    batch = draw(st.integers(0, len(shape)))
    axes = tuple(d for d in draw(st.permutations(range(batch, len(shape)))) if draw(st.booleans()))
    points = draw(st.lists(st.integers(0, 3), max_size=2))
    dtype = DTYPES[draw(st.sampled_from(["i64", "i32", "u8", "u64"]))]
    low = 0 if dtype.kind == "u" else -2
    rng = np.random.default_rng(draw(seeds))
    indices = np.asarray(rng.integers(low, 5, (*shape[:batch], *points, len(axes)))).astype(dtype)
    return {"axes": axes, "batch": batch, "mode": draw(st.sampled_from(["clip", "fill"]))}, shape, indices


def _windows(form: Form, shape: tuple[int, ...], indices: np.ndarray) -> Iterator[tuple[tuple, tuple | None]]:
    """Give, for each point in row-major order, its place in the gathered array and that of its window, if any."""
    for point in np.ndindex(indices.shape[:-1]):
        place: list[Any] = [*point[: form["batch"]], *[slice(None)] * (len(shape) - form["batch"])]
        valid = True
        for axis, index in zip(form["axes"], indices[point].tolist(), strict=True):
            if not 0 <= index < shape[axis]:
                valid &= form["mode"] == "clip" and shape[axis] > 0
                index = min(max(index, 0), shape[axis] - 1)
            place[axis] = index
        yield point, tuple(place) if valid else None


def _gathered_shape(form: Form, shape: tuple[int, ...], indices: np.ndarray) -> tuple[int, ...]:
    return (*indices.shape[:-1], *(shape[d] for d in window_dims(len(shape), form["axes"], form["batch"])))


def _dynamic(dynamic: int, shape: tuple[int, ...], indices: np.ndarray) -> int:
    return dynamic & ~(1 << (len(shape) + indices.ndim - 1))  # the number of coordinates is always known


@FAST
@given(forms(), st.sampled_from(["f32", "bf16", "i8", "bool"]), seeds, dynamic_dims)
def test_gather(drawn: tuple[Form, tuple[int, ...], np.ndarray], dtype: str, seed: int, dynamic: int) -> None:
    form, shape, indices = drawn
    x = elements(DTYPES[dtype], shape, seed)
    wanted = np.zeros(_gathered_shape(form, shape, indices), x.dtype)
    for point, place in _windows(form, shape, indices):
        if place is not None:
            wanted[point] = x[place]
    same(evaluate(partial(dif.gather, **form), x, indices, dynamic=_dynamic(dynamic, shape, indices)), wanted)


COMBINE: dict[str, Any] = {
    "scatter": lambda old, new: new,
    "scatter_add": np.add,
    "scatter_mul": np.multiply,
    "scatter_min": np.minimum,
    "scatter_max": np.maximum,
}


@FAST
@given(forms(), st.sampled_from(list(COMBINE)), st.sampled_from(["f32", "bf16", "i8"]), seeds, dynamic_dims)
def test_scatter(
    drawn: tuple[Form, tuple[int, ...], np.ndarray], name: str, dtype: str, seed: int, dynamic: int
) -> None:
    form, shape, indices = drawn
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, shape).astype(DTYPES[dtype])  # sums of these are exact
    updates = np.asarray(rng.integers(-4, 5, _gathered_shape(form, shape, indices))).astype(x.dtype)
    wanted = x.copy()
    for point, place in _windows(form, shape, indices):
        if place is not None:
            wanted[place] = COMBINE[name](wanted[place], updates[point])
    fn = partial(dif.OPS[f"dif.{name}"], **form)
    same(evaluate(fn, x, indices, updates, dynamic=_dynamic(dynamic, shape, indices)), wanted)


def test_the_last_of_many_equal_points_wins() -> None:
    points = np.random.default_rng(0).integers(0, 3, (1000, 1))
    updates = np.arange(1000.0)
    result = evaluate(partial(dif.scatter, axes=(0,), batch=0, mode="clip"), np.zeros(3), points, updates)
    assert result.tolist() == [np.flatnonzero(points[:, 0] == i)[-1] for i in range(3)]


def test_sums_in_half_precision_are_rounded_once() -> None:
    fn = partial(dif.scatter_add, axes=(0,), batch=0, mode="clip")
    kind = DTYPES["f16"]
    assert evaluate(fn, np.zeros(1, kind), np.zeros((3001, 1), I64), np.ones(3001, kind)) == 3000


def test_huge_indices_are_out_of_bounds() -> None:
    for dtype, index in (("u64", 2**64 - 1), ("u64", 2**63), ("i64", -(2**63)), ("i64", 2**63 - 1), ("i8", 127)):
        indices = np.array([[index]], DTYPES[dtype])
        x = np.arange(3.0) + 1
        filled = evaluate(partial(dif.gather, axes=(0,), batch=0, mode="fill"), x, indices)
        clipped = evaluate(partial(dif.gather, axes=(0,), batch=0, mode="clip"), x, indices)
        assert (filled.tolist(), clipped.tolist()) == ([0], [1 if index < 0 else 3])


@st.composite
def blocks(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    """Draw a shape, the sizes of a block that fits it, and starts that may lie outside."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    return shape, tuple(draw(st.integers(0, n)) for n in shape), [draw(st.integers(-3, 6)) for _ in shape]


def _block(shape: tuple[int, ...], sizes: tuple[int, ...], starts: list[int]) -> tuple[slice, ...]:
    firsts = [min(max(s, 0), n - k) for s, n, k in zip(starts, shape, sizes, strict=True)]
    return tuple(slice(a, a + k) for a, k in zip(firsts, sizes, strict=True))


@FAST
@given(blocks(), seeds, dynamic_dims)
def test_dynamic_slice(drawn: Any, seed: int, dynamic: int) -> None:
    shape, sizes, starts = drawn
    x = elements(DTYPES["f32"], shape, seed)
    result = evaluate(partial(dif.dynamic_slice, sizes=sizes), x, *map(np.asarray, starts), dynamic=dynamic)
    same(result, x[_block(shape, sizes, starts)])


@FAST
@given(blocks(), seeds, dynamic_dims)
def test_dynamic_update_slice(drawn: Any, seed: int, dynamic: int) -> None:
    shape, sizes, starts = drawn
    x, update = elements(DTYPES["f32"], shape, seed), elements(DTYPES["f32"], sizes, seed + 1)
    wanted = x.copy()
    wanted[_block(shape, sizes, starts)] = update
    same(evaluate(dif.dynamic_update_slice, x, update, *map(np.asarray, starts), dynamic=dynamic), wanted)


def test_a_block_larger_than_a_run_time_size() -> None:
    x, start = np.ones(2), np.array(0)
    with pytest.raises(ShapeError, match="dynamic_slice: a block of size 3 does not fit a dim of size 2"):
        evaluate(partial(dif.dynamic_slice, sizes=(3,)), x, start, dynamic=1)
    with pytest.raises(ShapeError, match="dynamic_update_slice: a block of size 3 does not fit a dim of size 2"):
        evaluate(dif.dynamic_update_slice, x, np.ones(3), start, dynamic=0b11)


X, I1, START = aval("f32[?, 4, 3]"), aval("i64[5, 1]"), aval("i64[]")


def _gather(x: Aval = X, indices: Aval = I1, axes: tuple = (1,), batch: int = 0, mode: str = "clip") -> Aval:
    return dif.gather.infer(x, indices, axes=axes, batch=batch, mode=mode)


def _scatter(updates: str, name: str = "scatter") -> Aval:
    return dif.OPS[f"dif.{name}"].infer(X, I1, aval(updates), axes=(1,), batch=0, mode="clip")


def test_result_types() -> None:
    assert _gather() == aval("f32[5, ?, 3]")
    assert _gather(indices=aval("i64[7, ?, 2]"), axes=(2, 1), batch=1) == aval("f32[7, ?]")
    assert _scatter("f32[5, 2, 3]") == X
    assert dif.dynamic_slice.infer(X, START, START, START, sizes=(2, 4, 1)) == aval("f32[2, 4, 1]")
    assert dif.dynamic_update_slice.infer(X, aval("f32[?, 1, 1]"), START, START, START) == X


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (ShapeError, "gather: mode 'wrap' is not one of clip, fill", lambda: _gather(mode="wrap")),
        (DtypeError, "gather: indices must be integers, not f32[5, 1]", lambda: _gather(indices=aval("f32[5, 1]"))),
        (ShapeError, "gather: dimensions [3] are not distinct", lambda: _gather(axes=(3,))),
        (ShapeError, "gather: 2 batch dims do not fit", lambda: _gather(batch=2)),
        (ShapeError, "gather: -1 batch dims do not fit", lambda: _gather(batch=-1)),
        (ShapeError, "gather: 0 batch dims do not fit", lambda: _gather(indices=aval("i64[]"))),
        (ShapeError, "is not 2, one for each axis", lambda: _gather(axes=(0, 1))),
        (ShapeError, "batch dims differ: 2 and 5", lambda: _gather(x=aval("f32[2, 4]"), batch=1)),
        (ShapeError, "have not the shape [5, ?, 3] that", lambda: _scatter("f32[5, 3]")),
        (ShapeError, "what the indices name differ: 4 and 5", lambda: _scatter("f32[4, 2, 3]")),
        (DtypeError, "have different dtypes", lambda: _scatter("f64[5, 2, 3]")),
        (
            DtypeError,
            "scatter_add takes float or integer elements, not bool",
            lambda: dif.scatter_add.infer(aval("bool[4]"), I1, aval("bool[5]"), axes=(0,), batch=0, mode="clip"),
        ),
        (ShapeError, "one scalar i64 start for each dim", lambda: dif.dynamic_slice.infer(X, START, sizes=(1, 1, 1))),
        (
            ShapeError,
            "one scalar i64 start",
            lambda: dif.dynamic_slice.infer(aval("f32[3]"), aval("i32[]"), sizes=(1,)),
        ),
        (ShapeError, "2 sizes for f32[3]", lambda: dif.dynamic_slice.infer(aval("f32[3]"), START, sizes=(1, 1))),
        (ShapeError, "a block of size 4 does not", lambda: dif.dynamic_slice.infer(aval("f32[3]"), START, sizes=(4,))),
        (
            ShapeError,
            "a block of size -1 does not",
            lambda: dif.dynamic_slice.infer(aval("f32[3]"), START, sizes=(-1,)),
        ),
        (DtypeError, "dtypes differ", lambda: dif.dynamic_update_slice.infer(aval("f32[3]"), aval("f64[2]"), START)),
        (ShapeError, "ranks differ", lambda: dif.dynamic_update_slice.infer(aval("f32[3]"), aval("f32[]"), START)),
        (ShapeError, "size 4 does not", lambda: dif.dynamic_update_slice.infer(aval("f32[3]"), aval("f32[4]"), START)),
    ],
)
def test_errors(error: type[Exception], message: str, fn: Callable[[], Aval]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)
