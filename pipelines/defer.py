"""Contractions of a scan that need not run step by step: one large one over all steps is faster than many small.

Three rewrites of a body, each of which moves a `dot_general` (or a sum) out of the loop:

- before it: `x @ W`, of a slice and a loop constant, for all steps at once;
- after it: a stacked `v @ W` that nothing in the loop uses: `v` is stacked instead;
- after it: an accumulation `acc + a^T @ b`, as gradients of weights are: `a` and `b` are stacked, and contracted over
  the steps as well. Only where that stacks no more numbers than the accumulator has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from difc import dialects as dif
from difc.dialects import Aval, Builder, ScanParts, aval_of, clone_op, new_block, yield_, yielded
from difc.dialects.base import attributes_of, emit
from difc.dialects.body import is_terminator
from difc.dialects.contraction import free_dims
from difc.dialects.mlir import ir
from difc.pipelines.operands import elements

__all__ = ["defer_scan"]

Outside = Callable[[], ir.Value]


class _Plan:
    """What is known of one scan, and what moves out of it."""

    def __init__(self, operation: Any, operands: list[ir.Value]) -> None:
        self.operation, self.attributes = operation, attributes_of(operation)
        a = self.attributes
        self.parts = ScanParts.grouped(operands, a)
        self.body = operation.regions[0].blocks[0]
        self.arguments, self.outs = list(self.body.arguments), yielded(self.body)
        nc, nx = a["num_carry"], a["num_xs"]
        self.scanned = dict(zip(self.arguments[nc : nc + nx], self.parts.xs, strict=True))
        self.constant = dict(zip(self.arguments[nc + nx :], self.parts.consts, strict=True))
        self.uses: dict[ir.Value, int] = {}
        for inner in self.body.operations:
            for v in inner.operation.operands:
                self.uses[v] = self.uses.get(v, 0) + 1
        self.early: dict[ir.Value, ir.Value] = {}  # body value -> the array of it for all steps, computed before
        self.stacked: dict[ir.Value, int] = {}  # body value -> place among the stacked results
        self.late: dict[int, Outside] = {}  # result -> how to compute it after the loop
        self.results: list[ir.Value] = []  # of the new scan: kept carries, then stacked ones

    # ---- values of all steps ------------------------------------------------------------------

    def cost(self, value: ir.Value) -> float:
        """Return how many numbers a step stacks more if `value` is needed outside."""
        known = value in self.scanned or value in self.constant or value in self.early or value in self.stacked
        return 0 if known else elements(aval_of(value))

    def every(self, value: ir.Value) -> Outside:
        """Return how to get the values of all steps, outside; it notes what has to be stacked."""
        if value in self.scanned:
            return lambda: self.scanned[value]
        if value in self.early:
            return lambda: self.early[value]
        place = self.stacked.setdefault(value, len(self.stacked))
        return lambda: self.results[self.kept_carries + place]

    @property
    def kept_carries(self) -> int:
        return sum(i not in self.late for i in range(self.attributes["num_carry"]))

    # ---- contraction outside ------------------------------------------------------------------

    def dot_all(self, operation: Any) -> Outside | None:
        """Return how to compute `v @ W`, with `W` a loop constant, for all steps at once; None for another op."""
        if operation.name != "dif.dot_general":
            return None
        dims = attributes_of(operation)
        lhs, rhs = operation.operands
        if dims["lhs_batch"] or (lhs in self.constant) == (rhs in self.constant):
            return None
        varying, fixed = (rhs, lhs) if lhs in self.constant else (lhs, rhs)
        get = self.every(varying)
        if varying == lhs:
            moved = {**dims, "lhs_contract": [d + 1 for d in dims["lhs_contract"]]}
            return lambda: dif.dot_general(get(), self.constant[fixed], **moved)
        moved = {**dims, "rhs_contract": [d + 1 for d in dims["rhs_contract"]]}
        at = len(free_dims(aval_of(lhs).ndim, dims["lhs_contract"]))
        rank = aval_of(operation.results[0]).ndim + 1
        order = [at, *(d for d in range(rank) if d != at)]
        return lambda: dif.transpose(dif.dot_general(self.constant[fixed], get(), **moved), permutation=order)

    def total_cost(self, value: ir.Value) -> float | None:
        """Return what stacking costs if the sum of `value` over all steps is computed outside; None if it cannot be."""
        owner = value.owner
        if isinstance(owner, ir.Block):
            return None
        operation = owner.operation
        match operation.name:
            case "dif.dot_general":
                return sum(self.cost(v) for v in set(operation.operands))
            case "dif.reduce_sum":
                return self.cost(operation.operands[0]) if operation.operands[0] not in self.constant else None
            case "dif.transpose" | "dif.neg":
                return self.total_cost(operation.operands[0])
            case "dif.add":
                both = [self.total_cost(v) for v in operation.operands]
                return None if None in both else sum(c for c in both if c is not None)
        return None

    def total(self, value: ir.Value) -> Outside:
        """Return how to compute the sum of `value` over all steps, outside."""
        operation = value.owner.operation
        attributes = attributes_of(operation)
        match operation.name:
            case "dif.dot_general":
                lhs, rhs = operation.operands
                if lhs in self.constant or rhs in self.constant:
                    gets = [self._constant_or_sum(v) for v in (lhs, rhs)]
                    return lambda: dif.dot_general(gets[0](), gets[1](), **attributes)
                first, second = self.every(lhs), self.every(rhs)
                moved = {key: [d + 1 for d in dims] for key, dims in attributes.items()}
                moved["lhs_contract"], moved["rhs_contract"] = [0, *moved["lhs_contract"]], [0, *moved["rhs_contract"]]
                return lambda: dif.dot_general(first(), second(), **moved)
            case "dif.reduce_sum":
                get = self.every(operation.operands[0])
                return lambda: dif.reduce_sum(get(), axes=[0, *(d + 1 for d in attributes["axes"])])
            case "dif.add":
                gets = [self.total(v) for v in operation.operands]
                return lambda: dif.add(gets[0](), gets[1]())
        inner = self.total(operation.operands[0])
        return lambda: clone_op(operation, [inner()])[0]

    def _constant_or_sum(self, value: ir.Value) -> Outside:
        if value in self.constant:
            return lambda: self.constant[value]
        get = self.every(value)
        return lambda: dif.reduce_sum(get(), axes=[0])


def defer_scan(operation: Any, operands: list[ir.Value]) -> list[ir.Value] | None:
    """Build a scan again without the contractions that can run outside it; None if there are none."""
    plan = _Plan(operation, operands)
    if any((plan.attributes["length"] == -1) == isinstance(aval_of(x).shape[0], int) for x in plan.parts.xs):
        return None  # the results of all steps would have another type than those of the loop
    _compute_early(plan)
    nc = plan.attributes["num_carry"]
    for y in range(nc, len(plan.outs)):  # stacked results stay, but for those computed after the loop
        value = plan.outs[y]
        owner = value.owner
        late = not isinstance(owner, ir.Block) and plan.uses[value] == 1 and value not in plan.early
        get = plan.dot_all(owner.operation) if late else None
        plan.late[y] = get if get is not None else plan.every(value)
    accumulators = sorted(
        (i for i in range(nc) if _increment(plan, i) is not None), key=lambda i: -elements(aval_of(plan.outs[i]))
    )
    for i in accumulators:
        increment = _increment(plan, i)
        cost = plan.total_cost(increment)
        if cost is not None and cost <= elements(aval_of(increment)):
            plan.late[i] = _sum_onto(plan.parts.carry[i], plan.total(increment))
    if not plan.early and list(plan.stacked) == plan.outs[nc:] and not any(i in plan.late for i in range(nc)):
        return None
    plan.results = _build(plan)
    kept = iter(plan.results)
    return [plan.late[i]() if i in plan.late else next(kept) for i in range(len(plan.outs))]


def _sum_onto(initial: ir.Value, total: Outside) -> Outside:
    return lambda: dif.add(initial, total())


def _compute_early(plan: _Plan) -> None:
    """Move contractions of slices and loop constants in front of the loop."""
    for inner in plan.body.operations:
        operation = inner.operation
        if operation.name == "dif.dot_general" and any(v in plan.scanned for v in operation.operands):
            get = plan.dot_all(operation)
            if get is not None:
                plan.early[operation.results[0]] = get()


def _increment(plan: _Plan, i: int) -> ir.Value | None:
    """Return what a carry that only accumulates grows by in each step, or None for another carry."""
    argument, out = plan.arguments[i], plan.outs[i]
    if plan.uses.get(argument) != 1 or plan.uses[out] != 1 or isinstance(out.owner, ir.Block):
        return None
    operation = out.owner.operation
    if operation.name != "dif.add" or argument not in list(operation.operands):
        return None
    x, y = operation.operands
    return y if x == argument else x


def _build(plan: _Plan) -> list[ir.Value]:
    """Build the new scan; return its results."""
    a, nc = plan.attributes, plan.attributes["num_carry"]
    kept = [i for i in range(nc) if i not in plan.late]
    dropped = {plan.outs[i].owner.operation for i in range(nc) if i in plan.late}
    xs = [*plan.parts.xs, *plan.early.values()]
    slices = [Aval(aval_of(x).shape[1:], aval_of(x).dtype) for x in xs]
    body = new_block([*(plan.arguments[i].type for i in kept), *slices, *(v.type for v in plan.parts.consts)])
    fresh = list(body.arguments)
    values: dict[ir.Value, ir.Value] = {plan.arguments[i]: v for i, v in zip(kept, fresh, strict=False)}
    values |= dict(zip([*plan.scanned, *plan.early], fresh[len(kept) :], strict=False))
    values |= dict(zip(plan.constant, fresh[len(kept) + len(xs) :], strict=True))
    with dif.use_builder(Builder(body, plan.operation.location)) as builder:
        for inner in plan.body.operations:
            operation = inner.operation
            if is_terminator(operation):
                break
            if operation in dropped or operation.results[0] in plan.early:
                continue
            builder.location = operation.location
            found: Sequence[ir.Value] = clone_op(operation, [values[v] for v in operation.operands])
            values.update(zip(operation.results, found, strict=True))
        yield_(*(values[plan.outs[i]] for i in kept), *(values[v] for v in plan.stacked))
    made = {**a, "num_carry": len(kept), "num_xs": len(xs), "linear": ()}
    carry = [plan.parts.carry[i] for i in kept]
    return emit(dif.OPS["fun.scan"], [*carry, *xs, *plan.parts.consts, *plan.parts.length], made, [body])
