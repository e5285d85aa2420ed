"""Arrays as text."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from difc.cli.arrays import example_text, parse_array
from difc.errors import InputError
from difc.runtime.signature import DTYPES, ArraySpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f32=0.5", np.float32(0.5)),
        ("2x2xi32=1 2 3 4", np.array([[1, 2], [3, 4]], np.int32)),
        ("2x2xi8=[[1, 2], [3, -4]]", np.array([[1, 2], [3, -4]], np.int8)),
        ("3xu8=0xff", np.full(3, 255, np.uint8)),
        ("2xbool=true,false", np.array([True, False])),
        ("2xf64=nan,-inf", np.array([np.nan, -np.inf])),
        ("2xbf16=1.5", np.full(2, 1.5, ml_dtypes.bfloat16)),
        ("2x0xf16", np.zeros((2, 0), np.float16)),
        ("3xi64", np.zeros(3, np.int64)),
        ("i64=9007199254740993", np.int64(9007199254740993)),
    ],
)
def test_arrays_as_text(text: str, expected: Any) -> None:
    array = parse_array(text)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(array, expected)
    assert array.flags.writeable


@pytest.mark.parametrize(
    "text",
    ["i8=300", "u8=-1", "i32=1.5", "bool=2", "f16=7e4", "f32=one", "3xf32=1,2", "x3xf32=1", "3xf32==1",
             "99999999999xf32=1", "9999999999999x9999999999999xf32=1", "99999999999999999999xf32=1"],
)  # fmt: skip
def test_arrays_that_are_not_what_they_say(text: str) -> None:
    with pytest.raises(InputError, match=r"values for|cannot hold|neither a file|fit into memory"):
        parse_array(text)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_example_of_each_type_can_be_read(dtype: str) -> None:
    array = parse_array(example_text(ArraySpec((2, "n"), DTYPES[dtype])))
    assert (array.dtype, array.shape) == (DTYPES[dtype], (2, 1))
