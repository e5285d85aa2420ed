"""What Vulkan needs of a module: few numbers for each kernel, no empty buffers, and 64-bit integers where used.

Numbers. Kernels get sizes and offsets as push constants, of which a device need not take more than 32. IREE passes each
as two; but no buffer of Vulkan has more than 4 GiB, so that one is enough.

Empty buffers. Vulkan has none, and a call with an array of size 0 would fail, although kernels that read it may have
work to do (a sum over nothing). Where a length is 0 at run time, a kernel is given the first bytes of the same memory,
which it does not touch, and no memory is allocated empty. (Arguments and results of size 0 have memory, too:
`difc.runtime` sees to that.)

Integers of 64 bits. IREE (3.13) emulates them for the portable profile, but not divisions, remainders and constants:
those do not compile. So modules whose kernels compute with such integers use the device's own. The others do not, as
then every kernel of run-time sizes would need a device that has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from difc.pipelines.ownership import operations

__all__ = ["fit_commands", "fit_numbers"]

_RESOURCES = (
    "#stream.resource_config<{max_allocation_size = 4294967295, min_buffer_offset_alignment = 64, "
    "max_buffer_range = 4294967295, min_buffer_range_alignment = 64, index_bits = 32, alias_mutable_bindings = false, "
    "memory_model = Discrete}>"
)  # as by default, but for the index_bits

_LEAST = 4  # bytes: what the offsets and lengths of Vulkan's buffers are multiples of
_ALLOCATIONS = ("stream.resource.alloc", "stream.resource.alloca")
_DISPATCH, _COMMANDS, _KERNELS = "stream.cmd.dispatch", "stream.cmd.execute", "stream.executable"
_EMULATED, _NATIVE = "compute = fp32|int32", "compute = fp32|int64|int32"


def fit_numbers(module: Any) -> None:
    """Tell IREE, on a module that it is about to compile, that sizes and offsets have 32 bits."""
    from iree.compiler import ir

    op = module.operation
    op.attributes["stream.resources"] = ir.Attribute.parse(_RESOURCES, context=op.context)


def fit_commands(module: Any) -> None:
    """Give kernels buffers that are not empty and integers of 64 bits, at the end of IREE's stream phase.

    Before and after, for a length known only at run time:

        ro %buffer[%offset for %length]

        %empty = arith.cmpi eq, %length, %c0
        %some = arith.select %empty, %c4, %length
        %at = arith.select %empty, %c0, %offset
        ro %buffer[%at for %some]
    """
    found = list(operations(module))
    for op in found:
        if op.name in _ALLOCATIONS:
            _fill(op, op, 0)
        elif op.name == _DISPATCH:
            _fill_bindings(op)
    kernels = [op for op in found if op.name == _KERNELS]
    for kernel in kernels:
        _forget_wide_bounds(kernel)
    if any(map(_computes_wide, kernels)):
        _use_wide_integers(found)


# ---- empty buffers -------------------------------------------------------------------------------


def _fill_bindings(dispatch: Any) -> None:
    commands = dispatch
    while commands.name != _COMMANDS:
        commands = commands.parent.operation
    # the operands are: workload, numbers, buffers, their sizes, and the offsets and lengths of what is used
    *before, offsets, lengths = dispatch.attributes["operandSegmentSizes"]
    for index in range(sum(before), sum(before) + offsets):
        _fill(dispatch, commands, index + lengths, index)


def _fill(op: Any, place: Any, length: int, offset: int | None = None) -> None:
    """Replace operands of `op`, a length and the offset that goes with it, by values computed before `place`."""
    from iree.compiler import ir

    old = op.operands[length]
    if not isinstance(old.owner, ir.Block) and old.owner.operation.name == "arith.constant":
        return
    with ir.InsertionPoint(place), place.location:
        zero, least = (_constant(number) for number in (0, _LEAST))
        equal = {"predicate": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)}
        flag = ir.IntegerType.get_signless(1)
        empty = ir.Operation.create("arith.cmpi", results=[flag], operands=[old, zero], attributes=equal).result
        op.operands[length] = _select(empty, least, old)
        if offset is not None:
            op.operands[offset] = _select(empty, zero, op.operands[offset])


def _constant(number: int) -> Any:
    from iree.compiler import ir

    type_ = ir.IndexType.get()
    value = {"value": ir.IntegerAttr.get(type_, number)}
    return ir.Operation.create("arith.constant", results=[type_], attributes=value).result


def _select(condition: Any, x: Any, y: Any) -> Any:
    from iree.compiler import ir

    return ir.Operation.create("arith.select", results=[x.type], operands=[condition, x, y]).result


# ---- numbers -------------------------------------------------------------------------------------


def _forget_wide_bounds(kernel: Any) -> None:
    """Drop upper bounds of sizes beyond 32 bits, which would become constants in code that has 32 bits for them."""
    from iree.compiler import ir

    for block in _inner_blocks(kernel):
        for op in block.operations:
            if op.operation.name == "util.assume.int":
                text = re.sub(r", umax = (\d+)", _narrow_bound, str(op.attributes["assumptions"]))
                op.attributes["assumptions"] = ir.Attribute.parse(text, context=op.context)


def _narrow_bound(found: re.Match[str]) -> str:
    return found.group(0) if int(found.group(1)) < 1 << 32 else ""


# ---- 64-bit integers -----------------------------------------------------------------------------


def _computes_wide(kernel: Any) -> bool:
    """Return whether an element that a kernel computes with is a 64-bit integer."""
    from iree.compiler import ir

    wide = ir.IntegerType.get_signless(64, context=kernel.context)
    return any(value.type == wide for block in _inner_blocks(kernel) for value in _values(block))


def _inner_blocks(op: Any) -> Iterator[Any]:
    for region in op.regions:
        for block in region.blocks:
            yield block
            for child in block.operations:
                yield from _inner_blocks(child.operation)


def _values(block: Any) -> Iterator[Any]:
    yield from block.arguments
    for child in block.operations:
        yield from child.operation.results


def _use_wide_integers(found: list[Any]) -> None:
    from iree.compiler import ir

    for device in found:
        if device.name == "util.global" and _EMULATED in str(device.attributes.get("initial_value")):
            text = str(device.attributes["initial_value"]).replace(_EMULATED, _NATIVE)
            device.attributes["initial_value"] = ir.Attribute.parse(text, context=device.context)
