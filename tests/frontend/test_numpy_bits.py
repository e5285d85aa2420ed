"""Ufuncs of bits: exponents, neighbours and divisors at the ends of their ranges, their derivatives, compiled too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from tests.frontend.traced import check
from tests.pipelines.artifacts import skip_without_device

RNG = np.random.default_rng(0)
FLOATS = [np.float16, np.float32, np.float64]


def _specials(dtype: Any) -> np.ndarray:
    info = np.finfo(dtype)
    ends = [info.max, info.max / 2, info.tiny, info.tiny * 1.5, info.tiny / 2, info.smallest_subnormal]
    numbers = [0.0, 1.0, 0.3, 0.5, 4.0, np.inf, *ends]
    return np.array([*numbers, *(-n for n in numbers), np.nan, *RNG.normal(size=9)], dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", FLOATS)
def test_exponents_and_neighbours(dtype: Any) -> None:
    x = _specials(dtype)
    check(lambda a: [*np.frexp(a), np.signbit(a)], x)
    for step in (7, 311):
        check(np.ldexp, x[:, None], np.arange(-2200, 2200, step))
    check(np.nextafter, x[:, None], x)
    if dtype != np.float16:  # NumPy's own leaves out the sign there
        check(np.spacing, x)


@pytest.mark.parametrize("dtype", list("bBhHiIqQ"))
def test_integers(dtype: str) -> None:
    info = np.iinfo(dtype)
    n = RNG.integers(info.min, info.max, 40, dtype=dtype, endpoint=True)
    n[:3] = [info.min, info.max, 0]
    check(lambda a, b: [np.gcd(a, b), np.lcm(a, b), np.bitwise_count(a), np.gcd(a, 0)], n, n[::-1].copy())
    counts = RNG.integers(0, 8 * np.dtype(dtype).itemsize, 40).astype(dtype)
    check(lambda a, k: [a << k, a >> k, a >> 100, a << 100], n, counts)


@pytest.mark.filterwarnings("ignore")
def test_derivatives() -> None:
    x = np.array([0.3, 5.0, -1e-310])
    with difc.disable_jit():
        slope = difc.grad(lambda v: np.sum(3 * np.frexp(v)[0] + np.ldexp(v, 3)))(x)
        flat = difc.grad(lambda v: np.sum(np.spacing(v) + np.nextafter(v, 9.0)))(x)
    np.testing.assert_array_equal(slope, 3 * np.ldexp(1.0, -np.frexp(x)[1]) + 8)
    assert (flat == 0).all()


def _all(x: Any, n: Any, k: Any) -> list[Any]:
    return [
        *np.frexp(x), np.ldexp(x, k), np.nextafter(x, x[0]), np.spacing(x), np.signbit(x), np.bitwise_count(n),
        np.gcd(n, 6), np.lcm(n, 6), n << 2, n >> k,
    ]  # fmt: skip


slow = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("target", "dtype"),
    [
        ("cpu", np.float64),
        pytest.param("cpu", np.float32, marks=slow),
        ("vulkan", np.float64),
        pytest.param("vulkan", np.float32, marks=slow),
    ],
)
def test_compiled(target: str, dtype: Any) -> None:
    skip_without_device(target)
    x = np.array([0.0, -0.0, 1, -1, 3.7, -1e30, 1e-20, np.inf], dtype)
    n, k = np.array([5, -7, 0, 12, 36, -1, 1000, 64], np.int32), np.arange(8, dtype=np.int32) - 1
    for found, wanted in zip(difc.compile(_all, x, n, k, target=target)(x, n, k), _all(x, n, k), strict=True):
        np.testing.assert_array_equal(np.asarray(found), wanted)
