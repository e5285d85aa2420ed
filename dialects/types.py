"""Array types: `Aval` (shape and dtype) and its two-way map to MLIR's ranked tensor types.

A dim is an `int`, or `DYN` where it is known only at run time. Type rules are written with `+ - * //` and `same_dim`,
so that the same rule infers types (with `DYN`) and computes run-time sizes (with `SymbolicDim`, see `sizes.reify`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from difc.dialects.mlir import ir
from difc.errors import DtypeError, ShapeError

__all__ = [
    "BF16",
    "BOOL",
    "DYN",
    "F16",
    "F32",
    "F64",
    "I32",
    "I64",
    "Aval",
    "NamedDim",
    "SizedAval",
    "aval_of",
    "check_dims",
    "check_dtype",
    "check_same_dtype",
    "dtype_from_mlir",
    "dtype_to_mlir",
    "fits",
    "is_float",
    "is_integer",
    "same_dim",
    "same_shape",
    "short_name",
    "tensor_type",
]

BOOL, I32, I64 = np.dtype(np.bool_), np.dtype(np.int32), np.dtype(np.int64)
F16, BF16, F32, F64 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32), np.dtype(np.float64)


class _Dynamic:
    """A dim known only at run time; arithmetic with it is again dynamic."""

    def __repr__(self) -> str:
        return "?"

    def _absorb(self, other: object = None) -> _Dynamic:
        return self

    def at_least(self, bound: int) -> _Dynamic:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __neg__ = _absorb  # type: ignore[assignment]


DYN: Any = _Dynamic()


def is_float(dtype: np.dtype) -> bool:
    """Say whether a dtype is one of f16, bf16, f32, f64: the dtypes that carry derivatives."""
    return dtype in (F16, BF16, F32, F64)


def is_integer(dtype: np.dtype) -> bool:
    """Say whether a dtype is a signed or unsigned integer (bool is not)."""
    return dtype.kind in "iu"


@dataclass(frozen=True)
class Aval:
    """The abstract value of an array: its shape (ints or `DYN`) and dtype."""

    shape: tuple[Any, ...]
    dtype: np.dtype

    #: The value of a scalar i64 operand, where a type rule runs to compute run-time sizes.
    @property
    def size_value(self) -> Any:
        return DYN

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        return all(isinstance(d, int) for d in self.shape)

    def __str__(self) -> str:
        return f"{short_name(self.dtype)}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class SizedAval(Aval):
    """An aval of run-time sizes, on which a type rule computes sizes; `value` is that of a scalar i64, where known."""

    value: Any = DYN

    @property
    def size_value(self) -> Any:
        return self.value


def short_name(dtype: np.dtype) -> str:
    """Return the name used in messages and specs: `f32`, `i64`, `u8`, `bool`, `bf16`; NumPy's for a foreign dtype."""
    if dtype == BF16:
        return "bf16"
    if dtype == BOOL:
        return "bool"
    return f"{dtype.kind}{dtype.itemsize * 8}" if dtype.kind in "fiu" else dtype.name


class NamedDim:
    """Base of run-time sizes that have a name while a function is traced; those of different names are not equal."""


def same_dim(a: Any, b: Any, what: str = "dims") -> Any:
    """Return the common dim, preferring the one that is known; raise `ShapeError` where both are known and differ."""
    known = (int, NamedDim)
    if isinstance(a, known) and isinstance(b, known) and a != b:
        raise ShapeError(f"{what} differ: {a} and {b}")
    return a if isinstance(a, int) else b if isinstance(b, int) else a


def same_shape(op: str, *avals: Aval) -> tuple[Any, ...]:
    """Return the shape common to all operands of `op`."""
    shape = avals[0].shape
    for other in avals[1:]:
        if len(other.shape) != len(shape):
            raise ShapeError(f"{op}: operands have different ranks: {', '.join(map(str, avals))}")
        try:
            shape = tuple(same_dim(a, b) for a, b in zip(shape, other.shape, strict=True))
        except ShapeError as error:
            raise ShapeError(f"{op}: operand shapes differ: {', '.join(map(str, avals))}") from error
    return shape


