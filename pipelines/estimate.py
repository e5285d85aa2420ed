"""How much work a module does per call, to choose the CPU driver: threads pay only for enough of it.

Calling through local-task costs some 10 to 20 us more than local-sync, and a dispatch several us more; so small
functions and loops of small steps run on local-sync.
"""

from __future__ import annotations

import math
from typing import Any

from difc.dialects import Aval, aval_of, functions_of
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir

__all__ = ["estimate_driver", "estimate_work"]

RUN_TIME_SIZE = 128  # what a dim counts that is known only at run time
FLOPS_PER_US = 2e4  # of one core, in a contraction
ELEMENTS_PER_US = 5e2  # of one core, elementwise
# of factorisations and solves: floating-point operations for each element of the result and row of the matrix
_FACTOR_WORK = {
    "dif.cholesky": 1 / 3,
    "dif.cholesky_cotangent": 1.0,
    "dif.cholesky_tangent": 4.0,
    "dif.lu": 2 / 3,
    "dif.lu_solve": 2.0,
    "dif.triangular_solve": 1.0,
}
SYNC_DISPATCH_US, TASK_DISPATCH_US, TASK_CALL_US = 1.0, 4.0, 15.0


def _elements(aval: Aval) -> float:
    return math.prod(d if isinstance(d, int) else RUN_TIME_SIZE for d in aval.shape)


def estimate_work(block: ir.Block) -> tuple[float, float]:
    """Return the time that a block takes on one core, in microseconds, and how many dispatches it makes, roughly.

    Elementwise ops count as fused into what follows.
    """
    time, dispatches = 0.0, 0.0
    for operation in block.operations:
        operation = operation.operation
        name = operation.name
        if name == "fun.scan":
            attributes = attributes_of(operation)
            trips = attributes["length"] if attributes["length"] >= 0 else RUN_TIME_SIZE
            inner = estimate_work(operation.regions[0].blocks[0])
            time, dispatches = time + trips * inner[0], dispatches + trips * (inner[1] + 1)
        elif name == "fun.cond":
            for region in operation.regions:
                inner = estimate_work(region.blocks[0])
                time, dispatches = time + inner[0] / 2, dispatches + inner[1] / 2
        elif name == "dif.dot_general":
            time += _contraction(operation) / FLOPS_PER_US
            dispatches += 1
        elif name == "dif.conv":
            time += _convolution(operation) / FLOPS_PER_US
            dispatches += 1
        elif name in _FACTOR_WORK:
            aval = aval_of(operation.results[0])
            work = _elements(aval) * aval_of(operation.operands[0]).dtype.itemsize / 4
            time += (
                _FACTOR_WORK[name]
                * work
                * _elements(Aval(aval_of(operation.operands[0]).shape[-1:], aval.dtype))
                / FLOPS_PER_US
            )
            dispatches += 3
        elif name.startswith("dif."):
            time += max((_elements(aval_of(v)) for v in [*operation.operands, *operation.results]), default=0) / (
                ELEMENTS_PER_US * 10
            )
            dispatches += name.startswith(("dif.reduce", "dif.gather", "dif.scatter", "dif.cumsum"))
    return time, dispatches


def _contraction(operation: Any) -> float:
    lhs, attributes = aval_of(operation.operands[0]), attributes_of(operation)
    contracted = _elements(Aval(tuple(lhs.shape[d] for d in attributes["lhs_contract"]), lhs.dtype))
    return 2 * contracted * _elements(aval_of(operation.results[0])) * lhs.dtype.itemsize / 4


def _convolution(operation: Any) -> float:
    result, kernel = aval_of(operation.results[0]), aval_of(operation.operands[1])
    products = _elements(Aval(kernel.shape[:-1], kernel.dtype))
    return 2 * products * _elements(result) * kernel.dtype.itemsize / 4


def estimate_driver(module: ir.Module) -> str:
    """Return "local-sync" or "local-task", whichever should run the functions of a `dif` module faster."""
    work = [estimate_work(f.entry_block) for f in functions_of(module).values()]
    time, dispatches = max(work, default=(0.0, 0.0))
    sync = time + dispatches * SYNC_DISPATCH_US
    task = TASK_CALL_US + time / 2 + dispatches * TASK_DISPATCH_US
    return "local-sync" if sync <= task else "local-task"
