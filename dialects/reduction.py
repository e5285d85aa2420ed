"""Ops that combine elements along dims."""

from __future__ import annotations

from difc.dialects.base import Int, Ints, OpDef, op
from difc.dialects.types import I64, Aval, check_dims, check_dtype
from difc.errors import ShapeError

__all__ = [
    "REDUCTIONS",
    "argmax",
    "argmin",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
    "reduce_sum",
]

REDUCTIONS: list[OpDef] = []


def _reduction(name: str, kinds: str, doc: str) -> OpDef:
    def infer(x: Aval, *, axes: Ints) -> Aval:
        check_dtype(name, x.dtype, kinds)
        check_dims(name, axes, x.ndim)
        return Aval(tuple(d for i, d in enumerate(x.shape) if i not in axes), x.dtype)

    infer.__doc__ = doc
    REDUCTIONS.append(op(infer, name=name))
    return REDUCTIONS[-1]


reduce_sum = _reduction("reduce_sum", "float|integer", "Sum over `axes`, which the result drops; 0 where empty.")
reduce_prod = _reduction("reduce_prod", "float|integer", "Product over `axes`; 1 where empty.")
reduce_max = _reduction(
    "reduce_max", "float|integer|bool", "Maximum over `axes`; NaN if any is NaN; the lowest value where empty."
)
reduce_min = _reduction(
    "reduce_min", "float|integer|bool", "Minimum over `axes`; NaN if any is NaN; the highest value where empty."
)
reduce_and = _reduction(
    "reduce_and", "bool|integer", "Logical (bool) or bitwise (integer) and over `axes`; all ones where empty."
)
reduce_or = _reduction(
    "reduce_or", "bool|integer", "Logical (bool) or bitwise (integer) or over `axes`; 0 where empty."
)


def _arg_reduction(name: str, x: Aval, axis: int) -> Aval:
    check_dims(name, (axis,), x.ndim)
    if x.shape[axis] == 0:
        raise ShapeError(f"{name}: {x} is empty along axis {axis}")
    return Aval(tuple(d for i, d in enumerate(x.shape) if i != axis), I64)


@op
def argmax(x: Aval, *, axis: Int) -> Aval:
    """Index (i64) of the first largest element along `axis`; the first NaN counts as largest."""
    return _arg_reduction("argmax", x, axis)


@op
def argmin(x: Aval, *, axis: Int) -> Aval:
    """Index (i64) of the first smallest element along `axis`; the first NaN counts as smallest."""
    return _arg_reduction("argmin", x, axis)
