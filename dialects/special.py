"""Elementwise special functions: those that no formula of other ops gives in full precision, with their derivatives."""

from __future__ import annotations

from difc.dialects.base import Int, OpDef, op
from difc.dialects.types import Aval, check_dtype, check_same_dtype, same_shape
from difc.errors import DtypeError

__all__ = [
    "MOST_DERIVATIVES",
    "SPECIAL",
    "bessel_i0e",
    "bessel_i1e",
    "bessel_j0",
    "bessel_j1",
    "bessel_k0e",
    "bessel_k1e",
    "bessel_y0",
    "bessel_y1",
    "betainc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "gamma",
    "gammainc",
    "gammainc_by_order",
    "gammaincc",
    "lgamma",
    "polygamma",
]

#: The highest order of `polygamma`.
MOST_DERIVATIVES = 20

SPECIAL: list[OpDef] = []


def _special(name: str, doc: str) -> OpDef:
    def infer(x: Aval) -> Aval:
        check_dtype(name, x.dtype, "float")
        return Aval(x.shape, x.dtype)

    infer.__doc__ = doc
    SPECIAL.append(op(infer, name=name))
    return SPECIAL[-1]


lgamma = _special("lgamma", "Logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, ...")
gamma = _special("gamma", "Gamma function; NaN at -1, -2, ..., infinite at 0.")
erfcx = _special("erfcx", "e^(x^2) erfc(x).")
erfinv = _special("erfinv", "The inverse of erf; infinite at -1 and 1, NaN beyond.")
erfcinv = _special("erfcinv", "The inverse of erfc; infinite at 0 and 2, NaN beyond.")
bessel_i0e = _special("bessel_i0e", "e^-|x| I0(x), the scaled modified Bessel function of order 0.")
bessel_i1e = _special("bessel_i1e", "e^-|x| I1(x), the scaled modified Bessel function of order 1.")
bessel_j0 = _special("bessel_j0", "J0(x), the Bessel function of the first kind of order 0.")
bessel_j1 = _special("bessel_j1", "J1(x), the Bessel function of the first kind of order 1.")
bessel_y0 = _special("bessel_y0", "Y0(x), the Bessel function of the second kind of order 0; NaN below 0.")
bessel_y1 = _special("bessel_y1", "Y1(x), the Bessel function of the second kind of order 1; NaN below 0.")
bessel_k0e = _special("bessel_k0e", "e^x K0(x), the scaled modified Bessel function of the second kind of order 0.")
bessel_k1e = _special("bessel_k1e", "e^x K1(x), the scaled modified Bessel function of the second kind of order 1.")


@op
def polygamma(x: Aval, *, order: Int) -> Aval:
    """The derivative of digamma of an order, which is 0 for digamma itself: (d/dx)^(order + 1) log gamma(x)."""
    check_dtype("polygamma", x.dtype, "float")
    if not 0 <= order <= MOST_DERIVATIVES:
        raise DtypeError(f"polygamma: the order {order} is not between 0 and {MOST_DERIVATIVES}")
    return Aval(x.shape, x.dtype)


SPECIAL.append(polygamma)


def _incomplete(name: str, doc: str) -> OpDef:
    def infer(a: Aval, x: Aval) -> Aval:
        check_same_dtype(name, a, x)
        check_dtype(name, x.dtype, "float")
        return Aval(same_shape(name, a, x), x.dtype)

    infer.__doc__ = doc
    SPECIAL.append(op(infer, name=name))
    return SPECIAL[-1]


gammainc = _incomplete("gammainc", "Regularized lower incomplete gamma function P(a, x): 0 to 1 as x grows from 0.")
gammaincc = _incomplete("gammaincc", "Regularized upper incomplete gamma function Q(a, x) = 1 - P(a, x).")
gammainc_by_order = _incomplete("gammainc_by_order", "The derivative of P(a, x) by a; at a = 0 that from above.")


@op
def betainc(a: Aval, b: Aval, x: Aval) -> Aval:
    """Regularized incomplete beta function I(a, b, x): 0 to 1 as x grows from 0 to 1."""
    check_same_dtype("betainc", a, b, x)
    check_dtype("betainc", x.dtype, "float")
    return Aval(same_shape("betainc", a, b, x), x.dtype)


SPECIAL.append(betainc)
