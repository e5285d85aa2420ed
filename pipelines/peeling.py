"""Loops of reductions, with the last step apart where it is shorter, because IREE masks all steps instead.

Of a reduction IREE (3.13) makes loops over tiles, which become vectors. Where a size is no multiple of its tile's, all
tiles are masked on x86 as they are read, combined and written, and that takes two to three times as long. The other
way that IREE knows is to peel the last step off such a loop, so that the others need no masks. There it is the way for
named operations only, not for `linalg.generic`.

Works on a module after IREE's phase that configures kernels. Imports no MLIR but IREE's.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["peel_reductions"]

_CHOICE, _TILES, _GENERIC = "translation_info", "lowering_config", "linalg.generic"
_MASKED = "#iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<DoubleTilingExpert>>"
_PEELED = "#iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<DoubleTilingExpert>, {enable_loop_peeling}>"
#: The tiles of a level, one for each loop; 0 leaves the loop alone.
_LEVEL = re.compile(r"\[([\d, ]+)\]")


def peel_reductions(module: Any) -> None:
    """Let kernels with a reduction peel their loops, if its tiles do not fit. (To peel transpositions costs time.)"""
    from iree.compiler import ir

    masked, peeled = ir.Attribute.parse(_MASKED), ir.Attribute.parse(_PEELED)
    kernel = None

    def visit(op: Any) -> Any:
        nonlocal kernel
        if op.name == "func.func":
            kernel = op if _CHOICE in op.attributes and op.attributes[_CHOICE] == masked else None
            return ir.WalkResult.SKIP if kernel is None else ir.WalkResult.ADVANCE
        if op.name == _GENERIC and kernel is not None and _is_reduction(op) and not _tiles_fit(op):
            kernel.attributes[_CHOICE] = peeled
        return ir.WalkResult.SKIP if op.name in (_GENERIC, "util.func") else ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)


def _is_reduction(op: Any) -> bool:
    return _TILES in op.attributes and "reduction" in str(op.attributes["iterator_types"])


def _tiles_fit(op: Any) -> bool:
    """Say whether each loop of a generic has a whole number of tiles, as far as is known."""
    sizes = _loop_sizes(op)
    for level in _LEVEL.findall(str(op.attributes[_TILES])):
        for loop, tile in enumerate(map(int, level.split(","))):
            if tile and sizes[loop] % tile:
                return False
            sizes[loop] = tile or sizes[loop]  # the tiles of the next level are within one of this
    return True


def _loop_sizes(op: Any) -> list[int]:
    """Return the sizes of a generic's loops; that of a run-time size is one, which no vector fits."""
    from iree.compiler import ir

    sizes = [1] * len(op.attributes["iterator_types"])
    for operand, by in zip(op.operands, op.attributes["indexing_maps"], strict=True):
        for dimension, loop in enumerate(by.value.results):
            if isinstance(loop, ir.AffineDimExpr) and not operand.type.is_dynamic_dim(dimension):
                sizes[loop.position] = operand.type.get_dim_size(dimension)
    return sizes
