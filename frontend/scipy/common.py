"""What the functions of SciPy share: operands of one dtype, floats or matrices, and ops on traced arrays or NumPy's.

Must not import MLIR until something is traced or an op without a NumPy form is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from difc.numpy import surface

__all__ = ["apply", "constant", "floats", "is_odd", "largest_logarithm", "matrices", "polynomial"]


def floats(*values: Any) -> tuple[Any, ...]:
    """Return operands as arrays of floats of one dtype: a traced one decides, else NumPy's rules do."""
    if not surface.has_tracer(*values):
        arrays = [np.asarray(v) if not isinstance(v, (int, float)) else v for v in values]
        dtype = np.result_type(*arrays, 0.0)
        return tuple(np.asarray(a, dtype) for a in arrays)
    from difc.promotion import common_dtype
    from difc.tracer import Tracer, lift, wrap

    dtype = common_dtype(*values, 0.0)
    weak = [isinstance(v, (int, float)) and not isinstance(v, np.generic) for v in values]
    return tuple(
        np.asarray(v, dtype) if w else (v if isinstance(v, Tracer) else wrap(lift(v))).astype(dtype)
        for v, w in zip(values, weak, strict=True)
    )


def matrices(name: str, *arrays: Any, square: bool = True) -> list[Any]:
    """Return operands as arrays of one dtype, float32 or float64; a traced first one must be matrices.

    Args:
      name: of the function, for messages.
      square: whether these must be square.

    Raises:
      ShapeError, DtypeError: as `difc.numpy.factor.matrices` says, if an operand is traced.
    """
    if surface.has_tracer(*arrays):
        from difc.numpy import factor
        from difc.tracer import wrap

        return [wrap(v) for v in factor.matrices(name, *arrays, square=square)]
    given = [np.asarray(a) for a in arrays]
    dtype = np.float32 if np.result_type(*given) == np.float32 else np.float64
    return [a.astype(dtype, copy=False) for a in given]


def is_odd(whole: Any) -> Any:
    """Say of whole numbers, as floats, whether they are odd."""
    return whole - 2 * np.floor(whole / 2) == 1


def constant(x: Any) -> Any:
    """Return a value that has no derivative."""
    if not surface.has_tracer(x):
        return x
    from difc.control import stop_gradient

    return stop_gradient(x)


def largest_logarithm(x: Any) -> float:
    """Return the logarithm of the largest number of the dtype of x: e^x is infinite beyond."""
    return math.log(float(ml_dtypes.finfo(x.dtype).max))


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Return the sum of numbers times x^0, x^1, ..., in the dtype of x."""
    total = np.full_like(x, coefficients[-1])
    for number in reversed(coefficients[:-1]):
        total = total * x + number
    return total


def apply(op: str, *operands: Any, on_arrays: Callable[..., Any] | None = None, **attributes: Any) -> Any:
    """Apply an elementwise op of the dialect to operands of one dtype: as a traced op, or in NumPy.

    Args:
      on_arrays: what to call where no operand is traced, instead of the op's meaning.
    """
    traced = surface.has_tracer(*operands)
    if not traced and on_arrays is not None:
        return on_arrays(*operands)
    operands = np.broadcast_arrays(*operands) if len(operands) > 1 else operands
    found = surface.apply(op, *operands, **attributes)
    return found if traced else found[()]
