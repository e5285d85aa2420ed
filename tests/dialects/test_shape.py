"""Ops that move elements, against NumPy's indexing."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import DYN, F32, Aval
from difc.errors import DtypeError, ShapeError
from tests.case import sizes
from tests.dialects.evaluating import DTYPES, FAST, SHAPES, aval, dynamic_dims, elements, evaluate, same, seeds

dtypes = st.sampled_from([DTYPES[d] for d in ("f32", "bf16", "i64", "bool")])


@FAST
@given(dtypes, SHAPES, st.data(), seeds, dynamic_dims)
def test_broadcast_in_dim(
    dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int
) -> None:
    kept = [d for d in range(len(shape)) if data.draw(st.booleans())]
    ones = [data.draw(st.booleans()) for _ in kept]
    small = tuple(1 if one else shape[d] for d, one in zip(kept, ones, strict=True))
    x, like = elements(dtype, small, seed), np.zeros(shape, bool)
    for d, one in enumerate(ones):
        dynamic &= ~(one << d)  # a dim to repeat is statically 1
    fn = lambda x, like: dif.broadcast_in_dim(x, shape=sizes(like), dimensions=kept)  # noqa: E731
    aligned = x.reshape([small[kept.index(d)] if d in kept else 1 for d in range(len(shape))])
    same(evaluate(fn, x, like, dynamic=dynamic), np.broadcast_to(aligned, shape))


@pytest.mark.parametrize(
    ("size", "message"), [(1, "a dim of run-time size 1 does not"), (2, "a dim of size 2 does not")]
)
def test_a_dynamic_dim_is_not_repeated(size: int, message: str) -> None:
    fn = lambda x, like: dif.broadcast_in_dim(x, shape=sizes(like), dimensions=(0,))  # noqa: E731
    with pytest.raises(ShapeError, match=f"broadcast_in_dim: {message} repeat to 3"):
        evaluate(fn, np.ones(size), np.ones(3), dynamic=0b11)


@FAST
@given(dtypes, SHAPES, st.data(), seeds, dynamic_dims)
def test_reshape(dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    count = math.prod(shape)
    first = data.draw(st.sampled_from([d for d in range(1, count + 1) if count % d == 0])) if count else 0
    to = data.draw(st.permutations([first, count // first if first else 3, 1]))
    x, like = elements(dtype, shape, seed), np.zeros(to, bool)
    same(evaluate(lambda x, like: dif.reshape(x, shape=sizes(like)), x, like, dynamic=dynamic), x.reshape(to))


def test_reshape_of_a_wrong_run_time_size() -> None:
    with pytest.raises(ShapeError, match=r"reshape: f64\[5\] has 5 elements, shape \[2, 3\] has 6"):
        evaluate(partial(dif.reshape, shape=(2, 3)), np.ones(5), dynamic=1)


@FAST
@given(dtypes, SHAPES, st.data(), seeds, dynamic_dims)
def test_transpose(dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    permutation = tuple(data.draw(st.permutations(range(len(shape)))))
    x = elements(dtype, shape, seed)
    same(evaluate(partial(dif.transpose, permutation=permutation), x, dynamic=dynamic), x.transpose(permutation))


@FAST
@given(dtypes, SHAPES.filter(len), st.data(), seeds, dynamic_dims)
def test_concatenate(dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    axis, size = data.draw(st.integers(0, len(shape) - 1)), data.draw(st.integers(0, 3))
    x = elements(dtype, shape, seed)
    y = elements(dtype, [size if d == axis else n for d, n in enumerate(shape)], seed + 1)
    result = evaluate(partial(dif.concatenate, dimension=axis), x, y, dynamic=dynamic)
    same(result, np.concatenate([x, y], axis))


def test_concatenate_of_run_time_sizes_that_differ() -> None:
    fn = partial(dif.concatenate, dimension=0)
    with pytest.raises(ShapeError, match=r"concatenate: sizes of dim 1 of f64\[1, 2\] and f64\[1, 3\] differ: 2 and 3"):
        evaluate(fn, np.ones((1, 2)), np.ones((1, 3)), dynamic=0b1111)


@FAST
@given(dtypes, SHAPES, st.data(), seeds, dynamic_dims)
def test_slice(dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    start = [data.draw(st.integers(0, n)) for n in shape]
    limit = [data.draw(st.integers(a, n)) for a, n in zip(start, shape, strict=True)]
    stride = [data.draw(st.integers(1, 3)) for _ in shape]
    ends = [data.draw(st.sampled_from([-1, b])) for b in limit]
    x = elements(dtype, shape, seed)
    index = tuple(slice(a, n if e == -1 else e, s) for a, e, s, n in zip(start, ends, stride, shape, strict=True))
    fn = partial(dif.slice, start=start, limit=ends, stride=stride)
    same(evaluate(fn, x, dynamic=dynamic), x[index])


@pytest.mark.parametrize(
    ("start", "limit", "message"), [(0, 4, "limit 4 is beyond the size 3"), (4, -1, "4:-1:1 is not")]
)
def test_slice_beyond_a_run_time_size(start: int, limit: int, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        evaluate(partial(dif.slice, start=(start,), limit=(limit,), stride=(1,)), np.ones(3), dynamic=1)


@FAST
@given(dtypes, SHAPES, st.data(), seeds, dynamic_dims)
def test_pad(dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    x, value = elements(dtype, shape, seed), elements(dtype, (), seed + 1)
    interior = [data.draw(st.integers(0, 2)) for _ in shape]
    spread = [n + k * max(n - 1, 0) for n, k in zip(shape, interior, strict=True)]
    low = [data.draw(st.integers(-n, 2)) for n in spread]
    high = [data.draw(st.integers(-n - min(a, 0), 2)) for n, a in zip(spread, low, strict=True)]
    wide = np.full(spread, value, dtype)
    wide[tuple(slice(None, None, k + 1) for k in interior)] = x
    if shape:
        wide = np.pad(wide, [(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)], constant_values=value)
    wanted = wide[tuple(slice(-min(a, 0), n + min(b, 0)) for a, b, n in zip(low, high, wide.shape, strict=True))]
    fn = partial(dif.pad, low=low, high=high, interior=interior)
    same(evaluate(fn, x, value, dynamic=dynamic), wanted)


def test_pad_that_removes_more_than_there_is() -> None:
    with pytest.raises(ShapeError, match="pad: a dim of size 2 has fewer than 3 elements to remove"):
        evaluate(lambda x, v: dif.pad(x, v, low=(-3,), high=(0,), interior=(0,)), np.ones(2), np.array(0.0), dynamic=1)


@FAST
@given(dtypes, SHAPES, st.data(), seeds, dynamic_dims)
def test_reverse(dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject, seed: int, dynamic: int) -> None:
    axes = tuple(d for d in range(len(shape)) if data.draw(st.booleans()))
    x = elements(dtype, shape, seed)
    same(evaluate(partial(dif.reverse, dimensions=axes), x, dynamic=dynamic), np.flip(x, axes))


X, V, SIZE = aval("f32[2, ?]"), aval("f32[3]"), aval("i64[]")


def test_result_types() -> None:
    assert dif.broadcast_in_dim.infer(V, SIZE, shape=(DYN, 3), dimensions=(1,)) == aval("f32[?, 3]")
    assert dif.transpose.infer(X, permutation=(1, 0)) == aval("f32[?, 2]")
    assert dif.concatenate.infer(X, X, dimension=0) == aval("f32[4, ?]")
    assert dif.concatenate.infer(X, X, dimension=1) == X
    assert dif.concatenate.infer(X, aval("f32[?, 3]"), dimension=0) == aval("f32[?, 3]")
    assert dif.slice.infer(X, start=(0, 1), limit=(2, 5), stride=(1, 2)) == aval("f32[2, 2]")
    assert dif.slice.infer(X, start=(0, 1), limit=(2, -1), stride=(1, 2)) == aval("f32[2, ?]")
    assert dif.pad.infer(X, aval("f32[]"), low=(1, 1), high=(0, 0), interior=(1, 1)) == aval("f32[4, ?]")


def _broadcast(x: Aval, *sizes: Aval, shape: tuple, dimensions: tuple) -> Callable[[], Aval]:
    return lambda: dif.broadcast_in_dim.infer(x, *sizes, shape=shape, dimensions=dimensions)


def _slice(start: tuple, limit: tuple, stride: tuple) -> Callable[[], Aval]:
    return lambda: dif.slice.infer(V, start=start, limit=limit, stride=stride)


def _pad(value: str, low: tuple, high: tuple, interior: tuple) -> Callable[[], Aval]:
    return lambda: dif.pad.infer(V, aval(value), low=low, high=high, interior=interior)


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (
            ShapeError,
            "broadcast_in_dim: a dim of size 3 does not repeat to 4",
            _broadcast(V, shape=(4,), dimensions=(0,)),
        ),
        (
            ShapeError,
            "dimensions [2] are not distinct dimensions of a rank-2",
            _broadcast(V, shape=(4, 3), dimensions=(2,)),
        ),
        (ShapeError, "[1, 0] are not increasing dimensions", _broadcast(X, shape=(4, 2), dimensions=(1, 0))),
        (ShapeError, "[] are not increasing dimensions for each of f32[3]", _broadcast(V, shape=(3,), dimensions=())),
        (ShapeError, "broadcast_in_dim: 0 size operands for 1", _broadcast(V, shape=(DYN, 3), dimensions=(1,))),
        (ShapeError, "has 3 elements, shape [2, 2] has 4", lambda: dif.reshape.infer(V, shape=(2, 2))),
        (
            ShapeError,
            "transpose: dimensions [0, 0] are not distinct",
            lambda: dif.transpose.infer(X, permutation=(0, 0)),
        ),
        (ShapeError, "transpose: permutation [0] is not of all dims", lambda: dif.transpose.infer(X, permutation=(0,))),
        (
            DtypeError,
            "concatenate: operand dtypes differ",
            lambda: dif.concatenate.infer(V, aval("i8[3]"), dimension=0),
        ),
        (ShapeError, "operands have different ranks", lambda: dif.concatenate.infer(V, X, dimension=0)),
        (ShapeError, "concatenate: dimensions [1] are not distinct", lambda: dif.concatenate.infer(V, V, dimension=1)),
        (ShapeError, "slice: 2:1:1 is not a forward slice", _slice((2,), (1,), (1,))),
        (ShapeError, "slice: 0:1:0 is not a forward slice", _slice((0,), (1,), (0,))),
        (ShapeError, "slice: limit 4 is beyond the size 3", _slice((0,), (4,), (1,))),
        (ShapeError, "slice: -1:3:1 is not a forward slice", _slice((-1,), (3,), (1,))),
        (ShapeError, "slice: 0:-2:1 is not a forward slice", _slice((0,), (-2,), (1,))),
        (ShapeError, "slice: start, limit and stride must have one entry", _slice((0,), (1, 1), (1,))),
        (ShapeError, "pad: low, high and interior must have one entry", _pad("f32[]", (0,), (), (0,))),
        (DtypeError, "pad: the padding value is f64[], not a scalar", _pad("f64[]", (0,), (0,), (0,))),
        (DtypeError, "pad: the padding value is f32[1], not a scalar", _pad("f32[1]", (0,), (0,), (0,))),
        (ShapeError, "pad: interior padding -1 is negative", _pad("f32[]", (0,), (0,), (-1,))),
        (ShapeError, "a dim of size 3 has fewer than 4 elements to remove", _pad("f32[]", (-2,), (-2,), (0,))),
        (ShapeError, "reverse: dimensions [1] are not distinct", lambda: dif.reverse.infer(V, dimensions=(1,))),
    ],
)
def test_errors(error: type[Exception], message: str, fn: Callable[[], Aval]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)


def test_a_result_does_not_alias_an_argument() -> None:
    x = np.ones((2, 2), F32)
    result = evaluate(partial(dif.transpose, permutation=(1, 0)), x)
    result[:] = 0
    assert x.all()
