"""Derivatives and batching of the elementwise ops.

A rule multiplies the tangent by primal factors, so that the same text serves forward mode and, split at the tangent,
reverse mode. Factors use the output where that saves keeping another array (`exp`, `tanh`, `sqrt`, `div`).
"""

from __future__ import annotations

import math
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import (
    JVP,
    Node,
    defbatch,
    defbilinear,
    defjvp,
    deflinear,
    deftranspose,
    defzero,
)
from difc.ad_pass.rules._common import mapped_all
from difc.ad_pass.zero import Linear, Tangent, Zero, const_like, zeros_like
from difc.dialects import OpDef, aval_of, clone_op, is_float
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size

__all__ = ["batch_elementwise"]

# ---- linear ops ----------------------------------------------------------------------------------

deflinear(dif.neg, lambda ct, x: dif.neg(ct))
# The jvp rules given after these two declarations spare a sum with zeros where only one operand varies.
deflinear(dif.add, lambda ct, x, y: (ct, ct), slots=(0, 1))
deflinear(dif.sub, lambda ct, x, y: (ct, dif.neg(ct) if isinstance(y, Linear) else None), slots=(0, 1))
defjvp(dif.add, lambda t, out, x, y: t, lambda t, out, x, y: t)


def _sub_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    outs = clone_op(node.operation, primals)
    tx, ty = tangents
    if isinstance(ty, Zero):
        return outs, [tx]
    return outs, [dif.neg(ty) if isinstance(tx, Zero) else dif.sub(tx, ty)]


JVP[dif.sub.name] = _sub_jvp


def _select_transpose(ct: ir.Value, pred: ir.Value, on_true: Any, on_false: Any) -> tuple[Any, Any]:
    zeros = zeros_like(ct)
    return (
        dif.select(pred, ct, zeros) if isinstance(on_true, Linear) else None,
        dif.select(pred, zeros, ct) if isinstance(on_false, Linear) else None,
    )


deflinear(dif.select, _select_transpose, slots=(1, 2))


def _convert_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    (out,) = clone_op(node.operation, primals)
    (t,) = tangents
    if isinstance(t, Zero) or not is_float(aval_of(out).dtype):
        return [out], [Zero(aval_of(out))]
    return [out], [dif.convert(t, dtype=node.attributes["dtype"])]


deflinear(dif.convert, lambda ct, x, dtype: dif.convert(ct, dtype=x.aval.dtype))
JVP[dif.convert.name] = _convert_jvp

# ---- products and quotients ----------------------------------------------------------------------

defbilinear(dif.mul, lhs=lambda ct, x, y: dif.mul(ct, y), rhs=lambda ct, x, y: dif.mul(x, ct))


def _div_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    # d(x/y) = (dx - (x/y) dy) / y: one division, and nothing kept but the output and y.
    (out,) = clone_op(node.operation, primals)
    tx, ty = tangents
    if isinstance(ty, Zero):
        return [out], [tx if isinstance(tx, Zero) else dif.div(tx, primals[1])]
    drop = dif.mul(ty, out)
    return [out], [dif.div(dif.neg(drop) if isinstance(tx, Zero) else dif.sub(tx, drop), primals[1])]


deftranspose(dif.div, 0, lambda ct, x, y: dif.div(ct, y))
JVP[dif.div.name] = _div_jvp


# The quotient that `rem` rounds towards zero, recovered from the output so that the two always agree.
defjvp(
    dif.rem,
    lambda t, out, x, y: t,
    lambda t, out, x, y: dif.neg(dif.mul(t, dif.round(dif.div(dif.sub(x, out), y)))),
)


def _is(direction: str, x: ir.Value, number: float) -> ir.Value:
    return dif.compare(x, const_like(x, number), direction=direction)


def _number(x: ir.Value) -> float | None:
    """Return the number that an array repeats, if it is known."""
    while not isinstance(x.owner, ir.Block):
        operation = x.owner.operation
        if operation.name == dif.constant.name and not aval_of(x).ndim:
            return float(Node.of(operation).attributes["value"])
        if operation.name != dif.broadcast_in_dim.name:
            return None
        x = operation.operands[0]
    return None


