"""Calls of the kernels of `factor_kernels.py`; a module has each kernel once, whatever the sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, dynamic_sizes, element_of, tensor_type_of
from difc.pipelines.lowering.factor_kernels import Form, cholesky_kernel, lu_kernel, solve_kernel
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_cholesky", "call_lu", "call_solve"]


def call_cholesky(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> ir.Value:
    """Append a call on `x`, [batch, n, n], which gives U in the upper triangle; `sizes` are batch and n."""
    batch, n = sizes
    name = _declare(c, "cholesky", element_of(x), lambda name, element: cholesky_kernel(name, element, unit))
    return _call(c, name, [(x, [batch, n, n])], 0, sizes, [])[0]


def call_solve(
    c: TensorEmitter, a: ir.Value, b: ir.Value, sizes: Sequence[Size], form: Form, unit: VectorUnit
) -> ir.Value:
    """Append a call on `a`, [batch, n, n], and `b`, [batch, n, m]; `sizes` are batch, n and m."""
    batch, n, m = sizes
    name = _declare(
        c, f"solve_{form.name}", element_of(a), lambda name, element: solve_kernel(name, element, unit, form)
    )
    return _call(c, name, [(a, [batch, n, n]), (b, [batch, n, m])], 1, sizes, [])[0]


def call_lu(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call on `x`, [batch, m, n]; it gives packed factors, pivots and permutation. `sizes`: batch, m, n."""
    batch, m, n = sizes
    name = _declare(c, "lu", element_of(x), lambda name, element: lu_kernel(name, element, unit))
    i32 = ir.IntegerType.get_signless(32)
    return _call(c, name, [(x, [batch, m, n])], 0, sizes, [([batch, n], i32), ([batch, m], i32)])


def _declare(c: TensorEmitter, kernel: str, element: ir.Type, text: Callable[[str, str], str]) -> str:
    """Return the name of a kernel for an element type, added to the module at its first use."""
    name, module = f"{kernel}_{element}", c.module_block
    if not any(op.operation.name == "flow.executable" and op.attributes["sym_name"].value == name for op in module):
        module.append(ir.Operation.parse(text(name, str(element))))
    return name


def _call(
    c: TensorEmitter,
    name: str,
    arrays: Sequence[tuple[ir.Value, Sequence[Size]]],
    updated: int,
    sizes: Sequence[Size],
    made: Sequence[tuple[Sequence[Size], ir.Type]],
) -> list[ir.Value]:
    """Append a dispatch; the first result is the array that is updated, the others are `made`."""
    values, indices = [x for x, _ in arrays], [c.index(s) for s in sizes]
    results = [(arrays[updated][1], element_of(values[updated])), *made]
    dims = [d for _, shape in arrays for d in dynamic_sizes(shape)]
    result_dims = [d for shape, _ in results for d in dynamic_sizes(shape)]
    places = [updated, *[-1] * len(made)]
    index = ir.IndexType.get()
    found = c.operation(
        "flow.dispatch",
        [*indices, *values, *indices, *dims, *result_dims],
        [tensor_type_of(shape, element) for shape, element in results],
        {
            "entry_points": ir.ArrayAttr.get([ir.SymbolRefAttr.get([name, name])]),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get(
                [len(indices), len(values) + len(indices), len(dims), len(result_dims)]
            ),
            "tied_operands": ir.ArrayAttr.get([ir.IntegerAttr.get(index, place) for place in places]),
        },
    )
    return list(found.results)
