"""Functions along an axis that keep its order: running sums, products and extremes, differences, integrals,
convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from difc.dialects.types import short_name
from difc.errors import DtypeError
from difc.numpy.common import (
    NO_VALUE,
    along,
    as_operand,
    as_tracer,
    as_vector,
    axis_of,
    dtype_from,
    integer,
    shape_error,
    shape_of,
    static_size,
    widened,
)
from difc.numpy.reduction import running_dtype
from difc.numpy.registry import METHODS, implements
from difc.promotion import array_dtype, to_dtype
from difc.source import user_frame_location
from difc.tracer import lift, wrap
from difc.tracing import constant

__all__: list[str] = []

# ---- running sums and their kin ------------------------------------------------------------------


def _along(a: Any, axis: Any, dtype: Any) -> tuple[ir.Value, int]:
    """Return the array in the dtype that NumPy accumulates in, flattened where no axis is given."""
    x = lift(a)
    x = to_dtype(x, running_dtype(aval_of(x).dtype) if dtype is None else dtype_from(dtype))
    return along(*as_vector(x, axis))


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running sums along an axis, or of all elements. (numpy.cumsum)"""
    x, dim = _along(a, axis, dtype)
    return wrap(_accumulated(dif.cumsum, x, dim))


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running products along an axis, or of all elements. (numpy.cumprod)"""
    x, dim = _along(a, axis, dtype)
    return wrap(_accumulated(dif.cumprod, x, dim))


def _accumulated(op: Callable[..., ir.Value], x: ir.Value, axis: int) -> ir.Value:
    """Return running results in the value's dtype; half precision is accumulated in float32."""
    return to_dtype(op(widened(x), axis=axis, reverse=False), aval_of(x).dtype)


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Return running sums, with a zero before them if `include_initial`. (numpy.cumulative_sum)"""
    return _cumulative(cumsum, x, axis, dtype, 0 if include_initial else None)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Return running products, with a one before them if `include_initial`. (numpy.cumulative_prod)"""
    return _cumulative(cumprod, x, axis, dtype, 1 if include_initial else None)


def _cumulative(function: Callable[..., Any], x: Any, axis: Any, dtype: Any, initial: int | None) -> Any:
    ndim = aval_of(lift(x)).ndim
    if axis is None and ndim != 1:
        raise shape_error(f"an axis is needed for an array of {ndim} dimensions", "pass axis=")
    dim = axis_of(0 if axis is None else axis, ndim)
    result = function(x, dim, dtype)
    if initial is None:
        return result
    number = constant(np.asarray(initial, result.dtype))
    low = [int(d == dim) for d in range(ndim)]
    return wrap(dif.pad(lift(result), number, low=low, high=[0] * ndim, interior=[0] * ndim))


def _accumulate(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda array, axis=0, dtype=None: function(array, axis, dtype)


def _extreme(op: Callable[..., ir.Value]) -> Callable[..., Any]:
    def accumulate(array: Any, axis: Any = 0, dtype: Any = None) -> Any:
        x = to_dtype(lift(array), dtype_from(dtype)) if dtype is not None else lift(array)
        return wrap(op(x, axis=axis_of(axis, aval_of(x).ndim), reverse=False))

    return accumulate


METHODS[np.add, "accumulate"] = _accumulate(cumsum)
METHODS[np.multiply, "accumulate"] = _accumulate(cumprod)
METHODS[np.maximum, "accumulate"] = _extreme(dif.cummax)
METHODS[np.minimum, "accumulate"] = _extreme(dif.cummin)


# ---- differences and integrals -------------------------------------------------------------------


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = NO_VALUE, append: Any = NO_VALUE) -> Any:
    """Return the differences of neighbours along an axis, n times. (numpy.diff)"""
    x = as_tracer(a)
    dim, times = axis_of(axis, x.ndim), integer(n, "n")
    if times < 0:
        raise shape_error(f"diff: the order {times} is negative")
    if times == 0:  # as in NumPy, which then leaves out what is put before and after
        return x
    parts = [p for p in (prepend, x, append) if p is not NO_VALUE]
    if len(parts) > 1:
        edge = tuple(1 if d == dim else s for d, s in enumerate(x.shape))
        parts = [np.broadcast_to(wrap(lift(p)), edge) if not np.ndim(p) else p for p in parts]
        x = np.concatenate(parts, dim)
    for _ in range(times):
        x = _difference(x, dim)
    return x


def _difference(x: Any, dim: int) -> Any:
    before, after = (_without_end(x, dim, end) for end in (1, 0))
    return np.not_equal(after, before) if x.dtype == np.bool_ else np.subtract(after, before)


