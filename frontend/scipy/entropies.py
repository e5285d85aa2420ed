"""Products with logarithms, entropies and losses, defined where a factor of zero meets infinity. (scipy.special)"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from difc.scipy.common import floats

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
    one = np.ones_like(x * y)
    ratio = np.where(inside, x, one) / np.where(inside, y, one)
    edge = np.where((x == 0) & (y >= 0), 0 * one, np.full_like(one, np.inf))
    return np.where(np.isnan(x) | np.isnan(y), x * y, np.where(inside, x * np.log(ratio), edge))


def kl_div(x: Any, y: Any) -> Any:
    """Return x log(x / y) - x + y. (scipy.special.kl_div)"""
    x, y = floats(x, y)
    relative = rel_entr(x, y)
    return np.where(np.isinf(relative), relative, relative - x + y)


def huber(delta: Any, r: Any) -> Any:
    """Return r^2 / 2 up to |r| = delta, and a line from there on. (scipy.special.huber)"""
    delta, r = floats(delta, r)
    size = np.abs(r)
    loss = np.where(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))
    return np.where(delta < 0, np.full_like(loss, np.inf), loss)


def pseudo_huber(delta: Any, r: Any) -> Any:
    """Return delta^2 (sqrt(1 + (r / delta)^2) - 1), a smooth form of `huber`. (scipy.special.pseudo_huber)"""
    delta, r = floats(delta, r)
    zero = (delta == 0) | ((r == 0) & (delta == np.inf))
    ratio = np.where(zero, np.ones_like(r), r) / np.where(zero, np.ones_like(delta), delta)
    square = ratio * ratio
    loss = np.where(zero, 0 * r, delta * delta * (square / (1 + np.sqrt(1 + square))))  # without cancellation
    return np.where(delta < 0, np.full_like(loss, np.inf), loss)
