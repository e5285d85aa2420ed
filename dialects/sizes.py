"""Run-time sizes: arithmetic on them, and the sizes of an op's result from those of its operands, by its type rule.

Type rules do arithmetic on dims, so a dim that builds `dif` ops turns a rule into a program that computes sizes. Builds
through the current builder. Imports only this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from difc.dialects import elementwise
from difc.dialects.base import OPS
from difc.dialects.creation import constant
from difc.dialects.mlir import ir
from difc.dialects.types import I64, Aval, SizedAval, aval_of

__all__ = ["Size", "SymbolicDim", "minimum", "minus", "product", "reify", "size_value"]

#: The size of a dim: an int, or an i64 scalar where it is known only at run time.
Size: TypeAlias = int | ir.Value


def size_value(size: Size) -> ir.Value:
    """Return a size as an i64 scalar."""
    return constant(value=np.array(size, I64)) if isinstance(size, int) else size


def product(sizes: Sequence[Size]) -> Size:
    """Return the product of sizes; it is an int where all of them are."""
    total: Size = 1
    for size in sizes:
        if isinstance(total, int) and isinstance(size, int):
            total *= size
        elif total == 1:
            total = size
        else:
            total = elementwise.mul(size_value(total), size_value(size))
    return total


def minus(x: Size, y: Size) -> Size:
    """Return the difference of two sizes."""
    if isinstance(x, int) and isinstance(y, int):
        return x - y
    return elementwise.sub(size_value(x), size_value(y))


def minimum(x: Size, y: Size) -> Size:
    """Return the smaller of two sizes."""
    if isinstance(x, int) and isinstance(y, int):
        return min(x, y)
    return elementwise.min(size_value(x), size_value(y))


class SymbolicDim:
    """A run-time size, as an i64 scalar value; arithmetic builds dialect ops."""

    def __init__(self, value: ir.Value) -> None:
        self.value = value

    def _binary(self, name: str, other: Any, swap: bool = False) -> SymbolicDim:
        if not isinstance(other, SymbolicDim):
            other = SymbolicDim(size_value(other))
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
    sizes_of: Callable[[ir.Value], list[Size]],
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
