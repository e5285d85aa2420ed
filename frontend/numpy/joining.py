"""Functions that join arrays and take them apart: concatenate, stack, split, tile, repeat, pad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from difc.numpy.common import (
    along,
    as_operand,
    axis_of,
    expand,
    integer,
    named_size,
    product,
    rank_of,
    reshaped,
    several,
    shape_error,
    shape_of,
    static_size,
)
from difc.numpy.registry import implements, unsupported
from difc.numpy.shaping import sliced
from difc.promotion import common_dtype, sized_shape, to_dtype
from difc.tracer import Tracer, lift, wrap

__all__ = ["concatenate", "concatenated", "stack"]


# ---- joining -------------------------------------------------------------------------------------


def concatenated(values: Sequence[ir.Value], axis: int) -> ir.Value:
    """Return values joined along an axis, as a balanced tree of the binary op."""
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [dif.concatenate(*pair, dimension=axis) if len(pair) == 2 else pair[0] for pair in pairs]
    return values[0]


def _parts(arrays: Any, what: str, dtype: Any = None) -> list[ir.Value]:
    """Return the arrays of a sequence (or the slices of one array) in their common dtype."""
    if isinstance(arrays, Tracer) or not isinstance(arrays, (list, tuple)):
        arrays = list(arrays)
    if not arrays:
        raise shape_error(f"{what}: there are no arrays to join", "pass at least one")
    operands = [as_operand(a) for a in arrays]
    # A Python number in a list of arrays is an array of NumPy's default dtype here, as in NumPy.
    operands = [a if hasattr(a, "dtype") else np.asarray(a) for a in operands]
    common = common_dtype(*operands) if dtype is None else np.dtype(dtype)
    return [to_dtype(lift(a), common) for a in operands]


@implements(np.concatenate, np.concat)
def concatenate(arrays: Any, /, axis: Any = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return arrays joined along an existing axis. (numpy.concatenate)

    Raises:
      ShapeError: if their other sizes differ.
    """
    values = _parts(arrays, "concatenate", dtype)
    if axis is None:
        values, axis = [reshaped(v, [product(shape_of(v))]) for v in values], 0
    ndim = aval_of(values[0]).ndim
    if not ndim:
        raise shape_error("concatenate: scalars cannot be joined", "use np.stack for scalars")
    dim = axis_of(axis, ndim)
    shapes = [shape_of(v) for v in values]
    for i, shape in enumerate(shapes):
        if len(shape) != ndim or any(a != b for d, (a, b) in enumerate(zip(shape, shapes[0], strict=True)) if d != dim):
            raise shape_error(
                f"concatenate: array {i} has shape {list(shape)}, which does not fit shape {list(shapes[0])} of the "
                f"first along axis {dim}",
                "make all sizes but that of the axis equal",
            )
    return wrap(concatenated(values, dim))


