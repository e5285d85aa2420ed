"""What tests of derivatives share: a program and its derivatives, run by the interpreter, and the checks of both modes.

Central differences for forward mode; for reverse mode the dot-product identity <ct, J t> = <J^T ct, t>, which is exact.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import difc.ad_pass.rules  # noqa: F401 - fills the tables
from difc import dialects as dif
from difc.ad_pass.functions import Derivatives
from difc.dialects import BF16, context, interpreter, marked
from difc.dialects.mlir import ir

__all__ = ["Program", "check_identity", "differences", "directions", "is_real", "masks"]

Arrays = Sequence[np.ndarray]
Mask = tuple[bool, ...]


class Program:
    """A function of a module, with its derivatives made on demand and run by the interpreter."""

    def __init__(self, derivatives: Derivatives, name: str = "f") -> None:
        self.derivatives, self.name = derivatives, name

    @staticmethod
    def of(module: ir.Module) -> Program:
        """Return the function @f of a module."""
        return Program(Derivatives(module))

    def __call__(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return interpreter.run(self.derivatives.module, self.name, *arrays)

    def _make(self, make: Callable[[], str]) -> Program:
        with context(), ir.Location.unknown():
            name = make()
            dif.verify(self.derivatives.module)
        return Program(self.derivatives, name)

    @property
    def text(self) -> str:
        """The function's IR."""
        return str(dif.functions_of(self.derivatives.module)[self.name])

    def jvp(self, mask: Mask) -> Program:
        return self._make(lambda: self.derivatives.jvp(self.name, mask))

    def vjp(self, mask: Mask, out_mask: Mask) -> Program:
        return self._make(lambda: self.derivatives.vjp(self.name, mask, out_mask))

    def vmap(self, in_axes: Sequence[int], out_axes: Sequence[int], size: object) -> Program:
        return self._make(lambda: self.derivatives.vmap(self.name, in_axes, out_axes, size))


def is_real(array: np.ndarray) -> bool:
    """Say whether an array carries derivatives."""
    return array.dtype.kind == "f" or array.dtype == BF16


def masks(allowed: Sequence[bool]) -> list[Mask]:
    """Return every nonempty choice among the allowed places."""
    choices = itertools.product(*((False, True) if a else (False,) for a in allowed))
    return [c for c in choices if any(c)]


def directions(name: str, arrays: Arrays) -> list[np.ndarray]:
    """Return a random direction for each array."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return [rng.standard_normal(a.shape).astype(a.dtype) for a in arrays]


def _dot(a: Arrays, b: Arrays) -> float:
    return sum(float(np.sum(x.astype(float) * y)) for x, y in zip(a, b, strict=True))


def differences(f: Callable[..., Arrays], primals: Arrays, mask: Mask, ts: Arrays, step: float) -> list[np.ndarray]:
    """Return the central difference of the float results along `ts`."""

    def at(h: float) -> list[np.ndarray]:
        moving = iter(ts)
        moved = [x + h * next(moving) if m else x for x, m in zip(primals, mask, strict=True)]
        return [y for y in f(*moved) if is_real(y)]

    return [(a - b) / (2 * step) for a, b in zip(at(step), at(-step), strict=True)]


def check_identity(f: Program, primals: Arrays, mask: Mask, name: str, rtol: float = 1e-9) -> None:
    """Check <ct, J t> = <J^T ct, t>, and that both modes give the function's value."""
    outs = f(*primals)
    reals = [is_real(y) for y in outs]
    ts = directions(name, marked(primals, mask))
    forward = f.jvp(mask)(*primals, *ts)
    dots = forward[len(outs) :]
    cts = directions(name + "ct", marked(outs, reals))
    backward = f.vjp(mask, tuple(reals))(*primals, *cts)
    grads = backward[len(outs) :]
    for y, a, b in zip(outs, forward, backward, strict=False):
        np.testing.assert_array_equal(a, y)
        np.testing.assert_array_equal(b, y)
    assert [g.shape for g in grads] == [t.shape for t in ts]
    scale = 1.0 + max((abs(float(np.sum(abs(d * ct)))) for d, ct in zip(dots, cts, strict=True)), default=0.0)
    assert _dot(cts, dots) == pytest.approx(_dot(grads, ts), rel=rtol, abs=rtol * scale)
