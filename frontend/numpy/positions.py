"""Functions about positions: flat and separate indices, triangles and diagonals, choices by number, updates by NumPy's
functions that write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.errors import DtypeError, MutationError
from difc.numpy.common import (
    along,
    as_operand,
    as_tracer,
    axis_of,
    integer,
    rank_of,
    several,
    shape_error,
    shape_of,
    static_size,
)
from difc.numpy.creation import arange
from difc.numpy.registry import implements, unsupported
from difc.promotion import broadcast_shapes, broadcast_to, common_dtype
from difc.source import user_frame_location
from difc.tracer import lift, wrap

__all__: list[str] = []


def _inside(index: Any, size: Any, mode: str, what: str) -> Any:
    """Return integers that may be out of bounds as ones that are not, as NumPy's `mode` says.

    Whether those of mode="raise" are is not known before the program runs: they are moved to the edge.
    """
    if mode not in ("raise", "wrap", "clip"):
        raise shape_error(f"{what}: mode={mode!r} is not one of 'raise', 'wrap', 'clip'")
    return np.remainder(index, size) if mode == "wrap" else np.clip(index, 0, size - 1)


def _integers(x: Any, what: str) -> Any:
    found = as_tracer(x)
    if found.dtype.kind not in "iu":
        raise shape_error(f"{what} needs integers, not {found.aval}", "convert them with .astype(np.int64)")
    return found


# ---- triangles and diagonals ---------------------------------------------------------------------


def _sides(arr: Any, what: str) -> tuple[int, int]:
    if rank_of(arr) != 2:
        raise shape_error(f"{what} needs a matrix, not an array of {rank_of(arr)} dimensions")
    return static_size(lift(arr), 0, what), static_size(lift(arr), 1, what)


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the positions on and below the k-th diagonal of a matrix of known sizes. (numpy.tril_indices_from)"""
    rows, columns = _sides(arr, "tril_indices_from")
    return np.tril_indices(rows, k, columns)


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the positions on and above the k-th diagonal of a matrix of known sizes. (numpy.triu_indices_from)"""
    rows, columns = _sides(arr, "triu_indices_from")
    return np.triu_indices(rows, k, columns)


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """Return the positions of the diagonal of an array of equal sizes, which may be run-time ones.
    (numpy.diag_indices_from)
    """
    x = as_tracer(arr)
    if x.ndim < 2 or len(set(x.aval.shape)) != 1:
        raise shape_error(f"diag_indices_from needs an array of two or more dimensions of equal sizes, not {x.aval}")
    return tuple(arange(x.shape[0]) for _ in range(x.ndim))


# ---- flat and separate indices -------------------------------------------------------------------


def _ordered(order: str, what: str, *sequences: Sequence[Any]) -> list[list[Any]]:
    if order not in ("C", "F"):
        raise shape_error(f"{what}: order={order!r} is neither 'C' nor 'F'")
    return [list(s) if order == "C" else list(s)[::-1] for s in sequences]


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Return the index along each dim of places in the flattened array; none is checked. (numpy.unravel_index)"""
    rest = _integers(indices, "unravel_index").astype(np.int64)
    (sizes,) = _ordered(order, "unravel_index", several(shape))
    found = []
    for size in reversed(sizes[1:]):
        rest, index = np.divmod(rest, size)
        found.append(index)
    found.append(rest)
    return tuple(found[::-1] if order == "C" else found)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """Return the place in the flattened array of an index along each dim. (numpy.ravel_multi_index)

    Traced indices out of bounds are moved to the edge, as with mode="clip"; mode="wrap" counts round.
    """
    sizes = several(dims)
    given = list(multi_index)
    if len(given) != len(sizes):
        raise shape_error(f"ravel_multi_index: {len(given)} indices for {len(sizes)} dims")
    modes = list(mode) if isinstance(mode, (tuple, list)) else [mode] * len(sizes)
    place: Any = 0
    for index, size, how in zip(*_ordered(order, "ravel_multi_index", given, sizes, modes), strict=True):
        wide = _integers(index, "ravel_multi_index").astype(np.int64)
        place = place * size + _inside(wide, size, how, "ravel_multi_index")
    return place


# ---- bits as elements ----------------------------------------------------------------------------


def _bit_order(bitorder: str) -> np.ndarray:
    if bitorder not in ("big", "little"):
        raise shape_error(f"bitorder={bitorder!r} is neither 'big' nor 'little'")
    return np.arange(8, dtype=np.uint8)[:: -1 if bitorder == "big" else 1]


@implements(np.unpackbits)
def unpackbits(a: Any, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    """Return the bits of bytes as elements 0 and 1 along an axis. (numpy.unpackbits)"""
    x = as_tracer(a)
    if x.dtype != np.uint8:
        raise DtypeError(
            f"unpackbits needs elements of uint8, not {x.aval}",
            where=user_frame_location(),
            remedy="convert them with .astype(np.uint8)",
        )
    value, dim = along(lift(x), axis)
    x = wrap(value)
    bits = (np.moveaxis(x, dim, -1)[..., None] >> _bit_order(bitorder)) & np.uint8(1)
    bits = np.reshape(bits, (*bits.shape[:-2], -1))
    if count is not None:
        size, wanted = static_size(lift(bits), bits.ndim - 1, "unpackbits with count="), integer(count, "count")
        missing = max(wanted - size, 0)
        bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, missing)])[..., :wanted]
    return np.moveaxis(bits, -1, dim)


