"""Rows of the case table for `conv`: 1 to 3 spatial dims, strides, padding, both dilations, groups."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from difc import dialects as dif
from tests.case import FLOAT, Case, Input

__all__ = ["convolutions"]

NUMBER = (*FLOAT, "i8", "i32", "i64", "u8", "u32")


def _row(name: str, x: tuple[int, ...], w: tuple[int, ...], **given: Any) -> Case:
    rank = len(x) - 2
    form: dict[str, Any] = {key: (given.get(key, 1),) * rank for key in ("strides", "lhs_dilation", "rhs_dilation")}
    form |= {key: given[key] for key in form if isinstance(given.get(key), tuple)}
    groups = given.get("groups", 1)
    form |= {"low": given.get("low", (0,) * rank), "high": given.get("high", (0,) * rank), "groups": groups}
    known = (-1,) if groups > 1 else ()
    kernel = Input(w, "T", fixed=(*range(rank), *((rank, rank + 1) if groups > 1 else ())))
    return Case(f"conv_{name}", "dif.conv", partial(dif.conv, **form), (Input(x, fixed=known), kernel), NUMBER)


def convolutions() -> Iterator[Case]:
    """Return the rows."""
    yield _row("plain", (2, 5, 4, 3), (3, 2, 3, 2))
    yield _row("one_channel", (2, 5, 4, 1), (3, 3, 1, 2), low=(1, 1), high=(1, 1))
    yield _row("point", (2, 3, 4, 3), (1, 1, 3, 2), strides=2)
    yield _row("line", (2, 7, 2), (3, 2, 3), low=(1,), high=(1,), strides=2)
    yield _row("line_dilated", (1, 8, 1), (3, 1, 2), rhs_dilation=2, low=(2,), high=(1,))
    yield _row("cube", (1, 3, 4, 3, 2), (2, 2, 2, 2, 3), low=(0, 1, 0), high=(1, 0, 1), strides=(1, 2, 1))
    yield _row("strides", (2, 6, 5, 2), (3, 2, 2, 3), strides=(2, 3), low=(1, 0), high=(0, 1))
    yield _row("dilated", (1, 6, 7, 2), (2, 3, 2, 2), rhs_dilation=(3, 2), low=(1, 2), high=(2, 1))
    yield _row("spread", (2, 3, 4, 2), (3, 2, 2, 3), lhs_dilation=(2, 3), low=(2, 1), high=(1, 2))
    yield _row("spread_and_cut", (1, 4, 3, 2), (2, 3, 2, 2), lhs_dilation=2, low=(-1, 0), high=(1, -2))
    yield _row("all", (2, 4, 5, 4), (2, 3, 2, 4), strides=2, lhs_dilation=2, rhs_dilation=2, low=(1, 2), high=(2, 3),
               groups=2)  # fmt: skip
    yield _row("groups", (2, 4, 3, 4), (2, 2, 2, 6), groups=2, low=(1, 0), high=(0, 1))
    yield _row("depthwise", (2, 5, 4, 3), (3, 2, 1, 3), groups=3, strides=2, low=(1, 1), high=(1, 1))
    yield _row("depthwise_twice", (2, 4, 4, 2), (2, 2, 1, 4), groups=2)
    yield _row("negative", (1, 5, 5, 1), (2, 2, 1, 1), low=(-1, 1), high=(0, -2))
    yield _row("large_window", (2, 10, 11, 1), (9, 8, 1, 2), strides=(2, 1), low=(1, 0), high=(1, 2))
    yield _row("long_window", (2, 76, 1), (35, 1, 1), strides=3, rhs_dilation=2, low=(1,), high=(2,))
    yield _row("too_small", (1, 2, 3, 1), (3, 2, 1, 2))
