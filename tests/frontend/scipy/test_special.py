"""difc.scipy.special equals SciPy's, traced and on NumPy arrays, over the domains and at their edges."""

from __future__ import annotations

from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import difc
from difc.errors import InputError, UnsupportedError
from difc.scipy import special
from difc.scipy.gammas import STIELTJES
from tests.frontend.failing import fails
from tests.frontend.traced import compare, slopes_of, trace_and_run

RNG = np.random.default_rng(0)
INF, NAN = np.inf, np.nan
X = np.array([[-800.0, -1.0, 0.0, 0.3], [2.0, 800.0, 30.0, -40.0]])
P, Q = np.array([0.0, 0.2, 0.5, 1.0, NAN, -1, 0]), np.array([0.0, 0, 0.3, 2.5, 1.0, 0.5, NAN])
LINE = np.concatenate([RNG.uniform(-6, 12, 30), [0.0, -0.0, 1, 2, INF, -INF, NAN, 30, 170, 200, -1.5, -3]])
UNIT = np.concatenate([RNG.uniform(0, 1, 30), [0, 1, 0.5, 1e-300, 1e-20, 1 - 1e-15, 2, -1, NAN]])
HALF = [np.exp(RNG.uniform(low, high, 30)) for low, high in ((-6.0, 6.0), (-3.0, 5.0))]

ARGUMENTS: dict[str, tuple[np.ndarray, ...]] = {
    "beta": (np.append(HALF[0], [-1.5, 0.5]), np.append(HALF[1], [0.3, -2.5])), "betaln": (HALF[0], HALF[1]),
    "betainc": (HALF[0] / 9, HALF[1], (1 + np.arange(30.0)) / 32),
    "digamma": (LINE,), "entr": (P,), "erf": (LINE,), "erfc": (LINE,), "erfcinv": (2 * UNIT,), "erfcx": (LINE,),
    "erfinv": (2 * UNIT - 1,), "expit": (X,), "gamma": (LINE,), "gammainc": (HALF[0] / 9, HALF[1]),
    "gammaincc": (HALF[0] / 9, HALF[1]), "gammaln": (LINE[LINE > -INF],), "gammasgn": (LINE[:-7],),
    "huber": (HALF[0], HALF[1] - 3), "i0": (LINE[~np.isinf(LINE)],), "i0e": (LINE,),
    "i1": (LINE[~np.isinf(LINE)],), "i1e": (LINE,), "j0": (LINE[~np.isinf(LINE)],), "j1": (LINE[~np.isinf(LINE)],),
    "k0": (np.append(LINE, 705),), "k0e": (LINE,), "k1": (np.append(LINE, 705),), "k1e": (LINE,),
    "y0": (LINE[~np.isinf(LINE)],), "y1": (LINE[~np.isinf(LINE)],),
    "kl_div": (P[:4], Q[:4]), "log_expit": (X,), "log_ndtr": (np.append(3 * LINE[:-7], [-1e3, -1e5, INF, -INF]),),
    "log_softmax": (X,), "logit": (np.array([0, 0.1, 0.5, 1]),), "logsumexp": (X,), "ndtr": (LINE,), "ndtri": (UNIT,),
    "pseudo_huber": (HALF[0], HALF[1] - 3), "psi": (LINE,), "rel_entr": (P, Q), "rgamma": (LINE[:-2],),
    "softmax": (X,), "xlog1py": (P, Q), "xlogy": (P, Q), "zeta": (1 + HALF[0] / 10, HALF[1]),
}  # fmt: skip
NAMES = list(ARGUMENTS)


