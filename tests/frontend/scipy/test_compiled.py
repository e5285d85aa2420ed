"""Every function of difc.scipy gives the same values as compiled code, on each kind of device."""

from __future__ import annotations

import numpy as np
import pytest

from difc.scipy import linalg, special
from tests.frontend.compiled import TARGETS, check_compiled, groups_of
from tests.frontend.scipy.test_elementary import CASES
from tests.frontend.scipy.test_special import ARGUMENTS
from tests.frontend.test_scipy_linalg import FUNCTIONS

SPECIAL = {name: (getattr(special, name), arrays) for name, arrays in {**CASES, **ARGUMENTS}.items()}
SPECIAL["multigammaln"] = lambda x: special.multigammaln(x, 3), (np.array([1.5, 2.0, 40.0]),)
SPECIAL["polygamma"] = lambda x: special.polygamma(2, x), (np.array([0.3, 1.0, 40.0]),)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("f8", 2e-12), pytest.param("f4", 1e-4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("names", groups_of(SPECIAL), ids=lambda names: names[0])
def test_each_special_function_is_compiled(names: list[str], dtype: str, tolerance: float, target: str) -> None:
    cases = {name: (SPECIAL[name][0], tuple(a.astype(dtype) for a in SPECIAL[name][1])) for name in names}
    check_compiled(cases, target, tolerance)


def test_all_special_functions_are_among_them() -> None:
    assert set(SPECIAL) == set(special.__all__)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("names", groups_of(name for name in FUNCTIONS if name in linalg.__all__), ids=lambda n: n[0])
def test_each_function_of_linear_algebra_is_compiled(names: list[str], target: str) -> None:
    check_compiled({name: FUNCTIONS[name] for name in names}, target, 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("names", groups_of(FUNCTIONS), ids=lambda names: names[0])
def test_all_cases_of_linear_algebra_are_compiled(names: list[str], target: str) -> None:
    check_compiled({name: FUNCTIONS[name] for name in names}, target, 1e-10)
