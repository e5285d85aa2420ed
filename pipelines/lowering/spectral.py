"""Orthogonal factorisations: programs of the dialect, of which only what is used is lowered.

The rotations that `eigh` and `svd` spend their time in are a kernel on the CPU, and a program elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval
from difc.dialects.matrices import matrix_transpose, splat, triangle_mask
from difc.dialects.mlir import ir
from difc.pipelines.lowering import spectral_programs as programs
from difc.pipelines.lowering.composition import composed, composed_used
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import Size
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.spectral_householder import householder, upper_rows
from difc.pipelines.lowering.spectral_jacobi import orthogonal_rows
from difc.pipelines.lowering.spectral_kernel import call_jacobi
from difc.pipelines.lowering.spectral_qr import call_qr
from difc.pipelines.lowering.values import Value
from difc.pipelines.target import VectorUnit

__all__ = ["QR"]

#: The most columns that `qr` reduces in one call of its kernel, where sizes are known.
QR = 384


def _array(dtype: np.dtype, base: ir.Value, sizes: Sequence[Size]) -> Value:
    return Value(Aval(tuple(s if isinstance(s, int) else dif.DYN for s in sizes), dtype), base=base, sizes=sizes)


def _regrouped(c: Context, x: Value, sizes: Sequence[Size]) -> Value:
    return _array(x.aval.dtype, regroup(c, c.tensor(x), c.sizes(x), sizes), sizes)


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
    if c.vectors is None or _columns(sizes) > QR:
        return _unstacked(c, outs, composed_used(c, used, partial(householder, complete=complete), _stack(c, x)))
    return _unstacked(c, outs, _small_qr(c, outs, _stack(c, x), used, complete, c.vectors))


def _columns(sizes: Sequence[Size]) -> int:
    """Return how many columns `qr` reduces, as far as known."""
    return min((s for s in sizes[-2:] if isinstance(s, int)), default=0)


def _small_qr(
    c: Context, outs: Sequence[Out], x: Value, used: Sequence[bool], complete: bool, unit: VectorUnit
) -> list[Value | None]:
    batch, m, n = c.sizes(x)
    columns = outs[0].sizes[-1] if used[0] else 0
    reduced, scales, _, q = call_qr(c, c.tensor(x), [batch, m, n, columns], unit)
    given = [_array(x.aval.dtype, reduced, [batch, m, n]), _array(x.aval.dtype, scales, [batch, n])]
    (r,) = composed_used(c, used[1:], partial(upper_rows, complete=complete), *given)
    return [_array(x.aval.dtype, q, [batch, m, columns]) if used[0] else None, r]


def _orthogonal(c: Context, arrays: Sequence[Value]) -> list[Value]:
    """Return stacks with their rows rotated alike, so that those of the first are orthogonal."""
    if c.vectors is None:
        return composed(c, orthogonal_rows, *arrays)
    sizes = [*c.sizes(arrays[0]), *(c.size(x, 2) for x in arrays[1:])]
    found = call_jacobi(c, [c.tensor(x) for x in arrays], sizes, c.vectors)
    return [Value(x.aval, base=y, sizes=c.sizes(x)) for x, y in zip(arrays, found, strict=True)]


@lowering(dif.eigh)
def _eigh(c: Context, outs: list[Out], x: Value, *, lower: bool) -> list[Any]:
    if 0 in c.sizes(x):
        return _of_nothing(c, outs)
    rows, *rest = composed(c, partial(programs.eigh_rows, lower=lower), _stack(c, x))
    (rows,) = _orthogonal(c, [rows])
    return _unstacked(c, outs, composed_used(c, _used(outs), programs.eigh_from_rows, rows, *rest))


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
    rows, turn, *rest = composed(c, programs.svd_rows, x)
    if used[0]:
        rows, turn = _orthogonal(c, [rows, turn])
    else:
        (rows,) = _orthogonal(c, [rows])
    return composed_used(c, used, partial(programs.svd_from_rows, full=full), rows, turn, *rest)


def _transposed(c: Context, x: Value | None) -> Any:
    return None if x is None else composed(c, matrix_transpose, x)[0]


@lowering(dif.pinv)
def _pinv(c: Context, out: Out, x: Value, rtol: Value) -> Value:
    if 0 in c.sizes(x):
        return c.splat(out.aval, 0, out.sizes)
    factors = _svd_of_stack(c, _stack(c, x), False, [True] * 3)
    (found,) = composed(c, programs.pinv_from_svd, *factors, _stack(c, rtol, 0))
    return _regrouped(c, found, out.sizes)