def _close(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    tiny = float(np.finfo(found.dtype).tiny)  # what is smaller may be flushed to zero
    with np.errstate(over="ignore"):
        wanted = wanted.astype(found.dtype)
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=4 * tiny)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 2e-12), (np.float32, 1e-5)])
def test_functions_equal_scipy(name: str, dtype: Any, tolerance: float) -> None:
    arrays = [a.astype(dtype) for a in ARGUMENTS[name]]
    f = getattr(special, name)
    with np.errstate(all="ignore"):
        wanted = np.asarray(getattr(scipy.special, name)(*[a.astype(np.float64) for a in arrays]))
        plain = np.asarray(f(*arrays))
    if name in ("beta", "zeta", "ndtr", "kl_div", "rel_entr") and dtype == np.float32:
        tolerance = 1e-4  # of the error that rounding an argument, or a difference of arguments, makes
    for found in (plain, trace_and_run(f, *arrays)[0]):
        assert found.dtype == dtype
        _close(found, wanted, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_integers_become_floats(name: str) -> None:
    ones = [np.ones(3, int)] * len(ARGUMENTS[name])
    with np.errstate(all="ignore"):
        plain = np.asarray(getattr(special, name)(*ones))
    assert plain.dtype == trace_and_run(getattr(special, name), *ones)[0].dtype == np.float64


def test_ufuncs_of_scipy_on_traced_arrays() -> None:
    ufuncs = {name: getattr(scipy.special, name) for name in NAMES}
    ufuncs = {name: u for name, u in ufuncs.items() if isinstance(u, np.ufunc)}
    assert len(ufuncs) > 20
    arguments = [a for name in ufuncs for a in ARGUMENTS[name]]

    def both(*arrays: Any) -> list[Any]:
        rest, found = iter(arrays), []
        for name, ufunc in ufuncs.items():
            given = [next(rest) for _ in ARGUMENTS[name]]
            found += [ufunc(*given), getattr(special, name)(*given)]
        return found

    found = trace_and_run(both, *arguments)
    for a, b in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_array_equal(a, b)
    x = HALF[0]
    compare(trace_and_run(lambda x: scipy.special.cbrt(x), x), np.cbrt(x))
    with fails(UnsupportedError, "the ufunc airy, which is not NumPy's", at="airy", remedy="difc.scipy.special"):
        trace_and_run(lambda x: scipy.special.airy(x)[0], x)


def test_polygamma() -> None:
    x = np.append(HALF[0], [-0.5, -2.25])
    for n in (0, 1, 2, 5):
        for found in (special.polygamma(n, x), trace_and_run(lambda x, n=n: special.polygamma(n, x), x)[0]):
            np.testing.assert_allclose(found, scipy.special.polygamma(n, x), rtol=1e-11)
    orders = np.array([[0], [3]])
    found = trace_and_run(lambda x: special.polygamma(orders, x), x)[0]
    np.testing.assert_allclose(found, scipy.special.polygamma(orders, x), rtol=1e-11)
    with fails(InputError, "polygamma: the order 1.5 is not an integer from 0 to 20", at="1.5", remedy="known when"):
        trace_and_run(lambda x: special.polygamma(1.5, x), x)
    with fails(UnsupportedError, "polygamma of order 20 has no derivative", at="polygamma(20", remedy="fewer"):
        difc.trace(difc.grad(lambda x: special.polygamma(20, x)), 3.0).ir("ad")


def test_incomplete_gamma() -> None:
    places = [0.0, 1e-6, 0.3, 1.0, 24.0, 25.0, 1e3, INF, -1.0, NAN]
    a, x = np.meshgrid(places, places)
    same = (a == x) & ((a == 0) | (a == INF))  # the limit depends on the direction
    for name in ("gammainc", "gammaincc"):
        f = getattr(special, name)
        wanted = getattr(scipy.special, name)(a, x)
        for found in (f(a, x), trace_and_run(f, a, x)[0]):
            np.testing.assert_allclose(found[~same], wanted[~same], rtol=1e-12, atol=1e-300)
    with difc.disable_jit():
        slope = difc.vmap(difc.grad(special.gammainc, argnums=1))(HALF[0], HALF[1])
        difc.testing.check_grads(
            lambda x: special.gammaincc(np.array([0.5, 1.0, 4.0]), x), (np.array([0.2, 0.7, 5.0]),)
        )
    with np.errstate(under="ignore"):
        density = np.exp((HALF[0] - 1) * np.log(HALF[1]) - HALF[1] - scipy.special.gammaln(HALF[0]))
    np.testing.assert_allclose(slope, density, rtol=1e-10)


@pytest.mark.parametrize(("dtype", "limit", "last"), [(np.float32, 88.8, 91.85), (np.float64, 709.9, 713.95)])
def test_derivatives_of_bessel_functions_that_overflow(dtype: Any, limit: float, last: float) -> None:
    x = np.array([-limit, limit - 0.2, limit, last - 1], dtype)
    exact = [[mpmath.besseli(n, float(v)) for n in (0, 1)] for v in x]
    slopes = {
        (special.i0, 1): [b for a, b in exact],
        (special.i0, 2): [a - b / float(v) for (a, b), v in zip(exact, x, strict=True)],
        (special.i1, 1): [a - b / float(v) for (a, b), v in zip(exact, x, strict=True)],
    }
    beyond = np.array([last + 0.1, last + 1, 3 * last, np.inf], dtype)
    for (function, order), wanted in slopes.items():
        found = slopes_of(function, x, order)
        np.testing.assert_allclose(found, np.array(wanted, dtype), rtol=1e3 * np.finfo(dtype).eps)
        for k in range(3):
            np.testing.assert_array_equal(slopes_of(function, beyond, k), INF)
            np.testing.assert_array_equal(
                slopes_of(function, -beyond, k), INF if (function is special.i0) == (k % 2 == 0) else -INF
            )


def test_bessel_functions_at_infinity_and_their_slopes_at_zero() -> None:
    ends = np.array([INF, -INF])
    for function in (special.j0, special.j1):
        np.testing.assert_array_equal(function(ends), 0)  # SciPy has NaN
    for function in (special.y0, special.y1, special.k0, special.k1, special.k0e, special.k1e):
        np.testing.assert_array_equal(function(ends), [0, NAN])
    at = np.array([0.0, 1e-9])
    np.testing.assert_allclose(slopes_of(special.j0, at, 2), -0.5)
    np.testing.assert_allclose(slopes_of(special.j1, at, 1), 0.5)
    np.testing.assert_allclose(slopes_of(special.j1, at, 3), -3 / 8)


def test_rgamma_has_no_slope_at_infinity() -> None:
    np.testing.assert_array_equal(slopes_of(special.rgamma, np.array([300.0, INF]), 1), 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entropy_of_subnormal_numbers(dtype: Any) -> None:
    """Compiled code may take them as zero, whose product with its logarithm is 0 as well, and never NaN."""
    tiny = np.finfo(dtype).tiny
    x = np.array([tiny / 4, 0, tiny / 4], dtype)
    found = difc.jit(lambda x: (special.entr(x), special.xlogy(x, x[::-1])))(x)
    for values in found:
        np.testing.assert_allclose(np.asarray(values), 0, atol=1e3 * tiny)


def test_derivatives_where_a_formula_changes_its_branch() -> None:
    def hessian(f: Any) -> Any:
        slope = difc.grad(lambda v: f(v[0], v[1]))
        return difc.vmap(lambda u: difc.jvp(slope, (np.array([0.5, 0.5]),), (u,))[1])(np.eye(2))

    x, y, zero = np.array([0.5, 4.0, -4.0, 4.0]), np.array([0.5, 2.0, -2.0, -2.0]), np.float64(0)
    pairs = [np.logaddexp, np.logaddexp2, special.betaln, np.remainder]
    singles = [special.softplus, special.log_expit, partial(special.pseudo_huber, 2.0), special.rgamma]
    with difc.disable_jit():
        curvatures = [difc.grad(difc.grad(f))(zero) for f in singles]
        slopes = difc.vmap(difc.grad(special.rgamma))(np.array([0.0, -1.0, -2.0]))
        of_quotient = difc.grad(np.floor_divide, argnums=(0, 1))(x[0], zero)
        of_rest = difc.vmap(difc.grad(np.remainder, argnums=(0, 1)))(x, y)
        hessians = [hessian(f) for f in pairs]
    np.testing.assert_allclose(curvatures, [0.25, -0.25, 1, 2 * np.euler_gamma], rtol=1e-14)
    np.testing.assert_allclose(slopes, [1, -1, 2], rtol=1e-14)
    np.testing.assert_array_equal(of_quotient, [0, 0])
    np.testing.assert_array_equal(of_rest, [[1, 1, 1, 1], [-1, -2, -2, 2]])
    apart, trigamma = np.array([[0.25, -0.25], [-0.25, 0.25]]), scipy.special.polygamma(1, [0.5, 1.0])
    np.testing.assert_allclose(hessians[:2], [apart, apart * np.log(2)], rtol=1e-14)
    np.testing.assert_allclose(hessians[2], np.diag([trigamma[0]] * 2) - trigamma[1], rtol=1e-13)
    np.testing.assert_array_equal(hessians[3], np.zeros((2, 2)))


def test_incomplete_gamma_by_the_order() -> None:
    a, x = (v.ravel() for v in np.meshgrid([1e-6, 0.3, 1.0, 9.0], [0.01, 1.0, 2.5, 30.0]))
    by_order = difc.grad(special.gammainc, argnums=0)
    mixed = difc.vmap(difc.grad(difc.grad(special.gammainc, argnums=1), argnums=0))
    both = [difc.vmap(f) for f in (by_order, difc.grad(special.gammaincc, argnums=0))]
    lower, upper, of_density, turned = trace_and_run(
        lambda a, x: (both[0](a, x), both[1](a, x), mixed(a, x), difc.vmap(difc.grad(by_order, argnums=1))(a, x)), a, x
    )
    with mpmath.workdps(40):
        wanted = [
            mpmath.diff(lambda a, x=x: mpmath.gammainc(a, 0, x, regularized=True), a) for a, x in zip(a, x, strict=True)
        ]
    density = np.exp((a - 1) * np.log(x) - x - scipy.special.gammaln(a))
    np.testing.assert_allclose(lower, np.array(wanted, float), rtol=1e-12)
    np.testing.assert_array_equal(upper, -lower)
    for found in (of_density, turned):
        np.testing.assert_allclose(found, density * (np.log(x) - scipy.special.digamma(a)), rtol=1e-10)
    edges = np.array([[0.0, 0.0, 2.0, 2.0, INF, -1.0, 2.0], [1.0, 0.0, 0.0, INF, 2.0, 2.0, NAN]])
    wanted = [-0.21938393439552027, NAN, 0, 0, 0, NAN, NAN]  # the first is -E1(1)
    with difc.disable_jit():
        np.testing.assert_allclose(both[0](*edges), wanted, rtol=1e-12)
    np.testing.assert_allclose(difc.jit(both[0])(*edges), wanted, rtol=1e-12)
    of_density = difc.grad(difc.grad(difc.grad(special.gammainc, argnums=1), argnums=0), argnums=0)
    slope = np.log(1.5) - scipy.special.digamma(2.0)
    wanted = 1.5 * np.exp(-1.5) * (slope**2 - scipy.special.polygamma(1, 2.0))
    with difc.disable_jit():
        np.testing.assert_allclose(of_density(2.0, 1.5), wanted, rtol=1e-12)
    with fails(UnsupportedError, "have no second derivative by", at="gammainc(a, 1.0)", remedy="by x alone"):
        difc.trace(difc.grad(difc.grad(lambda a: special.gammainc(a, 1.0))), 3.0).ir("ad")


def test_incomplete_beta() -> None:
    a, b, x = np.array([0.5, 1.0, 4.0, 1.0]), np.array([2.0, 3.0, 0.7, 1.0]), np.array([0.2, 0.7, 0.9, 0.0])
    with difc.disable_jit():
        slope = difc.grad(lambda x: np.sum(special.betainc(a, b, x)))(x)
        difc.testing.check_grads(lambda x: special.betainc(a[:3], b[:3], x), (x[:3],), order=2)
    density = x ** (a - 1) * (1 - x) ** (b - 1) / scipy.special.beta(a, b)
    np.testing.assert_allclose(slope, density, rtol=1e-13)
    edges = np.array([[0.0, 2.0, 2.0, INF, 0.0, 2.0, 3.0], [2.0, 0.0, INF, 2.0, 0.0, 3.0, 2.0], [0.5] * 5 + [0, 1]])
    np.testing.assert_array_equal(difc.jit(special.betainc)(*edges), scipy.special.betainc(*edges))
    for argument in (0, 1):
        with fails(UnsupportedError, "betainc has no derivative by its first", at="betainc(a, b, x)", remedy="by x"):
            difc.trace(difc.grad(lambda a, b, x: special.betainc(a, b, x), argument), 2.0, 3.0, 0.5).ir("ad")


def test_derivatives() -> None:
    u, v = np.array([0.3, 1.7, 6.0]), np.array([0.6, 2.5, 9.5])
    functions = [
        special.gammaln, special.gamma, special.rgamma, special.digamma, special.erfcx, special.ndtr, special.log_ndtr,
        special.i0, special.i1, special.j0, special.j1, special.y0, special.y1, special.k0, special.k1,
        lambda x: special.polygamma(2, x), lambda x: special.log_ndtr(-4 * x), lambda x: special.i1e(x - 2),
        lambda x: special.erfinv(x / 7), lambda x: special.erfcinv(x / 4), lambda x: special.ndtri(x / 7),
    ]  # fmt: skip
    pairs = [special.betaln, special.beta, special.pseudo_huber, lambda x, q: special.zeta(x + 1.5, q)]

    def f(x: Any, y: Any) -> Any:
        return sum(np.sum(g(x)) for g in functions) + sum(np.sum(g(x, y)) for g in pairs)

    with difc.disable_jit():
        difc.testing.check_grads(f, (u, v), order=1)
        difc.testing.check_grads(lambda x: np.sum(special.ndtri(x / 7) + special.log_ndtr(-x)), (u,), order=2)
        waves = (special.j0, special.j1, special.y0, special.y1, special.k0e, special.k1e)
        difc.testing.check_grads(lambda x: sum(np.sum(g(x)) for g in waves), (u,), order=2)


def test_derivatives_keep_their_digits() -> None:
    x = np.array([-1e3, -30.0, -5.0, 0.5])
    with difc.disable_jit():
        slope = difc.vmap(difc.grad(special.log_ndtr))(x)
        trigamma = difc.vmap(difc.grad(difc.grad(special.gammaln)))(HALF[0])
    wanted = np.sqrt(2 / np.pi) / scipy.special.erfcx(-x / np.sqrt(2))
    np.testing.assert_allclose(slope, wanted, rtol=1e-13)
    np.testing.assert_allclose(trigamma, scipy.special.polygamma(1, HALF[0]), rtol=1e-13)


#: Arguments at poles, at limits and outside of what a formula is for.
CORNERS: dict[str, tuple[list[float], ...]] = {
    "beta": (
        [-1, -1, -2, -2, -1, 0, -3, -3, 2, -1, -1, 0, 0, -2, -40, -40],
        [2, 1, 1, 2, 0.5, 1, 4, 3, -1, -1, -2, -1, 0, -2, 5, 50],
    ),
    "betaln": ([-1, -1, -2, -2, -1, 0, -3, -3, 2, -1, 0, 0, -40], [2, 1, 1, 2, 0.5, 1, 4, 3, -1, -2, -1, 0, 5]),
    "boxcox": ([0, 0, 0, -1, INF, 0, INF, INF, 0.5], [0, 1, -1, 0, 0, NAN, 1, -1, 1e-9]),
    "boxcox1p": ([-1, -1, -1, -2, INF], [0, 1, -1, 0, 0]),
    "gammasgn": ([0, -0.0, -1, -2, -3, -0.5, -1.5, NAN, -INF, INF],),
    "inv_boxcox": ([INF, -INF, 1], [0, 0, 0]),
    "inv_boxcox1p": ([INF, -INF, 1], [0, 0, 0]),
    "poch": (
        [0, 0, 0, -1, -1, -2, 3, -2, -2, 0, -40, -3.5, 2.5, -5, NAN],
        [0, 1, -1, 1, 2, -1, -3, 3, 2, 0.5, 50, 2, -7, 4, 1],
    ),
    "zeta": (
        [-2, -3.5, 0, -1e-20, 0.5, 1 - 1e-6, 1, -10.5, -30.3, -20, INF, -INF, NAN, 100, 250, *np.linspace(-3, 3)],
    ),
    "zeta of two": ([0, -1, 0.5, 1, 2, 2, 2.5], [2, 2, 2, 2, -1, 0, -1.5]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str, dtype: Any) -> None:
    arrays = [np.asarray(a, dtype) for a in CORNERS[name]]
    name = name.split()[0]
    ours, theirs = getattr(special, name), getattr(scipy.special, name)
    with np.errstate(all="ignore"):
        wanted = theirs(*arrays)
        for found in (ours(*arrays), trace_and_run(ours, *arrays)[0]):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-13 if dtype == np.float64 else 2e-5)


def test_derivatives_at_corners() -> None:
    """Where the poles of a quotient of gamma functions cancel, and beside the sum that defines zeta."""
    x = np.array([-2.0, -3.3, 0.0, 0.5, -0.4, 3.0, -171.5, -30.0])
    with difc.disable_jit():
        of_zeta = difc.vmap(difc.grad(special.zeta))(x)
        of_poch = difc.vmap(difc.grad(special.poch))(np.array([-2.0, -2, -1, 0, 0]), np.array([3.0, 2, 1, 0, 1]))
        of_beta = difc.vmap(difc.grad(special.beta))(np.array([-2.0, -3.0]), np.array([1.0, 2.0]))
        of_boxcox = difc.grad(special.boxcox)(0.0, 0.0)
    np.testing.assert_allclose(of_zeta, [float(mpmath.zeta(v, 1, 1)) for v in x], rtol=2e-12)
    np.testing.assert_allclose(of_poch, [2, -3, 1, 0, 1], rtol=1e-14)  # of products of z, z + 1, ...
    np.testing.assert_allclose(of_beta, [-1 / 4, 5 / 36], rtol=1e-14)  # of 1 / a and 1 / (a (a + 1))
    assert of_boxcox == INF


def test_stieltjes_constants() -> None:
    with mpmath.workdps(30):
        wanted = [(-1) ** n * mpmath.stieltjes(n) / mpmath.factorial(n) for n in range(len(STIELTJES))]
    np.testing.assert_array_equal(STIELTJES, np.array(wanted, float))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([None, 0, -1, (0, 1)]), st.booleans(), st.booleans())
def test_logsumexp_options(axis: Any, keepdims: bool, signed: bool) -> None:
    b = np.array([1.0, -2.0, 0.0, 0.5])
    factors = b if signed else None
    expected = scipy.special.logsumexp(X, axis=axis, b=factors, keepdims=keepdims, return_sign=signed)
    found = trace_and_run(lambda x: special.logsumexp(x, axis, factors, keepdims, signed), X)
    compare(found, expected)
    compare([np.asarray(special.logsumexp(np.full(3, -np.inf)))], np.float64(-np.inf))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logsumexp_of_what_does_not_count(dtype: Any) -> None:
    x = np.array([[-1000, -2], [-1000, np.inf], [5, 1000], [-np.inf, 3], [1, 2]], dtype)
    b = np.array([[1, 0], [1, 0], [2, 0], [2, 0], [0, 0]], dtype)
    expected = scipy.special.logsumexp(x, axis=1, b=b)
    compare(trace_and_run(lambda x, b: special.logsumexp(x, 1, b), x, b), expected)
    compare([special.logsumexp(x, 1, b)], expected)
    compare(trace_and_run(lambda x: special.logsumexp(x, 0, b), x[0]), scipy.special.logsumexp(x[:1] + 0 * b, 0, b))
    x, b = np.array([0.5, 2.0, -1.0]), np.array([1.0, 0.0, 2.0])
    difc.testing.check_grads(lambda x, b: special.logsumexp(x, b=b), [x, b])


@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((0, 3), 0), ((0, 3), 1), ((2, 0), 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_of_nothing(shape: tuple[int, ...], axis: Any, keepdims: bool) -> None:
    x = np.zeros(shape)
    expected = scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)
    compare([np.asarray(special.logsumexp(x, axis, keepdims=keepdims))], expected)
    for dynamic in ([], [(0, 0)]):
        compare(trace_and_run(lambda x: special.logsumexp(x, axis, keepdims=keepdims), x, dynamic=dynamic), expected)
