"""Run-time sizes computed by the type rules of ops: avals whose dims append host `index` arithmetic.

An op's type rule is written with `+ - * //` on dims, so running it on these gives the sizes of its result without
computing the result: for the outputs of ops, and for what a loop body will yield, before the loop runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from difc.dialects import OPS, Aval, aval_of, needed_first, scan, scan_parts, yielded
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.dialects.types import DYN
from difc.errors import UnsupportedError
from difc.pipelines.lowering.emitter import Emitter, Size

if TYPE_CHECKING:
    from difc.pipelines.lowering.context import Context
    from difc.pipelines.lowering.values import Value

__all__ = ["BlockSizes", "LazyAval", "infer_sizes", "unknown"]


class _IndexDim:
    """A run-time size that a type rule computes with: arithmetic appends host `index` arithmetic."""

    def __init__(self, emitter: Emitter, value: Size) -> None:
        self.emitter, self.value = emitter, value

    def _with(self, name: str, other: Any, swap: bool = False) -> _IndexDim:
        values = [self.emitter.index(d.value if isinstance(d, _IndexDim) else d) for d in (self, other)]
        if swap:
            values.reverse()
        return _IndexDim(self.emitter, self.emitter.value(f"arith.{name}", values, self.emitter.index_type))

    def __add__(self, other: Any) -> _IndexDim:
        return self._with("addi", other)

    def __sub__(self, other: Any) -> _IndexDim:
        return self._with("subi", other)

    def __rsub__(self, other: Any) -> _IndexDim:
        return self._with("subi", other, swap=True)

    def __mul__(self, other: Any) -> _IndexDim:
        return self._with("muli", other)

    def __floordiv__(self, other: Any) -> _IndexDim:
        return self._with("divsi", other)  # sizes are not negative, so rounding towards zero is the floor

    def __neg__(self) -> _IndexDim:
        return self._with("subi", 0, swap=True)

    def at_least(self, bound: int) -> _IndexDim:
        """Return the larger of the size and a bound."""
        return self._with("maxsi", bound)

    __radd__, __rmul__ = __add__, __mul__


class LazyAval(Aval):
    """An aval of run-time sizes; an i64 scalar also computes with its own value, which is found when asked for."""

    def __init__(
        self, emitter: Emitter, aval: Aval, sizes: Sequence[Size | None], value: Callable[[], Size | None]
    ) -> None:
        shape = tuple(DYN if s is None else s if isinstance(s, int) else _IndexDim(emitter, s) for s in sizes)
        super().__init__(shape, aval.dtype)
        object.__setattr__(self, "_state", (emitter, value))

    @property
    def size_value(self) -> Any:
        """The value of a scalar i64 operand as a size, `DYN` where only the device knows it."""
        emitter, value = self.__dict__["_state"]
        found = value()
        return DYN if found is None else found if isinstance(found, int) else _IndexDim(emitter, found)


def infer_sizes(operation: ir.Operation, avals: Sequence[LazyAval], result: int) -> list[Size | None]:
    """Run the type rule of an op for one of its results; a size that it cannot tell is None."""
    opdef = OPS[operation.name]
    aval = opdef.result_avals(avals, opdef.decode(operation), ())[result]
    return [d.value if isinstance(d, _IndexDim) else None if d is DYN else d for d in aval.shape]


_ARITHMETIC = {
    "dif.add": "addi",
    "dif.sub": "subi",
    "dif.mul": "muli",
    "dif.div": "divsi",
    "dif.max": "maxsi",
    "dif.min": "minsi",
}


def unknown() -> None:
    """Return that a value is not known before the body runs: it changes from step to step, or is on the device."""


def _is_open(sizes: Sequence[Size | None]) -> bool:
    return any(size is None for size in sizes)


class BlockSizes:
    """The sizes of the values of a body, from the sizes of its arguments and, where they are known, the arguments.

    What a size depends on is computed when it is asked for, at the place where that is: before the body runs.
    """

    def __init__(
        self,
        c: Context,
        block: ir.Block,
        sizes: Sequence[Sequence[Size | None]],
        arguments: Sequence[Callable[[], Value | None]],
    ) -> None:
        self._context = c
        self._sizes: dict[ir.Value, list[Size | None]] = {
            argument: list(s) for argument, s in zip(block.arguments, sizes, strict=True)
        }
        self._arguments: dict[ir.Value, Callable[[], Value | None]] = dict(zip(block.arguments, arguments, strict=True))
        self._values: dict[ir.Value, Value | None] = {}
        self._numbers: dict[ir.Value, Size | None] = {}

    def of(self, value: ir.Value) -> list[Size]:
        """Return the sizes of a value of the body.

        Raises:
          UnsupportedError: where they depend on what the body computes on the device.
        """
        found = self.known(value)
        if _is_open(found):
            operation = self._cause(value)
            raise UnsupportedError(
                f"'{operation.name}' gives an array in a loop whose size depends on computed values",
                where=user_location(operation.location),
                remedy="make the sizes of what a loop stacks depend on shapes and constants only",
            )
        return found

    def known(self, value: ir.Value) -> list[Size | None]:
        """Return the sizes of a value of the body, None where they depend on what it computes on the device."""
        for each in needed_first(value, self._needs):
            if each not in self._sizes:
                aval = aval_of(each)
                self._sizes[each] = list(aval.shape if aval.is_static else self._computed(each))
        return self._sizes[value]

    def _needs(self, value: ir.Value) -> list[ir.Value]:
        """Return the values whose sizes those of a value follow from."""
        is_there = value in self._sizes or aval_of(value).is_static
        return [] if is_there or len(value.owner.regions) else list(value.owner.operands)

    def _cause(self, value: ir.Value) -> ir.Operation:
        """Return the operation that makes a size unknown."""
        cause: ir.Value | None = value
        while cause is not None:
            value, cause = cause, next((v for v in cause.owner.operands if _is_open(self.known(v))), None)
        return value.owner

    def _number(self, value: ir.Value) -> Size | None:
        """Return an i64 scalar of the body as a size, or None where the body has to run for it."""
        if value not in self._numbers:
            self._numbers[value] = self._computed_number(value)
        return self._numbers[value]

    def _computed_number(self, value: ir.Value) -> Size | None:
        operation = None if value in self._arguments else value.owner
        if operation is not None and operation.name == "dif.constant":
            return int(OPS[operation.name].decode(operation)["value"])
        if operation is not None and operation.name == "dif.dim":
            return self.known(operation.operands[0])[OPS[operation.name].decode(operation)["dimension"]]
        if operation is not None and operation.name in _ARITHMETIC:
            numbers = [self._number(v) for v in operation.operands]
            if _is_open(numbers):
                return None
            c = self._context
            return c.value(f"arith.{_ARITHMETIC[operation.name]}", [c.index(n) for n in numbers], c.index_type)
        found = self._value(value)
        return None if found is None else self._context.read_size(found)

    def _value(self, value: ir.Value) -> Value | None:
        """Return a value of the body computed before it runs, None where that cannot be."""
        if value in self._arguments:
            return self._arguments[value]()
        if value not in self._values:
            operation = value.owner
            operands = [None] if len(operation.regions) else [self._value(v) for v in operation.operands]
            given = [x for x in operands if x is not None]
            results: Sequence[Value | None] = [None] * len(operation.results)
            if len(given) == len(operands):
                results = self._context.lower_operation(operation, given)
            self._values.update(zip(operation.results, results, strict=True))
        return self._values[value]

    def _computed(self, value: ir.Value) -> Sequence[Size | None]:
        operation = value.owner
        index = list(operation.results).index(value)
        if operation.name == "fun.cond":
            return self._of_cond(operation, index)
        if operation.name == "fun.scan":
            return self._of_scan(operation, index)
        avals = [
            LazyAval(self._context, aval_of(v), self.known(v), partial(self._number, v)) for v in operation.operands
        ]
        return infer_sizes(operation, avals, index)

    def _of_cond(self, operation: ir.Operation, index: int) -> Sequence[Size | None]:
        """Return the sizes that either branch tells: those of what a loop stacks are equal in every step."""
        operands = list(operation.operands)[1:]
        sizes, values = [self.known(v) for v in operands], [partial(self._value, v) for v in operands]
        blocks = [region.blocks[0] for region in operation.regions]
        found = [BlockSizes(self._context, b, sizes, values).known(yielded(b)[index]) for b in blocks]
        return [b if a is None else a for a, b in zip(*found, strict=True)]

    def _of_scan(self, operation: ir.Operation, index: int) -> Sequence[Size | None]:
        parts = scan_parts(operation)
        if index < len(parts.carry):
            return self.known(parts.carry[index])
        block = operation.regions[0].blocks[0]
        xs = [self.known(v)[1:] for v in parts.xs]
        sizes = [*map(self.known, parts.carry), *xs, *map(self.known, parts.consts)]
        values = [unknown] * len([*parts.carry, *parts.xs]) + [partial(self._value, v) for v in parts.consts]
        inner = BlockSizes(self._context, block, sizes, values).known(yielded(block)[index])
        length = self._number(parts.length[0]) if parts.length else scan.decode(operation)["length"]
        return [length, *inner]
