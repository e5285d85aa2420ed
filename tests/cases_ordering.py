"""Rows of the case table for what goes along an axis: sorting, searching, running results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from difc import dialects as dif
from tests.case import FLOAT, Case, Input

__all__ = ["orderings"]

NUMBER = (*FLOAT, "i8", "i32", "i64", "u8", "u32")
ALL = ("bool", *NUMBER)


def orderings() -> Iterator[Case]:
    """Return the rows."""
    yield from _sorting()
    yield from _cumulative()


def _sorting() -> Iterator[Case]:
    for name, shape, axis in (("first", (5, 3), 0), ("last", (3, 4), 1), ("one", (1,), 0), ("merged", (2, 70, 2), 1)):
        yield Case(f"argsort_{name}", "dif.argsort", partial(dif.argsort, axis=axis), (Input(shape),), ALL)
    specials = (math.nan, 0.0, -0.0, math.inf, -math.inf, 1.0, -1.0, math.nan, 0.0)
    fn = partial(dif.argsort, axis=0)
    yield Case("argsort_special", "dif.argsort", fn, (Input((9,), values=specials),), FLOAT, smooth=False)
    rows = ((-2, -1, 0, 0, 1), (0, 0, 0, 1, 2))
    for side in dif.SIDES:
        for name, table, points, batch in (
            ("vector", rows[0], (4, 3), 0),
            ("scalar", rows[1], (), 0),
            ("rows", rows, (2, 6), 1),
            ("row_values", rows, (2,), 1),
        ):
            fn = partial(dif.searchsorted, batch=batch, side=side)
            inputs = (Input((2, 5) if batch else (5,), values=table), Input(points, low=-3, high=3))
            dtypes = tuple(d for d in NUMBER if d[0] != "u")
            yield Case(f"searchsorted_{name}_{side}", "dif.searchsorted", fn, inputs, dtypes)


def _cumulative() -> Iterator[Case]:
    for name in ("cumsum", "cumprod", "cummax", "cummin"):
        dtypes = ALL if name in ("cummax", "cummin") else NUMBER
        for axis, reverse in ((0, False), (1, False), (1, True)):
            fn = partial(dif.OPS[f"dif.{name}"], axis=axis, reverse=reverse)
            yield Case(f"{name}_{axis}{'_reverse' * reverse}", f"dif.{name}", fn, (Input((3, 4)),), dtypes)
    zeros = ((0.0, 2.0, 1.0), (3.0, 0.0, 0.0), (-1.0, 2.0, 0.0), (0.5, 2.0, 0.0))
    fn = partial(dif.cumprod, axis=0, reverse=False)
    yield Case("cumprod_zeros", "dif.cumprod", fn, (Input((4, 3), values=zeros),), NUMBER)
    for name, shape, axis in (("first", (5, 2), 0), ("last", (2, 4), 1), ("blocks", (70,), 0)):
        for reverse in (False, True):
            fn = partial(dif.recurrence, axis=axis, reverse=reverse)
            factor = Input(shape, low=-1, high=1)
            yield Case(f"recurrence_{name}{'_reverse' * reverse}", "dif.recurrence", fn, (factor, Input(shape)), NUMBER)
