"""Pytrees: nested containers of arrays, through optree. `None` is a node without leaves; dict keys are sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optree
from optree import PyTreeSpec

from difc.errors import InputError
from difc.runtime.tree import NAMESPACE
from difc.source import user_frame_location

__all__ = ["broadcast_prefix", "describe", "flatten", "flatten_with_names", "tree_map", "unflatten"]


def flatten(tree: Any) -> tuple[list[Any], PyTreeSpec]:
    """Return the leaves of a tree and its structure."""
    return optree.tree_flatten(tree, none_is_leaf=False, namespace=NAMESPACE)


def unflatten(structure: PyTreeSpec, leaves: Sequence[Any]) -> Any:
    """Return the tree of a structure with the given leaves."""
    return optree.tree_unflatten(structure, leaves)


def describe(structure: PyTreeSpec) -> str:
    """Return a structure as messages show it.

    >>> describe(flatten({"w": 1.0, "b": (2.0, None)})[1])
    "{'b': (array, None), 'w': array}"
    """
    if structure.is_leaf():
        return "an array"
    text = str(structure).removeprefix("PyTreeSpec(").removesuffix(")").removesuffix(f", namespace={NAMESPACE!r}")
    return text.replace("*", "array")


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Return the tree with `function` applied to each leaf (and the corresponding ones of other trees)."""
    return optree.tree_map(function, tree, *others, none_is_leaf=False, namespace=NAMESPACE)


def flatten_with_names(tree: Any, root: str) -> tuple[list[str], list[Any], PyTreeSpec]:
    """Return also a name for each leaf, such as `params['w1']`."""
    paths, leaves, structure = optree.tree_flatten_with_accessor(tree, none_is_leaf=False, namespace=NAMESPACE)
    return [path.codify(root) for path in paths], leaves, structure


def broadcast_prefix(prefix: Any, tree: Any, what: str) -> list[Any]:
    """Return one entry for each leaf of `tree` from a tree prefix, such as the `in_axes` of vmap.

    Args:
      prefix: a prefix of `tree`, whose leaves stand for all leaves below them; None counts as a leaf.
      what: the name of the argument, for messages.

    Raises:
      InputError: if it is no prefix of the tree.
    """
    try:
        return _expand(prefix, tree)
    except ValueError as error:
        raise InputError(
            f"{what} does not have the structure of what it describes: {error}",
            where=user_frame_location(),
            remedy="give an axis or None for each argument or result, in the same containers, or one for all",
        ) from None


def _expand(prefix: Any, tree: Any) -> list[Any]:
    if prefix is None or isinstance(prefix, (int, bool)):
        return [prefix] * len(flatten(tree)[0])
    if type(prefix) is not type(tree) and not (isinstance(prefix, (list, tuple)) and isinstance(tree, (list, tuple))):
        raise ValueError(f"{prefix!r} for {describe(flatten(tree)[1])}")
    if isinstance(prefix, dict):
        if prefix.keys() != tree.keys():
            raise ValueError(f"keys {sorted(prefix)} for keys {sorted(tree)}")
        return [x for key in sorted(tree) for x in _expand(prefix[key], tree[key])]
    if len(prefix) != len(tree):
        raise ValueError(f"entries for {len(prefix)} of {len(tree)}")
    return [x for p, t in zip(prefix, tree, strict=True) for x in _expand(p, t)]
