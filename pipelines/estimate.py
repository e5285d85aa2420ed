"""How much work a module does per call, to choose the CPU driver: threads pay only for enough of it.

Calling through local-task costs some 10 to 50 us more than local-sync (most on virtual machines), and a dispatch
several us more; so small functions and loops of small steps run on local-sync.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from difc import dialects as dif
from difc.dialects import Aval, aval_of, functions_of, yielded
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir
from difc.dialects.special import SPECIAL
from difc.pipelines.lowering.factor import CHOLESKY, LU
from difc.pipelines.lowering.functions import EXPANSIONS
from difc.pipelines.lowering.spectral import QR
from difc.pipelines.lowering.spectral_panels import MOST, PANEL

__all__ = ["estimate_driver", "estimate_work"]

RUN_TIME_SIZE = 128  # what a dim counts that is known only at run time
# of one core:
FLOPS_PER_US = 1.2e5  # in a contraction
FACTOR_FLOPS_PER_US = 5e4  # in a factorisation or solve
ARITHMETIC_PER_US = 1e5  # elements of an operation that is fused with others
FUNCTIONS_PER_US = 5e3  # elements of an elementary function
MEMORY_PER_US = 2e4  # elements that are read or written
SERIAL_SIZE = {"dif.cholesky": CHOLESKY, "dif.lu": LU, "dif.qr": QR}  # of a matrix that one core factors alone
# of factorisations and solves: floating-point operations for each element of the result and row of the matrix
_FACTOR_WORK = {
    "dif.cholesky": 1 / 3,
    "dif.cholesky_cotangent": 1.0,
    "dif.cholesky_tangent": 4.0,
    "dif.lu": 2 / 3,
    "dif.lu_solve": 2.0,
    "dif.triangular_solve": 1.0,
}
# floating-point operations, for each product of sizes, of matrices of some tens of rows; of larger ones they are less
_SPECTRAL_WORK = {"dif.eigh": 20.0, "dif.svd": 40.0, "dif.pinv": 40.0}
STEP_DISPATCHES = 3  # of a loop: what lies between contractions, and updates of what is stacked
DISPATCHES_OF_PANELS = 15  # of qr: the kernel, then products and copies for R and Q
DISPATCHES_OF_HALVES = 10  # solve, matmul, copies, between the factorisations of two halves
_FUNCTIONS = {opdef.name for opdef in (*EXPANSIONS, *SPECIAL, dif.pow)}
_KERNELS = ("dif.reduce", "dif.gather", "dif.scatter", "dif.cum", "dif.recurrence")
SORTED_PER_US = 10.0  # elements
SORTED_BLOCK, MERGE_DISPATCHES = 32, 5  # runs are merged in a loop on the host, of which a step counts as some kernels
SYNC_DISPATCH_US, TASK_DISPATCH_US, TASK_CALL_US = 1.0, 8.0, 30.0


def _elements(aval: Aval) -> float:
    return math.prod(d if isinstance(d, int) else RUN_TIME_SIZE for d in aval.shape)


def estimate_work(block: ir.Block) -> tuple[float, float]:
    """Return the time that a block takes on one core, in microseconds, and how many dispatches it makes, roughly.

    Elementwise ops count as fused into what follows. Reading arguments and writing results is not counted.
    """
    costs = [_cost(operation.operation) for operation in block.operations]
    return sum(time for time, _ in costs), sum(dispatches for _, dispatches in costs)


def _cost(operation: Any) -> tuple[float, float]:
    name = operation.name
    if name == "fun.scan":
        length, body = attributes_of(operation)["length"], operation.regions[0].blocks[0]
        trips = length if length >= 0 else RUN_TIME_SIZE
        time, dispatches = estimate_work(body)
        return trips * (time + _traffic(body)), trips * (dispatches + STEP_DISPATCHES)
    if name == "fun.cond":
        branches = [estimate_work(region.blocks[0]) for region in operation.regions]
        return sum(time for time, _ in branches) / 2, sum(dispatches for _, dispatches in branches) / 2
    if name in _COSTS:
        return _COSTS[name](operation)
    if not name.startswith("dif."):
        return 0.0, 0.0
    elements = max((_elements(aval_of(v)) for v in [*operation.operands, *operation.results]), default=0)
    if name.startswith(_KERNELS):
        return elements / MEMORY_PER_US, 1.0
    return elements / (FUNCTIONS_PER_US if name in _FUNCTIONS else ARITHMETIC_PER_US), 0.0


def _traffic(block: ir.Block) -> float:
    """Return the time to read the arguments of a block and to write its results."""
    return sum(_elements(aval_of(v)) for v in [*block.arguments, *yielded(block)]) / MEMORY_PER_US


def _sort(operation: Any) -> tuple[float, float]:
    aval = aval_of(operation.operands[0])
    row = aval.shape[attributes_of(operation)["axis"]]
    runs = max((row if isinstance(row, int) else RUN_TIME_SIZE) / SORTED_BLOCK, 1)
    return _elements(aval) / SORTED_PER_US, 3 + MERGE_DISPATCHES * math.ceil(math.log2(runs))


def _contraction(operation: Any) -> tuple[float, float]:
    lhs, attributes = aval_of(operation.operands[0]), attributes_of(operation)
    contracted = _elements(Aval(tuple(lhs.shape[d] for d in attributes["lhs_contract"]), lhs.dtype))
    work = 2 * contracted * _elements(aval_of(operation.results[0])) * lhs.dtype.itemsize / 4
    return work / FLOPS_PER_US, 1.0


def _convolution(operation: Any) -> tuple[float, float]:
    result, kernel = aval_of(operation.results[0]), aval_of(operation.operands[1])
    products = _elements(Aval(kernel.shape[:-1], kernel.dtype))
    return 2 * products * _elements(result) * kernel.dtype.itemsize / 4 / FLOPS_PER_US, 1.0


def _factor(operation: Any) -> tuple[float, float]:
    """Return the time of a factorisation or solve, none if only one core works on it; its dispatches."""
    matrix, result = aval_of(operation.operands[0]), aval_of(operation.results[0])
    name, rows = operation.name, _elements(Aval(matrix.shape[-1:], matrix.dtype))
    limit = SERIAL_SIZE.get(name, max(rows, 1))
    halvings = math.ceil(math.log2(max(rows / limit, 1)))
    dispatches = 3.0 + DISPATCHES_OF_HALVES * (2**halvings - 1)
    if name in SERIAL_SIZE and halvings == 0 and _elements(matrix) <= rows**2:
        return 0.0, dispatches
    work = _FACTOR_WORK[name] * _elements(result) * rows * matrix.dtype.itemsize / 4
    return work / FACTOR_FLOPS_PER_US, dispatches


def _orthogonal(operation: Any) -> tuple[float, float]:
    """Return the time of a factorisation with orthogonal factors, none if only one core works on it; its dispatches."""
    matrix = aval_of(operation.operands[0])
    rows, columns = (_elements(Aval(matrix.shape[d:][:1], matrix.dtype)) for d in (-2, -1))
    steps = min(rows, columns)
    work = _elements(matrix) * steps * matrix.dtype.itemsize / 4 / FACTOR_FLOPS_PER_US
    is_one = _elements(matrix) <= rows * columns
    if operation.name != "dif.qr":
        return (0.0 if is_one else _SPECTRAL_WORK[operation.name] * work), 12.0
    if steps > SERIAL_SIZE["dif.qr"]:
        return 2 * work, DISPATCHES_OF_PANELS * min(steps / PANEL, MOST)
    return (0.0 if is_one else 2 * work), 2.0


_COSTS: dict[str, Callable[[Any], tuple[float, float]]] = {
    "dif.dot_general": _contraction,
    "dif.conv": _convolution,
    "dif.argsort": _sort,
    "dif.qr": _orthogonal,
    **dict.fromkeys(_FACTOR_WORK, _factor),
    **dict.fromkeys(_SPECTRAL_WORK, _orthogonal),
}


def estimate_driver(module: ir.Module) -> str:
    """Return "local-sync" or "local-task", whichever should run the functions of a `dif` module faster."""
    times = [(0.0, 0.0)]
    for function in functions_of(module).values():
        time, dispatches = estimate_work(function.entry_block)
        times.append((time + _traffic(function.entry_block), max(dispatches, 1.0)))
    time, dispatches = max(times)
    sync = time + dispatches * SYNC_DISPATCH_US
    task = TASK_CALL_US + time / 2 + dispatches * TASK_DISPATCH_US
    return "local-sync" if sync <= task else "local-task"
