"""Functions that give an array another shape or order: reshape, transpose, broadcast, flip, roll and their kin.

Nothing is computed on elements here. Sizes may be named run-time sizes; `-1` in a reshape may turn out to be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import I64, aval_of
from difc.dialects.mlir import ir
from difc.dims import Dim, exact_quotient
from difc.numpy.common import (
    axes_of,
    axis_of,
    expand,
    integer,
    named_shape,
    named_size,
    product,
    rank_of,
    reshaped,
    several,
    shape_error,
    shape_of,
    transposed,
)
from difc.numpy.registry import implements
from difc.promotion import broadcast_shapes, broadcast_to, sized_shape
from difc.tracer import Tracer, lift, wrap

__all__ = ["broadcast_arrays", "expand_dims", "flipped", "ravel", "reshape", "sliced", "swapaxes", "transpose"]


# ---- what an array says of itself ----------------------------------------------------------------


@implements(np.shape)
def shape(a: Any) -> tuple[Any, ...]:
    """Return the sizes, of which those known only at run time are traced. (numpy.shape)"""
    return wrap(lift(a)).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    """Return the number of dims. (numpy.ndim)"""
    return rank_of(a)


@implements(np.size)
def size(a: Any, axis: Any = None) -> Any:
    """Return the number of elements, or the size along axes. (numpy.size)"""
    sizes = wrap(lift(a)).shape
    return product([sizes[i] for i in axes_of(axis, len(sizes))])


# ---- reshape -------------------------------------------------------------------------------------


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    """Return the elements in another shape; one size may be -1. Sizes may be traced, as `x.shape[0]`. (numpy.reshape)

    Raises:
      ShapeError: if the number of elements differs.
    """
    if order not in ("C", "F", "A", "K"):
        raise shape_error(f"reshape: order={order!r} is not one of 'C', 'F', 'A'")
    x = lift(a)
    sizes = _solved(x, named_shape(shape if newshape is None else newshape))
    if order != "F":
        return wrap(reshaped(x, sizes))
    return transpose(wrap(reshaped(lift(transpose(wrap(x))), sizes[::-1])))


def _solved(x: ir.Value, sizes: list[Any]) -> list[Any]:
    """Return a new shape with its -1 replaced, checked where the numbers of elements are known."""
    old = shape_of(x)
    total = product(old)
    free = [i for i, s in enumerate(sizes) if isinstance(s, int) and s == -1]
    shown = f"[{', '.join(map(str, old))}] into [{', '.join(map(str, sizes))}]"
    if len(free) > 1:
        raise shape_error(f"cannot reshape {shown}: only one size can be -1")
    if any(isinstance(s, int) and s < -1 for s in sizes):
        raise shape_error(f"cannot reshape {shown}: a size is negative")
    known = product([s for s in sizes if not (isinstance(s, int) and s == -1)])
    if free:
        if known == 0 or (isinstance(total, int) and isinstance(known, int) and total % known):
            raise shape_error(f"cannot reshape {shown}: {total} elements are not a multiple of {known}")
        sizes[free[0]] = _quotient(x, total, known)
    elif isinstance(total, int) and isinstance(known, int) and total != known:
        raise shape_error(f"cannot reshape {shown}: {total} elements do not make {known}")
    return sizes


def _quotient(x: ir.Value, total: Any, known: Any) -> Any:
    """Return the size that is left for -1; where its name is a quotient, it is computed here."""
    exact = exact_quotient(total, known)
    if exact is not None:
        return exact
    values = [lift(np.int64(s)) if isinstance(s, int) else s for s in sized_shape([total, known], [x])]
    return named_size(wrap(dif.div(*values)), fallback=Dim.named(f"(({total}) // ({known}))"))


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """Return the elements in one dim. (numpy.ravel)"""
    return reshape(a, -1, order)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """Return the array with dims of size 1 put in. (numpy.expand_dims)"""
    x = lift(a)
    count = len(several(axis))
    return wrap(expand(x, axes_of(axis, aval_of(x).ndim + count)))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Return the array without dims of size 1. (numpy.squeeze)"""
    x = lift(a)
    shape = shape_of(x)
    if axis is None:
        drop = tuple(i for i, d in enumerate(shape) if isinstance(d, int) and d == 1)
    else:
        drop = axes_of(axis, len(shape))
        for i in drop:
            if not (isinstance(shape[i], int) and shape[i] == 1):
                raise shape_error(f"squeeze: axis {i} has size {shape[i]}, not 1")
    return wrap(reshaped(x, [d for i, d in enumerate(shape) if i not in drop]))


def _at_least(ndim: int, place: Any) -> Any:
    def at_least(*arys: Any) -> Any:
        found = [wrap(place(lift(a), aval_of(lift(a)).ndim)) for a in arys]
        return found[0] if len(found) == 1 else tuple(found)

    at_least.__name__ = f"atleast_{ndim}d"
    at_least.__doc__ = f"Return arrays with at least {ndim} dims. (numpy.atleast_{ndim}d)"
    return at_least


