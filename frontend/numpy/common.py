"""What the families share: numbers, axes and shapes of traced values, and errors at the user's line.

Functions here take and give `ir.Value`s of the current frame; shapes hold ints and named run-time sizes (`Dim`).
Imports no family. Invariant: a function that changes nothing returns its argument, so that no empty ops are built.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BF16, F16, F32, I64, NamedDim, aval_of
from difc.dialects.mlir import ir
from difc.dims import fresh_dim
from difc.errors import BoundsError, DtypeError, ShapeError
from difc.promotion import broadcast_to, sized_shape, to_dtype
from difc.source import user_frame_location
from difc.tracer import Tracer, as_array, holds_tracer, lift, wrap
from difc.tracing import constant, current_frame

__all__ = [
    "NO_VALUE",
    "along",
    "as_operand",
    "as_vector",
    "as_tracer",
    "assigned",
    "axes_of",
    "axis_of",
    "bounds_error",
    "cast",
    "dtype_from",
    "expand",
    "fill",
    "full",
    "integer",
    "named_shape",
    "named_size",
    "product",
    "rank_of",
    "reshaped",
    "several",
    "shape_error",
    "shape_of",
    "size_scalar",
    "static_size",
    "transposed",
    "widened",
]

#: What NumPy gives for a keyword that is left out.
NO_VALUE: Any = np._NoValue  # type: ignore[attr-defined]


def shape_error(message: str, remedy: str = "") -> ShapeError:
    """Return a shape error at the user's line."""
    return ShapeError(message, where=user_frame_location(), remedy=remedy)


def bounds_error(message: str, remedy: str = "") -> BoundsError:
    """Return the error for an index, mask or axis that an array does not have, at the user's line."""
    return BoundsError(message, where=user_frame_location(), remedy=remedy)


def shape_of(x: ir.Value) -> tuple[Any, ...]:
    """Return the shape of a value: ints and named sizes."""
    return current_frame().builder.shape(x)


def as_operand(x: Any) -> Any:
    """Return an operand that has a dtype: lists become arrays (traced, if they hold traced values), numbers stay."""
    if isinstance(x, (list, tuple)):
        return Tracer(lift(x), current_frame()) if holds_tracer(x) else as_array(x)
    return x


def as_tracer(x: Any) -> Any:
    """Return an operand as a tracer of the current frame."""
    return wrap(lift(as_operand(x)))


def cast(x: Any, dtype: np.dtype) -> ir.Value:
    """Return an operand in a dtype; what is known already as NumPy casts it, so that large integers wrap around."""
    return to_dtype(lift(x), dtype) if isinstance(x, Tracer) else lift(np.asarray(x).astype(dtype))


def assigned(x: Any, dtype: np.dtype) -> ir.Value:
    """Return an operand in a dtype as an assignment to elements of that gives it: it must have a Python number.

    Raises:
      DtypeError: for a Python number that the dtype does not have, as 300 for uint8.
    """
    return to_dtype(lift(x, dtype), dtype)


def dtype_from(dtype: Any) -> np.dtype:
    """Return the dtype that anything which names one stands for, in this machine's byte order."""
    return np.dtype(dtype).newbyteorder("=")


# ---- numbers -------------------------------------------------------------------------------------


def fill(like: ir.Value, number: Any, dtype: Any = None) -> ir.Value:
    """Return a number repeated to the shape of a value, in its dtype unless another is given."""
    shape = shape_of(like)
    scalar = constant(np.asarray(number, dtype or aval_of(like).dtype))
    return broadcast_to(scalar, [(like, shape)], shape)


def full(shape: Sequence[Any], number: Any, dtype: Any, like: Sequence[ir.Value] = ()) -> ir.Value:
    """Return a number repeated to a shape of ints, named sizes and traced sizes."""
    sizes = sized_shape(shape, like)
    scalar = to_dtype(lift(number), dtype) if isinstance(number, Tracer) else constant(np.asarray(number, dtype))
    return dif.broadcast_in_dim(scalar, shape=sizes, dimensions=()) if sizes else scalar


def widened(x: ir.Value) -> ir.Value:
    """Return a float16 or bfloat16 value in float32, and others as they are."""
    return to_dtype(x, F32) if aval_of(x).dtype in (F16, BF16) else x


def integer(x: Any, what: str) -> int:
    """Return a Python integer, where only one known at trace time will do; a traced one is an error that says so."""
    if isinstance(x, Tracer):
        raise shape_error(f"{what} must be a number known when the function is traced, not a traced value ({x.aval})")
    try:
        return operator.index(x)
    except TypeError:
        raise DtypeError(
            f"{what} must be an integer, not {x!r}",
            where=user_frame_location(),
            remedy="divide sizes with //, and convert numbers with int(...)",
        ) from None


