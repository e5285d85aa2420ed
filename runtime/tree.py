"""Pytrees of an entry: their JSON form, and flattening the arguments of a call.

Owns the codec between `optree.PyTreeSpec` and JSON, and the messages for arguments whose containers do not fit. Imports
neither IREE nor the other files of the runtime. Invariants: `decode_tree(encode_tree(spec)) == spec` for all specs of
built-in containers, and of named tuples whose class can be found; reading a signature imports no module and runs no
code of the user, so a class is found only where the program has imported it.
"""

from __future__ import annotations

import collections
import functools
import operator
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import optree
from optree import PyTreeKind, PyTreeSpec

from difc.errors import ArtifactError, InputError, UnsupportedError

__all__ = ["IMPORT_NAME", "NAMESPACE", "decode_tree", "encode_tree", "flatten_arguments", "tree_structure"]

NAMESPACE = "difc"
IMPORT_NAME = "__difc_import_name__"
"""What a module has that was imported under another name than programs would import it by, as a model file is."""

LEAF = "*"
_KEY_TYPES = (str, int, float, bool)
_NAMES = {
    PyTreeKind.TUPLE: "tuple",
    PyTreeKind.LIST: "list",
    PyTreeKind.DICT: "dict",
    PyTreeKind.ORDEREDDICT: "ordered",
    PyTreeKind.NAMEDTUPLE: "namedtuple",
}


def tree_structure(tree: Any) -> PyTreeSpec:
    """Return the structure of a pytree as every part of difc sees it: `None` is a node, dict keys are sorted."""
    return optree.tree_structure(tree, none_is_leaf=False, namespace=NAMESPACE)


def _namedtuple(module: str, qualified: str, fields: tuple[str, ...]) -> Any:
    """Return the class of a named tuple if its module is imported and it has these fields still, else a stand-in."""
    try:
        found: Any = operator.attrgetter(qualified)(sys.modules[module])
    except (KeyError, AttributeError):
        found = None
    if optree.is_namedtuple_class(found) and found._fields == fields:
        return found
    return _stand_in(qualified.rpartition(".")[2], fields)


@functools.cache
def _stand_in(name: str, fields: tuple[str, ...]) -> Any:
    """Return one class per name and fields, so that results of one module fit another; its values can be pickled."""
    body = {
        "__slots__": (),
        "__doc__": f"Stands for a class `{name}({', '.join(fields)})` that this program had not imported.",
        "__reduce__": lambda self: (_restore, (name, fields, tuple(self))),
    }
    return type(name, (collections.namedtuple(name, fields),), body)


def _restore(name: str, fields: tuple[str, ...], items: tuple[Any, ...]) -> Any:
    return _stand_in(name, fields)._make(items)


def encode_tree(spec: PyTreeSpec) -> Any:
    """Return a pytree structure as JSON values.

    Raises:
      UnsupportedError: for containers or dict keys that a loaded module could not rebuild.

    Example:
      >>> encode_tree(tree_structure({"w": 1.0, "b": (2.0, None)}))
      {'dict': [['b', {'tuple': ['*', None]}], ['w', '*']]}
    """
    kind = spec.kind
    if kind == PyTreeKind.LEAF:
        return LEAF
    if kind == PyTreeKind.NONE:
        return None
    children = [encode_tree(child) for child in spec.children()]
    if kind in (PyTreeKind.TUPLE, PyTreeKind.LIST):
        return {_NAMES[kind]: children}
    if kind in (PyTreeKind.DICT, PyTreeKind.ORDEREDDICT):
        keys = spec.entries()
        for key in keys:
            if type(key) not in _KEY_TYPES:
                raise UnsupportedError(
                    f"an exported entry cannot have the dict key {key!r} ({type(key).__name__})",
                    remedy="use strings or numbers as keys",
                )
        return {_NAMES[kind]: [[key, child] for key, child in zip(keys, children, strict=True)]}
    if kind == PyTreeKind.NAMEDTUPLE:
        cls: Any = spec.type
        module = getattr(sys.modules.get(cls.__module__), IMPORT_NAME, cls.__module__)
        return {"namedtuple": cls.__qualname__, "module": module, "fields": list(cls._fields), "items": children}
    name = getattr(spec.type, "__qualname__", str(spec.type))
    raise UnsupportedError(
        f"an exported entry cannot take or return a `{name}`: a loaded module could not rebuild it",
        remedy="use the built-in containers at the boundary: tuple, list, dict, OrderedDict or a named tuple",
    )


def decode_tree(node: Any) -> PyTreeSpec:
    """Return the structure that `encode_tree` wrote.

    Raises:
      ArtifactError: for JSON that is no such structure.
    """
    return tree_structure(_skeleton(node))


