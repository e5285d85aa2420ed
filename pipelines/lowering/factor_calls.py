"""Calls of the kernels: `factor_lanes.py` for many small matrices, else `factor_kernels.py`; a module has each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, dynamic_sizes, element_of, tensor_type_of
from difc.pipelines.lowering.factor_kernels import Form, cholesky_kernel, lu_kernel, solve_kernel
from difc.pipelines.lowering.factor_lanes import (
    LARGEST,
    lanes_cholesky_kernel,
    lanes_lu_kernel,
    lanes_of,
    lanes_solve_kernel,
)
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_cholesky", "call_lu", "call_solve"]


def call_cholesky(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> ir.Value:
    """Append a call on `x`, [batch, n, n], which gives U in the upper triangle; `sizes` are batch and n."""
    batch, n = sizes
    element = element_of(x)
    if _takes_lanes(batch, element, unit, n):
        name = _declare(
            c, f"lanes_cholesky_{n}", element, lambda name, kind: lanes_cholesky_kernel(name, kind, unit, n)
        )
        return _call_lanes(c, name, [x], batch, [([n, n], element)])[0]
    name = _declare(c, "cholesky", element, lambda name, kind: cholesky_kernel(name, kind, unit))
    return _call(c, name, [(x, [batch, n, n])], sizes, [([batch, n, n], element)])[0]


def call_solve(
    c: TensorEmitter, a: ir.Value, b: ir.Value, sizes: Sequence[Size], form: Form, unit: VectorUnit
) -> ir.Value:
    """Append a call on `a`, [batch, n, n], and `b`, [batch, n, m]; `sizes` are batch, n and m."""
    batch, n, m = sizes
    element = element_of(a)
    if _takes_lanes(batch, element, unit, n, m):
        kernel = f"lanes_solve_{form.name}_{n}_{m}"
        name = _declare(c, kernel, element, lambda name, kind: lanes_solve_kernel(name, kind, unit, form, n, m))
        return _call_lanes(c, name, [a, b], batch, [([n, m], element)])[0]
    name = _declare(c, f"solve_{form.name}", element, lambda name, kind: solve_kernel(name, kind, unit, form))
    return _call(c, name, [(a, [batch, n, n]), (b, [batch, n, m])], sizes, [([batch, n, m], element)])[0]


def call_lu(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call on `x`, [batch, m, n]; it gives packed factors, pivots and permutation. `sizes`: batch, m, n."""
    batch, m, n = sizes
    element, i32 = element_of(x), ir.IntegerType.get_signless(32)
    if m == n and _takes_lanes(batch, element, unit, n):
        name = _declare(c, f"lanes_lu_{n}", element, lambda name, kind: lanes_lu_kernel(name, kind, unit, n))
        return _call_lanes(c, name, [x], batch, [([n, n], element), ([n], i32), ([n], i32)])
    name = _declare(c, "lu", element, lambda name, kind: lu_kernel(name, kind, unit))
    results = [([batch, m, n], element), ([batch, n], i32), ([batch, m], i32)]
    return _call(c, name, [(x, [batch, m, n])], sizes, results)


def _takes_lanes(batch: Size, element: ir.Type, unit: VectorUnit, *sizes: Size) -> bool:
    """Say whether there are enough small matrices for a vector lane each."""
    small = all(isinstance(s, int) and 0 < s <= LARGEST for s in sizes)
    return small and isinstance(batch, int) and batch >= 2 * lanes_of(str(element), unit)


def _call_lanes(
    c: TensorEmitter, name: str, arrays: Sequence[ir.Value], batch: Size, made: Sequence[tuple[Sequence[int], ir.Type]]
) -> list[ir.Value]:
    """Append a call on stacks of matrices, each of which is a row in memory; `made` are shapes for each matrix."""
    rows = [c.collapse(x, [[0], [1, 2]]) for x in arrays]
    given = [(x, [batch, c.size_of(x, 1)]) for x in rows]
    results = [([batch, math.prod(shape)], element) for shape, element in made]
    found = _call(c, name, given, [batch], results)
    return [
        c.expand(x, [[0], [1, 2]], [batch, *shape]) if len(shape) == 2 else x
        for x, (shape, _) in zip(found, made, strict=True)
    ]


def _declare(c: TensorEmitter, kernel: str, element: ir.Type, text: Callable[[str, str], str]) -> str:
    """Return the name of a kernel for an element type, added to the module at its first use."""
    name, module = f"difc_{kernel}_{element}", c.module_block
    if not any(op.operation.name == "flow.executable" and op.attributes["sym_name"].value == name for op in module):
        module.append(ir.Operation.parse(text(name, str(element))))
    return name


def _call(
    c: TensorEmitter,
    name: str,
    arrays: Sequence[tuple[ir.Value, Sequence[Size]]],
    sizes: Sequence[Size],
    results: Sequence[tuple[Sequence[Size], ir.Type]],
) -> list[ir.Value]:
    """Append a dispatch."""
    indices = [c.index(s) for s in sizes]
    dims = [d for _, shape in arrays for d in dynamic_sizes(shape)]
    result_dims = [d for shape, _ in results for d in dynamic_sizes(shape)]
    found = c.operation(
        "flow.dispatch",
        [*indices, *(x for x, _ in arrays), *indices, *dims, *result_dims],
        [tensor_type_of(shape, element) for shape, element in results],
        {
            "entry_points": ir.ArrayAttr.get([ir.SymbolRefAttr.get([name, name])]),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get(
                [len(indices), len(arrays) + len(indices), len(dims), len(result_dims)]
            ),
        },
    )
    return list(found.results)
