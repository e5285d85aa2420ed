"""What programs for matrices are made of: loops over columns and panels, blocks, and where to cut a matrix in two.

Matrices come as stacks with one batch dim. Builds ops of the dialect; knows no lowering but the loop's form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc import dialects as dif
from difc.dialects import I64, aval_of
from difc.dialects.matrices import sizes_of, splat, triangle_mask
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, product, size_value
from difc.pipelines.lowering.composition import loop

__all__ = [
    "PANEL",
    "column_loop",
    "cut_to",
    "enlarged",
    "flat",
    "half_of",
    "joined",
    "outer",
    "panel_at",
    "panels_in",
    "part",
    "places",
    "repeated_along",
    "round_up",
    "slice_at",
]

PANEL = 16  # the columns of a panel

# ---- loops over columns --------------------------------------------------------------------------


def column_loop(
    length: Size,
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
    """Return `x` repeated to the shape of `like`, in which its dims are `dimensions`."""
    return dif.broadcast_in_dim(x, shape=tuple(sizes_of(like)), dimensions=tuple(dimensions))


def places(like: ir.Value, k: ir.Value, axis: int, direction: str) -> ir.Value:
    """Return where the position along an axis compares so with k, a scalar or one number for each of the stack."""
    position = dif.iota(shape=tuple(sizes_of(like)), dtype=I64, dimension=axis)
    return dif.compare(position, repeated_along(k, like, range(aval_of(k).ndim)), direction=direction)


def panels_in(size: Size) -> Size:
    """Return how many panels have `size` rows or columns, a multiple of theirs."""
    return size // PANEL if isinstance(size, int) else dif.div(size, splat(PANEL, size))


def panel_at(x: ir.Value, k: ir.Value, axis: int) -> ir.Value:
    """Return the k-th panel of a stack of matrices whose size along an axis is a whole number of them."""
    sizes = sizes_of(x)
    return slice_at(dif.reshape(x, shape=(*sizes[:axis], panels_in(sizes[axis]), PANEL, *sizes[axis + 1 :])), k, axis)


def cut_to(x: ir.Value, size: Size, axis: int) -> ir.Value:
    """Return the first `size` slices along an axis."""
    ndim = aval_of(x).ndim
    if isinstance(size, int):
        limit = tuple(size if d == axis else n if isinstance(n, int) else -1 for d, n in enumerate(aval_of(x).shape))
        return dif.slice(x, start=(0,) * ndim, limit=limit, stride=(1,) * ndim)
    found = dif.gather(x, dif.iota(shape=(size, 1), dtype=I64, dimension=0), axes=(axis,), batch=0, mode="clip")
    return dif.transpose(found, permutation=(*range(1, axis + 1), 0, *range(axis + 1, ndim)))


def outer(x: ir.Value, y: ir.Value) -> ir.Value:
    """Return x[b, i] * y[b, j]."""
    return dif.dot_general(x, y, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(), rhs_contract=())


def flat(x: ir.Value) -> ir.Value:
    """Return a stack of matrices with one batch dim."""
    sizes = sizes_of(x)
    if len(sizes) == 3:
        return x
    return dif.reshape(x, shape=(product(sizes[:-2]), *sizes[-2:]))


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


def round_up(size: Size, multiple: int) -> Size:
    """Return the least multiple that is not below a size."""
    if isinstance(size, int):
        return size + -size % multiple
    unit = splat(multiple, size)
    return dif.mul(dif.div(dif.add(size, splat(multiple - 1, size)), unit), unit)


def enlarged(x: ir.Value, rows: Size, columns: Size, diagonal: float = 0.0) -> ir.Value:
    """Return matrices with rows and columns added behind theirs: zeros, but for the diagonal."""
    batch, *sizes = sizes_of(x)
    if sizes == [rows, columns]:
        return x
    frame = dif.zeros(shape=(batch, rows, columns), dtype=aval_of(x).dtype)
    if diagonal:
        frame = dif.select(triangle_mask(frame, "eq"), splat(diagonal, frame), frame)
    origin = size_value(0)
    return dif.dynamic_update_slice(frame, x, origin, origin, origin)


def joined(top: Sequence[ir.Value], bottom: Sequence[ir.Value]) -> ir.Value:
    """Return the matrices of four blocks, two beside each other above two."""
    rows = [dif.concatenate(*pair, dimension=2) for pair in (top, bottom)]
    return dif.concatenate(*rows, dimension=1)
