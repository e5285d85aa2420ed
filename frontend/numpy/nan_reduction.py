"""Reductions that leave out NaN: nansum, nanmean, nanmax and their kin. Integers have no NaN, so there they are the
plain ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc.dialects import is_float
from difc.numpy.common import NO_VALUE, as_tracer
from difc.numpy.registry import implements

__all__: list[str] = []


def _filled(a: Any, number: Any) -> tuple[Any, Any]:
    """Return the array with a number in place of NaN, and where there is a NaN."""
    x = as_tracer(a)
    missing = np.isnan(x)
    return (np.where(missing, number, x).astype(x.dtype) if is_float(x.dtype) else x), missing


def _keywords(**given: Any) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not NO_VALUE}


def _plain(function: Callable[..., Any], number: float) -> Callable[..., Any]:
    """Return a sum, product or running one that takes NaN as the number that changes nothing."""

    def reduce(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **rest: Any) -> Any:
        return function(_filled(a, number)[0], axis=axis, dtype=dtype, **rest)

    return _named(reduce, function)


def _extreme(function: Callable[..., Any], number: float) -> Callable[..., Any]:
    """Return a maximum or minimum of what is not NaN; NaN where there is nothing else."""

    def reduce(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NO_VALUE, **rest: Any) -> Any:
        x, missing = _filled(a, number)
        keywords = _keywords(keepdims=keepdims)
        result = function(x, axis=axis, **keywords, **rest)
        if not is_float(x.dtype) or rest:
            return result
        return np.where(np.all(missing, axis=axis, **keywords), np.nan, result).astype(x.dtype)

    return _named(reduce, function)


def _position(function: Callable[..., Any], number: float) -> Callable[..., Any]:
    def search(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NO_VALUE) -> Any:
        return function(_filled(a, number)[0], axis=axis, **_keywords(keepdims=keepdims))

    return _named(search, function)


def _moment(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a mean, variance or deviation over what is not NaN."""

    def reduce(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *args: Any, **rest: Any) -> Any:
        x, missing = _filled(a, 0)
        where = rest.pop("where", True)
        kept = ~missing if where is True or where is NO_VALUE else ~missing & where
        result = function(x, axis, dtype, None, *args, where=kept, **_keywords(**rest))
        if function is np.mean:
            return result
        lost = args[0] if args else rest.get("correction", rest.get("ddof", 0))
        left = np.sum(kept, axis=axis, keepdims=args[1] if args[1:] else rest.get("keepdims", False)) - lost
        return np.where(left > 0, result, np.nan).astype(result.dtype)  # where var divides by 0, nanvar is NaN

    return _named(reduce, function)


def _named(reduce: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    name = f"nan{function.__name__}"
    reduce.__name__, reduce.__doc__ = name, f"numpy.{function.__name__} of what is not NaN. (numpy.{name})"
    return reduce


implements(np.nansum)(_plain(np.sum, 0))
implements(np.nanprod)(_plain(np.prod, 1))
implements(np.nancumsum)(_plain(np.cumsum, 0))
implements(np.nancumprod)(_plain(np.cumprod, 1))
implements(np.nanmax)(_extreme(np.max, -np.inf))
implements(np.nanmin)(_extreme(np.min, np.inf))
implements(np.nanargmax)(_position(np.argmax, -np.inf))
implements(np.nanargmin)(_position(np.argmin, np.inf))
implements(np.nanmean)(_moment(np.mean))
implements(np.nanvar)(_moment(np.var))
implements(np.nanstd)(_moment(np.std))
