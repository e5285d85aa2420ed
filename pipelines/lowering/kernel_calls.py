"""Calls of kernels that are text (`kernel_text.py`): a module has each once, at its first call, whatever the sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, dynamic_sizes, tensor_type_of
from difc.pipelines.lowering.tensors import TensorEmitter

__all__ = ["call_kernel", "called", "dispatch", "is_call"]


def call_kernel(
    c: TensorEmitter,
    kernel: str,
    text: Callable[[str, str], str],
    element: ir.Type,
    arrays: Sequence[tuple[ir.Value, Sequence[Size]]],
    sizes: Sequence[Size],
    results: Sequence[tuple[Sequence[Size], ir.Type]],
) -> list[ir.Value]:
    """Append a call of a kernel.

    Args:
      c: where to append.
      kernel: the kernel's name, without that of the element type.
      text: from the whole name and the element type to the executable, as `kernel_text.executable` makes it.
      element: the type of the elements.
      arrays: what is read, with its sizes.
      sizes: the run-time sizes of the kernel.
      results: sizes and element type of what is written.

    Returns:
      The results.
    """
    name, module = f"difc_{kernel}_{element}", c.module_block
    if not any(op.operation.name == "flow.executable" and op.attributes["sym_name"].value == name for op in module):
        # before the functions: what looks at those can leave out the kernels
        ir.InsertionPoint.at_block_begin(module).insert(ir.Operation.parse(text(name, str(element))))
    return dispatch(c, name, arrays, sizes, results)


def is_call(op: ir.Operation, kernel: str) -> bool:
    """Say whether an operation is a call of a kernel, of any element type."""
    return (called(op) or "").rpartition("_")[0] == f"difc_{kernel}"


def called(op: ir.Operation) -> str | None:
    """Return the name of the executable that an operation calls, if it is a call."""
    return ir.SymbolRefAttr(op.attributes["entry_points"][0]).value[0] if op.name == "flow.dispatch" else None


def dispatch(
    c: TensorEmitter,
    name: str,
    arrays: Sequence[tuple[ir.Value, Sequence[Size]]],
    sizes: Sequence[Size],
    results: Sequence[tuple[Sequence[Size], ir.Type]],
) -> list[ir.Value]:
    """Append a call of the executable of a name; the arguments are as in `call_kernel`."""
    indices = [c.index(s) for s in sizes]
    dims = [d for _, shape in arrays for d in dynamic_sizes(shape)]
    result_dims = [d for shape, _ in results for d in dynamic_sizes(shape)]
    segments = [len(indices), len(arrays) + len(indices), len(dims), len(result_dims)]
    found = c.operation(
        "flow.dispatch",
        [*indices, *(x for x, _ in arrays), *indices, *dims, *result_dims],
        [tensor_type_of(shape, each) for shape, each in results],
        {
            "entry_points": ir.ArrayAttr.get([ir.SymbolRefAttr.get([name, name])]),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get(segments),
        },
    )
    return list(found.results)
