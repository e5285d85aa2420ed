"""Array specs."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import difc
from difc.dims import Dim
from difc.errors import DtypeError
from difc.runtime import ArraySpec
from difc.spec import as_spec, named_aval


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("f16", "f2"), ("f32", "f4"), ("f64", "f8"), ("bf16", ml_dtypes.bfloat16), ("bool_", "bool"),
     *((f"{k}{8 * n}", f"{k}{n}") for k in "iu" for n in (1, 2, 4, 8))],
)  # fmt: skip
def test_element_types(name: str, dtype: Any) -> None:
    scalar = getattr(difc, name)
    assert scalar[2, 3] == ArraySpec((2, 3), np.dtype(dtype))
    assert scalar[()].shape == ()
    assert repr(scalar) == f"difc.{name}"


def test_sizes() -> None:
    assert difc.f32["batch", 784].shape == ("batch", 784)
    assert difc.f32[5].shape == (5,)
    assert difc.f32[0].shape == (0,)
    assert type(difc.f32[np.prod([2, 3])].shape[0]) is int


@pytest.mark.parametrize("size", [-1, 2.0, "two words", "", None, slice(None), True])
def test_what_is_no_size(size: Any) -> None:
    with pytest.raises(DtypeError, match="is not a size in an array spec") as error:
        difc.f32[3, size]
    assert 'difc.f32["batch", 784]' in error.value.remedy or 'f32["batch", 784]' in error.value.remedy


@pytest.mark.parametrize(
    ("given", "shape", "dtype"),
    [
        (difc.f32, (), "f4"),
        (np.zeros((2, 3), np.int32), (2, 3), "i4"),
        (np.float32(1), (), "f4"),
        (True, (), "bool"),
        (3, (), "i8"),
        (1.5, (), "f8"),
    ],
    ids=str,
)
def test_specs_of_values(given: Any, shape: tuple[int, ...], dtype: str) -> None:
    assert as_spec(given, "a") == ArraySpec(shape, np.dtype(dtype), "a")


@pytest.mark.parametrize("given", [np.float32, np.ndarray, "f32[3]"], ids=str)
def test_what_describes_no_array(given: Any) -> None:
    with pytest.raises(DtypeError, match=r"w has a spec .*, which describes no array") as error:
        as_spec(given, "w")
    assert "difc.f32 for a scalar" in error.value.remedy


def test_named_types() -> None:
    assert named_aval(difc.f32["n", 2]).shape == (Dim.named("n"), 2)
