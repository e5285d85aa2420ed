"""Blocks and functions: making them, filling them, and running over their ops.

A pass never mutates its input: it makes new blocks and puts them into new functions or region ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from difc.dialects.base import OPS, Builder, attributes_of, current_builder, emit, use_builder
from difc.dialects.control import end_of, yield_, yielded
from difc.dialects.mlir import func, ir
from difc.dialects.types import Aval, tensor_type

__all__ = [
    "add_function",
    "as_list",
    "block_locations",
    "build_body",
    "clone_op",
    "copy_function",
    "copy_functions",
    "copy_module",
    "functions_of",
    "inline_block",
    "is_private",
    "is_terminator",
    "map_body",
    "marked",
    "needed_first",
    "new_block",
    "return_",
    "text_of",
    "unique_name",
    "visit_op",
]

T = TypeVar("T")

#: Given an op and its operands: what it is replaced by, or None.
Visitor = Callable[[Any, list[ir.Value]], Sequence[ir.Value] | None]

#: Given a block and what its arguments are: emits its code through the current builder, and returns its results.
Fill = Callable[[ir.Block, Sequence[ir.Value]], Sequence[ir.Value]]


def new_block(avals: Sequence[Aval | ir.Type], locations: Sequence[ir.Location] | None = None) -> ir.Block:
    """Return an empty block with arguments of the given types, which belongs to no function or op yet."""
    unknown = ir.Location.unknown()
    holder = ir.Operation.create("fun.holder", regions=1, loc=unknown)
    types = [a if isinstance(a, ir.Type) else tensor_type(a) for a in avals]
    return ir.Block.create_at_start(holder.regions[0], types, list(locations) if locations else [unknown] * len(types))


def build_body(avals: Sequence[Aval | ir.Type], fill: Callable[[list[ir.Value]], Any]) -> ir.Block:
    """Return a body with arguments of given types that yields what `fill(arguments)` returns, some values or one."""
    block = new_block(avals)
    with use_builder(Builder(block, current_builder().location)):
        yield_(*as_list(fill(list(block.arguments))))
    return block


def as_list(results: Any) -> list[ir.Value]:
    """Return some values, or a lone one, as a list: builders of ops return a lone result bare."""
    return list(results) if isinstance(results, tuple | list) else [results]


def marked(values: Iterable[T], mask: Sequence[bool]) -> list[T]:
    """Return the values where the mask, which is as long, holds."""
    return [v for v, m in zip(values, mask, strict=True) if m]


def block_locations(block: ir.Block) -> list[ir.Location]:
    """Return the locations of a block's arguments."""
    return [argument.location for argument in block.arguments]


def functions_of(module: ir.Module) -> dict[str, func.FuncOp]:
    """Return the functions of a module by name."""
    return {f.name.value: f for f in module.body.operations if isinstance(f, func.FuncOp)}


def is_private(function: func.FuncOp) -> bool:
    """Say whether a function is for others of its module only."""
    return "sym_visibility" in function.attributes and function.visibility.value == "private"


def unique_name(module: ir.Module, name: str, reserved: Iterable[str] = ()) -> str:
    """Return `name`, with a number appended where the module has that symbol already or it is reserved."""
    taken = {*reserved, *functions_of(module)}
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate


def return_(block: ir.Block, values: Sequence[ir.Value], location: ir.Location | None = None) -> None:
    """End a function's block."""
    func.ReturnOp(list(values), loc=location or ir.Location.unknown(), ip=ir.InsertionPoint(block))


def add_function(
    module: ir.Module,
    name: str,
    block: ir.Block,
    *,
    private: bool = True,
    attributes: Mapping[str, ir.Attribute] | None = None,
    location: ir.Location | None = None,
) -> func.FuncOp:
    """Put a finished block (ended by `return_`) into the module as a function of that name."""
    results = [v.type for v in yielded(block)]
    type_ = ir.FunctionType.get([a.type for a in block.arguments], results)
    made = func.FuncOp(
        name,
        type_,
        visibility="private" if private else None,
        loc=location or ir.Location.unknown(),
        ip=ir.InsertionPoint(module.body),
    )
    block.append_to(made.regions[0])
    for key, attribute in (attributes or {}).items():
        made.attributes[key] = attribute
    return made


