"""Calls of kernels: `factor_lanes.py` for many small matrices, else one matrix at a time; a module has each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_cholesky_kernel import cholesky_kernel, workspace
from difc.pipelines.lowering.factor_kernels import Form, solve_kernel
from difc.pipelines.lowering.factor_lanes import lanes_kernel, lanes_of
from difc.pipelines.lowering.factor_lu_kernel import lu_kernel
from difc.pipelines.lowering.factor_unrolled import LARGEST, cholesky, lu, solve
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_cholesky", "call_lu", "call_solve"]


def call_cholesky(c: Context, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> ir.Value:
    """Append a call on `x`, [batch, n, n], of which the lower triangles are read; `sizes` are batch and n."""
    batch, n = sizes
    element = element_of(x)
    if _takes_lanes(batch, element, unit, n):
        return _call_lanes(c, f"cholesky_{n}", cholesky, unit, [x], [([n, n], element)])[0]
    room = workspace(c, n, str(element), unit)
    results, text = [([batch, n, n], element), ([batch, *room], element)], partial(cholesky_kernel, unit=unit)
    return call_kernel(c, "cholesky", text, element, [(x, [batch, n, n])], [batch, n, *room], results)[0]


def call_solve(
    c: TensorEmitter, a: ir.Value, b: ir.Value, sizes: Sequence[Size], form: Form, unit: VectorUnit
) -> ir.Value:
    """Append a call on `a`, [batch, n, n], and `b`, [batch, n, m]; `sizes` are batch, n and m."""
    batch, n, m = sizes
    element = element_of(a)
    if _takes_lanes(batch, element, unit, n, m):
        kernel, compute = f"solve_{form.name}_{n}_{m}", partial(solve, form=form)
        return _call_lanes(c, kernel, compute, unit, [a, b], [([n, m], element)])[0]
    arrays, results = [(a, [batch, n, n]), (b, [batch, n, m])], [([batch, n, m], element)]
    text = partial(solve_kernel, unit=unit, form=form)
    return call_kernel(c, f"solve_{form.name}", text, element, arrays, sizes, results)[0]


def call_lu(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call on `x`, [batch, m, n]; it gives packed factors, pivots and permutation. `sizes`: batch, m, n."""
    batch, m, n = sizes
    element, i32 = element_of(x), ir.IntegerType.get_signless(32)
    if m == n and _takes_lanes(batch, element, unit, n):
        return _call_lanes(c, f"lu_{n}", lu, unit, [x], [([n, n], element), ([n], i32), ([n], i32)])
    results = [([batch, m, n], element), ([batch, n], i32), ([batch, m], i32)]
    return call_kernel(c, "lu", partial(lu_kernel, unit=unit), element, [(x, [batch, m, n])], sizes, results)


def _takes_lanes(batch: Size, element: ir.Type, unit: VectorUnit, *sizes: Size) -> bool:
    """Say whether there are enough small matrices for a vector lane each."""
    small = all(isinstance(s, int) and 0 < s <= LARGEST for s in sizes)
    return small and isinstance(batch, int) and batch >= 2 * lanes_of(str(element), unit)


def _call_lanes(
    c: TensorEmitter,
    kernel: str,
    compute: Callable[..., Sequence[Sequence[str]]],
    unit: VectorUnit,
    arrays: Sequence[ir.Value],
    made: Sequence[tuple[Sequence[int], ir.Type]],
) -> list[ir.Value]:
    """Append a call on stacks of matrices, each of which is a row in memory; `made` are shapes for each matrix."""
    rows = [c.collapse(x, [[0], [1, 2]]) for x in arrays]
    batch, counts = rows[0].type.shape[0], [x.type.shape[1] for x in rows]
    given = [(x, [batch, count]) for x, count in zip(rows, counts, strict=True)]
    results = [([batch, math.prod(shape)], element) for shape, element in made]

    def text(name: str, element: str) -> str:
        return lanes_kernel(name, element, unit, counts, [(count, str(kind)) for (_, count), kind in results], compute)

    found = call_kernel(c, f"lanes_{kernel}", text, element_of(rows[0]), given, [batch], results)
    return [
        c.expand(x, [[0], [1, 2]], [batch, *shape]) if len(shape) == 2 else x
        for x, (shape, _) in zip(found, made, strict=True)
    ]
