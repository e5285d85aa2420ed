"""Reshapes as `collapse_shape` and `expand_shape` over the finest groups of dims that can be told apart.

Fine groups let IREE move a reshape past neighbouring ops. Sizes known at run time only are compared by the values they
are products of. Where no grouping is found, everything is one group, which is right for any reshape.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of, tensor_type_of
from difc.pipelines.lowering.tensors import TensorEmitter, maker_of

__all__ = ["regroup"]


class _Product:
    """A product of sizes: a number times a multiset of run-time values."""

    def __init__(self, number: int = 1, values: Counter[Any] | None = None) -> None:
        self.number, self.values = number, values or Counter()

    def times(self, other: _Product) -> _Product:
        return _Product(self.number * other.number, self.values + other.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Product) and (self.number, self.values) == (other.number, other.values)

    def is_behind(self, other: _Product) -> bool:
        """Say whether more sizes must be multiplied in here to reach `other`."""
        if self.values != other.values:
            return self.values <= other.values
        return self.number < other.number


def _factors(c: TensorEmitter, size: Size) -> _Product:
    """Take a size apart into the values it was multiplied from."""
    if isinstance(size, int):
        return _Product(size)
    if (number := c.number(size)) is not None:
        return _Product(int(number))
    if not isinstance(size.owner, ir.Block):
        producer = size.owner.operation
        operands = list(producer.operands)
        if producer.name == "arith.index_cast":
            return _factors(c, operands[0])
        if producer.name == "arith.muli":
            return _factors(c, operands[0]).times(_factors(c, operands[1]))
        if producer.name == "tensor.dim":
            return _Product(1, Counter({(operands[0], c.number(operands[1])): 1}))
    return _Product(1, Counter({size: 1}))


def _groups(c: TensorEmitter, before: Sequence[Size], after: Sequence[Size]) -> list[tuple[list[int], list[int]]]:
    """Pair up the smallest runs of dims of both shapes that have equal products; else give one pair of all dims."""
    factors = [_factors(c, s) for s in before], [_factors(c, s) for s in after]
    pairs: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        first, second = factors[0][i], factors[1][j]
        pair = [i], [j]
        i, j = i + 1, j + 1
        while first != second:
            if first.is_behind(second) and i < len(before):
                first, i = first.times(factors[0][i]), i + 1
                pair[0].append(i - 1)
            elif second.is_behind(first) and j < len(after):
                second, j = second.times(factors[1][j]), j + 1
                pair[1].append(j - 1)
            else:
                return [(list(range(len(before))), list(range(len(after))))]
        pairs.append(pair)
    rest_before, rest_after = range(i, len(before)), range(j, len(after))
    if any(before[d] != 1 for d in rest_before) or any(after[d] != 1 for d in rest_after):
        return [(list(range(len(before))), list(range(len(after))))]
    if pairs:
        pairs[-1][0].extend(rest_before)
        pairs[-1][1].extend(rest_after)
    return pairs


def _element_of_wider(c: TensorEmitter, x: ir.Value, after: Sequence[Size]) -> ir.Value | None:
    """Return `x` with sizes `after`, if it is an element taken of an array of fewer dims, else None.

    IREE (3.13) would make one slice of taking the element and of giving it more dims than the array has. It then ends
    with an error, or crashes. So the array gets these dims before the element is taken.
    """
    taken = maker_of(x)
    if taken is None or taken.name != "tensor.extract_slice" or set(taken.attributes["static_sizes"]) != {1}:
        return None
    array = taken.operands[0]
    rank, dims = array.type.rank, len(after)
    if not 0 < rank < dims:
        return None
    groups = [*([d] for d in range(rank - 1)), list(range(rank - 1, dims))]
    wide = c.expand(array, groups, [*c.sizes_of(array), *[1] * (dims - rank)])
    dynamic = iter(taken.operands[1:])  # of the offsets: no other is known at run time only
    offsets = [next(dynamic) if ir.ShapedType.is_dynamic_size(o) else o for o in taken.attributes["static_offsets"]]
    return c.extract_slice(wide, [*offsets, *[0] * (dims - rank)], [1] * dims, [1] * dims)


def regroup(c: TensorEmitter, x: ir.Value, before: Sequence[Size], after: Sequence[Size]) -> ir.Value:
    """Return a tensor of sizes `before` with sizes `after`."""
    if 0 in after:
        return c.empty(after, element_of(x))
    if (element := _element_of_wider(c, x, after)) is not None:
        return element
    if not before or not after:  # one element: no dims to pair up
        return c.expand(c.collapse(x, []), [], after)
    pairs = _groups(c, before, after)
    x = c.collapse(x, [dims for dims, _ in pairs])
    wanted = [
        math.prod(after[d] for d in dims) if all(isinstance(after[d], int) for d in dims) else None for _, dims in pairs
    ]
    known = [
        w if w is not None else None if x.type.is_dynamic_dim(i) else x.type.get_dim_size(i)
        for i, w in enumerate(wanted)
    ]
    x = c.cast(x, tensor_type_of(known, element_of(x)))
    return c.expand(x, [dims for _, dims in pairs], after)
