"""Completeness: every op of the dialect has every rule, or says why not, and has a row in the table of cases."""

from __future__ import annotations

import pytest

import difc.ad_pass.rules  # noqa: F401 - fills the tables
from difc.ad_pass.registry import BATCH, JVP, LINEAR_SLOTS, NO_DERIVATIVE, TRANSPOSE
from difc.dialects import OPS
from tests.cases import CASES

NAMES = [name for name in OPS if name.startswith("dif.")]


@pytest.mark.parametrize("name", NAMES)
def test_an_op_has_a_derivative_or_a_reason(name: str) -> None:
    assert name in JVP, f"give {name} a derivative, or `defzero`, in the file of its family in ad_pass/rules/"
    assert NO_DERIVATIVE.get(name) != ""


@pytest.mark.parametrize("name", NAMES)
def test_an_op_has_a_batching_rule_unless_it_has_no_operands(name: str) -> None:
    assert name in BATCH or not OPS[name].operands, f"give {name} a batching rule (`defbatch`) in ad_pass/rules/"


@pytest.mark.parametrize("name", list(LINEAR_SLOTS))
def test_a_linear_op_can_be_transposed(name: str) -> None:
    assert name in TRANSPOSE, f"{name} may stand in linear code, but has no transpose rule"


def test_only_linear_ops_are_transposed() -> None:
    assert set(TRANSPOSE) == set(LINEAR_SLOTS)


@pytest.mark.parametrize("name", NAMES)
def test_an_op_has_a_row_in_the_table(name: str) -> None:
    assert any(case.op == name for case in CASES), f"give {name} a row in tests/cases.py"


def test_rows_name_ops_that_exist() -> None:
    assert {case.op for case in CASES} <= set(OPS)
