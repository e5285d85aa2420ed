"""What programs for matrices are made of: loops over columns, slices, blocks, and where to cut a matrix in two.

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
    "flat",
    "half_of",
    "is_cut",
    "joined",
    "outer",
    "part",
    "places",
    "repeated_along",
    "rounded",
    "size_scalar",
    "slice_at",
]

ROUND = 32  # what sizes above a limit are made multiples of, before they are cut
BLOCK = 64  # the largest size that is done column by column, where there is a choice

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
