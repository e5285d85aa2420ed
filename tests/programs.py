"""Small programs with control flow, from which the tests of the derivative walkers and of simplification are made.

Each is traced with static sizes, and with every named size known only at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import difc
from difc.ad_pass.functions import expand_requests
from difc.dialects import context
from difc.dialects.mlir import ir
from difc.runtime import ArraySpec

__all__ = ["PROGRAMS", "VARIANTS", "Sample", "traced"]

SIZES = {"n": 4, "m": 3, "k": 2}


@dataclass(frozen=True)
class Sample:
    """A program.

    Attributes:
      name: unique.
      fn: the Python function.
      specs: its arguments; named sizes are those of `SIZES`, unless `sizes` says otherwise.
      values: arguments that random numbers will not do for.
      shared: arguments that no `vmap` may map over (numbers of steps).
    """

    name: str
    fn: Callable[..., Any]
    specs: tuple[ArraySpec, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[int, Any] = field(default_factory=dict)
    shared: tuple[int, ...] = ()

    def shape(self, spec: ArraySpec) -> tuple[int, ...]:
        sizes = {**SIZES, **self.sizes}
        return tuple(sizes[d] if isinstance(d, str) else d for d in spec.shape)

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        """Return arguments, the same for the same seed."""
        rng = np.random.default_rng([seed, *self.name.encode()])
        return [self._draw(i, spec, rng) for i, spec in enumerate(self.specs)]

    def _draw(self, i: int, spec: ArraySpec, rng: np.random.Generator) -> np.ndarray:
        if i in self.values:
            return np.asarray(self.values[i], spec.dtype)
        if spec.dtype.kind == "f":
            return np.asarray(rng.uniform(-1.5, 1.5, self.shape(spec)))
        return np.asarray(rng.integers(0, 2, self.shape(spec)), spec.dtype)

    def module(self, dynamic: bool = False) -> ir.Module:
        """Return a module with the program as its only function, @f, without calls and requests."""
        specs = self.specs if dynamic else [ArraySpec(self.shape(s), s.dtype) for s in self.specs]
        with context(), ir.Location.unknown():
            return expand_requests(traced(self.fn, *specs))

    @property
    def is_dynamic(self) -> bool:
        return any(isinstance(d, str) for s in self.specs for d in s.shape)


def traced(fn: Callable[..., Any], *specs: Any) -> ir.Module:
    """Return `fn` traced into a module, as @f."""
    return difc.trace({"f": difc.export(fn, specs=specs)}).module


f64, i64 = difc.f64, difc.i64
FLOAT, INT, BOOL = f64[()], i64[()], difc.bool_[()]


def recurrence(w: Any, h: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(w @ h + x)
        return h, h * x

    return difc.scan(step, h, xs)


def rotating(a: Any, b: Any, c: Any, xs: Any) -> Any:
    """Tangents reach each carry only after several steps; `c` is used but never changes, `unused` does but is not."""

    def step(carry: Any, x: Any) -> Any:
        a, b, c, kept, unused = carry
        return (b, c * kept, a * x, kept, unused + x), a

    (a, b, c, kept, _), ys = difc.scan(step, (a, b, 1.0 + 0.0 * a, c, c), xs)
    return a + b * c, kept, ys


def mixed_dtypes(table: Any, tokens: Any, x: Any) -> Any:
    def step(carry: Any, token: Any) -> Any:
        count, x = carry
        x = np.sin(x) * table[token] + x[0] * count
        return (count + 1, x), (token + count, np.sum(x * x))

    return difc.scan(step, (0, x), tokens)


def squared_steps(x: Any, steps: Any) -> Any:
    return difc.fori_loop(0, steps, lambda i, x: x * x * 0.5 + np.cos(x) * i, x)


def nested_scans(w: Any, xs: Any) -> Any:
    def outer(c: Any, row: Any) -> Any:
        def inner(c: Any, x: Any) -> Any:
            return np.sin(c * x) + w, c * row[0]

        c, ys = difc.scan(inner, c, row)
        return c, ys * w

    return difc.scan(outer, w, xs)


def branches(p: Any, x: Any, y: Any) -> Any:
    return difc.cond(p, lambda x, y: (np.exp(x) * y, x), lambda x, y: (np.sum(y) * x, y * y), x, y)


def one_sided(p: Any, x: Any, y: Any) -> Any:
    """One branch hands an argument on, the other is constant; one result is an integer."""
    z, count = difc.cond(p, lambda: (x, 1), lambda: (np.full_like(x, 2.0), 0))
    return z * y, count


def cond_in_cond(x: Any, y: Any) -> Any:
    def inside(x: Any) -> Any:
        return difc.cond(y > 0.0, lambda x: x * y * y, lambda x: np.sin(x) / 2.0, x)

    return difc.cond(np.sum(x) > 0.0, inside, lambda x: inside(x * x) - y, x)


def cond_in_scan(w: Any, xs: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        c = difc.cond(np.sum(c) > x[0], lambda c: np.tanh(c * w), lambda c: c - x * np.exp(c), c)
        return c, c[0]

    return difc.scan(step, w * w, xs)


def scan_in_cond(p: Any, c: Any, xs: Any) -> Any:
    def looped(c: Any) -> Any:
        return difc.scan(lambda c, x: (c * np.cos(x), c + x), c, xs)

    return difc.cond(p, looped, lambda c: (c * c, xs * c), c)


def through(xs: Any, c: Any) -> Any:
    """The loop hands slices and the carry on, and uses one of two scanned arrays only for an unused result."""
    last, (rows, carries, _) = difc.scan(lambda c, x: (c + x[0], (x[0], c, x[1] * 2.0)), c, (xs, xs * xs))
    return last * rows, carries


def invariants(w: Any, x: Any, xs: Any) -> Any:
    """The body computes with loop constants alone, and uses the same one twice."""

    def step(c: Any, s: Any) -> Any:
        return np.sin(c * np.exp(w)) * s + (w * x) @ x, c * np.exp(w)

    return difc.scan(step, x, xs)


def invariant_factors(w: Any, x: Any, xs: Any) -> Any:
    """An op on loop constants alone has several results, of which the derivative needs each."""

    def step(c: Any, s: Any) -> Any:
        q, r = np.linalg.qr(w)
        return np.sin(q @ c) * s + r @ x, c

    return difc.scan(step, x, xs)


def gradient_of_loop(w: Any, h: Any, xs: Any) -> Any:
    return difc.grad(lambda w: np.sum(recurrence(w, h, xs)[1] ** 2))(w)


def mapped(xs: Any, w: Any) -> Any:
    return difc.vmap(lambda x: difc.cond(np.sum(x) > 0.0, lambda x: x * w, lambda x: x - w * w, x))(xs)


def mapped_steps(xs: Any, w: Any, ends: Any) -> Any:
    """Gradients of loops in loops, of which each lane makes its own number of steps."""

    def last(x: Any, w: Any, end: Any) -> Any:
        inner = lambda i, c: difc.fori_loop(0, end, lambda j, d: np.sin(d) * w + x, c) * w  # noqa: E731
        return np.sum(difc.fori_loop(0, end, inner, x))

    return difc.vmap(difc.grad(last, (0, 1)), (0, None, 0))(xs, w, ends)


MATRIX, VECTOR = f64["n", "m"], f64["m"]
PROGRAMS = (
    Sample("recurrence", recurrence, (f64["m", "m"], VECTOR, MATRIX)),
    Sample("recurrence_of_one_step", recurrence, (f64["m", "m"], VECTOR, MATRIX), {"n": 1}),
    Sample("recurrence_of_no_steps", recurrence, (f64["m", "m"], VECTOR, MATRIX), {"n": 0}),
    Sample(
        "reverse",
        lambda c, xs: difc.scan(lambda c, x: (np.sin(c) * x, c * x), c, xs, reverse=True),
        (VECTOR, MATRIX),
    ),
    Sample("rotating", rotating, (FLOAT, FLOAT, FLOAT, f64["n"])),
    Sample("mixed_dtypes", mixed_dtypes, (f64[2, "m"], i64["n"], VECTOR)),
    Sample("run_time_length", squared_steps, (VECTOR, INT), {}, {1: 3}, (1,)),
    Sample("run_time_length_of_zero", squared_steps, (VECTOR, INT), {}, {1: 0}, (1,)),
    Sample("nested_scans", nested_scans, (FLOAT, MATRIX)),
    Sample("branches_true", branches, (BOOL, VECTOR, VECTOR), {}, {0: True}),
    Sample("branches_false", branches, (BOOL, VECTOR, VECTOR), {}, {0: False}),
    Sample("branches_any", branches, (BOOL, VECTOR, VECTOR)),
    Sample("one_sided_true", one_sided, (BOOL, VECTOR, VECTOR), {}, {0: True}),
    Sample("one_sided_false", one_sided, (BOOL, VECTOR, VECTOR), {}, {0: False}),
    Sample("cond_in_cond", cond_in_cond, (VECTOR, FLOAT)),
    Sample("cond_in_scan", cond_in_scan, (VECTOR, MATRIX)),
    Sample("scan_in_cond_true", scan_in_cond, (BOOL, FLOAT, f64["n"]), {}, {0: True}),
    Sample("scan_in_cond_false", scan_in_cond, (BOOL, FLOAT, f64["n"]), {}, {0: False}),
    Sample("through", through, (f64["n"], FLOAT)),
    Sample("invariants", invariants, (VECTOR, VECTOR, MATRIX)),
    Sample("invariant_factors", invariant_factors, (f64["m", "m"], VECTOR, MATRIX)),
    Sample("gradient_of_loop", gradient_of_loop, (f64["m", "m"], VECTOR, MATRIX)),
    Sample("mapped", mapped, (MATRIX, VECTOR)),
    Sample("mapped_steps", mapped_steps, (MATRIX, VECTOR, i64["n"]), {}, {2: (2, 0, 3, 1)}, (2,)),
)

#: Each program with static sizes, and again with run-time sizes if it has any.
VARIANTS = [(p, dynamic) for p in PROGRAMS for dynamic in ((False, True) if p.is_dynamic else (False,))]
