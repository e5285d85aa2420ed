"""QR of many columns on the CPU: panels by the kernel of `spectral_qr.py`, all else by products of matrices.

The reflections of a panel are together I - V T V^T, where T is the inverse of the upper triangle of V^T V with half its
diagonal. All sizes are known, but for that of the batch.
"""

from __future__ import annotations

from functools import partial

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.matrices import framed, matmul, sizes_of, splat, triangle, triangle_mask
from difc.dialects.mlir import ir
from difc.pipelines.lowering.composition import Values, composed
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.factor_parts import part
from difc.pipelines.lowering.spectral_householder import column_scales, eye_like, repeated
from difc.pipelines.lowering.spectral_qr import call_qr
from difc.pipelines.lowering.values import Value
from difc.pipelines.target import VectorUnit

__all__ = ["MOST", "PANEL", "panelled_qr"]

#: The least columns of a panel, and the most panels.
PANEL, MOST = 128, 8
ALL = slice(None)


def panelled_qr(c: Context, x: Value, columns: int, rows: int, unit: VectorUnit) -> list[Value | None]:
    """Return Q and R of a stack [batch, m, n]: as many columns and rows of them as are wanted, None for 0."""
    batch, m, n = c.sizes(x)
    count = min(m, n)
    width = max(PANEL, -(-count // MOST))
    starts = range(0, count, width)
    rest, scale = composed(c, _scaled, x)
    panels, strips = [], []
    for start in starts:
        size = min(width, count - start)
        (first,) = composed(c, partial(part, rows=ALL, columns=slice(size)), rest)
        _, *found = call_qr(c, c.tensor(first), [batch, m - start, size, 0, size], unit)
        given = [Value.of(x.aval.dtype, y, [batch, *ir.RankedTensorType(y.type).shape[1:]]) for y in found]
        strip, rest, *panel = composed(c, partial(_reduced, size=size), rest, *given)
        panels.append(panel)
        strips.append(strip)
    q = None
    for start, panel in zip(reversed(starts), reversed(panels), strict=True):
        if columns:
            (q,) = composed(c, partial(_grown, columns=columns - start), *panel, *([] if q is None else [q]))
    r = composed(c, partial(_joined, rows=rows), scale, *strips)[0] if rows else None
    return [q, r]


def _scaled(x: ir.Value) -> Values:
    """Return a stack with its columns divided by their largest elements, and these."""
    scale = column_scales(x)
    return [dif.div(x, repeated(scale, sizes_of(x), (0, 2))), scale]


def _reduced(rest: ir.Value, corner: ir.Value, rows: ir.Value, *, size: int) -> Values:
    """Return the first rows of what is left after a panel, and the other ones; then V^T and the inverse of T.

    Args:
      rest: what was left, [batch, m, n].
      corner: R of its first `size` columns.
      rows: the vectors, longer than m, and one more row.
      size: how many columns the panel has.
    """
    _, m, n = aval_of(rest).shape
    v = part(rows, slice(size), slice(m))
    gram = matmul(v, v, transpose_y=True)
    reflects = dif.compare(gram, splat(0.5, gram), direction="gt")
    half = dif.select(reflects, dif.mul(splat(0.5, gram), gram), splat(1, gram))
    inverse = triangle(dif.select(triangle_mask(gram, "eq"), half, gram), "le")
    if size == n:
        return [corner, rest, v, inverse]
    right = part(rest, ALL, slice(size, n))
    products = dif.triangular_solve(
        inverse, matmul(v, right), left_side=True, lower=False, transpose_a=True, unit_diagonal=False
    )
    right = dif.sub(right, matmul(v, products, transpose_x=True))
    strip = dif.concatenate(corner, part(right, slice(size), ALL), dimension=2)
    return [strip, part(right, slice(size, m), ALL), v, inverse]


def _grown(v: ir.Value, inverse: ir.Value, q: ir.Value | None = None, *, columns: int) -> ir.Value:
    """Return `columns` of the product of a panel's reflections and of those after it, of which `q` is the product."""
    batch, dtype = sizes_of(v)[0], aval_of(v).dtype
    size, m = aval_of(v).shape[1:]
    if q is None:
        q = eye_like((batch, m, columns), dtype)
    else:
        corner = framed(eye_like((batch, size, size), dtype), (0, 0), (m - size, columns - size))
        q = dif.add(corner, framed(q, (size, size), (0, 0)))
    products = dif.triangular_solve(
        inverse, matmul(v, q), left_side=True, lower=False, transpose_a=False, unit_diagonal=False
    )
    return dif.sub(q, matmul(v, products, transpose_x=True))


def _joined(scale: ir.Value, *strips: ir.Value, rows: int) -> ir.Value:
    """Return R, `rows` of it, of the strips of rows that are not zero, and of the scales of its columns."""
    n = aval_of(scale).shape[1]
    r, *more = [framed(x, (0, n - aval_of(x).shape[2]), (0, 0)) for x in strips]
    for strip in more:
        r = dif.concatenate(r, strip, dimension=1)
    r = framed(r, (0, 0), (rows - aval_of(r).shape[1], 0))
    return dif.mul(r, repeated(scale, sizes_of(r), (0, 2)))
