"""Functions about shapes, over random shapes, axes and positions: the traced result is NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.frontend.traced import check

FEW = settings(max_examples=40, deadline=None)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
DTYPES = st.sampled_from([np.dtype(t) for t in ("f8", "f4", "i4", "u1", "?")])


@st.composite
def _arrays(draw: st.DrawFn) -> np.ndarray:
    shape, dtype = draw(SHAPES), draw(DTYPES)
    return np.random.default_rng(draw(st.integers(0, 9))).integers(0, 9, shape).astype(dtype)


def _axis(draw: st.DrawFn, x: np.ndarray) -> int:
    return draw(st.integers(-x.ndim, x.ndim - 1))


def _function(draw: st.DrawFn, x: np.ndarray) -> Callable[[Any], Any]:
    """Return a function of an array, with random axes, shifts and positions."""
    axis, other, count = _axis(draw, x), _axis(draw, x), draw(st.integers(1, 3))
    size, shift = x.shape[axis], draw(st.integers(-5, 5))
    order = draw(st.permutations(range(x.ndim)))
    places = draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=4))
    cuts = sorted(draw(st.lists(st.integers(0, size), max_size=3)))
    new, start = draw(st.integers(-x.ndim - 1, x.ndim)), draw(st.integers(0, x.ndim))
    tiles, memory = [count] * draw(st.integers(1, x.ndim + 1)), draw(st.sampled_from("CF"))
    options: list[Callable[[Any], Any]] = [
        lambda a: np.moveaxis(a, axis, other),
        lambda a: np.swapaxes(a, axis, other),
        lambda a: np.rollaxis(a, axis, start),
        lambda a: np.transpose(a, order),
        lambda a: np.expand_dims(a, new),
        lambda a: np.squeeze(a),
        lambda a: np.stack([a, a], new),
        lambda a: np.concatenate([a, a[..., :1] if axis in (-1, x.ndim - 1) else a], axis),
        lambda a: np.array_split(a, count, axis),
        lambda a: np.split(a, cuts, axis),
        lambda a: np.tile(a, tiles),
        lambda a: np.repeat(a, count, axis),
        lambda a: np.repeat(a, np.arange(size), axis),
        lambda a: np.flip(a, axis),
        lambda a: np.roll(a, shift, axis),
        lambda a: np.roll(a, shift),
        lambda a: np.take(a, places, axis),
        lambda a: np.take(a, np.array(places) * 3, axis, mode="wrap"),
        lambda a: np.delete(a, places, axis),
        lambda a: np.insert(a, places[0], 7, axis),
        lambda a: np.append(a, a, axis),
        lambda a: np.resize(a, (count, size + 1)),
        lambda a: np.reshape(a, (-1, size), order=memory),
        lambda a: np.broadcast_to(a, (count, *x.shape)),
        lambda a: np.atleast_3d(a),
        lambda a: np.apply_over_axes(np.max, a, sorted({axis % x.ndim, other % x.ndim})),
        lambda a: np.tril(a, shift) if x.ndim > 1 else np.diag(a, shift),
        lambda a: np.diagonal(a, shift, axis, other) if axis % x.ndim != other % x.ndim else np.diagflat(a, shift),
        lambda a: np.rot90(a, shift, (axis, other)) if axis % x.ndim != other % x.ndim else np.ravel(a, "F"),
        lambda a: np.take_along_axis(a, np.zeros((1,) * x.ndim, int), axis),
    ]
    return draw(st.sampled_from(options))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_shapes(data: st.DataObject) -> None:
    x = data.draw(_arrays())
    check(_function(data.draw, x), x)


MODES = ["edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "minimum", "mean"]


@FEW
@given(_arrays(), st.sampled_from(MODES), st.data())
def test_padding(x: np.ndarray, mode: str, data: st.DataObject) -> None:
    if x.dtype == bool:
        x = x.astype(float)
    widths = data.draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=x.ndim, max_size=x.ndim))
    extra: dict[str, Any] = {}
    if mode in ("maximum", "minimum", "mean"):
        extra["stat_length"] = data.draw(st.none() | st.integers(1, 5))
    if mode in ("reflect", "symmetric") and x.dtype.kind == "f":
        extra["reflect_type"] = data.draw(st.sampled_from(["even", "odd"]))
    check(lambda a: np.pad(a, widths, mode, **extra), x, tolerance=1e-5 if x.dtype == np.float32 else None)


@FEW
@given(_arrays(), st.data())
def test_flat_and_separate_indices(x: np.ndarray, data: st.DataObject) -> None:
    flat = np.array(data.draw(st.lists(st.integers(0, x.size - 1), min_size=1, max_size=5)))
    order: Any = data.draw(st.sampled_from("CF"))
    check(lambda i: np.unravel_index(i, x.shape, order), flat)
    check(lambda *i: np.ravel_multi_index(i, x.shape, order=order), *np.unravel_index(flat, x.shape))
    check(lambda a, i: np.take(np.ravel(a), i), x, flat)
