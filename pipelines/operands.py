"""What is known of the operands of `dif` ops: which op makes one, and whether all its elements are one number."""

from __future__ import annotations

import math
from typing import Any

from difc.dialects import Aval, aval_of
from difc.dialects.base import attributes_of
from difc.dialects.mlir import ir

__all__ = ["elements", "is_number", "producer", "uniform"]


def elements(aval: Aval) -> float:
    """Return how many elements an array has, as far as its sizes are known."""
    return math.prod(d for d in aval.shape if isinstance(d, int))


def producer(value: ir.Value, name: str) -> Any:
    """Return the op that makes a value if it is of that kind, else None."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.operation.name != name:
        return None
    return owner.operation


def uniform(value: ir.Value) -> Any:
    """Return the number that all elements of a value are equal to, if that is known, else None."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    operation = owner.operation
    if operation.name == "dif.zeros":
        return aval_of(value).dtype.type(0)
    if operation.name == "dif.constant":
        attribute = operation.attributes["value"]
        return attributes_of(operation)["value"].flat[0] if attribute.is_splat else None
    if operation.name in ("dif.broadcast_in_dim", "dif.reshape", "dif.transpose"):
        return uniform(operation.operands[0])
    return None


def is_number(value: ir.Value, number: float) -> bool:
    """Say whether all elements of a value are known to equal a number."""
    found = uniform(value)
    return found is not None and bool(found == number)
