"""Tests of `difc.runtime.signature`: the JSON in an artifact and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from difc.errors import ArtifactError, UnsupportedError
from difc.runtime.signature import DTYPES, ArraySpec, Signature
from tests.runtime.artifacts import signature


def _example() -> Signature:
    params = {"w1": 0, "b1": 0}
    inputs = [
        ArraySpec((10,), np.float32, "params['b1']"),
        ArraySpec((784, 10), np.float32, "params['w1']"),
        ArraySpec(("batch", 784), np.float32, "x"),
    ]
    return signature("loss", inputs, [ArraySpec((), np.float32)], in_tree=((params, 0), {}), doc="The loss.")


def test_json_round_trip() -> None:
    original = _example()
    again = Signature.from_json(original.to_json())
    assert again == original
    assert again.meta["doc"] == "The loss."
    assert again.inputs[2].shape == ("batch", 784)


def test_arguments_by_name() -> None:
    inputs = [ArraySpec((3,), np.float32), ArraySpec((2, 3), np.float32), ArraySpec((), np.int32)]
    tree = (({"b": 0, "w": 0},), {"steps": 0})
    named = signature("f", inputs, [], in_tree=tree, arg_names=["params"])
    assert named.arguments == {"params": {"b": inputs[0], "w": inputs[1]}, "steps": inputs[2]}
    unnamed = signature("f", inputs, [], in_tree=tree)
    assert set(unnamed.arguments) == {"arg0", "steps"}


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_round_trips(name: str) -> None:
    sig = signature("f", [ArraySpec((2,), DTYPES[name])], [ArraySpec((), DTYPES[name])])
    assert Signature.from_json(sig.to_json()) == sig


def test_a_dtype_without_a_place_is_an_error() -> None:
    with pytest.raises(UnsupportedError, match="arrays of `complex64` have no place in a module"):
        ArraySpec((2,), np.dtype(np.complex64))


def test_str_shows_names_and_dynamic_dims() -> None:
    assert str(_example()).endswith("x: float32['batch', 784]) -> (float32[])")


def test_another_format_version_names_both() -> None:
    data = json.loads(_example().to_json()) | {"format": 7}
    with pytest.raises(ArtifactError, match=r"signature format 7 \(made by difc 0.1.0\); this difc reads format 1"):
        Signature.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"form": 1}'])
def test_text_that_is_no_signature(text: str) -> None:
    with pytest.raises(ArtifactError, match="signature cannot be read"):
        Signature.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": [{"name": "x"}]},
        {"inputs": 3},
        {"meta": 1},
        {"outputs": [{"name": "", "shape": [-1], "dtype": "bool"}]},
    ],
)
def test_an_incomplete_signature(change: dict[str, object]) -> None:
    data = json.loads(_example().to_json()) | change
    with pytest.raises(ArtifactError, match="signature is incomplete"):
        Signature.from_json(json.dumps(data))


def test_trees_and_arrays_must_agree() -> None:
    with pytest.raises(ArtifactError, match="trees of 2 and 0 leaves for 1 inputs and 0 outputs"):
        signature("f", [ArraySpec((), np.float32)], [], in_tree=((0, 0), {}))