def several(x: Any) -> tuple[Any, ...]:
    """Return one or several numbers as a tuple; NumPy takes them from tuples, lists, ranges and arrays."""
    x = x.tolist() if isinstance(x, np.ndarray) else x
    return tuple(x) if isinstance(x, (tuple, list, range)) else (x,)


# ---- axes ----------------------------------------------------------------------------------------


def axis_of(axis: Any, ndim: int, what: str = "axis") -> int:
    """Return an axis counted from 0.

    Raises:
      BoundsError: for an axis that an array of `ndim` dims does not have.
    """
    number = integer(axis, what)
    if not -ndim <= number < ndim:
        raise bounds_error(
            f"{what} {number} is not an axis of an array of {ndim} dimension{'s' * (ndim != 1)}",
            f"use an axis from {-ndim} to {ndim - 1}" if ndim else "a scalar has no axes; leave the axis out",
        )
    return number % ndim


def along(x: ir.Value, axis: Any) -> tuple[ir.Value, int]:
    """Return a value, flattened if the axis to go along is None, and that axis counted from 0."""
    if axis is None:
        return reshaped(x, [product(shape_of(x))]), 0
    return x, axis_of(axis, aval_of(x).ndim)


def as_vector(x: ir.Value, axis: Any) -> tuple[ir.Value, Any]:
    """Return a value and an axis to go along as NumPy's running results and positions of extremes take them: a scalar
    is a vector of one element.
    """
    if aval_of(x).ndim:
        return x, axis
    return reshaped(x, [1]), 0 if axis is None else axis_of(axis, 1)


def axes_of(axis: Any, ndim: int, what: str = "axis") -> tuple[int, ...]:
    """Return axes counted from 0, from an axis, several, or None for all."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis_of(a, ndim, what) for a in several(axis))
    if len(set(axes)) != len(axes):
        raise shape_error(f"{what} {axis} names an axis twice")
    return axes


# ---- shapes --------------------------------------------------------------------------------------


def rank_of(x: Any) -> int:
    """Return the number of dims of an operand."""
    return aval_of(lift(x)).ndim


def named_shape(shape: Any) -> list[Any]:
    """Return a shape argument, one size or several, as ints and named sizes."""
    return [named_size(s) for s in several(shape)]


def named_size(size: Any, fallback: Any = None) -> Any:
    """Return a size argument as an int, or as the name of the run-time size that a traced integer scalar holds.

    Args:
      fallback: the name to give it where it has none (default: a new one).
    """
    if not isinstance(size, Tracer):
        return size if isinstance(size, NamedDim) else integer(size, "a size")
    if size.ndim or size.dtype.kind not in "iu":
        raise shape_error(f"a size must be an integer scalar, not {size.aval}")
    return current_frame().builder.scalars.setdefault(to_dtype(lift(size), I64), fallback or fresh_dim())


def static_size(x: ir.Value, axis: int, what: str, remedy: str = "") -> int:
    """Return the size of a dim that must be known at trace time.

    Raises:
      ShapeError: if it is known only at run time.
    """
    size = shape_of(x)[axis]
    if not isinstance(size, int):
        raise shape_error(
            f"{what} needs a size known when the function is traced, and dim {axis} has the run-time size {size}",
            remedy or "give the size as a number in the spec",
        )
    return size


def product(sizes: Sequence[Any]) -> Any:
    """Return the product of ints and named sizes."""
    return math.prod(sizes, start=1)


def size_scalar(x: ir.Value, axes: Sequence[int], dtype: Any) -> ir.Value:
    """Return the number of elements along some axes as a scalar of a dtype; a run-time number is read off the value."""
    count = product([shape_of(x)[a] for a in axes])
    if isinstance(count, int):
        return constant(np.asarray(count, dtype))
    return to_dtype(sized_shape([count], [x])[0], dtype)


def reshaped(x: ir.Value, shape: Sequence[Any]) -> ir.Value:
    """Return a value in another shape of ints and named sizes."""
    if tuple(shape) == tuple(shape_of(x)):
        return x
    return dif.reshape(x, shape=sized_shape(shape, [x]))


def expand(x: ir.Value, axes: Sequence[int]) -> ir.Value:
    """Return a value with dims of size 1 put in at the given places of the result."""
    rest = iter(shape_of(x))
    rank = len(shape_of(x)) + len(axes)
    return reshaped(x, [1 if d in axes else next(rest) for d in range(rank)])


def transposed(x: ir.Value, permutation: Sequence[int]) -> ir.Value:
    """Return a value with permuted dims."""
    if list(permutation) == list(range(len(permutation))):
        return x
    return dif.transpose(x, permutation=tuple(permutation))