@implements(np.stack)
def stack(arrays: Any, axis: Any = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return arrays of one shape joined along a new axis. (numpy.stack)

    Raises:
      ShapeError: if their shapes differ.
    """
    values = _parts(arrays, "stack", dtype)
    shapes = [shape_of(v) for v in values]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise shape_error(
                f"stack: array {i} has shape {list(shape)}, and the first has shape {list(shapes[0])}",
                "make all shapes equal",
            )
    dim = axis_of(axis, len(shapes[0]) + 1)
    return wrap(concatenated([expand(v, (dim,)) for v in values], dim))


def _stacker(name: str, at_least: Callable[..., Any], axis: Callable[[int], int]) -> Callable[..., Any]:
    """Return vstack and its kin: arrays made at least n-dimensional, then joined along an axis."""

    def join(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
        values = [at_least(wrap(v)) for v in _parts(tup, name, dtype)]
        return concatenate(values, axis(rank_of(values[0])))

    join.__name__, join.__doc__ = name, f"Return arrays joined. (numpy.{name})"
    return join


implements(np.vstack)(_stacker("vstack", np.atleast_2d, lambda ndim: 0))
implements(np.hstack)(_stacker("hstack", np.atleast_1d, lambda ndim: min(ndim - 1, 1)))
implements(np.dstack)(_stacker("dstack", np.atleast_3d, lambda ndim: 2))


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Return 1-D arrays as columns of a matrix, beside 2-D ones. (numpy.column_stack)"""
    values = [
        expand(v, (1,)) if aval_of(v).ndim == 1 else lift(np.atleast_2d(wrap(v))) for v in _parts(tup, "column_stack")
    ]
    return concatenate([wrap(v) for v in values], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """Return the values joined to the end of the array. (numpy.append)"""
    return concatenate([arr, values], axis)


# ---- splitting -----------------------------------------------------------------------------------


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return parts of the array along an axis, of nearly equal sizes or cut at given places. (numpy.array_split)"""
    x = lift(ary)
    dim = axis_of(axis, aval_of(x).ndim)
    size = static_size(x, dim, "splitting an array")
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        cuts = [slice(int(i), None).indices(size)[0] for i in indices_or_sections]
        bounds = [0, *cuts, size]
    else:
        sections = integer(indices_or_sections, "the number of sections")
        if sections < 1:
            raise shape_error(f"cannot split an array into {sections} sections")
        each, extra = divmod(size, sections)
        bounds = [0, *np.cumsum([each + 1] * extra + [each] * (sections - extra)).tolist()]
    return [wrap(sliced(x, dim, a, max(a, b))) for a, b in pairwise(bounds)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return parts of the array along an axis, of equal sizes or cut at given places. (numpy.split)

    Raises:
      ShapeError: if it does not divide into equal parts.
    """
    if not isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        x = lift(ary)
        size = static_size(x, axis_of(axis, aval_of(x).ndim), "splitting an array")
        if size % integer(indices_or_sections, "the number of sections"):
            raise shape_error(
                f"{size} elements do not split into {indices_or_sections} equal parts", "use np.array_split"
            )
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Return parts of the array side by side. (numpy.hsplit)"""
    return split(ary, indices_or_sections, 1 if rank_of(ary) > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Return parts of the array from top to bottom. (numpy.vsplit)"""
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Return parts of the array along its third axis. (numpy.dsplit)"""
    return split(ary, indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the slices of the array along an axis. (numpy.unstack)"""
    value = lift(x)
    dim = axis_of(axis, aval_of(value).ndim)
    rest = [d for i, d in enumerate(shape_of(value)) if i != dim]
    count = static_size(value, dim, "unstack")
    return tuple(wrap(reshaped(sliced(value, dim, i, i + 1), rest)) for i in range(count))


# ---- repeating -----------------------------------------------------------------------------------


def _repeated(x: ir.Value, axis: int, count: int, each: bool) -> ir.Value:
    """Return elements repeated along an axis: each one `count` times in place, or all of them one after the other."""
    shape = list(shape_of(x))
    place = axis + 1 if each else axis
    wide = [*shape[:place], count, *shape[place:]]
    dims = [d for d in range(len(wide)) if d != place]
    spread = dif.broadcast_in_dim(x, shape=sized_shape(wide, [x]), dimensions=dims)
    shape[axis] = shape[axis] * count
    return reshaped(spread, shape)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """Return the array repeated like tiles. (numpy.tile)"""
    x = lift(A)
    counts = [named_size(r) for r in (reps if isinstance(reps, (list, tuple, np.ndarray)) else (reps,))]
    ndim = max(aval_of(x).ndim, len(counts))
    x = expand(x, range(ndim - aval_of(x).ndim))
    for axis, count in enumerate([1] * (ndim - len(counts)) + counts):
        if count != 1:
            x = _repeated(x, axis, count, each=False)
    return wrap(x)


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Return each element repeated; different numbers of times must be known at trace time. (numpy.repeat)"""
    x, dim = along(lift(a), axis)
    if isinstance(repeats, Tracer) and repeats.ndim:
        raise unsupported("numpy.repeat with traced numbers of repeats", "use one number for all, or np.take")
    if isinstance(repeats, Tracer):
        return wrap(_repeated(x, dim, named_size(repeats), each=True))
    counts = np.asarray(repeats)
    if counts.size == 1:
        return wrap(_repeated(x, dim, int(counts.reshape(())), each=True))
    size = static_size(x, dim, "repeat with several numbers")
    return np.take(wrap(x), np.repeat(np.arange(size), counts), axis=dim)


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """Return an array of a new shape, filled with the elements over and over. (numpy.resize)"""
    x = np.ravel(a)
    shape = several(new_shape)
    size = static_size(lift(x), 0, "resize")
    if size == 0:
        return np.zeros(shape, x.dtype, like=x)
    return np.take(x, np.resize(np.arange(size), shape))
