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
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.matmul_kernel import KERNELS, kernel_text
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["is_worth_the_kernel", "matmul"]

SMALLEST_SIDE = 32
SMALLEST_WORK = 2**20  # multiplications, of all matrices of a batch together
SMALLEST_MATRIX = 2**17  # multiplications of each


def is_worth_the_kernel(sizes: Sequence[Size], element: ir.Type) -> bool:
    """Say whether a matmul is faster in the kernel; sizes known at run time only count as large.

    Args:
      sizes: batch, m, n, k.
      element: the type of the elements.
    """
    if str(element) not in KERNELS:
        return False
    batch, m, n, k = sizes
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
    element = element_of(x)
    text = lambda name, kind: kernel_text(name, kind, unit)  # noqa: E731
    arrays = [(x, [batch, m, k]), (y, [batch, k, n])]
    return call_kernel(c, "matmul", text, element, arrays, sizes, [([batch, m, n], element)])[0]
