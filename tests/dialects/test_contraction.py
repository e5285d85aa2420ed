"""`dot_general` against `einsum`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import F64, Aval, is_float
from difc.errors import DtypeError, ShapeError
from tests.dialects.evaluating import DTYPES, FAST, aval, close, dynamic_dims, elements, evaluate, same, seeds

LETTERS = "abcdefghij"


@st.composite
def products(draw: Any) -> tuple[dict[str, tuple[int, ...]], str, str, str, dict[str, int]]:
    """Draw the attributes of a product, and the same as letters for `einsum`."""
    batch, contract, free = (draw(st.integers(0, 2)) for _ in range(3))
    shared, summed = LETTERS[:batch], LETTERS[2 : 2 + contract]
    own = LETTERS[4 : 4 + free], LETTERS[6 : 6 + draw(st.integers(0, 2))]
    lhs, rhs = ("".join(draw(st.permutations(shared + summed + mine))) for mine in own)
    sizes = {letter: draw(st.integers(0, 3)) for letter in shared + summed + own[0] + own[1]}
    form = {
        f"{side}_{kind}": tuple(letters.index(c) for c in group)
        for side, letters in (("lhs", lhs), ("rhs", rhs))
        for kind, group in (("batch", shared), ("contract", summed))
    }
    left, right = ("".join(c for c in letters if c not in shared + summed) for letters in (lhs, rhs))
    return form, lhs, rhs, shared + left + right, sizes


@FAST
@given(products(), st.sampled_from(["f64", "f32", "f16", "bf16", "i8", "u64"]), seeds, dynamic_dims)
def test_dot_general(product: Any, dtype: str, seed: int, dynamic: int) -> None:
    form, lhs, rhs, out, sizes = product
    kind = DTYPES[dtype]
    x, y = (elements(kind, [sizes[c] for c in letters], seed + i) for i, letters in enumerate((lhs, rhs)))
    if is_float(kind):
        x, y = (np.rint(np.clip(np.nan_to_num(a.astype(F64)), -4, 4)).astype(kind) for a in (x, y))  # exact products
    result = evaluate(partial(dif.dot_general, **form), x, y, dynamic=dynamic)
    if is_float(kind):
        close(result, np.einsum(f"{lhs},{rhs}->{out}", x.astype(F64), y.astype(F64)), ulps=0.5)
    else:
        same(result, np.einsum(f"{lhs},{rhs}->{out}", x, y))


def test_half_precision_is_rounded_once() -> None:
    x = np.ones(3001, DTYPES["f16"])
    assert (
        evaluate(partial(dif.dot_general, lhs_batch=(), rhs_batch=(), lhs_contract=(0,), rhs_contract=(0,)), x, x)
        == 3000
    )


def _infer(x: str, y: str, lhs: tuple, rhs: tuple) -> Aval:
    (lhs_batch, lhs_contract), (rhs_batch, rhs_contract) = lhs, rhs
    return dif.dot_general.infer(
        aval(x),
        aval(y),
        lhs_batch=lhs_batch,
        rhs_batch=rhs_batch,
        lhs_contract=lhs_contract,
        rhs_contract=rhs_contract,
    )


def test_result_types() -> None:
    assert _infer("f32[?, 2, 3]", "f32[4, 3, ?]", ((0,), (2,)), ((0,), (1,))) == aval("f32[4, 2, ?]")
    assert dif.free_dims(4, (1,), (3,)) == (0, 2)


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (DtypeError, "operand dtypes differ", lambda: _infer("f32[2]", "f64[2]", ((), (0,)), ((), (0,)))),
        (DtypeError, "dot_general takes numbers, not bool", lambda: _infer("bool[2]", "bool[2]", ((), ()), ((), ()))),
        (ShapeError, "f32[2] and f32[3] differ: 2 and 3", lambda: _infer("f32[2]", "f32[3]", ((), (0,)), ((), (0,)))),
        (ShapeError, "f32[2] and f32[3] differ: 2 and 3", lambda: _infer("f32[2]", "f32[3]", ((0,), ()), ((0,), ()))),
        (ShapeError, "different numbers of batch or", lambda: _infer("f32[2]", "f32[2]", ((), (0,)), ((), ()))),
        (
            ShapeError,
            "dimensions [0, 0] are not distinct",
            lambda: _infer("f32[2]", "f32[2]", ((0,), (0,)), ((0,), (0,))),
        ),
        (ShapeError, "dimensions [1] are not distinct", lambda: _infer("f32[2]", "f32[2]", ((), (0,)), ((), (1,)))),
    ],
)
def test_errors(error: type[Exception], message: str, fn: Callable[[], Aval]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)
