"""Derivatives and batching of the special functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.registry import defjvp
from difc.ad_pass.rules.elementwise import batch_elementwise
from difc.ad_pass.zero import const_like, zeros_like
from difc.dialects import MOST_DERIVATIVES, current_builder
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError

__all__: list[str] = []


def _times(x: ir.Value, number: float) -> ir.Value:
    return dif.mul(x, const_like(x, number))


def _polynomial(x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    """Return the sum of coefficients times x^0, x^1, ..."""
    total = const_like(x, coefficients[-1])
    for number in reversed(coefficients[:-1]):
        total = dif.add(dif.mul(total, x), const_like(x, number))
    return total


def _no_derivative(message: str, remedy: str) -> UnsupportedError:
    return UnsupportedError(message, where=user_location(current_builder().location), remedy=remedy)


# ---- gamma functions -----------------------------------------------------------------------------

defjvp(dif.lgamma, lambda t, y, x: dif.mul(t, dif.polygamma(x, order=0)))
defjvp(dif.gamma, lambda t, y, x: dif.mul(t, dif.mul(y, dif.polygamma(x, order=0))))


def _polygamma(t: ir.Value, y: ir.Value, x: ir.Value, *, order: int) -> ir.Value:
    if order == MOST_DERIVATIVES:
        message = f"polygamma of order {order} has no derivative: {MOST_DERIVATIVES} is the highest order"
        raise _no_derivative(message, "take fewer derivatives")
    return dif.mul(t, dif.polygamma(x, order=order + 1))


defjvp(dif.polygamma, _polygamma)


# ---- incomplete gamma functions ------------------------------------------------------------------


def _density(a: ir.Value, x: ir.Value) -> ir.Value:
    """x^(a - 1) e^-x / gamma(a), the derivative of P(a, x) by x."""
    less_one = dif.sub(a, const_like(a, 1.0))
    is_one, is_zero = (dif.compare(v, zeros_like(v), direction="eq") for v in (less_one, x))
    safe = dif.select(dif.and_(is_one, is_zero), const_like(x, 1.0), x)  # where log 0 must not matter
    power = dif.mul(less_one, dif.log(safe))
    return dif.exp(dif.sub(dif.sub(power, x), dif.lgamma(a)))


def _twice_by_order(*_: Any) -> ir.Value:
    raise _no_derivative(
        "gammainc and gammaincc have no second derivative by their first argument, the order",
        "take the second derivative by x alone, with difc.stop_gradient(a)",
    )


def _density_by_order(t: ir.Value, y: ir.Value, a: ir.Value, x: ir.Value) -> ir.Value:
    """The density times log x - digamma(a): 0 where the density is."""
    density = _density(a, x)
    safe = dif.select(dif.compare(density, zeros_like(x), direction="eq"), const_like(x, 1.0), x)
    return dif.mul(t, dif.mul(density, dif.sub(dif.log(safe), dif.polygamma(a, order=0))))


def _gammainc_by_a(t: ir.Value, y: ir.Value, a: ir.Value, x: ir.Value) -> ir.Value:
    return dif.mul(t, dif.gammainc_by_order(a, x))


def _gammainc_by_x(t: ir.Value, y: ir.Value, a: ir.Value, x: ir.Value) -> ir.Value:
    return dif.mul(t, _density(a, x))


defjvp(dif.gammainc, _gammainc_by_a, _gammainc_by_x)
defjvp(dif.gammaincc, *(lambda *args, by=by: dif.neg(by(*args)) for by in (_gammainc_by_a, _gammainc_by_x)))
defjvp(dif.gammainc_by_order, _twice_by_order, _density_by_order)

# ---- the incomplete beta function ----------------------------------------------------------------


def _betainc_by_shape(*_: Any) -> ir.Value:
    raise _no_derivative(
        "betainc has no derivative by its first two arguments",
        "take the derivative by x alone, with difc.stop_gradient of the others",
    )


def _betainc_by_x(t: ir.Value, y: ir.Value, a: ir.Value, b: ir.Value, x: ir.Value) -> ir.Value:
    """x^(a - 1) (1 - x)^(b - 1) / beta(a, b)."""
    one = const_like(x, 1.0)
    exponent = dif.sub(dif.sub(dif.lgamma(dif.add(a, b)), dif.lgamma(a)), dif.lgamma(b))
    for power, logarithm, end in ((a, dif.log, zeros_like(x)), (b, lambda v: dif.log1p(dif.neg(v)), one)):
        less_one = dif.sub(power, one)
        is_one, at_end = dif.compare(less_one, zeros_like(x), direction="eq"), dif.compare(x, end, direction="eq")
        safe = dif.select(dif.and_(is_one, at_end), const_like(x, 0.5), x)  # where the logarithm must not matter
        exponent = dif.add(exponent, dif.mul(less_one, logarithm(safe)))
    return dif.mul(t, dif.exp(exponent))


defjvp(dif.betainc, _betainc_by_shape, _betainc_by_shape, _betainc_by_x)

# ---- error functions -----------------------------------------------------------------------------


#: From here on the asymptotic series of erfcx has full precision. In (_FAR / x)^2 its coefficients are small numbers:
#: (-1)^k (2k - 1)!! / (2 _FAR^2)^k.
_FAR = 10.0
_ERFCX = [(-1) ** k * math.factorial(2 * k) / math.factorial(k) / (4 * _FAR**2) ** k for k in range(1, 15)]


def _erfcx(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """2 x y - 2 / sqrt(pi); for large x, where that cancels, its series."""
    far, one = dif.compare(x, const_like(x, _FAR), direction="ge"), const_like(x, 1.0)
    near = dif.sub(dif.mul(dif.select(far, one, x), y), const_like(x, 1 / math.sqrt(math.pi)))
    inverse = dif.div(const_like(x, _FAR), dif.select(far, x, const_like(x, _FAR)))
    square = dif.mul(inverse, inverse)
    series = _times(dif.mul(square, _polynomial(square, _ERFCX)), 1 / math.sqrt(math.pi))
    return dif.mul(t, _times(dif.select(far, series, near), 2.0))


def _growth(y: ir.Value) -> ir.Value:
    """sqrt(pi) / 2 exp(y^2), the inverse of the derivative of erf."""
    return _times(dif.exp(dif.mul(y, y)), math.sqrt(math.pi) / 2)


defjvp(dif.erfcx, _erfcx)
defjvp(dif.erfinv, lambda t, y, x: dif.mul(t, _growth(y)))
defjvp(dif.erfcinv, lambda t, y, x: dif.neg(dif.mul(t, _growth(y))))

# ---- Bessel functions ----------------------------------------------------------------------------


def _i0e(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """i1e(x) - sign(x) i0e(x)."""
    return dif.mul(t, dif.sub(dif.bessel_i1e(x), dif.mul(dif.sign(x), y)))


#: Coefficients of (2 / x) I1(x) as a series in (x / 2)^2, and, but for signs, of (2 / x) J1(x).
_I1 = [1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(11)]


def _over_x(y: ir.Value, x: ir.Value, sign: int, scale: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """y / x for I1 (sign 1) or J1 (-1) times a scale: by its series near 0, where derivatives of a quotient cancel."""
    one = const_like(x, 1.0)
    near = dif.compare(dif.abs(x), one, direction="lt")
    inside = dif.select(near, x, one)
    series = _polynomial(_times(dif.mul(inside, inside), 0.25 * sign), _I1)
    return dif.select(near, dif.mul(_times(scale(inside), 0.5), series), dif.div(y, dif.select(near, one, x)))


def _i1e(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """i0e(x) - sign(x) i1e(x) - i1e(x) / x."""
    ratio = _over_x(y, x, 1, lambda x: dif.exp(dif.neg(dif.abs(x))))
    return dif.mul(t, dif.sub(dif.bessel_i0e(x), dif.add(dif.mul(dif.sign(x), y), ratio)))


def _j1(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """j0(x) - j1(x) / x."""
    return dif.mul(t, dif.sub(dif.bessel_j0(x), _over_x(y, x, -1, lambda x: const_like(x, 1.0))))


def _k1e(t: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """k1e(x) - k0e(x) - k1e(x) / x."""
    return dif.mul(t, dif.sub(dif.sub(y, dif.bessel_k0e(x)), dif.div(y, x)))


defjvp(dif.bessel_i0e, _i0e)
defjvp(dif.bessel_i1e, _i1e)
defjvp(dif.bessel_j0, lambda t, y, x: dif.neg(dif.mul(t, dif.bessel_j1(x))))
defjvp(dif.bessel_j1, _j1)
defjvp(dif.bessel_y0, lambda t, y, x: dif.neg(dif.mul(t, dif.bessel_y1(x))))
defjvp(dif.bessel_y1, lambda t, y, x: dif.mul(t, dif.sub(dif.bessel_y0(x), dif.div(y, x))))
defjvp(dif.bessel_k0e, lambda t, y, x: dif.mul(t, dif.sub(y, dif.bessel_k1e(x))))
defjvp(dif.bessel_k1e, _k1e)

# ---- batching ------------------------------------------------------------------------------------

for _op in dif.SPECIAL:
    batch_elementwise(_op)
