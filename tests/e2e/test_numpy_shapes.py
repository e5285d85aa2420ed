"""Functions about shapes, padding, polynomials and positions: derivatives to second order, vmap, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.pytree import flatten
from difc.testing import check_grads
from tests.e2e.sweeps import as_dtype, check_vmap, on_targets
from tests.frontend.numpy_cases_shape import SHAPE_CASES

RNG = np.random.default_rng(0)
X, V, W = RNG.normal(size=(3, 4)), RNG.uniform(0.5, 2, 5), RNG.uniform(0.5, 2, 5)
PLACES = np.array([0, 2, 2, -1])
ROWS = np.array([[0], [1], [2]])

SMOOTH: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "pad linear_ramp": (lambda x: np.pad(x, 2, "linear_ramp") ** 2, (X,)),
    "pad maximum": (lambda x: np.pad(x, 2, "maximum") ** 2, (X,)),
    "pad odd": (lambda x: np.pad(x, 5, "reflect", reflect_type="odd") ** 2, (X,)),
    "apply_along_axis": (lambda x: np.apply_along_axis(lambda v: np.outer(v, np.sin(v)), 1, x), (X,)),
    "vectorize": (lambda x, y: dnp.vectorize(lambda a, b: np.sin(a) * b)(x[:, None], y), (V, W)),
    "piecewise": (lambda x: np.piecewise(x, [x < 1, x > 1.5], [np.sin, lambda v: v**3, 2.0]), (V,)),
    "choose": (lambda x: np.choose(np.array([0, 1, 2, 0, 1]), [x, x**2, np.exp(x)]), (V,)),
    "geomspace": (lambda x: dnp.geomspace(x[0], x[1], 5), (V,)),
    "poly": (np.poly, (V,)),
    "polyint": (lambda p: np.polyint(p**2, 2), (V,)),
    "frexp": (lambda x: np.frexp(x)[0] ** 2, (V,)),
    "ldexp": (lambda x: np.ldexp(x, 3) ** 2, (V,)),
    "modf": (lambda x: np.modf(x)[0] ** 2, (V,)),
    "fmod": (lambda x, y: np.fmod(x, y) ** 2, (3 * V, W)),
    "divmod": (lambda x, y: np.divmod(x, y)[1] ** 2, (-3 * V, W)),
    "copysign": (lambda x, y: np.copysign(x, y) ** 3, (V, -W)),
    "at multiply": (lambda x, v: x.at[PLACES].multiply(v), (X.T, RNG.normal(size=(4, 3)))),
    "at max": (lambda x, v: x.at[PLACES].max(v) ** 2, (X.T, RNG.normal(size=(4, 3)))),
    "at min": (lambda x, v: x.at[PLACES, PLACES[:, None] % 2].min(v) ** 2, (X.T, RNG.normal(size=(4, 4)))),
    "at divide": (lambda x, v: x.at[PLACES].divide(v), (V, W[:4])),
    "at power": (lambda x, v: x.at[[0, 2, 2, -1]].power(v), (V, W[:4])),
    "put_along_axis": (lambda x, v: dnp.put_along_axis(x, ROWS, v, 1, inplace=False) ** 2, (X, X[:, :1])),
    "fill_diagonal": (lambda x: dnp.fill_diagonal(x, x[0, 0] * 2, inplace=False) ** 2, (X,)),
    "roll": (lambda x: np.roll(x, 1, 0) * x, (X,)),
    "insert": (lambda x: np.insert(x, 1, x[0] ** 2, 0), (X,)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name: str) -> None:
    f, arguments = SMOOTH[name]
    check_grads(f, arguments, modes=("rev",))


def test_vmap_is_a_loop() -> None:
    check_vmap(SMOOTH)


@on_targets
def test_compiled(target: str, dtype: Any) -> None:
    """The first case of each function, all in one module, and the derivative of updates at positions that repeat."""
    cases = [(name, rows[0][0], as_dtype(rows[0][1], dtype)) for name, rows in SHAPE_CASES.items()]
    places, x, v = PLACES.copy(), X.T.astype(dtype), X.T.astype(dtype)[::-1].copy()

    def updates(x: Any, v: Any, places: Any) -> Any:
        total = x.at[places].max(v) + x.at[places].min(v) + x.at[places].multiply(v) + x.at[places].divide(v)
        return np.sum(total**2) + np.sum((np.abs(x) + 0.5).at[places].power(v))

    def program(arguments: Any, x: Any, v: Any, places: Any) -> Any:
        results = [f(*a) for (_, f, _), a in zip(cases, arguments, strict=True)]
        return results, difc.grad(updates, (0, 1))(x, v, places)

    arguments = [a for _, _, a in cases]
    found, slopes = difc.compile(program, arguments, x, v, places, target=target)(arguments, x, v, places)
    limit = 1e-12 if dtype == np.float64 else 2e-5
    for (name, f, a), result in zip(cases, found, strict=True):
        for got, wanted in zip(flatten(result)[0], flatten(f(*a))[0], strict=True):
            np.testing.assert_allclose(np.asarray(got), wanted, rtol=limit, atol=limit, err_msg=name)
    with difc.disable_jit():
        wanted_slopes = difc.grad(updates, (0, 1))(x, v, places)
    for got, wanted in zip(slopes, wanted_slopes, strict=True):
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=limit, atol=limit)
