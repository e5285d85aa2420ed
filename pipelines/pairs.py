"""Arrays that take little to compute from much smaller ones, as the differences of all pairs of points, on CPUs.

IREE (3.13) stores what more than one kernel reads. The differences that a distance and its derivative are made of are
as many times larger than the points as there are points, and to store and read them takes longer than to compute them
again: the gradient of a Gaussian process's likelihood (1000 points) takes a sixth less time.

Works on the modules that `lower.py` makes, in place; of other modules it knows nothing.
"""

from __future__ import annotations

import math

from difc.dialects.mlir import ir
from difc.pipelines.upstream import is_array, nested, rename

__all__ = ["recompute_pairs"]

_GENERIC = "linalg.generic"
_CHEAP = frozenset(
    f"arith.{name}" for name in ("addf", "subf", "mulf", "negf", "maximumf", "minimumf", "cmpf", "select")
)
#: The array has at least so many elements, and so many times as many as those that it is computed from, by at most so
#: many operations.
_LEAST, _TIMES, _MOST_OPERATIONS = 1 << 16, 2, 8


def recompute_pairs(block: ir.Block) -> None:
    """Let each operation of a function that reads such an array have one of its own, which is fused with it.

    Before and after:

        %d = linalg.generic { subf } ins(%x, %y)
        %s = linalg.generic ins(%d)
        %t = linalg.generic ins(%d, %s)

        %d = linalg.generic { subf } ins(%x, %y)
        %s = linalg.generic ins(%d)
        %e = linalg.generic { subf } ins(%x, %y)
        %t = linalg.generic ins(%e, %s)
    """
    # From the last: what a copy reads has one more user when its turn comes, and so a copy for it.
    for op in reversed([op.operation for op in block.operations]):
        users = list(dict.fromkeys(use.owner.operation for use in op.results[0].uses)) if _is_pairs(op) else []
        if any(user.name != _GENERIC or user.block != block for user in users):
            continue
        for turn, user in enumerate(users[1:], start=1):
            with ir.InsertionPoint(user):
                copy = op.clone().operation
            # IREE makes one of equal operations.
            copy.attributes["difc.copy"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), turn)
            rename([user], {op.results[0]: copy.results[0]})


def _is_pairs(op: ir.Operation) -> bool:
    """Say whether an operation makes such an array, of a known size, with others that IREE fuses with it."""
    if (operations := _steps(op)) is None:
        return False
    size, makers, given, pending = math.prod(op.results[0].type.shape), {op}, set(), list(op.operands)[:-1]
    while pending:
        value = pending.pop()
        maker = None if isinstance(value.owner, ir.Block) else value.owner.operation
        if maker is None or math.prod(value.type.shape) < size or (steps := _steps(maker)) is None:
            given.add(value)
        elif maker not in makers:
            makers.add(maker)
            operations += steps
            pending += list(maker.operands)[:-1]
    least = max(_LEAST, _TIMES * sum(math.prod(v.type.shape) for v in given))
    return bool(given) and operations <= _MOST_OPERATIONS and size >= least


def _steps(op: ir.Operation) -> int | None:
    """Return how many cheap operations make an element of an array of a known size; None of another operation."""
    if op.name != _GENERIC or len(op.results) != 1:
        return None
    if not all(is_array(v) and v.type.has_static_shape for v in op.operands):
        return None
    if any("parallel" not in str(kind) for kind in op.attributes["iterator_types"]):
        return None
    steps = [child.name for child in nested(op)][:-1]
    return len(steps) if _CHEAP.issuperset(steps) else None
