"""Loops over small arrays, each as one kernel of a processor: a step of it calls no kernels any more.

A loop on the host calls the kernels of its body in every step, which takes a microsecond or more for each. A loop whose
steps are short in comparison is moved into a kernel as it is: linalg on tensors, of which IREE's plain pipeline makes
loops over the kernel's own memory. 300 steps of a pendulum take 18 us instead of 390, the call included; 200 of a
gradient through Runge-Kutta steps 16 us instead of 6100; a Kalman filter over 200 steps 53 us instead of 2100.

Works on the modules that `lower.py` makes, in place. Each number is computed by the same operations as on the host, and
sums add their terms in order. Where IREE fails, `program.py` compiles again without these kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from difc.dialects import end_of
from difc.dialects.mlir import ir, passmanager
from difc.pipelines.loop_bodies import (
    arrange_reductions,
    carry_bytes,
    select_elements,
    spell_out_copies,
    stack_bytes,
    work_of,
    yield_from_memory,
    yield_in_place,
)
from difc.pipelines.loop_factors import is_small_factorisation, write_out_factorisations
from difc.pipelines.loop_fences import compute_once, keep_results_apart, split_reductions
from difc.pipelines.loop_lanes import Lanes, lanes_of
from difc.pipelines.loop_parts import accesses, count_of, joined, made, narrow, shares
from difc.pipelines.loop_sizes import NOTES, Known, made_with, origin, sizes_in
from difc.pipelines.lowering.emitter import Size, dynamic_sizes, element_of
from difc.pipelines.lowering.kernel_arithmetic import let
from difc.pipelines.lowering.kernel_calls import dispatch
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import PLAIN_LOOPS, VectorUnit
from difc.pipelines.upstream import (
    CONTROL,
    blocks_of,
    copied,
    is_array,
    is_empty,
    is_made_by,
    nested,
    on_arrays,
)

__all__ = ["is_allowed", "loops_as_kernels", "move_into_kernel"]

_WORK = 8000.0  # of one step, in operations on numbers for each kernel that the step would call otherwise
_STACK = 60000  # bytes of all arrays that a step makes; of IREE it may be 65536
_BINDINGS = 32  # buffers that IREE's drivers bind for a kernel
_WRITTEN_OUT = 16  # elements of the largest constant that is part of a kernel's code

_PIPELINE = f"translation_info = #iree_codegen.translation_info<pipeline = {PLAIN_LOOPS}>"
_PASSES = ",".join(
    (
        *("convert-elementwise-to-linalg", "linalg-generalize-named-ops", "linalg-fuse-elementwise-ops"),
        *("canonicalize", "cse", "loop-invariant-code-motion"),
    )
)
_ALLOWED = frozenset(
    (
        *("scf.for", "scf.if", "scf.yield", "tensor.cast", "tensor.collapse_shape", "tensor.dim", "tensor.empty"),
        *("tensor.expand_shape", "tensor.extract", "tensor.extract_slice", "tensor.from_elements"),
        *("tensor.concat", "tensor.insert_slice", "tensor.pad", "tensor.yield", *NOTES),
    )
)
_FAMILIES = ("arith.", "iree_linalg_ext.", "linalg.", "math.")
_ELEMENTS = frozenset(("f32", "f64", "i1", "i8", "i16", "i32", "i64"))
_CASTS = {"i1": "arith.index_castui", **dict.fromkeys(("i8", "i16", "i32", "i64"), "arith.index_cast")}


def loops_as_kernels(block: ir.Block, module_block: ir.Block, unit: VectorUnit) -> None:
    """Move loops of a function, outer ones first, into kernels, where that is faster.

    Args:
      block: of the function.
      module_block: of the module, where the kernels go.
      unit: what the processor has.
    """
    for operation in [op.operation for op in block.operations]:
        if operation.name == "scf.for" and (kernel := _outlined(operation, unit)) is not None:
            _replace(operation, kernel, module_block)
        elif operation.name in CONTROL:
            for inner in blocks_of(operation):
                loops_as_kernels(inner, module_block, unit)


@dataclass(frozen=True)
class _Kernel:
    """A loop as a function of its own.

    Attributes:
      module: what holds the function.
      function: it takes the arrays, then the scalars as indices, and returns the results that are used.
      arrays, scalars: values outside the loop that it reads.
      results: which results of the loop are used.
      lanes: how the loop is shared out between workgroups; None if there is only one.
    """

    module: ir.Module
    function: ir.Operation
    arrays: Sequence[ir.Value]
    scalars: Sequence[ir.Value]
    results: Sequence[int]
    lanes: Lanes | None = None


def move_into_kernel(loop: ir.Operation, module_block: ir.Block, unit: VectorUnit, most_work: float) -> bool:
    """Move a loop into a kernel of one workgroup, and say whether that was done.

    Args:
      loop: `scf.for`; what it does not carry it only reads.
      module_block: of the module, where the kernel goes.
      unit: what the processor has.
      most_work: in operations on numbers, more of which are better left where they are.
    """
    kernel = _outlined(loop, unit, most_work)
    if kernel is not None:
        _replace(loop, kernel, module_block)
    return kernel is not None


def _outlined(loop: ir.Operation, unit: VectorUnit, most_work: float | None = None) -> _Kernel | None:
    """Return a copy of a loop as a kernel, or None if it cannot be one or is better off as it is."""
    results = [i for i, result in enumerate(loop.results) if list(result.uses)]
    if not all(is_array(loop.results[i]) for i in results) or not is_allowed(loop):
        return None
    used = _captured(loop)
    constants = [v for v in used if _is_constant(v)]
    used += [size for v in constants for size in v.owner.operands]
    arrays = [v for v in used if v not in constants and is_array(v)]
    scalars = list(dict.fromkeys(v for v in used if v not in constants and not is_array(v)))
    bound = [*arrays, *(loop.results[i] for i in results)]
    if len(bound) > _BINDINGS or not all(str(v.type.element_type) in _ELEMENTS for v in bound):
        return None
    if not all(str(v.type) == "index" or str(v.type) in _CASTS for v in scalars) or not _varies([*arrays, *scalars]):
        return None
    kernel = _copied(loop, constants, arrays, scalars, results)
    split_reductions(kernel.function)
    passmanager.PassManager.parse(f"builtin.module(func.func({_PASSES}))").run(kernel.module.operation)
    function = kernel.function
    select_elements(function)
    arrange_reductions(function)
    work, kernels = work_of(function.regions[0].blocks[0])
    if work > (_WORK * kernels if most_work is None else most_work) or stack_bytes(function) > _STACK:
        if most_work is not None or (lanes := lanes_of(function, len(arrays), _known(kernel), _STACK, _WORK)) is None:
            return None
        narrow(function, lanes)
        kernel = replace(kernel, lanes=lanes)
    write_out_factorisations(function, [op for op in on_arrays(function) if is_small_factorisation(op)], unit.fma)
    carry_bytes(function)
    yield_from_memory(function)
    yield_in_place(function)
    compute_once(function)
    keep_results_apart(function)
    return kernel


def _known(kernel: _Kernel) -> Known:
    """Return what is known of the run-time sizes of the arrays that a kernel reads, in its own names."""
    arguments = list(kernel.function.regions[0].blocks[0].arguments)
    names, known = {}, {}
    for value, argument in zip(kernel.scalars, arguments[len(kernel.arrays) :], strict=True):
        names[origin(value, {})] = argument
    for value, argument in zip(kernel.arrays, arguments, strict=False):
        for d in filter(value.type.is_dynamic_dim, range(value.type.rank)):
            known[argument, d] = names.setdefault(made_with(value, d, {}), (argument, d))
    return known


def is_allowed(op: ir.Operation) -> bool:
    """Say whether IREE's plain pipeline takes an operation and what is in it; arrays without elements make it crash."""
    if not _is_known(op) or any(is_array(v) and 0 in v.type.shape for v in (*op.operands, *op.results)):
        return False
    if op.name in CONTROL:
        return all(is_allowed(child.operation) for block in blocks_of(op) for child in block.operations)
    return all(map(_is_known, nested(op)))


