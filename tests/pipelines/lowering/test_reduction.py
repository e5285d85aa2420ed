"""Reductions: in two kernels where large, of NaN and ties, and running sums."""

from __future__ import annotations

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, Aval
from tests.pipelines.lowered import check, text_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "axes", "kernels"),
    [
        ((1 << 16,), (0,), 2),
        ((300, 700), (0, 1), 2),
        ((4, 1 << 15), (1,), 2),
        ((3, 40, 50, 60), (1, 2, 3), 2),
        ((64, 1 << 12), (1,), 1),
        ((65537,), (0,), 1),  # a prime number of elements has no parts
        ((100,), (0,), 1),
    ],
)
def test_large_reductions_to_few_results_take_two_kernels(
    shape: tuple[int, ...], axes: tuple[int, ...], kernels: int
) -> None:
    text = text_of(lambda x: dif.reduce_sum(x, axes=axes), [Aval(shape, F32)])
    assert text.count("linalg.generic") == kernels


def test_large_reductions() -> None:
    programs = {}
    for name, shape, axes in (
        ("all", (300, 700), (0, 1)),
        ("some", (3, 40, 50, 60), (1, 2, 3)),
        ("one", (4, 1 << 15), (1,)),
    ):
        for op in (dif.reduce_sum, dif.reduce_max):
            emit = lambda x, op=op, axes=axes: op(x, axes=axes)  # noqa: E731
            programs[f"{op.__name__}_{name}"] = (emit, [Aval(shape, F32)], [RNG.uniform(0, 1, shape)])
    check(programs)


TIES = np.array(
    [
        [1, 3, 3, 0],
        [np.nan, 9, np.nan, 1],
        [2, np.nan, 1, np.nan],
        [-np.inf] * 4,
        [np.inf, 1, np.inf, 2],
        [0.0, -0.0, 0.0, -0.0],
    ]
)


def test_first_of_equal_extremes_and_of_nan() -> None:
    """Along either axis, of known and unknown size."""
    programs = {}
    for op in (dif.argmax, dif.argmin):
        for axis in (0, 1):
            for size in (6, DYN):
                emit = lambda x, op=op, axis=axis: op(x, axis=axis)  # noqa: E731
                programs[f"{op.__name__}_{axis}_{size == 6}"] = (emit, [Aval((size, 4), F32)], [TIES])
    check(programs)


def test_first_of_a_long_row_of_equals() -> None:
    """However a target splits the row, the first of its largest elements is found."""
    row = np.zeros(10_007)
    row[[4000, 4001, 9000]] = 1
    check({"f": (lambda x: dif.argmax(x, axis=0), [Aval((10_007,), F32)], [row])}, opt_level=3)


def test_running_sums_of_half_floats_accumulate_in_single() -> None:
    half = np.dtype(np.float16)
    ones = np.ones((3000, 2))
    check(
        {
            str(r): (lambda x, r=r: dif.cumsum(x, axis=0, reverse=r), [Aval((DYN, 2), half)], [ones])
            for r in (False, True)
        }
    )
