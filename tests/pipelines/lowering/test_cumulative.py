"""Running results: half floats, all kinds of dtypes, recurrences of every number of blocks."""

from __future__ import annotations

import numpy as np

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from tests.pipelines.lowered import check

RNG = np.random.default_rng(0)


def test_running_sums_of_half_floats_accumulate_in_single() -> None:
    half = np.dtype(np.float16)
    ones = np.ones((3000, 2))
    check(
        {
            str(r): (lambda x, r=r: dif.cumsum(x, axis=0, reverse=r), [Aval((DYN, 2), half)], [ones])
            for r in (False, True)
        }
    )


def test_running_extremes_of_nan_and_infinities() -> None:
    rows = np.array([[1, np.nan, 2, np.inf], [-np.inf, -1, -2, 3], [np.inf, 1, np.nan, np.nan]])
    check(
        {
            f"{op.__name__}_{reverse}": (
                lambda x, op=op, reverse=reverse: op(x, axis=1, reverse=reverse),
                [Aval((3, 4), F32)],
                [rows],
            )
            for op in (dif.cummax, dif.cummin)
            for reverse in (False, True)
        }
    )


def test_recurrences_of_one_block_and_of_many() -> None:
    """Sizes with no, one, two and three kinds of blocks, known and unknown, each with an incomplete last one."""
    programs = {}
    for size in (1, 64, 65, 4099, 131_075):
        for reverse in (False, True):
            emit = lambda a, x, reverse=reverse: dif.recurrence(a, x, axis=0, reverse=reverse)  # noqa: E731
            arrays = [RNG.uniform(-1, 1, size), RNG.normal(size=size)]
            for known in (size, DYN):
                programs[f"f_{size}_{reverse}_{known == size}"] = (emit, [Aval((known,), F64)] * 2, arrays)
    check(programs)


def test_a_factor_of_zero_forgets_an_overflow() -> None:
    """The steps are done in order: no product of later factors, which may overflow, meets what came before."""
    factors = np.full(300, 1e30)
    factors[[0, 200]] = 0
    check(
        {
            str(size == DYN): (
                lambda a, x: dif.recurrence(a, x, axis=0, reverse=False),
                [Aval((size,), F32)] * 2,
                [factors, np.where(np.arange(300) < 200, 0.0, 1e-30)],
            )
            for size in (300, DYN)
        }
    )
