"""Attributes survive the way into MLIR, through text, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc.dialects import DYN, attributes, context
from difc.dialects.attributes import AttributeKind
from difc.dialects.mlir import ir
from difc.errors import DtypeError
from tests.dialects.evaluating import DTYPES, FAST, SHAPES, elements, same, seeds, specials


def _round_trip(kind: AttributeKind, value: Any) -> Any:
    """Return a value after encoding, printing, parsing and decoding; decoding at once must give the same."""
    with context(), ir.Location.unknown():
        attribute = kind.encode(value)
        assert isinstance(attribute, kind.mlir)
        parsed = kind.decode(ir.Attribute.parse(str(attribute)))
        decoded = kind.decode(attribute)
    if isinstance(decoded, np.ndarray):
        same(decoded, parsed)
    else:
        assert decoded == parsed
    return decoded


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Int", 0),
        ("Int", -1),
        ("Int", 2**63 - 1),
        ("Bool", True),
        ("Bool", False),
        ("Ints", ()),
        ("Ints", (3, -1, 2**40)),
        ("Bools", ()),
        ("Bools", (True, False, True)),
        ("Str", ""),
        ("Str", 'a "quoted" \\ text'),
        ("Symbol", "f_jvp_1"),
        ("Shape", ()),
        ("Shape", (2, DYN, 0, DYN)),
        *(("Dtype", dtype) for dtype in DTYPES.values()),
    ],
)
def test_plain_values(kind: str, value: Any) -> None:
    assert _round_trip(getattr(attributes, kind), value) == value


@FAST
@given(st.sampled_from(list(DTYPES)), SHAPES, st.sampled_from(["any", "one value", "strided", "reversed"]), seeds)
def test_arrays(dtype: str, shape: tuple[int, ...], form: str, seed: int) -> None:
    value = elements(DTYPES[dtype], shape, seed)
    match form:
        case "one value":
            value = np.broadcast_to(elements(DTYPES[dtype], (), seed), shape)
        case "strided":
            value = elements(DTYPES[dtype], (*shape, 2), seed)[..., 0]
        case "reversed":
            value = value.transpose()
    same(_round_trip(attributes.Array, value), value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("repeats", [1, 40])
def test_special_elements(dtype: str, repeats: int) -> None:
    value = np.tile(specials(DTYPES[dtype]), repeats)  # long ones print as hexadecimal text
    same(_round_trip(attributes.Array, value), value)
    for element in value[: value.size // repeats]:
        same(_round_trip(attributes.Array, element), element)


def test_zeros_keep_their_sign() -> None:
    for value in (np.array([-0.0, 0.0]), np.array([-0.0, -0.0]), np.array([0.0, 0.0])):
        assert np.signbit(_round_trip(attributes.Array, value)).tolist() == np.signbit(value).tolist()


def test_equal_elements_are_stored_once() -> None:
    with context(), ir.Location.unknown():
        assert str(attributes.Array.encode(np.full((100, 100), 3, np.uint8))) == "dense<3> : tensor<100x100xui8>"


@pytest.mark.parametrize("value", [np.array([1j]), np.array(["a"]), np.array([None])])
def test_dtypes_that_the_dialect_lacks(value: np.ndarray) -> None:
    with context(), ir.Location.unknown(), pytest.raises(DtypeError, match="is not supported in compiled code"):
        attributes.Array.encode(value)
