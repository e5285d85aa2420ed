"""Running results along an axis: each element of the result combines all elements up to its place."""

from __future__ import annotations

from difc.dialects.base import Bool, Int, OpDef, op
from difc.dialects.types import Aval, check_dims, check_dtype, check_same_dtype, same_shape

__all__ = ["CUMULATIVE", "cummax", "cummin", "cumprod", "cumsum", "recurrence"]

CUMULATIVE: list[OpDef] = []


def _cumulative(name: str, kinds: str, doc: str) -> OpDef:
    def infer(x: Aval, *, axis: Int, reverse: Bool) -> Aval:
        check_dtype(name, x.dtype, kinds)
        check_dims(name, (axis,), x.ndim)
        return Aval(x.shape, x.dtype)

    infer.__doc__ = doc
    CUMULATIVE.append(op(infer, name=name))
    return CUMULATIVE[-1]


cumsum = _cumulative("cumsum", "float|integer", "Running sum along `axis`, from the end if `reverse`.")
cumprod = _cumulative("cumprod", "float|integer", "Running product along `axis`, from the end if `reverse`.")
cummax = _cumulative(
    "cummax", "float|integer|bool", "Running maximum along `axis`, from the end if `reverse`; NaN from a NaN on."
)
cummin = _cumulative(
    "cummin", "float|integer|bool", "Running minimum along `axis`, from the end if `reverse`; NaN from a NaN on."
)


@op
def recurrence(factor: Aval, x: Aval, *, axis: Int, reverse: Bool) -> Aval:
    """The linear recurrence y[i] = factor[i] * y[i - 1] + x[i] along `axis`, with y = 0 before the first element.

    If `reverse`, it starts from the end: y[i] = factor[i] * y[i + 1] + x[i]. Linear in `x`. The steps are done in
    order, so a factor of 0 forgets all that came before, as long as that is finite.
    """
    check_dtype("recurrence", x.dtype, "float|integer")
    check_dims("recurrence", (axis,), x.ndim)
    check_same_dtype("recurrence", factor, x)
    return Aval(same_shape("recurrence", factor, x), x.dtype)
