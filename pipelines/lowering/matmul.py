"""Large matmuls on the CPU: calls of one kernel of our own, which serves every shape in a module.

IREE makes a kernel for each shape, at 50 ms of compile time or, with data tiling, three (it lays both operands out and
the result back). Its float64 matmuls reach a tenth of the processor's speed. The kernel here (`matmul_kernel.py`) takes
sizes at run time, so a module has it once for each element type. It uses the tile unit of a processor for float32
(`matmul_tiles.py`).

Invariants: a call is `[batch, m, k] x [batch, k, n] -> [batch, m, n]`. The kernel also reads operands whose last two
dims are swapped ("turned"); what lies otherwise is transposed before. Whatever is too small to gain stays a
`linalg.generic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.matmul_kernel import ADDED, KERNELS, PRODUCT, SUBTRACTED, kernel_text
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = [
    "KERNEL",
    "Operand",
    "Update",
    "is_worth_swapping",
    "is_worth_the_kernel",
    "is_worth_turning",
    "matmul",
    "multiply",
]

KERNEL = "matmul"
"""The name by which the kernel is called."""

# What is smaller takes as long as IREE's own kernel, or is not worth one at all.
SMALLEST_WORK = 2**19  # multiplications, of all matrices of a batch together
SMALLEST_MATRIX = 2**17  # multiplications of each
SMALLEST_SIDE = 64  # of the longer side of a result: a panel
FEWEST_COLUMNS = 4  # of some rows: IREE is good at the products of rows and a vector
NARROW = 32  # half a panel

# Of a left operand that is turned, the kernel reads each row of a tile from another page of memory. From so many
# elements on it is faster to transpose it before: 1024x1024x1024 in f32 takes 17 ms instead of 26 ms.
LARGE_LEFT = 2**17


class Operand(NamedTuple):
    """A matrix, or a batch of them; `turned` says that its last two dims are swapped."""

    tensor: ir.Value
    turned: bool


def is_worth_the_kernel(sizes: Sequence[Size], element: ir.Type) -> bool:
    """Say whether a matmul had better be done by the kernel; sizes known at run time only count as large.

    Args:
      sizes: batch, m, n, k.
      element: the type of the elements.
    """
    if str(element) not in KERNELS:
        return False
    batch, m, n, k = (
        size if isinstance(size, int) else usual for size, usual in zip(sizes, (16, 128, 128, 128), strict=True)
    )
    work = m * n * k
    if max(m, n) < SMALLEST_SIDE or (is_worth_swapping(m, n) and n < FEWEST_COLUMNS):
        return False
    return work >= SMALLEST_MATRIX and batch * work >= SMALLEST_WORK


def is_worth_turning(m: Size, k: Size) -> bool:
    """Say whether a left operand that is turned had better be transposed before the kernel than read as it lies."""
    return math.prod(size if isinstance(size, int) else 128 for size in (m, k)) >= LARGE_LEFT


def is_worth_swapping(m: Size, n: Size) -> bool:
    """Say whether a product had better be made transposed: a narrow right operand would leave most lanes idle."""
    return isinstance(n, int) and n < NARROW and (not isinstance(m, int) or m >= NARROW)


def matmul(c: Context, x: Operand, y: Operand, sizes: Sequence[Size], unit: VectorUnit) -> ir.Value:
    """Append a call of the kernel.

    Args:
      c: where to append.
      x: `tensor<batch x m x k>`, or with k before m if turned.
      y: `tensor<batch x k x n>`, or with n before k if turned.
      sizes: batch, m, n, k.
      unit: what the processor has.

    Returns:
      `tensor<batch x m x n>`.
    """
    _, m, n, k = sizes
    flat_x, flat_y = (c.collapse(each.tensor, [[0], [1, 2]]) for each in (x, y))
    cut = [*sizes, c.product([m, k]), c.product([k, n]), int(x.turned), int(y.turned)]
    return multiply(c, flat_x, flat_y, cut, unit)


class Update(NamedTuple):
    """What a product becomes part of: `base + scale (x y)`, or `base - scale (x y)`.

    Attributes:
      base: a tensor of the size of the product.
      scale: a tensor of one element.
      is_subtracted: whether the product is subtracted.
    """

    base: ir.Value
    scale: ir.Value
    is_subtracted: bool


def multiply(
    c: TensorEmitter, x: ir.Value, y: ir.Value, sizes: Sequence[Size], unit: VectorUnit, update: Update | None = None
) -> ir.Value:
    """Append a call of the kernel, for operands that lie as it takes them.

    Args:
      c: where to append.
      x: `tensor<batch x x_size>`.
      y: `tensor<batch x y_size>`.
      sizes: the kernel's, as far as they are those of the operands.
      unit: what the processor has.
      update: what the product becomes part of; only for a batch of one. Else the kernel is given `x` in its place.

    Returns:
      `tensor<batch x m x n>`.
    """
    batch, m, n, _, x_size, y_size, *_ = sizes
    arrays: list[tuple[ir.Value, Sequence[Size]]] = [(x, [batch, x_size]), (y, [batch, y_size])]
    if update is None:
        arrays += [arrays[0], arrays[0]]
        rest: list[Size] = [x_size, x_size, PRODUCT]
    else:
        base_size = c.product([m, n])
        arrays += [(update.base, [1, base_size]), (update.scale, [1, 1])]
        rest = [base_size, 1, SUBTRACTED if update.is_subtracted else ADDED]
    text = partial(kernel_text, unit=unit)
    return call_kernel(c, KERNEL, text, element_of(x), arrays, [*sizes, *rest], [([batch, m, n], element_of(x))])[0]
