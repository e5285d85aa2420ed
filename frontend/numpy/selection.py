"""Elementwise functions that are not ufuncs: choices, limits, rounding to decimals, comparisons with a tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, is_float
from difc.errors import ShapeError, UnsupportedError
from difc.numpy.common import as_operand, as_tracer, integer
from difc.numpy.elementwise import astype
from difc.numpy.registry import implements
from difc.promotion import broadcast_shapes, common_dtype, promote, to_dtype
from difc.source import user_frame_location
from difc.tracer import lift, wrap

__all__ = ["where"]


# ---- choices -------------------------------------------------------------------------------------


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Return elements of x where the condition holds, and of y elsewhere. (numpy.where)

    Raises:
      UnsupportedError: without x and y: how many places it would return is not known before the program runs.
    """
    if x is None or y is None:
        raise UnsupportedError(
            "numpy.where(condition) returns as many indices as hold, which is not known before the program runs",
            where=user_frame_location(),
            remedy="give both values: np.where(condition, x, y)",
        )
    operands = [as_operand(v) for v in (condition, x, y)]
    dtype = common_dtype(*operands[1:])
    return wrap(dif.select(*promote(operands, (BOOL, dtype, dtype))))


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Return elements of the first choice whose condition holds, else of the default. (numpy.select)"""
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError(
            f"select: {len(condlist)} conditions for {len(choicelist)} choices",
            where=user_frame_location(),
            remedy="pass one choice for each condition",
        )
    dtype = common_dtype(*[as_operand(c) for c in (*choicelist, default)])
    result = wrap(to_dtype(lift(default), dtype))
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = where(condition, wrap(to_dtype(lift(choice), dtype)), result)
    return result


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Return elements moved into the interval between two bounds, of which one may be left out. (numpy.clip)"""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    result = wrap(lift(a))
    if result.dtype.kind in "iu":  # a Python number outside of the dtype bounds nothing
        limits = np.iinfo(result.dtype)
        low = None if type(low) is int and low < limits.min else low
        high = None if type(high) is int and high > limits.max else high
    result = result if low is None else np.maximum(result, low)
    return result if high is None else np.minimum(result, high)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Return elements with NaN and infinities replaced by numbers. (numpy.nan_to_num)"""
    x = wrap(lift(x))
    if not is_float(x.dtype):
        return x
    largest = float(ml_dtypes.finfo(x.dtype).max)
    high, low = (largest if posinf is None else posinf), (-largest if neginf is None else neginf)
    result = where(np.isnan(x), nan, x)
    result = where(x == np.inf, high, result)
    return where(x == -np.inf, low, result).astype(x.dtype)


# ---- rounding ------------------------------------------------------------------------------------


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Return elements rounded to a number of decimals, ties to even. (numpy.round)"""
    x = wrap(lift(a))
    places = integer(decimals, "decimals")
    if not is_float(x.dtype):
        if places < 0:
            factor = 10.0**-places
            return (np.rint(x / factor) * factor).astype(x.dtype)
        return x.astype(np.float16) if x.dtype == BOOL else x
    if places == 0:
        return np.rint(x)
    factor = 10.0 ** abs(places)
    return np.rint(x * factor) / factor if places > 0 else np.rint(x / factor) * factor


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """Return elements rounded towards zero. (numpy.fix)"""
    return np.trunc(wrap(lift(x)))


# ---- comparisons ---------------------------------------------------------------------------------


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Return where |a - b| <= atol + rtol |b|, or both are the same infinity. (numpy.isclose)"""
    a, b = (as_tracer(v) for v in (a, b))
    b = b if is_float(b.dtype) else b.astype(np.float64)
    near = (np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b)
    near = near | (a == b)
    return near | (np.isnan(a) & np.isnan(b)) if equal_nan else near


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether all elements are close, as a traced bool. (numpy.allclose)"""
    return np.all(isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Return whether shapes and all elements are equal, as a traced bool. (numpy.array_equal)"""
    a, b = (as_tracer(v) for v in (a1, a2))
    if a.aval.shape != b.aval.shape:
        return wrap(lift(np.False_))
    same = a == b
    return np.all(same | (np.isnan(a) & np.isnan(b)) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Return whether arrays are equal when repeated to one shape, as a traced bool. (numpy.array_equiv)"""
    a, b = (as_tracer(v) for v in (a1, a2))
    try:
        broadcast_shapes(a.aval.shape, b.aval.shape)
    except ShapeError:
        return wrap(lift(np.False_))
    return np.all(a == b)


def _infinite(name: str, positive: bool) -> Callable[..., Any]:
    def test(x: Any, out: Any = None) -> Any:
        x = wrap(lift(x))
        if not is_float(x.dtype):
            return np.isinf(x)
        return np.equal(x, np.inf if positive else -np.inf)

    test.__name__, test.__doc__ = name, f"Return where elements are that infinity. (numpy.{name})"
    return test


implements(np.isposinf)(_infinite("isposinf", True))
implements(np.isneginf)(_infinite("isneginf", False))


# ---- parts of complex numbers, and of types ------------------------------------------------------


@implements(np.real)
def real(val: Any) -> Any:
    """Return the array, which is real. (numpy.real)"""
    return wrap(lift(val))


@implements(np.imag)
def imag(val: Any) -> Any:
    """Return zeros: traced arrays are real. (numpy.imag)"""
    return np.zeros_like(val)


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """Return the array, which is real. (numpy.real_if_close)"""
    return wrap(lift(a))


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """Return true everywhere: traced arrays are real. (numpy.isreal)"""
    return np.ones_like(x, dtype=bool)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Return false everywhere: traced arrays are real. (numpy.iscomplex)"""
    return np.zeros_like(x, dtype=bool)


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Return False: traced arrays are real. (numpy.iscomplexobj)"""
    return False


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Return True: traced arrays are real. (numpy.isrealobj)"""
    return True


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """Return the dtype that operands and dtypes are promoted to. (numpy.result_type)"""
    return common_dtype(*[np.empty((), x) if isinstance(x, (np.dtype, type, str)) else x for x in arrays_and_dtypes])


implements(np.astype)(astype)


# ---- other functions -----------------------------------------------------------------------------


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), which is 1 at 0. (numpy.sinc)"""
    x = wrap(lift(x))
    x = x if is_float(x.dtype) else x.astype(np.float64)
    near = np.abs(x) < 0.25
    far, square = where(near, 1, x), (np.pi * where(near, x, 0)) ** 2
    series: Any = 0.0  # the derivatives of the quotient cancel near 0
    for k in reversed(range(10)):
        series = series * square + (-1) ** k / math.factorial(2 * k + 1)
    whole = np.rint(far)  # whose sine is exactly zero, where rounding pi x would leave none of its digits
    odd = whole - 2 * np.floor(0.5 * whole) == 1
    sine = np.sin(np.pi * (far - whole))
    return where(near, series, where(odd, -sine, sine) / (np.pi * far))
