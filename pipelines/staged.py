"""Host loops through IREE: every loop-carried tensor owns its buffer, so loops update in place, and rightly.

IREE 3.13 has two faults in loops on the host. Carried tensors are copied whole in every step (1.7 ms for a
[1000, 4096] tape), because the copies at the head of a body have no source affinity. And where copies are elided they
are elided wrongly: two carries that start from one value, or that are yielded one value, share a buffer; a tensor from
outside that a body updates accumulates over the steps (this one without any of our doing). After a loop of zero steps,
results have wrong offsets in a shared allocation, or memory that was given back.

So modules with host control flow are compiled in steps: up to IREE's stream dialect; `own_carries` gives the copies
their affinity and puts a copy at each place where a carry would not own its buffer; then the same passes as IREE's,
but the copies are hidden from copy elision, and scf becomes cf before memory is planned. A step of a loop then costs
3.4 us on local-sync for any tape.

What the lowering needs to know (all of it is tested with numbers):

- A tape may start from `tensor.empty`, or from `"flow.tensor.alloca"() : () -> tensor<100x8xf32>`, with one index
  operand for each dynamic dimension: `"flow.tensor.alloca"(%n) : (index) -> tensor<?x8xf32>`. Both cost nothing.
- Any other start (fill, constant, argument, a value used again) costs one copy for each loop, not for each step.
- Update a carry last: reading its old value after the update, yielding one value for two carries, or updating a tensor
  of the enclosing scope copies it in every step.
- `arith.fptosi` on the host rounds to nearest where it should truncate; do such conversions inside a linalg op.

Soundness: within a block IREE's elision is right (a value is updated in place by its last use). `_owned` extends this
over the edges of regions: a value that enters a loop, or leaves a region, was made in the same block by an op that
makes a new buffer, and is used by nothing later. Only structured control flow (scf) is supported.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.invocation import Invocation

__all__ = ["compile_staged", "has_host_control_flow", "own_carries"]

_LOOPS = ("scf.for", "scf.while")
_BRANCHES = ("scf.if", "scf.index_switch")
_CONTROL = (*_LOOPS, *_BRANCHES)
_EDGES = (*_LOOPS, "scf.yield", "scf.condition")
_UPDATES = ("stream.tensor.update", "stream.tensor.fill", "stream.async.update", "stream.async.fill")
_VIEWS = ("stream.async.cast", "stream.async.transfer", "stream.async.clone", "stream.tensor.clone")
_MAKERS = (
    *(f"stream.{level}.{name}" for level in ("tensor", "async") for name in ("alloca", "splat", "dispatch")),
    *("stream.tensor.empty", *_UPDATES, *_CONTROL),
)
_BARRIER = "util.optimization_barrier"
_KEEP = "difc.keep"

_FUNCTIONS = ("util.func", "util.initializer")


def _on_functions(*passes: str) -> str:
    return ",".join(f"{function}({','.join(passes)})" for function in _FUNCTIONS)


# IREE's stream pipeline, cut where the module has to be edited. The stages are its own, in its order.
_TO_STREAM = "iree-stream-tensor-transformation-pipeline"
_TO_ELISION = ",".join(
    (
        "iree-stream-specialize-encodings",
        _on_functions("iree-stream-encode-host-tensors"),
        "stream.executable(iree-stream-encode-device-tensors)",
        "iree-stream-materialize-encodings",
        _on_functions("iree-stream-layout-slices"),
        "iree-stream-cleanup-pipeline",
        "iree-stream-verify-lowering-to-async-resources",
        _on_functions("iree-stream-materialize-copy-on-write", "canonicalize"),
        "iree-stream-elide-async-copies",
    )
)
_TO_USAGE = ",".join(
    (
        _on_functions("canonicalize", "iree-stream-emplace-allocations"),
        "iree-stream-refine-usage",
        _on_functions("canonicalize"),
    )
)
_ELISION = "iree-stream-elide-async-copies"
_TO_COMMANDS = ",".join(
    (
        "iree-stream-cleanup-pipeline",
        "iree-stream-verify-async-access-ranges",
        "iree-stream-place-transfer-executions",
        _on_functions("iree-stream-schedule-execution", "iree-stream-schedule-concurrency"),
        "iree-stream-sync-initializers",
        "iree-stream-propagate-timepoints",
        "iree-stream-materialize-builtins",
        "iree-stream-cleanup-pipeline",
        "iree-stream-verify-lowering-to-async",
        "iree-stream-schedule-allocation",
        "iree-stream-emplace-transients",
        "iree-stream-materialize-transient-size-queries",
        _on_functions("iree-stream-pack-constants", "iree-stream-layout-slices", "canonicalize"),
        # As scf, a loop of no step would lose its results' offsets here; any earlier, and IREE memoizes wrong commands.
        "convert-scf-to-cf",
        "iree-util-propagate-subranges",
        "iree-stream-cleanup-pipeline",
        "iree-stream-automatic-reference-counting",
        "iree-stream-annotate-constant-transient-size",
        "iree-stream-verify-lowering-to-cmd",
        "iree-stream-optimization-pipeline",
        "iree-stream-cleanup-pipeline",
        "symbol-dce",
    )
)


def has_host_control_flow(module: Any) -> bool:
    """Return whether a function of the module has scf ops outside the bodies of linalg ops and kernels."""
    return any(op.name in _CONTROL and _on_host(op) for op in _operations(module))


def compile_staged(run: Invocation) -> bytes:
    """Return the artifact of a module with host control flow.

    Raises:
      StageFailure: from the step that failed.
    """
    run.to_phase("flow")
    run.passes("stream", _TO_STREAM)
    with run.context:
        own_carries(run.module)
    run.passes("stream", _TO_ELISION)
    with run.context:
        _show_copies(run.module)
    run.passes("stream", _TO_USAGE)
    with run.context:
        _hide_copies(run.module)
    run.passes("stream", _ELISION)
    with run.context:
        _show_copies(run.module)
    run.passes("stream", _TO_COMMANDS)
    return run.to_bytecode(after="stream")


def own_carries(module: Any) -> int:
    """Make every value that crosses the edge of a region own its buffer; return how many copies that took.

    The module is at the stage that `iree-stream-tensor-transformation-pipeline` leaves. A copy is an optimization
    barrier for now, which copy elision does not look through.
    """
    operations = list(_operations(module))
    for op in operations:
        if op.name == "stream.async.transfer":
            _complete_affinity(op)
    copies = 0
    for op in operations:
        for index in _updated_operands(op):
            if _is_captured_by_loop(_source(op.operands[index]), op):
                copies += _protect(op, index)
        for index in _update_operands(op):
            # IREE lets the maker of an update write into its target, wherever that is defined.
            if _defining_block(_source(op.operands[index])) != op.block:
                copies += _protect(op, index)
        if op.name in _EDGES:
            entering: list[Any] = []
            for index, value in enumerate(op.operands):
                if not _is_resource(value):
                    continue
                if value in entering or not _owned(value, op):
                    copies += _protect(op, index)
                entering.append(value)
        elif op.name == "util.call":
            entering = []
            for index, value in enumerate(op.operands):
                if _is_resource(value) and (value in entering or _is_captured_by_loop(_source(value), op)):
                    copies += _protect(op, index)
                entering.append(value)
    return copies


def _operations(module: Any) -> Any:
    """Yield the operations of the module in order, without the kernels'."""
    stack = [iter([module.operation])]
    while stack:
        op = next(stack[-1], None)
        if op is None:
            stack.pop()
            continue
        yield op
        if op.name not in ("stream.executable", "hal.executable"):
            inner = [child.operation for region in op.regions for block in region.blocks for child in block.operations]
            stack.append(iter(inner))


