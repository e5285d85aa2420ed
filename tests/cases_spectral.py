"""Rows of the case table for orthogonal factorisations: functions that do not depend on the signs of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.matrices import matmul, sizes_of, splat, triangle_mask
from difc.dialects.mlir import ir
from tests.case import Case, Input

__all__ = ["factorisations"]

DTYPES = ("f32", "f64")


def _separated(x: ir.Value) -> ir.Value:
    """Return a matrix near diag(1, 2, 3, ...): of full rank, and with values that are not close to each other."""
    rank = aval_of(x).ndim
    number = dif.iota(shape=tuple(sizes_of(x)), dtype=aval_of(x).dtype, dimension=rank - 2)
    diagonal = dif.select(triangle_mask(x, "eq"), dif.add(number, splat(1, x)), splat(0, x))
    return dif.add(diagonal, dif.mul(x, splat(0.1, x)))


def _times_columns(x: ir.Value, factors: ir.Value) -> ir.Value:
    rank = aval_of(x).ndim
    return dif.mul(x, dif.broadcast_in_dim(factors, shape=tuple(sizes_of(x)), dimensions=(*range(rank - 2), rank - 1)))


def _qr(x: ir.Value, complete: bool) -> ir.Value:
    q, r = dif.qr(_separated(x), complete=complete)
    return matmul(q, dif.mul(r, r)) if not complete else dif.sin(r)


def _eigh(x: ir.Value) -> ir.Value:
    w, v = dif.eigh(_separated(x), lower=True)
    return _times_columns(dif.mul(v, v), dif.exp(dif.neg(w)))


def _svd(x: ir.Value) -> ir.Value:
    u, s, vh = dif.svd(_separated(x), full=False)
    rank = aval_of(x).ndim
    number = dif.iota(shape=tuple(sizes_of(vh)), dtype=aval_of(x).dtype, dimension=rank - 1)
    right = dif.reduce_sum(dif.mul(dif.mul(vh, vh), number), axes=(rank - 1,))
    return _times_columns(dif.mul(u, u), dif.add(s, right))


def factorisations() -> Iterator[Case]:
    """Return the rows."""
    for name, fn, shape in (
        ("qr", partial(_qr, complete=False), (2, 4, 3)),
        ("qr_complete", partial(_qr, complete=True), (4, 3)),
        ("eigh", _eigh, (2, 3, 3)),
        ("svd", _svd, (2, 4, 3)),
    ):
        yield Case(name, f"dif.{name.partition('_')[0]}", fn, (Input(shape),), DTYPES, dynamic="_" not in name)
    inputs = (Input((2, 4, 3)), Input((2,), low=1e-3, high=1e-2))
    yield Case("pinv", "dif.pinv", lambda x, rtol: dif.pinv(_separated(x), rtol), inputs, DTYPES)
