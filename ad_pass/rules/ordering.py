"""Rules of sorting and searching: positions have no derivative; what is gathered by them has."""

from __future__ import annotations

from difc import dialects as dif
from difc.ad_pass.registry import defbatch, defzero
from difc.ad_pass.rules._common import mapped, move_dim
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size

__all__: list[str] = []

defzero(dif.argsort, dif.searchsorted, because="its result is not a real number")

defbatch(dif.argsort, lambda size, batched, x, axis: dif.argsort(x, axis=axis + 1))


def _searchsorted_batch(
    size: Size, batched: list[bool], table: ir.Value, values: ir.Value, *, batch: int, side: str
) -> ir.Value:
    if batched[0]:
        return dif.searchsorted(table, mapped(values, size, batched[1]), batch=batch + 1, side=side)
    # The mapped axis becomes the first dim of the points, so that the table need not be repeated.
    found = dif.searchsorted(table, move_dim(values, 0, batch), batch=batch, side=side)
    return move_dim(found, batch, 0)


defbatch(dif.searchsorted, _searchsorted_batch)
