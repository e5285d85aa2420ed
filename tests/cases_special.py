"""Rows of the case table for the special functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from tests.case import FLOAT, Case, Input

__all__ = ["special_functions"]

INF, NAN = math.inf, math.nan
EDGES = (0.0, -0.0, INF, -INF, NAN)

#: Name -> domain, and elements of interest.
UNARY: dict[str, tuple[float, float, tuple[float, ...]]] = {
    "lgamma": (0.3, 9.5, (*EDGES, 1.0, 2.0, -1.0, -2.5, 0.5, 100.0)),
    "gamma": (0.4, 5.0, (*EDGES, 1.0, 2.0, -1.0, -2.5, -3.5, 0.5, 30.0)),
    "erfcx": (-2.0, 6.0, (*EDGES, 1.0, 30.0, 1e4)),
    "erfinv": (-0.9, 0.9, (*EDGES, 1.0, -1.0, 0.5, -0.5, 1.5)),
    "erfcinv": (0.1, 1.9, (*EDGES, 1.0, 2.0, -1.0, 0.5, 1.5, 2.5, 1e-3)),
    "bessel_i0e": (-10.0, 10.0, (*EDGES, 1.0, -8.0, 100.0)),
    "bessel_i1e": (-10.0, 10.0, (*EDGES, 1.0, -8.0, 100.0)),
    "bessel_j0": (-10.0, 10.0, (*EDGES, 1.0, -8.0, 100.0)),
    "bessel_j1": (-10.0, 10.0, (*EDGES, 1.0, -8.0, 100.0)),
    "bessel_k0e": (0.3, 10.0, (*EDGES, 1.0, -8.0, 2.0, 100.0)),
    "bessel_k1e": (0.3, 10.0, (*EDGES, 1.0, -8.0, 2.0, 100.0)),
    "bessel_y0": (0.3, 10.0, (*EDGES, 1.0, -8.0, 8.0, 100.0)),
    "bessel_y1": (0.3, 10.0, (*EDGES, 1.0, -8.0, 8.0, 100.0)),
}


def special_functions() -> Iterator[Case]:
    """Return the rows."""
    for name, (low, high, special) in UNARY.items():
        x = Input((2, 3), "T", low, high)
        yield Case(name, f"dif.{name}", dif.OPS[f"dif.{name}"], (x,), FLOAT, special=(special,))
    for order in (0, 1, 2, 5):
        low, special = 0.5 + order / 4, (*EDGES, 1.0, 20.0, -0.5, -2.25)
        fn = partial(dif.polygamma, order=order)
        x = Input((2, 3), "T", low, 12.0)
        yield Case(f"polygamma_{order}", "dif.polygamma", fn, (x,), FLOAT, special=(special,))
    yield Case("polygamma_below", "dif.polygamma", partial(dif.polygamma, order=1), (Input((3,), "T", -2.8, -2.2),))
    for name in ("gammainc", "gammaincc", "gammainc_by_order"):  # orders from integers, for second derivatives
        pair = (Input((2, 3), "i32", 1, 9), Input((2, 3), "T", 0.3, 12.0))
        yield Case(name, f"dif.{name}", partial(_of_integers, dif.OPS[f"dif.{name}"]), pair, FLOAT)
    shape = Input((2, 3), "i32", 1, 9)
    yield Case("betainc", "dif.betainc", _betainc, (shape, shape, Input((2, 3), "T", 0.1, 0.9)), FLOAT)


def _of_integers(op: dif.OpDef, n: ir.Value, x: ir.Value) -> ir.Value:
    return op(dif.convert(n, dtype=aval_of(x).dtype), x)


def _betainc(m: ir.Value, n: ir.Value, x: ir.Value) -> ir.Value:
    return dif.betainc(*(dif.convert(v, dtype=aval_of(x).dtype) for v in (m, n)), x)
