"""Tests of `difc.runtime.arguments`: what a call accepts for an array, and the messages for the rest."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from difc.errors import ConcretizationError, InputError
from difc.runtime import ArraySpec, DeviceArray, to_device
from difc.runtime.arguments import Dims, as_argument
from difc.runtime.device import device

F32 = np.dtype(np.float32)


def _convert(value: Any, shape: tuple[int | str, ...], dtype: Any, dims: Dims | None = None) -> DeviceArray:
    spec = ArraySpec(shape, np.dtype(dtype), "params['w']")
    return as_argument(value, spec, device("local-sync"), {} if dims is None else dims, "step")


class _Arrayish:
    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if isinstance(self.values, Exception):
            raise self.values
        return np.asarray(self.values, dtype=dtype)


class _Dlpackish:
    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
READ_ONLY = VALUES.copy()
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    "value",
    [
        VALUES,
        np.asfortranarray(VALUES),
        np.repeat(VALUES, 2, axis=1)[:, ::2],
        VALUES.astype(">f4"),
        READ_ONLY,
        VALUES.tolist(),
        VALUES.astype(int).tolist(),
        tuple(map(tuple, VALUES.tolist())),
        _Arrayish(VALUES),
        _Dlpackish(VALUES),
        to_device(VALUES, "local-sync"),
        to_device(VALUES, "local-task"),
    ],
    ids=[
        "exact",
        "fortran",
        "strided",
        "big-endian",
        "read-only",
        "floats",
        "ints",
        "tuples",
        "array",
        "dlpack",
        "same",
        "other",
    ],
)
def test_accepted(value: Any) -> None:
    result = _convert(value, (2, 3), F32)
    assert result.device.shares_memory_with(device("local-sync"))
    assert result.dtype == F32
    np.testing.assert_array_equal(result, VALUES)


@pytest.mark.parametrize("name", ["local-sync", "local-task"])
def test_an_array_in_the_same_memory_is_not_copied(name: str) -> None:
    value = to_device(VALUES, name)
    assert _convert(value, (2, 3), F32) is value


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (True, "bool", True),
        (True, "int32", 1),
        (3, "float32", 3),
        (3, "bfloat16", 3),
        (0.1, "float32", np.float32(0.1)),
        (0.1, "bfloat16", ml_dtypes.bfloat16(0.1)),
        (0.1, "float64", 0.1),
        (float("inf"), "float16", np.inf),
        (255, "uint8", 255),
        (2**64 - 1, "uint64", 2**64 - 1),
        (-(2**63), "int64", -(2**63)),
        (2**24, "float32", 2.0**24),
    ],
)
def test_python_numbers_take_the_dtype_of_the_entry(value: Any, dtype: str, expected: Any) -> None:
    result = _convert(value, (), dtype)
    assert result.dtype == np.dtype(dtype)
    assert np.asarray(result) == expected


def test_nan_and_empty_lists() -> None:
    assert np.isnan(_convert(float("nan"), (), F32))
    assert _convert([], (0,), np.int32).shape == (0,)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0.5, "int32"),
        (1.0, "int32"),
        (1, "bool"),
        (300, "uint8"),
        (-1, "uint64"),
        (2**24 + 1, "float32"),
        (1e300, "float32"),
    ],
)
def test_python_numbers_that_do_not_fit(value: Any, dtype: str) -> None:
    with pytest.raises(
        InputError, match=r"`step`: argument `params\['w'\]` cannot hold the value .*\n  expected " + dtype
    ):
        _convert(value, (), dtype)


@pytest.mark.parametrize(
    "value", [np.float64(1), np.ones((), np.float64), to_device(1.0, "local-sync"), _Arrayish(np.int64(1))]
)
def test_typed_values_are_never_cast(value: Any) -> None:
    message = (
        r"^`step`: argument `params\['w'\]` has the wrong dtype\n"
        r"  expected float32\[\]\n  got      (float|int)64\[\]\n"
        r"Remedy: pass `params\['w'\]\.astype\(np\.float32\)`$"
    )
    with pytest.raises(InputError, match=message):
        _convert(value, (), F32)


def test_bfloat16_has_a_remedy_that_exists() -> None:
    with pytest.raises(InputError, match=r"astype\(ml_dtypes\.bfloat16\)"):
        _convert(np.float32(1), (), "bfloat16")


def test_wrong_shapes() -> None:
    with pytest.raises(
        InputError, match=r"wrong shape\n  expected float32\[2, 4\]\n  got      float32\[2, 3\]\n.*dimension 1"
    ):
        _convert(VALUES, (2, 4), F32)
    with pytest.raises(InputError, match=r"got      float32\[2, 3\]\nRemedy: pass an array with 1 dimension"):
        _convert(VALUES, (6,), F32)


def test_dynamic_dims_must_agree() -> None:
    dims: Dims = {}
    _convert(VALUES, ("batch", 3), F32, dims)
    _convert(VALUES, ("batch", "features"), F32, dims)
    with pytest.raises(InputError, match=r"'batch' is 2 in dimension 0 of `params\['w'\]`, and 5 here in dimension 0"):
        _convert(np.zeros((5,), F32), ("batch",), F32, dims)


@pytest.mark.parametrize("value", [None, "text", object(), {1: 2}], ids=["None", "text", "object", "dict"])
def test_no_array_at_all(value: Any) -> None:
    with pytest.raises(InputError, match=r"argument `params\['w'\]` is no array\n  expected float32\[\]\n  got      "):
        _convert(value, (), F32)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            np.ma.masked_array([1.0, 2.0], mask=[0, 1], dtype=F32),
            "a masked array would lose its mask\n(?s:.*)Remedy: pass",
        ),
        (np.ones((1, 1), F32).view(np.matrix), "a np.matrix would lose its meaning of \\*\n(?s:.*)Remedy: pass np"),
    ],
)
def test_arrays_of_another_meaning(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"`step`: argument `params\['w'\]`: {message}"):
        _convert(value, value.shape, F32)
    with pytest.raises(InputError, match=f"^{message}"):
        to_device(value)


def test_unreadable_values() -> None:
    with pytest.raises(InputError, match=r"is a nested list whose parts differ in length\n.*\n  got      \[\[1, 2\], "):
        _convert([[1, 2], [3]], (2, 2), F32)
    for value in (2**64, [1, None]):
        with pytest.raises(InputError, match=r"cannot hold the value .*\n.*\n  got      Python object, or integer of"):
            _convert(value, (), F32)
    with pytest.raises(InputError, match=r"\(_Arrayish\) cannot be read as an array: no"):
        _convert(_Arrayish(ValueError("no")), (), F32)
    with pytest.raises(ConcretizationError, match=r"`step` is compiled, and cannot be called on traced arrays"):
        _convert(_Arrayish(ConcretizationError("no numbers yet")), (), F32)
    own = InputError("mine")
    with pytest.raises(InputError, match=r"^mine$"):
        _convert(_Arrayish(own), (), F32)
