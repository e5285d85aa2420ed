"""Products of matrices that are the same in a whole batch, and products of which only part of a batch is wanted.

Derivatives for each element of a batch have a copy of what they are taken in for each, which a product need not read;
and where elements make different numbers of steps, they select by element what a step adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.base import attributes_of
from difc.dialects.contraction import free_dims
from difc.dialects.matrices import sizes_of
from difc.dialects.mlir import ir
from difc.pipelines.operands import elements, is_number, producer

__all__ = ["is_copied", "product_of_chosen", "product_of_one"]


def is_copied(value: ir.Value, dims: Sequence[int]) -> bool:
    """Say whether a value is made by repeating an array along some of these dims, and along no other."""
    operation = producer(value, "dif.broadcast_in_dim")
    if operation is None:
        return False
    kept, shape = attributes_of(operation)["dimensions"], aval_of(value).shape
    added = free_dims(len(shape), kept)
    source = aval_of(operation.operands[0]).shape
    return bool(added) and set(added) <= set(dims) and source == tuple(shape[d] for d in kept)


def product_of_one(operands: Sequence[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    """Return a product with a batch of copies of one array as a product with that array, else None.

    Example: `dot_general(broadcast(w), x)` of f64[8, 4, 3] and f64[8, 3] is the transpose of that of w and x.
    """
    batch = [attributes["lhs_batch"], attributes["rhs_batch"]]
    contract = [attributes["lhs_contract"], attributes["rhs_contract"]]
    side = next((i for i in range(2) if is_copied(operands[i], batch[i])), None)
    if side is None:
        return None
    copies = operands[side].owner.operation
    kept = attributes_of(copies)["dimensions"]
    shared = [j for j, d in enumerate(batch[side]) if d in kept]

    # dims of operands by name, those of a batch by their pair: of both results in order, and of the new operands
    def names(i: int) -> list[Any]:
        pairs: dict[int, Any] = {d: j for j, d in enumerate(batch[i])}
        return [pairs.get(d, (i, d)) for d in range(aval_of(operands[i]).ndim)]

    def free(i: int, dims: Sequence[Any], bound: Sequence[int]) -> list[Any]:
        return [n for n in dims if n not in bound and n not in [(i, d) for d in contract[i]]]

    old = [names(0), names(1)]
    new = [list(dims) for dims in old]
    new[side] = [old[side][d] for d in kept]
    given = list(operands)
    given[side] = copies.operands[0]
    found = dif.dot_general(
        *given,
        lhs_batch=[new[0].index(j) for j in shared],
        rhs_batch=[new[1].index(j) for j in shared],
        lhs_contract=[new[0].index((0, d)) for d in contract[0]],
        rhs_contract=[new[1].index((1, d)) for d in contract[1]],
    )
    every = range(len(batch[0]))
    wanted = [*every, *free(0, old[0], every), *free(1, old[1], every)]
    have = [*shared, *free(0, new[0], shared), *free(1, new[1], shared)]
    return dif.transpose(found, permutation=[have.index(n) for n in wanted])


def product_of_chosen(pred: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value | None:
    """Return a product, or zeros, chosen for each element of its batch, as the product of chosen operands.

    None for any other selection, and where the operands are not smaller than the product.
    """
    product, repeated = producer(on_true, "dif.dot_general"), producer(pred, "dif.broadcast_in_dim")
    if product is None or repeated is None or not is_number(on_false, 0):
        return None
    attributes, dims = attributes_of(product), attributes_of(repeated)["dimensions"]
    mask, operands = repeated.operands[0], list(product.operands)
    is_of_batch = all(d < len(attributes["lhs_batch"]) for d in dims)
    if not is_of_batch or sum(elements(aval_of(x)) for x in operands) >= elements(aval_of(on_true)):
        return None

    def chosen(x: ir.Value, batch: Sequence[int]) -> ir.Value:
        # in both operands: 0 times infinity is no zero
        sizes = sizes_of(x)
        where = dif.broadcast_in_dim(mask, shape=sizes, dimensions=[batch[d] for d in dims])
        return dif.select(where, x, dif.zeros(shape=sizes, dtype=aval_of(x).dtype))

    batches = attributes["lhs_batch"], attributes["rhs_batch"]
    return dif.dot_general(*(chosen(x, b) for x, b in zip(operands, batches, strict=True)), **attributes)
