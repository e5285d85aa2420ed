"""Loops within a kernel: the form that IREE's plain pipeline needs, the order of their dims, and what a step costs.

Works on loops over tensors in functions of upstream dialects, in place; `loop_kernels.py` says why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence

from difc.dialects import end_of
from difc.dialects.mlir import ir
from difc.pipelines.loop_factors import is_small_factorisation, work_of_factorisation
from difc.pipelines.loop_fences import FENCE
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, element_of, identity_map
from difc.pipelines.lowering.tensors import RESHAPES, TensorEmitter
from difc.pipelines.upstream import blocks_of, is_array, is_empty, is_made_by, nested, number_of, on_arrays

__all__ = [
    "arrange_reductions",
    "carry_bytes",
    "select_elements",
    "sizes_of_loops",
    "spell_out_copies",
    "stack_bytes",
    "work_of",
    "yield_from_memory",
    "yield_in_place",
]

_UNKNOWN_STEPS = 16  # of a loop within a loop, if their number is known only at run time
_ACCESS = 2.0  # what reading and writing an element costs, in operations on numbers
_LANES = 4  # how many elements a processor computes at once, roughly
_BYTES = 8  # of an index
Sizes = Mapping[tuple[ir.Value, int], int]
NONE: Sizes = {}
_MAKERS = ("flow.dispatch", "linalg.generic", "linalg.fill", "scf.if", "tensor.from_elements")


# ---- copies --------------------------------------------------------------------------------------


def _pen(function: ir.Operation) -> TensorEmitter:
    return TensorEmitter(function.regions[0].blocks[0], function.location)


def spell_out_copies(function: ir.Operation) -> None:
    """Write joined and padded arrays as parts that are put into an array, where their places are known.

    Before and after:

        %y = tensor.concat dim(0) %a, %b : (tensor<2xf64>, tensor<3xf64>) -> tensor<5xf64>

        %empty = tensor.empty() : tensor<5xf64>
        %some = tensor.insert_slice %a into %empty[0] [2] [1]
        %y = tensor.insert_slice %b into %some[2] [3] [1]
    """
    e = _pen(function)
    for op in [
        op for op in on_arrays(function) if op.name in ("tensor.concat", "tensor.pad") and _has_known_places(op)
    ]:
        type_ = op.results[0].type
        offsets, e.location = [0] * type_.rank, op.location
        with e.within(op):
            rest = [e.size_of(op.operands[0], d) if type_.is_dynamic_dim(d) else 0 for d in range(type_.rank)]
            whole = e.empty([r or size for r, size in zip(rest, type_.shape, strict=True)], type_.element_type)
            if op.name == "tensor.pad":
                offsets = list(op.attributes["static_low"])
                (fill,) = op.regions[0].blocks[0].operations[0].operands
                whole = e.fill(fill, whole)
            for part in op.operands:
                sizes = [r or size for r, size in zip(rest, part.type.shape, strict=True)]
                whole = e.insert_slice(part, whole, offsets, sizes, [1] * type_.rank)
                if op.name == "tensor.concat":
                    offsets[op.attributes["dim"].value] += part.type.shape[op.attributes["dim"].value]
        op.results[0].replace_all_uses_with(whole)
        op.erase()


def _has_known_places(op: ir.Operation) -> bool:
    """Say whether arrays are joined or padded along dims of known sizes only."""
    if len([v for v in op.operands if not is_array(v)]):
        return False
    if op.name == "tensor.concat":
        joined = {op.attributes["dim"].value}
    else:
        sides = zip(op.attributes["static_low"], op.attributes["static_high"], strict=True)
        joined = {d for d, side in enumerate(sides) if any(side)}
    types = [v.type for v in (*op.operands, op.results[0])]
    return not any(
        type_.is_dynamic_dim(d) if d in joined else type_.shape[d] != types[-1].shape[d]
        for type_ in types
        for d in range(type_.rank)
    )


# ---- carries in place ----------------------------------------------------------------------------


def _copied(e: TensorEmitter, x: ir.Value, into: ir.Value) -> ir.Value:
    return e.structured("linalg.copy", [x], [into], {}, lambda new, old: [new])[0]


def _put_aside(e: TensorEmitter, x: ir.Value) -> ir.Value:
    return _copied(e, x, e.empty(e.sizes_of(x), element_of(x)))


def carry_bytes(function: ir.Operation) -> None:
    """Let loops and branches hand on bytes in the place of bools that are copied: IREE (3.13) fails at such copies."""
    e = _pen(function)
    byte = ir.IntegerType.get_signless(8)

    def converted(x: ir.Value, name: str, element: ir.Type) -> ir.Value:
        sizes, inputs = e.sizes_of(x), [(x, identity_map(x.type.rank))]
        return e.pointwise(sizes, element, lambda number: e.value(name, [number], element), inputs)

    def give_bytes(op: ir.Operation, index: int) -> None:
        with e.within(op):
            op.operands[index] = converted(op.operands[index], "arith.extui", byte)

    def take_bytes(x: ir.Value, place: ir.Operation) -> None:
        users = {use.owner.operation for use in x.uses}
        x.set_type(ir.RankedTensorType.get(x.type.shape, byte))
        with e.within(place):
            bools = converted(x, "arith.trunci", e.i1)
        for user in users:
            for index in [i for i, operand in enumerate(user.operands) if operand == x]:
                user.operands[index] = bools

    for op in [op for op in on_arrays(function) if op.name in ("scf.for", "scf.if")]:
        e.location = op.location
        ends = [end_of(region.blocks[0]) for region in op.regions]
        handed_on = dict(_copied_carries(op)) if op.name == "scf.for" else dict(enumerate(op.results))
        for index, value in handed_on.items():
            if not is_array(value) or element_of(value) != e.i1:
                continue
            for end in ends:
                give_bytes(end, index)
            if op.name == "scf.for":
                give_bytes(op, 3 + index)
                take_bytes(value, op.regions[0].blocks[0].operations[0].operation)
            take_bytes(op.results[index], _after(op))


def _after(op: ir.Operation) -> ir.Operation:
    """Return the operation after another one of its block."""
    following = list(op.block.operations)
    return following[following.index(op) + 1].operation


def yield_in_place(function: ir.Operation) -> None:
    """Let each loop write what it yields into the memory of its carry, as IREE's bufferization demands.

    Before and after:

        scf.yield %next
        %written = linalg.copy ins(%next) outs(%carry)
        scf.yield %written

    A carry that becomes the next value of another one is read before it is written, as in a shift of past values. Of
    carries that change places, one is put aside.

    (Of `bufferization.materialize_in_destination` IREE 3.13 lets the op before write into the carry, and fails if
    another one still reads it.)
    """
    e = _pen(function)
    for loop in [op for op in on_arrays(function) if op.name == "scf.for"]:
        end = end_of(loop.regions[0].blocks[0])
        e.location = end.location
        with e.within(end):
            for index, carry in _read_before_written(e, end, _copied_carries(loop)):
                value = end.operands[index]
                if is_made_by(value, *RESHAPES):
                    # IREE (3.13) fails where an op before writes into the carry in another shape, and it is still read.
                    value = e.operation(FENCE, [value], [value.type]).results[0]
                if value.type.has_static_shape:
                    end.operands[index] = _copied(e, value, carry)
                else:  # as a part, since IREE needs to know the sizes of what it puts aside if the carry is still read
                    sizes = e.sizes_of(value)
                    end.operands[index] = e.insert_slice(value, carry, [0] * len(sizes), sizes, [1] * len(sizes))


def _read_before_written(
    e: TensorEmitter, end: ir.Operation, carries: Sequence[tuple[int, ir.Value]]
) -> Iterator[tuple[int, ir.Value]]:
    """Yield carries and their places, each when no other one that is to come has its value of before."""
    pending = list(carries)
    while pending:
        readers = [[j for j, _ in pending if j != i and _seen(end.operands[j]) == carry] for i, carry in pending]
        if [] in readers:
            yield pending.pop(readers.index([]))
        else:  # they change places
            reader = readers[0][0]
            end.operands[reader] = _put_aside(e, end.operands[reader])


def _seen(value: ir.Value) -> ir.Value:
    """Return the tensor that a value is, perhaps in another shape or a part of it."""
    while not isinstance(value.owner, ir.Block) and value.owner.name in (*RESHAPES, "tensor.extract_slice"):
        value = value.owner.operands[0]
    return value


def _copied_carries(loop: ir.Operation) -> list[tuple[int, ir.Value]]:
    """Return the carries, with their places, whose next values are made elsewhere."""
    body = loop.regions[0].blocks[0]
    yielded, carries = end_of(body).operands, list(body.arguments)[1:]
    pairs = enumerate(zip(yielded, carries, strict=True))
    return [(i, carry) for i, (value, carry) in pairs if is_array(value) and _memory_of(value) != carry]


def yield_from_memory(function: ir.Operation) -> None:
    """Let the arrays that a branch yields lie in memory of its own: IREE wants equal strides of both."""
    e = _pen(function)
    for branch in [op for op in on_arrays(function) if op.name == "scf.if"]:
        for region in branch.regions:
            end = end_of(region.blocks[0])
            e.location = end.location
            with e.within(end):
                for index, value in enumerate(end.operands):
                    if is_array(value):
                        end.operands[index] = _put_aside(e, value)


def _memory_of(value: ir.Value) -> ir.Value:
    """Return the tensor that a value surely is an update of: nothing else reads it, nor what lies between them."""
    while not isinstance(value.owner, ir.Block) and len(list(value.uses)) == 1:
        maker = value.owner
        if maker.name in ("tensor.insert", "tensor.insert_slice"):
            target = maker.operands[1]
        elif maker.name == "scf.for":
            target = maker.operands[3 + ir.OpResult(value).result_number]
        else:
            break
        if len(list(target.uses)) > 1:
            break
        value = target
    return value


def select_elements(function: ir.Operation) -> None:
    """Choose between arrays element by element: IREE cannot choose between their memories.

    MLIR's canonicalizer makes such choices of branches that compute nothing.
    """
    e = _pen(function)
    for op in [op for op in on_arrays(function) if op.name == "arith.select" and is_array(op.results[0])]:
        condition, *arrays = op.operands
        type_, e.location = op.results[0].type, op.location
        inputs = [(x, identity_map(type_.rank)) for x in arrays]
        with e.within(op):
            sizes = e.sizes_of(arrays[0])
            chosen = e.pointwise(sizes, type_.element_type, functools.partial(e.select, condition), inputs)
        op.results[0].replace_all_uses_with(chosen)
        op.erase()


# ---- sums ----------------------------------------------------------------------------------------


def arrange_reductions(function: ir.Operation) -> None:
    """Make the last dim of a reduction's result its innermost loop: additions for many elements overlap, and vectorize.

    Each element's terms are added in the same order as before.
    """
    for op in on_arrays(function):
        if op.name != "linalg.generic" or any(child.name == "linalg.index" for child in nested(op)):
            continue
        kinds = list(op.attributes["iterator_types"])
        names = [str(kind) for kind in kinds]
        inner = [d for d, name in enumerate(names) if PARALLEL in name]
        if not inner or not any(REDUCTION in name for name in names) or inner[-1] == len(names) - 1:
            continue
        order = [d for d in range(len(names)) if d != inner[-1]] + [inner[-1]]
        place = ir.AffineMap.get(len(order), 0, [ir.AffineExpr.get_dim(order.index(d)) for d in range(len(order))])
        maps = [ir.AffineMapAttr(a).value for a in op.attributes["indexing_maps"]]
        moved = [ir.AffineMap.get(len(order), 0, [e.compose(place) for e in m.results]) for m in maps]
        op.attributes["indexing_maps"] = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in moved])
        op.attributes["iterator_types"] = ir.ArrayAttr.get([kinds[d] for d in order])


# ---- what a step costs ---------------------------------------------------------------------------


def stack_bytes(function: ir.Operation, given: Sizes = NONE) -> float:
    """Return the bytes of the tensors that are made within a function, at most; infinite if a size is not known.

    What the outermost loop stacks up is made in the memory of the result, and is not counted, but for bools: there they
    are bytes.

    Args:
      function: a kernel.
      given: sizes that arrays, and dims of them, shall have in the place of their own.
    """
    total = 0.0
    for op in on_arrays(function):
        made: list[ir.Value] = []
        if op.name in _MAKERS:
            made = [v for v in op.results if is_array(v)]
        elif op.name == "tensor.insert_slice":
            target = op.operands[1]
            is_update = isinstance(target.owner, ir.Block) or is_made_by(target, "tensor.insert_slice")
            made = [] if is_update and len(list(target.uses)) == 1 else [target]
        elif op.name == "scf.for":
            is_outer = op.parent.operation == function
            made = [v for v in list(op.operands)[3:] if not (is_outer and _is_stacked_in_place(v))]
        for value in filter(is_array, made):
            sizes = _sizes(value, given)
            total += 0 if 0 in sizes else math.prod(sizes) * _bytes_of(element_of(value))
    return total


def _bytes_of(element: ir.Type) -> int:
    return -(-element.width // 8) if isinstance(element, ir.IntegerType | ir.FloatType) else _BYTES


def _is_stacked_in_place(start: ir.Value) -> bool:
    return is_array(start) and is_empty(start) and str(element_of(start)) != "i1"


def work_of(block: ir.Block, given: Sizes = NONE) -> tuple[float, float]:
    """Return how many operations on numbers a block does, and how many kernels it would call on the host.

    Args:
      block: of a kernel.
      given: sizes as in `stack_bytes`.
    """
    work, kernels = 0.0, 0.0
    for op in [op.operation for op in block.operations]:
        if op.name in ("linalg.generic", "linalg.fill"):
            work += _steps(sizes_of_loops(op, given)) * (_ACCESS + _operations(op))
            kernels += op.name == "linalg.generic"
        elif op.name == "tensor.insert_slice":
            work += _ACCESS * _steps(_sizes(op.operands[0], given))
            kernels += 0.5  # IREE makes some of them part of a kernel
        elif is_small_factorisation(op):
            work, kernels = work + work_of_factorisation(op), kernels + 1
        elif op.name == "scf.for":
            inner, steps = work_of(op.regions[0].blocks[0], given), _steps_of_loop(op)
            copies = sum(_ACCESS * _steps(_sizes(carry, given)) for _, carry in _copied_carries(op))
            work, kernels = work + steps * (inner[0] + copies), kernels + steps * inner[1]
        elif op.name == "scf.if":
            for region in op.regions:
                inner = work_of(region.blocks[0], given)
                work, kernels = work + inner[0] / 2, kernels + inner[1] / 2
    return work, kernels


def _sizes(value: ir.Value, given: Sizes) -> list[float]:
    """Return the sizes of an array; infinite ones if they are known only at run time."""
    sizes = [math.inf if value.type.is_dynamic_dim(d) else size for d, size in enumerate(value.type.shape)]
    return [given.get((value, d), size) for d, size in enumerate(sizes)]


def _steps(sizes: Sequence[float]) -> float:
    """Return how many steps loops of these sizes take, the innermost with vectors."""
    return math.prod(sizes) / (_LANES if sizes and sizes[-1] >= _LANES else 1)


def sizes_of_loops(op: ir.Operation, given: Sizes = NONE) -> list[float]:
    """Return the sizes of the loops of a linalg op, the innermost last."""
    if op.name == "linalg.fill":
        return _sizes(op.results[0], given)
    sizes = [1.0] * len(op.attributes["iterator_types"])
    for operand, attribute in zip(op.operands, op.attributes["indexing_maps"], strict=True):
        if is_array(operand):
            for size, expression in zip(_sizes(operand, given), ir.AffineMapAttr(attribute).value.results, strict=True):
                if isinstance(expression, ir.AffineDimExpr):
                    sizes[expression.position] = size
    return sizes


def _operations(op: ir.Operation) -> float:
    """Return how many operations the body of a generic does; those of a loop within it count for each step."""
    count = 0.0
    for block in blocks_of(op):
        for child in [child.operation for child in block.operations]:
            count += _operations(child) * _UNKNOWN_STEPS if len(child.regions) else 1
    return count


def _steps_of_loop(loop: ir.Operation) -> int:
    low, high, step = map(number_of, list(loop.operands)[:3])
    if low is None or high is None or step is None:
        return _UNKNOWN_STEPS
    return max(0, -(-(high - low) // step))
