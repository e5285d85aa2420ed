"""Fences in kernels: no array is computed once for each operation that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc.pipelines import loop_fences, loop_kernels
from tests.pipelines.lowered import kernels_must_compile

X = np.array([0.5, 1.5, 2.5])


def fences(step: Callable[[Any], Any], start: Any) -> int:
    """Return how many fences the kernel of a loop has."""
    return (
        difc.trace(lambda x: difc.fori_loop(0, 5, lambda _, c: step(c), x), start).ir("linalg").count(loop_fences.FENCE)
    )


def test_what_others_read_is_fenced() -> None:
    assert fences(lambda c: np.tanh(c), X) == 0
    assert fences(lambda c: np.tanh(c) * 2 + 1, X) == 0  # one operation
    assert fences(lambda c: (lambda y: y * np.sum(y * y))(np.tanh(c)), X) == 2  # y, and the sum


def test_sums_of_elementary_functions_are_apart_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def total(c: Any) -> Any:
        return c - np.sum(np.exp(c))

    monkeypatch.setattr(loop_fences, "_ELEMENTS", 2)
    assert fences(total, X) == 1
    monkeypatch.undo()
    assert fences(total, X) == 2
    assert fences(lambda c: c - np.sum(c * c), X) == 1


LOOPS: dict[str, Callable[..., Any]] = {
    "sums and elementary functions": lambda x: difc.scan(
        lambda c, _: (np.tanh(c - np.log(np.sum(np.exp(c)))) + c, c), x, length=6
    ),
    "a gradient": difc.grad(
        lambda x: difc.fori_loop(0, 5, lambda _, c: np.sin(c) * np.exp(-c * c) + np.sum(np.cos(c) * x), x).sum()
    ),
    "bools": lambda x: difc.fori_loop(0, 4, lambda _, c: np.where(c > np.mean(c), np.exp(-c), c + (c > 0).sum()), x),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("lanes", [0, 50])
def test_the_same_numbers_with_and_without_fences(name: str, lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    f, x = LOOPS[name], X
    if lanes:
        f, x = difc.vmap(f), X + np.linspace(0, 1, lanes)[:, None]
    with kernels_must_compile():
        found = difc.compile(f, x)(x)
        for step in ("split_reductions", "compute_once"):
            monkeypatch.setattr(loop_kernels, step, lambda _: None)
        wanted = difc.compile(f, x)(x)
    for got, want in zip(*(y if isinstance(y, tuple) else (y,) for y in (found, wanted)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)
