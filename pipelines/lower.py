"""The pass from the `dif` dialect to upstream ones: linalg and tensor for arrays, scf, arith and math for the rest.

Input: functions of `dif` ops, `fun.cond` and `fun.scan` only (calls inlined, requests expanded). Output: a new module
in which every tensor is signless, host values are scalars, and nothing of the dialect is left. It never mutates its
input and knows nothing of derivatives. The rules live in `lowering/`, one file for each family of ops.
"""

from __future__ import annotations

from collections.abc import Mapping

from difc.dialects import aval_of, context, functions_of, is_private
from difc.dialects.mlir import func, ir
from difc.pipelines.loop_kernels import loops_as_kernels
from difc.pipelines.lowering import (  # noqa: F401 - importing a family registers its rules
    contraction,
    control,
    convolution,
    creation,
    cumulative,
    elementwise,
    factor,
    indexing,
    ordering,
    reduction,
    scatter,
    shape,
    special,
    spectral,
)
from difc.pipelines.lowering.context import Context, declared_type
from difc.pipelines.lowering.values import Value
from difc.pipelines.pairs import recompute_pairs
from difc.pipelines.reductions import separate_reductions
from difc.pipelines.scalars import join_scalars
from difc.pipelines.small_runs import join_small_runs
from difc.pipelines.target import VectorUnit
from difc.pipelines.updates import join_updates

__all__ = ["lower"]


def lower(
    module: ir.Module,
    *,
    target_kind: str,
    vectors: VectorUnit | None = None,
    reflection: Mapping[str, Mapping[str, str]] | None = None,
    loop_kernels: bool = True,
) -> ir.Module:
    """Return a module of upstream dialects that computes what `module` says.

    Args:
      module: `dif` functions without calls and requests. Private functions are left out.
      target_kind: "cpu", "vulkan" or "cuda"; decides which functions of float64 exist.
      vectors: the vector unit of the processor, for kernels that are written for it; without it there are none.
      reflection: for functions by name, strings that the compiled module carries as their reflection metadata.
      loop_kernels: whether loops may become kernels, if there is a vector unit.

    Raises:
      UnsupportedError: for an op, dtype or size that has no lowering for the target; names the op and the user's line.

    Example: `lower(trace(f, spec).module, target_kind="cpu")`
    """
    with context(), ir.Location.unknown():
        lowered = ir.Module.create(loc=module.operation.location)
        for name, function in functions_of(module).items():
            if is_private(function):
                continue
            entry = _lower_function(lowered, function, (reflection or {}).get(name), target_kind, vectors)
            if vectors is not None:
                if loop_kernels:
                    loops_as_kernels(entry, lowered.body, vectors)
                join_updates(entry, vectors)
                if loop_kernels:
                    join_small_runs(entry, lowered.body, vectors)
            join_scalars(entry)
            if target_kind == "cpu":
                recompute_pairs(entry)
                separate_reductions(entry)
    return lowered


def _lower_function(
    lowered: ir.Module,
    function: func.FuncOp,
    reflection: Mapping[str, str] | None,
    target_kind: str,
    vectors: VectorUnit | None,
) -> ir.Block:
    """Append a function to the lowered module; return its block."""
    location = function.location
    inputs, results = ([aval_of(t) for t in types] for types in (function.type.inputs, function.type.results))
    signature = [[declared_type(a) for a in avals] for avals in (inputs, results)]
    made = func.FuncOp(
        function.name.value, ir.FunctionType.get(*signature), loc=location, ip=ir.InsertionPoint(lowered.body)
    )
    if reflection:
        made.attributes["iree.reflection"] = ir.DictAttr.get({k: ir.StringAttr.get(v) for k, v in reflection.items()})
    block = function.regions[0].blocks[0]
    entry = ir.Block.create_at_start(made.regions[0], signature[0], [a.location for a in block.arguments])
    c = Context(entry, location, target_kind, vectors)
    arguments = [Value(aval, base=a) for aval, a in zip(inputs, entry.arguments, strict=True)]
    outcome = c.lower_block(block, arguments)
    c.operation("func.return", [c.as_declared(x, aval) for x, aval in zip(outcome, results, strict=True)])
    return entry
