"""Random programs of everything, as data: arithmetic, broadcasting, reductions, products, indexing, loops and branches.

A program knows the shapes of its values while it is made (`n` and `m` stand for sizes given at run time), so that every
statement fits. It maps `x: [n, m]`, `y: [m]`, `w: [m, m]`, `k: int64[n]` to a scalar and an array.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import difc

__all__ = ["INPUTS", "RandomProgram", "arguments"]

Shape = tuple[Any, ...]
Function = Callable[..., Any]

INPUTS: dict[str, Shape] = {"x": ("n", "m"), "y": ("m",), "w": ("m", "m")}

_UNARY: list[Function] = [
    np.tanh,
    lambda a: np.exp(-a * a),
    lambda a: a * 0.5 + 1.0,
    np.negative,
    np.abs,
    lambda a: np.sqrt(a * a + 0.5),
    lambda a: np.where(a > 0.1, a, a * a),
    lambda a: np.maximum(a, 0.2 - a),
    lambda a: difc.stop_gradient(a) * a,
    lambda a: np.clip(a, -0.8, 0.9),
    lambda a: 1.0 / (1.5 + a * a),
]
_BINARY: list[Function] = [
    np.add,
    np.subtract,
    np.multiply,
    np.minimum,
    lambda a, b: a / (1.5 + b * b),
    lambda a, b: np.where(a < b, a * b, b),
]
_REDUCTIONS: list[Function] = [np.sum, np.mean, np.max, np.min, lambda a, axis: np.sum(a * a, axis=axis)]


@dataclass(frozen=True)
class _Step:
    """A statement: what it computes, of which values so far, and the shapes of what it gives."""

    run: Function
    operands: tuple[int, ...]
    shapes: tuple[Shape, ...]


class RandomProgram:
    """A function made from a seed. Example: `difc.grad(lambda x, y, w, k: RandomProgram(3)(x, y, w, k)[0])`."""

    def __init__(self, seed: int, steps: int = 7, depth: int = 2) -> None:
        self._choose = random.Random(seed)
        shapes = list(INPUTS.values())
        self._steps = self._block(shapes, steps, depth)
        self._shapes = shapes
        self.__name__ = f"program_{seed}"

    def __call__(self, x: Any, y: Any, w: Any, k: Any) -> Any:
        values = _run(self._steps, [x, y, w], k)
        total = sum(np.mean(v * 0.3) if v.ndim else v * 0.1 for v in values[3:])
        return total + np.sum(x) * 0.1, values[-1]

    def _block(self, shapes: list[Shape], steps: int, depth: int) -> list[_Step]:
        """Return statements on values of the given shapes, to which it adds those of the results."""
        made = []
        for _ in range(steps):
            step = None
            while step is None:
                step = self._choose.choice(self._kinds(depth))(shapes, depth)
            shapes.extend(step.shapes)
            made.append(step)
        return made

    def _kinds(self, depth: int) -> list[Function]:
        kinds = [self._unary, self._binary, self._binary, self._reduce, self._move, self._product, self._index]
        return [*kinds, self._scan, self._cond, self._map] if depth else kinds

    def _pick(self, shapes: list[Shape], fits: Callable[[Shape], bool] = lambda _: True) -> int | None:
        found = [i for i, s in enumerate(shapes) if fits(s)]
        return self._choose.choice(found) if found else None

    def _unary(self, shapes: list[Shape], _: int) -> _Step:
        i = self._choose.randrange(len(shapes))
        return _Step(self._choose.choice(_UNARY), (i,), (shapes[i],))

    def _binary(self, shapes: list[Shape], _: int) -> _Step | None:
        i = self._choose.randrange(len(shapes))
        j = self._pick(shapes, lambda s: len(s) <= len(shapes[i]) and shapes[i][len(shapes[i]) - len(s) :] == s)
        assert j is not None
        pair = (i, j) if self._choose.random() < 0.5 else (j, i)
        return _Step(self._choose.choice(_BINARY), pair, (shapes[i],))

    def _reduce(self, shapes: list[Shape], _: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        axis = self._choose.choice([None, *range(len(shapes[i]))])
        function = self._choose.choice(_REDUCTIONS)
        shape = () if axis is None else shapes[i][:axis] + shapes[i][axis + 1 :]
        return _Step(lambda a: function(a, axis=axis), (i,), (shape,))

    def _move(self, shapes: list[Shape], _: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        shape, axis = shapes[i], self._choose.randrange(len(shapes[i]))
        reverse = tuple(slice(None, None, -1 if d == axis else None) for d in range(len(shape)))
        kinds: list[tuple[Function, Shape]] = [
            (lambda a: a.T, shape[::-1]),
            (lambda a: a[reverse], shape),
            (lambda a: np.cumsum(a, axis=axis) * 0.3, shape),
            (lambda a: np.roll(a, 1, axis=axis), shape),
            (lambda a: np.concatenate([a[1:], a[0][None] * 0.5]), shape),
            (lambda a: np.flip(np.concatenate([a[-1][None], a[:-1] * 0.2]), axis), shape),
            (
                lambda a: np.sum(np.stack([a, a * 0.3], axis), axis) + np.pad(a, 1)[tuple([slice(1, -1)] * a.ndim)],
                shape,
            ),
        ]
        run, after = self._choose.choice(kinds)
        return _Step(run, (i,), (after,))

    def _product(self, shapes: list[Shape], _: int) -> _Step | None:
        i = self._pick(shapes, lambda s: 1 <= len(s) <= 2)
        if i is None:
            return None
        j = self._pick(shapes, lambda s: 1 <= len(s) <= 2 and s[0] == shapes[i][-1])
        if j is None:
            return None
        return _Step(lambda a, b: np.tanh(a @ b), (i, j), (shapes[i][:-1] + shapes[j][1:],))

    def _index(self, shapes: list[Shape], _: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        rest = shapes[i][1:]
        kinds: list[tuple[Function, Shape]] = [
            (lambda a, k: a[k % a.shape[0]], ("n", *rest)),
            (lambda a, k: a.at[k % a.shape[0]].add(0.5), shapes[i]),
            (lambda a, k: a[0], rest),
            (lambda a, k: a[-1] * 2.0, rest),
            (lambda a, k: a[np.argmax(k) % a.shape[0]], rest),
            (lambda a, k: a.at[np.max(k) % a.shape[0]].set(0.25), shapes[i]),
            (lambda a, k: np.take(a, np.argsort(k)[0] % a.shape[0], axis=0), rest),
        ]
        run, after = self._choose.choice(kinds)
        return _Step(lambda a, k=None: run(a, k), (i, _K), (after,))

    def _scan(self, shapes: list[Shape], depth: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        j = self._choose.randrange(len(shapes))
        inner = [shapes[j], shapes[i][1:]]
        steps = self._block(inner, self._choose.randint(1, 3), depth - 1)
        back = self._pick(inner, lambda s: s == shapes[j])
        out = self._choose.randrange(len(inner))
        reverse, counted = self._choose.random() < 0.3, self._choose.random() < 0.3
        assert back is not None

        def run(xs: Any, carry: Any, k: Any) -> Any:
            def step(c: Any, x: Any) -> Any:
                c, at = c if counted else (c, 0)
                values = _run(steps, [c, xs[0] * 0.1 if counted else x], k)
                new = np.tanh(values[back]) * 0.9
                return ((new, at + 1), values[out]) if counted else (new, values[out])

            start = (carry, 0) if counted else carry
            length = {"length": np.min(k) % 3 + 1} if counted else {}
            last, ys = difc.scan(step, start, None if counted else xs, reverse=reverse, **length)
            return (last[0] if counted else last), np.mean(ys, axis=0)

        return _Step(run, (i, j, _K), (shapes[j], inner[out]))

    def _cond(self, shapes: list[Shape], depth: int) -> _Step | None:
        i, j = (self._choose.randrange(len(shapes)) for _ in range(2))
        branches = []
        for _ in range(2):
            inner = [shapes[i], shapes[j]]
            steps = self._block(inner, self._choose.randint(1, 3), depth - 1)
            branches.append((steps, max(p for p, s in enumerate(inner) if s == shapes[i])))
        bound = self._choose.uniform(-0.3, 0.3)

        def run(a: Any, b: Any, k: Any) -> Any:
            def branch(which: int) -> Function:
                steps, end = branches[which]
                return lambda a, b: _run(steps, [a, b], k)[end]

            return difc.cond(np.sum(a) - np.sum(b) > bound, branch(0), branch(1), a, b)

        return _Step(run, (i, j, _K), (shapes[i],))

    def _map(self, shapes: list[Shape], depth: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        j = self._choose.randrange(len(shapes))
        inner = [shapes[i][1:], shapes[j]]
        steps = self._block(inner, self._choose.randint(1, 3), depth - 1)
        out = inner[-1]

        def run(xs: Any, b: Any, k: Any) -> Any:
            return np.mean(difc.vmap(lambda a: _run(steps, [a, b], k)[-1])(xs), axis=0)

        return _Step(run, (i, j, _K), (out,))


#: The operand that is the integers `k`.
_K = -1


def _run(steps: list[_Step], values: list[Any], k: Any) -> list[Any]:
    values = list(values)
    for step in steps:
        given = step.run(*(k if i == _K else values[i] for i in step.operands))
        values += given if isinstance(given, tuple) else [given]
    return values


def arguments(seed: int, n: int, m: int, dtype: Any = np.float32) -> tuple[np.ndarray, ...]:
    """Return random arguments of a program for sizes."""
    rng, sizes = np.random.default_rng(seed), {"n": n, "m": m}
    arrays = [rng.normal(size=[sizes[d] for d in shape]).astype(dtype) for shape in INPUTS.values()]
    return (*arrays, rng.integers(0, 7, n))
