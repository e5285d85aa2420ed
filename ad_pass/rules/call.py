"""Batching of calls and of requests, where the code that they stand for cannot be mapped.

The reverse of a loop reads a row for each step. Mapped over lanes that make different numbers of steps, these rows
would be ragged. But lanes do not depend on each other, so the derivative of a mapped function is the mapped derivative;
and in a mapped function the loop makes as many steps for all. So a derivative is mapped by mapping what it is of.

Notation above each rule: the op, for one lane and for all. Each rule may add helper functions to the op's module.
"""

from __future__ import annotations

from typing import Any

from difc import dialects as dif
from difc.ad_pass.batch import batch_block, batch_values, batched_as, batched_aval, batched_results, mapped_size
from difc.ad_pass.registry import BATCH, Node
from difc.dialects import Builder, add_function, aval_of, emit, functions_of, new_block, unique_name
from difc.dialects.body import as_list, block_locations, return_
from difc.dialects.mlir import func, ir

__all__: list[str] = []


def _module_of(node: Node) -> Any:
    parent = node.operation.parent
    while parent.operation.name != "builtin.module":
        parent = parent.operation.parent
    return parent.opview


def _callee(node: Node) -> func.FuncOp:
    return functions_of(_module_of(node))[node.attributes["callee"]]


def _add_mapped(node: Node, block: ir.Block) -> func.FuncOp:
    """Add a function that maps the one that the op names."""
    module = _module_of(node)
    name = unique_name(module, f"{node.attributes['callee']}_vmap")
    return add_function(module, name, block, location=node.operation.location)


def _call_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    # call f   =>   the code of f, mapped
    return batch_values(_callee(node).entry_block, size, operands, batched, node.taken)


def _vmap_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    # vmap f   =>   the code of f, mapped over the inner axis with its requests still there, then over the outer one
    axes, outs = node.attributes["in_axes"], node.attributes["out_axes"]
    width = mapped_size(list(node.operation.operands), axes)
    inner = _add_mapped(node, batch_block(_callee(node).entry_block, axes, outs, node.operation.location, width))
    return batch_values(inner.entry_block, size, operands, batched, node.taken)


def _derivative_batch(
    node: Node, size: Any, operands: list[ir.Value], batched: list[bool]
) -> tuple[list[ir.Value], list[bool]]:
    # vjp f   =>   vjp (vmap f), where each lane has its own copy of what f is differentiated in; jvp alike
    mask, body = node.attributes["mask"], _callee(node).entry_block
    count = len(mask)
    copied = [given or mark for given, mark in zip(batched, mask, strict=False)]
    values = batched_as([*copied, *[True] * (len(operands) - count)], operands, batched, size, node.taken)
    attributes = {
        **node.attributes,
        "callee": _request_of_vmap(node, size, copied),
        "results": [batched_aval(y, size, True) for y in node.results],
    }
    results = list(emit(dif.OPS[node.name], values, attributes))
    have = batched_results(body, size, batched[:count])
    if not all(have):  # what f computes of shared arguments alone is shared
        outs, _ = batch_values(body, size, operands[:count], batched[:count], node.taken)
        kept = zip(results, outs, have, strict=False)
        results[: len(outs)] = [y if mark else shared for y, shared, mark in kept]
    return results, [*have, *[True] * (len(results) - len(have))]


def _request_of_vmap(node: Node, size: Any, batched: list[bool]) -> str:
    """Add a function that does no more than to ask for the op's function, mapped over marked arguments."""
    callee = _callee(node)
    avals = [
        batched_aval(aval_of(a), size, mark) for a, mark in zip(callee.entry_block.arguments, batched, strict=True)
    ]
    outs = [batched_aval(aval_of(t), size, True) for t in callee.type.results]
    location = node.operation.location
    block = new_block(avals, block_locations(callee.entry_block))
    with dif.use_builder(Builder(block, location)):
        axes = [0 if mark else -1 for mark in batched]
        name = callee.name.value
        found = dif.vmap(*block.arguments, callee=name, in_axes=axes, out_axes=[0] * len(outs), results=outs)
        return_(block, as_list(found), location)
    return _add_mapped(node, block).name.value


BATCH["fun.call"], BATCH["fun.vmap"] = _call_batch, _vmap_batch
BATCH["fun.jvp"] = BATCH["fun.vjp"] = _derivative_batch
