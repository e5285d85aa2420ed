"""Arrays that take little to compute from much smaller ones, as the differences of all pairs of points, on CPUs.

IREE (3.13) stores what more than one kernel reads. The differences that a distance and its derivative are made of are
as many times larger than the points as there are points, and to store and read them takes longer than to compute them
again: the gradient of a Gaussian process's likelihood (1000 points) takes an eighth less time.

Works on the modules that `lower.py` makes, in place; of other modules it knows nothing.
"""

from __future__ import annotations

import math

from difc.dialects.mlir import ir
from difc.pipelines.upstream import blocks_of, is_array, nested, rename

__all__ = ["recompute_pairs"]

_GENERIC = "linalg.generic"
_CHEAP = frozenset(
    f"arith.{name}" for name in ("addf", "subf", "mulf", "negf", "maximumf", "minimumf", "cmpf", "select")
)
#: The array has at least so many elements, and so many times as many as those that it is computed from, by at most so
#: many operations.
_LEAST, _TIMES, _MOST_OPERATIONS = 1 << 16, 8, 3


def recompute_pairs(block: ir.Block) -> None:
    """Let each operation of a function that reads such an array have one of its own, which is fused with it.

    Before and after:

        %d = linalg.generic { subf } ins(%x, %y)
        %s = linalg.generic ins(%d)
        %t = linalg.generic ins(%d, %s)

        %d = linalg.generic { subf } ins(%x, %y)
        %s = linalg.generic ins(%d)
        %e = linalg.generic { subf } ins(%y, %x)
        %t = linalg.generic ins(%e, %s)
    """
    operations = [op.operation for op in block.operations]
    place = {op: i for i, op in enumerate(operations)}
    for op in operations:
        if not _is_pairs(op):
            continue
        users = {use.owner.operation for use in op.results[0].uses}
        if not all(user in place and user.name == _GENERIC for user in users):
            continue
        for turn, user in enumerate(sorted(users, key=place.__getitem__)[1:], start=1):
            rename([user], {op.results[0]: _turned(op, turn, user)})


def _turned(op: ir.Operation, turn: int, before: ir.Operation) -> ir.Value:
    """Return what an operation computes, by one that has its inputs in another order: IREE makes one of equal ones."""
    with ir.InsertionPoint(before):
        copy = op.clone().operation
    operands, maps = list(op.operands), list(op.attributes["indexing_maps"])
    count = len(operands) - 1
    order = [(i + turn) % count for i in range(count)]
    for i, j in enumerate(order):
        copy.operands[i] = operands[j]
    copy.attributes["indexing_maps"] = ir.ArrayAttr.get([*(maps[j] for j in order), maps[count]])
    arguments = list(blocks_of(copy)[0].arguments)
    rename(nested(copy), {arguments[j]: arguments[i] for i, j in enumerate(order)})
    return copy.results[0]


def _is_pairs(op: ir.Operation) -> bool:
    """Say whether an operation makes such an array, of a known size."""
    if op.name != _GENERIC or len(op.results) != 1 or not op.results[0].type.has_static_shape:
        return False
    if any("parallel" not in str(kind) for kind in op.attributes["iterator_types"]):
        return False
    given = [v.type for v in list(op.operands)[:-1]]
    size = math.prod(op.results[0].type.shape)
    if len(given) < 2 or not all(is_array(v) and v.type.has_static_shape for v in op.operands):
        return False
    if len({t.element_type for t in given}) > 1:
        return False
    steps = [child.name for child in nested(op)][:-1]
    is_cheap = len(steps) <= _MOST_OPERATIONS and _CHEAP.issuperset(steps)
    return is_cheap and size >= max(_LEAST, _TIMES * sum(math.prod(t.shape) for t in given))
