"""Functions that make arrays: zeros, ramps, grids, and arrays from lists. Sizes may be traced, as `x.shape[0]`.

Inside a trace they give traced arrays even where everything is known, so that `np.zeros(n).at[i].add(x)` works. NumPy
does not dispatch most of them, so they are entered by name, for `difc.numpy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import I64, aval_of, is_float
from difc.dialects.mlir import ir
from difc.numpy.common import (
    as_operand,
    assigned,
    axis_of,
    cast,
    dtype_from,
    expand,
    full,
    integer,
    named_shape,
    rank_of,
    shape_error,
    shape_of,
)
from difc.numpy.diagonals import diagonal_mask
from difc.numpy.registry import creates, implements, unsupported
from difc.promotion import broadcast_to, common_dtype, dtype_of, sized_shape, to_dtype
from difc.tracer import Tracer, lift, wrap
from difc.tracing import constant

__all__ = ["arange", "array", "linspace", "logspace", "ramp"]

#: Ramps of up to this many floats are constants with NumPy's own bits; longer ones are computed.
MAX_CONSTANT_RAMP = 1024


def ramp(size: Any, dtype: Any, like: Sequence[ir.Value] = ()) -> ir.Value:
    """Return 0, 1, 2, ... up to an int or named size."""
    return dif.iota(shape=sized_shape((size,), like), dtype=dtype_from(dtype), dimension=0)


# ---- filled arrays -------------------------------------------------------------------------------


def _zeros(shape: Any, dtype: Any, like: Sequence[ir.Value] = ()) -> Any:
    return wrap(dif.zeros(shape=sized_shape(named_shape(shape), like), dtype=dtype_from(dtype or float)))


@creates("zeros", "empty")
def zeros(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Return an array of zeros. (numpy.zeros)"""
    return _zeros(shape, dtype)


@creates("ones")
def ones(shape: Any, dtype: Any = None, order: str = "C") -> Any:
    """Return an array of ones. (numpy.ones)"""
    return wrap(full(named_shape(shape), 1, dtype_from(dtype or float)))


