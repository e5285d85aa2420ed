"""Ufuncs that look at the bits of numbers: exponents, signs, neighbours, counts of bits, common divisors.

Formulas on tracers of settled dtypes, as in `formulas.py`. Bits carry no derivative, so a function that has one scales
by powers of two that come from bits, and is a product in its argument. Imports `formulas` of the families.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import is_float
from difc.numpy.formulas import constant, select
from difc.promotion import dtype_of
from difc.tracer import lift, wrap

__all__ = ["FORMULAS", "OF_BITS"]


def _bits(x: Any) -> Any:
    """Return the bits of floats as unsigned integers."""
    return wrap(dif.bitcast(lift(x), dtype=np.dtype(f"u{dtype_of(x).itemsize}")))


def _from_bits(bits: Any, like: Any) -> Any:
    """Return the floats, of the dtype of `like`, that integers are the bits of."""
    return wrap(dif.bitcast(lift(bits), dtype=dtype_of(like)))


def _layout(x: Any) -> tuple[int, int]:
    """Return the number of bits of the fraction, and the bias of the exponent."""
    return (52, 1023) if dtype_of(x).itemsize == 8 else (23, 127)


def _signbit(x: Any) -> Any:
    """Return where the sign is minus, that of zeros and NaN included. (numpy.signbit)"""
    if not is_float(dtype_of(x)):
        return x < 0
    return _bits(x) >> (8 * dtype_of(x).itemsize - 1) != 0


# ---- exponents -----------------------------------------------------------------------------------


def _power_of_two(x: Any, exponent: Any) -> Any:
    """Return 2 to an integer power within the normal range of the dtype of `x`."""
    fraction, bias = _layout(x)
    return _from_bits((exponent + bias).astype(f"u{dtype_of(x).itemsize}") << fraction, x)


def _ldexp(x: Any, exponent: Any) -> Any:
    """Return x times a power of two, in steps that are exact but for the last."""
    fraction, bias = _layout(x)
    n = np.clip(exponent, -5000, 5000).astype(f"i{dtype_of(x).itemsize}")
    # A step down ends `fraction` bits above the subnormal numbers, so that only the last product rounds.
    for limit, down in ((bias, False), (bias, False), (1 - bias, True), (1 - bias, True)):
        step = limit + fraction if down else limit
        far = n < limit if down else n > limit
        x = x * select(far, 2.0**step, np.ones_like(x))
        n = select(far, n - step, n)
    return x * _power_of_two(x, np.clip(n, 1 - bias, bias))


def _frexp(x: Any) -> tuple[Any, Any]:
    """Return the part of each number in [1/2, 1), and the exponent of the power of two that was taken out."""
    fraction, bias = _layout(x)
    lift_by = fraction + 2
    tiny = np.abs(x) < 2.0 ** (1 - bias)
    scaled = x * select(tiny, 2.0**lift_by, np.ones_like(x))
    exponent = ((_bits(scaled) >> fraction) & (2 * bias + 1)).astype(np.int32) - (bias - 1)
    none = (x == 0) | ~np.isfinite(x)
    exponent = select(none, 0, exponent)
    # A quarter comes last, as not all of 2^-exponent are normal numbers.
    up = _power_of_two(x, select(none, 2, 2 - exponent).astype(f"i{dtype_of(x).itemsize}"))
    return scaled * up * 0.25, select(tiny & ~none, exponent - lift_by, exponent)


# ---- neighbours ----------------------------------------------------------------------------------


def _nextafter(x: Any, y: Any) -> Any:
    """Return the next number after x towards y; it has no derivative, as it moves over a grid."""
    x, y = constant(x), constant(y)
    bits = _bits(x)
    away = (x < y) == (x > 0)  # from zero
    moved = _from_bits(select(away, bits + 1, bits - 1), x)
    least = np.copysign(_from_bits(np.ones_like(bits), x), y)
    result = select(x == 0, least, moved)
    return select(np.isnan(x) | np.isnan(y), x + y, select(x == y, y, result))


def _spacing(x: Any) -> Any:
    """Return the distance to the next number away from zero, with the sign of x."""
    x = constant(x)
    size = np.abs(x)
    gap = _from_bits(_bits(size) + 1, x) - size
    gap = select(x == 0, _from_bits(np.ones_like(_bits(x)), x), gap)  # no difference, where subnormals count as 0
    return select(np.isfinite(x), select(x < 0, -gap, gap), np.nan)


# ---- integers ------------------------------------------------------------------------------------


def _bitwise_count(x: Any) -> Any:
    """Return the number of ones in the bits of |x|: sums of neighbouring fields of 1, 2 and 4 bits, then of bytes."""
    wide = 8 if dtype_of(x).itemsize == 8 else 4
    n = (np.abs(x) if dtype_of(x).kind == "i" else x).astype(f"u{dtype_of(x).itemsize}").astype(f"u{wide}")
    ones = 2 ** (8 * wide) - 1
    n = n - ((n >> 1) & (ones // 3))
    n = (n & (ones // 5)) + ((n >> 2) & (ones // 5))
    n = (n + (n >> 4)) & (ones // 17)
    return (n * (ones // 255)) >> (8 * wide - 8)


def _gcd(x: Any, y: Any) -> Any:
    return wrap(dif.gcd(lift(x), lift(y)))


def _lcm(x: Any, y: Any) -> Any:
    divisor = _gcd(x, y)  # division by zero gives 0 in the dialect, which is the multiple of 0 and 0
    return wrap(dif.div(lift(np.abs(x)), lift(divisor))) * np.abs(y)


#: Formulas on tracers of equal shapes, in the dtypes that NumPy computes in.
FORMULAS: dict[np.ufunc, Callable[..., Any]] = {
    np.signbit: _signbit,
    np.ldexp: _ldexp,
    np.frexp: _frexp,
    np.nextafter: _nextafter,
    np.spacing: _spacing,
    np.bitwise_count: _bitwise_count,
    np.gcd: _gcd,
    np.lcm: _lcm,
}
#: Those whose results depend on the width: half precision is not computed in float32.
OF_BITS = (np.signbit, np.nextafter, np.spacing)
