"""`ufunc.reduce`, `ufunc.accumulate` and `ufunc.reduceat` of the ufuncs that have no op of their own for it.

These are associative and commutative, so a fold is a tree of elementwise steps: of n elements, log2(n) of them. The
size along the axis must be known when the function is traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL
from difc.numpy.common import NO_VALUE, as_tracer, axes_of, axis_of, dtype_from, integer, shape_error, static_size
from difc.numpy.reduction import reduced
from difc.numpy.registry import METHODS
from difc.promotion import to_dtype
from difc.tracer import Tracer, lift, wrap

__all__: list[str] = []

#: Ufunc -> what a fold of nothing gives; None where it has to be given.
_IDENTITY: dict[np.ufunc, Any] = {
    np.logical_xor: False,
    np.bitwise_xor: 0,
    np.bitwise_and: -1,
    np.bitwise_or: 0,
    np.gcd: 0,
    np.lcm: None,
    np.logaddexp: -np.inf,
    np.logaddexp2: -np.inf,
    np.hypot: 0,
    np.fmax: None,
    np.fmin: None,
    np.logical_and: True,
    np.logical_or: False,
}
_LOGICAL = (np.logical_xor, np.logical_and, np.logical_or)
#: Ufuncs that compute with floats.
_FLOATING = (np.hypot, np.logaddexp, np.logaddexp2)
#: Ufuncs with an op that reduces.
_OPS = {
    np.bitwise_and: dif.reduce_and,
    np.bitwise_or: dif.reduce_or,
    np.logical_and: dif.reduce_and,
    np.logical_or: dif.reduce_or,
}


def _operand(ufunc: np.ufunc, array: Any, dtype: Any) -> Any:
    x = as_tracer(array)
    if ufunc in _LOGICAL:
        return wrap(to_dtype(lift(x), BOOL))
    if ufunc in _FLOATING and dtype is None and x.dtype.kind in "biu":
        dtype = ufunc.resolve_dtypes((x.dtype, x.dtype, None))[0]
    return x if dtype is None else x.astype(dtype_from(dtype))


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return x[(*[slice(None)] * axis, slice(start, stop))]


def _folded(ufunc: np.ufunc, x: Any, axis: int) -> Any:
    """Return a fold along an axis, which stays as size 1, by combining halves."""
    size = static_size(lift(x), axis, f"numpy.{ufunc.__name__}.reduce")
    while size > 1:
        half = size // 2
        pairs = ufunc(_part(x, axis, 0, half), _part(x, axis, half, 2 * half))
        x = np.concatenate([pairs, _part(x, axis, 2 * half, size)], axis) if size % 2 else pairs
        size = half + size % 2
    return x


def _reduce(ufunc: np.ufunc) -> Callable[..., Any]:
    name, identity = f"numpy.{ufunc.__name__}.reduce", _IDENTITY[ufunc]

    def reduce(
        array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False,
        initial: Any = NO_VALUE, where: Any = True,
    ) -> Any:  # fmt: skip
        x = _operand(ufunc, array, dtype)
        axes = axes_of(axis, x.ndim)
        begin = None if initial is NO_VALUE else initial
        nothing = begin if identity is None else identity  # stands for no elements; without one, many are as one
        if where is not True:
            if nothing is None:
                raise shape_error(f"{name} with where= may find nothing to combine", "pass initial= as well")
            x = np.where(where, x, wrap(to_dtype(lift(nothing), x.dtype)))
        if ufunc in _OPS:
            found = wrap(reduced(_OPS[ufunc], lift(x), axes, keepdims))
        else:
            for dim in axes:
                if x.aval.shape[dim] == 0:
                    if nothing is None:
                        raise shape_error(f"{name} of an empty array has no value", "pass initial=")
                    x = np.full_like(x, nothing, shape=[1 if d == dim else s for d, s in enumerate(x.shape)])
                x = _folded(ufunc, x, dim)
            found = x if keepdims else np.squeeze(x, axes)
        return found if begin is None else ufunc(found, begin).astype(found.dtype)

    return reduce


def _accumulate(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        x = _operand(ufunc, array, dtype)
        dim = axis_of(axis, x.ndim)
        size, distance = static_size(lift(x), dim, f"numpy.{ufunc.__name__}.accumulate"), 1
        while distance < size:  # each step doubles how far back an element sees
            later = ufunc(_part(x, dim, 0, size - distance), _part(x, dim, distance, size))
            x = np.concatenate([_part(x, dim, 0, distance), later], dim)
            distance *= 2
        return x

    return accumulate


def _reduceat(ufunc: np.ufunc, reduce: Callable[..., Any]) -> Callable[..., Any]:
    name = f"numpy.{ufunc.__name__}.reduceat"

    def reduceat(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        x = as_tracer(array)
        dim = axis_of(axis, x.ndim)
        size = static_size(lift(x), dim, name)
        starts = [integer(i, "an index of reduceat") for i in _known(indices, name)]
        if not all(0 <= i < size for i in starts):
            raise shape_error(f"{name}: an index is not within an axis of {size} elements")
        extra = {} if dtype is None else {"dtype": dtype}
        parts = [
            reduce(_part(x, dim, a, max(b, a + 1)), axis=dim, keepdims=True, **extra)
            for a, b in zip(starts, [*starts[1:], size], strict=True)
        ]
        return np.concatenate(parts, dim)

    return reduceat


def _known(indices: Any, name: str) -> Any:
    if isinstance(indices, Tracer):
        raise shape_error(
            f"{name} at traced indices: the sizes of what is combined depend on values", "use x.at[numbers].add(values)"
        )
    return np.asarray(indices).tolist()


for _ufunc in _IDENTITY:
    METHODS.setdefault((_ufunc, "reduce"), _reduce(_ufunc))
    METHODS.setdefault((_ufunc, "accumulate"), _accumulate(_ufunc))
for _ufunc, _method in [key for key in METHODS if key[1] == "reduce"]:
    METHODS[_ufunc, "reduceat"] = _reduceat(_ufunc, METHODS[_ufunc, _method])
