"""What the `dif` ops that sort, search and accumulate along an axis mean, as NumPy functions on arrays.

f16 and bf16 are accumulated in f32 and rounded once. Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects.base import OpDef
from difc.dialects.semantics import Meaning, in_f32, meaning
from difc.dialects.types import BF16, F32, I64

__all__: list[str] = []

# ---- order ---------------------------------------------------------------------------------------


def _ordered(x: np.ndarray) -> np.ndarray:
    return x.astype(F32) if x.dtype == BF16 else x  # bfloat16's own comparisons do not sort NaN


@meaning(dif.argsort)
def _(x: np.ndarray, *, axis: int) -> np.ndarray:
    return np.argsort(_ordered(x), axis, kind="stable")


@meaning(dif.searchsorted)
def _(table: np.ndarray, values: np.ndarray, *, batch: int, side: Any) -> np.ndarray:
    lanes = values.shape[:batch]
    result = np.empty(values.shape, I64)
    for lane in np.ndindex(*lanes):
        result[lane] = np.searchsorted(_ordered(table[lane]), _ordered(values[lane]), side)
    return result


# ---- running results -----------------------------------------------------------------------------


def _running(ufunc: np.ufunc) -> Meaning:
    def accumulate(x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
        if reverse:
            return np.flip(ufunc.accumulate(np.flip(x, axis), axis, dtype=x.dtype), axis)
        return ufunc.accumulate(x, axis, dtype=x.dtype)

    return in_f32(accumulate)


_RUNNING: dict[OpDef, np.ufunc] = {
    dif.cumsum: np.add,
    dif.cumprod: np.multiply,
    dif.cummax: np.maximum,
    dif.cummin: np.minimum,
}
for _opdef, _ufunc in _RUNNING.items():
    meaning(_opdef)(_running(_ufunc))


@meaning(dif.recurrence)
@in_f32
def _(factor: np.ndarray, x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    factors, terms = np.moveaxis(factor, axis, 0), np.moveaxis(x, axis, 0)
    result = np.empty_like(terms)
    state = np.zeros(terms.shape[1:], x.dtype)
    for i in reversed(range(len(terms))) if reverse else range(len(terms)):
        result[i] = state = factors[i] * state + terms[i]
    return np.moveaxis(result, 0, axis)
