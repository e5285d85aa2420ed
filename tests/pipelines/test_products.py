"""Products with copies of one array, and of what is chosen: what is left of them, and that the numbers stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc.dialects import functions_of
from tests.pipelines.passes import Simplified, all_ops

f64 = difc.f64
random = np.random.default_rng(0)


def rows(*shape: int) -> np.ndarray:
    return random.standard_normal(shape)


def types(made: Simplified, name: str) -> list[str]:
    """Return the operand and result types of the ops of a name, in loops as well."""
    found = [o for o in all_ops(functions_of(made.module)["f"].entry_block) if o.name == f"dif.{name}"]
    return [str(o).rpartition(" : ")[2] for o in found]


def copies(w: Any, *sizes: Any) -> Any:
    return np.broadcast_to(w, (*sizes, *w.shape))


W, X = f64[4, 3], f64[8, 3]
COPIES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], list[str]]] = {
    "on the left": (
        lambda w, x: np.einsum("bij,bj->bi", copies(w, 8), x), (W, X),
        ["(tensor<4x3xf64>, tensor<8x3xf64>) -> tensor<4x8xf64>"],
    ),
    "on the right": (
        lambda w, x: np.einsum("bj,bij->bi", x, copies(w, 8)), (W, X),
        ["(tensor<8x3xf64>, tensor<4x3xf64>) -> tensor<8x4xf64>"],
    ),
    "with free dims on both sides": (
        lambda w, x: copies(w, 8) @ x, (W, f64[8, 3, 5]),
        ["(tensor<4x3xf64>, tensor<8x3x5xf64>) -> tensor<4x8x5xf64>"],
    ),
    "within a batch": (
        lambda w, x: np.einsum("abij,abj->abi", copies(w, 8), x), (f64[2, 4, 3], f64[8, 2, 3]),
        ["(tensor<2x4x3xf64>, tensor<8x2x3xf64>) -> tensor<2x4x8xf64>"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_a_product_does_not_read_copies(name: str) -> None:
    fn, specs, wanted = COPIES[name]
    made = Simplified(fn, *specs).check(*(rows(*s.shape) for s in specs))
    assert types(made, "dot_general") == wanted


def test_a_product_of_run_time_sizes() -> None:
    made = Simplified(lambda w, x: np.einsum("bij,bj->bi", copies(w, x.shape[0]), x), f64[4, "m"], f64["n", "m"])
    assert "tensor<4x?xf64>, tensor<?x?xf64>" in types(made.check(rows(4, 3), rows(8, 3)), "dot_general")[0]


def test_copies_along_other_dims_stay() -> None:
    """A sum over copies is no product with one of them."""
    made = Simplified(lambda w, x: np.einsum("bij,bj->bi", np.broadcast_to(w, (8, 4, 3)), x), f64[4, 1], X)
    assert "tensor<8x4x3xf64>" in types(made.check(rows(4, 1), rows(8, 3)), "dot_general")[0]


def test_a_loop_does_not_carry_copies_for_products() -> None:
    def program(w: Any, x: Any, n: Any) -> Any:
        each = copies(w, x.shape[0])
        return difc.fori_loop(0, n, lambda i, c: np.tanh(np.einsum("bij,bj->bi", each, c)), x)

    for specs in ((f64[3, 3], f64[8, 3]), (f64["m", "m"], f64["n", "m"])):
        made = Simplified(program, *specs, difc.i64[()]).check(rows(3, 3), rows(8, 3), 2)
        assert all(a.type.rank <= 2 for a in made.loop.body.arguments)


def test_copies_that_a_loop_reads_otherwise_are_made_once() -> None:
    def program(w: Any, x: Any) -> Any:
        each = copies(w, 8)
        step = lambda c, _: (np.tanh(np.einsum("bij,bj->bi", each, c)), np.sum(each * c[0, 0]))  # noqa: E731
        return difc.scan(step, x, length=2)

    made = Simplified(program, f64[3, 3], f64[8, 3]).check(rows(3, 3), rows(8, 3))
    assert "tensor<8x3x3xf64>" in [str(a.type) for a in made.loop.body.arguments]


chosen = difc.vmap(lambda x, y, own: np.where(own, np.einsum("i,j->ij", x, y), 0.0))


def test_the_operands_of_a_larger_product_are_chosen() -> None:
    mask, x, y = np.array([True, False, True, False]), rows(4, 5), rows(4, 6)
    made = Simplified(chosen, f64[4, 5], f64[4, 6], difc.bool_[4]).check(x, y, mask)
    assert sorted(t.rpartition(" ")[2] for t in types(made, "select")) == ["tensor<4x5xf64>", "tensor<4x6xf64>"]
    assert Simplified(chosen, f64["n", 5], f64["n", 6], difc.bool_["n"]).check(x, y, mask).counted["select"] == 2


def test_what_is_not_chosen_may_be_infinite() -> None:
    x, y = rows(4, 5), rows(4, 6)
    x[1], y[3] = np.inf, np.nan
    Simplified(chosen, f64[4, 5], f64[4, 6], difc.bool_[4]).check(x, y, np.array([True, False, True, False]))


def test_a_smaller_product_is_chosen_itself() -> None:
    fn = difc.vmap(lambda w, x, own: np.where(own, w @ x, 0.0))
    made = Simplified(fn, f64[8, 4, 3], X, difc.bool_[8]).check(rows(8, 4, 3), rows(8, 3), np.arange(8) % 3 == 0)
    assert types(made, "select") == ["(tensor<8x4xi1>, tensor<8x4xf64>, tensor<8x4xf64>) -> tensor<8x4xf64>"]


def test_a_choice_of_rows_is_one_of_results() -> None:
    """Not of whole products of a batch: only one operand has the rows."""
    fn = difc.vmap(lambda x, y, own: np.where(own[:, None], np.einsum("i,j->ij", x, y), 0.0), (0, 0, None))
    made = Simplified(fn, f64[4, 5], f64[4, 6], difc.bool_[5]).check(rows(4, 5), rows(4, 6), np.arange(5) > 2)
    assert len(types(made, "select")) == 1


def test_gradients_of_lanes_of_different_lengths_are_summed_after_the_loop() -> None:
    """As are those of lanes of one length: the matrix is read once for all lanes, and no step adds one for each."""

    def loss(w: Any, x: Any, n: Any) -> Any:
        return np.sum(difc.fori_loop(0, n, lambda i, c: np.tanh(w @ c) + x, x))

    made = Simplified(difc.vmap(difc.grad(loss), (None, 0, 0)), f64[5, 5], f64[4, 5], difc.i64[4])
    made.check(rows(5, 5), rows(4, 5), np.array([2, 0, 3, 1]))
    assert all("tensor<4x5x5xf64>" not in str(loop.operation) for loop in made.loops)
