"""Convolutions rewritten into simpler ones: each function here gives one rewriting, in ops of the dialect.

`simpler` names the first that applies; what it builds contains convolutions to which the next applies, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, aval_of
from difc.dialects.base import Ints
from difc.dialects.matrices import sizes_of
from difc.dialects.mlir import ir
from difc.dialects.sizes import product
from difc.dialects.types import BF16, F16, F32

__all__ = ["MOST_UNROLLED", "Form", "simpler"]

Rewriting = Callable[[ir.Value, ir.Value], ir.Value]

#: Larger windows are not unrolled, and more groups not convolved one by one: the code would take long to compile.
MOST_UNROLLED = MOST_GROUPS = 32
#: Windows of a signal of one channel are cut into so many runs, each unrolled.
MOST_RUNS = 16


@dataclass(frozen=True)
class Form:
    """The attributes of a convolution, see `dif.conv`."""

    strides: Ints
    low: Ints
    high: Ints
    lhs_dilation: Ints
    rhs_dilation: Ints
    groups: int

    def of(self, x: ir.Value, w: ir.Value) -> ir.Value:
        """Build the convolution."""
        return dif.conv(x, w, **vars(self))

    def without(self, dim: int) -> Form:
        """Return the form of a convolution that lacks a spatial dim."""
        fields: dict[str, Any] = {
            name: (*value[:dim], *value[dim + 1 :]) for name, value in vars(self).items() if name != "groups"
        }
        return replace(self, **fields)

    def with_dim(self, dim: int, **values: int) -> Form:
        """Return the form with other values for one spatial dim."""
        fields: dict[str, Any] = {
            name: (*getattr(self, name)[:dim], v, *getattr(self, name)[dim + 1 :]) for name, v in values.items()
        }
        return replace(self, **fields)


def simpler(form: Form, lhs: Aval, rhs: Aval, target_kind: str) -> Rewriting | None:
    """Return how to build a convolution of these types from simpler ones, or None where it is as simple as can be."""
    rank = lhs.ndim - 2
    window = rhs.shape[:rank]
    if lhs.dtype in (F16, BF16):
        return lambda x, w: dif.convert(form.of(*(dif.convert(v, dtype=F32) for v in (x, w))), dtype=lhs.dtype)
    for dim, dilation in enumerate(form.lhs_dilation):
        if dilation > 1:
            is_plain = form.strides[dim] == form.rhs_dilation[dim] == 1 and isinstance(lhs.shape[dim + 1], int)
            return partial(_in_phases if is_plain else _with_zeros_between, form, dim)
    if any((*form.low, *form.high)):
        return partial(_padded, form)
    if target_kind != "cpu":
        return None
    if form.groups > 1:
        return partial(_one_by_one, form) if rhs.shape[-2] > 1 and form.groups <= MOST_GROUPS else None
    for dim, size in enumerate(window):
        if size == 1 and form.strides[dim] > 1:
            return partial(_strided, form, dim)
    if math.prod(window) == 1:
        return _matmul
    if window[0] == 1:
        return partial(_first_dim_as_batch, form)
    if rank > 2 and not (lhs.shape[-1] == 1 and math.prod(window) <= MOST_UNROLLED):
        return partial(_sum_over_first_dim, form, 1)
    if rank == 1 and lhs.shape[-1] == rhs.shape[-1] == 1 and MOST_UNROLLED < window[0] <= MOST_RUNS * MOST_UNROLLED:
        return partial(_sum_over_first_dim, form, MOST_UNROLLED)
    return None


def _zero(x: ir.Value) -> ir.Value:
    return dif.constant(value=np.array(0, aval_of(x).dtype))


def _pad(x: ir.Value, axis: int, low: int, high: int, interior: int = 0) -> ir.Value:
    """Put zeros around and between the elements along one axis."""
    rank = aval_of(x).ndim
    one = [tuple(v if d == axis else 0 for d in range(rank)) for v in (low, high, interior)]
    return dif.pad(x, _zero(x), low=one[0], high=one[1], interior=one[2])


def _slice(x: ir.Value, axis: int, start: int, limit: int, stride: int = 1) -> ir.Value:
    """Return `x[start:limit:stride]` along one axis; a limit of -1 is the end of a run-time size."""
    shape = aval_of(x).shape
    ends = [d if isinstance(d, int) else -1 for d in shape]
    ends[axis] = limit
    starts = tuple(start if d == axis else 0 for d in range(len(shape)))
    return dif.slice(x, start=starts, limit=ends, stride=tuple(stride if d == axis else 1 for d in range(len(shape))))


def _every(x: ir.Value, axis: int, stride: int) -> ir.Value:
    size = aval_of(x).shape[axis]
    return _slice(x, axis, 0, size if isinstance(size, int) else -1, stride)


def _moved(x: ir.Value, source: int, target: int) -> ir.Value:
    order = [d for d in range(aval_of(x).ndim) if d != source]
    order.insert(target, source)
    return dif.transpose(x, permutation=order)


# ---- padding and dilation of the array -----------------------------------------------------------


def _padded(form: Form, x: ir.Value, w: ir.Value) -> ir.Value:
    none = (0,) * len(form.low)
    x = dif.pad(x, _zero(x), low=(0, *form.low, 0), high=(0, *form.high, 0), interior=(0, *none, 0))
    return replace(form, low=none, high=none).of(x, w)


def _with_zeros_between(form: Form, dim: int, x: ir.Value, w: ir.Value) -> ir.Value:
    return form.with_dim(dim, lhs_dilation=1).of(_pad(x, dim + 1, 0, 0, form.lhs_dilation[dim] - 1), w)


def _in_phases(form: Form, dim: int, x: ir.Value, w: ir.Value) -> ir.Value:
    """Compute without the zeros between elements: results that meet the same elements of the kernel are channels.

    With dilation d, the window that starts at d q - r (0 <= r < d) meets element q + j of the array with element
    d j + r of the kernel, so the d results of one q are channels of a convolution with every d-th element of the
    kernel; that makes d times fewer products.
    """
    d, axis = form.lhs_dilation[dim], dim + 1
    size, window = aval_of(x).shape[axis], aval_of(w).shape[dim]
    low = form.low[dim]
    count = dif.dilated_size(size, d) + low + form.high[dim] - window + 1
    first, last = -(low // d), -((low - count + 1) // d)  # q of the first and last window
    taps = -(-window // d)
    # kernel: [.., window, .., in, out] -> [.., taps, .., in, out * d], the last r first
    w = _pad(w, dim, 0, taps * d - window)
    shape = sizes_of(w)
    w = dif.reshape(w, shape=(*shape[:dim], taps, d, *shape[dim + 1 :]))
    w = _moved(dif.reverse(w, dimensions=(dim + 1,)), dim + 1, len(shape))
    w = dif.reshape(w, shape=(*shape[:dim], taps, *shape[dim + 1 : -1], product([shape[-1], d])))
    found = form.with_dim(dim, lhs_dilation=1, low=-first, high=last + taps - size).of(x, w)
    # result: [.., q, .., out * d] -> [.., q * d, .., out]
    *outer, _ = sizes_of(found)
    found = _moved(dif.reshape(found, shape=(*outer, shape[-1], d)), len(outer) + 1, axis + 1)
    total = (last - first + 1) * d
    found = dif.reshape(found, shape=(*outer[:axis], total, *outer[axis + 1 :], shape[-1]))
    start = -low - d * first + d - 1
    return _slice(found, axis, start, start + count)


# ---- groups, and dims of the window --------------------------------------------------------------


def _one_by_one(form: Form, x: ir.Value, w: ir.Value) -> ir.Value:
    """Convolve each group on its own."""
    (taken, made), groups, rank = aval_of(w).shape[-2:], form.groups, len(form.low)
    per_group, single = made // groups, replace(form, groups=1)
    found = None
    for g in range(groups):
        seen = _slice(x, rank + 1, g * taken, (g + 1) * taken)
        part = single.of(seen, _slice(w, rank + 1, g * per_group, (g + 1) * per_group))
        found = part if found is None else dif.concatenate(found, part, dimension=rank + 1)
    assert found is not None
    return found


def _strided(form: Form, dim: int, x: ir.Value, w: ir.Value) -> ir.Value:
    """Leave out what a window of one element steps over."""
    return form.with_dim(dim, strides=1).of(_every(x, dim + 1, form.strides[dim]), w)


def _matmul(x: ir.Value, w: ir.Value) -> ir.Value:
    last = aval_of(x).ndim - 1
    w = dif.reshape(w, shape=sizes_of(w)[-2:])
    return dif.dot_general(x, w, lhs_batch=(), rhs_batch=(), lhs_contract=(last,), rhs_contract=(0,))


def _first_dim_as_batch(form: Form, x: ir.Value, w: ir.Value) -> ir.Value:
    """Take a dim along which the window has one element as more images."""
    images, first, *rest = sizes_of(x)
    x = dif.reshape(x, shape=(product([images, first]), *rest))
    found = form.without(0).of(x, dif.reshape(w, shape=sizes_of(w)[1:]))
    return dif.reshape(found, shape=(images, first, *sizes_of(found)[1:]))


def _sum_over_first_dim(form: Form, run: int, x: ir.Value, w: ir.Value) -> ir.Value:
    """Add up what each run of planes of the window gives."""
    dilation, found = form.rhs_dilation[0], None
    size, window = aval_of(x).shape[1], aval_of(w).shape[0]
    for first in range(0, window, run):
        end = min(first + run, window)
        start, left = first * dilation, (window - end) * dilation
        seen = _slice(x, 1, start, size - left) if isinstance(size, int) else _pad(x, 1, -start, -left)
        part = form.of(seen, _slice(w, 0, first, end))
        found = part if found is None else dif.add(found, part)
    assert found is not None
    return found