def _is_known(op: ir.Operation) -> bool:
    name = op.name
    return name.startswith(_FAMILIES) or name in _ALLOWED or is_small_factorisation(op)


def _is_constant(value: ir.Value) -> bool:
    """Say whether a value is better made in the kernel than read."""
    if not is_made_by(value, "arith.constant"):
        return is_empty(value)
    numbers = value.owner.attributes["value"]
    return not is_array(value) or numbers.is_splat or len(numbers) <= _WRITTEN_OUT


def _varies(values: Sequence[ir.Value]) -> bool:
    """Say whether one of some values depends on what a function is called with.

    IREE (3.13) computes kernels that read constants alone when a module is loaded; beside loops on the host it then
    loses results of those with several.
    """
    waiting, seen = list(values), set(values)
    while waiting:
        maker = waiting.pop().owner
        if isinstance(maker, ir.Block) or maker.name in CONTROL:
            return True
        new = [v for v in maker.operands if v not in seen]
        waiting += new
        seen.update(new)
    return False


def _captured(loop: ir.Operation) -> list[ir.Value]:
    """Return the values from outside that a loop uses, in order."""
    own = {v for op in nested(loop) for v in op.results}
    own |= {a for op in (loop, *nested(loop)) for block in blocks_of(op) for a in block.arguments}
    return list(dict.fromkeys(v for op in (loop, *nested(loop)) for v in op.operands if v not in own))


