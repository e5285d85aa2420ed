"""Who owns which buffer around loops: copies where IREE's copy elision would be wrong, and copies it may not drop.

Works on a module at the stream dialect's tensor and async stages; see `staged.py` for when and why.

Soundness: within a block IREE's elision is right (a value is updated in place by its last use) as long as kernels keep
their order, which `keep_order` sees to. `_owned` extends this over the edges of regions: a value that enters a loop, or
leaves a region, was made in the same block by an op that makes a new buffer, and is used by nothing later. Only
structured control flow (scf) is supported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from difc.pipelines.operations import BARRIER, hidden, operations

__all__ = [
    "CONTROL",
    "has_shared_updates",
    "hide_copies",
    "keep_apart",
    "keep_order",
    "own_carries",
    "show_copies",
]

_LOOPS = ("scf.for", "scf.while")
_BRANCHES = ("scf.if", "scf.index_switch")
CONTROL = (*_LOOPS, *_BRANCHES)
_EDGES = (*_LOOPS, "scf.yield", "scf.condition")
_UPDATES = (
    "flow.tensor.update",
    *(f"stream.{level}.{name}" for level in ("tensor", "async") for name in ("update", "fill")),
)
_VIEWS = (
    *("stream.async.cast", "stream.async.transfer", "stream.async.clone", "stream.tensor.clone"),
    *("flow.tensor.reshape", "flow.tensor.tie_shape", "flow.tensor.clone", "tensor.cast"),
)
_MAKERS = (
    *(f"stream.{level}.{name}" for level in ("tensor", "async") for name in ("alloca", "splat", "dispatch")),
    *("stream.tensor.empty", *_UPDATES, *CONTROL),
)
_KEEP, _OWN = "difc.keep", "difc.own"


def own_carries(module: Any) -> int:
    """Make every value that crosses the edge of a region own its buffer; return how many copies that took.

    The module is at the stage that `iree-stream-tensor-transformation-pipeline` leaves. A copy is an optimization
    barrier for now, which copy elision does not look through.
    """
    found = operations(module)
    for op in found:
        if op.name == "stream.async.transfer":
            _complete_affinity(op)
    copies, shared = 0, _shared_targets(found)
    for op in found:
        for index in _updated_operands(op):
            if _is_captured_by_loop(_source(op.operands[index]), op):
                copies += _protect(op, index)
        for index in _update_operands(op):
            if _is_emplaced_wrongly(op, index, shared):
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


def has_shared_updates(module: Any) -> bool:
    """Return whether an op may be written into an array that others use, too.

    The module is at the stage that dispatch creation leaves.
    """
    return bool(_shared_targets(operations(module)))


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


def _is_emplaced_wrongly(op: Any, index: int, shared: set[Any]) -> bool:
    """Return whether an update must not be written into its target by the op that makes it.

    IREE lets it, also where the maker is outside the loop, and where the target is still read after the maker. It moves
    all that the target is made of before the maker, and forgets who reads what updates among it are written into, and
    what the bodies of loops among it use.
    """
    update, target = _source(op.operands[index]), _source(op.operands[0])
    if _defining_block(update) != op.block:
        return True
    maker = _defining_op(update)
    if maker is None:
        return False
    path = _path_outwards(maker, _defining_block(target))
    if target in shared or any(user != op and _runs_later(user, path) for user in _readers(target)):
        return True
    return _needs_control_after(target, maker)


def _needs_control_after(value: Any, maker: Any) -> bool:
    """Return whether control flow that comes after an op, in its block, is among what a value is computed from."""
    rest, seen = [value], {value}
    while rest:
        op = _defining_op(rest.pop())
        if op is None or op.block != maker.block or not maker.is_before_in_block(op):
            continue
        if op.name in CONTROL:
            return True
        new = [v for v in op.operands if v not in seen]
        seen.update(new)
        rest += new
    return False


def _shared_targets(found: Sequence[Any]) -> set[Any]:
    """Return the results of updates, of what others read too, directly or in steps."""
    shared: set[Any] = set()
    for op in found:
        for index in _updated_operands(op):
            target = _source(op.operands[index])
            if target in shared or len(set(_readers(target))) > 1:
                shared.update(op.results)
    return shared


def _readers(value: Any) -> Iterator[Any]:
    """Yield the users of a value and of its views."""
    for use in value.uses:
        user = use.owner.operation
        if user.name in _VIEWS:
            yield from _readers(user.results[0])
        else:
            yield user


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
    return any(outer.name in _LOOPS for outer in _path_outwards(op, _defining_block(value))[1:])


def _owned(value: Any, op: Any) -> bool:
    """Return whether a value has a buffer of its own that nothing needs after `op`, one of its users."""
    block = _defining_block(value)
    path = _path_outwards(op, block)
    if any(outer.name not in _BRANCHES for outer in path[1:]):  # leaving a branch is like the if itself
        return False
    if any(_runs_later(use.owner.operation, path) for use in value.uses):
        return False
    maker = _defining_op(value)
    if maker is None:
        return block.owner.operation.name in _LOOPS
    if maker.name in _VIEWS:
        return _owned(maker.operands[0], maker)
    return maker.name in _MAKERS


def _path_outwards(op: Any, block: Any) -> list[Any]:
    """Return an op and the ops around it, up to the one in a block."""
    path = [op]
    while path[-1].block != block:
        path.append(path[-1].parent.operation)
    return path


def _runs_later(other: Any, path: list[Any]) -> bool:
    """Return whether an op may run after `path[0]`, or within it; the path leads outwards to a block of both."""
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
        op.operands[index] = hidden(value, {_KEEP: ir.UnitAttr.get()})
    return 1


def show_copies(module: Any) -> None:
    """Turn barriers into copies, which IREE schedules."""
    from iree.compiler import ir

    found = operations(module)
    barriers = [op for op in found if op.name == BARRIER and _is_resource(op.operands[0])]
    affinity = next((op.attributes["affinity"] for op in found if _has_affinity(op)), None)
    placed = {} if affinity is None else {"affinity": affinity}
    for op in barriers:
        value = op.operands[0]
        if not list(op.results[0].uses):
            op.erase()
            continue
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


def hide_copies(module: Any) -> None:
    """Turn our copies into barriers again; a copy between lifetimes is not elided anyway."""
    from iree.compiler import ir

    for op in operations(module):
        if op.name != "stream.async.clone" or _KEEP not in op.attributes:
            continue
        value = op.operands[0]
        if value.type == op.results[0].type:
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(hidden(value))
            op.erase()


def keep_apart(module: Any) -> None:
    """Tell the makers of what is updated in place from each other, by a number, and by a value that IREE cannot see.

    IREE makes equal buffers for several updates, then takes them for one expression, and makes only one of them. It
    makes kernels of splats, without the number.
    """
    from iree.compiler import ir

    number, made = ir.IntegerType.get_signless(64, context=module.operation.context), 0
    for op in operations(module):
        for index in _updated_operands(op):
            maker = _defining_op(op.operands[index])
            if maker is None or _OWN in maker.attributes:
                continue
            maker.attributes[_OWN] = ir.IntegerAttr.get(number, made)
            made += 1
            if maker.name == "stream.async.splat":
                with ir.InsertionPoint(maker), maker.location:
                    maker.operands[0] = hidden(maker.operands[0])


def keep_order(module: Any) -> None:
    """Have IREE run one kernel after the other, in the order of the module.

    It starts those together that do not depend on each other, and then sorts them by what they need: an update in place
    can come before what reads the old value.
    """
    from iree.compiler import ir

    config = '#stream.partitioning_config<"debug">'
    module.operation.attributes["stream.partitioning"] = ir.Attribute.parse(config, module.operation.context)
