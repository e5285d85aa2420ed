"""The estimate of a call's work, and the driver that it chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.dialects import context, functions_of
from difc.pipelines.estimate import RUN_TIME_SIZE, estimate_driver, estimate_work
from tests.programs import traced


def work(fn: Any, *specs: Any) -> tuple[float, float]:
    with context():
        module = traced(fn, *specs)
        return estimate_work(functions_of(module)["f"].entry_block)


def loop(n: int) -> Any:
    return lambda w, h: difc.scan(lambda h, _: (np.tanh(w @ h), None), h, None, length=n)[0]


def test_a_contraction_costs_its_multiplications() -> None:
    small, large = (work(lambda a, b: a @ b, difc.f32[n, n], difc.f32[n, n])[0] for n in (64, 128))
    assert large == pytest.approx(8 * small)


def test_a_convolution_costs_its_multiplications() -> None:
    product = work(lambda a, b: a @ b, difc.f32[2 * 8 * 8, 9 * 3], difc.f32[9 * 3, 5])
    assert work(difc.nn.conv, difc.f32[2, 8, 8, 3], difc.f32[3, 3, 3, 5]) == pytest.approx(product)


def test_short_rows_are_sorted_by_one_thread() -> None:
    drivers = []
    for size in (16, 1000, 100_000):
        with context():
            drivers.append(estimate_driver(traced(np.sort, difc.f32[size])))
    assert drivers == ["local-sync", "local-sync", "local-task"]


def test_a_loop_costs_its_steps() -> None:
    specs = difc.f32[32, 32], difc.f32[32]
    one, ten = work(loop(1), *specs), work(loop(10), *specs)
    assert ten == pytest.approx(tuple(10 * c for c in one))


def test_a_run_time_size_counts_as_a_number() -> None:
    known = work(lambda a: a @ a.T, difc.f32[RUN_TIME_SIZE, 8])
    assert work(lambda a: a @ a.T, difc.f32["n", 8]) == pytest.approx(known)


def test_a_conditional_costs_half_of_both_branches() -> None:
    def both(p: Any, a: Any) -> Any:
        return difc.cond(p, lambda a: a @ a, lambda a: a @ a, a)

    once = work(lambda a: a @ a, difc.f32[64, 64])
    assert work(both, difc.bool_[()], difc.f32[64, 64]) == pytest.approx(once)


@pytest.mark.parametrize(
    ("fn", "specs", "driver"),
    [
        (np.sin, [difc.f32[16]], "local-sync"),
        (lambda a, b: a @ b, [difc.f32[1024, 1024]] * 2, "local-task"),
        (loop(1000), [difc.f32[16, 16], difc.f32[16]], "local-sync"),
        (np.linalg.eigvalsh, [difc.f32[64, 64]], "local-sync"),
        (np.linalg.eigvalsh, [difc.f32[1000, 16, 16]], "local-task"),
        (lambda a: np.linalg.qr(a).R, [difc.f32[64, 64]], "local-sync"),
        (lambda a: np.linalg.qr(a).R, [difc.f32[512, 512]], "local-task"),
        (np.linalg.cholesky, [difc.f32[256, 256]], "local-sync"),
        (np.linalg.cholesky, [difc.f32[1024, 1024]], "local-task"),
        (np.add, [difc.f32[100_000]] * 2, "local-sync"),
        (np.sin, [difc.f32[1_000_000]], "local-task"),
    ],
    ids=[
        *("small", "large", "many small steps", "one matrix for one core", "a stack", "one kernel", "panels"),
        *("halves with little to do", "halves with much to do", "little for each element", "much for each element"),
    ],
)
def test_threads_are_chosen_where_there_is_enough_to_do(fn: Any, specs: list[Any], driver: str) -> None:
    with context():
        assert estimate_driver(traced(fn, *specs)) == driver
