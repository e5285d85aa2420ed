"""Random programs over the breadth of `difc.numpy`: ordering, scanning, padding, linear algebra, updates, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

import difc
from tests.e2e.random_programs import _K, Function, RandomProgram, Shape, _run, _Step
from tests.e2e.random_rows import SPECIAL, Row, along, of_any
from tests.e2e.random_rows_of_rank import of_matrix, of_stack, of_vector

__all__ = ["BroadProgram"]

_MODES = ["edge", "reflect", "symmetric", "wrap", "mean", "maximum", "linear_ramp", "median", "minimum"]


class BroadProgram(RandomProgram):
    """A function made from a seed, as `RandomProgram`; most of its statements are rows of the tables."""

    def _kinds(self, depth: int) -> list[Function]:
        return [*super()._kinds(depth), self._move, self._move, self._index, self._index, self._index]

    def _unary(self, shapes: list[Shape], depth: int) -> _Step:
        i = self._choose.randrange(len(shapes))
        return _Step(self._choose.choice(SPECIAL), (i,), (shapes[i],))

    def _move(self, shapes: list[Shape], depth: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        axis, mode = self._choose.randrange(len(shapes[i])), self._choose.choice(_MODES)
        run = self._choose.choice(along(axis, mode, self._choose.randint(1, 3)))
        return self._row(i, (run, shapes[i]))

    def _index(self, shapes: list[Shape], depth: int) -> _Step | None:
        i = self._pick(shapes, lambda s: len(s) > 0)
        if i is None:
            return None
        shape, more, of_rank = shapes[i], self._choose.randint(1, 3), self._choose.random() < 0.6
        axis, step = self._choose.randrange(len(shape)), self._choose.choice([2, 3, -1, -2, -3])
        if of_rank and len(shape) == 1:
            rows = of_vector(shape, more)
        elif of_rank and len(shape) == 2:
            rows = of_matrix(shape, more)
        else:
            rows = of_stack(shape) if of_rank and len(shape) == 3 else of_any(shape, axis, step)
        return self._row(i, self._choose.choice(rows))

    def _reduce(self, shapes: list[Shape], depth: int) -> _Step | None:
        """Return a reduction, or the gradient of statements on a value, which is a value of the same shape."""
        if not depth or self._choose.random() < 0.5:
            return super()._reduce(shapes, depth)
        i = self._choose.randrange(len(shapes))
        inner = [shapes[i]]
        steps = self._block(inner, self._choose.randint(1, 2), depth - 1)

        def run(a: Any, k: Any) -> Any:
            return difc.grad(lambda a: np.sum(np.tanh(_run(steps, [a], k)[-1])))(a)

        return _Step(run, (i, _K), (shapes[i],))

    def _row(self, i: int, row: Row) -> _Step:
        """Return a row as a statement; most results are bounded smoothly, so that numbers stay where they are sharp."""
        run, shape = row
        is_bounded = self._choose.random() < 0.6

        def scaled(a: Any, k: Any) -> Any:
            y = run(a, k).astype(a.dtype)
            return y / np.sqrt(1.0 + y * y) if is_bounded else y * 0.5

        return _Step(scaled, (i, _K), (shape,))