def _copied(
    loop: ir.Operation,
    constants: Sequence[ir.Value],
    arrays: Sequence[ir.Value],
    scalars: Sequence[ir.Value],
    results: Sequence[int],
) -> _Kernel:
    module = ir.Module.create(loc=loop.location)
    index = ir.IndexType.get()
    given = [*(_stored(v.type) for v in arrays), *[index] * len(scalars)]
    found = [_stored(loop.results[i].type) for i in results]
    function = ir.Operation.create(
        "func.func",
        attributes={
            "sym_name": ir.StringAttr.get("kernel"),
            "function_type": ir.TypeAttr.get(ir.FunctionType.get(given, found)),
        },
        regions=1,
        loc=loop.location,
        ip=ir.InsertionPoint(module.body),
    )
    block = ir.Block.create_at_start(function.regions[0], given, [loop.location] * len(given))
    values = {}
    with ir.InsertionPoint(block), loop.location:
        for value, argument in zip(arrays, block.arguments, strict=False):
            values[value] = _converted(argument, value.type)
        for value, argument in zip(scalars, list(block.arguments)[len(arrays) :], strict=True):
            values[value] = argument
            if value.type != index:
                cast = ir.Operation.create(_CASTS[str(value.type)], results=[value.type], operands=[argument])
                values[value] = cast.results[0]
        for value in constants:
            values[value] = copied(value.owner.operation, values).results[0]
        copy = copied(loop, values)
        ir.Operation.create(
            "func.return", operands=[_converted(copy.results[i], t) for i, t in zip(results, found, strict=True)]
        )
    for op in [op for op in on_arrays(copy) if op.name in NOTES]:
        op.results[0].replace_all_uses_with(op.operands[0])
        op.erase()
    spell_out_copies(function)
    return _Kernel(module, function, arrays, scalars, results)


def _stored(type_: ir.RankedTensorType) -> ir.RankedTensorType:
    """Return the type of an array as a kernel is bound to it: bools are bytes."""
    is_bool = str(type_.element_type) == "i1"
    return ir.RankedTensorType.get(type_.shape, ir.IntegerType.get_signless(8)) if is_bool else type_


def _converted(tensor: ir.Value, type_: ir.RankedTensorType) -> ir.Value:
    """Return a tensor of bools as bytes, or of bytes as bools; others as they are."""
    if tensor.type == type_:
        return tensor
    name = "arith.extui" if str(tensor.type.element_type) == "i1" else "arith.trunci"
    return ir.Operation.create(name, results=[type_], operands=[tensor]).results[0]


# ---- the kernel in the place of the loop ---------------------------------------------------------


def _replace(loop: ir.Operation, kernel: _Kernel, module_block: ir.Block) -> None:
    names = [op.attributes["sym_name"].value for op in module_block if op.operation.name == "flow.executable"]
    name = f"difc_loop_{sum(each.startswith('difc_loop_') for each in names)}"
    results = [loop.results[i] for i in kernel.results]
    starts = [loop.operands[3 + i] for i in kernel.results]  # a carry keeps its sizes
    e = TensorEmitter(_entry_of(loop), loop.location)
    with ir.InsertionPoint(loop), loop.location, e.within(loop):
        given = [_converted(v, _stored(v.type)) for v in kernel.arrays]
        given_sizes, made_sizes = ([_sizes(e, v) for v in values] for values in (kernel.arrays, starts))
        scalars = [_as_index(v) for v in kernel.scalars]
        share: tuple[Size, ...] = ()
        if kernel.lanes is not None:
            count = count_of(kernel.lanes, given_sizes, made_sizes)
            tile, groups = shares(e, kernel.lanes, count)
            share = (count, tile, groups)
            made_sizes = [made(kernel.lanes, i, sizes, groups) for i, sizes in enumerate(made_sizes)]
        # one name for each size, so that IREE finds the memory of a result for a tensor that is made with its sizes
        sizes = (share, *given_sizes, *made_sizes)
        distinct = list(dict.fromkeys([*scalars, *(d for s in sizes for d in dynamic_sizes(s))]))
        elements = [_stored(v.type).element_type for v in results]
        read = [_array(f"x{i}", "read", element_of(v), given_sizes[i], distinct) for i, v in enumerate(given)]
        write = [_array(f"y{i}", "write", t, made_sizes[i], distinct) for i, t in enumerate(elements)]
        named = [size if isinstance(size, int) else f"%s{distinct.index(size)}" for size in share]
        whole = ir.Operation.parse(_text(name, kernel, read, write, len(distinct), named))
        ir.InsertionPoint.at_block_begin(module_block).insert(whole)
        _fill(whole, kernel, [distinct.index(v) for v in scalars])
        arrays, types = zip(given, given_sizes, strict=True), zip(made_sizes, elements, strict=True)
        found = dispatch(e, name, list(arrays), distinct, list(types))
        if kernel.lanes is not None:
            found = joined(e, kernel.lanes, found, starts)
        for old, new in zip(results, found, strict=True):
            old.replace_all_uses_with(_converted(new, old.type))
    loop.erase()


