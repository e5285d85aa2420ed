"""The special functions as the interpreter computes them, beside SciPy; and what their type rules refuse."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special

from difc import dialects as dif
from difc.dialects import F32, F64, I64, Aval
from difc.errors import DtypeError
from tests.dialects.evaluating import evaluate

X = np.array([-7.3, -2.5, -1.0, -0.0, 0.0, 1e-9, 0.3, 0.999, 1.0, 1.4616, 2.0, 2.001, 5.0, 30.0, 600.0, np.inf, np.nan])
UNIT = np.array([0.0, 1e-300, 1e-9, 0.1, 0.5, 0.9, 1 - 1e-12, 1.0, 1.5, np.nan])
FUNCTIONS: dict[str, tuple[Any, Any, np.ndarray]] = {
    "lgamma": (dif.lgamma, scipy.special.gammaln, X),
    "gamma": (dif.gamma, scipy.special.gamma, X),
    "digamma": (partial(dif.polygamma, order=0), scipy.special.digamma, X),
    "trigamma": (partial(dif.polygamma, order=1), partial(scipy.special.polygamma, 1), X),
    "erfcx": (dif.erfcx, scipy.special.erfcx, X),
    "erfinv": (dif.erfinv, scipy.special.erfinv, np.append(UNIT, -UNIT)),
    "erfcinv": (dif.erfcinv, scipy.special.erfcinv, np.append(UNIT, 2 - UNIT)),
    "bessel_i0e": (dif.bessel_i0e, scipy.special.i0e, np.append(X, -X)),
    "bessel_i1e": (dif.bessel_i1e, scipy.special.i1e, np.append(X, -X)),
    **{
        f"bessel_{name}": (
            dif.OPS[f"dif.bessel_{name}"],
            getattr(scipy.special, name),
            np.append(X[np.isfinite(X)], [13.7, 47.1, 1003.0]),
        )
        for name in ("j0", "j1", "y0", "y1", "k0e", "k1e")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_meanings(name: str) -> None:
    op, reference, x = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        wanted = reference(x)
    np.testing.assert_allclose(evaluate(op, x), wanted, rtol=1e-12, atol=1e-300)
    single = evaluate(op, x.astype(np.float32))
    assert single.dtype == F32
    with np.errstate(all="ignore"):
        wanted = reference(x.astype(np.float32).astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(single, wanted, rtol=1e-6, atol=1e-37)


def test_incomplete_gamma_functions_add_up_to_one() -> None:
    a, x = (v.ravel() for v in np.meshgrid([1e-5, 0.5, 3.0, 40.0, 1e4], [1e-3, 1.0, 5.0, 41.0, 1.01e4]))
    p, q = evaluate(dif.gammainc, a, x), evaluate(dif.gammaincc, a, x)
    np.testing.assert_allclose(p + q, 1.0, rtol=1e-13)
    np.testing.assert_allclose(p, scipy.special.gammainc(a, x), rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(q, scipy.special.gammaincc(a, x), rtol=1e-11, atol=1e-300)


def test_the_incomplete_beta_function_and_its_edges() -> None:
    ends = [0.0, 1.0, 2.5, np.inf, -1.0]
    edges = np.array(list(itertools.product(ends, ends, [0.0, 0.3, 1.0, -0.1, 1.1, np.nan]))).T
    np.testing.assert_allclose(evaluate(dif.betainc, *edges), scipy.special.betainc(*edges), rtol=1e-13)
    rng = np.random.default_rng(0)
    a, b = 10.0 ** rng.uniform(-2, 3, (2, 60))
    x = np.clip(a / (a + b) + rng.normal(size=60) / np.sqrt(a + b + 1) / 4, 1e-5, 1 - 1e-5)
    np.testing.assert_allclose(evaluate(dif.betainc, a, b, x), scipy.special.betainc(a, b, x), rtol=1e-11, atol=1e-14)


def test_what_is_refused() -> None:
    with pytest.raises(DtypeError, match="betainc: operand dtypes differ"):
        dif.betainc.infer(Aval((2,), F64), Aval((2,), F32), Aval((2,), F64))
    with pytest.raises(DtypeError, match="lgamma takes float elements, not int64"):
        dif.lgamma.infer(Aval((2,), I64))
    with pytest.raises(DtypeError, match="polygamma: the order 21 is not between 0 and 20"):
        dif.polygamma.infer(Aval((2,), F64), order=21)
    with pytest.raises(DtypeError, match="gammainc: operand dtypes differ"):
        dif.gammainc.infer(Aval((2,), F64), Aval((2,), F32))
