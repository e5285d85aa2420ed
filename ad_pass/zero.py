"""Symbolic zeros, and the small constructions that derivative rules share.

A zero tangent or cotangent is the Python object `Zero`; it becomes a value only where a body or a result needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, aval_of
from difc.dialects.matrices import sizes_of
from difc.dialects.mlir import ir

__all__ = [
    "Linear",
    "Tangent",
    "Zero",
    "add_tangents",
    "const_like",
    "instantiate",
    "instantiate_in",
    "scalar",
    "shape_of",
    "zeros_like",
    "zeros_of",
]


@dataclass(frozen=True)
class Zero:
    """A tangent or cotangent that is zero for every input."""

    aval: Aval


@dataclass(frozen=True)
class Linear:
    """An operand that an op is linear in, while the op is transposed: it has a type and sizes, but no value."""

    aval: Aval
    sizes: Callable[[], list[int | ir.Value]]


Tangent: TypeAlias = ir.Value | Zero


def shape_of(x: ir.Value | Linear) -> list[int | ir.Value]:
    """Return the sizes of an array: ints, and i64 scalars for the dims that are known only at run time."""
    if isinstance(x, Linear):
        return list(x.aval.shape) if x.aval.is_static else x.sizes()
    return sizes_of(x)


def zeros_of(sizes: Sequence[int | ir.Value], dtype: np.dtype) -> ir.Value:
    """Return zeros of the given sizes."""
    return dif.zeros(shape=tuple(sizes), dtype=dtype)


def zeros_like(x: ir.Value | Linear) -> ir.Value:
    """Return zeros of the shape and dtype of `x`."""
    return zeros_of(shape_of(x), x.aval.dtype if isinstance(x, Linear) else aval_of(x).dtype)


def scalar(number: float, dtype: np.dtype) -> ir.Value:
    """Return a rank-0 constant."""
    return dif.constant(value=np.array(number, dtype))


def const_like(x: ir.Value | Linear, number: float) -> ir.Value:
    """Return an array like `x` with all elements equal to `number`."""
    aval = x.aval if isinstance(x, Linear) else aval_of(x)
    value = scalar(number, aval.dtype)
    return value if not aval.shape else dif.broadcast_in_dim(value, shape=tuple(shape_of(x)), dimensions=())


def instantiate(t: Any, like: ir.Value | Linear) -> ir.Value:
    """Return `t`, or zeros like `like` where `t` is a symbolic zero."""
    return zeros_like(like) if isinstance(t, Zero) else t


def instantiate_in(ct: Tangent, sizes: Sequence[int | ir.Value]) -> ir.Value:
    """Return `ct`, or zeros of the given sizes where it is a symbolic zero."""
    return zeros_of(sizes, ct.aval.dtype) if isinstance(ct, Zero) else ct


def add_tangents(a: Tangent, b: Tangent) -> Tangent:
    """Return the sum of two tangents or cotangents of one value."""
    if isinstance(a, Zero):
        return b
    return a if isinstance(b, Zero) else dif.add(a, b)
