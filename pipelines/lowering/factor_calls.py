"""Calls of kernels: `factor_lanes.py` for many small matrices, else one matrix at a time; a module has each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_cholesky_kernel import cholesky_kernel, workspace
from difc.pipelines.lowering.factor_kernels import Form, solve_kernel
from difc.pipelines.lowering.factor_lanes import (
    LARGEST,
    lanes_cholesky_kernel,
    lanes_lu_kernel,
    lanes_of,
    lanes_solve_kernel,
)
from difc.pipelines.lowering.factor_lu_kernel import lu_kernel
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_cholesky", "call_lu", "call_solve"]


def call_cholesky(c: Context, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> ir.Value:
    """Append a call on `x`, [batch, n, n], of which the lower triangles are read; `sizes` are batch and n."""
    batch, n = sizes
    element = element_of(x)
    if _takes_lanes(batch, element, unit, n):
        kernel, lanes = f"lanes_cholesky_{n}", lambda name, kind: lanes_cholesky_kernel(name, kind, unit, n)
        return _call_lanes(c, kernel, lanes, element, [x], batch, [([n, n], element)])[0]
    room = workspace(c, n, str(element), unit)
    text = lambda name, kind: cholesky_kernel(name, kind, unit)  # noqa: E731
    results = [([batch, n, n], element), ([batch, *room], element)]
    return call_kernel(c, "cholesky", text, element, [(x, [batch, n, n])], [batch, n, *room], results)[0]


def call_solve(
    c: TensorEmitter, a: ir.Value, b: ir.Value, sizes: Sequence[Size], form: Form, unit: VectorUnit
) -> ir.Value:
    """Append a call on `a`, [batch, n, n], and `b`, [batch, n, m]; `sizes` are batch, n and m."""
    batch, n, m = sizes
    element = element_of(a)
    if _takes_lanes(batch, element, unit, n, m):
        kernel = f"lanes_solve_{form.name}_{n}_{m}"
        lanes = lambda name, kind: lanes_solve_kernel(name, kind, unit, form, n, m)  # noqa: E731
        return _call_lanes(c, kernel, lanes, element, [a, b], batch, [([n, m], element)])[0]
    text = lambda name, kind: solve_kernel(name, kind, unit, form)  # noqa: E731
    arrays, results = [(a, [batch, n, n]), (b, [batch, n, m])], [([batch, n, m], element)]
    return call_kernel(c, f"solve_{form.name}", text, element, arrays, sizes, results)[0]


def call_lu(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call on `x`, [batch, m, n]; it gives packed factors, pivots and permutation. `sizes`: batch, m, n."""
    batch, m, n = sizes
    element, i32 = element_of(x), ir.IntegerType.get_signless(32)
    if m == n and _takes_lanes(batch, element, unit, n):
        lanes = lambda name, kind: lanes_lu_kernel(name, kind, unit, n)  # noqa: E731
        return _call_lanes(c, f"lanes_lu_{n}", lanes, element, [x], batch, [([n, n], element), ([n], i32), ([n], i32)])
    text = lambda name, kind: lu_kernel(name, kind, unit)  # noqa: E731
    results = [([batch, m, n], element), ([batch, n], i32), ([batch, m], i32)]
    return call_kernel(c, "lu", text, element, [(x, [batch, m, n])], sizes, results)


def _takes_lanes(batch: Size, element: ir.Type, unit: VectorUnit, *sizes: Size) -> bool:
    """Say whether there are enough small matrices for a vector lane each."""
    small = all(isinstance(s, int) and 0 < s <= LARGEST for s in sizes)
    return small and isinstance(batch, int) and batch >= 2 * lanes_of(str(element), unit)


def _call_lanes(
    c: TensorEmitter,
    kernel: str,
    text: Callable[[str, str], str],
    element: ir.Type,
    arrays: Sequence[ir.Value],
    batch: Size,
    made: Sequence[tuple[Sequence[int], ir.Type]],
) -> list[ir.Value]:
    """Append a call on stacks of matrices, each of which is a row in memory; `made` are shapes for each matrix."""
    rows = [c.collapse(x, [[0], [1, 2]]) for x in arrays]
    given = [(x, [batch, c.size_of(x, 1)]) for x in rows]
    results = [([batch, math.prod(shape)], element) for shape, element in made]
    found = call_kernel(c, kernel, text, element, given, [batch], results)
    return [
        c.expand(x, [[0], [1, 2]], [batch, *shape]) if len(shape) == 2 else x
        for x, (shape, _) in zip(found, made, strict=True)
    ]
