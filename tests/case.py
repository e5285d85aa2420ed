"""What a row of the table in `tests/cases.py` is: how to build an op on values, and what arrays to give it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BF16, BOOL, DYN, Aval, Builder, context, is_float, new_block
from difc.dialects.body import add_function, return_
from difc.dialects.matrices import sizes_of
from difc.dialects.mlir import ir

__all__ = ["DTYPES", "FLOAT", "Case", "Input", "module_of", "sizes"]

DTYPES = {"bf16": BF16, "bool": BOOL} | {
    f"{kind[0]}{bits}": np.dtype(f"{kind}{bits}")
    for kind, widths in {"float": (16, 32, 64), "int": (8, 16, 32, 64), "uint": (8, 16, 32, 64)}.items()
    for bits in widths
}
FLOAT = ("f16", "bf16", "f32", "f64")


@dataclass(frozen=True)
class Input:
    """An argument of a row.

    Attributes:
      shape: its shape; in the dynamic variant of the row every dim but those in `fixed` is known only at run time.
      dtype: "T" for the dtype that the row runs in, else a dtype of its own.
      low, high: range of its random elements (rounded inwards for integers).
      values: its elements, where random ones will not do.
    """

    shape: tuple[int, ...]
    dtype: str = "T"
    low: float = -2.0
    high: float = 2.0
    fixed: tuple[int, ...] = ()
    values: Any = None

    def dtype_in(self, dtype: str) -> np.dtype:
        return DTYPES[dtype if self.dtype == "T" else self.dtype]

    def aval(self, dtype: str, dynamic: bool = False) -> Aval:
        fixed = [d % len(self.shape) for d in self.fixed]
        shape = tuple(DYN if dynamic and d not in fixed else size for d, size in enumerate(self.shape))
        return Aval(shape, self.dtype_in(dtype))

    def draw(self, dtype: str, rng: np.random.Generator) -> np.ndarray:
        """Return random elements of the row's domain."""
        kind = self.dtype_in(dtype)
        if self.values is not None:
            return np.asarray(self.values).astype(kind).reshape(self.shape)
        if kind == BOOL:
            return rng.integers(0, 2, self.shape).astype(kind)
        if is_float(kind):
            return np.asarray(rng.uniform(self.low, self.high, self.shape)).astype(kind)
        low = max(math.ceil(self.low), 0) if kind.kind == "u" else math.ceil(self.low)
        return np.asarray(rng.integers(low, math.floor(self.high) + 1, self.shape)).astype(kind)


@dataclass(frozen=True)
class Case:
    """A row.

    Attributes:
      name: unique; the op's name, then what is special.
      op: the op's full name in the IR.
      fn: builds the op on values; may add others that make sizes of it.
      inputs: its arguments.
      dtypes: what "T" may be.
      dynamic: whether it also makes sense with dynamic dims.
      smooth: whether finite differences give its derivative at random points.
      step: step of the finite differences; a linear op can take a large one.
      tol: relative tolerance of the finite differences in float64.
      special: further elements of interest for each input of an elementwise op.
    """

    name: str
    op: str
    fn: Callable[..., ir.Value]
    inputs: tuple[Input, ...]
    dtypes: tuple[str, ...] = FLOAT
    dynamic: bool = True
    smooth: bool = True
    step: float = 1e-5
    tol: float = 1e-6
    special: tuple[tuple[float, ...], ...] = ()

    def draw(self, dtype: str = "f64", seed: int = 0) -> list[np.ndarray]:
        """Return random arguments, the same for the same seed."""
        rng = np.random.default_rng([seed, *self.name.encode()])
        return [i.draw(dtype, rng) for i in self.inputs]

    def avals(self, dtype: str = "f64", dynamic: bool = False) -> list[Aval]:
        return [i.aval(dtype, dynamic) for i in self.inputs]

    def module(self, dtype: str = "f64", dynamic: bool = False) -> ir.Module:
        """Return a module with the row as the function @f."""
        return module_of(self.fn, self.avals(dtype, dynamic))


def module_of(fn: Callable[..., Any], avals: Sequence[Aval], name: str = "f") -> ir.Module:
    """Return a module with one function, built by `fn` on its arguments."""
    with context(), ir.Location.unknown():
        module, block = ir.Module.create(), new_block(avals)
        with dif.use_builder(Builder(block)):
            outs = fn(*block.arguments)
            return_(block, list(outs) if isinstance(outs, tuple) else [outs])
        add_function(module, name, block, private=False)
        return module


def sizes(x: ir.Value) -> tuple[int | ir.Value, ...]:
    """Return the shape of a value, with i64 scalars for dynamic dims."""
    return tuple(sizes_of(x))
