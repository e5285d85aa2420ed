"""Kernels that use more buffers than a device binds for one: they are taken apart, or get their inputs as one buffer.

IREE 3.13 puts all scalar arithmetic of a block into one kernel, however many inputs and results it has. Its drivers
bind 32 buffers for a kernel; code that needs more fails when it runs. (Elementwise operations on many arrays never get
here as one kernel: `lowering/context.py` cuts them.)

Works on a module after IREE's phase of dispatch creation, where a kernel is an op with its code inside. Imports no MLIR
but IREE's.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from difc.pipelines.invocation import Diagnostic, Invocation, StageFailure
from difc.pipelines.operations import constant, operations

__all__ = ["check_bindings", "fit_bindings"]

_MOST_BINDINGS = 32
_MOST_RESULTS = 16  # of each part of a kernel, which leaves room for inputs

_KERNEL, _LOAD = "flow.dispatch.workgroups", "iree_tensor_ext.dispatch.tensor.load"
_DISPATCH = "stream.cmd.dispatch"


def fit_bindings(run: Invocation) -> None:
    """Take a module to the end of dispatch creation, with no more than 32 tensors for each kernel.

    Results are shared out to copies of the kernel, which compute again what they share. If inputs alone are too many,
    those of one type are packed:

        %sum = flow.dispatch.workgroups(%a, %b, ...) : (tensor<8xf32>, tensor<8xf32>, ...) -> tensor<8xf32>

        %none = flow.tensor.empty : tensor<2x8xf32>
        %some = flow.tensor.update %a, %none[%c0, %c0] : tensor<1x8xf32> -> %none as tensor<2x8xf32>
        %pack = flow.tensor.update %b, %some[%c1, %c0] : tensor<1x8xf32> -> %some as tensor<2x8xf32>
        %sum = flow.dispatch.workgroups(%pack, ...) : (tensor<2x8xf32>, ...) -> tensor<8xf32>

    Raises:
      StageFailure: from IREE.
    """
    run.to_phase("dispatch-creation")
    for narrow in (_share_results, _pack_inputs):
        with run.context:
            wide = [op for op in operations(run.module) if op.name == _KERNEL and _width(op) > _MOST_BINDINGS]
            for kernel in wide:
                narrow(kernel)
        if wide:
            run.passes("dispatch-creation", "util.func(canonicalize)")  # drops inputs and results that nothing uses


def check_bindings(module: Any) -> None:
    """Check, after IREE's stream phase, that no kernel is left that no driver would run.

    Inputs of sizes that are known only at run time are not packed, as they may differ.

    Raises:
      StageFailure: if there is one.
    """
    dispatches = [op for op in operations(module) if op.name == _DISPATCH]
    most = max((list(op.attributes["operandSegmentSizes"])[-1] for op in dispatches), default=0)
    if most > _MOST_BINDINGS:
        words = f"it fuses operations on {most} arrays of run-time sizes, and devices take {_MOST_BINDINGS} at a time"
        raise StageFailure("stream", [Diagnostic("error", words)])


def _width(kernel: Any) -> int:
    """Return how many tensors a kernel binds; a result in the place of an input counts twice."""
    return sum(map(_is_tensor, [*kernel.operands, *kernel.results]))


def _is_tensor(value: Any) -> bool:
    return str(value.type).startswith("tensor<")


# ---- results -------------------------------------------------------------------------------------


def _share_results(kernel: Any) -> None:
    from iree.compiler import ir

    results = list(kernel.results)
    for first in range(_MOST_RESULTS, len(results), _MOST_RESULTS):
        with ir.InsertionPoint(kernel):
            part = kernel.clone().operation
        for old, new in list(zip(results, part.results, strict=True))[first : first + _MOST_RESULTS]:
            old.replace_all_uses_with(new)


# ---- inputs --------------------------------------------------------------------------------------


def _pack_inputs(kernel: Any) -> None:
    """Pack inputs of one type and shape that the kernel only loads from, until the others are few enough."""
    arguments = list(kernel.regions[0].blocks[0].arguments)
    tied = [int(i) for i in kernel.attributes["tied_operands"]] if "tied_operands" in kernel.attributes else []
    groups: dict[Any, list[int]] = defaultdict(list)
    first, dims = _inputs(kernel)
    for index, sizes in enumerate(dims):
        value = kernel.operands[first + index]
        only_loads = all(use.owner.name == _LOAD for use in arguments[index].uses)
        if _is_tensor(value) and only_loads and index not in tied:
            groups[value.type, tuple(sizes)].append(index)
    width = _width(kernel)
    for (_, sizes), members in sorted(groups.items(), key=lambda group: -len(group[1])):
        if width > _MOST_BINDINGS and len(members) > 1:
            chosen = members[: width - _MOST_BINDINGS + 1]
            _pack(kernel, first, chosen, list(sizes))
            width -= len(chosen) - 1


def _inputs(kernel: Any) -> tuple[int, list[list[Any]]]:
    """Return where the inputs start in the operands, and the run-time sizes of each."""
    workload, count, *_ = kernel.attributes["operandSegmentSizes"]
    operands = list(kernel.operands)[workload:]
    sizes, dims = iter(operands[count:]), []
    for value in operands[:count]:
        type_ = value.type
        dynamic = [d for d in range(type_.rank) if type_.is_dynamic_dim(d)] if _is_tensor(value) else []
        dims.append([next(sizes) for _ in dynamic])
    return workload, dims


def _pack(kernel: Any, first: int, members: list[int], dims: list[Any]) -> None:
    """Let the kernel load the inputs `members` from one tensor, which takes the place of the first."""
    from iree.compiler import ir

    type_ = kernel.operands[first + members[0]].type
    none = len(dims)
    with ir.InsertionPoint(kernel), kernel.location:
        packed, row = (ir.RankedTensorType.get([n, *type_.shape], type_.element_type) for n in (len(members), 1))
        numbers = [constant(i) for i in range(len(members))]
        pack = _tensor_op("empty", packed, dims, [none])
        for place, member in enumerate(members):
            one = _tensor_op("reshape", row, [kernel.operands[first + member], *dims, *dims], [1, none, none])
            start = [numbers[place], *[numbers[0]] * type_.rank]
            pack = _tensor_op("update", packed, [pack, *dims, *start, one, *dims], [1, none, len(start), 1, none])
    kernel.operands[first + members[0]] = pack
    arguments = list(kernel.regions[0].blocks[0].arguments)
    head = arguments[members[0]]
    loads = [(place, use.owner) for place, member in enumerate(members) for use in list(arguments[member].uses)]
    head.set_type(ir.Type.parse(f"!iree_tensor_ext.dispatch.tensor<readonly:{packed}>", context=kernel.context))
    for place, load in loads:
        load.operands[0] = head
        for name, number in (("static_offsets", place), ("static_sizes", 1), ("static_strides", 1)):
            values = [number, *load.attributes[name]]
            load.attributes[name] = ir.DenseI64ArrayAttr.get(values, context=kernel.context)


def _tensor_op(name: str, result: Any, operands: list[Any], segments: list[int]) -> Any:
    from iree.compiler import ir

    attributes = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get(segments)} if name != "empty" else {}
    made = ir.Operation.create(f"flow.tensor.{name}", results=[result], operands=operands, attributes=attributes)
    return made.result
