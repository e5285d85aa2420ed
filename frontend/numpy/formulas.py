"""Ufuncs that are formulas over others, written in NumPy on tracers whose dtypes are settled.

Each formula is chosen so that neither its value nor its derivative goes through an overflow or 0/0 that the function
itself does not have: a select feeds its unused side harmless operands. Imports no other family.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import is_float
from difc.errors import DtypeError
from difc.numpy.common import fill
from difc.promotion import dtype_of
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap

__all__ = ["FORMULAS", "constant", "select", "static_power"]

LN2 = math.log(2.0)
#: Exponents up to this are products: exact for integers, and derivatives need no logarithm.
MAX_PRODUCT_EXPONENT = 64


def select(condition: Any, on_true: Any, on_false: Any) -> Any:
    """Return numpy.where of tracers (numbers take the other's dtype), with equal shapes."""
    like = on_true if isinstance(on_true, Tracer) else on_false
    sides = [x if isinstance(x, Tracer) else _full(like, x) for x in (on_true, on_false)]
    return wrap(dif.select(lift(condition), *map(lift, sides)))


def _full(like: Tracer, number: Any) -> Tracer:
    return wrap(fill(lift(like), number))


# ---- powers --------------------------------------------------------------------------------------


def static_power(x: Any, y: Any) -> Any:
    """Return x to a number known at trace time as a product, a root or a reciprocal; None for any other power.

    The derivative of the reciprocal of a product would leave the range of numbers long before it has to: `dif.pow` has
    a better one, and is lowered to that reciprocal.

    Raises:
      DtypeError: for an integer to a negative power, as NumPy does.
    """
    array = None if isinstance(y, Tracer) else np.asarray(y)
    if array is None or array.ndim or array.dtype.kind not in "iuf":
        return None
    exponent = array.item()
    if exponent < 0 and not is_float(x.dtype):
        raise DtypeError(
            "integers to negative integer powers are not integers",
            where=user_frame_location(),
            remedy="use a float: x.astype(np.float64) ** n",
        )
    if exponent == 0.5:
        return np.sqrt(x)
    if exponent == -1:
        return np.reciprocal(x)
    if not 0 <= exponent <= MAX_PRODUCT_EXPONENT or exponent != int(exponent):
        return None
    return _product_power(x, int(exponent)) if exponent else _full(x, 1)


def _product_power(x: Any, count: int) -> Any:
    """Return x multiplied by itself, by repeated squaring."""
    result = None
    while True:
        if count & 1:
            result = x if result is None else result * x
        count >>= 1
        if not count:
            return result
        x = x * x


# ---- division ------------------------------------------------------------------------------------


def constant(x: Any) -> Any:
    """Return a value that has no derivative."""
    return wrap(dif.stop_gradient(lift(x)))


def _is_unsigned(x: Any) -> bool:
    return dtype_of(x).kind in "ub"


def _floor_divide(x: Any, y: Any) -> Any:
    return _divmod(x, y)[0]


def _remainder(x: Any, y: Any) -> Any:
    return _divmod(x, y)[1]


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """Quotient rounded down, and the remainder with the sign of y (as Python's); the steps of NumPy's own."""
    rest = wrap(dif.rem(lift(x), lift(y)))
    if not is_float(dtype_of(x)):
        quotient = wrap(dif.div(lift(x), lift(y)))
        if _is_unsigned(x):
            return quotient, rest
        wrong = (rest != 0) & ((rest < 0) != (y < 0))
        return select(wrong, quotient - 1, quotient), select(wrong, rest + y, rest)
    wrong = (rest != 0) & ((rest < 0) != (y < 0))
    no_rest = np.copysign(_full(y, 0), y) - (constant(rest) - rest)  # a zero with the derivative of the rest
    remainder = select(rest == 0, no_rest, select(wrong, rest + y, rest))
    whole = select(wrong, (x - rest) / y - 1, (x - rest) / y)
    down = np.floor(whole)
    down = select(whole - down > 0.5, down + 1, down)
    quotient = select(whole != 0, down, np.copysign(_full(y, 0), x / y))
    by_zero = y == 0
    return select(by_zero, constant(x / y), quotient), select(by_zero | np.isnan(rest), rest, remainder)


# ---- sums of exponentials -------------------------------------------------------------------------


def _larger_and_gap(x: Any, y: Any) -> tuple[Any, Any]:
    """Return the larger one, and what the other one has more than that.

    Where they are equal each side of the choice gives the derivatives of the whole, at any order.
    """
    first = x >= y
    larger, smaller = select(first, x, y), select(first, y, x)
    return larger, select((x == y) & np.isinf(x), 0.0, smaller - larger)


def _logaddexp(x: Any, y: Any) -> Any:
    larger, gap = _larger_and_gap(x, y)
    return larger + np.log1p(np.exp(gap))


def _logaddexp2(x: Any, y: Any) -> Any:
    larger, gap = _larger_and_gap(x, y)
    return larger + np.log1p(np.exp2(gap)) / LN2


# ---- signs, parts and choices --------------------------------------------------------------------


def _copysign(x: Any, y: Any) -> Any:
    size = np.abs(x)
    return select(np.signbit(y), -size, size)


def _heaviside(x: Any, at_zero: Any) -> Any:
    step = select(x > 0, _full(x, 1.0), _full(x, 0.0))
    return select(np.isnan(x), x, select(x == 0, at_zero, step))


def _trunc(x: Any) -> Any:
    return select(x < 0, np.ceil(x), np.floor(x)) if is_float(dtype_of(x)) else x


def _modf(x: Any) -> tuple[Any, Any]:
    whole = _trunc(x)
    part = select(np.isinf(x), 0.0, x - select(np.isinf(x), 0.0, whole))
    no_part = np.copysign(_full(x, 0), x) - (constant(part) - part)  # a zero with the derivative of the part
    return select(part == 0, no_part, part), whole


def _fmax(x: Any, y: Any) -> Any:
    return np.maximum(select(np.isnan(x), y, x), select(np.isnan(y), x, y))


def _fmin(x: Any, y: Any) -> Any:
    return np.minimum(select(np.isnan(x), y, x), select(np.isnan(y), x, y))


#: Formulas on tracers of equal shapes, in the dtypes that NumPy computes in.
FORMULAS: dict[np.ufunc, Callable[..., Any]] = {
    np.floor_divide: _floor_divide,
    np.remainder: _remainder,
    np.divmod: _divmod,
    np.logaddexp: _logaddexp,
    np.logaddexp2: _logaddexp2,
    np.deg2rad: lambda x: x * (math.pi / 180),
    np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi),
    np.degrees: lambda x: x * (180 / math.pi),
    np.copysign: _copysign,
    np.heaviside: _heaviside,
    np.trunc: _trunc,
    np.modf: _modf,
    np.fmax: _fmax,
    np.fmin: _fmin,
}
