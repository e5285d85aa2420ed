"""Run-time sizes computed by the type rules of ops: avals whose dims append host `index` arithmetic.

An op's type rule is written with `+ - * //` on dims, so running it on these gives the sizes of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from difc.dialects.types import DYN, Aval
from difc.pipelines.lowering.emitter import Emitter, Size

__all__ = ["IndexDim", "SizedAval"]


class IndexDim:
    """A run-time size that a type rule computes with: arithmetic appends host `index` arithmetic."""

    def __init__(self, emitter: Emitter, value: Size) -> None:
        self.emitter, self.value = emitter, value

    def _with(self, name: str, other: Any, swap: bool = False) -> IndexDim:
        values = [self.emitter.index(d.value if isinstance(d, IndexDim) else d) for d in (self, other)]
        if swap:
            values.reverse()
        return IndexDim(self.emitter, self.emitter.value(f"arith.{name}", values, self.emitter.index_type))

    def __add__(self, other: Any) -> IndexDim:
        return self._with("addi", other)

    def __sub__(self, other: Any) -> IndexDim:
        return self._with("subi", other)

    def __rsub__(self, other: Any) -> IndexDim:
        return self._with("subi", other, swap=True)

    def __mul__(self, other: Any) -> IndexDim:
        return self._with("muli", other)

    def __floordiv__(self, other: Any) -> IndexDim:
        return self._with("divsi", other)  # sizes are not negative, so rounding towards zero is the floor

    def __neg__(self) -> IndexDim:
        return self._with("subi", 0, swap=True)

    __radd__, __rmul__ = __add__, __mul__


class SizedAval(Aval):
    """An aval whose dynamic dims compute; for i64 scalars, `size_value` computes with the value itself."""

    def __init__(self, emitter: Emitter, aval: Aval, sizes: Sequence[Size], value: Callable[[], Size | None]) -> None:
        shape = tuple(s if isinstance(s, int) else IndexDim(emitter, s) for s in sizes)
        super().__init__(shape, aval.dtype)
        object.__setattr__(self, "_state", (emitter, value))

    @property
    def size_value(self) -> Any:
        """The value of a scalar i64 operand as a size, `DYN` where only the device knows it."""
        emitter, value = self.__dict__["_state"]
        found = value()
        return DYN if found is None else found if isinstance(found, int) else IndexDim(emitter, found)
