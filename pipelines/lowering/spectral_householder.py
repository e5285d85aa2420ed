"""QR by Householder reflections, of stacks [b, m, n], in ops of the dialect.

A panel of columns is reduced one column at a time, and gives the compact form H = I - V T V^T of the product of its
reflections. A wide matrix is reduced panel by panel, so that most of the work is matrix products; with few columns, or
where sizes are known only at run time, all are one panel. The loops work on whole arrays with masks: every step has the
same shapes, and is compiled once.

Signs are LAPACK's. Columns are scaled by their largest element, so that squares neither overflow nor vanish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from difc import dialects as dif
from difc.dialects import I64, aval_of
from difc.dialects.matrices import framed, matmul, sizes_of, splat, triangle
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, minimum, size_value
from difc.pipelines.lowering.composition import Values, loop
from difc.pipelines.lowering.factor_parts import cut_to, slice_at

__all__ = ["column_scales", "eye_like", "householder", "negligible", "repeated"]

#: Up to this many columns are one panel; more are panels of `PANEL`.
ONE_PANEL, PANEL = 64, 32


@dataclass
class _Panels:
    """The reflections of a factorisation: V [p, b, m, w] and T [p, b, w, w], or without p for a single panel."""

    v: ir.Value
    t: ir.Value
    count: int


def householder(x: ir.Value, *, complete: bool) -> Values:
    """Return `q` and `r` of a stack [b, m, n], as `dif.qr` says."""
    batch, m, n = sizes_of(x)
    k = minimum(m, n)
    scale = column_scales(x)
    across = repeated(scale, [batch, m, n], (0, 2))
    panels, reduced = _factored(dif.div(x, across), k)
    q = _q(panels, batch, m, m if complete else k, aval_of(x).dtype)
    return [q, _upper_rows(reduced, scale, complete=complete)]


def column_scales(x: ir.Value) -> ir.Value:
    """Return the largest size of an element in each column of a stack, [b, n]; 1 for columns of zeros."""
    scale = dif.reduce_max(dif.abs(x), axes=(1,))
    return dif.select(dif.compare(scale, splat(0, scale), direction="gt"), scale, splat(1, scale))


def _upper_rows(x: ir.Value, scale: ir.Value, *, complete: bool) -> ir.Value:
    """Return `r` of a stack [b, m, n] that has it above other things, with column j divided by scale [b, j]."""
    _, m, n = sizes_of(x)
    r = triangle(dif.mul(x, repeated(scale, sizes_of(x), (0, 2))), "le")
    return r if complete else cut_to(r, minimum(m, n), 1)


def _factored(x: ir.Value, k: Size) -> tuple[_Panels, ir.Value]:
    """Return the reflections that reduce the first k columns, and the reduced array."""
    batch, m, n = sizes_of(x)
    if not isinstance(k, int) or not aval_of(x).is_static or k <= ONE_PANEL:
        v, t = _panel(cut_to(x, k, 2), size_value(0))
        return _Panels(v, t, 1), _reflected(v, t, x, transpose=True)
    count = -(-k // PANEL)
    over = max(count * PANEL - n, 0)
    padded = framed(x, (0, 0), (0, over)) if over else x

    def step(carry: Values, xs: Values, _: Values) -> tuple[Values, Values]:
        (a,), (start,) = carry, xs
        columns = dif.dynamic_slice(a, size_value(0), size_value(0), start, sizes=(batch, m, PANEL))
        v, t = _panel(columns, start)
        return [_reflected(v, t, a, transpose=True)], [v, t]

    starts = dif.mul(dif.iota(shape=(count,), dtype=I64, dimension=0), _spread(size_value(PANEL), (count,)))
    reduced, v, t = loop(step, [padded], count, xs=[starts])
    return _Panels(v, t, count), cut_to(reduced, n, 2)


def _panel(x: ir.Value, first: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Reduce a panel whose diagonal starts at row `first` (a scalar i64); return V and T.

    Column j of T is -tau T (V^T v), with tau on the diagonal (LAPACK's larft, forward and columnwise).
    """
    batch, m, w = sizes_of(x)
    dtype = aval_of(x).dtype
    zeros_v = dif.zeros(shape=(batch, m, w), dtype=dtype)
    zeros_t = dif.zeros(shape=(batch, w, w), dtype=dtype)

    def step(carry: Values, xs: Values, consts: Values) -> tuple[Values, Values]:
        (a, v, t), (j,), (first,) = carry, xs, consts
        batch, _, w = sizes_of(a)
        reflector, tau = _reflector(slice_at(a, j, 2), dif.add(first, j))
        a = _rank_one(a, reflector, dif.mul(repeated(tau, [batch, w], (0,)), _times(reflector, a)))
        before = _times(reflector, v)
        column = dif.dot_general(t, before, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(2,), rhs_contract=(1,))
        here = dif.compare(dif.iota(shape=(w,), dtype=I64, dimension=0), _spread(j, (w,)), direction="eq")
        one = dif.select(repeated(here, [batch, w], (1,)), splat(1, column), dif.neg(column))
        column = dif.mul(repeated(tau, [batch, w], (0,)), one)
        return [a, _with_column(v, j, reflector), _with_column(t, j, column)], []

    columns = dif.iota(shape=(w,), dtype=I64, dimension=0)
    _, v, t = loop(step, [x, zeros_v, zeros_t], w, xs=[columns], consts=[first])
    return v, t