def _on_host(op: Any) -> bool:
    while (op := op.parent.operation) is not None and op.name in _CONTROL:
        pass
    return op is not None and op.name in ("func.func", "util.func", "util.initializer")


def _is_resource(value: Any) -> bool:
    return str(value.type).startswith("!stream.resource")


def _complete_affinity(op: Any) -> None:
    """There is one device, so a transfer of unknown origin starts where it ends; elision needs to be told."""
    affinities = [name for name in ("source_affinity", "target_affinity") if name in op.attributes]
    if len(affinities) == 1:
        for name in ("source_affinity", "target_affinity"):
            op.attributes[name] = op.attributes[affinities[0]]


def _updated_operands(op: Any) -> list[int]:
    """Return which operands an op writes in place."""
    if op.name in _UPDATES:
        return [0]
    if "tied_operands" not in op.attributes:
        return []
    workload = op.attributes["operandSegmentSizes"][0]
    ties = [tie.value for tie in op.attributes["tied_operands"]]
    return [workload + tie for tie in ties if tie >= 0]


def _update_operands(op: Any) -> list[int]:
    """Return the operand of an update that is written into another."""
    if op.name == "stream.tensor.update":  # after the target, its dimensions, its size and the offsets
        return [sum(list(op.attributes["operandSegmentSizes"])[:4])]
    return [4] if op.name == "stream.async.update" else []


