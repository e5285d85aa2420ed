"""Random programs of nested scans and conds, as data: the same program is traced, differentiated and run in NumPy."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import difc
import difc.numpy as dnp

__all__ = ["WIDTH", "program"]

WIDTH = 3
STATIC_LENGTH = 3

# A statement maps the values so far (vectors, the newest last) and the run-time length to new values.
Values = list[Any]
Statement = Callable[[Values, Any], Values]

_ARITHMETIC: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + 0.5 * b,
    lambda a, b: 0.7 * a * b,
    lambda a, b: 0.3 * a * a - b,
    lambda a, b: a * dnp.sum(b) * 0.2,
    lambda a, b: 0.0 * a + 0.25,  # a constant: the zeros of its derivative meet those of other branches
]


@dataclass(frozen=True)
class _Block:
    """Statements, and which of the values they leave are the results."""

    statements: list[Statement]
    results: list[int]

    def __call__(self, values: Values, n: Any) -> Values:
        values = list(values)
        for statement in self.statements:
            values += statement(values, n)
        return [values[i % len(values)] for i in self.results]


def program(seed: int) -> Callable[[dict[str, Any], Any], Any]:
    """Return a random function `f(p, n)` of vectors `p["x"]`, `p["y"]` and a run-time length; it gives a scalar."""
    block = _block(random.Random(seed), depth=2, results=2)

    def f(p: dict[str, Any], n: Any) -> Any:
        a, b = block([p["x"], p["y"]], n)
        return dnp.sum(a * a) + dnp.sum(a * b)

    f.__name__ = f"program_{seed}"
    return f


def _block(choose: random.Random, depth: int, results: int) -> _Block:
    statements = [_arithmetic(choose)]
    if depth:
        statements += [choose.choice([_scan, _cond])(choose, depth - 1) for _ in range(choose.randint(1, depth))]
        statements.append(_arithmetic(choose))
    choose.shuffle(statements)
    # Negative indices are values made here; others may be forwarded from outside.
    return _Block(statements, [choose.choice([-1, -2, -3, 0, 1]) for _ in range(results)])


def _arithmetic(choose: random.Random) -> Statement:
    op, i, j = choose.choice(_ARITHMETIC), choose.randrange(4), choose.randrange(4)
    return lambda values, n: [op(values[-1 - i % len(values)], values[-1 - j % len(values)])]


def _cond(choose: random.Random, depth: int) -> Statement:
    results = choose.randint(1, 3)
    branches = [_block(choose, depth, results) for _ in range(2)]
    by, bound = choose.randrange(2), choose.uniform(-0.5, 0.5)

    def run(values: Values, n: Any) -> Values:
        return list(
            difc.cond(
                dnp.sum(values[-1 - by]) > bound,
                *(lambda *given, block=block: tuple(block(list(given), n)) for block in branches),
                *values,
            )
        )

    return run


def _scan(choose: random.Random, depth: int) -> Statement:
    carries, rows = choose.randint(1, 2), choose.randint(0, 2)
    body = _block(choose, depth, carries + rows)
    at_run_time, reverse = choose.random() < 0.5, choose.random() < 0.3

    def run(values: Values, n: Any) -> Values:
        def step(carry: Any, _: Any) -> Any:
            new = body([*values, *carry], n)
            return tuple(0.5 * c for c in new[:carries]), tuple(new[carries:])

        start = tuple(values[-1 - i % len(values)] for i in range(carries))
        last, stacked = difc.scan(step, start, length=n if at_run_time else STATIC_LENGTH, reverse=reverse)
        return [*last, *(dnp.sum(ys, axis=0) for ys in stacked)]

    return run