def _skeleton(node: Any) -> Any:
    match node:
        case None:
            return None
        case "*":
            return 0
        case {"tuple": items}:
            return tuple(_skeleton(item) for item in items)
        case {"list": items}:
            return [_skeleton(item) for item in items]
        case {"dict": items}:
            return {key: _skeleton(item) for key, item in items}
        case {"ordered": items}:
            return collections.OrderedDict((key, _skeleton(item)) for key, item in items)
        case {"namedtuple": str(name), "module": str(module), "fields": fields, "items": items}:
            return _namedtuple(module, name, tuple(fields))._make(_skeleton(item) for item in items)
    raise ArtifactError(f"the signature has an unknown pytree node: {node!r}")


def flatten_arguments(
    entry: str, in_tree: PyTreeSpec, args: tuple[Any, ...], kwargs: dict[str, Any], arg_names: Sequence[str] = ()
) -> list[Any]:
    """Return the leaves of a call's arguments, in the order of the entry's inputs.

    What stands where the structure has a leaf is returned as it is, so a plain list may stand for an array. Named
    tuples fit by their fields, whatever their class. Positional parameters may be passed by name if `arg_names` has
    their names.

    Raises:
      InputError: for arguments of another structure; it names the argument.
    """
    args, kwargs = _bind(entry, in_tree, args, kwargs, arg_names)
    try:
        return in_tree.flatten_up_to(cast(Any, (args, kwargs)))
    except ValueError:
        positional, named = in_tree.children()
        paths = [argument_name(arg_names, i) for i in range(positional.num_children)]
        leaves: list[Any] = []
        for child, value, path in zip(positional.children(), args, paths, strict=True):
            leaves.extend(_walk(entry, child, value, path))
        for child, key in zip(named.children(), named.entries(), strict=True):
            leaves.extend(_walk(entry, child, kwargs[key], key))
        return leaves


def argument_name(arg_names: Sequence[str], index: int) -> str:
    """Return how a message calls the positional argument `index`."""
    return arg_names[index] if index < len(arg_names) else f"args[{index}]"


def _bind(
    entry: str, in_tree: PyTreeSpec, args: tuple[Any, ...], kwargs: dict[str, Any], arg_names: Sequence[str]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Move keyword arguments to their positions; check that every parameter is given once."""
    positional, named = in_tree.children()
    wanted, keywords = positional.num_children, set(named.entries())
    names = [argument_name(arg_names, i) for i in range(wanted)]
    parameters = ", ".join([*names, *(f"{key}=..." for key in sorted(keywords))])
    remedy = f"call `{entry}({parameters})`"
    if len(args) > wanted:
        raise InputError(f"`{entry}` takes {wanted} positional argument(s), got {len(args)}", remedy=remedy)
    by_position = names[len(args) :] if arg_names else []
    unknown = [key for key in kwargs if key not in keywords and key not in by_position]
    if unknown:
        twice = unknown[0] in names
        what = "got two values for the argument" if twice else "has no argument"
        raise InputError(f"`{entry}` {what} `{unknown[0]}`", remedy=remedy)
    missing = [name for name in (*names[len(args) :], *sorted(keywords)) if name not in kwargs]
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        raise InputError(f"`{entry}` is missing the argument(s) {listed}", remedy=remedy)
    rest = dict(kwargs)
    return args + tuple(rest.pop(name) for name in by_position), rest


def _walk(entry: str, spec: PyTreeSpec, value: Any, path: str) -> Iterator[Any]:
    """Yield the leaves of `value` where its containers fit `spec`; the path in an error is as Python writes it."""
    kind, children = spec.kind, spec.children()
    if kind == PyTreeKind.LEAF:
        yield value
        return

    def misfit(wanted: str) -> InputError:
        message = f"`{entry}`: argument `{path}` has another structure than the signature"
        return InputError(f"{message}\n  expected {wanted}\n  got      {_describe(value)}")

    if kind == PyTreeKind.NONE:
        if value is not None:
            raise misfit("None")
    elif kind in (PyTreeKind.DICT, PyTreeKind.ORDEREDDICT):
        keys = spec.entries()
        if not isinstance(value, Mapping) or set(value) != set(keys):
            raise misfit("a dict with the keys " + ", ".join(map(repr, keys)))
        for key, child in zip(keys, children, strict=True):
            yield from _walk(entry, child, value[key], f"{path}[{key!r}]")
    elif kind == PyTreeKind.NAMEDTUPLE:
        cls: Any = spec.type
        fields: tuple[str, ...] = cls._fields
        if getattr(value, "_fields", None) != fields:
            raise misfit(f"a named tuple {cls.__name__}({', '.join(fields)})")
        for field, child, item in zip(fields, children, value, strict=True):
            yield from _walk(entry, child, item, f"{path}.{field}")
    else:
        container = tuple if kind == PyTreeKind.TUPLE else list
        if not isinstance(value, container) or len(value) != len(children):
            raise misfit(f"a {container.__name__} of {len(children)}")
        for index, (child, item) in enumerate(zip(children, value, strict=True)):
            yield from _walk(entry, child, item, f"{path}[{index}]")


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys " + ", ".join(map(repr, value))
    if hasattr(value, "_fields"):
        return f"a named tuple {type(value).__name__}({', '.join(value._fields)})"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__}"
