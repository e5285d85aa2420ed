"""The rule tables of AD, and the combinators that fill them.

A rule states mathematics only: the combinators deal with symbolic zeros and sums, the walkers with locations. Order of
arguments in every rule: tangent or cotangent, then output, then operands, then attributes as keywords.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from difc import dialects as dif
from difc.ad_pass.zero import Linear, Tangent, Zero, add_tangents, instantiate
from difc.dialects import Aval, OpDef, as_list, aval_of, clone_op, is_float
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir

__all__ = [
    "BATCH",
    "JVP",
    "LINEARIZE",
    "LINEAR_SLOTS",
    "NONZERO",
    "NO_DERIVATIVE",
    "TRANSPOSE",
    "Node",
    "defbatch",
    "defbilinear",
    "defjvp",
    "deflinear",
    "deftranspose",
    "defzero",
    "nonzero_outputs",
    "zero_tangents",
]


@dataclass(frozen=True)
class Node:
    """An operation as rules see it: its definition, attributes as Python values, and body blocks.

    Where it is within a branch that only some lanes of a batch take, `taken` says which.
    """

    operation: Any
    name: str
    attributes: dict[str, Any]
    taken: ir.Value | None = None

    @staticmethod
    def of(operation: Any, taken: ir.Value | None = None) -> Node:
        operation = operation.operation
        return Node(operation, operation.name, attributes_of(operation), taken)

    @property
    def bodies(self) -> list[ir.Block]:
        return [region.blocks[0] for region in self.operation.regions]

    @property
    def results(self) -> list[Aval]:
        return [aval_of(r) for r in self.operation.results]


JvpRule = Callable[[Node, list[ir.Value], list[Tangent]], tuple[list[ir.Value], list[Tangent]]]
TransposeRule = Callable[[Node, list[Tangent], list[Any]], Sequence[Any]]
BatchRule = Callable[[Node, Any, list[ir.Value], list[bool]], tuple[list[ir.Value], list[bool]]]

#: op name -> rule(node, primals, tangents) -> (results, their tangents)
JVP: dict[str, JvpRule] = {}
#: op name -> the same, where reverse mode wants other code than the jvp rule (bodies are split in two)
LINEARIZE: dict[str, JvpRule] = {}
#: op name -> rule(node, cotangents of results, operands with `Linear` in linear slots) -> cotangent or None per operand
TRANSPOSE: dict[str, TransposeRule] = {}
#: op name -> rule(node, axis size, operands, which are batched along dim 0) -> (results, which are batched)
BATCH: dict[str, BatchRule] = {}
#: ops whose derivative is zero wherever it exists, with the reason
NO_DERIVATIVE: dict[str, str] = {}
#: op name -> function(node, which operands are linear) -> whether the op is linear in those operands together
LINEAR_SLOTS: dict[str, Callable[[Node, Sequence[bool]], bool]] = {}
#: op name -> function(node, which operands have nonzero tangents) -> which results may have; the default is "if any"
NONZERO: dict[str, Callable[[Node, Sequence[bool]], list[bool]]] = {}


def zero_tangents(values: Sequence[ir.Value]) -> list[Tangent]:
    """Return a symbolic zero for each value."""
    return [Zero(aval_of(v)) for v in values]


def defjvp(opdef: OpDef, *partials: Callable[..., ir.Value] | None) -> None:
    """Give the derivative of a one-result op by operand: `partial(t, out, *operands, **attributes)`, None for zero.

    The contributions of the operands are summed.
    """

    def rule(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
        (out,) = clone_op(node.operation, primals)
        total: Tangent = Zero(aval_of(out))
        for partial, t in zip(partials, tangents, strict=False):
            if partial is not None and not isinstance(t, Zero):
                total = add_tangents(total, partial(t, out, *primals, **node.attributes))
        return [out], [total]

    JVP[opdef.name] = rule


def defzero(*opdefs: OpDef, because: str) -> None:
    """Declare that ops have a derivative of zero (or none, which counts as zero)."""
    for opdef in opdefs:
        NO_DERIVATIVE[opdef.name] = because
        JVP[opdef.name] = _zero_jvp
        NONZERO[opdef.name] = lambda node, nonzero: [False] * len(node.operation.results)


def _zero_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    outs = clone_op(node.operation, primals)
    return outs, zero_tangents(outs)


def deflinear(opdef: OpDef, transpose: Callable[..., Any], slots: Sequence[int] = (0,)) -> None:
    """Declare an op linear, jointly in the operands at `slots`: its tangent is the op itself on their tangents.

    `transpose(ct, *operands, **attributes)` gives the cotangent of the slot, or a tuple of one (or None) for each slot;
    operands that stand in a linear slot are `Linear`, unless they do not depend on the linear input.
    """

    def jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
        outs = clone_op(node.operation, primals)
        moved = list(primals)
        if all(isinstance(tangents[i], Zero) for i in slots):
            return outs, zero_tangents(outs)
        for i in slots:
            moved[i] = instantiate(tangents[i], primals[i])
        return outs, list(dif.emit(dif.OPS[node.name], moved, node.attributes))

    def rule(node: Node, cts: list[Tangent], operands: list[Any]) -> Sequence[Any]:
        found = transpose(cts[0], *operands, **node.attributes)
        found = found if isinstance(found, tuple) else (found,)
        out: list[Any] = [None] * len(operands)
        for i, ct in zip(slots, found, strict=True):
            out[i] = ct if isinstance(operands[i], Linear) else None
        return out

    JVP[opdef.name], TRANSPOSE[opdef.name] = jvp, rule
    LINEAR_SLOTS[opdef.name] = lambda node, linear: all(i in slots for i, mark in enumerate(linear) if mark)


def deftranspose(opdef: OpDef, slot: int, transpose: Callable[..., Any]) -> None:
    """Give the transpose of an op that is linear in the operand at `slot` but is no linear op (its jvp is separate)."""

    def rule(node: Node, cts: list[Tangent], operands: list[Any]) -> Sequence[Any]:
        out: list[Any] = [None] * len(operands)
        out[slot] = transpose(cts[0], *operands, **node.attributes)
        return out

    TRANSPOSE[opdef.name] = rule
    LINEAR_SLOTS[opdef.name] = lambda node, linear: [i for i, mark in enumerate(linear) if mark] == [slot]


def defbilinear(opdef: OpDef, lhs: Callable[..., ir.Value], rhs: Callable[..., ir.Value]) -> None:
    """Declare an op linear in each of its two operands: `lhs(ct, x, y, **attributes)` is the cotangent of the first."""

    def with_lhs(t: ir.Value, out: ir.Value, x: ir.Value, y: ir.Value, **attributes: Any) -> ir.Value:
        return opdef(t, y, **attributes)

    def with_rhs(t: ir.Value, out: ir.Value, x: ir.Value, y: ir.Value, **attributes: Any) -> ir.Value:
        return opdef(x, t, **attributes)

    def rule(node: Node, cts: list[Tangent], operands: list[Any]) -> Sequence[Any]:
        if isinstance(operands[0], Linear):
            return [lhs(cts[0], *operands, **node.attributes), None]
        return [None, rhs(cts[0], *operands, **node.attributes)]

    defjvp(opdef, with_lhs, with_rhs)
    TRANSPOSE[opdef.name] = rule
    LINEAR_SLOTS[opdef.name] = lambda node, linear: sum(linear) == 1


def defbatch(opdef: OpDef, rule: Callable[..., Any]) -> None:
    """Give the batching rule of an op: `rule(size, batched, *operands, **attributes)` -> the batched result (or tuple).

    Batched operands carry the batch as dim 0, and so do all results. The rule is called only if some operand is
    batched.
    """

    def full(node: Node, size: Any, operands: list[ir.Value], batched: list[bool]) -> tuple[list[ir.Value], list[bool]]:
        results = as_list(rule(size, batched, *operands, **node.attributes))
        return results, [True] * len(results)

    BATCH[opdef.name] = full


def _may_be_nonzero(node: Node, nonzero: Sequence[bool]) -> list[bool]:
    """Return which results of an op may have a nonzero tangent, given which operands have: an upper bound."""
    if not any(nonzero):
        return [False] * len(node.operation.results)
    if node.name in NONZERO:
        return NONZERO[node.name](node, nonzero)
    return [is_float(aval.dtype) for aval in node.results]


def nonzero_outputs(block: ir.Block, nonzero: Sequence[bool]) -> list[bool]:
    """Return which values that a block ends with may have a nonzero tangent, given which arguments have."""
    marked = {a for a, mark in zip(block.arguments, nonzero, strict=True) if mark}
    for operation in block.operations:
        ins = [v in marked for v in operation.operation.operands]
        if dif.is_terminator(operation):
            return ins
        if any(ins):
            results = operation.operation.results
            marked.update(r for r, mark in zip(results, _may_be_nonzero(Node.of(operation), ins), strict=True) if mark)
    raise AssertionError("a block without a terminator")