def _without_end(x: Any, axis: int, end: int) -> Any:
    """Return the array without its first (0) or last (1) element along an axis, whose size may be known only at run
    time.
    """
    value = lift(x)
    size = shape_of(value)[axis]
    if size == 0 and isinstance(size, int):
        return x
    cut = [[-1 if d == axis and side == end else 0 for d in range(x.ndim)] for side in (0, 1)]
    zero = constant(np.zeros((), x.dtype))
    return wrap(dif.pad(value, zero, low=cut[0], high=cut[1], interior=[0] * x.ndim))


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences of consecutive elements, with others before and after. (numpy.ediff1d)

    Raises:
      DtypeError: for other elements that the dtype of the array cannot hold, as floats before those of integers.
    """
    flat = np.ravel(as_tracer(ary))
    differences = _without_end(flat, 0, 0) - _without_end(flat, 0, 1)
    dtype = differences.dtype
    parts = [differences]
    for name, extra in (("to_begin", to_begin), ("to_end", to_end)):
        if extra is None:
            continue
        other = np.ravel(as_tracer(extra))
        if not np.can_cast(other.dtype, dtype, "same_kind"):
            raise DtypeError(
                f"ediff1d: {name} of dtype {short_name(other.dtype)} does not fit differences of {short_name(dtype)}",
                where=user_frame_location(),
                remedy="convert one of them with .astype(...)",
            )
        parts.insert(0 if name == "to_begin" else len(parts), other.astype(dtype))
    return np.concatenate(parts) if len(parts) > 1 else differences


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Return the integral along an axis by the trapezoidal rule. (numpy.trapezoid)"""
    y = as_tracer(y)
    dim = axis_of(axis, y.ndim)
    if x is None:
        width: Any = dx
    else:
        points = as_tracer(x)
        width = diff(points, axis=-1 if points.ndim == 1 else axis)
        if points.ndim == 1:
            width = np.reshape(width, [-1 if d == dim else 1 for d in range(y.ndim)])
    return np.sum(width * (_without_end(y, dim, 0) + _without_end(y, dim, 1)) / 2.0, axis=dim)


# ---- convolution ---------------------------------------------------------------------------------


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Return the convolution of two vectors, of which one may have a run-time size. (numpy.convolve)

    Modes "same" and "valid" take the vector of run-time size as the longer one.
    """
    x, kernel, _ = _vectors(a, v, "convolve", scalars=True)
    return _sliding(x, np.flip(kernel), mode)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Return the cross-correlation of two vectors, of which one may have a run-time size. (numpy.correlate)"""
    x, kernel, swapped = _vectors(a, v, "correlate", scalars=False)
    found = _sliding(x, kernel, mode)
    return np.flip(found) if swapped else found


def _vectors(a: Any, v: Any, what: str, scalars: bool) -> tuple[Any, Any, bool]:
    """Return the longer vector, the shorter one, and whether they have changed places; scalars may be vectors of 1."""
    operands = [as_operand(a), as_operand(v)]
    dtype = array_dtype(*operands)
    x, kernel = (wrap(to_dtype(lift(o), dtype)) for o in operands)
    if scalars:
        x, kernel = (np.reshape(vector, -1) if vector.ndim == 0 else vector for vector in (x, kernel))
    for vector in (x, kernel):
        if vector.ndim != 1 or vector.aval.shape[0] == 0:
            raise shape_error(f"{what} needs two vectors with elements")
    sizes = [vector.aval.shape[0] for vector in (x, kernel)]
    swapped = not isinstance(sizes[1], int) if isinstance(sizes[0], int) else False
    if all(isinstance(size, int) for size in sizes):
        swapped = sizes[1] > sizes[0]
    x, kernel = (kernel, x) if swapped else (x, kernel)
    static_size(lift(kernel), 0, what, "give one of the vectors a fixed size in the spec")
    return x, kernel, swapped


def _sliding(x: Any, kernel: Any, mode: str) -> Any:
    """Return products of a kernel with the windows of a longer vector."""
    width, dtype = len(kernel), x.dtype
    if mode not in ("full", "same", "valid"):
        raise shape_error(f"mode {mode!r} is not one of 'full', 'same', 'valid'")
    before = {"full": width - 1, "same": width // 2, "valid": 0}[mode]
    after = {"full": width - 1, "same": (width - 1) // 2, "valid": 0}[mode]
    if dtype == np.bool_:
        x, kernel = x.astype(np.int32), kernel.astype(np.int32)
    signal, window = lift(x[None, :, None]), lift(kernel[:, None, None])
    once = {"strides": (1,), "lhs_dilation": (1,), "rhs_dilation": (1,), "groups": 1}
    found = wrap(dif.conv(signal, window, low=(before,), high=(after,), **once))[0, :, 0]
    return found != 0 if dtype == np.bool_ else found
