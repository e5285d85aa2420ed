"""The special functions are as precise as docs/accuracy.md says: some of them measured again, at fewer points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from difc.scipy import special
from tests.pipelines.artifacts import VULKAN
from tests.scripts import script

pytest.importorskip("flint")
accuracy = script("accuracy")
#: Those that the page has otherwise: of several elements, or rounding, or among the elementary functions.
OTHERS = {
    "cbrt", "erf", "erfc", "exp2", "expit", "expm1", "gammasgn", "log1p", "log_softmax", "logsumexp", "psi", "radian",
    "round", "softmax",
}  # fmt: skip
FEW = accuracy.SPECIAL_ROWS[3::8]
TARGETS = ["cpu", pytest.param("vulkan", marks=VULKAN)]


def _check(row: Any, dtype: Any, target: str, count: int, seed: int) -> None:
    said = accuracy.special_limits()[row.name][f"{target} {'f64' if dtype == np.float64 else 'f32'}"]
    worst = accuracy.measure_special(row, np.dtype(dtype), [target], count, seed)[0]
    assert worst.error <= 1.25 * said + 0.5, f"{row.name}: {worst.error} ULP at {worst.at}, and {said} on the page"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("row", FEW, ids=lambda row: row.name)
def test_some_errors_are_those_of_the_page(row: Any, dtype: Any, target: str) -> None:
    _check(row, dtype, target, 500, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("row", accuracy.SPECIAL_ROWS, ids=lambda row: row.name)
def test_all_errors_are_those_of_the_page(row: Any, dtype: Any, target: str) -> None:
    _check(row, dtype, target, 5000, seed=1)


def test_every_function_is_measured() -> None:
    names = [row.name for row in accuracy.SPECIAL_ROWS]
    assert list(accuracy.special_limits()) == names
    assert {name.split()[0] for name in names} | OTHERS == set(special.__all__)
    assert not {name.split()[0] for name in names} & OTHERS
