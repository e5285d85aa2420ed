"""Simplification of `dif` code, in particular of what AD leaves: `simplify` is the pass between AD and lowering.

Each round removes dead code (also inside and across bodies), folds ops by the table below, and runs upstream
canonicalize and cse. Every fold keeps the numbers, up to the sign of zero and what only NaN and infinity would tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of, clone_op, copy_functions, inline_block, text_of
from difc.dialects.base import attributes_of
from difc.dialects.elementwise import BINARY, UNARY
from difc.dialects.mlir import ir, passmanager
from difc.dialects.semantics import MEANINGS
from difc.pipelines.defer import defer_scan
from difc.pipelines.loops import reshape_scan
from difc.pipelines.operands import is_number, producer, uniform
from difc.pipelines.pads import joined_pads, share_pads, simpler_pad, spread_diagonal
from difc.pipelines.products import product_of_chosen, product_of_one
from difc.pipelines.prune import prune_dead

__all__ = ["FOLDS", "simplify"]

ROUNDS = 3
ELEMENTWISE = frozenset(op.name for op in (*UNARY, *BINARY))
COMMUTATIVE = frozenset(op.name for op in (dif.add, dif.mul, dif.max, dif.min, dif.and_, dif.or_, dif.xor))

#: op name -> function(operands, attributes) -> the value that it can be replaced by, or None
FOLDS: dict[str, Callable[[list[ir.Value], dict[str, Any]], ir.Value | None]] = {}


def simplify(module: ir.Module) -> ir.Module:
    """Return a module that computes the same with fewer ops.

    Example: `mul(x, broadcast(1.0))` is `x`; a scan whose stacked residuals nothing uses no longer stacks them.
    """
    text = text_of(module)
    for _ in range(ROUNDS):
        module, before = _round(module), text
        if (text := text_of(module)) == before:
            break
    return copy_functions(module, share_pads)


def _round(module: ir.Module) -> ir.Module:
    for fill in (prune_dead, _folded, _deferred):
        module = copy_functions(module, fill)
    manager = passmanager.PassManager.parse("builtin.module(canonicalize,cse,canonicalize)")
    manager.enable_verifier(False)  # what comes out of the whole pass is verified, if the setting asks for it
    manager.run(module.operation)
    return module


def _folded(block: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """Re-emit a block with folds, and with the operands of equal products (sums, ...) in one order, for cse to find.

    Not only to compute less. IREE (3.13) finds them once they are in one kernel, which then gives one value for two
    results; and it takes the second of these for the first of all results: derivatives were silently wrong.
    """
    orders: dict[tuple[str, frozenset[ir.Value]], list[ir.Value]] = {}

    def visit(operation: Any, operands: list[ir.Value]) -> Sequence[ir.Value] | None:
        if operation.name == "fun.scan":
            return reshape_scan(operation, operands, visit)
        if operation.name not in COMMUTATIVE:
            return _fold(operation, operands)
        ordered = orders.setdefault((operation.name, frozenset(operands)), operands)
        found = _fold(operation, ordered)
        return clone_op(operation, ordered) if found is None and ordered != operands else found

    return inline_block(block, arguments, visit)


def _deferred(block: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    return inline_block(block, arguments, lambda op, given: defer_scan(op, given) if op.name == "fun.scan" else None)


def _fold(operation: Any, operands: list[ir.Value]) -> Sequence[ir.Value] | None:
    found = _constant(operation, operands)
    fold = FOLDS.get(operation.name)
    if found is None and fold is not None:
        found = fold(operands, attributes_of(operation))
    return None if found is None or found.type != operation.results[0].type else [found]


def _constant(operation: Any, operands: list[ir.Value]) -> ir.Value | None:
    """Return the result of an elementwise op on constants: IREE would compile and run a program to find it."""
    if operation.name not in ELEMENTWISE:
        return None
    numbers = [uniform(v) for v in operands]
    aval = aval_of(operation.results[0])
    if any(n is None for n in numbers) or not aval.is_static:
        return None
    with np.errstate(all="ignore"):
        value = dif.constant(value=np.asarray(MEANINGS[operation.name](*numbers), aval.dtype))
    return value if not aval.shape else dif.broadcast_in_dim(value, shape=aval.shape, dimensions=())


def _fold_for(name: str) -> Callable[[Any], Any]:
    def enter(rule: Any) -> Any:
        FOLDS[f"dif.{name}"] = rule
        return rule

    return enter


# ---- arithmetic ----------------------------------------------------------------------------------


@_fold_for("add")
def _add(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    x, y = operands
    if is_number(x, 0):
        return y
    if is_number(y, 0):
        return x
    if (joined := joined_pads(x, y)) is not None:
        return joined
    for earlier, pad in ((x, y), (y, x)):
        terms = list(inner.operands) if (inner := producer(earlier, "dif.add")) is not None else []
        for rest, term in zip(reversed(terms), terms, strict=True):
            if (joined := joined_pads(term, pad)) is not None:
                return _add([rest, joined], {}) or dif.add(rest, joined)
    if (negated := producer(y, "dif.neg")) is not None:
        return dif.sub(x, negated.operands[0])
    if (negated := producer(x, "dif.neg")) is not None:
        return dif.sub(y, negated.operands[0])
    return None


@_fold_for("sub")
def _sub(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    x, y = operands
    if is_number(y, 0):
        return x
    return dif.neg(y) if is_number(x, 0) else None


@_fold_for("mul")
def _mul(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    x, y = operands
    for a, b in ((x, y), (y, x)):
        if is_number(a, 1):
            return b
        if is_number(a, -1):
            return dif.neg(b)
    return None


@_fold_for("div")
def _div(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    return operands[0] if is_number(operands[1], 1) else None


@_fold_for("neg")
def _neg(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    inner = producer(operands[0], "dif.neg")
    return None if inner is None else inner.operands[0]


@_fold_for("stop_gradient")
def _stop_gradient(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    return operands[0]  # derivatives have been taken


@_fold_for("select")
def _select(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    pred, on_true, on_false = operands
    if on_true == on_false or is_number(pred, True):
        return on_true
    if is_number(pred, False):
        return on_false
    negated = producer(pred, dif.not_.name)
    if negated is not None:
        return dif.select(negated.operands[0], on_false, on_true)
    return product_of_chosen(pred, on_true, on_false)


@_fold_for("convert")
def _convert(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    (x,) = operands
    if aval_of(x).dtype == attributes["dtype"]:
        return x
    number, shape = uniform(x), aval_of(x).shape
    if number is None or not aval_of(x).is_static:
        return None
    with np.errstate(all="ignore"):
        value = dif.constant(value=np.asarray(number).astype(attributes["dtype"]))
    return dif.broadcast_in_dim(value, shape=shape, dimensions=()) if shape else value


@_fold_for("dot_general")
def _dot_general(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    """Return a contraction of single elements as their product, which can then be ordered as products are; another
    without copies of an operand.
    """
    if any(aval_of(x).shape != (1,) * aval_of(x).ndim for x in operands):
        return product_of_one(operands, attributes)
    bound = len(attributes["lhs_batch"]) + 2 * len(attributes["lhs_contract"])
    shape = (1,) * (aval_of(operands[0]).ndim + aval_of(operands[1]).ndim - bound)
    return dif.mul(*(dif.reshape(x, shape=shape) for x in operands))


# ---- shape ---------------------------------------------------------------------------------------


@_fold_for("transpose")
def _transpose(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    (x,), order = operands, attributes["permutation"]
    if list(order) == sorted(order) or aval_of(x).shape == (1,) * len(order):
        return x
    inner = producer(x, "dif.transpose")
    if inner is not None:
        first = attributes_of(inner)["permutation"]
        return dif.transpose(inner.operands[0], permutation=[first[d] for d in order])
    return None


@_fold_for("reshape")
def _reshape(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    x, shape = operands[0], attributes["shape"]
    if aval_of(x).is_static and aval_of(x).shape == tuple(shape):
        return x
    if (inner := producer(x, "dif.reshape")) is not None:
        return dif.reshape(inner.operands[0], *operands[1:], shape=shape)
    return spread_diagonal(x, shape)


@_fold_for("broadcast_in_dim")
def _broadcast(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    x, shape, dims = operands[0], attributes["shape"], attributes["dimensions"]
    if aval_of(x).is_static and aval_of(x).shape == tuple(shape):
        return x
    inner = producer(x, "dif.broadcast_in_dim")
    if inner is not None:
        first = attributes_of(inner)["dimensions"]
        source = aval_of(inner.operands[0]).shape
        middle = aval_of(x).shape
        # a dim that the inner op repeats from 1 may be repeated further, but a run-time one must stay as it is
        if all(isinstance(middle[d], int) for d in first) and len(source) == len(first):
            return dif.broadcast_in_dim(
                inner.operands[0], *operands[1:], shape=shape, dimensions=[dims[d] for d in first]
            )
    return None


@_fold_for("reduce_sum")
def _reduce_sum(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    (x,), axes = operands, attributes["axes"]
    if not axes:
        return x
    if (negated := producer(x, "dif.neg")) is not None:  # also because IREE cannot compile such a sum for CUDA
        return dif.neg(dif.reduce_sum(negated.operands[0], axes=axes))
    inner = producer(x, "dif.reduce_sum")
    if inner is None:
        return None
    first = attributes_of(inner)["axes"]
    kept = [d for d in range(aval_of(inner.operands[0]).ndim) if d not in first]
    return dif.reduce_sum(inner.operands[0], axes=sorted([*first, *(kept[d] for d in axes)]))


@_fold_for("pad")
def _pad(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    return simpler_pad(*operands, **attributes)


@_fold_for("slice")
def _slice(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    aval = aval_of(operands[0])
    whole = all(isinstance(d, int) and d == e for d, e in zip(aval.shape, attributes["limit"], strict=True))
    return operands[0] if whole and not any(attributes["start"]) and set(attributes["stride"]) <= {1} else None


@_fold_for("concatenate")
def _concatenate(operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    x, y = operands
    d = attributes["dimension"]
    if aval_of(y).shape[d] == 0:
        return x
    return y if aval_of(x).shape[d] == 0 else None


# ---- positions -----------------------------------------------------------------------------------


def _known_inside(opdef: dif.OpDef, operands: list[ir.Value], attributes: dict[str, Any]) -> ir.Value | None:
    """Return a gather or scatter without tests of its points, where they are constants that lie inside."""
    x, indices, *updates = operands
    points = producer(indices, "dif.reshape")
    constant = producer(points.operands[0] if points is not None else indices, "dif.constant")
    sizes = [aval_of(x).shape[a] for a in attributes["axes"]]
    are_known = aval_of(indices).is_static and all(isinstance(size, int) for size in sizes)
    if attributes["mode"] != "fill" or constant is None or not are_known:
        return None
    found = attributes_of(constant)["value"].reshape(aval_of(indices).shape)
    if not ((found >= 0) & (found < sizes)).all():
        return None
    return opdef(x, indices, *updates, **{**attributes, "mode": "clip"})


for _opdef in (dif.gather, *dif.SCATTERS):
    FOLDS[_opdef.name] = partial(_known_inside, _opdef)
