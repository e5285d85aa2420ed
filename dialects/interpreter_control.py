"""How the interpreter runs calls and ops with bodies, and how it finds the sizes of what they would give.

A scan of no steps stacks nothing, yet its stacked results have sizes. They are found by following the sizes, not the
elements, of a step: a `Known` is an array where it is the same whatever the slices hold, else a `SizedAval`, whose dims
may be `DYN`. A size that nothing determines is 0. Imported by `interpreter` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from difc.dialects.control import ScanParts, yielded
from difc.dialects.mlir import ir
from difc.dialects.types import DYN, I64, SizedAval, aval_of
from difc.errors import ShapeError

__all__ = ["CONTROL", "Body", "Call", "Cond", "Control", "Functions", "Known", "Scan", "sized"]

Known = np.ndarray | SizedAval


class Body(Protocol):
    """A decoded block."""

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return what its terminator gives."""

    def sizes(self, values: Sequence[Known]) -> list[Known]:
        """Return what is known of that."""


class Functions(Protocol):
    """Where decoded blocks come from."""

    def decode(self, block: ir.Block) -> Body:
        """Decode a block."""

    def function(self, name: str) -> Body:
        """Return a function's block, decoded once."""


class Control(Protocol):
    """A decoded op with bodies, or a call."""

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Return the op's results."""

    def sizes(self, *values: Known) -> list[Known]:
        """Return what is known of them."""


def sized(value: Known) -> SizedAval:
    """Return what a type rule is told of a value: its sizes and, of a known scalar i64, its element."""
    if isinstance(value, SizedAval):
        return value
    return SizedAval(value.shape, value.dtype, int(value) if value.shape == () and value.dtype == I64 else DYN)


def _join(values: Iterable[tuple[Known, Known]]) -> list[Known]:
    """Return what is known of values that are one or the other."""
    return [a if a is b else SizedAval(_common(a.shape, b.shape), a.dtype) for a, b in values]


def _common(a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(x if x == y else DYN for x, y in zip(a, b, strict=True))


class Call:
    """`fun.call`."""

    def __init__(self, operation: Any, attributes: dict[str, Any], functions: Functions) -> None:
        self._functions, self._name = functions, attributes["callee"]

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        return self._functions.function(self._name).run(arrays)

    def sizes(self, *values: Known) -> list[Known]:
        return self._functions.function(self._name).sizes(values)


class Cond:
    """`fun.cond`."""

    def __init__(self, operation: Any, attributes: dict[str, Any], functions: Functions) -> None:
        self._branches = [functions.decode(region.blocks[0]) for region in operation.regions]

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        return self._branches[0 if arrays[0] else 1].run(arrays[1:])

    def sizes(self, *values: Known) -> list[Known]:
        pred, arguments = values[0], values[1:]
        if not isinstance(pred, SizedAval):
            return self._branches[0 if pred else 1].sizes(arguments)
        first, second = (branch.sizes(arguments) for branch in self._branches)
        return _join(zip(first, second, strict=True))


class Scan:
    """`fun.scan`."""

    def __init__(self, operation: Any, attributes: dict[str, Any], functions: Functions) -> None:
        block = operation.regions[0].blocks[0]
        self._body = functions.decode(block)
        self._attributes, self._num_carry = attributes, attributes["num_carry"]
        self._length, self._reverse = attributes["length"], attributes["reverse"]
        self._y_avals = [aval_of(y) for y in yielded(block)[self._num_carry :]]

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        parts = ScanParts.grouped(arrays, self._attributes)
        trips = int(parts.length[0]) if self._length == -1 else self._length
        for i, x in enumerate(parts.xs):
            if len(x) != trips:
                raise ShapeError(f"scan: runs {trips} steps, but xs {i} has {len(x)} slices")
        if trips < 0:
            raise ShapeError(f"scan: cannot run {trips} steps")
        carry, ys = parts.carry, None
        for step in reversed(range(trips)) if self._reverse else range(trips):
            outs = self._body.run([*carry, *(np.asarray(x[step]) for x in parts.xs), *parts.consts])
            carry, slices = outs[: self._num_carry], outs[self._num_carry :]
            if ys is None:
                ys = [np.empty((trips, *part.shape), part.dtype) for part in slices]
            for i, (y, part) in enumerate(zip(ys, slices, strict=True)):
                if part.shape != y.shape[1:]:
                    raise ShapeError(f"scan: y {i} has shape {y.shape[1:]} in one step and {part.shape} in another")
                y[step] = part
        return [*carry, *(self._empty(parts) if ys is None else ys)]

    def _empty(self, parts: ScanParts) -> list[np.ndarray]:
        """Return the stacked results of no steps."""
        shapes = [aval.shape for aval in self._y_avals]
        if not all(aval.is_static for aval in self._y_avals):
            shapes = [y.shape for y in self._step(parts)[self._num_carry :]]
        filled = [[0 if d is DYN else d for d in shape] for shape in shapes]
        return [np.empty((0, *shape), aval.dtype) for shape, aval in zip(filled, self._y_avals, strict=True)]

    def sizes(self, *values: Known) -> list[Known]:
        parts = ScanParts.grouped(values, self._attributes)
        trips = sized(parts.length[0]).value if self._length == -1 else self._length
        outs = self._step(parts)
        return [*outs[: self._num_carry], *(SizedAval((trips, *y.shape), y.dtype) for y in outs[self._num_carry :])]

    def _step(self, parts: ScanParts) -> list[Known]:
        """Return what is known of the carry before, and the slices after, any step."""
        carry: list[Known] = parts.carry
        slices = [SizedAval(x.shape[1:], x.dtype) for x in parts.xs]
        while True:  # dims only become unknown, so this ends
            outs = self._body.sizes([*carry, *slices, *parts.consts])
            joined = _join(zip(carry, outs, strict=False))
            if all(a is b or (isinstance(a, SizedAval) and a == b) for a, b in zip(carry, joined, strict=True)):
                return [*carry, *outs[self._num_carry :]]
            carry = joined


CONTROL: dict[str, Callable[[Any, dict[str, Any], Functions], Control]] = {
    "fun.call": Call,
    "fun.cond": Cond,
    "fun.scan": Scan,
}
