"""Orthogonal factorisations: programs of the dialect, of which only what is used is lowered.

On the CPU `qr` is a kernel, with products of matrices where they are large; `eigh` goes by way of tridiagonal matrices,
and `svd` by way of bidiagonal ones, all by kernels. Elsewhere rows are rotated until they are orthogonal, and `qr` is a
loop over columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from difc import dialects as dif
from difc.dialects.matrices import matrix_transpose, splat, triangle_mask
from difc.dialects.mlir import ir
from difc.pipelines.lowering import spectral_programs as programs
from difc.pipelines.lowering.composition import composed, composed_used
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.spectral_bidiagonal import call_bidiagonal
from difc.pipelines.lowering.spectral_golub_kahan import call_singular_values, call_singular_vectors
from difc.pipelines.lowering.spectral_householder import householder
from difc.pipelines.lowering.spectral_jacobi import orthogonal_rows
from difc.pipelines.lowering.spectral_panels import panelled_qr
from difc.pipelines.lowering.spectral_ql import call_eigenvalues, call_eigenvectors
from difc.pipelines.lowering.spectral_qr import call_qr
from difc.pipelines.lowering.spectral_text import padded
from difc.pipelines.lowering.spectral_tridiagonal import call_tridiagonal
from difc.pipelines.lowering.values import Value
from difc.pipelines.target import VectorUnit

__all__ = ["QR"]

#: The most columns, or rows, of what one call of the kernel of `qr` reduces, where sizes are known.
QR = 256


def _regrouped(c: Context, x: Value, sizes: Sequence[Size]) -> Value:
    return Value.of(x.aval.dtype, regroup(c, c.tensor(x), c.sizes(x), sizes), sizes)


def _stack(c: Context, x: Value, kept: int = 2) -> Value:
    """Return a value with all leading dims as one; `kept` dims stay as they are."""
    sizes = c.sizes(x)
    split = len(sizes) - kept
    return _regrouped(c, x, [c.product(sizes[:split]), *sizes[split:]])


def _unstacked(c: Context, outs: Sequence[Out], found: Sequence[Value | None]) -> list[Any]:
    return [None if x is None else _regrouped(c, x, out.sizes) for out, x in zip(outs, found, strict=True)]


def _used(outs: Sequence[Out]) -> list[bool]:
    return [any(True for _ in out.operation.results[out.result].uses) for out in outs]


def _of_nothing(c: Context, outs: Sequence[Out]) -> list[Value]:
    """Return the factors of a stack without elements: no values, and identities as vectors."""

    def identity(x: ir.Value) -> ir.Value:
        return dif.select(triangle_mask(x, "eq"), splat(1, x), x)

    zeros = [c.splat(out.aval, 0, out.sizes) for out in outs]
    is_matrix = [out.aval.ndim == out.operands[0].aval.ndim for out in outs]
    return [composed(c, identity, x)[0] if mark else x for x, mark in zip(zeros, is_matrix, strict=True)]


@lowering(dif.qr)
def _qr(c: Context, outs: list[Out], x: Value, *, complete: bool) -> list[Any]:
    sizes, used = c.sizes(x), _used(outs)
    if 0 in sizes:
        return _of_nothing(c, outs)
    if c.vectors is None:
        return _unstacked(c, outs, composed_used(c, used, partial(householder, complete=complete), _stack(c, x)))
    columns = outs[0].sizes[-1] if used[0] else 0
    rows = outs[1].sizes[-2] if used[1] else 0
    if all(isinstance(s, int) and s > QR for s in sizes[-2:]):
        return _unstacked(c, outs, panelled_qr(c, _stack(c, x), columns, rows, c.vectors))
    x = _stack(c, x)
    batch, m, n = c.sizes(x)
    q, r, _ = call_qr(c, c.tensor(x), [batch, m, n, columns, rows], c.vectors)
    found = [Value.of(x.aval.dtype, q, [batch, m, columns]), Value.of(x.aval.dtype, r, [batch, rows, n])]
    return _unstacked(c, outs, [y if mark else None for y, mark in zip(found, used, strict=True)])


@lowering(dif.eigh)
def _eigh(c: Context, outs: list[Out], x: Value, *, lower: bool) -> list[Any]:
    if 0 in c.sizes(x):
        return _of_nothing(c, outs)
    if c.vectors is None:
        rows, *rest = composed(c, partial(programs.eigh_rows, lower=lower), _stack(c, x))
        (rows,) = composed(c, orthogonal_rows, rows)
        return _unstacked(c, outs, composed_used(c, _used(outs), programs.eigh_from_rows, rows, *rest))
    a, *rest = composed(c, partial(programs.eigh_prepared, lower=lower), _stack(c, x))
    found = composed(c, programs.eigh_finished, *rest, *_eigen(c, a, c.vectors, vectors=_used(outs)[1]))
    return _unstacked(c, outs, [*found, None][:2])


def _eigen(c: Context, x: Value, unit: VectorUnit, *, vectors: bool) -> list[Value]:
    """Return the eigenvalues of a stack of symmetric matrices, with elements of at most 1, and perhaps the vectors."""
    batch, n, _ = c.sizes(x)
    sizes = [batch, n, padded(c, n, str(element_of(c.tensor(x))), unit)]
    reduced = call_tridiagonal(c, c.tensor(x), sizes, unit)
    if not vectors:
        return [Value.of(x.aval.dtype, call_eigenvalues(c, reduced, sizes, unit), [batch, n])]
    values, found = call_eigenvectors(c, reduced, sizes, unit)
    return [Value.of(x.aval.dtype, values, [batch, n]), Value.of(x.aval.dtype, found, [batch, n, n])]


@lowering(dif.svd)
def _svd(c: Context, outs: list[Out], x: Value, *, full: bool) -> list[Any]:
    if 0 in c.sizes(x):
        return _of_nothing(c, outs)
    return _unstacked(c, outs, _svd_of_stack(c, _stack(c, x), full, _used(outs)))


def _svd_of_stack(c: Context, x: Value, full: bool, used: Sequence[bool]) -> list[Any]:
    _, m, n = c.sizes(x)
    if isinstance(m, int) and isinstance(n, int) and m < n:
        v, s, uh = _svd_of_stack(c, _transposed(c, x), full, used[::-1])
        return [_transposed(c, uh), s, _transposed(c, v)]
    if c.vectors is None:
        rows, turn, *rest = composed(c, programs.svd_rows, x)
        found = composed(c, orthogonal_rows, rows, *[turn] * used[0])
        return composed_used(c, used, partial(programs.svd_from_rows, full=full), *[*found, turn][:2], *rest)
    vectors = used[0] or used[2]
    a, scale, is_finite, *rest = composed(c, partial(programs.svd_prepared, vectors=vectors), x)
    found = _singular(c, a, c.vectors, vectors=vectors)
    return composed_used(c, used, partial(programs.svd_finished, full=full), *found, scale, is_finite, *rest)


def _singular(c: Context, x: Value, unit: VectorUnit, *, vectors: bool) -> list[Value]:
    """Return u, s, vh of a stack of square matrices with elements of at most 1; without `vectors`, x in their place."""
    batch, n, _ = c.sizes(x)
    line, square = [batch, n], [batch, n, n]
    sizes = [batch, n, padded(c, n, str(element_of(c.tensor(x))), unit)]
    reduced = call_bidiagonal(c, c.tensor(x), sizes, unit)
    if not vectors:
        return [x, Value.of(x.aval.dtype, call_singular_values(c, reduced, sizes, unit), line), x]
    found = call_singular_vectors(c, reduced, sizes, unit)
    return [Value.of(x.aval.dtype, y, shape) for y, shape in zip(found, (square, line, square), strict=True)]


def _transposed(c: Context, x: Value | None) -> Any:
    return None if x is None else composed(c, matrix_transpose, x)[0]


@lowering(dif.pinv)
def _pinv(c: Context, out: Out, x: Value, rtol: Value) -> Value:
    if 0 in c.sizes(x):
        return c.splat(out.aval, 0, out.sizes)
    factors = _svd_of_stack(c, _stack(c, x), False, [True] * 3)
    (found,) = composed(c, programs.pinv_from_svd, *factors, _stack(c, rtol, 0))
    return _regrouped(c, found, out.sizes)
