"""Array specs: `difc.f32[784, 10]` is a type for an argument; a string, as in `f32["batch", 784]`, is a dynamic dim."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from difc.dialects.types import Aval
from difc.dims import Dim
from difc.errors import DtypeError
from difc.runtime.array import DeviceArray, refuse_subclass
from difc.runtime.signature import DTYPES, ArraySpec
from difc.source import user_frame_location

__all__ = [
    "ScalarType",
    "as_spec",
    "bf16",
    "bool_",
    "f16",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "named_aval",
    "u8",
    "u16",
    "u32",
    "u64",
]


class ScalarType:
    """An element type; indexing it with sizes gives an array spec, and by itself it is the spec of a scalar.

    Example:
      >>> f32["batch", 784]
      ArraySpec(shape=('batch', 784), dtype=dtype('float32'), name='')
    """

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, np.dtype(dtype)

    __iter__ = None  # by way of sizes, it would not end

    def __getitem__(self, shape: int | str | tuple[int | str, ...]) -> ArraySpec:
        return ArraySpec(tuple(map(_size, shape if isinstance(shape, tuple) else (shape,))), self.dtype)

    def __repr__(self) -> str:
        return f"difc.{self.name}"


def _size(size: Any) -> int | str:
    if isinstance(size, str) and size.isidentifier():
        return size
    if isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 0:
        return int(size)
    raise DtypeError(
        f"{size!r} is not a size in an array spec",
        where=user_frame_location(),
        remedy='use a number, or a name in quotes for a size known at run time, as in f32["batch", 784]',
    )


f16, bf16 = ScalarType("f16", np.float16), ScalarType("bf16", ml_dtypes.bfloat16)
f32, f64 = ScalarType("f32", np.float32), ScalarType("f64", np.float64)
i8, i16, i32, i64 = (ScalarType(f"i{n}", f"int{n}") for n in (8, 16, 32, 64))
u8, u16, u32, u64 = (ScalarType(f"u{n}", f"uint{n}") for n in (8, 16, 32, 64))
bool_ = ScalarType("bool_", np.bool_)


def as_spec(x: Any, name: str = "") -> ArraySpec:
    """Return the spec of a spec, element type, array or number.

    Raises:
      DtypeError: for anything else, or an array of a dtype that compiled code has not.
      InputError: for a masked array or a matrix.
    """
    if isinstance(x, ArraySpec):
        return ArraySpec(x.shape, x.dtype, name or x.name)
    if isinstance(x, ScalarType):
        return ArraySpec((), x.dtype, name)
    if isinstance(x, (np.ndarray, np.generic, DeviceArray, bool, int, float)) or hasattr(type(x), "__array__"):
        array = x if hasattr(x, "dtype") and hasattr(x, "shape") else np.asarray(x)
        refuse_subclass(array, f"{name}: " if name else "", user_frame_location())
        dtype = np.dtype(array.dtype).newbyteorder("=")
        if DTYPES.get(dtype.name) != dtype:
            what = "more than 64 bits" if isinstance(x, int) else f"dtype {dtype}, which compiled code has not"
            raise DtypeError(
                f"{name or 'an argument'} has {what}",
                where=user_frame_location(),
                remedy=f"use {', '.join(DTYPES)}",
            )
        return ArraySpec(tuple(array.shape), dtype, name)
    raise DtypeError(
        f"{name or 'an argument'} has a spec {x!r}, which describes no array",
        where=user_frame_location(),
        remedy="use a spec such as difc.f32[784, 10] (difc.f32 for a scalar), or an example array",
    )


def named_aval(spec: ArraySpec) -> Aval:
    """Return the type of a spec, with named run-time sizes."""
    return Aval(tuple(Dim.named(d) if isinstance(d, str) else d for d in spec.shape), spec.dtype)