@implements(np.packbits)
def packbits(a: Any, axis: Any = None, bitorder: str = "big") -> Any:
    """Return bytes, of which each holds eight elements along an axis as bits. (numpy.packbits)"""
    x = as_tracer(a)
    if x.dtype.kind not in "biu":
        raise shape_error(f"packbits needs integers or bools, not {x.aval}", "compare with 0 first: x != 0")
    value, dim = along(lift(x), axis)
    bits = np.moveaxis(wrap(value) != 0, dim, -1)
    size = static_size(lift(bits), bits.ndim - 1, "packbits")
    bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, -size % 8)])
    fields: Any = np.reshape(bits, (*bits.shape[:-1], -1, 8)).astype(np.uint8) << _bit_order(bitorder)
    packed: Any = np.sum(fields, axis=-1, dtype=np.uint8)
    return np.moveaxis(packed, -1, dim)


# ---- choices -------------------------------------------------------------------------------------


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """Return elements of the array of that number, out of several. (numpy.choose)

    Traced numbers out of bounds are moved to the edge, as with mode="clip"; mode="wrap" counts round.
    """
    number = _integers(a, "choose")
    options = [as_operand(c) for c in choices]
    if not options:
        raise shape_error("choose needs one or more choices")
    number = _inside(number, len(options), mode, "choose")
    kind = common_dtype(*options)
    values = [lift(number), *(lift(wrap(lift(o)).astype(kind)) for o in options)]
    like = [(v, shape_of(v)) for v in values]
    shape = broadcast_shapes(*(s for _, s in like))
    which, *arrays = [wrap(broadcast_to(v, like, shape)) for v in values]
    result = arrays[0]
    for i, array in enumerate(arrays[1:], 1):
        result = np.where(which == i, array, result)
    return result


# ---- functions that write ------------------------------------------------------------------------


def _refuse(name: str, remedy: str) -> MutationError:
    return MutationError(
        f"numpy.{name} writes into an array in place, which a traced array cannot do",
        where=user_frame_location(),
        remedy=remedy,
    )


def _in_place(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise _refuse(name, "use x = x.at[index].set(value), or np.where(mask, value, x)")

    refuse.__name__, refuse.__doc__ = name, f"Raise MutationError. (numpy.{name})"
    return refuse


for _function in (np.copyto, np.place, np.putmask):
    implements(_function)(_in_place(_function.__name__))


def _only_a_copy(name: str, inplace: bool) -> None:
    if inplace:
        raise _refuse(name, f"use x = difc.numpy.{name}(x, ..., inplace=False), or x = x.at[index].set(value)")


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any, *, inplace: bool = True) -> Any:
    """Return a copy with values at positions along an axis that differ from row to row. (jax.numpy.put_along_axis)

    Raises:
      MutationError: without inplace=False, which says that a copy is wanted.
    """
    _only_a_copy("put_along_axis", inplace)
    x, index = as_tracer(arr), _integers(indices, "put_along_axis")
    if axis is None:
        flat: Any = np.reshape(x, -1)
        return np.reshape(flat.at[np.reshape(index, -1)].set(values), x.shape)
    dim = axis_of(axis, x.ndim)
    if index.ndim != x.ndim:
        raise shape_error(f"put_along_axis needs indices of {x.ndim} dimensions, not {index.aval}")
    grid = [np.reshape(arange(s), [-1 if d == i else 1 for d in range(x.ndim)]) for i, s in enumerate(x.shape)]
    grid[dim] = index
    return x.at[tuple(grid)].set(values)


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise", *, inplace: bool = True) -> Any:
    """Return a copy with values at positions of the flattened array. (jax.numpy.put)

    Raises:
      MutationError: without inplace=False, which says that a copy is wanted.
    """
    _only_a_copy("put", inplace)
    x, index = as_tracer(a), np.reshape(_integers(ind, "put"), -1)
    flat: Any = np.reshape(x, -1)
    new = np.reshape(as_tracer(v), -1)
    if mode != "raise":  # else the update is dropped where it is out of bounds
        index = _inside(index, flat.shape[0], mode, "put")
    if shape_of(lift(new)) == (0,):
        return x
    count = static_size(lift(index), 0, "put")
    return np.reshape(flat.at[index].set(np.resize(new, count)), x.shape)


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """Return a copy with values on the diagonal of an array. (jax.numpy.fill_diagonal)

    Raises:
      MutationError: without inplace=False, which says that a copy is wanted.
    """
    _only_a_copy("fill_diagonal", inplace)
    x = as_tracer(a)
    if wrap:
        raise unsupported("numpy.fill_diagonal with wrap=True", "use x.at[rows, columns].set(value)")
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.aval.shape)) != 1):
        raise shape_error(f"fill_diagonal needs a matrix, or an array of equal sizes, not {x.aval}")
    count = min(static_size(lift(x), d, "fill_diagonal") for d in range(x.ndim))
    place = np.arange(count)
    return x.at[(place,) * x.ndim].set(np.resize(as_tracer(val), count) if rank_of(val) else val)
