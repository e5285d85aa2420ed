"""The tiles of reductions on CPUs, where sizes are no multiples of a vector's.

IREE (3.13) makes loops over tiles of a reduction; the tiles become vectors. It has two habits that cost time:

- On x86 all tiles are masked, as they are read, combined and written, if a size is no multiple of its tile's. The other
  way that it knows is to peel the last step off such a loop, so that the others need no masks, which takes a third to a
  half of the time. There it is the way for named operations only, not for `linalg.generic`.
- Workgroups get equal shares of the results, so the number of these is divided by what divides it. Of a reduction of
  columns, whose results should be vectors, that is one column of 101, or 25 of 1000. Shares of some vectors, except
  for the last one, take a tenth to two thirds of the time.

Works on a module after IREE's phase that configures kernels. Imports no MLIR but IREE's.
"""

from __future__ import annotations

import math
import re
from typing import Any

from difc.pipelines.operations import is_reduction

__all__ = ["fit_tiles"]

_CHOICE, _TILES, _GENERIC = "translation_info", "lowering_config", "linalg.generic"
_MASKED = "#iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<DoubleTilingExpert>>"
_PEELED = "#iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<DoubleTilingExpert>, {enable_loop_peeling}>"
_LEVEL = re.compile(r"(\w+) = \[([\d, ]+)\]")
#: Levels of tiles: what a workgroup does, which only the root of a kernel has; of that, what it does at a time, for
#: contractions; of that, the vectors.
_SHARE, _CACHE, _VECTOR, _TERMS = "distribution", "cache_parallel", "vector_common_parallel", "vector_reduction"
#: A workgroup has at most so many vectors of columns, if IREE gives it no more.
_MOST_VECTORS = 5
#: Vectors of columns that are reduced together, if all columns are such groups: what lies side by side is read at once,
#: and none waits for the sum of the one before. (4096 x 1024: a third of the time.)
_TOGETHER = 8
#: Vectors that an op may have in all: IREE fails on an op that has as many, counted over its tiles of all loops.
_TOO_MANY = 512


def fit_tiles(module: Any, vector_bytes: int) -> None:
    """Set the tiles of reductions anew where they do not fit. (To peel a transposition takes longer than to mask it.)

    Args:
      module: what is changed.
      vector_bytes: the bytes of the processor's vectors.
    """
    from iree.compiler import ir

    masked, peeled = ir.Attribute.parse(_MASKED), ir.Attribute.parse(_PEELED)
    kernel: Any = None

    def visit(op: Any) -> Any:
        nonlocal kernel
        if op.name == "func.func":
            kernel = op if op.attributes.get(_CHOICE) in (masked, peeled) else None
            return ir.WalkResult.SKIP if kernel is None else ir.WalkResult.ADVANCE
        if is_reduction(op) and (tiles := _tiles_of(op)):
            if _widen_columns(op, tiles, vector_bytes):
                op.attributes[_TILES] = _config(tiles)
            if not _do_fit(tiles, _loop_sizes(op)):
                kernel.attributes[_CHOICE] = peeled
        return ir.WalkResult.SKIP if op.name in (_GENERIC, "util.func") else ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)


def _tiles_of(op: Any) -> dict[str, list[int]]:
    """Return the tiles of an op by level: none where some are not numbers, as scalable ones, which stay as they are."""
    declared = op.attributes.get(_TILES)
    tiles = {level: [int(n) for n in ns.split(",")] for level, ns in _LEVEL.findall(str(declared))}
    return tiles if tiles and _config(tiles) == declared else {}


def _config(tiles: dict[str, list[int]]) -> Any:
    from iree.compiler import ir

    levels = ", ".join(f"{level} = {numbers}" for level, numbers in tiles.items())
    return ir.Attribute.parse(f"#iree_cpu.lowering_config<{levels}>")


def _do_fit(tiles: dict[str, list[int]], sizes: list[int]) -> bool:
    """Say whether each loop has a whole number of tiles, as far as is known."""
    for level in tiles.values():
        for loop, tile in enumerate(level):
            if tile and sizes[loop] % tile:
                return False
        sizes = [tile or size for tile, size in zip(level, sizes, strict=True)]  # the next level is within this one
    return True


def _loop_sizes(op: Any) -> list[int]:
    """Return the sizes of a generic's loops; that of a run-time size is one, which no vector fits."""
    sizes = [1] * len(op.attributes["iterator_types"])
    for operand, loops in zip(op.operands, _loops_of_operands(op), strict=True):
        for dimension, loop in enumerate(loops):
            if loop is not None and not operand.type.is_dynamic_dim(dimension):
                sizes[loop] = operand.type.get_dim_size(dimension)
    return sizes


def _loops_of_operands(op: Any) -> list[list[int | None]]:
    """Return which loop alone runs along each dim, if one does, for each operand of a generic."""
    from iree.compiler import ir

    def loop(expression: Any) -> int | None:
        return expression.position if isinstance(expression, ir.AffineDimExpr) else None

    return [[loop(expression) for expression in by.value.results] for by in op.attributes["indexing_maps"]]


def _widen_columns(op: Any, tiles: dict[str, list[int]], vector_bytes: int) -> bool:
    """Let the root of a kernel that reduces columns take whole vectors of them; return whether that changes its tiles.

    The tiles of what is fused with the root follow from its own, whatever they are declared to be.
    """
    *_, result = of_operands = _loops_of_operands(op)
    loop = max(of_operands, key=len)[-1] if result else None
    if loop is None or loop != result[-1] or not {_SHARE, _VECTOR} <= tiles.keys():
        return False
    sizes = _loop_sizes(op)
    lanes = max(vector_bytes // max(map(_bytes, op.operands)), 1)
    if sizes[loop] == 1:
        return False
    tile = lanes * (1 if sizes[loop] % lanes else math.gcd(sizes[loop] // lanes, _group(tiles, loop)))
    if tiles[_VECTOR][loop] >= tile and _do_fit(tiles, sizes):
        return False
    workgroups = -(-sizes[loop] // max(_MOST_VECTORS * lanes // tile * tile, tile))
    share = max(tiles[_SHARE][loop], -(-sizes[loop] // workgroups))
    whole = -(-share // tile) * tile
    for level, size in ((_SHARE, whole), (_CACHE, whole), (_VECTOR, tile)):
        if level in tiles:
            tiles[level][loop] = size
    return True


def _group(tiles: dict[str, list[int]], loop: int) -> int:
    """Return how many vectors along a loop may be one tile, a power of 2, next to the tiles of other loops."""
    others = math.prod(n for name in (_VECTOR, _TERMS) for i, n in enumerate(tiles.get(name, [])) if n and i != loop)
    group = _TOGETHER
    while group > 1 and group * others >= _TOO_MANY:
        group //= 2
    return group


def _bytes(operand: Any) -> int:
    """Return the bytes of an element, or of a scalar."""
    element = getattr(operand.type, "element_type", operand.type)
    return max(getattr(element, "width", 64) // 8, 1)
