"""What tests of expansions share: scalar code run on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from difc.dialects import context
from difc.dialects.mlir import ir
from difc.pipelines.compile import compile_module
from difc.pipelines.lowering.context import Context, element_type
from difc.pipelines.lowering.emitter import PARALLEL, identity_map, tensor_type_of
from difc.pipelines.lowering.expansions.reals import Real, Reals
from difc.pipelines.target import Target
from tests.pipelines.artifacts import call, loaded

__all__ = ["run"]

Formula = Callable[..., Real]


def run(formulas: Mapping[str, Formula], dtype: np.dtype, *arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Compile formulas of a `Reals` and some `Real`s for this processor; return their results on arrays of numbers."""
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        for name, formula in formulas.items():
            _function(module, name, formula, dtype, len(arrays), arrays[0].size)
        text = str(module)
    entries = loaded(compile_module(text, Target.parse("cpu"), opt_level=1))
    return {name: call(getattr(entries, name), [a.astype(dtype) for a in arrays])[0] for name in formulas}


def _function(module: ir.Module, name: str, formula: Formula, dtype: np.dtype, arity: int, size: int) -> None:
    element = element_type(dtype)
    tensor = tensor_type_of([size], element)
    signature = ir.TypeAttr.get(ir.FunctionType.get([tensor] * arity, [tensor]))
    attributes = {"sym_name": ir.StringAttr.get(name), "function_type": signature}
    function = ir.Operation.create("func.func", regions=1, attributes=attributes, ip=ir.InsertionPoint(module.body))
    block = ir.Block.create_at_start(function.regions[0], [tensor] * arity, [ir.Location.unknown()] * arity)
    c = Context(block, ir.Location.unknown(), "cpu")
    f = Reals(c, dtype)
    inputs = [(argument, identity_map(1)) for argument in block.arguments]
    init = (c.empty([size], element), identity_map(1))
    results = c.generic(inputs, [init], [PARALLEL], lambda *xs: [formula(f, *(Real(f, x) for x in xs[:-1])).value])
    c.operation("func.return", results)
