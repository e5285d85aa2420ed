"""Reductions: sums, products, extremes, moments, positions and running sums; also as methods of ufuncs.

Dtypes are NumPy's: small integers and bool are summed in 64 bits, means of integers are float64, float16 stays
float16 but is summed in float32. A mean over a run-time size divides by that size at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BF16, BOOL, F16, F32, F64, aval_of, is_float
from difc.dialects.mlir import ir
from difc.numpy.common import (
    NO_VALUE,
    along,
    as_operand,
    as_tracer,
    as_vector,
    axes_of,
    dtype_from,
    expand,
    fill,
    product,
    rank_of,
    shape_error,
    shape_of,
    size_scalar,
)
from difc.numpy.registry import METHODS, implements, unsupported
from difc.promotion import broadcast_to, promote, to_dtype
from difc.tracer import lift, wrap

__all__ = ["reduced", "running_dtype", "summed"]


def _given(value: Any, default: Any) -> Any:
    return default if value is NO_VALUE else value


# ---- one op each ---------------------------------------------------------------------------------


def reduced(op: Callable[..., ir.Value], x: ir.Value, axes: tuple[int, ...], keepdims: Any = False) -> ir.Value:
    """Return a value reduced over axes, which stay as size 1 if `keepdims`."""
    result = op(x, axes=axes) if axes else x
    return expand(result, axes) if _given(keepdims, False) else result


def _masked(x: ir.Value, where: Any, identity: Any) -> ir.Value:
    """Return a value with the identity of a reduction where a mask does not hold."""
    if where is NO_VALUE or where is True:
        return x
    mask, x = promote([as_operand(where), wrap(x)], [BOOL, aval_of(x).dtype])
    return dif.select(mask, x, fill(x, identity))


def summed(x: ir.Value, axes: tuple[int, ...], op: Callable[..., ir.Value] = dif.reduce_sum) -> ir.Value:
    """Return a sum (or product) in the value's dtype; half precision is summed in float32."""
    dtype = aval_of(x).dtype
    if not axes or dtype not in (F16, BF16):
        return op(x, axes=axes) if axes else x
    return to_dtype(op(to_dtype(x, F32), axes=axes), dtype)