def _defining_block(value: Any) -> Any:
    from iree.compiler import ir

    owner = value.owner
    return owner if isinstance(owner, ir.Block) else owner.operation.block


def _defining_op(value: Any) -> Any | None:
    from iree.compiler import ir

    return None if isinstance(value.owner, ir.Block) else value.owner.operation


def _source(value: Any) -> Any:
    """Return the value that a chain of views starts from."""
    while (op := _defining_op(value)) is not None and op.name in _VIEWS:
        value = op.operands[0]
    return value


def _is_captured_by_loop(value: Any, op: Any) -> bool:
    """Return whether a loop stands between the definition of a value and its use by an op."""
    block = _defining_block(value)
    while op.block != block:
        op = op.parent.operation
        if op.name in _LOOPS:
            return True
    return False


def _owned(value: Any, op: Any) -> bool:
    """Return whether a value has a buffer of its own that nothing needs after `op`, one of its users."""
    block = _defining_block(value)
    path = [op]  # up to the value's block: leaving a branch of an if is like the if itself
    while path[-1].block != block:
        path.append(path[-1].parent.operation)
        if path[-1].name not in _BRANCHES:
            return False
    if any(_runs_later(use.owner.operation, path) for use in value.uses):
        return False
    maker = _defining_op(value)
    if maker is None:
        return block.owner.operation.name in _LOOPS
    if maker.name in _VIEWS:
        return _owned(maker.operands[0], maker)
    return maker.name in _MAKERS


def _runs_later(other: Any, path: list[Any]) -> bool:
    """Return whether an op may run after `path[0]`, or within it; the path leads outwards from it."""
    if other == path[0]:
        return False
    while True:
        for op in path:
            if op.block == other.block:
                if op == other:  # of one op's regions, branches exclude each other and a loop's body is within it
                    return bool(op == path[0])
                return bool(op.is_before_in_block(other))
        other = other.parent.operation


def _protect(op: Any, index: int) -> int:
    from iree.compiler import ir

    value = op.operands[index]
    with ir.InsertionPoint(op), op.location:
        barrier = ir.Operation.create(
            _BARRIER, results=[value.type], operands=[value], attributes={_KEEP: ir.UnitAttr.get()}
        )
    op.operands[index] = barrier.result
    return 1


def _show_copies(module: Any) -> None:
    """Turn barriers into copies, which IREE schedules."""
    from iree.compiler import ir

    operations = list(_operations(module))
    barriers = [op for op in operations if op.name == _BARRIER and _is_resource(op.operands[0])]
    affinity = next((op.attributes["affinity"] for op in operations if _has_affinity(op)), None)
    placed = {} if affinity is None else {"affinity": affinity}
    for op in barriers:
        value = op.operands[0]
        with ir.InsertionPoint(op), op.location:
            size = ir.Operation.create(
                "stream.resource.size", results=[ir.IndexType.get()], operands=[value], attributes=placed
            ).result
            copy = ir.Operation.create(
                "stream.async.clone",
                results=[op.results[0].type],
                operands=[value, size, size],
                attributes={**placed, _KEEP: ir.UnitAttr.get()},
            ).result
        op.results[0].replace_all_uses_with(copy)
        op.erase()


def _has_affinity(op: Any) -> bool:
    return op.name.startswith("stream.") and "affinity" in op.attributes


def _hide_copies(module: Any) -> None:
    """Turn our copies into barriers again; a copy between lifetimes is not elided anyway."""
    from iree.compiler import ir

    for op in list(_operations(module)):
        if op.name != "stream.async.clone" or _KEEP not in op.attributes:
            continue
        value = op.operands[0]
        if value.type == op.results[0].type:
            with ir.InsertionPoint(op), op.location:
                barrier = ir.Operation.create(_BARRIER, results=[value.type], operands=[value]).result
            op.results[0].replace_all_uses_with(barrier)
            op.erase()