@creates("full")
def filled(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    """Return an array that repeats a value. (numpy.full)"""
    value = lift(as_operand(fill_value))
    value = value if dtype is None else to_dtype(value, dtype_from(dtype))
    return wrap(broadcast_to(value, [(value, shape_of(value))], named_shape(shape)))


def _like(a: Any, dtype: Any, shape: Any) -> tuple[Any, np.dtype, list[ir.Value]]:
    x = lift(a)
    return (
        list(shape_of(x)) if shape is None else named_shape(shape),
        dtype_from(dtype) if dtype is not None else aval_of(x).dtype,
        [x],
    )


@implements(np.zeros_like, np.empty_like)
@creates("zeros_like", "empty_like")
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    """Return zeros of the shape and dtype of an array. (numpy.zeros_like)"""
    sizes, kind, like = _like(a, dtype, shape)
    return _zeros(sizes, kind, like)


@implements(np.ones_like)
@creates("ones_like")
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    """Return ones of the shape and dtype of an array. (numpy.ones_like)"""
    sizes, kind, like = _like(a, dtype, shape)
    return wrap(full(sizes, 1, kind, like))


@implements(np.full_like)
@creates("full_like")
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    """Return a value repeated to the shape of an array, in its dtype. (numpy.full_like)"""
    sizes, kind, like = _like(a, dtype, shape)
    value = assigned(fill_value, kind) if isinstance(fill_value, int) else cast(as_operand(fill_value), kind)
    pairs = [(v, shape_of(v)) for v in (value, *like)]
    return wrap(broadcast_to(value, pairs, sizes))


# ---- arrays from data ----------------------------------------------------------------------------


@creates("array", "asarray", "asanyarray")
def array(
    object: Any, dtype: Any = None, *, copy: Any = None, order: Any = None, ndmin: int = 0, **ignored: Any
) -> Any:
    """Return a traced array of numbers, arrays, or (nested) lists that may hold traced values. (numpy.array)"""
    if ignored:
        raise unsupported(f"numpy.array with {', '.join(ignored)}=")
    x = lift(object)
    x = to_dtype(x, dtype_from(dtype)) if dtype is not None else x
    return wrap(expand(x, range(max(0, ndmin - aval_of(x).ndim))))


@creates("ascontiguousarray", "asfortranarray")
def contiguous(a: Any, dtype: Any = None) -> Any:
    """Return a traced array of one or more dims; how it lies in memory is the compiler's matter."""
    return array(a, dtype, ndmin=1)


@creates("require")
def require(a: Any, dtype: Any = None, requirements: Any = None) -> Any:
    """Return a traced array, which has no memory to demand something of. (numpy.require)"""
    return array(a, dtype)


@implements(np.copy)
@creates("copy")
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """Return the array, which nothing changes in place. (numpy.copy)"""
    return wrap(lift(a))


# ---- ramps ---------------------------------------------------------------------------------------


@creates("arange")
def arange(start: Any = None, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Return evenly spaced numbers in `[start, stop)`; traced bounds must be integers. (numpy.arange)"""
    begin, end = (0, start) if stop is None else (0 if start is None else start, stop)
    if end is None:
        raise shape_error("arange needs an end", "write np.arange(n)")
    if not any(isinstance(x, Tracer) for x in (begin, end, step)):
        return _static_arange(begin, end, step, dtype)
    if any(dtype_of(x).kind not in "iu" for x in (begin, end)):
        raise shape_error("arange with traced bounds needs integers", "convert the bounds with .astype(np.int64)")
    by = integer(step, "step")
    if by < 1:
        raise shape_error("arange with traced bounds needs a positive step", "use np.flip on an increasing range")
    # The length of an increasing range; a run-time one keeps its name where it is a size itself.
    length = end - begin if by == 1 else (end - begin + (by - 1)) // by
    if not isinstance(begin, int) or begin != 0:
        length = np.maximum(length, 0)
    kind = dtype_from(dtype) if dtype is not None else I64
    numbers = wrap(ramp(named_shape(length)[0], kind))
    numbers = numbers * by if by != 1 else numbers
    return numbers if isinstance(begin, int) and begin == 0 else (numbers + begin).astype(kind)


def _static_arange(begin: Any, end: Any, step: Any, dtype: Any) -> Any:
    if step == 0:
        raise shape_error("arange: the step is 0", "use np.full to repeat a number")
    kind = np.result_type(int, *(np.asarray(x).dtype for x in (begin, end, step))) if dtype is None else np.dtype(dtype)
    if all(isinstance(x, (int, np.integer)) for x in (begin, end, step)) and not is_float(kind):
        numbers = wrap(ramp(max(0, -((int(begin) - int(end)) // int(step))), kind))
        numbers = numbers if step == 1 else numbers * step
        return numbers if begin == 0 else (numbers + begin).astype(kind)
    known = np.arange(begin, end, step, dtype=kind)
    if known.size <= MAX_CONSTANT_RAMP or not is_float(kind):
        return wrap(constant(known))
    first, delta = known[0], known[1] - known[0]
    return wrap(ramp(known.size, kind)) * delta + first


@implements(np.linspace)
@creates("linspace")
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    """Return `num` evenly spaced numbers from start to stop. (numpy.linspace)"""
    start, stop = as_operand(start), as_operand(stop)
    inner = np.result_type(common_dtype(start, stop, 1.0))
    kind = dtype_from(dtype) if dtype is not None else inner
    count = named_shape(num)[0]
    first, last = np.broadcast_arrays(wrap(lift(start)).astype(inner), wrap(lift(stop)).astype(inner))
    parts = num - 1 if endpoint else num
    known = isinstance(count, int)
    gaps = max(int(parts), 1) if known else wrap(to_dtype(lift(np.maximum(parts, 1)), inner))
    step = (last - first) / gaps
    index = wrap(ramp(count, inner))
    index = np.reshape(index, (num, *[1] * first.ndim))
    numbers = index * step + first
    if endpoint and not (known and count < 2):
        at_end = index == parts if known else (index == parts) & (index > 0)
        numbers = np.where(at_end, last, numbers)  # exactly the end, without the rounding of the product
    if kind.kind in "iu":
        numbers = np.floor(numbers)
        numbers = numbers if kind.itemsize == 8 else numbers.astype(np.int64)  # from which narrower ones wrap around
    result = np.moveaxis(numbers.astype(kind), 0, axis_of(axis, numbers.ndim))
    return (result, step) if retstep else result


@implements(np.logspace)
@creates("logspace")
def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Return numbers from base**start to base**stop with evenly spaced logarithms. (numpy.logspace)"""
    result = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return result if dtype is None else result.astype(dtype_from(dtype))


# ---- matrices and grids --------------------------------------------------------------------------


@creates("eye")
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C") -> Any:
    """Return ones on the k-th diagonal and zeros elsewhere. (numpy.eye)"""
    shape = [*named_shape(N), *named_shape(N if M is None else M)]
    return wrap(to_dtype(diagonal_mask(shape, integer(k, "k"), "eq"), dtype_from(dtype or float)))


@creates("identity")
def identity(n: Any, dtype: Any = None) -> Any:
    """Return the identity matrix. (numpy.identity)"""
    return eye(n, dtype=dtype)


@creates("tri")
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
    """Return ones on and below the k-th diagonal and zeros above. (numpy.tri)"""
    shape = [*named_shape(N), *named_shape(N if M is None else M)]
    return wrap(to_dtype(diagonal_mask(shape, integer(k, "k"), "le"), dtype_from(dtype or float)))


@implements(np.meshgrid)
@creates("meshgrid")
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return coordinate arrays of a grid from coordinate vectors. (numpy.meshgrid)"""
    if indexing not in ("xy", "ij"):
        raise shape_error(f"meshgrid: indexing={indexing!r} is neither 'xy' nor 'ij'")
    count = len(xi)
    place = list(range(count))
    if indexing == "xy" and count > 1:
        place[:2] = [1, 0]
    grids = []
    for i, x in enumerate(xi):
        if rank_of(x) > 1:
            raise shape_error(f"meshgrid: coordinate {i} is not a vector")
        vector = np.reshape(wrap(lift(x)), -1)
        grids.append(wrap(expand(lift(vector), [d for d in range(count) if d != place[i]])))
    return tuple(grids) if sparse else tuple(np.broadcast_arrays(*grids))


@creates("indices")
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """Return the indices of a grid, one array for each dim. (numpy.indices)"""
    sizes = sized_shape(named_shape(dimensions))
    kind = dtype_from(dtype)
    if sparse:
        return tuple(
            np.meshgrid(
                *(wrap(dif.iota(shape=(s,), dtype=kind, dimension=0)) for s in sizes), indexing="ij", sparse=True
            )
        )
    return np.stack([wrap(dif.iota(shape=sizes, dtype=kind, dimension=d)) for d in range(len(sizes))])
