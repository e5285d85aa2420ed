"""Sorting and searching: in one block and merged, of every kind of key, along any axis, stable."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, Aval
from tests.pipelines.artifacts import call
from tests.pipelines.lowered import build, check, compiled, text_of

RNG = np.random.default_rng(0)
SPECIAL = np.array([np.nan, 0.0, -0.0, np.inf, -np.inf, 1e-40, -1e-40, 3.4e38, -np.nan, 2, 2, -1])


def test_rows_of_every_length() -> None:
    """One block, a padded block, two runs, runs of different lengths; equal elements keep their order."""
    emit, dtype = partial(dif.argsort, axis=1), np.dtype(np.int32)
    static = (0, 33, 64, 100)
    functions = {f"f_{size}": (emit, [Aval((2, size), dtype)]) for size in static}
    entries = compiled(build({**functions, "f": (emit, [Aval((2, DYN), dtype)])}))
    for size in (*static, 1, 2, 31, 32, 65, 96, 1000):
        x = RNG.integers(0, max(size // 3, 2), (2, size)).astype(dtype)
        for name in ("f", f"f_{size}") if size in static else ("f",):
            np.testing.assert_array_equal(call(getattr(entries, name), [x])[0], np.argsort(x, 1, kind="stable"), name)


def test_special_values_in_blocks_and_merged() -> None:
    """NaN is last, whatever its sign, and equal to NaN; -0.0 equals 0.0; subnormal numbers are in order."""
    long = np.concatenate([SPECIAL, RNG.permutation(np.tile(SPECIAL, 12))])
    check(
        {
            f"{dtype}_{known == x.size}_{x.size}": (
                partial(dif.argsort, axis=0),
                [Aval((known,), np.dtype(dtype))],
                [x],
            )
            for dtype in ("float32", "float64")
            for x in (SPECIAL, long)
            for known in (x.size, DYN)
        }
    )


@pytest.mark.parametrize(("side", "size"), [("left", 9), ("right", DYN)])
def test_searching_finds_all_places(side: str, size: int) -> None:
    table = np.sort(np.array([1, 2, 2, 2, 5, np.inf, -np.inf, np.nan, np.nan]))
    values = np.concatenate([table, [0, 1.5, 9, -0.0]])
    emit = partial(dif.searchsorted, batch=0, side=side)
    empty = (emit, [Aval((0,), F32), Aval((3,), F32)], [[], [1, 2, 3]])
    check({"f": (emit, [Aval((size,), F32), Aval((13,), F32)], [table, values]), "empty": empty})


def test_a_short_row_needs_no_loop() -> None:
    for size, loops in ((64, 0), (65, 1), (DYN, 1)):
        text = text_of(partial(dif.argsort, axis=0), [Aval((size,), F32)])
        assert text.count("scf.for") == loops


def test_sorting_is_not_quadratic() -> None:
    """Of 20,000 elements: seconds, if the work grew with the square."""
    x = RNG.normal(size=20_000)
    check({"f": (partial(dif.argsort, axis=0), [Aval((DYN,), F32)], [x])}, opt_level=3)