def running_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype that NumPy sums in: at least 64 bits for integers and bool."""
    if dtype.kind in "bi":
        return np.dtype(np.int64)
    return np.dtype(np.uint64) if dtype.kind == "u" else dtype


def _check_initial(initial: Any) -> None:
    if initial is not NO_VALUE and rank_of(as_operand(initial)):
        raise shape_error("initial= must be one number, not an array", "apply it to the result")


def _sum_or_product(ufunc: np.ufunc, op: Callable[..., ir.Value], identity: int) -> Callable[..., Any]:
    def reduce(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
        initial: Any = NO_VALUE, where: Any = True,
    ) -> Any:  # fmt: skip
        x = lift(a)
        x = to_dtype(x, running_dtype(aval_of(x).dtype) if dtype in (None, NO_VALUE) else dtype_from(dtype))
        if aval_of(x).dtype == BOOL:  # asked for by dtype=bool
            x = _masked(x, where, bool(identity))
            result = reduced(dif.reduce_and if identity else dif.reduce_or, x, axes_of(axis, aval_of(x).ndim), keepdims)
            return wrap(result) if initial is NO_VALUE else ufunc(wrap(result), initial).astype(bool)
        x = _masked(x, where, identity)
        _check_initial(initial)
        result = reduced(lambda v, axes: summed(v, axes, op), x, axes_of(axis, aval_of(x).ndim), keepdims)
        return wrap(result) if initial is NO_VALUE else ufunc(wrap(result), initial).astype(aval_of(x).dtype)

    return reduce


def _extreme(ufunc: np.ufunc, op: Callable[..., ir.Value], name: str) -> Callable[..., Any]:
    def reduce(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = NO_VALUE, where: Any = True
    ) -> Any:
        x = lift(a)
        axes = axes_of(axis, aval_of(x).ndim)
        count = product([shape_of(x)[d] for d in axes])
        if initial is NO_VALUE:
            if count == 0 and isinstance(count, int):
                raise shape_error(f"{name} of an empty array has no value", "pass initial=")
            if where is not True and where is not NO_VALUE:
                raise shape_error(f"{name} with where= may find nothing to choose from", "pass initial= as well")
        dtype = aval_of(x).dtype
        _check_initial(initial)
        if where is not True and where is not NO_VALUE:
            mask, x = promote([as_operand(where), wrap(x)], [BOOL, dtype])
            x = dif.select(mask, x, broadcast_to(lift(initial, dtype), [(x, shape_of(x))], shape_of(x)))
        result = reduced(op, x, axes, keepdims)
        return wrap(result) if initial is NO_VALUE else ufunc(wrap(result), initial).astype(dtype)

    return reduce


def _truth(op: Callable[..., ir.Value], identity: bool) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
        x = _masked(to_dtype(lift(a), BOOL), where, identity)
        return wrap(reduced(op, x, axes_of(axis, aval_of(x).ndim), keepdims))

    return reduce


def _enter(reduce: Callable[..., Any], name: str, *functions: Any) -> Callable[..., Any]:
    reduce.__name__, reduce.__doc__ = name, f"Return the {name} over axes. (numpy.{name})"
    return implements(*functions)(reduce)


_sum = _enter(_sum_or_product(np.add, dif.reduce_sum, 0), "sum", np.sum)
_prod = _enter(_sum_or_product(np.multiply, dif.reduce_prod, 1), "prod", np.prod)
_max = _enter(_extreme(np.maximum, dif.reduce_max, "max"), "max", np.max, np.amax)
_min = _enter(_extreme(np.minimum, dif.reduce_min, "min"), "min", np.min, np.amin)
_all = _enter(_truth(dif.reduce_and, True), "all", np.all)
_any = _enter(_truth(dif.reduce_or, False), "any", np.any)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return how many elements are not zero. (numpy.count_nonzero)"""
    return _sum(wrap(to_dtype(lift(a), BOOL)), axis, keepdims=keepdims)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Return the largest minus the smallest element. (numpy.ptp)"""
    return np.subtract(_max(a, axis, keepdims=keepdims), _min(a, axis, keepdims=keepdims))


# ---- moments -------------------------------------------------------------------------------------


def _float_for_mean(x: ir.Value, dtype: Any) -> tuple[ir.Value, np.dtype]:
    """Return a value in the dtype that NumPy averages in, and the dtype of the average."""
    if dtype not in (None, NO_VALUE):
        return to_dtype(x, dtype_from(dtype)), dtype_from(dtype)
    own = aval_of(x).dtype
    if not is_float(own):
        return to_dtype(x, F64), F64
    return (to_dtype(x, F32) if own in (F16, BF16) else x), own


def _count(x: ir.Value, axes: tuple[int, ...], where: Any, keepdims: Any, dtype: Any) -> Any:
    """Return the number of elements that are averaged."""
    if where is True or where is NO_VALUE:
        return wrap(size_scalar(x, axes, dtype))
    shape = shape_of(x)
    mask = broadcast_to(to_dtype(lift(as_operand(where)), BOOL), [(x, shape)], shape)
    return _sum(wrap(mask), axes, keepdims=keepdims).astype(dtype)


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """Return the average over axes. (numpy.mean)"""
    x, result = _float_for_mean(lift(a), dtype)
    axes = axes_of(axis, aval_of(x).ndim)
    total = _sum(wrap(x), axes, keepdims=keepdims, where=where)
    count = _count(x, axes, where, _given(keepdims, False), aval_of(x).dtype)
    return wrap(to_dtype(lift(total / count), result))


@implements(np.var)
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
    *, where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE,
) -> Any:  # fmt: skip
    """Return the mean squared distance from the mean, with `ddof` taken off the number of elements. (numpy.var)"""
    x, result = _float_for_mean(lift(a), dtype)
    axes = axes_of(axis, aval_of(x).ndim)
    count = _count(x, axes, where, True, aval_of(x).dtype)
    center = _sum(wrap(x), axes, keepdims=True, where=where) / count if mean is NO_VALUE else mean
    distance = wrap(x) - center
    total = _sum(distance * distance, axes, keepdims=keepdims, where=where)
    if count.ndim and not _given(keepdims, False):
        count = np.squeeze(count, axes)
    spread = total / np.maximum(count - _given(correction, ddof), 0)
    return wrap(to_dtype(lift(spread), result))


@implements(np.std)
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
    *, where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE,
) -> Any:  # fmt: skip
    """Return the square root of the variance; where it is 0, its derivative is 0. (numpy.std)

    One element has no other derivative; that of equal ones is chosen, as that of `abs` at 0.
    """
    spread = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    equal = spread == 0
    return np.where(equal, np.zeros_like(spread), np.sqrt(np.where(equal, np.ones_like(spread), spread)))


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """Return the weighted average over axes, and the sum of weights if `returned`. (numpy.average)"""
    x = wrap(lift(a))
    if weights is None:
        result = mean(x, axis, keepdims=keepdims)
        total = np.full_like(result, 1) * _count(lift(x), axes_of(axis, x.ndim), True, False, result.dtype)
        return (result, total) if returned else result
    w = as_tracer(weights)
    axes = axes_of(axis, x.ndim)
    if w.aval.shape != x.aval.shape:
        if w.ndim != len(axes) or axis is None:
            raise shape_error(f"average: weights of shape {list(w.aval.shape)} do not fit {list(x.aval.shape)}")
        order = np.argsort(axes)
        w = wrap(expand(lift(np.transpose(w, tuple(order))), [d for d in range(x.ndim) if d not in axes]))
    product_ = x * w if is_float(x.dtype) else x.astype(F64) * w
    w = np.broadcast_to(w.astype(product_.dtype), x.shape)
    total = _sum(w, axes, keepdims=keepdims)
    result = _sum(product_, axes, keepdims=keepdims) / total
    return (result, total) if returned else result


# ---- positions -----------------------------------------------------------------------------------


def _position(op: Callable[..., ir.Value], name: str) -> Callable[..., Any]:
    def search(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        ndim = rank_of(a)
        x, axis = as_vector(lift(a), axis)
        flat, dim = along(x, axis)
        result = op(flat, axis=dim)
        dims = range(ndim) if axis is None or not ndim else (dim,)
        return wrap(expand(result, dims) if _given(keepdims, False) else result)

    search.__name__, search.__doc__ = name, f"Return the position of the first extreme. (numpy.{name})"
    return search


implements(np.argmax)(_position(dif.argmax, "argmax"))
implements(np.argmin)(_position(dif.argmin, "argmin"))


# ---- methods of ufuncs ---------------------------------------------------------------------------


def _enter_method(ufunc: np.ufunc, function: Callable[..., Any]) -> None:
    """Enter `ufunc.reduce`, which differs from the function in that it reduces axis 0 by default."""

    def reduce(
        array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False, **rest: Any
    ) -> Any:
        extra = {} if dtype is None else {"dtype": dtype}
        if extra and function not in (_sum, _prod):
            raise unsupported(f"numpy.{ufunc.__name__}.reduce with dtype=")
        return function(array, axis, keepdims=keepdims, **extra, **rest)

    METHODS[ufunc, "reduce"] = reduce


for _ufunc, _function in {np.add: _sum, np.multiply: _prod, np.maximum: _max, np.minimum: _min}.items():
    _enter_method(_ufunc, _function)
