"""Special functions at extreme and at nearly equal arguments: the true values, also where SciPy has others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from mpmath import mp

import difc
from difc.scipy import special
from tests.frontend.traced import trace_and_run

INF, NAN = np.inf, np.nan
Formula = Callable[..., Any]


def _rise(z: Any, m: Any) -> Any:
    return mp.gammaprod([z + m], [z])


def _boxcox(log_x: Any, power: Any) -> Any:
    return mp.expm1(power * log_x) / power


def _pseudo_huber(delta: Any, r: Any) -> Any:
    return r**2 / (1 + mp.sqrt(1 + (r / delta) ** 2))


#: name -> its value of mpmath's numbers, and arguments where formulas overflow, vanish or cancel.
TRUE: dict[str, tuple[Formula, list[tuple[float, ...]]]] = {
    "beta": (mp.beta, [(-0.5, 1e20), (-1.5, 1e8), (1e4, 2.5), (700.0, 300.0)]),
    "betaln": (
        lambda a, b: mp.log(abs(mp.beta(a, b))) if max(a, b) < 1e9 else -a * mp.log(b) + mp.loggamma(a),
        [(2.5, 1e308), (1e8, 3e8), (12.0, 9.0), (-0.5, 1e8), (0.25, 1.7e308)],
    ),
    "binom": (mp.binomial, [(1e15, 1), (1e15, 2), (1000, 500), (1e20, 0.25), (60.5, 30.25)]),
    "boxcox": (lambda x, p: _boxcox(mp.log(x), p), [(2.0, 1e-307), (2.0, -1e-20), (1e-3, -9.0), (1e300, 1e-9)]),
    "boxcox1p": (lambda x, p: _boxcox(mp.log1p(x), p), [(1e-300, 1e-300), (1e-20, 0.5), (3.0, 1e-307)]),
    "inv_boxcox": (lambda y, p: mp.exp(mp.log1p(p * y) / p), [(1e300, 1e10), (2.0, 1e-300), (-1e300, -1e20)]),
    "inv_boxcox1p": (lambda y, p: mp.expm1(mp.log1p(p * y) / p), [(1e-300, 1e-300), (0.25, 1e-300), (1.5, 1e308)]),
    "betainc": (
        lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), [(0.8, 0.002, 0.675), (0.001, 10.5, 0.0593)],
    ),
    "factorial": (lambda n: mp.gamma(n + 1), [(127.49404876179982,), (15.618766,), (169.9,)]),
    "gammainc": (lambda a, x: 1 - mp.gammainc(a, x, regularized=True), [(1e8, 1e8 + 2e4), (3e7, 3e7 - 1e4)]),
    "gammaincc": (lambda a, x: mp.gammainc(a, x, regularized=True), [(1e8, 1e8 + 2e4), (3e7, 3e7 - 1e4)]),
    "kl_div": (
        lambda x, y: x * mp.log(x / y) - x + y,
        [(1e-300, 1e300), (1.0, 1 + 1e-9), (3.0, 3 - 1e-15), (1.0, 1.75), (1e300, 1e-300), (1e308, 1.5e308)],
    ),
    "logit": (lambda x: mp.log(x) - mp.log1p(-x), [(0.5 + 1e-9,), (0.5 - 1e-15,), (0.75,), (0.25,), (1e-300,)]),
    "perm": (lambda n, k: _rise(n - k + 1, k), [(170, 148), (50, 33), (1e15, 3)]),
    "poch": (_rise, [(1e15, 1.5), (757450.4, 0.306), (171, -7), (-3.5, 2.0), (1e-300, 3.0)]),
    "polygamma of 20": (lambda x: mp.psi(20, x), [(1e14,), (3e5,)]),
    "powm1": (lambda x, y: mp.power(x, y) - 1, [(0.945, -9566.0), (1 + 1e-15, 1.0), (2.0, 1e-20), (-2.0, 3.0)]),
    "pseudo_huber": (_pseudo_huber, [(1e-300, 1e200), (1e200, 1e-20), (1e160, 1e150), (3.0, 3.0), (1e-5, 7.0)]),
    "rel_entr": (
        lambda x, y: x * mp.log(x / y), [(1e150, 1e-200), (1e-300, 1e300), (1.0, 1 - 1e-15), (3.0, 1.0), (1e308, 1e307)]
    ),
    "rgamma": (mp.rgamma, [(-170.6,), (-7.3399806,), (-1e-9,), (-3.4664626684620248,), (171.6,)]),
    "zeta": (mp.zeta, [(-167.5,), (-75.999178,), (-40.5,), (-21.0,)]),
    "zeta of two": (mp.zeta, [(1.5, 1e200), (2.0, 1e153), (17.0, 62.0), (1.0 + 1e-9, 3.0)]),
}  # fmt: skip


def _function(name: str) -> Callable[..., Any]:
    if name == "polygamma of 20":
        return lambda x: special.polygamma(20, x)
    return getattr(special, name.split()[0])


@pytest.mark.parametrize("name", TRUE)
def test_true_values(name: str) -> None:
    formula, points = TRUE[name]
    arrays = [np.array(column, np.float64) for column in zip(*points, strict=True)]
    with mpmath.workdps(60):
        wanted = np.array([float(formula(*map(mpmath.mpf, row))) for row in np.stack(arrays, -1).tolist()])
    function = _function(name)
    with np.errstate(all="ignore"):
        for found in (function(*arrays), trace_and_run(function, *arrays)[0]):
            np.testing.assert_allclose(found, wanted, rtol=3e-13, err_msg=name)


#: name -> arguments, and limits or exact results.
LIMITS: dict[str, tuple[tuple[list[float], ...], list[float]]] = {
    "beta": (([INF, 2, -0.5, INF], [2, INF, INF, INF]), [0, 0, -INF, 0]),
    "betaln": (([INF, 2, -0.5], [2, INF, INF]), [-INF, -INF, INF]),
    "boxcox": (([-1, -2, INF, 0], [2, 0.5, -1, -1]), [NAN, NAN, 1, -INF]),
    "comb": (([5, 20, 40, INF, INF], [2, 10, 17, 0, 3]), [10, 184756, 88732378800, 1, INF]),
    "factorial": (([4, 17, 22],), [24, 355687428096000, 1124000727777607680000]),
    "gammainc": (([1e20, 1e30, 1e38, 1e8], [1e20, 1e30, 0.25, 2e8]), [0.5, 0.5, 0, 1]),
    "gammaincc": (([1e20, 1e30, 1e38, 1e8], [1e20, 1e30, 0.25, 2e8]), [0.5, 0.5, 1, 0]),
    "huber": (([INF, INF, 2, 0, -1], [3, INF, INF, INF, 1]), [4.5, INF, INF, NAN, INF]),
    "kl_div": (([0, 0, 2, INF, 2, 3, 2], [0, 2, INF, 2, 0, 3, NAN]), [0, 2, INF, INF, INF, 0, NAN]),
    "perm": (([5, 12, 12], [2, 12, 0]), [20, 479001600, 1]),
    "poch": (([3, 1, 2], [3, 10, 0]), [60, 3628800, 1]),
    "powm1": (([0, 0, 0, 1, -1, 4, INF], [0, 2, -1, INF, 2, 0.5, -1]), [0, -1, INF, 0, 0, 1, -1]),
    "pseudo_huber": (([INF, 0, 0, 2, 2, INF, -1], [2, 0, 3, 0, INF, INF, 1]), [2, 0, 0, 0, INF, INF, INF]),
    "rel_entr": (([0, 0, 2, INF, NAN], [0, 2, 0, 2, 1]), [0, 0, INF, INF, NAN]),
    "zeta": (([-2, -700, -1e30],), [0, 0, 0]),
    "zeta of two": (([INF, INF, INF, 3, 1e300], [2, 1, 0.5, INF, 1e160]), [0, 1, INF, 0, 0]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str, dtype: Any) -> None:
    with np.errstate(over="ignore"):
        arrays, wanted = [np.array(a, dtype) for a in LIMITS[name][0]], np.array(LIMITS[name][1], dtype)
    with np.errstate(all="ignore"):
        found = [_function(name)(*arrays), trace_and_run(_function(name), *arrays)[0]]
    for values in found:
        assert values.dtype == dtype
        np.testing.assert_allclose(
            values, wanted, rtol=8 * np.finfo(dtype).eps, atol=1e-9 * (name.startswith("gammainc")) + 1e-37
        )


GRID = np.array(
    [0.0, -0.0, 1e-300, -1e-20, 0.25, 0.5, 1, -0.5, -1, 1.5, -2, 3, -7, 20, 50.5, 171, -170.5, 1e15, -1e20, 1e300]
    + [INF, -INF, NAN]
)
#: Functions that have SciPy's values and SciPy's NaN on all of the grid.
ALIKE = [
    "cbrt", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp10", "expit", "factorial", "gamma",
    "gammaln", "gammasgn", "k0", "k0e", "k1", "k1e", "log_expit", "log_ndtr", "logit", "ndtr", "ndtri", "rgamma",
    "softplus",
]  # fmt: skip
#: Functions of two that have SciPy's values where those are no NaN.
ALIKE_OF_TWO = ["huber", "rel_entr", "xlog1py", "xlogy"]


def test_scipys_values_on_a_grid() -> None:
    x, y = (v.ravel() for v in np.meshgrid(GRID, GRID))
    for name in ALIKE + ALIKE_OF_TWO:
        arguments = (GRID,) if name in ALIKE else (x, y)
        with np.errstate(all="ignore"):
            wanted = getattr(scipy.special, name)(*arguments)
            found = np.asarray(getattr(special, name)(*arguments))
        kept = ~np.isnan(wanted) | (name in ALIKE)
        kept &= (name != "gammaln") | (arguments[0] > -INF)  # where C has inf, and SciPy -inf
        np.testing.assert_allclose(found[kept], wanted[kept], rtol=1e-11, atol=1e-307, err_msg=name)


def test_sinc_far_out() -> None:
    x = np.array([1.0, 50, -1e15, 0, 85920.72, 50 + 1e-9, -3.5])
    with mpmath.workdps(40):
        wanted = np.array([float(mp.sincpi(mpmath.mpf(v))) for v in x.tolist()])
    np.testing.assert_allclose(trace_and_run(special.sinc, x)[0], wanted, rtol=1e-14)


def test_slopes_at_the_limits() -> None:
    """No product of 0 and infinity comes from a branch that is not taken."""
    both = {name: difc.grad(getattr(special, name), argnums=(0, 1)) for name in ("huber", "pseudo_huber", "kl_div")}
    with difc.disable_jit():
        assert [float(v) for v in both["huber"](INF, 3.0)] == [0, 3]
        assert [float(v) for v in both["huber"](2.0, -INF)] == [INF, -2]
        np.testing.assert_allclose(both["pseudo_huber"](1e-200, 1e200), [1e200, 1e-200])
        np.testing.assert_allclose(both["pseudo_huber"](1e200, 1e-3)[1], 1e-3)
        np.testing.assert_allclose(both["kl_div"](1.0, 1 + 1e-9), [-1e-9, 1e-9], rtol=1e-6)
        np.testing.assert_allclose(difc.grad(difc.grad(special.kl_div))(2.0, 2.0), 0.5)
        np.testing.assert_allclose(difc.grad(special.comb)(5.0, 2.0), 10 * (1 / 5 + 1 / 4), rtol=1e-13)
        np.testing.assert_allclose(difc.grad(special.poch)(2.0, 3.0), 24 * (1 / 2 + 1 / 3 + 1 / 4), rtol=1e-13)
        np.testing.assert_allclose(difc.grad(special.factorial)(4.0), 24 * scipy.special.digamma(5.0), rtol=1e-13)


def test_derivatives_on_both_sides_of_a_change_of_formula() -> None:
    ends, root = np.array([0.24, 0.26, 0.5, 0.74, 0.76]), math.exp(0.5)
    power = np.array([0.99, 1.01, -0.99, -1.01]) * 0.5
    scale = np.array([1.01, 0.99, 1.0, 4.0])
    difc.testing.check_grads(special.logit, [ends])
    difc.testing.check_grads(lambda v: special.powm1(np.e, v) + special.boxcox(root, v), [power])
    difc.testing.check_grads(lambda v: special.boxcox(2.0, v) + special.inv_boxcox(2.0, v), [scale * 1e-4], eps=1e-4)
    difc.testing.check_grads(lambda v, r: special.pseudo_huber(v, r), [scale, np.ones(4)])
    difc.testing.check_grads(special.kl_div, [1.75 * scale, np.ones(4)])
    difc.testing.check_grads(special.rel_entr, [2 * scale, np.ones(4)])
    difc.testing.check_grads(special.betaln, [8 * scale, np.full(4, 8.0)])


def test_incomplete_gamma_of_huge_orders_by_the_order() -> None:
    a = np.array([2e7, 1e9, 1e12])
    x = a + np.array([-1.0, 0.5, 2.0]) * np.sqrt(a)
    by_order = difc.vmap(difc.grad(special.gammainc))
    found = np.asarray(difc.jit(by_order)(a, x))
    with difc.disable_jit():
        np.testing.assert_allclose(found, by_order(a, x), rtol=1e-11)
    # in x and a together P varies slowly: its slopes cancel but for a term of the next order
    np.testing.assert_allclose(found, -np.exp(-0.5 * (x - a) ** 2 / a) / np.sqrt(2 * np.pi * a), rtol=1e-3)
