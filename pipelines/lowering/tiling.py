"""Which contractions are worth laying out in tiles: a hint on each, which IREE's data tiling follows.

Once some op has the hint, IREE leaves all others alone. Tiling pays for large matmuls; for small ones packing costs
more than it gains (and each costs some 50 ms of compile time), and within a loop on the host operands would be packed
in every step.
"""

from __future__ import annotations

import math
from typing import Any

from difc.dialects.mlir import ir

__all__ = ["HINT", "hint_tiling"]

HINT = "iree.opt.data_tiling"
SMALLEST_SIDE = 32
SMALLEST_WORK = 2**21  # multiplications


def hint_tiling(module: ir.Module) -> None:
    """Mark the float32 contractions of the functions' own blocks that are large, in a module of upstream dialects."""
    for function in module.body.operations:
        for operation in function.regions[0].blocks[0].operations:
            if operation.operation.name == "linalg.generic" and _is_large_contraction(operation.operation):
                operation.operation.attributes[HINT] = ir.UnitAttr.get()


def _is_large_contraction(operation: Any) -> bool:
    types = [v.type for v in operation.operands]
    body = operation.regions[0].blocks[0].operations
    if len(types) != 3 or len(body) != 3 or [op.operation.name for op in body][:2] != ["arith.mulf", "arith.addf"]:
        return False
    if str(types[2].element_type) != "f32" or any(t.is_dynamic_dim(d) for t in types for d in range(t.rank)):
        return False
    x, y, z = (math.prod(t.shape) for t in types)
    if not z or types[2].rank < 2 or min(types[2].shape[-2:]) < SMALLEST_SIDE:
        return False
    contracted = math.isqrt(x * y // z)  # of a plain matmul [m, k] x [k, n] -> [m, n]
    return contracted >= SMALLEST_SIDE and z * contracted >= SMALLEST_WORK
