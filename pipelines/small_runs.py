"""Runs of operations on small arrays, each as one kernel of a processor: to call a kernel takes longer than they do.

IREE makes a kernel of what it can fuse; a call of one takes 0.2 to 1 us, and each different one 10 ms or more to
compile. Programs on small arrays have dozens. So operations that follow each other become a loop of one step, and that
a kernel like other loops (`loop_kernels.py`). The gradient of Rosenbrock's function of 100 numbers takes 3 us instead
of 9, the call included; that of a Kalman filter's step 8 us instead of 140, and half the time to compile.

Works on the modules that `lower.py` makes, in place, after their loops have become kernels. Each number is computed by
the same operations as before, and sums add their terms in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from difc.dialects.mlir import ir
from difc.pipelines.loop_bodies import sizes_of_loops
from difc.pipelines.loop_factors import is_small_factorisation
from difc.pipelines.loop_kernels import is_allowed, move_into_kernel
from difc.pipelines.loop_sizes import NOTES
from difc.pipelines.lowering.emitter import element_of
from difc.pipelines.lowering.tensors import RESHAPES, TensorEmitter
from difc.pipelines.operations import is_reduction
from difc.pipelines.target import VectorUnit
from difc.pipelines.upstream import CONTROL, ancestor, blocks_of, copied, is_array, is_made_by, nested, on_arrays

__all__ = ["join_small_runs"]

_ELEMENTS = 256  # of an array that is computed, at most
_READ = 1024  # elements of an array of which all is read, at most
_STEPS = 4096  # of the loops of an operation, at most
_CODE = 1500  # operations in a kernel: the time to compile one grows faster than they do
_FEWEST = 4.0  # kernels that one takes the place of
_CODE_OF_ONE = 220  # operations for each of them, at most: what has more is worth a kernel of its own
_REPEATS = 10  # of each different operation, at most: a loop that is written out
_WORK = 2000.0  # steps, with vectors, for each of them, at most

_GENERIC = "linalg.generic"
_LOOPS = ("scf.for", "scf.while")
_COPIED = ("arith.constant", "tensor.empty")  # into the kernels that need them
_Use = tuple[ir.Operation, int, ir.Value]  # the user, which operand, and the value
_VIEWS = (*RESHAPES, "tensor.extract_slice", *NOTES)


def join_small_runs(block: ir.Block, module_block: ir.Block, unit: VectorUnit) -> None:
    """Move runs of operations on small arrays into kernels: of a block, and of those of its loops and branches.

    A run is computed as late as possible: right before the first other operation that needs a result of it. The others
    keep their order. Before and after:

        %a = linalg.generic ins(%x) ...
        %b = linalg.generic {reduction} ins(%a) ...
        %r = linalg.generic ins(%a, %b) ...

        %r = flow.dispatch @difc_loop_0(%x)

    Args:
      block: of a function.
      module_block: of the module, where the kernels go.
      unit: what the processor has.
    """
    run = _Run()
    *operations, end = [op.operation for op in block.operations]
    for op in operations:
        if op.name in _COPIED:
            continue
        is_small = _is_small(op)
        code = 1 + sum(1 for _ in nested(op)) if is_small else 0
        if run.code + code > _CODE if is_small else run.is_read(op):
            _join(run.members, op, module_block, unit)
            run = _Run()
        if is_small:
            run.add(op, code)
        elif op.name in CONTROL:
            for inner in blocks_of(op):
                join_small_runs(inner, module_block, unit)
    _join(run.members, end, module_block, unit)


@dataclass
class _Run:
    """Operations that may become a kernel, in order.

    Attributes:
      members: the operations.
      results: what they make.
      code: how many operations they are, with those in their regions.
    """

    members: list[ir.Operation] = field(default_factory=list)
    results: set[ir.Value] = field(default_factory=set)
    code: int = 0

    def add(self, op: ir.Operation, code: int) -> None:
        self.members.append(op)
        self.results.update(op.results)
        self.code += code

    def is_read(self, op: ir.Operation) -> bool:
        """Say whether an operation uses a result, in its regions perhaps."""
        return any(v in self.results for part in (op, *nested(op)) for v in part.operands)


def _is_small(op: ir.Operation) -> bool:
    """Say whether an operation, with what is in its regions, takes few steps, on small arrays of known sizes."""
    parts = [op, *on_arrays(op)] if op.name in CONTROL else [op]
    if not len(op.results) or any(part.name in _LOOPS for part in parts) or not is_allowed(op):
        return False
    read = [v.type for part in parts for v in part.operands if is_array(v)]
    made = [v.type for part in parts for v in part.results if is_array(v)]
    if not all(type_.has_static_shape for type_ in (*read, *made)):
        return False
    if any(math.prod(type_.shape) > _ELEMENTS for type_ in made):
        return False
    loops = [part for part in parts if part.name == _GENERIC]
    if any(math.prod(v.type.shape) > _READ for part in loops for v in part.operands if is_array(v)):
        return False
    return all(math.prod(sizes_of_loops(part)) <= _STEPS for part in loops)


# ---- what a run is worth -------------------------------------------------------------------------


def _is_worth_it(run: Sequence[ir.Operation], kernels: float) -> bool:
    """Say whether IREE would make many kernels of a run, and compile many: it compiles equal ones once."""
    if kernels < _FEWEST:
        return False
    generics = [op for op in run if op.name == _GENERIC]
    code = {op: [part.name for part in nested(op)] for op in generics}
    if sum(map(len, code.values())) > kernels * _CODE_OF_ONE:
        return False
    different = {
        (str(op.attributes["indexing_maps"]), *(str(v.type) for v in op.operands), *names) for op, names in code.items()
    }
    return len(generics) <= _REPEATS * len(different)


def _kernels(run: Sequence[ir.Operation]) -> float:
    """Return how many kernels IREE would make of a run, roughly."""
    count, members, after_scalar = 0.0, set(run), False
    for op in run:
        if op.name == "scf.if":
            count += 1 + max(_kernels([child.operation for child in r.blocks[0].operations]) for r in op.regions)
        elif op.name == "tensor.insert_slice":
            count += 0.5  # some become part of a kernel
        elif is_small_factorisation(op) or op.name.startswith("iree_linalg_ext."):
            count += 1
        elif op.name == _GENERIC:
            is_scalar = not len(op.attributes["iterator_types"])
            count += not after_scalar if is_scalar else not _is_fused(op, members)
            after_scalar = is_scalar
    return count


def _is_fused(op: ir.Operation, members: set[ir.Operation]) -> bool:
    """Say whether IREE makes an operation part of the kernel of another one: of its only user, or of a sum it reads."""
    if is_reduction(op):
        return False
    users = [use.owner.operation for v in op.results for use in v.uses]
    if len(users) == 1 and users[0].name == _GENERIC:
        return True
    makers = [v.owner for v in op.operands if is_made_by(v, _GENERIC)]
    return any(maker.operation not in members or is_reduction(maker.operation) for maker in makers)


# ---- a kernel in its place -----------------------------------------------------------------------


def _join(run: Sequence[ir.Operation], before: ir.Operation, module_block: ir.Block, unit: VectorUnit) -> None:
    """Put a kernel in the place of a run, before an operation, where that pays off."""
    block = before.block
    members = _without_needed_scalars(run, block)
    kernels, kept = _kernels(members), _kept(members, block)
    if not (kept and _is_worth_it(members, kernels)):
        return
    loop = _loop_of_one_step(members, list(kept), before)
    makers = [v.owner.operation for v in loop.operands]
    uses = [(*use, new) for uses, new in zip(kept.values(), loop.results, strict=True) for use in uses]
    for user, number, _, new in uses:
        user.operands[number] = new
    if is_moved := move_into_kernel(loop, module_block, unit, _WORK * kernels):
        unused = [*reversed(members), *makers]
    else:
        for user, number, old, _ in uses:
            user.operands[number] = old
        unused = [loop, *makers]
    for op in unused:
        if not any(list(v.uses) for v in op.results):
            op.erase()
    if not is_moved and kernels >= 2 * _FEWEST:  # it may have been too large
        half = len(members) // 2
        _join(members[:half], members[half], module_block, unit)
        _join(members[half:], before, module_block, unit)


def _without_needed_scalars(run: Sequence[ir.Operation], block: ir.Block) -> list[ir.Operation]:
    """Return a run without the numbers that are needed outside, nor what those are computed from.

    What a kernel makes are arrays.
    """
    members = set(run)
    needed: set[ir.Operation] = set()
    for op in reversed(run):
        users = _users(op, block)
        if users & needed or not (users <= members or all(is_array(v) for v in op.results)):
            needed.add(op)
    return [op for op in run if op not in needed]


def _kept(members: Sequence[ir.Operation], block: ir.Block) -> dict[ir.Value, list[_Use]]:
    """Return the arrays that are needed outside, each with its uses there.

    What is fenced is the array itself, as all that leaves a kernel. Views of arrays of outside can be had there.
    """
    source: dict[ir.Value, ir.Value] = {}
    kept: dict[ir.Value, list[_Use]] = {}
    inside = set(members)
    for op in members:
        if op.name in _VIEWS and op.operands[0] not in source:
            continue
        for v in op.results:
            source[v] = source[op.operands[0]] if op.name in NOTES else v
            uses = [(u.owner.operation, u.operand_number, v) for u in v.uses]
            if uses := [use for use in uses if ancestor(use[0], block) not in inside]:
                kept.setdefault(source[v], []).extend(uses)
    return kept


def _users(op: ir.Operation, block: ir.Block) -> set[ir.Operation]:
    """Return the operations of a block that use the results of one, or have a user in their regions."""
    return {ancestor(use.owner.operation, block) for v in op.results for use in v.uses}


def _loop_of_one_step(members: Sequence[ir.Operation], kept: Sequence[ir.Value], before: ir.Operation) -> ir.Operation:
    """Append a loop that computes arrays as a run does."""
    index, location = ir.IndexType.get(), members[0].location
    e = TensorEmitter(before.block, location)
    with e.within(before):
        numbers = [e.value("arith.constant", [], index, value=ir.IntegerAttr.get(index, n)) for n in (0, 1, 1)]
        starts = [e.empty(list(v.type.shape), element_of(v)) for v in kept]
        loop = e.operation("scf.for", [*numbers, *starts], [v.type for v in kept], regions=1)
    body = e.block(loop.regions[0], [index, *(v.type for v in kept)])
    values: dict[ir.Value, ir.Value] = {}
    with ir.InsertionPoint(body), location:
        for op in members:
            values.update(zip(op.results, copied(op, values).results, strict=True))
        ir.Operation.create("scf.yield", operands=[values[v] for v in kept])
    return loop