def clone_op(operation: Any, operands: Sequence[ir.Value]) -> list[ir.Value]:
    """Build a copy of an op on other operands through the current builder, with its regions.

    Where operand types are more static than they were (a function inlined for a known size), so are the result types.
    """
    operation = operation.operation
    if not len(operation.regions) and operation.name in OPS:
        old = operation.operands
        if any(v.type != old[i].type for i, v in enumerate(operands)):
            return emit(OPS[operation.name], operands, attributes_of(operation))
    return current_builder().insert_clone(operation, operands)


def inline_block(block: ir.Block, arguments: Sequence[ir.Value], visit: Visitor | None = None) -> list[ir.Value]:
    """Re-emit a block's ops on other arguments through the current builder; return what its terminator yields.

    `visit(op, operands)` may return replacement results for an op, also for one inside a body; None keeps the op.
    """
    environment: dict[ir.Value, ir.Value] = dict(zip(block.arguments, arguments, strict=True))
    builder: Builder = current_builder()
    outer = builder.location
    for operation in block.operations:
        operation = operation.operation
        operands = [environment[v] for v in operation.operands]
        if is_terminator(operation):
            builder.location = outer
            return operands
        builder.location = operation.location
        results = visit_op(operation, operands, visit) if visit is not None else clone_op(operation, operands)
        environment.update(zip(operation.results, results, strict=True))
    raise AssertionError("a block without a terminator")


def visit_op(operation: Any, operands: list[ir.Value], visit: Visitor) -> Sequence[ir.Value]:
    """Re-emit one op on other operands, with it or the ops of its bodies replaced as `visit` says."""
    results = visit(operation, operands)
    if results is not None:
        return results
    if not len(operation.regions):
        return clone_op(operation, operands)
    bodies = [map_body(region.blocks[0], visit) for region in operation.regions]
    return emit(OPS[operation.name], operands, attributes_of(operation), bodies)


def map_body(block: ir.Block, visit: Visitor) -> ir.Block:
    """Return a copy of a body, with ops replaced as `visit` says."""
    copy = new_block([a.type for a in block.arguments], block_locations(block))
    with use_builder(Builder(copy, end_of(block).location)):
        yield_(*inline_block(block, list(copy.arguments), visit))
    return copy


def copy_function(
    function: func.FuncOp,
    name: str,
    body: ir.Block,
    module: ir.Module,
    fill: Fill = inline_block,
) -> func.FuncOp:
    """Put what `fill` makes of `body` into another module, as a function of that name with what `function` has beside
    its body."""
    block = new_block([a.type for a in body.arguments], block_locations(body))
    with use_builder(Builder(block, function.location)):
        return_(block, fill(body, list(block.arguments)), function.location)
    attributes = {key: function.attributes[key] for key in function.attributes}
    kept = {k: v for k, v in attributes.items() if k not in ("sym_name", "sym_visibility", "function_type")}
    return add_function(module, name, block, private=is_private(function), attributes=kept, location=function.location)


def copy_functions(module: ir.Module, fill: Fill) -> ir.Module:
    """Return a module with what `fill` makes of each function."""
    made = ir.Module.create(loc=module.operation.location)
    for name, function in functions_of(module).items():
        copy_function(function, name, function.entry_block, made, fill)
    return made


def copy_module(module: ir.Module) -> ir.Module:
    """Return a copy of a module, to which functions can be added."""
    copy = ir.Module.create(loc=module.operation.location)
    for operation in module.body.operations:
        operation.operation.clone(ip=ir.InsertionPoint(copy.body))
    return copy


def text_of(module: ir.Module) -> str:
    """Return the text of a module that is known to be right; `str` verifies it once more before, in Python."""
    return str(module.operation.get_asm(assume_verified=True))


def needed_first(value: ir.Value, needs: Callable[[ir.Value], Sequence[ir.Value]]) -> Iterator[ir.Value]:
    """Yield all that a value needs, directly or not, each after what it needs itself, and the value at the end.

    This is in the place of recursion over operands: a chain of ops can be longer than Python's stack.
    """
    seen: set[ir.Value] = set()
    pending = [(value, False)]
    while pending:
        top, is_ready = pending.pop()
        if is_ready:
            yield top
        elif top not in seen:
            seen.add(top)
            pending.append((top, True))
            pending.extend((v, False) for v in reversed(needs(top)))


def is_terminator(operation: Any) -> bool:
    """Say whether an op ends a block."""
    return operation.operation.name in ("fun.yield", "func.return")
