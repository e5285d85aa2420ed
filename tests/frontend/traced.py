"""What tests of the NumPy surface share: a function traced, verified, run by the interpreter, compared with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import difc
from difc import dialects as dif
from difc.dialects import Aval, add_function, interpreter, return_
from difc.dialects.mlir import ir
from difc.dims import Dim
from difc.opt import parse_pipeline, run_passes
from difc.pytree import flatten
from difc.tracer import lift, wrap
from difc.tracing import new_frame

__all__ = ["check", "compare", "module_of", "slopes_of", "trace_and_run"]

TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 3e-6, np.dtype(np.float16): 3e-3}


def _avals(arrays: Sequence[np.ndarray], dynamic: Sequence[tuple[int, int]]) -> list[Aval]:
    """Return types of arrays; `(argument, axis)` pairs have run-time sizes, of one name for each actual size."""
    return [
        Aval(tuple(Dim.named(f"n{d}") if (i, axis) in dynamic else d for axis, d in enumerate(a.shape)), a.dtype)
        for i, a in enumerate(arrays)
    ]


def module_of(function: Callable[..., Any], avals: Sequence[Aval], weak: Sequence[bool] = ()) -> ir.Module:
    """Return a module whose function @f is the traced function."""
    with new_frame(avals, "`f`") as frame:
        marks = list(weak) or [False] * len(avals)
        arguments = [wrap(a, w) for a, w in zip(list(frame.block.arguments), marks, strict=True)]
        results, _ = flatten(function(*arguments))
        return_(frame.block, [lift(r) for r in results])
        add_function(frame.module, "f", frame.block, private=False)
        dif.verify(frame.module)
        return frame.module


def trace_and_run(
    function: Callable[..., Any], *arrays: Any, dynamic: Sequence[tuple[int, int]] = (), weak: Sequence[bool] = ()
) -> list[np.ndarray]:
    """Trace a function of arrays, and return what the interpreter gives for them, as a flat list."""
    given = [np.asarray(a) for a in arrays]
    module = module_of(function, _avals(given, dynamic), weak)
    if any(f'"{request}"' in str(module) for request in dif.REQUESTS):
        module = run_passes(module, parse_pipeline("expand-ad"))
    with dif.context(), ir.Location.unknown():
        return list(interpreter.run(module, "f", *given))


def compare(found: Sequence[np.ndarray], expected: Any, tolerance: float | None = None) -> None:
    """Check values, shapes and dtypes."""
    wanted = [np.asarray(w) for w in flatten(expected)[0]]
    assert len(found) == len(wanted)
    for f, w in zip(found, wanted, strict=True):
        assert (f.dtype, f.shape) == (w.dtype, w.shape)
        limit = TOLERANCE.get(w.dtype, 0.0) if tolerance is None else tolerance
        size = float(np.max(np.abs(w[np.isfinite(w)]), initial=0.0)) if w.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(f, w, rtol=limit, atol=limit * min(size, 1.0))


def check(
    function: Callable[..., Any],
    *arrays: Any,
    dynamic: Sequence[tuple[int, int]] = (),
    tolerance: float | None = None,
) -> None:
    """Check that a traced function gives what it gives as plain NumPy, with the same dtypes."""
    with np.errstate(all="ignore"):
        expected = function(*[np.asarray(a) for a in arrays])
    compare(trace_and_run(function, *arrays, dynamic=dynamic), expected, tolerance)


def slopes_of(function: Callable[..., Any], x: np.ndarray, order: int) -> np.ndarray:
    """Return the derivatives of an order of an elementwise function, by the interpreter."""
    for _ in range(order):
        function = lambda v, f=function: difc.grad(lambda v: np.sum(f(v)))(v)  # noqa: E731
    with difc.disable_jit():
        return np.asarray(function(x))
