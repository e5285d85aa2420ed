"""Derivatives and batching of `dot_general`: both are again one `dot_general`, with dims permuted where needed."""

from __future__ import annotations

from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import defbatch, defbilinear
from difc.ad_pass.rules._common import inverse, move_dim, permuted, shifted
from difc.dialects import aval_of, free_dims
from difc.dialects.base import Ints
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size

__all__: list[str] = []


def _dot_transpose_lhs(
    ct: ir.Value, x: Any, y: ir.Value, *, lhs_batch: Ints, rhs_batch: Ints, lhs_contract: Ints, rhs_contract: Ints
) -> ir.Value:
    """ct: batch, x free, y free; contracting y free leaves batch, x free, contracted: sort these as in x."""
    batch = len(lhs_batch)
    x_free = free_dims(x.aval.ndim, lhs_batch, lhs_contract)
    y_free = free_dims(aval_of(y).ndim, rhs_batch, rhs_contract)
    found = dif.dot_general(
        ct,
        y,
        lhs_batch=tuple(range(batch)),
        rhs_batch=rhs_batch,
        lhs_contract=tuple(range(batch + len(x_free), batch + len(x_free) + len(y_free))),
        rhs_contract=y_free,
    )
    contracted = [lhs_contract[i] for i in inverse(rhs_contract)]
    return permuted(found, inverse([*lhs_batch, *x_free, *contracted]))


def _dot_transpose_rhs(
    ct: ir.Value, x: ir.Value, y: Any, *, lhs_batch: Ints, rhs_batch: Ints, lhs_contract: Ints, rhs_contract: Ints
) -> ir.Value:
    """ct: batch, x free, y free; contracting x free leaves batch, contracted, y free: sort these as in y."""
    batch = len(lhs_batch)
    x_free = free_dims(aval_of(x).ndim, lhs_batch, lhs_contract)
    y_free = free_dims(y.aval.ndim, rhs_batch, rhs_contract)
    found = dif.dot_general(
        x,
        ct,
        lhs_batch=lhs_batch,
        rhs_batch=tuple(range(batch)),
        lhs_contract=x_free,
        rhs_contract=tuple(range(batch, batch + len(x_free))),
    )
    contracted = [rhs_contract[i] for i in inverse(lhs_contract)]
    return permuted(found, inverse([*rhs_batch, *contracted, *y_free]))


defbilinear(dif.dot_general, lhs=_dot_transpose_lhs, rhs=_dot_transpose_rhs)


def _dot_batch(
    size: Size,
    batched: list[bool],
    x: ir.Value,
    y: ir.Value,
    *,
    lhs_batch: Ints,
    rhs_batch: Ints,
    lhs_contract: Ints,
    rhs_contract: Ints,
) -> ir.Value:
    """Two mapped sides: one more batch dim. One: its first free dim, so that a mapped matvec is one matmul."""
    both = all(batched)
    if batched[0]:
        lhs_batch, lhs_contract = shifted(lhs_batch), shifted(lhs_contract)
    if batched[1]:
        rhs_batch, rhs_contract = shifted(rhs_batch), shifted(rhs_contract)
    place = 0 if both else len(lhs_batch)
    if not both and batched[1]:
        place += len(free_dims(aval_of(x).ndim, lhs_batch, lhs_contract))
    found = dif.dot_general(
        x,
        y,
        lhs_batch=(0, *lhs_batch) if both else lhs_batch,
        rhs_batch=(0, *rhs_batch) if both else rhs_batch,
        lhs_contract=lhs_contract,
        rhs_contract=rhs_contract,
    )
    return move_dim(found, place, 0)


defbatch(dif.dot_general, _dot_batch)
