"""Derivatives and batching of `conv`.

The cotangent of the array is a convolution of the cotangent with the flipped kernel, strides and dilation swapped. That
of the kernel is one matmul for each element of the window (as a convolution, with a window as large as the image, it
would be 30 times slower).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import defbatch, defbilinear
from difc.ad_pass.rules._common import move_dim, range_along
from difc.ad_pass.zero import Linear, scalar, shape_of
from difc.dialects import I64, Aval, aval_of, build_body, dilated_size
from difc.dialects.base import Ints
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, product

__all__: list[str] = []


#: Windows with more elements get their cotangent from one convolution: this many matmuls would take long to compile.
_MOST_MATMULS = 64
#: With fewer channels in, the matmuls would have too few rows to be fast.
_FEW_CHANNELS = 4

# ---- the cotangent of the array ------------------------------------------------------------------


def _flipped(w: ir.Value, groups: int) -> ir.Value:
    """Reverse the window, and exchange the channels in and out of each group."""
    *window, taken, made = shape_of(w)
    rank = len(window)
    w = dif.reverse(w, dimensions=tuple(range(rank)))
    if groups == 1:
        return dif.transpose(w, permutation=(*range(rank), rank + 1, rank))
    assert isinstance(taken, int)
    assert isinstance(made, int)
    w = dif.reshape(w, shape=(*window, taken, groups, made // groups))
    w = dif.transpose(w, permutation=(*range(rank), rank + 2, rank + 1, rank))
    return dif.reshape(w, shape=(*window, made // groups, groups * taken))


def _cut(x: ir.Value, sizes: Sequence[Size]) -> ir.Value:
    """Keep the first elements of each spatial dim, as many as `sizes` says."""
    for axis, (have, want) in enumerate(zip(aval_of(x).shape[1:-1], sizes, strict=True), start=1):
        if not isinstance(want, int) or have != want:
            x = range_along(x, axis, scalar(0, I64), want)
    return x


def _transpose_lhs(
    ct: ir.Value,
    x: Linear,
    w: ir.Value,
    *,
    strides: Ints,
    low: Ints,
    high: Ints,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    groups: int,
) -> ir.Value:
    window = aval_of(w).shape[: len(strides)]
    before, after, is_exact = [], [], True
    for size, count, k, s, a, b, ld, rd in zip(
        x.aval.shape[1:-1], aval_of(ct).shape[1:-1], window, strides, low, high, lhs_dilation, rhs_dilation, strict=True
    ):
        reach = dilated_size(k, rd) - 1
        before.append(reach - a)
        if isinstance(size, int) and isinstance(count, int):
            after.append(dilated_size(size, ld) - dilated_size(count, s) + a)
        else:  # what the strides left over at the end is not known: take the most, and cut what is too much
            after.append(reach - b + s - 1)
            is_exact = is_exact and s == 1
    found = dif.conv(
        ct,
        _flipped(w, groups),
        strides=lhs_dilation,
        low=before,
        high=after,
        lhs_dilation=strides,
        rhs_dilation=rhs_dilation,
        groups=groups,
    )
    return found if is_exact else _cut(found, shape_of(x)[1:-1])


# ---- the cotangent of the kernel -----------------------------------------------------------------


def _seen(x: ir.Value, place: Sequence[int], low: Ints, high: Sequence[int], interior: Ints, stride: Ints) -> ir.Value:
    """Return what one element of the window meets, over all windows; `low` and `high` say how much it may move."""
    before = [a - p for a, p in zip(low, place, strict=True)]
    after = [b + p for b, p in zip(high, place, strict=True)]
    x = dif.pad(x, scalar(0, aval_of(x).dtype), low=(0, *before, 0), high=(0, *after, 0), interior=(0, *interior, 0))
    ends = [n if isinstance(n, int) else -1 for n in aval_of(x).shape]
    return dif.slice(x, start=(0,) * len(ends), limit=ends, stride=(1, *stride, 1))


def _products(x: ir.Value, ct: ir.Value, groups: int) -> ir.Value:
    """Sum products over batch and windows: [channels in / groups, channels out] of one element of the window."""
    *outer, channels = shape_of(x)
    made = aval_of(ct).shape[-1]
    dims = tuple(range(len(outer)))
    if groups == 1:
        return dif.dot_general(x, ct, lhs_batch=(), rhs_batch=(), lhs_contract=dims, rhs_contract=dims)
    taken, per_group = channels // groups, made // groups
    if taken == per_group == 1:
        return dif.reshape(dif.reduce_sum(dif.mul(x, ct), axes=dims), shape=(1, made))
    x = dif.reshape(x, shape=(*outer, groups, taken))
    ct = dif.reshape(ct, shape=(*outer, groups, per_group))
    last = (len(dims),)
    found = dif.dot_general(x, ct, lhs_batch=last, rhs_batch=last, lhs_contract=dims, rhs_contract=dims)
    return dif.reshape(dif.transpose(found, permutation=(1, 0, 2)), shape=(taken, made))


def _transpose_rhs(
    ct: ir.Value,
    x: ir.Value,
    w: Linear,
    *,
    strides: Ints,
    low: Ints,
    high: Ints,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    groups: int,
) -> ir.Value:
    *window, taken, made = shape_of(w)
    interior = tuple(d - 1 for d in lhs_dilation)
    is_static = all(isinstance(n, int) for n in (*aval_of(x).shape[1:-1], *aval_of(ct).shape[1:-1]))
    if is_static and groups == 1 and math.prod(window) > _MOST_MATMULS:
        return _as_convolution(ct, x, window, strides, low, lhs_dilation, rhs_dilation)
    counts = aval_of(ct).shape[1:-1]
    if is_static:  # padded once, and read at different places
        padding = {"low": (0, *low, 0), "high": (0, *high, 0), "interior": (0, *interior, 0)}
        x = dif.pad(x, scalar(0, aval_of(x).dtype), **padding)
    seen = []
    for place in itertools.product(*map(range, window)):
        start = [i * d for i, d in zip(place, rhs_dilation, strict=True)]
        if is_static:
            ends = [a + (n - 1) * s + 1 if n else a for a, n, s in zip(start, counts, strides, strict=True)]
            first, *_, last = (n if isinstance(n, int) else -1 for n in aval_of(x).shape)
            seen.append(dif.slice(x, start=(0, *start, 0), limit=(first, *ends, last), stride=(1, *strides, 1)))
        else:
            slack = [b + 1 - dilated_size(k, d) for b, k, d in zip(high, window, rhs_dilation, strict=True)]
            seen.append(_seen(x, start, low, slack, interior, strides))
    if is_static and groups == 1 and isinstance(taken, int) and taken <= _FEW_CHANNELS:
        found = _by_image(seen, ct)
    else:
        found = _joined([dif.reshape(_products(y, ct, groups), shape=(1, taken, made)) for y in seen], 0)
    return dif.reshape(found, shape=(*window, taken, made))


def _by_image(seen: list[ir.Value], ct: ir.Value) -> ir.Value:
    """Few channels in: join what all elements of the window meet, and make one product for each image."""
    images, *counts, made = shape_of(ct)
    *_, channels = shape_of(seen[0])
    windows = math.prod(counts)
    rows = [move_dim(dif.reshape(y, shape=(images, windows, channels)), 2, 1) for y in seen]
    ct = dif.reshape(ct, shape=(images, windows, made))
    found = dif.dot_general(_joined(rows, 1), ct, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(2,), rhs_contract=(1,))
    return dif.reduce_sum(found, axes=(0,))


def _joined(rows: list[ir.Value], dimension: int) -> ir.Value:
    found = rows[0]
    for row in rows[1:]:
        found = dif.concatenate(found, row, dimension=dimension)
    return found


def _as_convolution(
    ct: ir.Value,
    x: ir.Value,
    window: Sequence[Any],
    strides: Ints,
    low: Ints,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
) -> ir.Value:
    """Convolve the array with the cotangent as the kernel: batch and channels in exchange their places."""
    rank = len(window)
    after = []
    for size, count, k, s, a, ld, rd in zip(
        aval_of(x).shape[1:-1], aval_of(ct).shape[1:-1], window, strides, low, lhs_dilation, rhs_dilation, strict=True
    ):
        after.append(dilated_size(count, s) + (k - 1) * rd - dilated_size(size, ld) - a)
    found = dif.conv(
        dif.transpose(x, permutation=(rank + 1, *range(1, rank + 1), 0)),
        dif.transpose(ct, permutation=(*range(1, rank + 1), 0, rank + 1)),
        strides=rhs_dilation,
        low=low,
        high=after,
        lhs_dilation=lhs_dilation,
        rhs_dilation=strides,
        groups=1,
    )
    return dif.transpose(found, permutation=(*range(1, rank + 1), 0, rank + 1))


defbilinear(dif.conv, lhs=_transpose_lhs, rhs=_transpose_rhs)

# ---- batching ------------------------------------------------------------------------------------


def _batch(size: Size, batched: list[bool], x: ir.Value, w: ir.Value, *, groups: int, **form: Any) -> ir.Value:
    """A mapped array joins the batch, a mapped kernel the channels out of each group; both are groups of their own."""
    if not batched[1]:
        lanes, images, *rest = shape_of(x)
        found = dif.conv(dif.reshape(x, shape=(product([lanes, images]), *rest)), w, groups=groups, **form)
        return dif.reshape(found, shape=(lanes, images, *shape_of(found)[1:]))
    if not isinstance(size, int) and (batched[0] or groups > 1):
        return _one_by_one(size, batched, x, w, groups=groups, **form)
    _, *window, taken, made = shape_of(w)
    rank = len(window)
    runs = 1 if batched[0] else groups  # what the mapped axis comes after, among the channels out
    per_run = made if runs == 1 else made // runs
    w = dif.reshape(w, shape=(size, *window, taken, runs, per_run))
    w = dif.transpose(w, permutation=(*range(1, rank + 3), 0, rank + 3))
    w = dif.reshape(w, shape=(*window, taken, product([runs, size, per_run])))
    if batched[0]:
        _, images, *spatial, channels = shape_of(x)
        x = dif.reshape(move_dim(x, 0, rank + 1), shape=(images, *spatial, product([size, channels])))
        groups *= size
    found = dif.conv(x, w, groups=groups, **form)
    images, *counts, _ = shape_of(found)
    found = dif.reshape(found, shape=(images, *counts, runs, size, per_run))
    return dif.reshape(move_dim(found, rank + 2, 0), shape=(size, images, *counts, made))


def _one_by_one(size: Size, batched: list[bool], x: ir.Value, w: ir.Value, **form: Any) -> ir.Value:
    """Convolve lane after lane: the number of groups cannot be a run-time size."""
    lanes = [aval_of(v) for v in (x, w)]
    lanes = [Aval(a.shape[1:], a.dtype) if mark else a for a, mark in zip(lanes, batched, strict=True)]
    order = [i for i in (0, 1) if batched[i]] + [i for i in (0, 1) if not batched[i]]
    body = build_body(
        [lanes[i] for i in order], lambda values: dif.conv(*(values[order.index(i)] for i in (0, 1)), **form)
    )
    given = [(x, w)[i] for i in order]
    return dif.scan(*given, size, num_carry=0, num_xs=sum(batched), length=-1, reverse=False, linear=(), regions=[body])


defbatch(dif.conv, _batch)
