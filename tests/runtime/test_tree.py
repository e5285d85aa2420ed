"""Tests of `difc.runtime.tree`: the pytree codec, and flattening of arguments with its messages."""

from __future__ import annotations

import collections
import dataclasses
import json
import pickle
import sys
from typing import Any, NamedTuple

import optree
import pytest

from difc.errors import ArtifactError, InputError, UnsupportedError
from difc.runtime.tree import NAMESPACE, decode_tree, encode_tree, flatten_arguments, tree_structure

TREES: list[Any] = [
    0,
    None,
    (),
    [],
    {},
    (0, [0, None, (0,)]),
    {"b": 0, "a": {"c": (0, 0)}},
    {1: 0, 2: 0},
    collections.OrderedDict([("z", 0), ("a", [0])]),
    ((0, {"w": 0}), {"lr": 0}),
]


class Point(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_round_trip_through_json(tree: Any) -> None:
    spec = tree_structure(tree)
    again = decode_tree(json.loads(json.dumps(encode_tree(spec))))
    assert again == spec
    leaves = list(range(spec.num_leaves))
    assert again.unflatten(leaves) == spec.unflatten(leaves)


class Outer:
    class Inner(NamedTuple):
        x: Any


def test_namedtuples_are_of_the_class_that_is_imported() -> None:
    for tree in (Point(0, (0,)), Outer.Inner([0, Point(0, 0)])):
        spec = tree_structure(tree)
        assert decode_tree(json.loads(json.dumps(encode_tree(spec)))) == spec


def test_namedtuples_that_are_not_imported_have_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    node = encode_tree(tree_structure(Point(0, (0,))))
    assert node["module"] == __name__
    for changes in ({"module": "this"}, {"module": "no.such.module"}, {"namedtuple": "Points"}, {"fields": ["x", "z"]}):
        again = decode_tree({**node, **changes}).unflatten([1, 2])
        name, fields = changes.get("namedtuple", "Point"), tuple(changes.get("fields", ["x", "y"]))
        assert (type(again).__name__, again._fields, again) == (name, fields, (1, (2,)))
        assert type(decode_tree({**node, **changes}).unflatten([1, 2])) is type(again)
        restored = pickle.loads(pickle.dumps(again))
        assert (type(restored), restored) == (type(again), again)
    assert "this" not in sys.modules  # a signature imports nothing
    monkeypatch.setattr(sys.modules[__name__], "Point", "another thing")
    assert decode_tree(node).type is not Point


def test_namedtuples_within_functions_have_a_stand_in() -> None:
    class Local(NamedTuple):
        x: Any

    again = decode_tree(encode_tree(tree_structure(Local(0)))).unflatten([1])
    assert (type(again).__name__, again) == ("Local", (1,))


def test_custom_nodes_are_an_error_at_export() -> None:
    @dataclasses.dataclass
    class Params:
        w: Any

    optree.register_pytree_node(Params, lambda p: ((p.w,), None), lambda _, c: Params(*c), namespace=NAMESPACE)  # type: ignore[arg-type,misc,unused-ignore]
    with pytest.raises(
        UnsupportedError, match=r"Params`: a loaded module could not rebuild it\nRemedy: use the built-in"
    ):
        encode_tree(tree_structure({"p": Params(0)}))


@pytest.mark.parametrize("tree", [collections.deque([0]), collections.defaultdict(int, a=0)], ids=repr)
def test_other_containers_are_an_error_at_export(tree: Any) -> None:
    with pytest.raises(UnsupportedError, match="could not rebuild it"):
        encode_tree(tree_structure(tree))


def test_dict_keys_that_json_has_not() -> None:
    with pytest.raises(UnsupportedError, match=r"dict key \(1, 2\) \(tuple\)"):
        encode_tree(tree_structure({(1, 2): 0}))


def test_an_unknown_node_is_an_artifact_error() -> None:
    with pytest.raises(ArtifactError, match="unknown pytree node"):
        decode_tree({"set": ["*"]})


PARAMS = {"w": 0, "b": [0, Point(0, 0)]}
IN_TREE = tree_structure(((PARAMS, 0), {"lr": 0}))
GOOD = {"w": 1, "b": [2, Point(3, 4)]}


def _flatten(*args: Any, **kwargs: Any) -> list[Any]:
    return flatten_arguments("step", IN_TREE, args, kwargs, ("params", "x"))


def test_leaves_come_in_the_order_of_the_inputs() -> None:
    assert _flatten(GOOD, 5, lr=6) == [2, 3, 4, 1, 5, 6]


def test_positional_parameters_may_be_named() -> None:
    assert _flatten(GOOD, lr=6, x=5) == _flatten(x=5, lr=6, params=GOOD) == [2, 3, 4, 1, 5, 6]


def test_a_list_may_stand_for_an_array() -> None:
    assert _flatten(GOOD, [5, 5], lr=6)[4] == [5, 5]


def test_namedtuples_fit_by_their_fields() -> None:
    other = collections.namedtuple("Other", "x y")
    assert _flatten({"w": 1, "b": [2, other(3, 4)]}, 5, lr=6) == [2, 3, 4, 1, 5, 6]


def test_dict_subclasses_fit() -> None:
    assert _flatten(collections.OrderedDict(reversed(GOOD.items())), 5, lr=6) == [2, 3, 4, 1, 5, 6]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"w": 1}, r"`params` .*\n  expected a dict with the keys 'b', 'w'\n  got      a dict with the keys 'w'"),
        ({"w": 1, "b": [2]}, r"argument `params\['b'\]` .*\n  expected a list of 2\n  got      a list of 1"),
        ({"w": 1, "b": (2, Point(3, 4))}, r"expected a list of 2\n  got      a tuple of 2"),
        (
            {"w": 1, "b": [2, (3, 4)]},
            r"`params\['b'\]\[1\]` .*\n  expected a named tuple Point\(x, y\)\n  got      a tuple of 2",
        ),
        (None, r"got      None"),
        (3.0, r"got      float"),
    ],
)
def test_a_wrong_structure_names_the_argument(params: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _flatten(params, 5, lr=6)


def test_none_must_be_none() -> None:
    spec = tree_structure(((None, 0), {}))
    assert flatten_arguments("f", spec, (None, 1), {}) == [1]
    with pytest.raises(InputError, match=r"argument `args\[0\]` .*\n  expected None\n  got      int"):
        flatten_arguments("f", spec, (2, 1), {})


def test_wrong_numbers_of_arguments() -> None:
    with pytest.raises(
        InputError, match=r"takes 2 positional argument\(s\), got 3\nRemedy: call `step\(params, x, lr=\.\.\.\)`"
    ):
        _flatten(GOOD, 5, 6, lr=7)
    with pytest.raises(InputError, match=r"is missing the argument\(s\) `x`, `lr`"):
        _flatten(GOOD)
    with pytest.raises(InputError, match="has no argument `rate`"):
        _flatten(GOOD, 5, rate=7)
    with pytest.raises(InputError, match="got two values for the argument `params`"):
        _flatten(GOOD, 5, params=GOOD, lr=6)
