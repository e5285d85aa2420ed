"""Special functions of one element: the same code for every target, in the dtype itself; half floats compute in f32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.expansions.bessel import bessel_i0e, bessel_i1e
from difc.pipelines.lowering.expansions.error_inverse import erfcinv, erfcx, erfinv
from difc.pipelines.lowering.expansions.gamma import gamma, lgamma, polygamma
from difc.pipelines.lowering.expansions.incomplete_gamma import gammainc, gammaincc
from difc.pipelines.lowering.expansions.reals import Real, Reals
from difc.pipelines.lowering.scalars import convert, widened
from difc.pipelines.lowering.values import Value

__all__: list[str] = []

#: Op -> function of the arithmetic, numbers and attributes.
TABLE: dict[dif.OpDef, Callable[..., Real]] = {
    dif.lgamma: lgamma,
    dif.gamma: gamma,
    dif.polygamma: polygamma,
    dif.gammainc: gammainc,
    dif.gammaincc: gammaincc,
    dif.erfcx: erfcx,
    dif.erfinv: erfinv,
    dif.erfcinv: erfcinv,
    dif.bessel_i0e: bessel_i0e,
    dif.bessel_i1e: bessel_i1e,
}

#: Those with loops: IREE (3.13) does not tile them, and what it fused with them would take memory for whole arrays.
LOOPS = (dif.gammainc, dif.gammaincc)


def _of_element(c: Context, dtype: np.dtype, function: Callable[..., Real], elements: tuple[ir.Value, ...]) -> ir.Value:
    narrow = dtype in (F16, BF16)
    f = Reals(c, F32 if narrow else dtype)
    result = function(f, *(Real(f, widened(c, dtype, x)) for x in elements)).value
    return convert(c, F32, result, dtype) if narrow else result


def _alone(c: Context, x: Value) -> Value:
    """Fence an array from what is fused with the code that reads it."""
    if x.scalar is None:
        x = x.copy()
        x.base = c.fence(c.view(x)[0])
    return x


for _opdef, _function in TABLE.items():

    @lowering(_opdef)
    def _(
        c: Context,
        out: Out,
        *xs: Value,
        _opdef: dif.OpDef = _opdef,
        _function: Callable[..., Real] = _function,
        **attributes: Any,
    ) -> Value:
        function = partial(_function, **attributes)
        if _opdef not in LOOPS:
            return c.elementwise(out, xs, lambda *elements: _of_element(c, out.dtype, function, elements))
        xs = tuple(_alone(c, x) for x in xs)
        return _alone(c, c.elementwise(out, xs, lambda *elements: _of_element(c, out.dtype, function, elements)))
