"""Run-time sizes: computing the sizes of an op's result from those of its operands, by running its type rule on them.

Type rules do arithmetic on dims, so a dim that builds `dif` ops turns a rule into a program that computes sizes. Builds
through the current builder. Imports only this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc.dialects.base import OPS
from difc.dialects.mlir import ir
from difc.dialects.types import I64, Aval, SizedAval, aval_of

__all__ = ["SymbolicDim", "reify"]


class SymbolicDim:
    """A run-time size, as an i64 scalar value; arithmetic builds dialect ops."""

    def __init__(self, value: ir.Value) -> None:
        self.value = value

    def _binary(self, name: str, other: Any, swap: bool = False) -> SymbolicDim:
        if not isinstance(other, SymbolicDim):
            other = SymbolicDim(OPS["dif.constant"](value=np.array(other, I64)))
        lhs, rhs = (other, self) if swap else (self, other)
        return SymbolicDim(OPS[f"dif.{name}"](lhs.value, rhs.value))

    def __add__(self, other: Any) -> SymbolicDim:
        return self._binary("add", other)

    def __sub__(self, other: Any) -> SymbolicDim:
        return self._binary("sub", other)

    def __rsub__(self, other: Any) -> SymbolicDim:
        return self._binary("sub", other, swap=True)

    def __mul__(self, other: Any) -> SymbolicDim:
        return self._binary("mul", other)

    def __floordiv__(self, other: Any) -> SymbolicDim:
        return self._binary("div", other)  # sizes are not negative, so rounding towards zero is the floor

    def at_least(self, bound: int) -> SymbolicDim:
        return self._binary("max", bound)

    def __neg__(self) -> SymbolicDim:
        return self._binary("sub", 0, swap=True)

    __radd__, __rmul__ = __add__, __mul__


def reify(
    result: ir.Value,
    sizes_of: Callable[[ir.Value], list[int | ir.Value]],
    value_of: Callable[[ir.Value], ir.Value | None],
) -> list[int | ir.Value]:
    """Compute the run-time sizes of an op's result from those of its operands, without computing the result.

    Args:
      result: a result of a `dif` op without regions.
      sizes_of: gives the sizes of an operand: ints, or i64 scalar values in the current builder.
      value_of: gives a scalar i64 operand itself in the current builder, where it exists there, else None.

    Returns:
      For each dim an int or an i64 scalar value; None where it is the value of an operand that `value_of` lacks.
    """
    operation = result.owner
    opdef = OPS[operation.name]
    avals = []
    for operand in operation.operands:
        shape = tuple(d if isinstance(d, int) else SymbolicDim(d) for d in sizes_of(operand))
        value = value_of(operand) if aval_of(operand) == Aval((), I64) else None
        avals.append(SizedAval(shape, aval_of(operand).dtype, None if value is None else SymbolicDim(value)))
    found = opdef.infer(*avals, **opdef.decode(operation))
    aval = found if isinstance(found, Aval) else found[list(operation.results).index(result)]
    return [d.value if isinstance(d, SymbolicDim) else d for d in aval.shape]
