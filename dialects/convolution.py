"""Convolution: one op for every number of spatial dims, for strides, padding, dilation and groups.

Layouts other than the one here are transposes in the frontend.
"""

from __future__ import annotations

from typing import Any

from difc.dialects.base import Int, Ints, op
from difc.dialects.types import Aval, check_same_dtype, is_float, is_integer, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = ["conv", "dilated_size"]


def dilated_size(size: Any, dilation: int) -> Any:
    """Return the size of a dim with `dilation - 1` zeros put between its elements; sizes may be run-time ones."""
    if dilation == 1:
        return size
    if isinstance(size, int):
        return max(size - 1, 0) * dilation + min(size, 1)
    return size + (size.at_least(1) - 1) * (dilation - 1)


def _window_count(size: Any, padding: int, window: int, stride: int) -> Any:
    """Return how many windows lie within a padded dim: 0 where it is smaller than one."""
    reach = size + (padding - window + stride)
    return (max(reach, 0) if isinstance(reach, int) else reach.at_least(0)) // stride


@op
def conv(
    lhs: Aval,
    rhs: Aval,
    *,
    strides: Ints,
    low: Ints,
    high: Ints,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    groups: Int,
) -> Aval:
    """Sum products of a kernel with every window of an array. (XLA ConvGeneralDilated)

    `lhs` is [batch, *spatial, channels in], `rhs` [*window, channels in / groups, channels out], the result [batch,
    *spatial, channels out]; the kernel is not flipped. `low` and `high` zeros (elements less, if negative) are put
    around `lhs` after `lhs_dilation - 1` ones between its elements; `rhs_dilation` is the distance of the elements that
    a window takes. Channels are cut into `groups` runs on both sides: run i of the result sees run i of `lhs` only.
    """
    check_same_dtype("conv", lhs, rhs)
    if not (is_float(lhs.dtype) or is_integer(lhs.dtype)):
        raise DtypeError(f"conv takes numbers, not {lhs.dtype}")
    rank = lhs.ndim - 2
    if rank < 1 or rhs.ndim != lhs.ndim:
        raise ShapeError(f"conv: {lhs} and {rhs} must both have a batch or output, a channel and 1 or more other dims")
    if any(len(given) != rank for given in (strides, low, high, lhs_dilation, rhs_dilation)):
        raise ShapeError(f"conv: strides, padding and dilation must have one entry for each of {rank} spatial dims")
    if min(*strides, *lhs_dilation, *rhs_dilation, groups) < 1:
        raise ShapeError("conv: strides, dilations and groups must be 1 or more")
    if not all(isinstance(size, int) for size in rhs.shape[:rank]):
        raise ShapeError(f"conv: the window of the kernel {rhs} must have a size known at compile time")
    channels, taken, made = lhs.shape[-1], rhs.shape[-2], rhs.shape[-1]
    if groups == 1:
        same_dim(channels, taken, f"conv: the channels of {lhs} and of the kernel {rhs}")
    elif not all(isinstance(size, int) for size in (channels, taken, made)):
        raise ShapeError("conv: with several groups, the numbers of channels must be known at compile time")
    elif channels != taken * groups or made % groups:
        raise ShapeError(f"conv: the channels of {lhs} and of the kernel {rhs} are not those of {groups} groups")
    spatial = [
        _window_count(dilated_size(size, ld), a + b, dilated_size(window, rd), stride)
        for size, window, stride, a, b, ld, rd in zip(
            lhs.shape[1:-1], rhs.shape[:rank], strides, low, high, lhs_dilation, rhs_dilation, strict=True
        )
    ]
    return Aval((lhs.shape[0], *spatial, made), lhs.dtype)
