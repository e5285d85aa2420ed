"""`conv`, as what is fast on each target.

First, convolutions are rewritten into simpler ones in ops of the dialect (`convolution_forms.py`): without padding,
dilation of the array, half floats, groups. What is left becomes, on CPUs, measured with IREE 3.13 on one core in f32:

- windows of two dims: IREE's own `conv_2d_nhwc_hwcf`, 160 to 250 GFLOP/s where JAX has 110 (but 24 with 1 x k windows);
- one channel in: a sum of products of slices, 0.13 ms instead of 1.9 ms for 32 images of 28 x 28 to 32 channels;
- windows of one dim: all windows side by side, and a matmul;
- windows of more dims: a sum over the first one of convolutions; longer ones of a signal: a sum over runs;
- few groups: one convolution for each, 27 times faster than one loop nest; with one channel in each that is fast, too.

GPUs take one loop nest, which needs no more memory than the result.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.dialects.types import Aval
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.composition import composed
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.convolution_forms import MOST_UNROLLED, Form, simpler
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, projection
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import number
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


@lowering(dif.conv)
def _(c: Context, out: Out, lhs: Value, rhs: Value, **attributes: Any) -> Value:
    form = Form(**attributes)
    if 0 in (*out.sizes, *rhs.sizes):
        return c.splat(out.aval, 0, out.sizes)
    rewrite = simpler(form, lhs.aval, rhs.aval, c.target_kind)
    if rewrite is not None:
        return composed(c, rewrite, lhs, rhs)[0]
    window = rhs.aval.shape[:-2]
    if c.target_kind != "cpu" or form.groups > 1:
        return _as_loop_nest(c, out, lhs, rhs, form)
    single = lhs.aval.shape[-1] == 1
    if single and math.prod(window) <= MOST_UNROLLED:
        return _as_sum_of_slices(c, out, lhs, rhs, form)
    if len(window) == 2 and min(window) > 1 and not single:
        return _as_named_op(c, out, lhs, rhs, form)
    return _as_matmul(c, out, lhs, rhs, form)


def _positions(rank: int, first_window: int, total: int, form: Form) -> list[ir.AffineExpr]:
    """Return where windows and elements of the window lie, in loops 1.. over windows and `first_window`.. within."""
    loops = [ir.AffineDimExpr.get(i) for i in range(total)]
    return [loops[1 + i] * form.strides[i] + loops[first_window + i] * form.rhs_dilation[i] for i in range(rank)]


def _multiply_add(c: Context, out: Out) -> Callable[..., list[ir.Value]]:
    def body(a: ir.Value, b: ir.Value, total: ir.Value) -> list[ir.Value]:
        return [scalars.add(c, out.dtype, total, scalars.mul(c, out.dtype, a, b))]

    return body


def _as_named_op(c: Context, out: Out, lhs: Value, rhs: Value, form: Form) -> Value:
    """IREE's convolution."""
    attributes: dict[str, ir.Attribute] = {
        name: ir.DenseElementsAttr.get(np.array(values, np.int64), type=c.i64)
        for name, values in (("strides", form.strides), ("dilations", form.rhs_dilation))
    }
    init = c.filled(number(c, out.dtype, 0), out.sizes)
    operands = [c.tensor(lhs), c.tensor(rhs)]
    return out.value(c.structured("linalg.conv_2d_nhwc_hwcf", operands, [init], attributes, _multiply_add(c, out))[0])


def _as_loop_nest(c: Context, out: Out, lhs: Value, rhs: Value, form: Form) -> Value:
    """Loops over batch, windows, groups, channels out; then over elements of the window and channels in."""
    rank, groups = len(form.strides), form.groups
    images, *counts, made = out.sizes
    taken = rhs.sizes[-2]
    split = groups > 1
    per_group = made // groups if split else made
    x = regroup(c, c.tensor(lhs), c.sizes(lhs), [*c.sizes(lhs)[:-1], groups, taken]) if split else c.tensor(lhs)
    w = regroup(c, c.tensor(rhs), rhs.sizes, [*rhs.sizes[:-1], groups, per_group]) if split else c.tensor(rhs)
    sizes = [images, *counts, groups, per_group] if split else out.sizes
    outer, total = len(sizes), len(sizes) + rank + 1
    loops = [ir.AffineDimExpr.get(i) for i in range(total)]
    group = loops[1 + rank : outer - 1]
    inside = loops[outer:-1]
    read_x = ir.AffineMap.get(total, 0, [loops[0], *_positions(rank, outer, total, form), *group, loops[-1]])
    read_w = ir.AffineMap.get(total, 0, [*inside, loops[-1], *group, loops[outer - 1]])
    write = projection(total, tuple(range(outer)))
    iterators = [PARALLEL] * outer + [REDUCTION] * (rank + 1)
    init = c.filled(number(c, out.dtype, 0), sizes)
    found = c.generic([(x, read_x), (w, read_w)], [(init, write)], iterators, _multiply_add(c, out))[0]
    # IREE (3.13) forgets the barrier between a reduction and what it fuses with it, if other threads read the result.
    found = c.fence(found) if c.target_kind == "vulkan" else found
    return out.value(regroup(c, found, sizes, out.sizes))


def _as_sum_of_slices(c: Context, out: Out, lhs: Value, rhs: Value, form: Form) -> Value:
    """One channel in: each element of the window adds a slice of the array, times channels out of the kernel."""
    rank = len(form.strides)
    images, *counts, made = out.sizes
    x, w = c.tensor(lhs), c.tensor(rhs)
    to_x, to_w = projection(rank + 2, tuple(range(rank + 1))), projection(rank + 2, (rank + 1,))
    inputs = []
    for place in itertools.product(*map(range, rhs.aval.shape[:rank])):
        start = [i * d for i, d in zip(place, form.rhs_dilation, strict=True)]
        seen = c.extract_slice(x, [0, *start, 0], [images, *counts, 1], [1, *form.strides, 1], drop=(rank + 1,))
        factors = c.extract_slice(w, [*place, 0, 0], [1] * (rank + 1) + [made], [1] * (rank + 2), drop=range(rank + 1))
        inputs += [(seen, to_x), (factors, to_w)]

    def body(*elements: ir.Value) -> ir.Value:
        products = [scalars.mul(c, out.dtype, a, b) for a, b in zip(elements[::2], elements[1::2], strict=True)]
        return functools.reduce(lambda a, b: scalars.add(c, out.dtype, a, b), products)

    return out.value(c.pointwise(out.sizes, out.element, body, inputs))


def _as_matmul(c: Context, out: Out, lhs: Value, rhs: Value, form: Form) -> Value:
    """Copy the windows side by side, and contract them with the kernel."""
    rank = len(form.strides)
    images, *counts, _ = out.sizes
    *window, taken, _ = rhs.aval.shape
    total = 2 * rank + 2
    loops = [ir.AffineDimExpr.get(i) for i in range(total)]
    read = ir.AffineMap.get(total, 0, [loops[0], *_positions(rank, 1 + rank, total, form), loops[-1]])
    sizes = [images, *counts, *window, c.size(lhs, rank + 1)]
    copied = c.pointwise(sizes, out.element, lambda a: a, [(c.tensor(lhs), read)])
    windows = Value(Aval((*out.aval.shape[:-1], *window, taken), out.dtype), base=copied, sizes=sizes)
    contract = {"lhs_contract": range(rank + 1, total), "rhs_contract": range(rank + 1)}
    return composed(c, functools.partial(dif.dot_general, lhs_batch=(), rhs_batch=(), **contract), windows, rhs)[0]
