"""Contractions that leave a loop: before it, after it, and the sums that gradients of weights are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from tests.pipelines.passes import Simplified

f64 = difc.f64
rng = np.random.default_rng(0)
W, H, XS = (rng.normal(size=shape) for shape in ((3, 3), (3,), (5, 3)))
ROWS = rng.normal(size=(5, 4, 3))


def test_a_product_with_a_slice_is_computed_for_all_steps_before() -> None:
    made = Simplified(
        lambda w, h, xs: difc.scan(lambda h, x: (np.tanh(h + x @ w), None), h, xs)[0],
        f64[3, 3],
        f64[4, 3],
        f64[5, 4, 3],
    ).check(W, ROWS[0], ROWS)
    assert made.ops == ["dot_general", "scan"]
    assert made.loop.ops == ["add", "tanh"]


@pytest.mark.parametrize("flip", [False, True])
def test_a_matrix_times_a_slice_too(flip: bool) -> None:
    """The contraction over all steps may give its dims in another order: the numbers must stay with their steps."""

    def product(w: Any, x: Any) -> Any:
        return x @ w if flip else w @ x

    made = Simplified(
        lambda w, h, xs: difc.scan(lambda h, x: (np.tanh(h * 0.5 + product(w, x)), h), h, xs),
        f64[3, 3],
        f64[3],
        f64[5, 3],
    ).check(W, H, XS)
    assert "dot_general" not in made.loop.ops
    assert made.counted["dot_general"] == 1


def test_a_product_that_needs_the_carry_stays() -> None:
    made = Simplified(
        lambda w, h, xs: difc.scan(lambda h, x: (np.tanh(w @ h + x), None), h, xs)[0], f64[3, 3], f64[3], f64[5, 3]
    ).check(W, H, XS)
    assert made.loop.ops == ["dot_general", "add", "tanh"]


def test_a_stacked_product_is_computed_for_all_steps_behind() -> None:
    def step(h: Any, x: Any, w: Any) -> Any:
        h = np.tanh(h + x)
        return h, h @ w

    made = Simplified(
        lambda w, h, xs: difc.scan(lambda h, x: step(h, x, w), h, xs)[1], f64[3, 3], f64[3], f64[5, 3]
    ).check(W, H, XS)
    assert made.ops == ["scan", "dot_general"]
    assert made.loop.ops == ["add", "tanh"]


def test_a_stacked_product_that_the_loop_uses_stays() -> None:
    def program(w: Any, h: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            y = np.tanh(h + x) @ w
            return y, y

        return difc.scan(step, h, xs)

    assert "dot_general" in Simplified(program, f64[3, 3], f64[3], f64[5, 3]).check(W, H, XS).loop.ops


def test_an_accumulated_product_is_one_contraction() -> None:
    """A sum of outer products, as the gradient of a weight is, contracts over the steps as well."""

    def program(h: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            total, h = carry
            h = np.tanh(h + x)
            return (total + h[:, None] @ x[None, :], h), None

        return difc.scan(step, (np.zeros((3, 3)), h), xs)[0]

    made = Simplified(program, f64[3], f64[5, 3]).check(H, XS)
    assert made.loop.counts[0] == 1
    assert "dot_general" in made.ops
    assert "dot_general" not in made.loop.ops


def test_the_gradient_of_a_recurrent_weight_is_one_contraction() -> None:
    def loss(w: Any, h: Any, xs: Any) -> Any:
        h, ys = difc.scan(lambda h, x: ((new := np.tanh(w @ h + x)), new), h, xs)
        return np.sum(ys * ys)

    made = Simplified(difc.grad(loss), f64[3, 3], f64[3], f64[5, 3]).check(W, H, XS)
    assert "dot_general" in made.ops
    assert [loop.ops.count("dot_general") for loop in made.loops] == [1, 1]  # w @ h forwards, w^T @ ct backwards
    assert all(loop.counts[0] == 1 for loop in made.loops)  # no accumulator of the shape of w


def test_an_accumulated_sum_is_reduced_behind_only_where_that_is_cheaper() -> None:
    def sums(xs: Any, width: Any) -> Any:
        """Accumulate the sum over rows of something that has to be stacked for it."""

        def step(carry: Any, x: Any) -> Any:
            total, h = carry
            h = np.tanh(h + x)
            return (total + np.sum(h * h, axis=0), h), None

        return difc.scan(step, (np.zeros(width), np.ones((4, width))), xs)[0]

    stays = Simplified(lambda xs: sums(xs, 3), f64[5, 4, 3]).check(ROWS)
    assert stays.loop.counts == (2, 1, 0, 0)  # 3 numbers are carried; 12 would be stacked in each step

    def of_slices(xs: Any) -> Any:
        return difc.scan(lambda total, x: (total + np.sum(x, axis=0), None), np.zeros(3), xs)[0]

    goes = Simplified(of_slices, f64[5, 4, 3]).check(ROWS)
    assert "reduce_sum" in goes.ops
    assert "reduce_sum" not in [op for loop in goes.loops for op in loop.ops]


def test_an_accumulator_that_the_body_reads_stays() -> None:
    def step(total: Any, x: Any) -> Any:
        total = total + x[:, None] @ x[None, :]
        return total, np.sum(total)

    made = Simplified(lambda xs: difc.scan(step, np.zeros((3, 3)), xs), f64[5, 3]).check(XS)
    assert made.loop.counts[0] == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_a_reversed_loop_keeps_its_order(reverse: bool) -> None:
    def program(w: Any, h: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, total = carry
            h = np.tanh(h + x @ w)
            return (h, total + x[:, None] @ h[None, :]), h @ w

        return difc.scan(step, (h, np.zeros((3, 3))), xs, reverse=reverse)

    made = Simplified(program, f64[3, 3], f64[3], f64[5, 3]).check(W, H, XS)
    assert "dot_general" not in made.loop.ops


def test_sizes_that_are_known_only_at_run_time() -> None:
    def program(w: Any, h: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, total = carry
            h = np.tanh(h + x @ w)
            return (h, total + x[:, None] @ h[None, :]), h @ w

        return difc.scan(step, (h, w * 0.0), xs)

    made = Simplified(program, f64["m", "m"], f64["m"], f64["n", "m"])
    for steps in (0, 1, 5):
        made.check(W, H, XS[:steps])


def test_stacked_slices_are_the_array_itself() -> None:
    made = Simplified(lambda h, xs: difc.scan(lambda h, x: (np.tanh(h + x), (x, h, h)), h, xs), f64[3], f64[5, 3])
    assert made.check(H, XS).loop.counts == (1, 1, 0, 1)


def test_a_length_that_the_type_does_not_know_is_left_alone() -> None:
    def program(w: Any, h: Any, xs: Any) -> Any:
        return difc.scan(lambda h, x: (np.tanh(h + x), (x, x @ w)), h, xs, length=5)

    made = Simplified(program, f64[3, 3], f64[3], f64["n", 3]).check(W, H, XS)
    assert made.loop.counts == (1, 1, 1, 2)
