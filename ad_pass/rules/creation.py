"""Derivatives (none) and batching of the ops that make arrays from nothing.

Their only operands are sizes, or, for `dim`, an array of which only the shape counts.
"""

from __future__ import annotations

from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import BATCH, Node, defbatch, defzero
from difc.ad_pass.rules._common import refuse_mapped_sizes
from difc.dialects import OpDef
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size

__all__: list[str] = []

defzero(dif.constant, because="it depends on no input")
defzero(dif.zeros, dif.iota, dif.dim, because="it depends on shapes alone")


def _refuse(opdef: OpDef) -> None:
    def rule(size: Size, batched: list[bool], *sizes: ir.Value, **attributes: Any) -> ir.Value:
        refuse_mapped_sizes(opdef.__name__, batched)

    defbatch(opdef, rule)


for _op in (dif.zeros, dif.iota):
    _refuse(_op)


def _dim_batch(
    node: Node, size: Size, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    # All lanes have one shape, so the size is not mapped.
    return [dif.dim(operands[0], dimension=node.attributes["dimension"] + 1)], [False]


BATCH[dif.dim.name] = _dim_batch
