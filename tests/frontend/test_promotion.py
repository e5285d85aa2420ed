"""Dtypes and shapes of mixed operands are NumPy's: Python numbers are weak, bfloat16 promotes as in JAX."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import difc
from difc.dims import Dim
from difc.errors import DtypeError, ShapeError
from difc.promotion import broadcast_shapes, common_dtype, is_weak
from tests.frontend.failing import fails

DTYPES = [np.dtype(d) for d in ("bool", "i1", "i4", "i8", "u1", "u4", "u8", "f2", "f4", "f8")]
NUMBERS: list[Any] = [True, 2, 2.5]
BF16 = np.dtype(ml_dtypes.bfloat16)


def traced(fn: Any, *specs: Any) -> np.dtype:
    """Return the dtype of what `fn` gives for arrays of the given dtypes."""
    program = difc.trace(fn, *(np.ones(2, d) for d in specs))
    (signature,) = program.signatures.values()
    return signature.outputs[0].dtype


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.true_divide, np.maximum, np.less, np.power])
def test_ufuncs_on_two_arrays(ufunc: np.ufunc) -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        try:
            wanted = ufunc(np.ones(2, a), np.ones(2, b)).dtype
        except TypeError:
            continue
        assert traced(lambda x, y: ufunc(x, y), a, b) == wanted, (a, b)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.true_divide, np.maximum])
@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_ufuncs_on_an_array_and_a_number(ufunc: np.ufunc, number: Any) -> None:
    for a in DTYPES:
        wanted = ufunc(np.ones(2, a), number).dtype
        assert traced(lambda x: ufunc(x, number), a) == wanted, a
        assert traced(lambda x: ufunc(number, x), a) == wanted, a


def test_numpy_scalars_are_not_weak() -> None:
    assert traced(lambda x: x + np.float64(1), np.float32) == np.float64
    assert traced(lambda x: x + 1.0, np.float32) == np.float32
    assert is_weak(1.0)
    assert not is_weak(np.float64(1))
    assert not is_weak(np.ones(2))


@pytest.mark.parametrize("other", ["bf16", "f2", "f4", "i4", "bool", "u1"])
def test_bfloat16_is_as_in_jax(other: str) -> None:
    dtype = BF16 if other == "bf16" else np.dtype(other)
    with jax.enable_x64(True):
        wanted = (jnp.ones(2, jnp.bfloat16) * jnp.ones(2, dtype)).dtype
    assert traced(lambda x, y: x * y, BF16, dtype) == wanted
    assert traced(lambda x, y: y * x, BF16, dtype) == wanted
    assert common_dtype(np.ones(2, BF16), np.ones(2, dtype)) == wanted


def test_bfloat16_and_numbers() -> None:
    for number in NUMBERS:
        assert traced(lambda x: x * number, BF16) == BF16  # noqa: B023


def test_arguments_that_are_numbers_stay_weak_under_jit() -> None:
    with difc.disable_jit():
        f = difc.jit(lambda a, s: a * s)
        assert f(np.ones(2, np.float32), 2.0).dtype == np.float32
        assert f(np.ones(2, np.float32), np.float64(2)).dtype == np.float64


def test_only_operators_keep_numbers_weak() -> None:
    x = np.ones(2, np.float32)
    functions = [
        lambda s: np.sin(s) * x,
        lambda s: np.add(s, 1) * x,
        lambda s: (s + 1) * x,
        lambda s: -abs(s) * x,
        lambda s: 2 / s * x,
        lambda s: s // 2 * x,
        lambda s: np.maximum(s, 0) * (s > 1) * x,
    ]
    with difc.disable_jit():
        for i, f in enumerate(functions):
            for number in (1.5, 3):
                assert difc.jit(f)(number).dtype == f(number).dtype, (i, number)


@pytest.mark.parametrize(
    "shapes", [((), (3,)), ((2, 1), (3,)), ((4, 1, 3), (2, 1)), ((0,), (1,)), ((1,), (1, 1)), ((5, 3), ())]
)
def test_static_shapes(shapes: Any) -> None:
    assert broadcast_shapes(*shapes) == np.broadcast_shapes(*shapes)


def test_named_shapes() -> None:
    n = Dim.named("n")
    assert broadcast_shapes((n, 3), (3,), ()) == (n, 3)
    assert broadcast_shapes((n, 1), (1, n)) == (n, n)
    with pytest.raises(ShapeError, match=r"shapes \[n\] and \[2\] do not broadcast: sizes n and 2 of dim -1"):
        broadcast_shapes((n,), (2,))


def test_shapes_that_do_not_fit() -> None:
    with fails(
        ShapeError,
        r"shapes \[2, 3\] and \[2\] do not broadcast: sizes 3 and 2 of dim -1",
        at="a + b",
        remedy="x[:, None]",
    ):
        difc.trace(lambda a, b: a + b, difc.f32[2, 3], difc.f32[2])


def test_dtypes_that_a_ufunc_does_not_take() -> None:
    with fails(DtypeError, "numpy.bitwise_and does not work on dtypes f64, f64", at="a & a", remedy=".astype"):
        difc.trace(lambda a: a & a, difc.f64[2])


def test_repeated_sizes_share_one_op() -> None:
    module = difc.trace(lambda a, b: a + b, difc.f64["n", 3], difc.f64[3]).module
    assert str(module).count("dif.dim") == 1
