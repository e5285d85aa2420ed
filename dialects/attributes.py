"""Attributes of ops: Python values to MLIR attributes and back.

A type rule annotates its keyword-only parameters with one of these kinds. A kind accepts exactly one class of MLIR
attribute, so that a wrong one is a verifier error. Imports only the bindings and this package's types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import ml_dtypes  # noqa: F401 - NumPy must know bf16
import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import BF16, BOOL, DYN, dtype_from_mlir, dtype_to_mlir

__all__ = ["Array", "AttributeKind", "Bool", "Bools", "Dtype", "Int", "Ints", "Results", "Shape", "Str", "Symbol"]


class AttributeKind:
    """A kind of attribute: the class of MLIR attribute, and the functions between that and Python values."""

    def __init__(
        self, name: str, mlir: type, encode: Callable[[Any], ir.Attribute], decode: Callable[[Any], Any]
    ) -> None:
        self.name, self.mlir, self.encode, self.decode = name, mlir, encode, decode

    def __repr__(self) -> str:
        return f"<{self.name} attribute>"


# ---- arrays --------------------------------------------------------------------------------------


def _encode_array(value: Any) -> ir.Attribute:
    array = np.asarray(value, order="C")
    element = dtype_to_mlir(array.dtype)
    if array.size:
        flat = array.reshape(-1)
        if (flat.view(np.uint8).reshape(array.size, -1) == flat[:1].view(np.uint8)).all():
            type_ = ir.RankedTensorType.get(array.shape, element)
            return ir.DenseElementsAttr.get_splat(type_, _scalar_attribute(flat[0], element))
    if array.dtype == BOOL:
        return ir.DenseElementsAttr.get(array)
    bits = array.view(np.uint16) if array.dtype == BF16 else array
    return ir.DenseElementsAttr.get(bits, shape=array.shape, type=element)


def _scalar_attribute(value: Any, element: ir.Type) -> ir.Attribute:
    if isinstance(element, ir.IntegerType):
        number = int(value)
        if element.is_unsigned and number >= 1 << (element.width - 1):
            number -= 1 << element.width  # the bindings take the bits as a signed number
        return ir.IntegerAttr.get(element, number)
    return ir.FloatAttr.get(element, float(value))


def _decode_array(attr: ir.Attribute) -> np.ndarray:
    type_ = attr.type
    shape, dtype = tuple(type_.shape), dtype_from_mlir(type_.element_type)
    if attr.is_splat:
        value = attr.get_splat_value().value
        if dtype.kind == "u" and value < 0:
            value += 1 << (8 * dtype.itemsize)
        return np.full(shape, value, dtype)
    if dtype == BF16:
        return _decode_bf16(attr).reshape(shape)
    return np.array(attr).astype(dtype, copy=False).reshape(shape)


def _decode_bf16(attr: ir.Attribute) -> np.ndarray:
    """Read a bf16 array off its text, as the bindings have no other way; the text is exact."""
    text = str(attr)
    if hexadecimal := re.match(r'dense<"0x([0-9A-F]*)">', text):
        return np.frombuffer(bytes.fromhex(hexadecimal[1]), np.uint16).view(BF16)
    numbers = re.findall(r"[^][, ]+", text[len("dense<") : text.index(">")])
    bits = [int(n, 16) if n.startswith("0x") else np.array(float(n), BF16).view(np.uint16) for n in numbers]
    return np.array(bits, np.uint16).view(BF16)


# ---- the kinds -----------------------------------------------------------------------------------

if TYPE_CHECKING:  # in a type rule, each stands for the Python values that it carries
    Int: TypeAlias = int
    Ints: TypeAlias = tuple[int, ...]
    Bool: TypeAlias = bool
    Bools: TypeAlias = tuple[bool, ...]
    Str: TypeAlias = str
    Symbol: TypeAlias = str
    Dtype: TypeAlias = np.dtype
    Array: TypeAlias = np.ndarray
    Shape: TypeAlias = tuple[Any, ...]
    Results: TypeAlias = tuple[Any, ...]
else:
    Int = AttributeKind(
        "int", ir.IntegerAttr, lambda v: ir.IntegerAttr.get(ir.IntegerType.get_signless(64), int(v)), lambda a: a.value
    )
    Bool = AttributeKind("bool", ir.BoolAttr, lambda v: ir.BoolAttr.get(bool(v)), lambda a: bool(a.value))
    Ints = AttributeKind(
        "i64 array", ir.DenseI64ArrayAttr, lambda v: ir.DenseI64ArrayAttr.get([int(i) for i in v]), lambda a: tuple(a)
    )
    Bools = AttributeKind(
        "bool array",
        ir.DenseBoolArrayAttr,
        lambda v: ir.DenseBoolArrayAttr.get([bool(i) for i in v]),
        lambda a: tuple(map(bool, a)),
    )
    Str = AttributeKind("string", ir.StringAttr, ir.StringAttr.get, lambda a: a.value)
    Symbol = AttributeKind("symbol", ir.FlatSymbolRefAttr, ir.FlatSymbolRefAttr.get, lambda a: a.value)
    Dtype = AttributeKind(
        "type",
        ir.TypeAttr,
        lambda v: ir.TypeAttr.get(dtype_to_mlir(np.dtype(v))),
        lambda a: dtype_from_mlir(a.value),
    )
    Array = AttributeKind("dense array", ir.DenseElementsAttr, _encode_array, _decode_array)
    #: Dims, -1 in the IR where an i64 scalar among the op's trailing `sizes` operands gives the size.
    Shape = AttributeKind(
        "shape",
        ir.DenseI64ArrayAttr,
        lambda v: ir.DenseI64ArrayAttr.get([d if isinstance(d, int) else -1 for d in v]),
        lambda a: tuple(DYN if d == -1 else d for d in a),
    )
    #: The result avals of an op whose type rule needs them said: given when building, read off the op's results, not
    #: stored.
    Results = AttributeKind("results", ir.UnitAttr, lambda v: ir.UnitAttr.get(), lambda a: ())