def _text(
    name: str, kernel: _Kernel, read: Sequence[Array], write: Sequence[Array], sizes: int, share: Sequence[int | str]
) -> str:
    """Return the executable of a kernel, with a mark in the place of each result.

    Args:
      name: of the executable.
      kernel: what it does.
      read, write: the arrays that it is bound to.
      sizes: how many run-time sizes there are.
      share: how many lanes there are, how many a workgroup takes, and how many workgroups there are: numbers or names.
    """
    if kernel.lanes is None:
        across = "1"
        body = [a.load_whole(f"%of_{a.name}") for a in read]
        stores = [a.store_whole(f"%to_{a.name}") for a in write]
    else:
        count, tile, groups = share
        across = str(groups).removeprefix("%")
        body, stores = accesses(kernel.lanes, read, write, count, tile)
    results = end_of(kernel.function.regions[0].blocks[0]).operands
    body += [f'%to_{a.name} = "difc.result"() : () -> {v.type}' for a, v in zip(write, results, strict=True)]
    return executable(
        name,
        [*read, *write],
        [f"s{i}" for i in range(sizes)],
        let(f"across = {across}"),
        "\n".join([*body, *stores]),
        repeat=False,
        attributes=_PIPELINE,
    )


def _fill(whole: ir.Operation, kernel: _Kernel, scalars: Sequence[int]) -> None:
    """Move the code of a kernel between the loads and stores of an executable; `scalars` are numbers of sizes."""
    (target,) = (op for op in nested(whole) if op.name == "func.func")
    lines = [op.operation for op in target.regions[0].blocks[0].operations]
    loads = [op for op in lines if op.name.endswith("tensor.load")]
    stores = [op for op in lines if op.name.endswith("tensor.store")]
    ordinals = [op for op in lines if op.name.endswith("workload.ordinal")]
    block = kernel.function.regions[0].blocks[0]
    given = [op.results[0] for op in (*loads, *(ordinals[i] for i in scalars))]
    for op in [op for op in lines if op.name == "affine.min"]:  # of a kernel with lanes
        given += [op.operands[1], op.results[0]]
    for argument, value in zip(block.arguments, given, strict=True):
        argument.replace_all_uses_with(value)
    *code, end = [op.operation for op in block.operations]
    for op in code:
        op.move_before(stores[0])
    for store, value in zip(stores, end.operands, strict=True):
        store.operands[0] = value
    for op in lines:
        if op.name == "difc.result":
            op.erase()


def _array(name: str, access: str, element: ir.Type, sizes: Sequence[Size], distinct: Sequence[ir.Value]) -> Array:
    shape = tuple(size if isinstance(size, int) else f"s{distinct.index(size)}" for size in sizes)
    return Array(name, access, str(element), shape)


def _entry_of(op: ir.Operation) -> ir.Block:
    """Return the first block of the function that an operation is in."""
    while op.name != "func.func":
        op = op.parent.operation
    return op.regions[0].blocks[0]


def _sizes(e: TensorEmitter, array: ir.Value) -> list[Size]:
    """Return the sizes of an array: those that it was made with, where it was made empty."""
    if is_empty(array):
        return sizes_in(array.owner.operation)[0]
    return e.sizes_of(array)


def _as_index(value: ir.Value) -> ir.Value:
    index = ir.IndexType.get()
    if value.type == index:
        return value
    return ir.Operation.create(_CASTS[str(value.type)], results=[index], operands=[value]).results[0]
