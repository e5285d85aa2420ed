"""Calls, and requests for derivatives and batching of a function, by symbol.

A request is an ordinary op on a function's name, so it nests, prints, and can come from any producer. `verify` checks a
whole module, with the names and types of calls against the functions, which an op's own rule cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from difc.dialects.base import OPS, Bools, Ints, Results, Symbol, attributes_of, op
from difc.dialects.body import functions_of
from difc.dialects.locations import refused_by_mlir, verification_error
from difc.dialects.mlir import func, ir
from difc.dialects.types import Aval, aval_of, fits, is_float, same_dim
from difc.errors import DifcError, ShapeError

__all__ = ["REQUESTS", "call", "jvp", "verify", "vjp", "vmap"]


@op(dialect="fun")
def call(*args: Aval, callee: Symbol, results: Results) -> list[Aval]:
    """Call a function of the module."""
    return list(results)


@op(dialect="fun")
def jvp(*args: Aval, callee: Symbol, mask: Bools, results: Results) -> list[Aval]:
    """Results of a function and their tangents.

    Operands: all primals, then a tangent for each primal that `mask` marks. Results: all primal results, then a tangent
    for each float one.
    """
    return list(results)


@op(dialect="fun")
def vjp(*args: Aval, callee: Symbol, mask: Bools, out_mask: Bools, results: Results) -> list[Aval]:
    """Results of a function and the cotangents of its arguments.

    Operands: all primals, then a cotangent for each result that `out_mask` marks (others count as zero). Results: all
    primal results, then a cotangent for each primal that `mask` marks.
    """
    return list(results)


@op(dialect="fun")
def vmap(*args: Aval, callee: Symbol, in_axes: Ints, out_axes: Ints, results: Results) -> list[Aval]:
    """A function mapped over an axis of its arguments: `in_axes` gives the axis of each, or -1 for one shared by all;
    `out_axes` gives the place of the mapped axis in each result, or -1 for a result that is not mapped.
    """
    return list(results)


REQUESTS = ("fun.jvp", "fun.vjp", "fun.vmap")


def _insert_axis(aval: Aval, axis: int, size: Any) -> Aval:
    if not -1 <= axis <= aval.ndim:
        raise ShapeError(f"axis {axis} is no place for a mapped axis in {aval}")
    return aval if axis == -1 else Aval((*aval.shape[:axis], size, *aval.shape[axis:]), aval.dtype)


def _one_for_each(name: str, marks: Sequence[Any], avals: Sequence[Aval], what: str) -> Iterator[tuple[Any, Aval]]:
    if len(marks) != len(avals):
        raise ShapeError(f"{name} has {len(marks)} entries for {len(avals)} {what}")
    return zip(marks, avals, strict=True)


def _marked(name: str, marks: Sequence[bool], avals: Sequence[Aval], what: str) -> list[Aval]:
    return [aval for mark, aval in _one_for_each(name, marks, avals, what) if mark]


def _expected(operation: Any, ins: list[Aval], outs: list[Aval]) -> tuple[list[Aval], list[Aval]]:
    """Return the operand and result types that a call or request on a function `ins -> outs` must have."""
    attributes = attributes_of(operation)
    match operation.name:
        case "fun.call":
            return ins, outs
        case "fun.jvp":
            marked = _marked("mask", attributes["mask"], ins, "arguments")
            return [*ins, *marked], [*outs, *(a for a in outs if is_float(a.dtype))]
        case "fun.vjp":
            cts = _marked("out_mask", attributes["out_mask"], outs, "results")
            return [*ins, *cts], [*outs, *_marked("mask", attributes["mask"], ins, "arguments")]
        case _:
            in_axes, out_axes = attributes["in_axes"], attributes["out_axes"]
            operands = [aval_of(v) for v in operation.operands]
            size = None
            for axis, given in _one_for_each("in_axes", in_axes, operands, "operands"):
                if axis != -1:
                    if not 0 <= axis < given.ndim:
                        raise ShapeError(f"there is no axis {axis} to map over in {given}")
                    size = given.shape[axis] if size is None else same_dim(size, given.shape[axis], "mapped sizes")
            if size is None:
                raise ShapeError("no argument is mapped")
            return (
                [_insert_axis(a, axis, size) for axis, a in _one_for_each("in_axes", in_axes, ins, "arguments")],
                [_insert_axis(a, axis, size) for axis, a in _one_for_each("out_axes", out_axes, outs, "results")],
            )


def _call_problem(operation: Any, functions: dict[str, func.FuncOp]) -> str | None:
    callee = attributes_of(operation)["callee"]
    if callee not in functions:
        return f"names a function @{callee} that is not there"
    type_ = functions[callee].type
    try:
        expected = _expected(operation, [aval_of(t) for t in type_.inputs], [aval_of(t) for t in type_.results])
    except DifcError as error:
        return f"does not fit @{callee}: {error.message}"
    for what, values, wanted in zip(
        ("operand", "result"), (operation.operands, operation.results), expected, strict=True
    ):
        found = [aval_of(v) for v in values]
        if len(found) != len(wanted):
            return f"has {len(found)} {what}s where @{callee} needs {len(wanted)}"
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            if not fits(a, b):
                return f"has {what} {i} of type {a} where @{callee} needs {b}"
    return None


def _is_defined_inside(value: ir.Value, block: ir.Block) -> bool:
    owner = value.owner
    return (owner if isinstance(owner, ir.Block) else owner.operation.block) == block


def _function_around(operation: Any) -> str | None:
    parent = operation.parent
    while parent is not None and parent.operation.name != "func.func":
        parent = parent.operation.parent
    return parent.operation.attributes["sym_name"].value if parent is not None else None


def _recursion(callees: dict[str, dict[str, ir.Location]]) -> list[tuple[ir.Location, str]]:
    """Return the calls that close a circle, which no pass could expand."""
    done: set[str] = set()
    found: list[tuple[ir.Location, str]] = []

    def look(name: str, path: tuple[str, ...]) -> None:
        for callee, location in callees[name].items():
            if callee in (*path, name):
                circle = "itself" if callee == name else f"@{callee}, which leads back to it"
                found.append((location, f"@{name} calls {circle}: functions cannot be recursive"))
            elif callee not in done:
                look(callee, (*path, name))
        done.add(name)

    for name in callees:
        if name not in done:
            look(name, ())
    return found


def verify(module: ir.Module) -> None:
    """Check a whole module: MLIR's verifier with the type rules of `dif` ops, then the `fun` ops.

    Raises:
      VerificationError: with a message at the location of each wrong op.
    """
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise refused_by_mlir(error) from None
    functions, problems = functions_of(module), []
    callees: dict[str, dict[str, ir.Location]] = {name: {} for name in functions}

    def check(operation: Any) -> ir.WalkResult:
        name = operation.name
        opdef = OPS.get(name)
        if name.startswith("fun."):
            if opdef is None:
                problem: str | None = "is not an op of this dialect"
            elif (problem := opdef.problem(operation)) is None and name in ("fun.call", *REQUESTS):
                problem = _call_problem(operation, functions)
                caller = _function_around(operation)
                if problem is None and caller is not None:
                    callees[caller].setdefault(attributes_of(operation)["callee"], operation.location)
            if problem is None:
                for region in operation.regions:
                    block = region.blocks[0]
                    for inner in block.operations:
                        if not all(_is_defined_inside(v, block) for v in inner.operation.operands):
                            problem = f"has a body whose '{inner.operation.name}' uses a value from outside"
            if problem is not None:
                problems.append((operation.location, f"'{name}' op {problem}"))
        return ir.WalkResult.ADVANCE

    module.operation.walk(check)
    problems = problems or _recursion(callees)
    if problems:
        raise verification_error(problems)