def _reflector(column: ir.Value, row: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return v [b, m] and tau [b] with (I - tau v v^T) column = +-|column| e_row, where nothing above `row` changes."""
    batch, m = sizes_of(column)
    rows, at = dif.iota(shape=(m,), dtype=I64, dimension=0), _spread(row, (m,))
    is_row = repeated(dif.compare(rows, at, direction="eq"), [batch, m], (1,))
    is_below = repeated(dif.compare(rows, at, direction="gt"), [batch, m], (1,))
    nothing = splat(0, column)
    below = dif.select(is_below, column, nothing)
    head = dif.reduce_sum(dif.select(is_row, column, nothing), axes=(1,))
    tail = dif.reduce_sum(dif.mul(below, below), axes=(1,))
    norm = dif.sqrt(dif.add(dif.mul(head, head), tail))
    is_positive = dif.compare(head, splat(0, head), direction="ge")
    beta = dif.select(is_positive, dif.neg(norm), norm)
    is_done = dif.compare(tail, splat(negligible(aval_of(column).dtype), tail), direction="lt")
    tau = dif.select(is_done, splat(0, head), dif.div(dif.sub(beta, head), dif.select(is_done, splat(1, beta), beta)))
    lead = dif.select(is_done, splat(1, head), dif.sub(head, beta))
    v = dif.div(below, repeated(lead, [batch, m], (0,)))
    return dif.select(is_row, splat(1, column), v), tau


def _q(panels: _Panels, batch: Size, m: Size, columns: Size, dtype: np.dtype) -> ir.Value:
    """Return the first columns of the product of all reflections."""
    start = eye_like((batch, m, columns), dtype)
    if panels.count == 1:
        return _reflected(panels.v, panels.t, start, transpose=False)

    def step(carry: Values, xs: Values, _: Values) -> tuple[Values, Values]:
        v, t = xs
        return [_reflected(v, t, carry[0], transpose=False)], []

    return loop(step, [start], panels.count, xs=[panels.v, panels.t], reverse=True)[0]


def _reflected(v: ir.Value, t: ir.Value, x: ir.Value, *, transpose: bool) -> ir.Value:
    """Return x - V T V^T x, or with T transposed."""
    return dif.sub(x, matmul(v, matmul(t, matmul(v, x, transpose_x=True), transpose_x=transpose)))


def negligible(dtype: np.dtype) -> float:
    """Return the sum of squares below which it has lost digits to underflow; elements are of at most about 1."""
    info = np.finfo(dtype)
    return float(info.tiny / info.eps)


# ---- arrays --------------------------------------------------------------------------------------


def _spread(x: ir.Value, shape: tuple[Size, ...]) -> ir.Value:
    return dif.broadcast_in_dim(x, shape=shape, dimensions=())


def repeated(x: ir.Value, shape: list[Size], dimensions: tuple[int, ...]) -> ir.Value:
    """Return `x` repeated to a shape, in which its dims are `dimensions`."""
    return dif.broadcast_in_dim(x, shape=tuple(shape), dimensions=dimensions)


def eye_like(shape: tuple[Size, Size, Size], dtype: np.dtype) -> ir.Value:
    """Return a stack of identity matrices, perhaps with more rows or columns than the other."""
    one = dif.constant(value=np.array(1, dtype))
    return triangle(dif.broadcast_in_dim(one, shape=shape, dimensions=()), "eq")


def _with_column(x: ir.Value, j: ir.Value, column: ir.Value) -> ir.Value:
    return dif.scatter(x, _spread(j, (1,)), column, axes=(2,), batch=0, mode="clip")


def _times(v: ir.Value, x: ir.Value) -> ir.Value:
    """Return v^T x for vectors [b, m] and matrices [b, m, n]."""
    return dif.dot_general(v, x, lhs_batch=(0,), rhs_batch=(0,), lhs_contract=(1,), rhs_contract=(1,))


def _rank_one(x: ir.Value, v: ir.Value, w: ir.Value) -> ir.Value:
    """Return x - v w^T."""
    shape = sizes_of(x)
    return dif.sub(x, dif.mul(repeated(v, shape, (0, 1)), repeated(w, shape, (0, 2))))
