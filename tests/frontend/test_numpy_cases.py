"""Every NumPy function that is traced gives NumPy's values and dtypes, called by NumPy's name and by difc.numpy's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import difc.numpy
from difc.numpy import registry
from tests.frontend.numpy_cases import CASES, CREATION_CASES
from tests.frontend.traced import check, compare, trace_and_run

registry.load()

#: Functions that NumPy does not dispatch, and whose arguments are no arrays.
OF_SIZES = {np.broadcast_shapes}
#: Functions that write in place: they raise, or make a copy where that is asked for.
IN_PLACE = {np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask}


def _function(module: Any, name: str) -> Callable[..., Any]:
    for part in name.split("."):
        module = getattr(module, part)
    return module


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", CASES)
def test_a_function_equals_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = _function(np, name)
    traced, calls = registry.FUNCTIONS.get(function) or registry.UFUNCS[function], []

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return traced(*args, **kwargs)

    monkeypatch.setitem(registry.FUNCTIONS if function in registry.FUNCTIONS else registry.UFUNCS, function, spy)
    for case, arrays in CASES[name]:
        calls.clear()
        check(case, *arrays)
        assert calls, f"the case does not call numpy.{name}"


def test_every_function_has_a_case() -> None:
    have = {_function(np, name) for name in CASES}
    missing = {f.__name__ for f in registry.FUNCTIONS if f not in have | IN_PLACE | OF_SIZES}
    assert not missing, "add cases to tests/frontend/numpy_cases.py"


@pytest.mark.parametrize("name", CREATION_CASES)
def test_creation_in_a_trace_equals_numpy(name: str) -> None:
    for case in CREATION_CASES[name]:
        expected = case(np)
        compare(trace_and_run(lambda case=case: case(difc.numpy)), expected)


def test_every_creation_function_has_a_case() -> None:
    assert registry.CREATION.keys() == CREATION_CASES.keys()


@pytest.mark.parametrize(("ufunc", "method"), registry.METHODS, ids=lambda x: getattr(x, "__name__", x))
def test_a_method_of_a_ufunc_equals_numpy(ufunc: np.ufunc, method: str) -> None:
    x = np.array([[1, 3, 2], [4, 1, 5]])
    if ufunc.signature is None and method == "outer":
        check(lambda a, b: list(np.atleast_1d(ufunc.outer(a, b))) if ufunc.nout == 1 else ufunc.outer(a, b), x, x[0])
    elif method == "reduce":
        check(lambda a: ufunc.reduce(a), x)
        check(lambda a: ufunc.reduce(a, axis=1, keepdims=True), x)
        check(lambda a, start: ufunc.reduce(a, axis=1, initial=start, where=a > 1), x, np.int64(6))
        check(lambda a: ufunc.reduce(a[:, :0], axis=1, initial=6), x)
    else:
        check(lambda a: ufunc.accumulate(a, axis=1), x)
        check(lambda a: ufunc.accumulate(a), x)