def _pow_x(t: ir.Value, out: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    number = _number(y)
    if number:
        return dif.mul(t, dif.mul(y, dif.pow(x, const_like(y, number - 1.0))))
    # d(x^y)/dx = y x^(y-1). At x = y = 0 the exponent is replaced, for 0 * inf would be NaN; it is kept at y = 0
    # elsewhere, where the derivative of this expression by y is 1/x.
    both_zero = dif.and_(_is("eq", x, 0.0), _is("eq", y, 0.0))
    one = const_like(y, 1.0)
    return dif.mul(t, dif.mul(y, dif.pow(x, dif.select(both_zero, one, dif.sub(y, one)))))


def _pow_y(t: ir.Value, out: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    # d(x^y)/dy = x^y log x, which is 0 at x = 0 for y > 0 (and is defined so for y = 0): the log is taken of 1 there.
    limit = dif.and_(_is("eq", x, 0.0), _is("ge", y, 0.0))
    return dif.mul(t, dif.mul(out, dif.log(dif.select(limit, const_like(x, 1.0), x))))


defjvp(dif.pow, _pow_x, _pow_y)


def _share(x: ir.Value, y: ir.Value, direction: str) -> ir.Value:
    """The weight of `x` in max or min of `x` and `y`: 1 where it is the result, 1/2 where both are, else 0."""
    tie = dif.compare(x, y, direction="eq")
    sole = dif.compare(x, y, direction=direction)
    return dif.select(sole, const_like(x, 1.0), dif.select(tie, const_like(x, 0.5), zeros_like(x)))


for _op, _direction in ((dif.max, "gt"), (dif.min, "lt")):
    defjvp(
        _op,
        lambda t, out, x, y, wins=_direction: dif.mul(t, _share(x, y, wins)),
        lambda t, out, x, y, wins=_direction: dif.mul(t, _share(y, x, wins)),
    )

# ---- functions of one variable -------------------------------------------------------------------

defjvp(dif.abs, lambda t, y, x: dif.mul(t, dif.sign(x)))
defjvp(dif.exp, lambda t, y, x: dif.mul(t, y))
defjvp(dif.exp2, lambda t, y, x: dif.mul(t, dif.mul(y, const_like(x, math.log(2.0)))))
defjvp(dif.expm1, lambda t, y, x: dif.mul(t, dif.add(y, const_like(x, 1.0))))
defjvp(dif.log, lambda t, y, x: dif.div(t, x))
defjvp(dif.log1p, lambda t, y, x: dif.div(t, dif.add(x, const_like(x, 1.0))))
defjvp(dif.log2, lambda t, y, x: dif.div(t, dif.mul(x, const_like(x, math.log(2.0)))))
defjvp(dif.log10, lambda t, y, x: dif.div(t, dif.mul(x, const_like(x, math.log(10.0)))))
defjvp(dif.sqrt, lambda t, y, x: dif.div(dif.mul(t, const_like(x, 0.5)), y))
defjvp(dif.rsqrt, lambda t, y, x: dif.mul(t, dif.mul(const_like(x, -0.5), dif.div(y, x))))
defjvp(dif.sin, lambda t, y, x: dif.mul(t, dif.cos(x)))
defjvp(dif.cos, lambda t, y, x: dif.neg(dif.mul(t, dif.sin(x))))
defjvp(dif.tan, lambda t, y, x: dif.mul(t, dif.add(const_like(x, 1.0), dif.mul(y, y))))
defjvp(dif.logistic, lambda t, y, x: dif.mul(t, dif.mul(y, dif.sub(const_like(x, 1.0), y))))


def _cbrt(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    inverse = dif.div(const_like(y, 1.0), y)  # its square has derivatives at 0 and infinity; that of y does not
    return dif.mul(t, dif.mul(const_like(x, 1 / 3), dif.mul(inverse, inverse)))


def _tanh(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    one = const_like(x, 1.0)
    return dif.mul(t, dif.mul(dif.sub(one, y), dif.add(one, y)))  # 1 - y^2, without its cancellation near |y| = 1


def _erf(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    return dif.mul(t, dif.mul(const_like(x, 2.0 / math.sqrt(math.pi)), dif.exp(dif.neg(dif.mul(x, x)))))


def _erfc(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    return dif.neg(_erf(t, y, x))


defjvp(dif.cbrt, _cbrt)
defjvp(dif.tanh, _tanh)
defjvp(dif.erf, _erf)
defjvp(dif.erfc, _erfc)
defjvp(dif.sinh, lambda t, y, x: dif.mul(t, dif.cosh(x)))
defjvp(dif.cosh, lambda t, y, x: dif.mul(t, dif.sinh(x)))

# ---- angles and areas ----------------------------------------------------------------------------


def _leg(x: ir.Value) -> ir.Value:
    """Return sqrt(1 - x^2), precise near 1."""
    one = const_like(x, 1.0)
    return dif.sqrt(dif.mul(dif.sub(one, x), dif.add(one, x)))


def _acosh(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    # t / sqrt(x^2 - 1), where x^2 may be out of range
    one = const_like(x, 1.0)
    return dif.div(t, dif.mul(dif.sqrt(dif.sub(x, one)), dif.sqrt(dif.add(x, one))))


def _atanh(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    one = const_like(x, 1.0)
    return dif.div(t, dif.mul(dif.sub(one, x), dif.add(one, x)))


def _over_length(t: ir.Value, along: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return t along / (x^2 + y^2), where the squares may be out of range."""
    length = dif.hypot(x, y)
    return dif.mul(t, dif.div(dif.div(along, length), length))


def _part_of_length(t: ir.Value, out: ir.Value, x: ir.Value) -> ir.Value:
    """Return t x / out; at a length of 0, where a derivative does not exist, it is 0, as are those of higher order."""
    nothing = dif.compare(out, zeros_like(out), direction="eq")
    ratio = dif.div(x, dif.select(nothing, const_like(out, 1.0), out))
    return dif.mul(t, dif.select(nothing, zeros_like(x), ratio))


defjvp(dif.asin, lambda t, y, x: dif.div(t, _leg(x)))
defjvp(dif.acos, lambda t, y, x: dif.neg(dif.div(t, _leg(x))))
defjvp(dif.atan, lambda t, y, x: dif.div(t, dif.add(const_like(x, 1.0), dif.mul(x, x))))
defjvp(dif.asinh, lambda t, y, x: dif.div(t, dif.hypot(x, const_like(x, 1.0))))
defjvp(dif.acosh, _acosh)
defjvp(dif.atanh, _atanh)
defjvp(
    dif.atan2,
    lambda t, out, y, x: _over_length(t, x, x, y),
    lambda t, out, y, x: dif.neg(_over_length(t, y, x, y)),
)
defjvp(dif.hypot, lambda t, out, x, y: _part_of_length(t, out, x), lambda t, out, x, y: _part_of_length(t, out, y))

# ---- ops without a derivative --------------------------------------------------------------------

defzero(dif.sign, dif.floor, dif.ceil, dif.round, because="it is constant between its steps")
defzero(dif.compare, dif.and_, dif.or_, dif.xor, dif.not_, because="its result is not a real number")
defzero(dif.shift_left, dif.shift_right, dif.gcd, dif.bitcast, because="its result is not a real number")
defzero(dif.stop_gradient, because="it is there to stop derivatives")

# ---- batching ------------------------------------------------------------------------------------


def batch_elementwise(opdef: OpDef) -> None:
    """Give the batching rule of an elementwise op."""

    def rule(size: Size, batched: list[bool], *operands: ir.Value, **attributes: Any) -> ir.Value:
        return opdef(*mapped_all(size, batched, operands), **attributes)

    defbatch(opdef, rule)


for _op in (*dif.UNARY, *dif.BINARY, dif.compare, dif.select, dif.convert, dif.bitcast):
    batch_elementwise(_op)
