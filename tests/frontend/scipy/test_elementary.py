"""Elementary functions of scipy.special: SciPy's values, traced and as plain functions; derivatives at their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

import difc
from difc.errors import InputError
from difc.scipy import elementary
from difc.scipy import special as ours
from difc.testing import check_grads
from tests.frontend.traced import slopes_of, trace_and_run
from tests.pipelines.artifacts import skip_without_device

X, Y = np.array([0.3, 1.0, 2.7, 0.0, 1e-9, 40.0]), np.array([1.5, 0.0, -0.7, 2.0, 1e-9, 0.25])
ANGLES = np.array([0.0, 30.0, 90.0, 180.0, 270.0, -45.0, 1e6, 361.5])
COUNTS, PARTS = np.array([5.0, 0.0, 12.0, 3.0, 20.0]), np.array([2.0, 0.0, 7.0, 4.0, 20.0])

CASES: dict[str, tuple[Any, ...]] = {
    "binom": (COUNTS[[0, 1, 2, 4]], PARTS[[0, 1, 2, 4]]),
    "boxcox": (X, Y),
    "boxcox1p": (X, Y),
    "cbrt": (X - 1,),
    "comb": (COUNTS, PARTS),
    "cosdg": (ANGLES,),
    "cosm1": (X,),
    "cotdg": (ANGLES[1:] + 1.0,),
    "exp10": (Y,),
    "exp2": (X,),
    "expm1": (X,),
    "exprel": (np.array([0.0, 1e-9, -2.0, 3.0, 1000.0, np.inf, -np.inf]),),
    "factorial": (np.array([0.0, 5.0, -1.0, 2.5]),),
    "inv_boxcox": (np.abs(Y), Y),
    "inv_boxcox1p": (np.abs(Y), Y),
    "log1p": (X,),
    "perm": (COUNTS, PARTS),
    "poch": (X + 0.1, np.abs(Y)),
    "powm1": (X[[0, 1, 2, 4, 5]], Y[[0, 1, 2, 4, 5]]),
    "radian": (X, Y, Y),
    "round": (X * 3,),
    "sinc": (X,),
    "sindg": (ANGLES,),
    "softplus": (X - 1,),
    "tandg": (ANGLES + 1.0,),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    wanted = getattr(scipy.special, name)(*CASES[name])
    function = getattr(elementary, name)
    for dtype, limit in ((np.float64, 3e-14), (np.float32, 5e-6)):
        arguments = [np.asarray(a, dtype) for a in CASES[name]]
        if dtype == np.float32:
            wanted = getattr(scipy.special, name)(*arguments)
        for found in (function(*arguments), trace_and_run(function, *arguments)[0]):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, wanted, rtol=limit, atol=limit)
    assert getattr(ours, name) is function


def test_multigammaln() -> None:
    a = np.array([2.5, 4.0, 7.25])
    np.testing.assert_allclose(elementary.multigammaln(a, 3), scipy.special.multigammaln(a, 3), rtol=1e-14)
    assert set(CASES) | {"multigammaln"} == set(elementary.__all__)


@pytest.mark.filterwarnings("ignore")
def test_combinations_with_repetition() -> None:
    n, k = np.array([0.0, 0, 0, 3, 5, 0.3, -2]), np.array([0.0, 1, 0.5, 0, 2, 0, 3])
    wanted = scipy.special.comb(n, k, repetition=True)
    for found in (ours.comb(n, k, repetition=True), trace_and_run(lambda *a: ours.comb(*a, repetition=True), n, k)[0]):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
    assert ours.comb(0, 0, repetition=True) == 1


def test_whole_quarters_are_exact() -> None:
    assert elementary.sindg(ANGLES[[0, 3]]).tolist() == [0.0, 0.0]
    assert np.abs(elementary.cosdg(np.array([90.0, 270.0]))).tolist() == [0.0, 0.0]


def test_derivatives_at_limits() -> None:
    """At power 0 and at 0 the derivatives are those of the function, not of the branch of a formula."""
    x = np.array([0.5, 2.0])
    check_grads(
        lambda v: elementary.boxcox(x, v) + elementary.inv_boxcox(x, v), [np.zeros(2)], eps=1e-4, tolerance=1e-4
    )
    check_grads(lambda v: elementary.exprel(v) + elementary.sindg(v), [np.zeros(2)], eps=1e-4, tolerance=1e-4)
    check_grads(lambda v: elementary.binom(6 + v, 2 + v) + elementary.poch(v, 2.0), [x])


def _third(function: Any, x: np.ndarray) -> np.ndarray:
    for _ in range(3):
        function = lambda x, f=function: difc.jvp(f, (x,), (np.ones_like(x),))[1]  # noqa: E731
    with difc.disable_jit():
        return np.asarray(function(x))


def test_third_derivatives_near_limits() -> None:
    """Those of the quotient that defines a function would cancel there."""
    x = np.array([-1e-6, 0.0, 1e-6])
    np.testing.assert_allclose(_third(elementary.exprel, x), 1 / 4 + x / 5, rtol=1e-10)
    np.testing.assert_allclose(_third(elementary.sinc, x), np.pi**4 / 5 * x, rtol=1e-10)
    series = 6 * -0.65587807152025388 + 24 * -0.042002635034095236 * x  # of 1 / gamma
    np.testing.assert_allclose(_third(ours.rgamma, x), series, rtol=1e-9)
    np.testing.assert_allclose(_third(ours.rgamma, np.array([1000.0])), 0)
    np.testing.assert_allclose(_third(ours.log_ndtr, np.array([-1000.0])), 2e-9, rtol=2e-5)


@pytest.mark.parametrize(("dtype", "end"), [(np.float32, 93.3), (np.float64, 716.4)])
def test_exprel_near_and_beyond_its_last_finite_value(dtype: Any, end: float) -> None:
    x = np.array([end - 2], dtype)
    for order in (0, 1, 2):
        beyond = slopes_of(elementary.exprel, np.array([end, end + 0.2, 3 * end, np.inf], dtype), order)
        np.testing.assert_array_equal(beyond, np.inf)
    wide = x.astype(np.longdouble)
    for order, factor in ((0, 1), (1, 1 - 1 / wide), (2, 1 - 2 / wide + 2 / wide**2)):
        found = slopes_of(elementary.exprel, x, order)
        np.testing.assert_allclose(found, np.exp(wide) / wide * factor, rtol=2e3 * np.finfo(dtype).eps)


def test_tangents_at_their_poles() -> None:
    """As SciPy, inf wherever from; the slope there is infinite, not the NaN of a quotient by 0."""
    for function, poles in ((elementary.tandg, [-270.0, -90.0, 90.0]), (elementary.cotdg, [-180.0, -0.0, 0.0, 360.0])):
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(function(np.array(poles)), np.inf)
        sign = 1 if function is elementary.tandg else -1
        np.testing.assert_array_equal(slopes_of(function, np.array(poles), 1), sign * np.inf)


def test_messages() -> None:
    for name in ("comb", "perm"):
        with pytest.raises(InputError, match=f"{name} with exact=True gives Python integers"):
            getattr(elementary, name)(5, 2, exact=True)
    with pytest.raises(InputError, match="factorial with exact=True"):
        elementary.factorial(5, exact=True)


@pytest.mark.parametrize("target", [pytest.param("cpu", marks=pytest.mark.slow), "vulkan"])
def test_compiled(target: str) -> None:
    skip_without_device(target)
    dtype = np.float64 if target == "cpu" else np.float32
    x, y = np.array([0.3, 1.0, 2.7, 1e-5], dtype), np.array([1.5, 0.0, -0.2, 0.5], dtype)

    def program(x: Any, y: Any) -> list[Any]:
        return [ours.boxcox(x, y), ours.inv_boxcox1p(x, y), ours.exprel(y), ours.powm1(x, y), ours.sindg(90 * x)]

    limit = 1e-13 if dtype == np.float64 else 1e-5
    for found, wanted in zip(difc.compile(program, x, y, target=target)(x, y), program(x, y), strict=True):
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=limit, atol=limit)
