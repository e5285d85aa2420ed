"""Reading an index expression: which dims it slices, which it picks from, and how the result is laid out.

`read_index` turns what stands in `x[...]` into one `Item` for each dim and each new axis, with NumPy's rules: a mask
is as many integer arrays, an ellipsis is full slices, and where there is an array, integers count as arrays too.
Nothing is built here but the wrap-around of negative traced indices.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from difc.dialects import BOOL
from difc.dialects.mlir import ir
from difc.errors import DtypeError, UnsupportedError
from difc.numpy.common import as_operand, bounds_error, expand, shape_error, shape_of, size_scalar
from difc.promotion import broadcast_shapes, to_dtype
from difc.source import user_frame_location
from difc.tracer import DimTracer, Tracer, lift, wrap

__all__ = ["IndexPlan", "Item", "Range", "read_index", "with_truths_as_axes"]


@dataclass(frozen=True)
class Range:
    """A slice of a dim: elements `start, start + step, ...`, `count` of them, and whether in reverse order.

    Where the size is a run-time one, `count` is None and `cut` is how many elements are left out at the end.
    """

    start: int
    count: int | None
    step: int
    reverse: bool
    cut: int = 0

    @property
    def is_full(self) -> bool:
        return self.is_whole and not self.reverse

    @property
    def is_whole(self) -> bool:
        """Whether every element is in it, in either order."""
        return self.count is None and not self.start and not self.cut and self.step == 1


@dataclass(frozen=True)
class Item:
    """One entry of an index: a slice, a pick (an integer or an array of integers), or a new axis.

    Attributes:
      dim: the dim of the indexed array; -1 for a new axis.
      what: a `Range`, an int, an integer array (wrapped into 0..size-1), or a tracer of integers (likewise).
    """

    kind: Literal["slice", "pick", "new"]
    dim: int = -1
    what: Any = None


@dataclass(frozen=True)
class IndexPlan:
    """An index that has been read.

    Attributes:
      items: entries in order.
      advanced: whether an array is among the picks, so that all of them are one group of points.
      points: shape of the points that the picks make together.
      place: where the axes of the points stand among the axes that slices and new axes give.
    """

    items: list[Item]
    advanced: bool
    points: tuple[Any, ...]
    place: int

    @property
    def picks(self) -> list[Item]:
        return [item for item in self.items if item.kind == "pick"]

    @property
    def ranges(self) -> dict[int, Range]:
        return {item.dim: item.what for item in self.items if item.kind == "slice"}


def read_index(x: ir.Value, index: Any) -> IndexPlan:
    """Read an index of a value.

    Raises:
      BoundsError: for too many indices, one out of bounds, or a mask of another size.
      ShapeError: for a slice whose size would not be known.
      UnsupportedError: for a traced mask, whose number of elements is not known.
    """
    shape = shape_of(x)
    entries, gap = _without_ellipsis(_entries(index), len(shape))
    items: list[Item] = []
    dim = 0
    for entry in entries:
        if entry is None:
            items.append(Item("new"))
            continue
        if dim >= len(shape):
            raise bounds_error(f"too many indices: an array of {len(shape)} dimensions has no dim {dim}")
        if isinstance(entry, slice):
            items.append(Item("slice", dim, _range(entry, shape[dim], dim)))
        else:
            items.append(Item("pick", dim, _pick(x, entry, dim)))
        dim += 1
    picks = [item for item in items if item.kind == "pick"]
    advanced = any(np.ndim(p.what) if not isinstance(p.what, Tracer) else p.what.ndim for p in picks)
    points = _points_shape(picks) if advanced else ()
    return IndexPlan(items, advanced, points, _place(items, gap) if advanced else 0)


def with_truths_as_axes(x: ir.Value, index: Any) -> tuple[ir.Value, Any]:
    """Turn True and False in an index into positions along new axes of size 1: all of it, or nothing."""
    entries = list(index) if isinstance(index, tuple) else [index]
    truths = [i for i, e in enumerate(entries) if _is_truth(e)]
    if not truths:
        return x, index
    taken = [_dims_taken(e) for e in entries]
    rest = len(shape_of(x)) - sum(taken)
    axes = [sum(taken[:i]) + j + (rest if any(e is Ellipsis for e in entries[:i]) else 0) for j, i in enumerate(truths)]
    for i in truths:
        entries[i] = np.zeros(int(entries[i]), np.int64)
    return expand(x, axes), tuple(entries)


def _is_truth(entry: Any) -> bool:
    """Say whether an entry of an index is a known True or False, alone or as an array without dims."""
    return isinstance(entry, (bool, np.bool_)) or (
        isinstance(entry, np.ndarray) and entry.ndim == 0 and entry.dtype == BOOL
    )


def _dims_taken(entry: Any) -> int:
    """Return how many dims of the array an entry of an index is about."""
    if entry is None or entry is Ellipsis or _is_truth(entry):
        return 0
    given: Any = entry if isinstance(entry, (slice, Tracer)) else np.asarray(entry)
    return given.ndim if getattr(given, "dtype", None) == BOOL else 1


# ---- entries -------------------------------------------------------------------------------------


def _entries(index: Any) -> list[Any]:
    """Return the entries of an index; masks become the integer arrays of their true elements."""
    entries: list[Any] = []
    for entry in index if isinstance(index, tuple) else (index,):
        if entry is None or entry is Ellipsis or isinstance(entry, slice):
            entries.append(entry)
            continue
        given = as_operand(entry) if not isinstance(entry, list) or entry else np.zeros(0, np.int64)
        dtype = given.dtype if hasattr(given, "dtype") else np.asarray(given).dtype
        if dtype == BOOL:
            entries.extend(_mask(given))
        elif dtype.kind not in "iu":
            raise DtypeError(
                f"an index must be an integer, a slice, or an array of integers or bool, not {type(entry).__name__}",
                where=user_frame_location(),
                remedy="convert it with .astype(np.int64)",
            )
        else:
            entries.append(given if isinstance(given, Tracer) else np.asarray(given))
    return entries


def _mask(mask: Any) -> Sequence[Any]:
    if isinstance(mask, Tracer):
        raise UnsupportedError(
            "an array cannot be indexed with a traced mask: how many elements there would be is not known before the "
            "program runs",
            where=user_frame_location(),
            remedy="keep the shape: use np.where(mask, x, other), or x.at[mask].set(value)",
        )
    array = np.asarray(mask)
    if array.ndim == 0:
        raise UnsupportedError(
            "an array cannot be updated at True or False beside other indices",
            where=user_frame_location(),
            remedy="use difc.cond or np.where",
        )
    return [_MaskPart(part, size) for part, size in zip(np.nonzero(array), array.shape, strict=True)]


class _MaskPart(np.ndarray):
    """The positions along one dim of a mask, with the size that the mask has there."""

    mask_size: int

    def __new__(cls, array: np.ndarray, size: int) -> _MaskPart:
        made = array.view(cls)
        made.mask_size = size
        return made


def _without_ellipsis(entries: list[Any], rank: int) -> tuple[list[Any], int]:
    """Return entries with full slices for the ellipsis, and where one stood that stands for no dim (else -1)."""
    missing = rank - sum(e is not None and e is not Ellipsis for e in entries)
    places = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(places) > 1:
        raise bounds_error("an index can have only one ellipsis (...)")
    at = places[0] if places else len(entries)
    if missing < 0:
        raise bounds_error(f"too many indices: {rank - missing} for an array of {rank} dimensions")
    return [*entries[:at], *[slice(None)] * missing, *entries[at + 1 :]], at if places and not missing else -1


# ---- slices --------------------------------------------------------------------------------------


def _range(given: slice, size: Any, dim: int) -> Range:
    start, stop, step = (_bound(getattr(given, part), size, part, dim) for part in ("start", "stop", "step"))
    if step == 0:
        raise shape_error("a slice cannot have a step of 0")
    if isinstance(size, int):
        first, last, by = slice(start, stop, step).indices(size)
        count = len(range(first, last, by))
        if not count:
            return Range(0, 0, 1, False)
        if by < 0:
            return Range(first + (count - 1) * by, count, -by, True)
        if (first, count, by) == (0, size, 1):
            return Range(0, None, 1, False)
        return Range(first, count, by, False)
    return _run_time_range(start, stop, 1 if step is None else step, size, dim)


def _bound(bound: Any, size: Any, part: str, dim: int) -> int | None:
    """Return a bound as an int; a stop at the run-time size itself counts from the end, as in `x[: x.shape[0] - 1]`."""
    if isinstance(bound, DimTracer) and part == "stop":
        left_out = size - bound.dim
        if isinstance(left_out, int) and left_out >= 0:
            return -left_out or None
    if isinstance(bound, Tracer):
        positions = "difc.numpy.arange(n)" if isinstance(bound, DimTracer) else "start + np.arange(size)"
        raise shape_error(
            f"the slice of dim {dim} has a traced {part}, so its size is not known when the function is traced",
            f"index with positions instead: x[{positions}]",
        )
    return None if bound is None else operator.index(bound)


def _run_time_range(start: int | None, stop: int | None, step: int, size: Any, dim: int) -> Range:
    """Read a slice of a run-time size: it may leave out a known number of elements at either end."""
    if step < 0 and start is None and stop is None:
        return Range(0, None, -step, True)
    if step > 0 and (start or 0) >= 0 and (stop is None or stop < 0):
        return Range(start or 0, None, step, False, cut=-(stop or 0))
    message = f"this slice of dim {dim} has a size that depends on the run-time size {size}, up to a limit"
    end = 0 if stop is None and step > 0 else stop
    if step < 0 or end is None or ((start or 0) < 0) == (end > 0):
        raise shape_error(message, f"give dim {dim} a fixed size in the spec")
    positions = ", ".join(map(str, (start or 0, end, *([step] if step > 1 else []))))
    raise shape_error(message, f"where {size} is large enough, use the positions np.arange({positions}) as index")


# ---- picks ---------------------------------------------------------------------------------------


def _pick(x: ir.Value, entry: Any, dim: int) -> Any:
    """Return integers counted from 0, checked against the size where both are known."""
    size = shape_of(x)[dim]
    if isinstance(entry, Tracer):
        return _wrapped(x, entry, dim)
    if isinstance(entry, _MaskPart):
        if isinstance(size, int) and entry.mask_size not in (0, size):  # NumPy has an empty mask fit any size
            raise bounds_error(f"a mask of size {entry.mask_size} does not fit dim {dim} of size {size}")
        entry = np.asarray(entry)
    if not isinstance(size, int):
        if entry.size and entry.min() < 0:
            return _wrapped(x, wrap(lift(entry)), dim)
        return entry if entry.ndim else int(entry)
    wrong = (entry < -size) | (entry >= size)
    if wrong.any():
        raise bounds_error(f"index {entry[wrong].flat[0]} is out of bounds for dim {dim} of size {size}")
    wrapped = np.where(entry < 0, entry + size, entry)
    return wrapped if entry.ndim else int(wrapped)


def _wrapped(x: ir.Value, index: Any, dim: int) -> Any:
    """Return traced integers with negative ones counted from the end; what stays out of bounds is the op's matter."""
    if index.dtype.kind == "u":
        return index
    size = wrap(size_scalar(x, (dim,), np.int64))
    wide = wrap(to_dtype(lift(index), np.int64))
    return np.where(wide < 0, wide + size, wide)


def _points_shape(picks: list[Item]) -> tuple[Any, ...]:
    return broadcast_shapes(*(p.what.aval.shape if isinstance(p.what, Tracer) else np.shape(p.what) for p in picks))


def _place(items: list[Item], gap: int) -> int:
    """Return where the points' axes go: in place of the picks if these stand side by side, else in front."""
    at = [i for i, item in enumerate(items) if item.kind == "pick"]
    together = at == list(range(at[0], at[-1] + 1)) and not at[0] < gap <= at[-1]
    return at[0] if together else 0
