"""The choice of what a loop stores for its reverse is a minimum cut."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difc import dialects as dif
from difc.ad_pass.residual import Recomputation, minimum_cut
from difc.dialects import F64, Aval, Builder, context, new_block
from difc.dialects.mlir import ir


def capacity(side: set[int], edges: list[tuple[int, int, float]]) -> float:
    return sum(c for a, b, c in edges if a in side and b not in side)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9).map(float)), max_size=14))
@settings(max_examples=60, deadline=None)
def test_no_cut_is_smaller(edges: list[tuple[int, int, float]]) -> None:
    found = minimum_cut(6, edges, 0, 1)
    assert 0 in found
    assert 1 not in found
    best = min(capacity({0, *chosen}, edges) for n in range(5) for chosen in itertools.combinations(range(2, 6), n))
    assert capacity(found, edges) == best


def test_a_path_without_a_limit() -> None:
    with pytest.raises(ValueError, match="infinite capacity"):
        minimum_cut(3, [(0, 2, math.inf), (2, 1, math.inf)], 0, 1)


def leaves(build: Any, free: bool = False) -> list[str]:
    """Return the ops (or "argument") of the values that are stored for the residuals that `build` returns."""
    with context(), ir.Location.unknown():
        block = new_block([Aval((8,), F64), Aval((8,), F64)])
        with dif.use_builder(Builder(block)):
            residuals = build(*block.arguments)
        arguments = list(block.arguments)
        chosen = Recomputation(residuals, lambda v: free and v in arguments)
        return ["argument" if isinstance(v.owner, ir.Block) else v.owner.operation.name for v in chosen.leaves]


def test_one_value_is_stored_for_several_that_follow_from_it() -> None:
    assert leaves(lambda a, b: [dif.sin(a), dif.cos(a), dif.exp(dif.sin(a))]) == ["argument"]


def test_one_value_is_stored_instead_of_the_two_that_it_is_made_of() -> None:
    assert leaves(lambda a, b: [dif.exp(s := dif.add(a, b)), dif.sin(s)]) == ["dif.add"]


def test_nothing_is_stored_for_what_is_there_anyway() -> None:
    assert leaves(lambda a, b: [dif.exp(dif.mul(a, b))], free=True) == ["argument", "argument"]


def test_a_small_sum_is_stored_instead_of_the_array() -> None:
    assert leaves(lambda a, b: [dif.exp(dif.reduce_sum(dif.sin(a), axes=(0,)))]) == ["dif.reduce_sum"]
