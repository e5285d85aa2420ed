"""Every NumPy function that is traced gives NumPy's values as compiled code, too, on each kind of device.

The first case of each is always compiled; all cases are where slow tests run.
"""

from __future__ import annotations

import numpy as np
import pytest

from difc.numpy import registry
from tests.frontend.compiled import TARGETS, check_compiled, groups_of
from tests.frontend.numpy_cases import CASES, Case
from tests.frontend.test_numpy_elementwise import ELEMENTWISE, has_loop, numbers_for

registry.load()

UFUNCS = {ufunc.__name__: ufunc for ufunc in ELEMENTWISE}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("names", groups_of(CASES), ids=lambda names: names[0])
def test_a_case_of_each_function_is_compiled(names: list[str], target: str) -> None:
    check_compiled({name: CASES[name][0] for name in names}, target)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CASES)
def test_all_cases_of_a_function_are_compiled(name: str, target: str) -> None:
    check_compiled({f"{name} {i}": case for i, case in enumerate(CASES[name])}, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
@pytest.mark.parametrize("names", groups_of(UFUNCS, 24), ids=lambda names: names[0])
def test_each_ufunc_is_compiled(names: list[str], dtype: str, target: str) -> None:
    cases: dict[str, Case] = {}
    for ufunc in map(UFUNCS.get, names):
        dtypes = (np.dtype(dtype),) * ufunc.nin
        if has_loop(ufunc, dtypes):
            arrays = tuple(numbers_for(ufunc, dtypes[i], (2, 3), i) for i in range(ufunc.nin))
            cases[ufunc.__name__] = ufunc, arrays
    check_compiled(cases, target)
