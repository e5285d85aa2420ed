"""Ops that move elements without computing on them."""

from __future__ import annotations

import math

from difc.dialects.base import Int, Ints, Shape, op
from difc.dialects.creation import fill_sizes
from difc.dialects.types import Aval, check_dims, check_same_dtype, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = ["broadcast_in_dim", "concatenate", "pad", "reshape", "reverse", "slice", "transpose"]


@op
def broadcast_in_dim(x: Aval, *sizes: Aval, shape: Shape, dimensions: Ints) -> Aval:
    """Repeat `x` into `shape`: dim i of `x` becomes dim `dimensions[i]`; a size of 1 is repeated.

    `dimensions` must increase. A dynamic dim of `x` is taken as equal to its result dim, never as a 1 to repeat.
    """
    check_dims("broadcast_in_dim", dimensions, len(shape))
    if len(dimensions) != x.ndim or list(dimensions) != sorted(dimensions):
        raise ShapeError(f"broadcast_in_dim: {list(dimensions)} are not increasing dimensions for each of {x}")
    filled = fill_sizes("broadcast_in_dim", shape, sizes)
    for size, d in zip(x.shape, dimensions, strict=True):
        if isinstance(size, int) and isinstance(filled[d], int) and size not in (1, filled[d]):
            raise ShapeError(f"broadcast_in_dim: a dim of size {size} does not repeat to {filled[d]}")
    return Aval(filled, x.dtype)


@op
def reshape(x: Aval, *sizes: Aval, shape: Shape) -> Aval:
    """The elements of `x`, in row-major order, as another shape of the same size."""
    result = Aval(fill_sizes("reshape", shape, sizes), x.dtype)
    if x.is_static and result.is_static and math.prod(x.shape) != math.prod(result.shape):
        counts = math.prod(x.shape), math.prod(result.shape)
        raise ShapeError(f"reshape: {x} has {counts[0]} elements, shape {list(result.shape)} has {counts[1]}")
    return result


@op
def transpose(x: Aval, *, permutation: Ints) -> Aval:
    """Permute dims: dim i of the result is dim `permutation[i]` of `x`."""
    check_dims("transpose", permutation, x.ndim)
    if len(permutation) != x.ndim:
        raise ShapeError(f"transpose: permutation {list(permutation)} is not of all dims of {x}")
    return Aval(tuple(x.shape[d] for d in permutation), x.dtype)


@op
def concatenate(x: Aval, y: Aval, *, dimension: Int) -> Aval:
    """Join two arrays along one dim; all other dims are equal. (Longer lists are trees of this op.)"""
    check_dims("concatenate", (dimension,), x.ndim)
    check_same_dtype("concatenate", x, y)
    if x.ndim != y.ndim:
        raise ShapeError(f"concatenate: operands have different ranks: {x} and {y}")
    return Aval(
        tuple(
            a + b if d == dimension else same_dim(a, b, f"concatenate: sizes of dim {d} of {x} and {y}")
            for d, (a, b) in enumerate(zip(x.shape, y.shape, strict=True))
        ),
        x.dtype,
    )


@op
def slice(x: Aval, *, start: Ints, limit: Ints, stride: Ints) -> Aval:
    """Elements `start`, `start + stride`, ... below `limit` of each dim; a limit of -1 is the end of a dynamic dim."""
    if not len(start) == len(limit) == len(stride) == x.ndim:
        raise ShapeError(f"slice: start, limit and stride must have one entry for each dim of {x}")
    shape = []
    for size, a, b, step in zip(x.shape, start, limit, stride, strict=True):
        end = size if b == -1 else b
        if step < 1 or a < 0 or (isinstance(end, int) and a > end):
            raise ShapeError(f"slice: {a}:{b}:{step} is not a forward slice")
        if isinstance(size, int) and end > size:
            raise ShapeError(f"slice: limit {b} is beyond the size {size}")
        shape.append((end - a + (step - 1)) // step if isinstance(end, int) or step > 1 else end - a if a else end)
    return Aval(tuple(shape), x.dtype)


@op
def pad(x: Aval, value: Aval, *, low: Ints, high: Ints, interior: Ints) -> Aval:
    """Put a scalar `value` around and (`interior`) between elements; negative `low` and `high` remove elements."""
    if not len(low) == len(high) == len(interior) == x.ndim:
        raise ShapeError(f"pad: low, high and interior must have one entry for each dim of {x}")
    if value.shape or value.dtype != x.dtype:
        raise DtypeError(f"pad: the padding value is {value}, not a scalar of {x.dtype}")
    shape = []
    for size, a, b, between in zip(x.shape, low, high, interior, strict=True):
        if between < 0:
            raise ShapeError(f"pad: interior padding {between} is negative")
        if isinstance(size, int):
            new = size + a + b + between * (size - 1 if size > 0 else 0)
            if new < 0:
                raise ShapeError(f"pad: a dim of size {size} has fewer than {-a - b} elements to remove")
        else:
            new = size + between * (size.at_least(1) - 1) if between else size
            new = new + (a + b) if a + b else new
        shape.append(new)
    return Aval(tuple(shape), x.dtype)


@op
def reverse(x: Aval, *, dimensions: Ints) -> Aval:
    """Reverse the order of elements along each of `dimensions`."""
    check_dims("reverse", dimensions, x.ndim)
    return Aval(x.shape, x.dtype)
