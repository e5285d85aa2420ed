"""Lines that the kernels of `spectral_tridiagonal.py` and its kin share: loops, vectors and numbers in memory.

Tensors have run-time sizes, and one index or two. A vector that reaches over the end of a row is masked. Names of
values are given with their `%`; every kernel has the constants of `constants`.

A tensor must be updated in one line of descent, or IREE copies it, for which there is no memory. It also takes two
loops for one that do the same: two arrays must not start out the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.pipelines.lowering.emitter import Size
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.spectral_householder import negligible
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = [
    "cleared",
    "copied",
    "constants",
    "dtype_of",
    "element",
    "loop",
    "numbers",
    "padded",
    "put",
    "read",
    "room",
    "write",
]

#: What a loop carries: the name in its body, the first value, the type.
Carried = tuple[str, str, str]


def dtype_of(kind: str) -> np.dtype[Any]:
    """Return the dtype of an element type, `f32` or `f64`."""
    return np.dtype({"f32": np.float32, "f64": np.float64}[kind])


def constants(t: Tile) -> str:
    """Return lines for what all kernels use; squares of at most %negligible together have lost their digits."""
    info = np.finfo(dtype_of(t.element))
    return f"""
      %columns = arith.constant {t.columns} : index
      %zero = arith.constant 0.0 : {t.element}
      %one_ = arith.constant 1.0 : {t.element}
      %half = arith.constant 0.5 : {t.element}
      %epsilon = arith.constant {float(info.eps):.17e} : {t.element}
      %negligible = arith.constant {negligible(dtype_of(t.element)):.17e} : {t.element}
      %none = arith.constant dense<0.0> : {t.vector}"""


def padded(c: TensorEmitter, n: Size, kind: str, unit: VectorUnit) -> Size:
    """Return how many elements apart the rows of n are best: whole vectors, an odd number of them.

    By a power of two, all rows would share a few lines of the cache.
    """
    lanes = unit.bytes // dtype_of(kind).itemsize
    if isinstance(n, int):
        return (-(-n // lanes) | 1) * lanes
    vectors = c.arith("ceildivui", n, lanes)
    odd = c.arith("ori", vectors, 1)
    return c.arith("muli", odd, lanes)


def numbers(t: Tile) -> str:
    """Return the type of a line of numbers; that of a matrix is `t.matrix`."""
    return f"tensor<?x{t.element}>"


def loop(
    result: str, index: str, bounds: str, carried: Sequence[Carried], body: str, after: Sequence[str], step: str = "%c1"
) -> str:
    """Return a loop, with `bounds` as `%first to %end`; `after` are the values that the body leaves."""
    types = ", ".join(kind for _, _, kind in carried)
    start = ", ".join(f"{name} = {value}" for name, value, _ in carried)
    return f"""
      {result}:{len(carried)} = scf.for {index} = {bounds} step {step} iter_args({start}) -> ({types}) {{
        {body}
        scf.yield {", ".join(after)} : {types}
      }}"""


def _tensor(kind: str, index: Sequence[str]) -> str:
    return f"tensor<{'?x' * len(index)}{kind}>"


def read(t: Tile, result: str, source: str, *index: str) -> str:
    """Return the line that reads a vector along the last index."""
    place, tensor = ", ".join(index), _tensor(t.element, index)
    return f"{result} = vector.transfer_read {source}[{place}], %zero {{in_bounds = [false]}} : {tensor}, {t.vector}"


def write(t: Tile, result: str, value: str, into: str, *index: str) -> str:
    """Return the line that writes a vector; `result` is the tensor with it."""
    place, tensor = ", ".join(index), _tensor(t.element, index)
    return f"{result} = vector.transfer_write {value}, {into}[{place}] {{in_bounds = [false]}} : {t.vector}, {tensor}"


def element(t: Tile, result: str, source: str, *index: str) -> str:
    """Return lines that read a number, and the same as a vector with `v` after its name."""
    return f"""
        {result} = tensor.extract {source}[{", ".join(index)}] : {_tensor(t.element, index)}
        {result}v = vector.broadcast {result} : {t.element} to {t.vector}"""


def put(result: str, value: str, kind: str, into: str, *index: str) -> str:
    """Return lines that write a number of type `kind`; `result` is the tensor with it."""
    return f"""
        {result}_v = vector.broadcast {value} : {kind} to vector<1x{kind}>
        {result} = vector.transfer_write {result}_v, {into}[{", ".join(index)}] {{in_bounds = [true]}}
          : vector<1x{kind}>, {_tensor(kind, index)}"""


def room(result: str, kind: str, *sizes: str) -> str:
    """Return the line for memory: that of a result, in which the tensor ends up."""
    return f"\n      {result} = tensor.empty({', '.join(sizes)}) : {_tensor(kind, sizes)}"


def copied(t: Tile, result: str, source: str, into: str, rows: str | None, columns: str) -> str:
    """Return lines for a copy of a matrix, or of a line of numbers if it has no rows."""
    index = ["%row"] if rows else []
    body = f"""
        {read(t, "%value", source, *index, "%at")}
        {write(t, "%next", "%value", "%to", *index, "%at")}"""
    if not rows:
        return loop(result, "%at", f"%c0 to {columns}", [("%to", into, numbers(t))], body, ["%next"], "%columns")
    along = loop("%line", "%at", f"%c0 to {columns}", [("%to", "%filled", t.matrix)], body, ["%next"], "%columns")
    return loop(result, "%row", f"%c0 to {rows}", [("%filled", into, t.matrix)], along, ["%line"])


def cleared(t: Tile, result: str, into: str, rows: str, columns: str) -> str:
    """Return lines for a matrix of zeros."""
    along = loop(
        "%line",
        "%at",
        f"%c0 to {columns}",
        [("%to", "%filled", t.matrix)],
        write(t, "%next", "%none", "%to", "%row", "%at"),
        ["%next"],
        "%columns",
    )
    return loop(result, "%row", f"%c0 to {rows}", [("%filled", into, t.matrix)], along, ["%line"])
