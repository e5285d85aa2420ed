"""Reading and writing at positions known at run time.

`gather` and the scatters share one form: `indices` has shape `[*batch, *points, k]`; its last dim holds one coordinate
for each of the k `axes` of `x`; the first `batch` dims of `x` and `indices` run together. The window at a point is
everything in `x` along the other dims, so gathered (and scattered) arrays have shape `[*batch, *points, *window]`.
`mode` says what an index out of bounds does: "clip" moves it to the nearest edge; "fill" reads 0 and drops writes. (An
empty dim has no edge: along it, "clip" is "fill".)
"""

from __future__ import annotations

from typing import Any

from difc.dialects.base import Int, Ints, Str, op
from difc.dialects.types import I64, Aval, check_dims, check_dtype, check_same_dtype, is_integer, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = [
    "SCATTERS",
    "dynamic_slice",
    "dynamic_update_slice",
    "gather",
    "scatter",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "window_dims",
]

MODES = ("clip", "fill")


def window_dims(rank: int, axes: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """Return the dims of the gathered-from array that make up the window."""
    return tuple(d for d in range(batch, rank) if d not in axes)


def _gathered_shape(name: str, x: Aval, indices: Aval, axes: tuple[int, ...], batch: int, mode: str) -> tuple[Any, ...]:
    if mode not in MODES:
        raise ShapeError(f"{name}: mode {mode!r} is not one of {', '.join(MODES)}")
    if not is_integer(indices.dtype):
        raise DtypeError(f"{name}: indices must be integers, not {indices}")
    check_dims(name, axes, x.ndim)
    if not 0 <= batch <= x.ndim or any(a < batch for a in axes) or indices.ndim < batch + 1:
        raise ShapeError(f"{name}: {batch} batch dims do not fit {x}, indices {indices} and axes {list(axes)}")
    if indices.shape[-1] != len(axes):
        raise ShapeError(f"{name}: the last dim of the indices {indices} is not {len(axes)}, one for each axis")
    pairs = zip(x.shape[:batch], indices.shape[:batch], strict=True)
    shared = [same_dim(a, b, f"{name}: batch dims") for a, b in pairs]
    window = [x.shape[d] for d in window_dims(x.ndim, axes, batch)]
    return (*shared, *indices.shape[batch:-1], *window)


@op
def gather(x: Aval, indices: Aval, *, axes: Ints, batch: Int, mode: Str) -> Aval:
    """Read the windows of `x` at the points that `indices` names; see the module docstring for the form.

    Example: `x[i, :, j]` is `gather(x, stack([i, j], -1), axes=(0, 2), batch=0, mode="clip")`.
    """
    return Aval(_gathered_shape("gather", x, indices, axes, batch, mode), x.dtype)


def _scatter(name: str, x: Aval, indices: Aval, updates: Aval, axes: Any, batch: int, mode: str) -> Aval:
    wanted = _gathered_shape(name, x, indices, axes, batch, mode)
    if updates.dtype != x.dtype:
        raise DtypeError(f"{name}: the updates {updates} and the array {x} have different dtypes")
    if updates.ndim != len(wanted):
        raise ShapeError(f"{name}: the updates {updates} have not the shape {list(wanted)} that the indices name")
    for a, b in zip(updates.shape, wanted, strict=True):
        same_dim(a, b, f"{name}: sizes of updates and of what the indices name")
    return Aval(x.shape, x.dtype)


@op
def scatter(x: Aval, indices: Aval, updates: Aval, *, axes: Ints, batch: Int, mode: Str) -> Aval:
    """A copy of `x` with windows replaced by `updates`, in row-major order of points: the last of equal ones wins."""
    return _scatter("scatter", x, indices, updates, axes, batch, mode)


@op
def scatter_add(x: Aval, indices: Aval, updates: Aval, *, axes: Ints, batch: Int, mode: Str) -> Aval:
    """A copy of `x` with `updates` added at the points; repeated points add up. The transpose of `gather`."""
    check_dtype("scatter_add", x.dtype, "float|integer")
    return _scatter("scatter_add", x, indices, updates, axes, batch, mode)


@op
def scatter_mul(x: Aval, indices: Aval, updates: Aval, *, axes: Ints, batch: Int, mode: Str) -> Aval:
    """A copy of `x` multiplied by `updates` at the points; repeated points multiply."""
    check_dtype("scatter_mul", x.dtype, "float|integer")
    return _scatter("scatter_mul", x, indices, updates, axes, batch, mode)


@op
def scatter_min(x: Aval, indices: Aval, updates: Aval, *, axes: Ints, batch: Int, mode: Str) -> Aval:
    """A copy of `x` with the smallest of its own elements and `updates` at the points; NaN if one is NaN."""
    return _scatter("scatter_min", x, indices, updates, axes, batch, mode)


@op
def scatter_max(x: Aval, indices: Aval, updates: Aval, *, axes: Ints, batch: Int, mode: Str) -> Aval:
    """A copy of `x` with the largest of its own elements and `updates` at the points; NaN if one is NaN."""
    return _scatter("scatter_max", x, indices, updates, axes, batch, mode)


#: Ops that write at points.
SCATTERS = (scatter, scatter_add, scatter_mul, scatter_min, scatter_max)


def _check_starts(name: str, x: Aval, starts: tuple[Aval, ...]) -> None:
    if len(starts) != x.ndim or any(s.shape or s.dtype != I64 for s in starts):
        raise ShapeError(f"{name}: takes one scalar i64 start for each dim of {x}")


@op
def dynamic_slice(x: Aval, *starts: Aval, sizes: Ints) -> Aval:
    """The block of static `sizes` at run-time `starts`, which are moved so that the block lies within `x`."""
    _check_starts("dynamic_slice", x, starts)
    if len(sizes) != x.ndim:
        raise ShapeError(f"dynamic_slice: {len(sizes)} sizes for {x}")
    for have, want in zip(x.shape, sizes, strict=True):
        if want < 0 or (isinstance(have, int) and want > have):
            raise ShapeError(f"dynamic_slice: a block of size {want} does not fit a dim of size {have}")
    return Aval(tuple(sizes), x.dtype)


@op
def dynamic_update_slice(x: Aval, update: Aval, *starts: Aval) -> Aval:
    """A copy of `x` with the block at run-time `starts` replaced; starts are moved so that it lies within `x`."""
    _check_starts("dynamic_update_slice", x, starts)
    check_same_dtype("dynamic_update_slice", x, update)
    if update.ndim != x.ndim:
        raise ShapeError(f"dynamic_update_slice: ranks differ: {x} and {update}")
    for have, want in zip(x.shape, update.shape, strict=True):
        if isinstance(have, int) and isinstance(want, int) and want > have:
            raise ShapeError(f"dynamic_update_slice: a block of size {want} does not fit a dim of size {have}")
    return Aval(x.shape, x.dtype)
