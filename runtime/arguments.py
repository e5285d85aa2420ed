"""Arguments of a call: conversion to device arrays, and the messages for those that do not fit.

Owns what an entry accepts for an array. Imports no compiler. Invariant: no conversion changes a value, except that a
Python float is rounded to the entry's float type; typed arrays are never cast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from difc.errors import ConcretizationError, DifcError, InputError
from difc.runtime.array import DeviceArray, kind, refuse_subclass, to_device
from difc.runtime.device import Device
from difc.runtime.signature import DTYPES, ArraySpec

__all__ = ["Dims", "as_argument"]

Dims = dict[str, tuple[int, str]]
"""The sizes of the dynamic dimensions of one call: name -> (size, the argument that set it)."""


def as_argument(value: Any, spec: ArraySpec, device: Device, dims: Dims, entry: str) -> DeviceArray:
    """Return `value` as an array of `spec` in the memory of `device`.

    Accepts device arrays (without a copy where memory is shared), NumPy arrays of any layout and byte order, anything
    with `__array__` or `__dlpack__`, and Python numbers and nested lists of them.

    Args:
      dims: the sizes met so far in this call; extended.
      entry: the entry's name, for messages.

    Raises:
      InputError: for a value of another shape or dtype, or that is no array.
    """
    array: Any = value if type(value) is DeviceArray else _as_numpy(value, spec, entry)
    if array.dtype != spec.dtype:
        library = "ml_dtypes" if spec.dtype.kind == "V" else "np"
        cast = f"pass `{_argument(spec)}.astype({library}.{spec.dtype.name})`"
        remedy = cast if array.dtype.name in DTYPES else f"pass an array of {spec}"  # text and complex numbers
        raise _misfit(entry, spec, array, remedy, "dtype")
    if len(array.shape) != len(spec.shape):
        remedy = f"pass an array with {len(spec.shape)} dimension(s)"
        raise _misfit(entry, spec, array, remedy, "shape")
    for axis, (size, wanted) in enumerate(zip(array.shape, spec.shape, strict=True)):
        if isinstance(wanted, int):
            if size != wanted:
                raise _misfit(entry, spec, array, f"dimension {axis} must have size {wanted}", "shape")
            continue
        known, source = dims.setdefault(wanted, (size, f"dimension {axis} of `{_argument(spec)}`"))
        if known != size:
            remedy = f"pass arrays of one size: {wanted!r} is {known} in {source}, and {size} here in dimension {axis}"
            raise _misfit(entry, spec, array, remedy, "shape")
    if type(array) is DeviceArray:
        return array if array.device.shares_memory_with(device) else to_device(array, device)
    return DeviceArray(kind(array.shape, spec.dtype, device), device.to_device(array).ref)


def _as_numpy(value: Any, spec: ArraySpec, entry: str) -> np.ndarray[Any, Any]:
    if isinstance(value, np.ndarray | np.generic):
        refuse_subclass(value, f"`{entry}`: argument `{_argument(spec)}`: ")
        array = np.asarray(value)
    elif isinstance(value, bool | int | float | list | tuple):
        return _weak(value, spec, entry)
    elif hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        try:
            array = np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value)
        except ConcretizationError as error:
            raise ConcretizationError(
                f"`{entry}` is compiled, and cannot be called on traced arrays",
                where=error.where,
                remedy="call the function that it was compiled from",
            ) from None
        except DifcError:
            raise
        except Exception as error:
            raise InputError(
                f"`{entry}`: argument `{_argument(spec)}` ({type(value).__name__}) cannot be read as an array: {error}",
                remedy="pass a NumPy array",
            ) from error
    else:
        raise InputError(
            f"`{entry}`: argument `{_argument(spec)}` is no array\n"
            f"  expected {spec}\n  got      {type(value).__name__}",
            remedy="pass a NumPy array",
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _weak(value: Any, spec: ArraySpec, entry: str) -> np.ndarray[Any, Any]:
    """Convert Python numbers: they have no dtype of their own, so they take the entry's where that keeps the value."""
    try:
        array = np.array(value)
    except ValueError:
        raise InputError(
            f"`{entry}`: argument `{_argument(spec)}` is a nested list whose parts differ in length\n"
            f"  expected {spec}\n  got      {_short(value)}",
            remedy="pass lists of equal length in each dimension, or a NumPy array",
        ) from None
    if array.dtype == spec.dtype or array.dtype.kind not in "biufO":
        return array
    if array.dtype == object:
        raise _too_wide(value, spec, entry, "O")
    if array.size == 0:
        return array.astype(spec.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(spec.dtype)
    given, wanted = array.dtype.kind, "f" if spec.dtype.kind == "V" else spec.dtype.kind
    if given == "f":
        fits = wanted == "f" and bool(np.array_equal(np.isfinite(array), np.isfinite(converted.astype(np.float64))))
    else:
        # tolist() compares exact Python integers: 2**64 - 1 and -1 are one int64 pattern
        fits = (given == "b" or wanted != "b") and _integers(converted) == array.tolist()
    if not fits:
        raise _too_wide(value, spec, entry, given)
    return converted


_WORDS = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "O": "object, or integer of more than 64 bits"}


def _too_wide(value: Any, spec: ArraySpec, entry: str, kind: str) -> InputError:
    return InputError(
        f"`{entry}`: argument `{_argument(spec)}` cannot hold the value {_short(value)}\n"
        f"  expected {spec}\n  got      Python {_WORDS[kind]}",
        remedy=f"pass values that `{spec.dtype.name}` can hold, or a NumPy array of that dtype",
    )


def _integers(array: np.ndarray[Any, Any]) -> Any:
    """Return the values as nested lists; floats compare with Python integers exactly."""
    return (array.astype(np.float64) if array.dtype.kind in "fV" else array).tolist()


def _misfit(entry: str, spec: ArraySpec, array: Any, remedy: str, what: str) -> InputError:
    got = ", ".join(map(str, array.shape))
    return InputError(
        f"`{entry}`: argument `{_argument(spec)}` has the wrong {what}\n"
        f"  expected {spec}\n  got      {array.dtype.name}[{got}]",
        remedy=remedy,
    )


def _argument(spec: ArraySpec) -> str:
    return spec.name or "argument"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
