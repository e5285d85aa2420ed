"""Products and reductions over random shapes, axes and dtypes; messages of shapes that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import InputError, ShapeError, UnsupportedError
from tests.frontend.traced import check, module_of

DTYPES = [np.dtype(t) for t in ("bool", "i4", "u1", "i8", "f2", "f4", "f8")]
LEADS = st.sampled_from([(), (1,), (2,), (3, 1), (1, 2), (3, 2)])


def _integers(dtype: np.dtype, *shape: int) -> np.ndarray:
    """Return small whole numbers, of which products and sums are exact in every dtype."""
    return np.random.default_rng(3).integers(0, 3, shape).astype(dtype)


@settings(max_examples=80, deadline=None)
@given(LEADS, LEADS, st.sampled_from(["nk", "k"]), st.sampled_from(["km", "k"]), st.data())
def test_matmul(a: Any, b: Any, left: str, right: str, data: st.DataObject) -> None:
    sizes = {"n": 2, "k": 3, "m": 4}
    first, second = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(DTYPES))
    a, b = (() if left == "k" else a), (() if right == "k" else b)
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return
    x, y = _integers(first, *a, *(sizes[c] for c in left)), _integers(second, *b, *(sizes[c] for c in right))
    check(lambda p, q: [p @ q, np.dot(p, q)] if np.ndim(q) < 3 else [p @ q], x, y)


@pytest.mark.parametrize(("left", "right"), [((2, 3), (3,)), ((5, 2, 3), (3,)), ((2, 3), (5, 3))])
def test_products_of_vectors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = _integers(np.dtype(float), *left), _integers(np.dtype(float), *right)
    check(np.vecdot, x, y if len(right) == 1 else y[:2])
    check(np.matvec, x, y)
    check(lambda p, q: np.vecmat(q, np.swapaxes(p, -1, -2)), x, y)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DTYPES), st.data())
def test_reductions(dtype: np.dtype, data: st.DataObject) -> None:
    x = _integers(dtype, 2, 3, 4)
    axis = data.draw(st.none() | st.integers(-3, 2) | st.sampled_from([(0, 1), (-1, 0), (0, 1, 2), ()]))
    keepdims = data.draw(st.booleans())
    functions = [np.sum, np.prod, np.max, np.min, np.mean, np.any, np.all, np.var]
    check(lambda a: [f(a, axis=axis, keepdims=keepdims) for f in functions if not (axis == () and f is np.var)], x)
    mask = _integers(np.dtype(bool), 3, 1)
    check(lambda a: [f(a, axis=axis, keepdims=keepdims, where=mask) for f in (np.sum, np.any, np.prod)], x)


N = Dim.named("n")


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x @ np.ones((5, 2)), r"matmul: shapes \[n, 3, 4\] and \[5, 2\].*sizes 4 and 5.*\.T"),
        (lambda x: x @ 2.0, "too few dimensions.*use \\* for scalars"),
        (lambda x: np.dot(x, np.ones(3)), r"dot: shapes.*2 and 0, have sizes 4 and 3"),
        (lambda x: x @ np.ones((2, 4, 3)), "do not broadcast"),
        (lambda x: np.einsum("bij,jk->bik", x, np.ones((3, 2))), "einsum: axes of label 'j' have sizes 4 and 3"),
        (lambda x: np.linalg.matrix_power(x, 2), "needs square matrices"),
        (lambda x: np.linalg.norm(x, 1), "one or two axes, not 3"),
        (lambda x: np.cross(x, x), "have 4 and 4 elements, not 3"),
    ],
)
def test_shape_messages(f: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"(?s){message}") as raised:
        module_of(f, [Aval((N, 3, 4), np.dtype(float))])
    assert "test_numpy_contraction.py" in str(raised.value)
    assert "^" in str(raised.value)


@pytest.mark.parametrize(
    ("subscripts", "message"),
    [
        ("ij->k", "a label twice, or one that no operand has"),
        ("ijk->i", "do not fit an operand of 2 dimensions"),
        ("i;j", "characters that are not labels"),
        ("ij,jk->ik", "2 subscripts for 1 operands"),
        ("i..j", "not three dots"),
        ("...ij->i", "the result has none"),
    ],
)
def test_einsum_messages(subscripts: str, message: str) -> None:
    shape = (2, 2, 2) if subscripts.startswith("...") else (2, 2)
    with pytest.raises(InputError, match=message):
        module_of(lambda x: np.einsum(subscripts, x), [Aval(shape, np.dtype(float))])


def test_what_is_not_traced() -> None:
    for f in (np.linalg.eigvals, np.roots, np.sort_complex):
        with pytest.raises(UnsupportedError, match="cannot be traced"):
            module_of(f, [Aval((2, 2), np.dtype(float))])
