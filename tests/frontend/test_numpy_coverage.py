"""The page of what is traced says the truth: no name is left out, derivatives are where it says, errors name it."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.dialects import Aval
from difc.errors import DtypeError, UnsupportedError, UnsupportedNameError
from difc.numpy import coverage, gaps, registry
from difc.pytree import flatten
from difc.scipy import catalogue, linalg, special
from tests.frontend.numpy_cases import CASES
from tests.frontend.traced import module_of

VECTOR = Aval((3,), np.dtype(float))


@pytest.mark.parametrize("module", [np, np.linalg], ids=lambda m: m.__name__)
def test_every_name_is_traced_or_has_a_reason(module: ModuleType) -> None:
    rows = {row.name: row for row in coverage.numpy_rows(module)}
    assert {n for n in dir(module) if not n.startswith("_")} - rows.keys() <= {"linalg"}
    table = gaps.NUMPY if module is np else gaps.LINALG
    traced = {name for name in table if name in rows and rows[name].traced}
    assert not traced, "remove them from frontend/numpy/gaps.py: they are traced"


def test_what_scipy_has_beyond_ours_has_a_reason() -> None:
    assert len(set(catalogue.NAMES)) == len(catalogue.NAMES)
    assert {row.name for row in coverage.special_rows()} == set(catalogue.NAMES)
    assert set(special.__all__) <= set(catalogue.NAMES) | {"logsumexp"}
    installed = pytest.importorskip("scipy")
    if installed.__version__.startswith(catalogue.VERSION + "."):
        wanted = pytest.importorskip("scipy.special").__all__
        assert set(catalogue.NAMES) == {n for n in wanted if not n.startswith("_") and n != "test"}
        algebra = pytest.importorskip("scipy.linalg")
        modules = {n for n in algebra.__all__ if isinstance(getattr(algebra, n), ModuleType)}
        assert set(catalogue.LINALG_NAMES) == set(algebra.__all__) - modules


def test_what_scipy_has_of_linear_algebra_beyond_ours_has_a_reason() -> None:
    assert {row.name for row in coverage.scipy_linalg_rows()} == set(catalogue.LINALG_NAMES)
    assert set(linalg.__all__) <= set(catalogue.LINALG_NAMES)
    with pytest.raises(
        UnsupportedNameError, match=r"linalg does not have 'lstsq': NumPy has it\nRemedy: use numpy\.linalg\.lstsq"
    ):
        linalg.lstsq  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        linalg.nothing  # noqa: B018


# ---- derivatives ---------------------------------------------------------------------------------


#: functions whose cases pick elements with the positions that they give
PICKS = ("argpartition",)


def _has_gradient(function: Any, arrays: tuple[Any, ...]) -> bool:
    """Say whether the derivative of a case in any direction is something but zero."""
    floats = [i for i, a in enumerate(arrays) if np.asarray(a).dtype.kind == "f"]
    if not floats:
        return False

    def of_floats(*values: Any) -> Any:
        given = list(arrays)
        for i, value in zip(floats, values, strict=True):
            given[i] = value
        return [leaf for leaf in flatten(function(*given))[0] if np.dtype(leaf.dtype).kind == "f"]

    rng = np.random.default_rng(0)
    primals = tuple(np.asarray(arrays[i]) for i in floats)
    tangents = tuple(rng.uniform(0.5, 1, p.shape).astype(p.dtype) for p in primals)
    with difc.disable_jit(), np.errstate(all="ignore"):
        _, dots = difc.jvp(of_floats, primals, tangents)
    return any(bool(np.any(np.nan_to_num(np.asarray(d, float)))) for d in dots)


def _cases(module: ModuleType, row: coverage.Row) -> list[Any]:
    name = row.name if module is np else f"linalg.{row.name}"
    if name in CASES:
        return CASES[name]
    ufunc = getattr(module, row.name)
    if not isinstance(ufunc, np.ufunc) or ufunc.signature is not None:
        return []
    low = 1.1 if row.name in ("arccosh", "acosh") else 0.3
    x = np.linspace(low, low + 0.6, 4)
    return [(ufunc, (x, x[::-1] + 0.05)[: ufunc.nin])] if ufunc not in (np.ldexp,) else [(ufunc, (x, np.arange(4)))]


@pytest.mark.parametrize("module", [np, np.linalg], ids=lambda m: m.__name__)
def test_derivatives_are_where_the_page_says(module: ModuleType) -> None:
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in coverage.numpy_rows(module):
            if row.gradient is None or row.name in registry.CREATION or row.name in PICKS or row.note:
                continue
            cases = _cases(module, row)
            try:
                found = any(_has_gradient(f, arrays) for f, arrays in cases)
            except DtypeError:
                continue  # not of floats: bits and shifts
            if cases and found != row.gradient:
                wrong.append((row.name, "has a derivative" if found else "has none"))
    assert not wrong, "correct CONSTANT in frontend/numpy/coverage.py"


# ---- errors --------------------------------------------------------------------------------------


def _refused(name: str) -> bool:
    function = getattr(np, name, None)
    return callable(function) and not isinstance(function, (type, ModuleType)) and name not in coverage.REFUSED


@pytest.mark.filterwarnings("ignore")
def test_a_call_of_what_is_not_traced_names_the_page() -> None:
    names = [name for name in gaps.NUMPY if _refused(name) and name not in ("errstate", "nested_iters", "test")]
    assert len(names) > 50
    for name in names:
        with pytest.raises(UnsupportedError, match=f"numpy.*{name}.* cannot be traced(?s:.*){gaps.PAGE}"):
            module_of(lambda x, name=name: getattr(dnp, name)(x), [VECTOR])


def test_a_call_in_a_module_that_is_left_out_names_the_page() -> None:
    for f in (np.fft.rfft, np.fft.fft2):
        message = rf"numpy.fft.{f.__name__} cannot be traced: complex(?s:.*){gaps.PAGE}"
        with pytest.raises(UnsupportedError, match=message):
            module_of(lambda x, f=f: f(x), [VECTOR])


def test_a_name_that_is_not_there_names_the_page() -> None:
    for name in ("fft", "random", "ma", "polynomial"):
        with pytest.raises(UnsupportedNameError, match=f"difc.numpy does not have '{name}': (?s:.*){gaps.PAGE}"):
            getattr(dnp, name)
        assert not hasattr(dnp, name)
    with pytest.raises(UnsupportedNameError, match=f"special does not have 'airy': Bessel(?s:.*){gaps.PAGE}"):
        _ = special.airy
    with pytest.raises(AttributeError, match="has no attribute 'no_such'"):
        _ = special.no_such
