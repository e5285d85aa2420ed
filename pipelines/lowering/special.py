"""Special functions of one element: the same code for every target, in the dtype itself; half floats compute in f32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from difc import dialects as dif
from difc.dialects.types import BF16, F16, F32
from difc.pipelines.lowering.composition import composed
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.expansions import bessel
from difc.pipelines.lowering.expansions.error_inverse import erfcinv, erfcx, erfinv
from difc.pipelines.lowering.expansions.gamma import gamma, lgamma, polygamma
from difc.pipelines.lowering.expansions.incomplete_beta import beta_fraction, regularized_beta
from difc.pipelines.lowering.expansions.incomplete_gamma import (
    continued_fraction,
    fraction_by_order,
    fraction_terms,
    order_from_above,
    power_series,
    regularized,
    regularized_by_order,
    series_by_order,
    series_of_complement,
)
from difc.pipelines.lowering.expansions.reals import Real
from difc.pipelines.lowering.functions import expanded
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
    dif.bessel_i0e: partial(bessel.scaled_i, order=0),
    dif.bessel_i1e: partial(bessel.scaled_i, order=1),
    dif.bessel_j0: partial(bessel.j, order=0),
    dif.bessel_j1: partial(bessel.j, order=1),
    dif.bessel_k0e: partial(bessel.scaled_k, order=0),
    dif.bessel_k1e: partial(bessel.scaled_k, order=1),
    dif.bessel_y0: partial(bessel.y, order=0),
    dif.bessel_y1: partial(bessel.y, order=1),
}


for _opdef, _function in TABLE.items():

    @lowering(_opdef)
    def _(c: Context, out: Out, *xs: Value, _function: Callable[..., Real] = _function, **attributes: Any) -> Value:
        function = expanded(partial(_function, **attributes))
        return c.elementwise(out, xs, lambda *elements: function(c, out.dtype, *elements))


#: Lowers a function of elements on arrays.
Apply = Callable[..., Value]


def _with_loops(program: Callable[..., Value]) -> Callable[..., Value]:
    """Return the rule of a function of `program(apply, loop, *operands)`, where `loop` applies a loop.

    Each loop is a kernel that holds nothing else, and carries at most four numbers: else IREE (3.13) keeps whole arrays
    on the stack, where sizes are known at run time and there are loops on the host as well.
    """

    def rule(c: Context, out: Out, *xs: Value) -> Value:
        def apply(function: Callable[..., Real], *operands: Value) -> Value:
            return c.elementwise(out, operands, lambda *elements: expanded(function)(c, out.dtype, *elements))

        if out.dtype in (F16, BF16):  # the loops' results are kept in f32
            opdef, dtype = dif.OPS[out.operation.name], out.dtype
            wide = lambda *values: opdef(*(dif.convert(v, dtype=F32) for v in values))  # noqa: E731
            return composed(c, lambda *values: dif.convert(wide(*values), dtype=dtype), *xs)[0]
        return program(
            apply, lambda function, *operands: _alone(c, apply(function, *operands)), *(_alone(c, x) for x in xs)
        )

    return rule


def _alone(c: Context, x: Value) -> Value:
    """Fence an array from what is fused with the code that reads it."""
    if x.scalar is None:
        x = x.copy()
        x.base = c.fence(c.view(x)[0])
    return x


def _lower(apply: Apply, loop: Apply, a: Value, x: Value) -> Value:
    return apply(regularized, a, x, loop(power_series, a, x), loop(continued_fraction, a, x))


def _upper(apply: Apply, loop: Apply, a: Value, x: Value) -> Value:
    parts = [loop(function, a, x) for function in (power_series, continued_fraction, series_of_complement)]
    return apply(regularized, a, x, *parts)


def _by_order(apply: Apply, loop: Apply, a: Value, x: Value) -> Value:
    a = loop(order_from_above, a, x)
    parts = [loop(function, a, x) for function in (power_series, series_by_order, continued_fraction)]
    slope = loop(fraction_by_order, a, x, loop(fraction_terms, a, x))
    return apply(regularized_by_order, a, x, *parts, slope)


def _beta(apply: Apply, loop: Apply, a: Value, b: Value, x: Value) -> Value:
    return apply(regularized_beta, a, b, x, loop(beta_fraction, a, b, x))


lowering(dif.gammainc)(_with_loops(_lower))
lowering(dif.gammaincc)(_with_loops(_upper))
lowering(dif.gammainc_by_order)(_with_loops(_by_order))
lowering(dif.betainc)(_with_loops(_beta))
