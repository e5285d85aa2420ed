"""What NumPy says of types and shapes of arrays without looking at elements; traced arrays answer from their type."""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.dialects import is_float
from difc.numpy.common import as_tracer
from difc.numpy.registry import implements
from difc.promotion import broadcast_shapes, dtype_of
from difc.tracer import Tracer

__all__: list[str] = []


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Return whether the dtype of an array can be converted to another. (numpy.can_cast)"""
    source, target = (dtype_of(d) if isinstance(d, Tracer) else d for d in (from_, to))
    return np.can_cast(source, target, casting)


@implements(np.common_type)
def common_type(*arrays: Any) -> type:
    """Return the float type that arrays have in common. (numpy.common_type)"""
    return np.common_type(*[np.empty((), dtype_of(a)) for a in arrays])


@implements(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> np.dtype:
    """Return the dtype of the array: its values are not known. (numpy.min_scalar_type of an array that is no scalar)"""
    return dtype_of(a)


@implements(np.isscalar)
def isscalar(element: Any) -> bool:
    """Return False: a traced value is an array. (numpy.isscalar)"""
    return False


@implements(np.iterable)
def iterable(y: Any) -> bool:
    """Return whether the array has a first dim. (numpy.iterable)"""
    return as_tracer(y).ndim > 0


@implements(np.broadcast_shapes)
def common_shape(*args: Any) -> tuple[Any, ...]:
    """Return the shape that shapes broadcast to; sizes may be run-time ones. (numpy.broadcast_shapes)"""
    shapes = [tuple(s) if isinstance(s, (tuple, list)) else (s,) for s in args]
    named = [tuple(getattr(d, "dim", d) for d in s) for s in shapes]
    known = {n: d for s, names in zip(shapes, named, strict=True) for d, n in zip(s, names, strict=True)}
    return tuple(known[size] for size in broadcast_shapes(*named))


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: Any = False) -> Any:
    """Return the order in which NumPy would contract arrays of these shapes. (numpy.einsum_path)"""
    hollow = [
        np.broadcast_to(np.zeros((), x.dtype), tuple(int(d) for d in x.shape)) if isinstance(x, Tracer) else x
        for x in operands
    ]
    return np.einsum_path(*hollow, optimize=optimize, einsum_call=einsum_call)


# ---- parts of complex numbers --------------------------------------------------------------------


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """Return the angle of numbers in the complex plane: 0, or pi for negative ones. (numpy.angle)"""
    x = as_tracer(z)
    if not is_float(x.dtype):
        x = x.astype(np.arctan2.resolve_dtypes((int, x.dtype, None))[-1])
    half = 180.0 if deg else np.pi
    result = np.where(np.signbit(x), np.asarray(half, x.dtype), np.zeros_like(x))
    return np.where(np.isnan(x), np.asarray(np.nan, x.dtype), result)
