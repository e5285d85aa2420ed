"""Sums, products, quotients and roots with twice the digits, against fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from difc.dialects import F32, F64
from difc.pipelines.lowering.expansions.doubled import Doubled, normal, product, quotient, root, total
from difc.pipelines.lowering.expansions.reals import Real, Reals
from tests.pipelines.lowering.expansions.expanded import run

FORMULAS: dict[str, Callable[[Reals, Real, Real], Doubled]] = {
    "total": lambda f, x, y: total(x, y),
    "product": product,
    "square": lambda f, x, y: product(f, x, x),
    "quotient": lambda f, x, y: quotient(f, total(x, y), Doubled(y, f.real(0.0))),
    "root": lambda f, x, y: root(f, total(x, y)),
}
EXACT: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "total": lambda x, y: x + y,
    "product": lambda x, y: x * y,
    "square": lambda x, y: x * x,
    "quotient": lambda x, y: (x + y) / y,
    "root": lambda x, y: x + y,
}


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
def test_errors(dtype: np.dtype) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(2, 4, 300).astype(dtype), rng.uniform(0.001, 2, 300).astype(dtype)
    halves = {}
    for name, formula in FORMULAS.items():
        halves[f"{name}_high"] = lambda f, a, b, formula=formula: normal(formula(f, a, b)).high
        halves[f"{name}_low"] = lambda f, a, b, formula=formula: normal(formula(f, a, b)).low
    found = run(halves, dtype, x, y)
    allowed = Fraction(1, 2 ** (66 if dtype == F64 else 31))
    for name, exact in EXACT.items():
        for a, b, high, low in zip(x, y, found[f"{name}_high"], found[f"{name}_low"], strict=True):
            got = Fraction(float(high)) + Fraction(float(low))
            want = exact(Fraction(float(a)), Fraction(float(b)))
            error = abs(got * got / want - 1) / 2 if name == "root" else abs(got / want - 1)
            assert error <= allowed, f"{name}({a}, {b})"
