"""Loops of static length written out, or of which each step does several: `scan(unroll=)` and `fori_loop(unroll=)`."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, ScanParts, as_list, aval_of, inline_block, yield_
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
    if isinstance(unroll, bool):
        wanted = None if unroll else 1
    else:
        try:
            wanted = operator.index(unroll)
        except TypeError:
            wanted = 0
    if wanted is not None and wanted < 1:
        raise InputError(
            f"{what}: unroll is {unroll!r}, neither a bool nor a positive integer",
            where=user_frame_location(),
            remedy="pass a number of steps, or True for all",
        )
    if wanted == 1:
        return 0
    if length is None:
        raise InputError(
            f"{what}: unroll={unroll!r}, but the number of steps is known only at run time",
            where=user_frame_location(),
            remedy="leave unroll out",
        )
    return length if wanted is None else min(wanted, length)


def scan_unrolled(body: ir.Block, parts: ScanParts, length: int, reverse: bool, width: int) -> list[ir.Value]:
    """Return what a scan with this body returns, of which each step does `width` steps; see `dif.scan`.

    The steps that are left over come after the loop; one of a single step is none.
    """
    count, rest = divmod(length, width)
    if count == 1:
        return _written_out(body, parts, length, reverse)
    carries, arrays = len(parts.carry), [wrap(x) for x in parts.xs]
    first = rest if reverse else 0  # of the steps in the loop
    blocks = [lift(np.reshape(x[first : first + count * width], (count, width, *x.shape[1:]))) for x in arrays]
    slices = [Aval(aval_of(b).shape[1:], aval_of(b).dtype) for b in blocks]
    with new_frame([*map(aval_of, parts.carry), *slices, *map(aval_of, parts.consts)], "steps of a loop") as frame:
        given = ScanParts.of(list(frame.block.arguments), carries, len(blocks), count)
        yield_(*_written_out(body, given, width, reverse))
    results = as_list(dif.scan(
        *parts.carry, *blocks, *parts.consts,
        num_carry=carries, num_xs=len(blocks), length=count, reverse=reverse, linear=(), regions=[frame.block],
    ))  # fmt: skip
    carry, ys = results[:carries], [wrap(v) for v in results[carries:]]
    ys = [np.reshape(y, (count * width, *y.shape[2:])) for y in ys]
    if rest:
        others = [lift(x[:rest] if reverse else x[count * width :]) for x in arrays]
        last = _written_out(body, replace(parts, carry=carry, xs=others), rest, reverse)
        carry, more = last[:carries], [wrap(v) for v in last[carries:]]
        pairs = [(_shaped_as(a, b), a) if reverse else (a, _shaped_as(a, b)) for a, b in zip(ys, more, strict=True)]
        ys = [np.concatenate(pair) for pair in pairs]
    return [*carry, *map(lift, ys)]


def _shaped_as(first: Any, y: Any) -> Any:
    """Return `y` with the names that the run-time sizes of `first` have, but for the leading one."""
    current_frame().builder.adopt(lift(y), (*y.aval.shape[:1], *first.aval.shape[1:]))
    return y


def _written_out(body: ir.Block, parts: ScanParts, count: int, reverse: bool) -> list[ir.Value]:
    """Return the last carry and the stacked ys of some steps, at least one, written one after the other."""
    carry, arrays = parts.carry, [wrap(x) for x in parts.xs]
    rows: list[list[Any]] = []
    for t in reversed(range(count)) if reverse else range(count):
        results = inline_block(body, [*carry, *(lift(x[t]) for x in arrays), *parts.consts])
        carry, ys = results[: len(carry)], results[len(carry) :]
        for y, first in zip(ys, rows[0] if rows else [], strict=bool(rows)):
            current_frame().builder.adopt(y, first.aval.shape)  # sizes have one name in all steps
        rows.append([wrap(y) for y in ys])
    columns = zip(*(rows[::-1] if reverse else rows), strict=True)
    return [*carry, *(lift(np.stack(column)) for column in columns)]
