"""Dtype promotion and broadcasting: the only place where either happens.

The rules are NumPy 2's (NEP 50): a ufunc's result dtype is asked of the ufunc itself; Python numbers are weak.
bfloat16, which NumPy does not know, promotes as in JAX: with integers and Python numbers it stays, with float16 it
gives float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BF16, F16, F32, I64, aval_of
from difc.dialects.mlir import ir
from difc.dialects.types import short_name
from difc.dims import Dim
from difc.errors import DtypeError, ShapeError
from difc.source import user_frame_location
from difc.tracer import Tracer, as_array, lift
from difc.tracing import TraceBuilder, constant, current_frame

__all__ = [
    "array_dtype",
    "broadcast_shapes",
    "broadcast_to",
    "common_dtype",
    "dtype_of",
    "is_weak",
    "promote",
    "sized_shape",
    "to_dtype",
    "ufunc_dtypes",
]

_WEAK = {bool: False, int: 0, float: 0.0, complex: 0j}


def is_weak(x: Any) -> bool:
    """Say whether a value is a Python number to promotion."""
    return x.weak if isinstance(x, Tracer) else isinstance(x, (bool, int, float)) and not isinstance(x, np.generic)


def dtype_of(x: Any) -> np.dtype:
    """Return the dtype of anything that can be an operand."""
    return np.dtype(x.dtype) if hasattr(x, "dtype") else as_array(x).dtype


def _python_type(x: Any) -> type:
    kind = dtype_of(x).kind
    return {"b": bool, "i": int, "u": int}.get(kind, float)


def common_dtype(*operands: Any) -> np.dtype:
    """Return the dtype that operands are promoted to (NumPy result_type)."""
    strong = [dtype_of(x) for x in operands if not is_weak(x)]
    if BF16 in strong:
        others = [d for d in strong if d != BF16 and d.kind == "f"]
        return np.result_type(F32, *others) if others else BF16
    return np.result_type(*strong, *(_WEAK[_python_type(x)] for x in operands if is_weak(x)))


def array_dtype(*operands: Any) -> np.dtype:
    """Return the dtype that operands have together where NumPy first makes an array of each, Python numbers too.

    So `np.dot(2.0, x)` of float32 is float64, unlike `2.0 * x`. Beside bfloat16 numbers stay weak.
    """
    dtypes = [dtype_of(x) for x in operands]
    return common_dtype(*operands) if BF16 in dtypes else np.result_type(*dtypes)


def ufunc_dtypes(ufunc: np.ufunc, operands: Sequence[Any]) -> tuple[list[np.dtype], list[np.dtype]]:
    """Return the dtypes that a ufunc computes on, and those of its results, for these operands.

    Raises:
      DtypeError: where the ufunc has no loop for them, or works on complex numbers or objects.
    """
    given: list[Any] = []
    bf16 = any(not is_weak(x) and dtype_of(x) == BF16 for x in operands)
    wide = bf16 and any(not is_weak(x) and dtype_of(x) not in (BF16, F16) and dtype_of(x).kind == "f" for x in operands)
    narrow = bf16 and not wide and not any(not is_weak(x) and dtype_of(x) == F16 for x in operands)
    only_numbers = all(map(is_weak, operands))
    for x in operands:
        dtype = dtype_of(x)
        if is_weak(x) and not only_numbers:
            python = _python_type(x)
            given.append(np.dtype(bool) if python is bool else python)
        elif dtype == BF16 or (narrow and dtype.kind in "iu"):
            given.append(F32)
        else:
            given.append(dtype)
    try:
        found: Any = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout))
    except TypeError:
        names = ", ".join(short_name(dtype_of(x)) for x in operands)
        raise DtypeError(
            f"numpy.{ufunc.__name__} does not work on dtypes {names}",
            where=user_frame_location(),
            remedy="convert an operand with .astype(...)",
        ) from None
    found = [BF16 if narrow and d == F32 else d for d in found]
    return list(found[: len(operands)]), list(found[len(operands) :])


def to_dtype(x: ir.Value, dtype: Any) -> ir.Value:
    """Return a value converted to a dtype."""
    dtype = np.dtype(dtype)
    return x if aval_of(x).dtype == dtype else dif.convert(x, dtype=dtype)


def broadcast_shapes(*shapes: Sequence[Any]) -> tuple[Any, ...]:
    """Return the shape that shapes (of ints and named sizes) broadcast to, by NumPy's rule.

    A run-time size does not repeat: it must meet the same size, or a 1.

    Raises:
      ShapeError: with all shapes and the place.
    """
    rank = max(map(len, shapes), default=0)
    result = []
    for axis in range(-rank, 0):
        sizes = [s[axis] for s in shapes if len(s) >= -axis]
        distinct = list(dict.fromkeys(d for d in sizes if d != 1))
        if len(distinct) > 1:
            text = " and ".join(str(list(s)).replace("'", "") for s in shapes)
            raise ShapeError(
                f"shapes {text} do not broadcast: sizes {distinct[0]} and {distinct[1]} of dim {axis}",
                where=user_frame_location(),
                remedy="make the sizes equal or 1, for example with reshape or x[:, None]",
            )
        result.append(distinct[0] if distinct else 1)
    return tuple(result)


def broadcast_to(
    x: ir.Value, like: Sequence[tuple[ir.Value, tuple[Any, ...]]] | None, shape: Sequence[Any]
) -> ir.Value:
    """Return `x` repeated to a named shape, with run-time sizes taken from the values in `like` that have them."""
    frame = current_frame()
    have = frame.builder.shape(x)
    if tuple(have) == tuple(shape):
        return x
    sizes = [d if isinstance(d, int) else _size_value(d, like or []) for d in shape]
    start = len(shape) - len(have)
    return dif.broadcast_in_dim(x, shape=tuple(sizes), dimensions=range(start, len(shape)))


def _size_value(dim: Any, like: Sequence[tuple[ir.Value, tuple[Any, ...]]]) -> ir.Value:
    """Return the i64 scalar that holds a named size: read off a value that has it, or computed from sizes that are."""
    builder = current_frame().builder
    found = _known_size(dim, builder, like)
    if found is not None:
        return found
    total: ir.Value | None = None
    for names, factor in dim.terms.items():
        term = constant(np.array(factor, I64))
        for name in names:
            atom = _known_size(Dim.named(name), builder, like)
            term = dif.mul(term, _outer_size(Dim.named(name)) if atom is None else atom)
        total = term if total is None else dif.add(total, term)
    assert total is not None
    return total


def _outer_size(dim: Any) -> ir.Value:
    """Return what stands in the current frame for a size that only values of enclosing frames have.

    A body that takes an array of `n*m` elements has no value of size `n`.
    """
    frame = current_frame()
    owner = frame.parent
    while owner is not None:
        with dif.use_builder(owner.builder):
            found = _known_size(dim, owner.builder)
        if found is not None:
            return frame.local(found, owner)
        owner = owner.parent
    raise AssertionError(f"no value has the run-time size {dim}")


def _known_size(
    dim: Any, builder: TraceBuilder, like: Sequence[tuple[ir.Value, tuple[Any, ...]]] = ()
) -> ir.Value | None:
    """Return the i64 scalar of a size that some value has as a dim, or that has been computed already."""
    for value, known in builder.scalars.items():
        if known == dim:
            return value
    for value, shape in (*like, *builder.sizes.items()):
        for i, d in enumerate(shape):
            if d == dim:
                return dif.dim(value, dimension=i)
    return None


def promote(operands: Sequence[Any], dtypes: Sequence[np.dtype]) -> list[ir.Value]:
    """Return operands as values of the given dtypes, broadcast to one shape."""
    values = [
        to_dtype(lift(x, dtype=d if is_weak(x) and not isinstance(x, Tracer) and _fits(x, d) else None), d)
        for x, d in zip(operands, dtypes, strict=True)
    ]
    builder = current_frame().builder
    shapes = [builder.shape(v) for v in values]
    shape = broadcast_shapes(*shapes)
    like = list(zip(values, shapes, strict=True))
    return [broadcast_to(v, like, shape) for v in values]


def _fits(x: Any, dtype: np.dtype) -> bool:
    """Say whether a Python number can be made a constant of a dtype directly; bfloat16 is (it rounds)."""
    return dtype.kind != "b" or isinstance(x, bool)


def sized_shape(shape: Sequence[Any], like: Sequence[ir.Value] = ()) -> tuple[Any, ...]:
    """Return a shape of ints and i64 values from one of ints, named sizes and traced sizes, for ops that take it."""
    builder = current_frame().builder
    pairs = [(v, builder.shape(v)) for v in like]
    return tuple(
        d if isinstance(d, int) else lift(d) if isinstance(d, Tracer) else _size_value(d, pairs) for d in shape
    )
