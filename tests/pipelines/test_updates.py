"""Sums with products of matrices, in the matmul kernel: the numbers of sums on their own, and where it does them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import difc
from difc import config
from difc.pipelines import lower
from difc.pipelines.target import Target
from tests.pipelines.lowered import host_code
from tests.pipelines.lowering.emulated_tiles import emulate_tiles

RNG = np.random.default_rng(0)
Shapes = list[tuple[int, ...]]


def joined(f: Callable[..., Any], *specs: Any) -> tuple[int, int]:
    """Return how many calls of the matmul kernel a function has, and how many other operations on all elements."""
    code = host_code(f, *specs)
    return code.count('"flow.dispatch"'), code.count("linalg.generic")


def scan_of_updates(w: Any, x: Any, y: Any) -> Any:
    def step(w: Any, i: Any) -> Any:
        return w - 0.01 * (np.tanh(x + i).T @ y), ()

    return difc.scan(step, w, np.arange(5).astype(x.dtype))[0]


#: Functions, the shapes of their arguments, how many calls of the kernel and how many other operations are left.
CASES: dict[str, tuple[Callable[..., Any], Shapes, int, int]] = {
    "descent": (lambda w, x, g: w - 0.1 * (x.T @ g), [(300, 200), (128, 300), (128, 200)], 1, 0),
    "rate is an argument": (lambda w, x, g, r: w - r * (x.T @ g), [(300, 200), (128, 300), (128, 200), ()], 1, 0),
    "rate on the right": (lambda w, x, g, r: w - (x.T @ g) * r, [(300, 200), (128, 300), (128, 200), ()], 1, 0),
    "added": (lambda w, x, y: w + x @ y, [(97, 193), (97, 155), (155, 193)], 1, 0),
    "added to": (lambda w, x, y: x @ y + w, [(97, 193), (97, 155), (155, 193)], 1, 0),
    "subtracted": (lambda w, x, y: w - x @ y, [(97, 193), (97, 155), (155, 193)], 1, 0),
    "two": (
        lambda w, x, y, z: w + x @ y - 2.0 * (np.sin(x) @ z),
        [(97, 193), (97, 155), (155, 193), (155, 193)],
        2,
        1,
    ),
    "many slices": (lambda w, x, y: w - 0.5 * (x @ y), [(130, 140), (130, 1100), (1100, 140)], 1, 0),
    "of two products": (lambda x, y, u, v: x @ y + u @ v, [(96, 200), (200, 97), (96, 300), (300, 97)], 2, 0),
    "in a loop": (scan_of_updates, [(200, 160), (128, 200), (128, 160)], 1, 2),
    # what is left alone:
    "subtracted from": (lambda w, x, y: x @ y - w, [(97, 193), (97, 155), (155, 193)], 1, 1),
    "a row": (lambda w, x, y: w + x @ y, [(193,), (97, 155), (155, 193)], 1, 1),
    "rows of factors": (lambda w, r, x, y: w - r * (x @ y), [(97, 193), (193,), (97, 155), (155, 193)], 1, 2),
    "used twice": (lambda w, x, y: (w - (p := x @ y), np.sin(p)), [(97, 193), (97, 155), (155, 193)], 1, 2),
    "computed": (lambda w, x, y: np.sin(w) + x @ y, [(97, 193), (97, 155), (155, 193)], 1, 2),
    "a square": (lambda w, x, y: w * (p := x @ y) + p * p, [(97, 193), (97, 155), (155, 193)], 1, 3),
    "a batch": (lambda w, x, y: w + x @ y, [(2, 97, 193), (2, 97, 155), (2, 155, 193)], 1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_where_the_kernel_does_the_sum(case: str) -> None:
    f, shapes, calls, others = CASES[case]
    assert joined(f, *(difc.f32[shape] for shape in shapes)) == (calls, others)


def compiled(spec: Any, named: bool) -> Callable[[Any], Any]:
    """Return all cases as one program, for sizes that are known when it is compiled, or named."""

    def all_cases(arguments: Any) -> Any:
        return [f(*given) for (f, *_), given in zip(CASES.values(), arguments, strict=True)]

    shapes = [[[f"d{d}" if named else d for d in shape] for shape in case[1]] for case in CASES.values()]
    with config.override(cache_dir=""):
        return difc.compile(all_cases, [[spec[tuple(shape)] for shape in each] for each in shapes])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", ["f32", "f64", "tiles"])
def test_same_numbers(kind: str, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = Target.parse("cpu").vectors
    assert unit is not None
    if kind == "tiles" and not unit.tiles:
        emulate_tiles(monkeypatch)
    monkeypatch.setattr(Target, "vectors", property(lambda _: replace(unit, tiles=kind == "tiles")))
    spec = difc.f64 if kind == "f64" else difc.f32
    arguments = [[RNG.normal(size=shape).astype(spec[()].dtype) for shape in case[1]] for case in CASES.values()]
    after = compiled(spec, named)(arguments)
    monkeypatch.setattr(lower, "join_updates", lambda *_: None)
    before = compiled(spec, named)(arguments)
    limit = 1e-11 if kind == "f64" else 2e-4
    for case, *results in zip(CASES, before, after, strict=True):
        for x, y in zip(*(r if isinstance(r, tuple) else (r,) for r in results), strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=limit, err_msg=case)