def check_same_dtype(op: str, *avals: Aval) -> None:
    """Check that all operands of an op have one dtype."""
    if len({aval.dtype for aval in avals}) > 1:
        raise DtypeError(f"{op}: operand dtypes differ: {' and '.join(map(str, avals))}")


def fits(given: Aval | np.ndarray, wanted: Aval) -> bool:
    """Say whether a value of type `given` may stand where `wanted` is declared; a dynamic dim fits any size."""
    sizes = zip(given.shape, wanted.shape, strict=False)
    is_alike = bool(given.dtype == wanted.dtype) and given.ndim == wanted.ndim
    return is_alike and all(a is DYN or b is DYN or a == b for a, b in sizes)


def check_dims(op: str, dims: tuple[int, ...], rank: int) -> None:
    """Check that an op names distinct dims of an array of a rank."""
    if len(set(dims)) != len(dims) or not all(0 <= d < rank for d in dims):
        raise ShapeError(f"{op}: dimensions {list(dims)} are not distinct dimensions of a rank-{rank} array")


def check_dtype(op: str, dtype: np.dtype, kinds: str) -> None:
    """Check that an op takes elements of a dtype: `kinds` is one or more of float, integer and bool, with | between."""
    own = "float" if is_float(dtype) else "integer" if is_integer(dtype) else "bool" if dtype == BOOL else ""
    if own not in kinds.split("|"):
        raise DtypeError(f"{op} takes {kinds.replace('|', ' or ')} elements, not {dtype}")


# ---- dtype <-> element type --------------------------------------------------------------------


def dtype_to_mlir(dtype: np.dtype) -> ir.Type:
    """Return the element type of a dtype; unsigned integers stay unsigned in the dialect."""
    if not dtype.isnative:
        raise DtypeError(f"dtype {dtype} has not this machine's byte order", remedy='use x.dtype.newbyteorder("=")')
    if dtype == BOOL:
        return ir.IntegerType.get_signless(1)
    if dtype == BF16:
        return ir.BF16Type.get()
    if dtype.kind == "f" and dtype.itemsize in (2, 4, 8):
        return {2: ir.F16Type, 4: ir.F32Type, 8: ir.F64Type}[dtype.itemsize].get()
    if dtype.kind == "i":
        return ir.IntegerType.get_signless(dtype.itemsize * 8)
    if dtype.kind == "u":
        return ir.IntegerType.get_unsigned(dtype.itemsize * 8)
    raise DtypeError(
        f"dtype {dtype} is not supported in compiled code",
        remedy="use bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32 or float64",
    )


def dtype_from_mlir(type_: ir.Type) -> np.dtype:
    """Return the dtype of an MLIR element type (`i1` is bool, signless integers are signed)."""
    text = str(type_)
    if text == "i1":
        return BOOL
    if text == "bf16":
        return BF16
    if text[0] == "f" and text in ("f16", "f32", "f64"):
        return np.dtype(f"float{text[1:]}")
    if text.startswith("ui"):
        return np.dtype(f"uint{text[2:]}")
    if text[0] == "i" and text[1:].isdigit():
        return np.dtype(f"int{text[1:]}")
    raise DtypeError(f"element type {text} is not one of the dialect's")


def tensor_type(aval: Aval) -> ir.RankedTensorType:
    """Return the ranked tensor type of an aval."""
    dynamic = ir.ShapedType.get_dynamic_size()
    shape: Sequence[int] = [d if isinstance(d, int) else dynamic for d in aval.shape]
    return ir.RankedTensorType.get(shape, dtype_to_mlir(aval.dtype), loc=ir.Location.unknown())


@functools.lru_cache(maxsize=4096)
def _aval_of_type(type_: ir.Type) -> Aval:
    if not isinstance(type_, ir.RankedTensorType):
        raise DtypeError(f"{type_} is not a ranked tensor")
    shape = tuple(DYN if type_.is_dynamic_dim(i) else type_.get_dim_size(i) for i in range(type_.rank))
    return Aval(shape, dtype_from_mlir(type_.element_type))


def aval_of(value: ir.Value | ir.Type) -> Aval:
    """Return the aval of an SSA value or of a ranked tensor type."""
    return _aval_of_type(value if isinstance(value, ir.Type) else value.type)
