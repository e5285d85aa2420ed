"""From a Python function to a function or body in the dialect.

A `Frame` is a block under construction. Frames nest (the body of a scan within a function within ...); a value of an
outer frame that an inner one uses becomes an argument of the inner block and an operand of what is made of it: bodies
never capture. Everything on the user's stack runs once, with `Tracer` objects in the place of arrays.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import DYN, I64, Aval, Builder, SizedAval, aval_of, new_block
from difc.dialects.base import OpDef
from difc.dialects.matrices import triangle_mask
from difc.dialects.mlir import ir
from difc.dims import Dim, fresh_dim, plain
from difc.errors import ConcretizationError, SourceLocation
from difc.source import user_frame_location
from difc.state import FRAME, is_tracing

__all__ = ["Frame", "TraceBuilder", "constant", "current_frame", "file_location", "is_tracing", "lock", "new_frame"]

#: The least rows of a matrix that is computed from its diagonal.
_LARGE = 64

#: Tracing is global to the process (one MLIR context), so one thread traces at a time.
lock = threading.RLock()


class TraceBuilder(Builder):
    """Builds ops at the user's current line, and keeps the names of run-time sizes.

    Attributes:
      sizes: value -> its shape, with `Dim` for the run-time sizes; only for values that have some.
      scalars: i64 scalar value -> the `Dim` or int that it holds.
    """

    def __init__(self, block: ir.Block) -> None:
        super().__init__(block)
        self.sizes: dict[ir.Value, tuple[Any, ...]] = {}
        self.scalars: dict[ir.Value, Any] = {}

    def where(self) -> SourceLocation | None:
        return user_frame_location()

    def shape(self, value: ir.Value) -> tuple[Any, ...]:
        """Return the shape of a value: ints and `Dim`s."""
        return self.sizes.get(value) or aval_of(value).shape

    def aval(self, value: ir.Value) -> Aval:
        """Return the type of a value, with named run-time sizes."""
        return Aval(self.shape(value), aval_of(value).dtype)

    def emit(self, opdef: OpDef, operands: Any, attributes: Any, regions: Any) -> list[ir.Value]:
        place = user_frame_location()
        if place is not None:
            self.location = file_location(place)
        named = self._named_shapes(opdef, operands, attributes) if not regions else None
        results = super().emit(opdef, operands, attributes, regions)
        for i, result in enumerate(results):
            self._remember(result, named[i] if named is not None else None)
        if opdef.name == "dif.dim":
            self.scalars[results[0]] = self.shape(operands[0])[attributes["dimension"]]
        elif opdef.name == "dif.constant" and aval_of(results[0]) == Aval((), I64):
            self.scalars[results[0]] = int(attributes["value"])
        elif opdef.name in _ARITHMETIC and all(v in self.scalars for v in operands):
            x, y = (self.scalars[v] for v in operands)
            self.scalars[results[0]] = _ARITHMETIC[opdef.name](x, y)
        return results

    def insert_clone(self, operation: Any, operands: Any) -> list[ir.Value]:
        results = super().insert_clone(operation, operands)
        for result in results:
            self._remember(result, None)
        return results

    def _named_shapes(self, opdef: OpDef, operands: Any, attributes: Any) -> list[tuple[Any, ...]] | None:
        """Run the type rule on named sizes, where some operand has them."""
        if not any(v in self.sizes or v in self.scalars for v in operands):
            return None
        avals = [SizedAval(self.shape(v), aval_of(v).dtype, self._scalar(v)) for v in operands]
        return [aval.shape for aval in opdef.result_avals(avals, attributes, ())]

    def _scalar(self, value: ir.Value) -> Any:
        if aval_of(value) != Aval((), I64):
            return DYN
        return self.scalars.setdefault(value, fresh_dim())

    def _remember(self, value: ir.Value, named: tuple[Any, ...] | None) -> None:
        aval = aval_of(value)
        if not aval.is_static:
            known = named or aval.shape
            self.sizes[value] = tuple(
                a if isinstance(a, int) else b if isinstance(b, (int, Dim)) else fresh_dim()
                for a, b in zip(aval.shape, known, strict=True)
            )

    def adopt(self, value: ir.Value, shape: Sequence[Any], scalar: Any = None) -> None:
        """Note the named shape of a block argument, and what it holds if it is a size."""
        self._remember(value, tuple(shape))
        if scalar is not None:
            self.scalars[value] = scalar


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "dif.add": lambda x, y: x + y,
    "dif.sub": lambda x, y: x - y,
    "dif.mul": lambda x, y: x * y,
}


@dataclass(eq=False)
class Frame:
    """A block under construction.

    Attributes:
      module: where functions go that are made on the way.
      reserved: names that only entries of the program may have.
      captured: values of the parent frame that this one uses -> the arguments that stand for them, in order.
      open: whether the block still takes ops; a tracer of a closed frame has escaped.
    """

    builder: TraceBuilder
    parent: Frame | None
    what: str
    module: ir.Module
    reserved: frozenset[str] = frozenset()
    captured: dict[ir.Value, ir.Value] = field(default_factory=dict)
    constants: dict[tuple[np.dtype, tuple[int, ...], bytes], ir.Value] = field(default_factory=dict)
    open: bool = True

    @property
    def block(self) -> ir.Block:
        return self.builder.block

    def local(self, value: ir.Value, owner: Frame) -> ir.Value:
        """Return what stands in this frame for a value of `owner`, an enclosing frame (or this one)."""
        if owner is self:
            return value
        if not owner.open or self.parent is None:
            raise ConcretizationError(
                f"a traced value of {owner.what} is used after its tracing has ended",
                where=user_frame_location(),
                remedy="return the value from the function instead of storing it in a variable outside",
            )
        outer = self.parent.local(value, owner)
        return self.capture(outer)

    def capture(self, outer: ir.Value) -> ir.Value:
        """Return the argument that stands for a value of the parent frame."""
        if outer not in self.captured:
            assert self.parent is not None
            argument = self.block.add_argument(outer.type, ir.Location.unknown())
            parent = self.parent.builder
            self.builder.adopt(argument, parent.shape(outer), parent.scalars.get(outer))
            self.captured[outer] = argument
        return self.captured[outer]


def file_location(place: SourceLocation | None) -> ir.Location:
    """Return a place as MLIR knows it, which takes UTF-8: names of files are bytes."""
    if place is None:
        return ir.Location.unknown()
    return ir.Location.file(os.fsencode(place.file).decode(errors="replace"), place.line, place.column)


def current_frame() -> Frame:
    """Return the innermost frame under construction."""
    frame = FRAME.get()
    if frame is None:
        raise ConcretizationError(
            "a traced value is used after its tracing has ended",
            where=user_frame_location(),
            remedy="return the value from the function instead of storing it in a variable outside",
        )
    return frame


@contextmanager
def new_frame(
    avals: Sequence[Aval], what: str, module: ir.Module | None = None, reserved: Iterable[str] = ()
) -> Iterator[Frame]:
    """Open a frame with arguments of the given types.

    Args:
      avals: types of the block's arguments, with `Dim`s where sizes are known only at run time.
      what: what is traced, for messages.
      module: where functions go that are made on the way (default: that of the enclosing frame, or a new one).
      reserved: names that these functions must not take (default: those of the enclosing frame).
    """
    with lock, dif.context(), ir.Location.unknown():
        builder = TraceBuilder(new_block([plain(a) for a in avals]))
        for argument, aval in zip(builder.block.arguments, avals, strict=True):
            builder.adopt(argument, aval.shape)
        parent = FRAME.get()
        module = module or (parent.module if parent else ir.Module.create())
        frame = Frame(builder, parent, what, module, parent.reserved if parent else frozenset(reserved))
        token = FRAME.set(frame)
        try:
            with dif.use_builder(builder):
                yield frame
        finally:
            frame.open = False
            FRAME.reset(token)


def constant(array: Any) -> ir.Value:
    """Return an array as a constant of the current frame; equal ones are one constant."""
    frame = current_frame()
    array = np.asarray(array)
    if not array.dtype.isnative:  # as read from a file of another machine
        array = array.astype(array.dtype.newbyteorder("="))
    # By its contents, which the user's code may change before it uses the array again; bytes tell -0.0 from 0.0.
    key = array.dtype, array.shape, hashlib.sha256(array.tobytes()).digest()
    if key not in frame.constants:
        frame.constants[key] = _by_diagonal(array) if _is_by_diagonal(array) else dif.constant(value=array)
    return frame.constants[key]


def _is_by_diagonal(array: np.ndarray) -> bool:
    """Say whether a large matrix has one number on its diagonal, and one elsewhere, as `numpy.eye(1000)` has."""
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < _LARGE:
        return False
    if np.any(array[0, 2:] != array[0, 1]):  # what one row tells of most, the others need not be copied for
        return False
    same = np.full_like(array, array[0, 1])
    if same.tobytes() == array.tobytes():  # which is a constant of one number
        return False
    np.fill_diagonal(same, array[0, 0])
    return same.tobytes() == array.tobytes()


def _by_diagonal(array: np.ndarray) -> ir.Value:
    """Return such a matrix, computed: as bytes it would be in the artifact, and be read from memory."""
    numbers = (dif.constant(value=array[0, j].copy()) for j in (0, 1))
    on, off = (dif.broadcast_in_dim(x, shape=array.shape, dimensions=()) for x in numbers)
    return dif.select(triangle_mask(on, "eq"), on, off)
