"""Large matmuls on the CPU: calls of one kernel of our own, which serves every shape in a module.

IREE makes a kernel for each shape, at 50 ms of compile time or, with data tiling, three (it lays both operands out and
the result back). Its float64 matmuls reach a tenth of the processor's speed. The kernel here (`matmul_kernel.py`) takes
sizes at run time, so a module has it once for each element type.

Invariants: a call is `[batch, m, k] x [batch, k, n] -> [batch, m, n]`; operands that lie otherwise are transposed
before (IREE fuses that into their producers where it can). Whatever is too small to gain stays a `linalg.generic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, dynamic_sizes, element_of, tensor_type_of
from difc.pipelines.lowering.matmul_kernel import KERNELS, kernel_text
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["is_worth_the_kernel", "matmul"]

SMALLEST_SIDE = 32
SMALLEST_WORK = 2**20  # multiplications, of all matrices of a batch together
SMALLEST_MATRIX = 2**17  # multiplications of each


def is_worth_the_kernel(batch: Size, m: Size, n: Size, k: Size, element: ir.Type) -> bool:
    """Say whether a matmul of these sizes is faster in the kernel; sizes known at run time only count as large."""
    if str(element) not in KERNELS:
        return False
    large = [size if isinstance(size, int) else 128 for size in (m, n, k)]
    work = math.prod(large)
    times = batch if isinstance(batch, int) else 16
    return min(large) >= SMALLEST_SIDE and work >= SMALLEST_MATRIX and times * work >= SMALLEST_WORK


def matmul(c: TensorEmitter, x: ir.Value, y: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> ir.Value:
    """Append a call of the kernel.

    Args:
      c: where to append.
      x: `tensor<batch x m x k>`.
      y: `tensor<batch x k x n>`.
      sizes: batch, m, n, k.
      unit: what the processor has.

    Returns:
      `tensor<batch x m x n>`.
    """
    batch, m, n, k = sizes
    name = _declare(c, element_of(x), unit)
    result = [batch, m, n]
    workload = [c.index(s) for s in (m, n, batch)]
    arguments = [x, y, *(c.index(s) for s in (m, n, batch, k))]
    dims = [dynamic_sizes([batch, m, k]), dynamic_sizes([batch, k, n]), dynamic_sizes(result)]
    segments = [len(workload), len(arguments), len(dims[0]) + len(dims[1]), len(dims[2])]
    return c.value(
        "flow.dispatch",
        [*workload, *arguments, *dims[0], *dims[1], *dims[2]],
        tensor_type_of(result, element_of(x)),
        entry_points=ir.ArrayAttr.get([ir.SymbolRefAttr.get([name, name])]),
        operandSegmentSizes=ir.DenseI32ArrayAttr.get(segments),
    )


def _declare(c: TensorEmitter, element: ir.Type, unit: VectorUnit) -> str:
    """Return the name of the kernel for an element type, added to the module at its first use."""
    name = f"matmul_{element}"
    module = c.module_block
    if not any(op.operation.name == "flow.executable" and op.attributes["sym_name"].value == name for op in module):
        module.append(ir.Operation.parse(kernel_text(name, str(element), unit)))
    return name
