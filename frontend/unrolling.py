"""Loops of static length written out, or of which each step does several: `scan(unroll=)` and `fori_loop(unroll=)`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of, inline_block, yield_
from difc.dialects.mlir import ir
from difc.errors import InputError
from difc.source import user_frame_location
from difc.tracer import lift, wrap
from difc.tracing import current_frame, new_frame

__all__ = ["scan_unrolled", "steps_at_once"]


def steps_at_once(what: str, unroll: Any, length: int | None) -> int:
    """Return how many steps to write one after the other: 0 for none, as without `unroll`.

    Args:
      length: the number of all steps, None where it is known only at run time.

    Raises:
      InputError: if `unroll` is neither a bool nor a positive integer, or the number of steps must be known and is not.
    """
    try:
        wanted = int(unroll) if isinstance(unroll, bool) else operator.index(unroll)
    except TypeError:
        wanted = -1
    if wanted < 0 or (wanted == 0 and unroll is not False):
        raise InputError(
            f"{what}: unroll is {unroll!r}, neither a bool nor a positive integer",
            where=user_frame_location(),
            remedy="pass a number of steps, or True for all",
        )
    if unroll is False or (wanted == 1 and unroll is not True):
        return 0
    if length is None:
        raise InputError(
            f"{what}: unroll={unroll!r}, but the number of steps is known only at run time",
            where=user_frame_location(),
            remedy="leave unroll out",
        )
    return length if unroll is True else min(wanted, length)


def scan_unrolled(
    body: ir.Block,
    carry: Sequence[ir.Value],
    xs: Sequence[ir.Value],
    consts: Sequence[ir.Value],
    length: int,
    reverse: bool,
    width: int,
) -> list[ir.Value]:
    """Return what a scan with this body returns, of which each step does `width` steps; see `dif.scan`.

    The steps that are left over come after the loop; one of a single step is none.
    """
    count, rest = divmod(length, width)
    if count == 1:
        return _written_out(body, carry, xs, consts, length, reverse)
    first = rest if reverse else 0  # of the steps in the loop
    blocks = [
        lift(np.reshape(x[first : first + count * width], (count, width, *x.shape[1:]))) for x in (wrap(v) for v in xs)
    ]
    slices = [dif.Aval(aval_of(b).shape[1:], aval_of(b).dtype) for b in blocks]
    with new_frame([*map(aval_of, carry), *slices, *map(aval_of, consts)], "steps of a loop") as frame:
        given = list(frame.block.arguments)
        start, end = len(carry), len(carry) + len(xs)
        yield_(*_written_out(body, given[:start], given[start:end], given[end:], width, reverse))
    found = dif.scan(
        *carry, *blocks, *consts,
        num_carry=len(carry), num_xs=len(xs), length=count, reverse=reverse, linear=(), regions=[frame.block],
    )  # fmt: skip
    results = list(found) if isinstance(found, tuple) else [found]
    carry, parts = results[: len(carry)], [wrap(v) for v in results[len(carry) :]]
    ys = [np.reshape(y, (count * width, *y.shape[2:])) for y in parts]
    if rest:
        others = [lift(x[:rest] if reverse else x[count * width :]) for x in (wrap(v) for v in xs)]
        last = _written_out(body, carry, others, consts, rest, reverse)
        carry, more = last[: len(carry)], [wrap(v) for v in last[len(carry) :]]
        pairs = [(_shaped_as(a, b), a) if reverse else (a, _shaped_as(a, b)) for a, b in zip(ys, more, strict=True)]
        ys = [np.concatenate(pair) for pair in pairs]
    return [*carry, *map(lift, ys)]


def _shaped_as(first: Any, y: Any) -> Any:
    """Return `y` with the names that the run-time sizes of `first` have, but for the leading one."""
    current_frame().builder.adopt(lift(y), (*y.aval.shape[:1], *first.aval.shape[1:]))
    return y


def _written_out(
    body: ir.Block,
    carry: Sequence[ir.Value],
    xs: Sequence[ir.Value],
    consts: Sequence[ir.Value],
    count: int,
    reverse: bool,
) -> list[ir.Value]:
    """Return the last carry and the stacked ys of some steps, at least one, written one after the other."""
    arrays = [wrap(x) for x in xs]
    rows: list[list[Any]] = []
    for t in reversed(range(count)) if reverse else range(count):
        results = inline_block(body, [*carry, *(lift(x[t]) for x in arrays), *consts])
        carry, ys = results[: len(carry)], results[len(carry) :]
        for y, first in zip(ys, rows[0] if rows else [], strict=bool(rows)):
            current_frame().builder.adopt(y, first.aval.shape)  # sizes have one name in all steps
        rows.append([wrap(y) for y in ys])
    columns = zip(*(rows[::-1] if reverse else rows), strict=True)
    return [*carry, *(lift(np.stack(column)) for column in columns)]
