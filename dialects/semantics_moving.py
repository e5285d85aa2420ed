"""What the `dif` ops that make and move elements mean, as NumPy functions on arrays: creation, shape, indexing.

Where NumPy promises no order (repeated indices) these functions decide, as the op's docstring says.
Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.semantics import Meaning, meaning
from difc.dialects.types import BF16, BOOL, DYN, F16, F32, I64, Aval
from difc.errors import ShapeError

__all__: list[str] = []


# ---- creation and shape --------------------------------------------------------------------------


def _sized(shape: tuple[Any, ...], sizes: tuple[np.ndarray, ...]) -> tuple[int, ...]:
    """Return `shape` with its dynamic dims taken from the size operands."""
    remaining = map(int, sizes)
    return tuple(next(remaining) if d is DYN else d for d in shape)


@meaning(dif.constant)
def _(*, value: np.ndarray) -> np.ndarray:
    return value


@meaning(dif.zeros)
def _(*sizes: np.ndarray, shape: tuple[Any, ...], dtype: np.dtype) -> np.ndarray:
    return np.zeros(_sized(shape, sizes), dtype)


@meaning(dif.iota)
def _(*sizes: np.ndarray, shape: tuple[Any, ...], dtype: np.dtype, dimension: int) -> np.ndarray:
    filled = _sized(shape, sizes)
    ramp = np.arange(filled[dimension]).astype(dtype)
    return np.broadcast_to(ramp.reshape([-1 if d == dimension else 1 for d in range(len(filled))]), filled)


@meaning(dif.dim)
def _(x: np.ndarray, *, dimension: int) -> np.ndarray:
    return np.array(x.shape[dimension], I64)


@meaning(dif.broadcast_in_dim)
def _(
    x: np.ndarray, *sizes: np.ndarray, shape: tuple[Any, ...], dimensions: tuple[int, ...], avals: list[Aval]
) -> np.ndarray:
    filled = _sized(shape, sizes)
    aligned = [1] * len(filled)
    for size, declared, d in zip(x.shape, avals[0].shape, dimensions, strict=True):
        if size != filled[d] and declared is DYN:
            raise ShapeError(f"broadcast_in_dim: a dim of run-time size {size} does not repeat to {filled[d]}")
        aligned[d] = size
    return np.broadcast_to(x.reshape(aligned), filled)


@meaning(dif.reshape)
def _(x: np.ndarray, *sizes: np.ndarray, shape: tuple[Any, ...]) -> np.ndarray:
    return x.reshape(_sized(shape, sizes))


@meaning(dif.transpose)
def _(x: np.ndarray, *, permutation: tuple[int, ...]) -> np.ndarray:
    return x.transpose(permutation)


@meaning(dif.concatenate)
def _(x: np.ndarray, y: np.ndarray, *, dimension: int) -> np.ndarray:
    return np.concatenate([x, y], dimension)


@meaning(dif.slice)
def _(x: np.ndarray, *, start: tuple[int, ...], limit: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    ends = [size if end == -1 else end for size, end in zip(x.shape, limit, strict=True)]
    return x[tuple(map(slice, start, ends, stride))]


@meaning(dif.pad)
def _(
    x: np.ndarray, value: np.ndarray, *, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...]
) -> np.ndarray:
    shape, sources, targets = [], [], []
    for size, before, after, between in zip(x.shape, low, high, interior, strict=True):
        shape.append(size + before + after + between * max(size - 1, 0))
        source = np.arange(size)
        target = before + source * (between + 1)
        kept = (target >= 0) & (target < shape[-1])
        sources.append(source[kept])
        targets.append(target[kept])
    result = np.full(shape, value, x.dtype)
    result[np.ix_(*targets)] = x[np.ix_(*sources)]
    return result


@meaning(dif.reverse)
def _(x: np.ndarray, *, dimensions: tuple[int, ...]) -> np.ndarray:
    return np.flip(x, dimensions)


# ---- indexing ------------------------------------------------------------------------------------


def _cells(
    x: np.ndarray, indices: np.ndarray, axes: tuple[int, ...], batch: int, mode: str
) -> tuple[np.ndarray, tuple[int, ...], np.ndarray, np.ndarray]:
    """Turn indices into numbers of cells, where a cell is one window of `x`.

    Returns:
      `x` with batch dims and `axes` first; the permutation of its dims that did it; for each point (flattened) the
      number of its cell; and which points are within bounds.
    """
    if indices.dtype == np.uint64:
        indices = np.minimum(indices, np.iinfo(I64).max)
    indices = indices.astype(I64)
    permutation = (*range(batch), *axes, *dif.window_dims(x.ndim, axes, batch))
    moved = x.transpose(permutation)
    points = indices.shape[:-1]
    inside = np.ones(points, BOOL)
    number = np.zeros(points, I64)
    for d in range(batch):
        number = number * x.shape[d] + np.arange(x.shape[d]).reshape([-1 if i == d else 1 for i in range(len(points))])
    for i, axis in enumerate(axes):
        size = x.shape[axis]
        within = np.clip(indices[..., i], 0, max(size - 1, 0))
        inside &= (within == indices[..., i]) if mode == "fill" else True
        inside &= size > 0
        number = number * size + within
    return moved, permutation, number.reshape(-1), inside.reshape(-1)


@meaning(dif.gather)
def _(x: np.ndarray, indices: np.ndarray, *, axes: tuple[int, ...], batch: int, mode: str) -> np.ndarray:
    moved, _, number, inside = _cells(x, indices, axes, batch, mode)
    lead = batch + len(axes)
    window = moved.shape[lead:]
    result = np.zeros((number.size, *window), x.dtype)
    result[inside] = moved.reshape(math.prod(moved.shape[:lead]), *window)[number[inside]]
    return result.reshape((*indices.shape[:-1], *window))


def _scatter(write: Callable[[np.ndarray, np.ndarray, np.ndarray], None]) -> Meaning:
    """Return a meaning from a function that writes updates into numbered cells."""

    def scatter(
        x: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, axes: tuple[int, ...], batch: int, mode: str
    ) -> np.ndarray:
        moved, permutation, number, inside = _cells(x, indices, axes, batch, mode)
        lead = batch + len(axes)
        window = moved.shape[lead:]
        cells = np.array(moved.reshape(math.prod(moved.shape[:lead]), *window))
        write(cells, number[inside], updates.reshape(number.size, *window)[inside])
        return cells.reshape(moved.shape).transpose(np.argsort(permutation))

    return scatter


@meaning(dif.scatter)
@_scatter
def _(cells: np.ndarray, number: np.ndarray, updates: np.ndarray) -> None:
    written, last = np.unique(number[::-1], return_index=True)  # NumPy's own assignment promises no order
    cells[written] = updates[::-1][last]


def _combine(ufunc: np.ufunc) -> Callable[[np.ndarray, np.ndarray, np.ndarray], None]:
    def write(cells: np.ndarray, number: np.ndarray, updates: np.ndarray) -> None:
        wide = cells.astype(F32) if cells.dtype in (F16, BF16) else cells
        ufunc.at(wide, number, updates.astype(wide.dtype))
        cells[...] = wide

    return write


for _opdef, _ufunc in (
    (dif.scatter_add, np.add),
    (dif.scatter_mul, np.multiply),
    (dif.scatter_min, np.minimum),
    (dif.scatter_max, np.maximum),
):
    meaning(_opdef)(_scatter(_combine(_ufunc)))


def _block(x: np.ndarray, starts: tuple[np.ndarray, ...], sizes: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the slices of a block of `x`, moved to lie within it."""
    firsts = [min(max(int(s), 0), have - want) for s, have, want in zip(starts, x.shape, sizes, strict=True)]
    return tuple(slice(first, first + want) for first, want in zip(firsts, sizes, strict=True))


@meaning(dif.dynamic_slice)
def _(x: np.ndarray, *starts: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    return x[_block(x, starts, sizes)]


@meaning(dif.dynamic_update_slice)
def _(x: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    result = np.array(x)
    result[_block(x, starts, update.shape)] = update
    return result
