"""Products with logarithms, entropies and losses, defined where a factor of zero meets infinity. (scipy.special)"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from difc.scipy.common import floats, polynomial

__all__ = ["entr", "huber", "kl_div", "pseudo_huber", "rel_entr", "xlog1py", "xlogy"]

# ---- products with logarithms, and entropies -----------------------------------------------------


def xlogy(x: Any, y: Any) -> Any:
    """Return x log(y), which is 0 where x is 0 (unless y is NaN). (scipy.special.xlogy)"""
    x, y = floats(x, y)
    least = ml_dtypes.finfo(y.dtype).tiny
    # Only where the product would be NaN is y replaced: elsewhere the derivative at x = 0 is log(y). A subnormal y may
    # be taken as zero.
    undefined = (x == 0) & ((y < least) | (y == np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        return x * np.log(np.where(undefined, np.ones_like(y), y))


def xlog1py(x: Any, y: Any) -> Any:
    """Return x log(1 + y), which is 0 where x is 0 (unless y is NaN). (scipy.special.xlog1py)"""
    x, y = floats(x, y)
    undefined = (x == 0) & ((y <= -1) | (y == np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        return x * np.log1p(np.where(undefined, np.zeros_like(y), y))


def entr(x: Any) -> Any:
    """Return -x log(x): 0 at 0, -inf below. (scipy.special.entr)

    The derivative at 0, which is infinite, counts as 0.
    """
    (x,) = floats(x)
    return np.where(x < 0, np.full_like(x, -np.inf), -xlogy(x, np.where(x < 0, np.ones_like(x), x)))


def rel_entr(x: Any, y: Any) -> Any:
    """Return x log(x / y) for x, y >= 0: 0 where x is 0, inf where only y is. (scipy.special.rel_entr)"""
    x, y = floats(x, y)
    inside = (x > 0) & (y > 0)
    return _by_sign(x, y, inside, x * _log_of_quotient(x, y, inside))


def _by_sign(x: Any, y: Any, inside: Any, value: Any) -> Any:
    """Return a value where x and y are positive, 0 where x is 0 and y is not negative, else infinity."""
    one = np.ones_like(value)
    edge = np.where((x == 0) & (y >= 0), 0 * one, np.full_like(one, np.inf))
    return np.where(np.isnan(x) | np.isnan(y), x * y, np.where(inside, value, edge))


def _log_of_quotient(x: Any, y: Any, inside: Any) -> Any:
    """Return log(x / y), precise where that is near 0, and also where the quotient is out of range."""
    one = np.ones_like(x * y)
    x, y = np.where(inside, x, one), np.where(inside, y, one)
    info = ml_dtypes.finfo(x.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        quotient = x / y
        near = (quotient > 0.5) & (quotient < 2)
        away = (quotient >= info.tiny) & (quotient <= info.max) & ~near
        apart = ~(near | away)
        by_difference = np.log1p(np.where(near, x - y, 0 * one) / np.where(near, y, one))
        by_parts = np.log(np.where(apart, x, one)) - np.log(np.where(apart, y, one))
        by_quotient = np.log(np.where(away, x, one) / np.where(away, y, one))
    return np.where(near, by_difference, np.where(away, by_quotient, by_parts))


#: 1/3, 1/5, ...: the coefficients of (atanh(s) / s - 1) / s^2 in s^2.
ATANH = tuple(1 / (2 * k + 3) for k in range(14))


def kl_div(x: Any, y: Any) -> Any:
    """Return x log(x / y) - x + y, also where these nearly cancel. (scipy.special.kl_div)"""
    x, y = floats(x, y)
    inside, one = (x > 0) & (y > 0), np.ones_like(x * y)
    near = inside & (x < 1.75 * y) & (y < 1.75 * x) & (x < np.inf)
    # x = y (1 + s) / (1 - s): the logarithm is 2 atanh(s), whose first term is taken together with y - x
    u, v = np.where(near, x, one), np.where(near, y, one)
    half = 0.5 * u + 0.5 * v  # the sum may be infinite
    s = 0.5 * (u - v) / half
    close = (u - v) * s * (1 + (1 + s) * s * polynomial(s * s, ATANH))
    apart = inside & ~near
    u, v = np.where(apart, x, one), np.where(apart, y, one)
    with np.errstate(invalid="ignore"):
        far = u * (_log_of_quotient(u, v, apart) - 1) + v  # the product with the logarithm alone may be infinite
        far = np.where(np.isnan(far) | np.isinf(u) | np.isinf(v), np.full_like(far, np.inf), far)
    far = np.where(np.isnan(x) | np.isnan(y), x * y, far)
    return np.where((x == 0) & (y >= 0), 0 * x + y, _by_sign(x, y, inside, np.where(near, close, far)))


def huber(delta: Any, r: Any) -> Any:
    """Return r^2 / 2 up to |r| = delta, and a line from there on. (scipy.special.huber)"""
    delta, r = floats(delta, r)
    zero = np.zeros_like(delta * r)
    inside = np.abs(r) <= delta
    near, far, slope = np.where(inside, r, zero), np.where(inside, zero, np.abs(r)), np.where(inside, zero, delta)
    with np.errstate(over="ignore"):
        loss = np.where(inside, 0.5 * near * near, slope * (far - 0.5 * slope))
    return np.where(delta < 0, np.full_like(loss, np.inf), loss)


def pseudo_huber(delta: Any, r: Any) -> Any:
    """Return delta^2 (sqrt(1 + (r / delta)^2) - 1), a smooth form of `huber`. (scipy.special.pseudo_huber)"""
    delta, r = floats(delta, r)
    zero, one = (delta == 0) | (r == 0), np.ones_like(delta)
    far = ~zero & (np.abs(r) > delta)
    same = (delta == np.inf) & (np.abs(r) == np.inf)
    # delta^2 (sqrt(1 + t^2) - 1) = r^2 / (1 + sqrt(1 + t^2)) for t = r / delta; by 1 / t where that is large
    top, bottom = np.where(far, delta, r), np.where(far, np.abs(r), np.where(delta == 0, one, delta))
    ratio = np.where(same, one, top) / np.where(same, one, bottom)
    root = np.sqrt(1 + ratio * ratio)
    with np.errstate(over="ignore"):
        loss = r / (np.where(far, ratio, one) + root) * np.where(far, np.sign(r) * delta, r)
    loss = np.where(delta == 0, 0 * np.where(delta == 0, delta, r), loss)
    return np.where(delta < 0, np.full_like(loss, np.inf), loss)
