"""What Vulkan needs of a module: an order of commands, few numbers for a kernel, no empty buffers, wide integers.

One thing after the other. A command that has to wait for another, or for memory that another gives back, is put off by
IREE (3.13) until a thread of its own wakes up to submit it. Two threads can wake it at the same time, and then raise a
timeline semaphore in the wrong order, which Vulkan forbids: Mesa gives the device up ("VK_ERROR_DEVICE_LOST", about
once in thousands of calls). It is slow, too. So the host waits for commands before it submits more, and allocates
memory itself: nothing is ever put off. A scan of 50 steps takes a fifth of the time on Mesa's software driver, and it
needs memory for one step at a time, where the host used to run ahead and allocate for all.

Copies. IREE records commands whose numbers are all known once, for all calls. Where these are only copies, its driver
for Vulkan (3.13) copies between the buffers of an earlier call. So such are recorded each time.

Numbers. Kernels get sizes and offsets as push constants, of which a device need not take more than 32. IREE passes each
as two; but no buffer of Vulkan has more than 4 GiB, so that one is enough.

Workgroups. The portable profile keeps IREE to 128 threads, 16 KiB of shared memory and 65,535 workgroups: as many as a
device must take. A kernel with more tiles has a loop, so that any number of workgroups will do. But where IREE (3.13)
knows the number of tiles, it forgets to take fewer workgroups (some have 64 elements), so this says it.

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

from difc.pipelines.operations import constant, hidden, operations

__all__ = ["fit_commands", "fit_numbers"]

_RESOURCES = (
    "#stream.resource_config<{max_allocation_size = 4294967295, min_buffer_offset_alignment = 64, "
    "max_buffer_range = 4294967295, min_buffer_range_alignment = 64, index_bits = 32, alias_mutable_bindings = false, "
    "memory_model = Discrete}>"
)  # as by default, but for the index_bits

_LEAST = 4  # bytes: what the offsets and lengths of Vulkan's buffers are multiples of
_ALLOCATED, _QUEUED, _FREED = (f"stream.resource.{name}" for name in ("alloc", "alloca", "dealloca"))
_DISPATCH, _COMMANDS, _KERNELS = "stream.cmd.dispatch", "stream.cmd.execute", "stream.executable"
_EXPORT, _DEVICE = "stream.executable.export", "util.global"
_TRANSFERS = ("stream.cmd.copy", "stream.cmd.fill")
_MOST_WORKGROUPS = re.compile(r"max_workgroup_counts = \[(\d+), (\d+), (\d+)\]")
_OFFSET = 2  # the operand that is the first offset of these
_EMULATED, _NATIVE = "compute = fp32|int32", "compute = fp32|int64|int32"


def fit_numbers(module: Any) -> None:
    """Tell IREE, on a module that it is about to compile, that sizes and offsets have 32 bits."""
    from iree.compiler import ir

    op = module.operation
    op.attributes["stream.resources"] = ir.Attribute.parse(_RESOURCES, context=op.context)


def fit_commands(module: Any) -> None:
    """Order the commands; give kernels few workgroups, no empty buffers, 64-bit integers; after IREE's stream phase.

    Before and after, for commands:

        %memory, %allocated = stream.resource.alloca : !stream.resource<transient>{%size} => !stream.timepoint
        %done = stream.cmd.execute await(%allocated) => ...
        %freed = stream.resource.dealloca await(%done) => %memory : ...

        %memory = stream.resource.alloc : !stream.resource<transient>{%size}
        %done = stream.cmd.execute await(%immediate) => ...
        %fence = stream.timepoint.export %done => (!hal.fence)
        hal.fence.await until([%fence])

    Before and after, for commands without a kernel:

        stream.cmd.copy %from[%c0], %to[%c0], %c400

        %offset = util.optimization_barrier %c0
        stream.cmd.copy %from[%offset], %to[%c0], %c400

    Before and after, for a length known only at run time:

        ro %buffer[%offset for %length]

        %empty = arith.cmpi eq, %length, %c0
        %some = arith.select %empty, %c4, %length
        %at = arith.select %empty, %c0, %offset
        ro %buffer[%at for %some]

    Before and after, for the workgroups of a kernel:

        stream.return %x, %y, %z

        %few = arith.minui %x, %c65535
        stream.return %few, ...
    """
    for op in operations(module):
        if op.name == _QUEUED:
            _allocate_at_once(op)
        elif op.name == _FREED:
            _free_with_last_use(op)
        elif op.name == _COMMANDS:
            _wait_for(op)
            _record_each_time(op)
    found = operations(module)
    for op in found:
        if op.name == _ALLOCATED:
            _fill(op, op, 0)
        elif op.name == _DISPATCH:
            _fill_bindings(op)
    kernels = [op for op in found if op.name == _KERNELS]
    most = _most_workgroups(found)
    for kernel in kernels:
        _limit_workgroups(kernel, most)
        _forget_wide_bounds(kernel)
    if any(map(_computes_wide, kernels)):
        _use_wide_integers(found)


# ---- memory --------------------------------------------------------------------------------------


def _allocate_at_once(alloca: Any) -> None:
    """Let the host allocate; what awaited the allocation awaits what that had awaited."""
    from iree.compiler import ir

    size, *awaited = alloca.operands
    resource, timepoint = alloca.results
    attributes = {"affinity": alloca.attributes["affinity"], "uninitialized": ir.UnitAttr.get(alloca.context)}
    with ir.InsertionPoint(alloca), alloca.location:
        made = ir.Operation.create(_ALLOCATED, results=[resource.type], operands=[size], attributes=attributes)
        resource.replace_all_uses_with(made.result)
        timepoint.replace_all_uses_with(awaited[0] if awaited else _immediate(timepoint.type))
    alloca.erase()


def _free_with_last_use(dealloca: Any) -> None:
    """Leave it to the references, which end with the last use."""
    _, _, *awaited = dealloca.operands
    dealloca.result.replace_all_uses_with(*awaited)
    dealloca.erase()


def _wait_for(commands: Any) -> None:
    """Let the host wait until commands are done."""
    from iree.compiler import ir

    number, flags = (ir.IntegerType.get_signless(bits, context=commands.context) for bits in (32, 64))
    with ir.InsertionPoint.after(commands), commands.location:
        done = ir.Operation.create(
            "stream.timepoint.export", results=[ir.Type.parse("!hal.fence")], operands=[commands.results[-1]]
        )
        forever = constant(-1, number)
        status = ir.Operation.create(
            "hal.fence.await",
            results=[number],
            operands=[forever, done.result],
            attributes={"flags": ir.IntegerAttr.get(flags, 0)},
        )
        ir.Operation.create("util.status.check_ok", operands=[status.result])


def _record_each_time(commands: Any) -> None:
    """Hide a number of a copy from IREE, if no kernel is among the commands."""
    from iree.compiler import ir

    found = operations(commands)
    transfers = [op for op in found if op.name in _TRANSFERS]
    if transfers and not any(op.name == _DISPATCH for op in found):
        offset = transfers[0].operands[_OFFSET]
        with ir.InsertionPoint(commands), commands.location:
            transfers[0].operands[_OFFSET] = hidden(offset)


def _immediate(type_: Any) -> Any:
    from iree.compiler import ir

    return ir.Operation.create("stream.timepoint.immediate", results=[type_]).result


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
        zero, least = (constant(number) for number in (0, _LEAST))
        equal = {"predicate": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)}
        flag = ir.IntegerType.get_signless(1)
        empty = ir.Operation.create("arith.cmpi", results=[flag], operands=[old, zero], attributes=equal).result
        op.operands[length] = _select(empty, least, old)
        if offset is not None:
            op.operands[offset] = _select(empty, zero, op.operands[offset])


def _select(condition: Any, x: Any, y: Any) -> Any:
    from iree.compiler import ir

    return ir.Operation.create("arith.select", results=[x.type], operands=[condition, x, y]).result


# ---- workgroups ----------------------------------------------------------------------------------


def _most_workgroups(found: list[Any]) -> list[int]:
    """Return how many workgroups the device takes along each dim."""
    texts = (str(op.attributes.get("initial_value")) for op in found if op.name == _DEVICE)
    (most,) = {match.groups() for text in texts for match in _MOST_WORKGROUPS.finditer(text)}
    return [int(limit) for limit in most]


def _limit_workgroups(kernel: Any, most: list[int]) -> None:
    from iree.compiler import ir

    (block,) = kernel.regions[0].blocks
    for export in block.operations:
        if export.operation.name != _EXPORT:
            continue
        (counts,) = export.operation.regions[0].blocks
        given = counts.operations[len(counts.operations) - 1].operation
        with ir.InsertionPoint(given), given.location:
            for i, limit in enumerate(most):
                count = given.operands[i]
                bounds = [count, constant(limit, count.type)]
                given.operands[i] = ir.Operation.create("arith.minui", results=[count.type], operands=bounds).result


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
        if device.name == _DEVICE and _EMULATED in str(device.attributes.get("initial_value")):
            text = str(device.attributes["initial_value"]).replace(_EMULATED, _NATIVE)
            device.attributes["initial_value"] = ir.Attribute.parse(text, context=device.context)
