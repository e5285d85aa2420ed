"""Scalar arithmetic joined in one kernel: what is joined, and what has to stay apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc import config
from difc.pipelines import loop_kernels, lower


def generics(f: Any, *arguments: Any) -> list[int]:
    """Return the number of results of each generic without dims, in the order of the lowered module."""
    text = difc.trace(f, *arguments).ir("linalg")
    lines = [line for line in text.splitlines() if "linalg.generic" in line and "iterator_types = []" in line]
    return [int(head.partition(":")[2] or 1) for head in (line.partition("=")[0].strip() for line in lines)]


@pytest.fixture(autouse=True)
def _no_kernels_of_small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower, "join_small_runs", lambda *_: None)


def test_scalars_between_other_operations_are_joined() -> None:
    def f(x: Any, table: Any) -> Any:
        a = np.sin(x[0]) * x[1]
        b = np.exp(a) + a
        row = np.stack([a, b, a * b])
        return row.sum() * b, np.cos(b), table[(b > 0).astype(int)]

    x, table = np.array([0.3, 0.7]), np.array([2.0, 5.0])
    assert generics(f, x, table) == [3, 3]
    for one, wanted in zip(difc.jit(f)(x, table), f(x, table), strict=True):
        np.testing.assert_allclose(np.asarray(one), wanted, rtol=1e-14)


def test_scalars_of_loops_and_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    def pendulum(start: Any, length: Any) -> Any:
        def step(i: Any, state: Any) -> Any:
            angle, speed = state
            push = difc.cond(speed > 0.1, lambda s: s * s + np.sin(s), lambda s: s - 0.1, speed)
            speed = speed - 0.1 * np.sin(angle) / length + 0.01 * push
            return dnp.array([angle + 0.1 * speed, speed])

        angle, speed = difc.fori_loop(0, 5, step, start)
        return np.hypot(angle, speed) + angle * speed

    monkeypatch.setattr(loop_kernels, "_WORK", 0.0)  # on the host

    start, length = np.array([1.0, 0.2]), np.array(0.7)
    assert max(generics(pendulum, start, length)) >= 2
    with config.override(cache_dir=""):
        got = difc.grad(pendulum, (0, 1))(start, length)
    with difc.disable_jit():
        wanted = difc.grad(pendulum, (0, 1))(start, length)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-12)
