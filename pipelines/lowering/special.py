"""Special functions of one element: the same code for every target, in the dtype itself; half floats compute in f32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, F16, F32
from difc.pipelines.lowering.composition import composed
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.expansions.bessel import bessel_i0e, bessel_i1e
from difc.pipelines.lowering.expansions.error_inverse import erfcinv, erfcx, erfinv
from difc.pipelines.lowering.expansions.gamma import gamma, lgamma, polygamma
from difc.pipelines.lowering.expansions.incomplete_gamma import (
    continued_fraction,
    power_series,
    regularized,
    series_of_complement,
)
from difc.pipelines.lowering.expansions.reals import Real, Reals
from difc.pipelines.lowering.scalars import convert, widened
from difc.pipelines.lowering.values import Value

__all__: list[str] = []

#: Op -> function of the arithmetic, numbers and attributes.
TABLE: dict[dif.OpDef, Callable[..., Real]] = {
    dif.lgamma: lgamma,
    dif.gamma: gamma,
    dif.polygamma: polygamma,
    dif.erfcx: erfcx,
    dif.erfinv: erfinv,
    dif.erfcinv: erfcinv,
    dif.bessel_i0e: bessel_i0e,
    dif.bessel_i1e: bessel_i1e,
}


def _of_element(c: Context, dtype: np.dtype, function: Callable[..., Real], elements: tuple[ir.Value, ...]) -> ir.Value:
    narrow = dtype in (F16, BF16)
    f = Reals(c, F32 if narrow else dtype)
    result = function(f, *(Real(f, widened(c, dtype, x)) for x in elements)).value
    return convert(c, F32, result, dtype) if narrow else result


for _opdef, _function in TABLE.items():

    @lowering(_opdef)
    def _(c: Context, out: Out, *xs: Value, _function: Callable[..., Real] = _function, **attributes: Any) -> Value:
        function = partial(_function, **attributes)
        return c.elementwise(out, xs, lambda *elements: _of_element(c, out.dtype, function, elements))


def _incomplete_gamma(*loops: Callable[..., Real]) -> Callable[..., Value]:
    """Return the rule of an incomplete gamma function, which needs the results of some loops.

    Each loop is a kernel that holds nothing else, and carries at most four numbers: else IREE (3.13) keeps whole arrays
    on the stack, where sizes are known at run time and there are loops on the host as well.
    """

    def rule(c: Context, out: Out, *xs: Value) -> Value:
        def apply(function: Callable[..., Real], operands: Sequence[Value]) -> Value:
            return c.elementwise(out, operands, lambda *elements: _of_element(c, out.dtype, function, elements))

        if out.dtype in (F16, BF16):  # the loops' results are kept in f32
            opdef, dtype = dif.OPS[out.operation.name], out.dtype
            wide = lambda *values: opdef(*(dif.convert(v, dtype=F32) for v in values))  # noqa: E731
            return composed(c, lambda *values: dif.convert(wide(*values), dtype=dtype), *xs)[0]
        arguments = [_alone(c, x) for x in xs]
        parts = [_alone(c, apply(loop, arguments)) for loop in loops]
        return apply(regularized, [*arguments, *parts])

    return rule


def _alone(c: Context, x: Value) -> Value:
    """Fence an array from what is fused with the code that reads it."""
    if x.scalar is None:
        x = x.copy()
        x.base = c.fence(c.view(x)[0])
    return x


lowering(dif.gammainc)(_incomplete_gamma(power_series, continued_fraction))
lowering(dif.gammaincc)(_incomplete_gamma(power_series, continued_fraction, series_of_complement))
