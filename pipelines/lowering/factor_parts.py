"""What programs for matrices are made of: loops over columns and panels, blocks, and where to cut a matrix in two.

Matrices come as stacks with one batch dim. Builds ops of the dialect; knows no lowering but the loop's form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from difc import dialects as dif
from difc.dialects import I64, aval_of
from difc.dialects.matrices import sizes_of, splat, triangle_mask
from difc.dialects.mlir import ir
from difc.pipelines.lowering.composition import loop

__all__ = [
    "column_loop",
    "diagonal_block",
    "flat",
    "half_of",
    "is_cut",
    "joined",
    "outer",
    "panel_at",
    "panel_loop",
    "part",
    "places",
    "repeated_along",
    "rounded",
    "size_scalar",
    "slice_at",
]

ROUND = 32  # what sizes above a limit are made multiples of, before they are cut
BLOCK = 64  # the largest size of what `factor_lu.py` does column by column, where there is a choice
PANEL = 16  # the columns of a panel

# ---- loops over columns --------------------------------------------------------------------------


def column_loop(
    length: int | ir.Value,
    carry: Sequence[ir.Value],
    consts: Sequence[ir.Value],
    step: Callable[..., tuple[list[ir.Value], list[ir.Value]]],
    reverse: bool = False,
) -> list[ir.Value]:
    """Append a scan of `step(k, *carry, *consts) -> carry, ys`, with the number k of the step as an i64 scalar."""
    counts = dif.iota(shape=(length,), dtype=I64, dimension=0)
    return loop(
        lambda state, xs, rest: step(xs[0], *state, *rest), carry, length, xs=[counts], consts=consts, reverse=reverse
    )


def slice_at(x: ir.Value, k: ir.Value, axis: int) -> ir.Value:
    """Return the slice of `x` at k along an axis, which the result drops."""
    return dif.gather(x, dif.reshape(k, shape=(1,)), axes=(axis,), batch=0, mode="clip")


def repeated_along(x: ir.Value, like: ir.Value, dimensions: Sequence[int]) -> ir.Value:
    return dif.broadcast_in_dim(x, shape=tuple(sizes_of(like)), dimensions=tuple(dimensions))


def places(like: ir.Value, k: ir.Value, axis: int, direction: str, dtype: np.dtype = I64) -> ir.Value:
    """Return where the position along an axis compares so with k, a scalar or one number for each of the stack."""
    position = dif.iota(shape=tuple(sizes_of(like)), dtype=dtype, dimension=axis)
    return dif.compare(position, repeated_along(k, like, range(aval_of(k).ndim)), direction=direction)


def panel_loop(
    size: int | ir.Value,
    rest: ir.Value,
    consts: Sequence[ir.Value],
    step: Callable[..., tuple[list[ir.Value], list[ir.Value]]],
    reverse: bool = False,
) -> ir.Value:
    """Append a loop of `step(start, rest, *consts) -> [rest], [rows]` over panels, and join the rows of all of them.

    The rows are [batch, PANEL, m], the result [batch, size, m]: what comes after `size` in the last panel is left out.
    """
    if isinstance(size, int):
        count: int | ir.Value = -(-size // PANEL)
    else:
        count = dif.div(dif.add(size, splat(PANEL - 1, size)), splat(PANEL, size))
    _, rows = column_loop(count, [rest], consts, lambda k, *values: step(dif.mul(k, splat(PANEL, k)), *values), reverse)
    row = dif.iota(shape=(size, 1), dtype=I64, dimension=0)
    panel = dif.div(row, splat(PANEL, row))
    inside = dif.sub(row, dif.mul(panel, splat(PANEL, row)))
    found = dif.gather(rows, dif.concatenate(panel, inside, dimension=1), axes=(0, 2), batch=0, mode="clip")
    return dif.transpose(found, permutation=(1, 0, 2))


def panel_at(x: ir.Value, start: ir.Value, axis: int) -> ir.Value:
    """Return the slices of a stack from `start` on, as many as a panel has, along an axis; zeros past its end."""
    first = dif.iota(shape=(PANEL, 1), dtype=I64, dimension=0)
    index = dif.add(first, dif.broadcast_in_dim(start, shape=(PANEL, 1), dimensions=()))
    found = dif.gather(x, index, axes=(axis,), batch=0, mode="fill")
    return dif.transpose(found, permutation=(1, 2, 0) if axis == 2 else (1, 0, 2))


def diagonal_block(columns: ir.Value, start: ir.Value) -> ir.Value:
    """Return the rows of a panel from `start` on, with ones on the diagonal where the matrix has ended."""
    block, size = panel_at(columns, start, 1), sizes_of(columns)[1]
    left = dif.sub(size_scalar(size), start)
    after = dif.and_(triangle_mask(block, "eq"), places(block, left, 2, "ge"))
    return dif.select(after, splat(1.0, block), block)


def outer(x: ir.Value, y: ir.Value) -> ir.Value:
    """Return x[b, i] * y[b, j]."""
    return dif.dot_general(x, y, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(), rhs_contract=())


def flat(x: ir.Value) -> ir.Value:
    """Return a stack of matrices with one batch dim."""
    sizes = sizes_of(x)
    if len(sizes) == 3:
        return x
    count: int | ir.Value = 1
    for size in sizes[:-2]:
        both = isinstance(size, int) and isinstance(count, int)
        count = size * count if both else dif.mul(size_scalar(size), size_scalar(count))  # type: ignore[operator]
    return dif.reshape(x, shape=(count, *sizes[-2:]))


def size_scalar(size: int | ir.Value) -> ir.Value:
    return dif.constant(value=np.array(size, I64)) if isinstance(size, int) else size


def part(x: ir.Value, rows: slice, columns: slice) -> ir.Value:
    """Return a block of every matrix of a stack with one batch dim."""
    sizes = aval_of(x).shape
    bounds = [s.indices(n) for s, n in zip((rows, columns), sizes[1:], strict=True)]
    limits = (sizes[0] if isinstance(sizes[0], int) else -1, bounds[0][1], bounds[1][1])
    return dif.slice(x, start=(0, bounds[0][0], bounds[1][0]), limit=limits, stride=(1, 1, 1))


def half_of(size: int, limit: int) -> int:
    """Return where to cut: the first part is a power of two times the limit, so that there are few different shapes."""
    half = limit
    while 2 * half < size:
        half *= 2
    return half


def rounded(x: ir.Value, diagonal: float) -> ir.Value:
    """Return matrices with rows and columns added up to a multiple of `ROUND`: halves then have few different shapes.

    What is added is zero, but for the diagonal.
    """
    size = aval_of(x).shape[-1]
    more = -size % ROUND
    if not more:
        return x
    zero = dif.constant(value=np.array(0, aval_of(x).dtype))
    padded = dif.pad(x, zero, low=(0, 0, 0), high=(0, more, more), interior=(0, 0, 0))
    last = dif.and_(triangle_mask(padded, "eq"), places(padded, size_scalar(size), 2, "ge"))
    return dif.select(last, splat(diagonal, padded), padded)


def joined(top: Sequence[ir.Value], bottom: Sequence[ir.Value]) -> ir.Value:
    rows = [dif.concatenate(*pair, dimension=2) for pair in (top, bottom)]
    return dif.concatenate(*rows, dimension=1)


def is_cut(size: int | ir.Value) -> bool:
    return isinstance(size, int) and size > BLOCK