def _to_3d(x: ir.Value, ndim: int) -> ir.Value:
    return expand(x, {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(ndim, ()))


implements(np.atleast_1d)(_at_least(1, lambda x, ndim: expand(x, range(1 - ndim))))
implements(np.atleast_2d)(_at_least(2, lambda x, ndim: expand(x, range(2 - ndim))))
implements(np.atleast_3d)(_at_least(3, _to_3d))


# ---- order of axes -------------------------------------------------------------------------------


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """Return the array with its axes permuted, or reversed. (numpy.transpose)"""
    x = lift(a)
    ndim = aval_of(x).ndim
    order = tuple(reversed(range(ndim))) if axes is None else axes_of(axes, ndim)
    if len(order) != ndim:
        raise shape_error(f"transpose: axes {axes} are not all {ndim} axes of the array")
    return wrap(transposed(x, order))


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Return the array with two axes exchanged. (numpy.swapaxes)"""
    x = lift(a)
    order = list(range(aval_of(x).ndim))
    i, j = (axis_of(axis, len(order)) for axis in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return wrap(transposed(x, order))


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """Return the array with its last two axes exchanged. (numpy.matrix_transpose)"""
    return swapaxes(x, -1, -2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Return the array with some axes moved to other places. (numpy.moveaxis)"""
    x = lift(a)
    ndim = aval_of(x).ndim
    sources, targets = axes_of(source, ndim, "source"), axes_of(destination, ndim, "destination")
    if len(sources) != len(targets):
        raise shape_error(f"moveaxis: {len(sources)} sources for {len(targets)} destinations")
    order = [d for d in range(ndim) if d not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return wrap(transposed(x, order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Return the array with an axis moved back to a place. (numpy.rollaxis)"""
    ndim = rank_of(a)
    axis, place = axis_of(axis, ndim), integer(start, "start")
    place = ndim if place == ndim else axis_of(place, ndim, "start")  # it counts places, and -1 is the last axis
    return moveaxis(a, axis, place - (axis < place))


# ---- broadcasting --------------------------------------------------------------------------------


@implements(np.broadcast_to)
def broadcast_array(array: Any, shape: Any, subok: bool = False) -> Any:
    """Return the array repeated to a shape, whose sizes may be traced. (numpy.broadcast_to)"""
    x = lift(array)
    named = named_shape(shape)
    if broadcast_shapes(shape_of(x), named) != tuple(named):
        raise shape_error(f"an array of shape {list(shape_of(x))} does not repeat to {named}")
    return wrap(broadcast_to(x, [(x, shape_of(x))], named))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Return arrays repeated to one shape. (numpy.broadcast_arrays)"""
    values = [lift(a) for a in args]
    like = [(v, shape_of(v)) for v in values]
    shape = broadcast_shapes(*(s for _, s in like))
    return tuple(wrap(broadcast_to(v, like, shape)) for v in values)


# ---- order of elements ---------------------------------------------------------------------------


def flipped(x: ir.Value, axes: Sequence[int]) -> ir.Value:
    """Return a value with the order of elements reversed along axes."""
    return dif.reverse(x, dimensions=tuple(axes)) if axes else x


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """Return the array with the order of elements reversed along axes (all by default). (numpy.flip)"""
    x = lift(m)
    return wrap(flipped(x, axes_of(axis, aval_of(x).ndim)))


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """Return the array with its rows in reverse order. (numpy.flipud)"""
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """Return the array with its columns in reverse order. (numpy.fliplr)"""
    if rank_of(m) < 2:
        raise shape_error("fliplr needs an array of two or more dimensions")
    return flip(m, 1)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Return the array turned by 90 degrees, k times, in the plane of two axes. (numpy.rot90)"""
    first, second = axes_of(axes, rank_of(m), "axes")
    turns = integer(k, "k") % 4
    if turns == 2:
        return flip(m, (first, second))
    if turns == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second) if turns == 3 else wrap(lift(m))


def sliced(x: ir.Value, axis: int, start: int, limit: int, stride: int = 1) -> ir.Value:
    """Return the elements `start:limit:stride` along one axis; a limit of -1 is the end."""
    ndim = aval_of(x).ndim
    if start == 0 and limit in (-1, shape_of(x)[axis]) and stride == 1:
        return x
    return dif.slice(
        x,
        start=[start if d == axis else 0 for d in range(ndim)],
        limit=[limit if d == axis else -1 for d in range(ndim)],
        stride=[stride if d == axis else 1 for d in range(ndim)],
    )


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Return the array with elements moved along axes; what leaves at one end enters at the other. (numpy.roll)"""
    if axis is None:
        return wrap(reshaped(lift(roll(ravel(a), shift, 0)), shape_of(lift(a))))
    x = lift(a)
    axes = several(axis)
    shifts = tuple(np.unstack(shift)) if isinstance(shift, Tracer) and shift.ndim else several(shift)
    count = max(len(shifts), len(axes))
    for s, ax in zip(*(list(v) * (count if len(v) == 1 else 1) for v in (shifts, axes)), strict=True):
        dim = axis_of(ax, aval_of(x).ndim)
        size = shape_of(x)[dim]
        if isinstance(s, Tracer) or not isinstance(size, int):
            x = lift(_rolled(wrap(x), s, dim))
            continue
        cut = -integer(s, "shift") % size if size else 0
        if cut:
            x = dif.concatenate(sliced(x, dim, cut, -1), sliced(x, dim, 0, cut), dimension=dim)
    return wrap(x)


def _rolled(x: Any, shift: Any, axis: int) -> Any:
    """Roll by a traced shift, or along a run-time size: read from positions that count round."""
    count = x.shape[axis]
    places = wrap(dif.iota(shape=sized_shape((shape_of(lift(x))[axis],), [lift(x)]), dtype=I64, dimension=0))
    return np.take(x, np.remainder(places - shift, count), axis=axis)
