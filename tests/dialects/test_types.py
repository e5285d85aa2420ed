"""Array types, and their map to MLIR's."""

from __future__ import annotations

import numpy as np
import pytest

from difc.dialects import (
    DYN,
    F32,
    Aval,
    aval_of,
    context,
    dtype_from_mlir,
    dtype_to_mlir,
    same_dim,
    same_shape,
    tensor_type,
)
from difc.dialects.mlir import ir
from difc.dialects.types import SizedAval
from difc.errors import DtypeError, ShapeError
from tests.dialects.evaluating import DTYPES, aval


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_survive(dtype: str) -> None:
    with context():
        assert dtype_from_mlir(dtype_to_mlir(DTYPES[dtype])) == DTYPES[dtype]
        for shape in ((), (2, 3), (DYN, 0)):
            made = Aval(shape, DTYPES[dtype])
            assert aval_of(tensor_type(made)) == made
            assert aval(str(made)) == made


def test_texts() -> None:
    assert [str(aval(t)) for t in ("f32[]", "bf16[2, ?]", "bool[0]")] == ["f32[]", "bf16[2, ?]", "bool[0]"]
    with context():
        assert str(tensor_type(aval("u8[?, 3]"))) == "tensor<?x3xui8>"


def test_static() -> None:
    assert aval("f32[2]").is_static
    assert not aval("f32[2, ?]").is_static
    assert not SizedAval((object(),), F32).is_static


def test_dynamic_dims_absorb() -> None:
    assert {DYN + 1, 1 + DYN, DYN - 1, 1 - DYN, DYN * 2, 2 * DYN, DYN // 2, -DYN, DYN.at_least(1)} == {DYN}


def test_same_dim() -> None:
    assert same_dim(2, 2) == same_dim(DYN, 2) == same_dim(2, DYN) == 2
    assert same_dim(DYN, DYN) is DYN
    with pytest.raises(ShapeError, match="dims differ: 2 and 3"):
        same_dim(2, 3)


def test_same_shape() -> None:
    assert same_shape("op", aval("f32[2, ?]"), aval("i8[?, 3]")) == (2, 3)
    with pytest.raises(ShapeError, match=r"op: operand shapes differ: f32\[2\], i8\[3\]"):
        same_shape("op", aval("f32[2]"), aval("i8[3]"))


@pytest.mark.parametrize("dtype", [np.complex64, np.str_, np.longdouble, np.datetime64])
def test_dtypes_that_the_dialect_lacks(dtype: type) -> None:
    with context(), pytest.raises(DtypeError, match=r"is not supported in compiled code\nRemedy: use bool, int8 to"):
        dtype_to_mlir(np.dtype(dtype))


@pytest.mark.parametrize("text", ["complex<f32>", "tf32", "index", "f80", "si32"])
def test_element_types_that_are_not_the_dialects(text: str) -> None:
    with context(), pytest.raises(DtypeError, match="is not one of the dialect's"):
        dtype_from_mlir(ir.Type.parse(text))
