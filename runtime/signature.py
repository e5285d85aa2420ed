"""What an artifact says about its entries: argument and result arrays, pytrees, target, versions.

Owns the JSON that the compiler stores in an exported function (`iree.reflection`, key `difc.signature`) and the list of
element types. Imports no IREE. Invariant: `Signature.from_json(s.to_json()) == s` up to the classes of named tuples.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from optree import PyTreeSpec

from difc.errors import ArtifactError, UnsupportedError
from difc.runtime.tree import decode_tree, encode_tree

__all__ = ["DTYPES", "FORMAT", "REFLECTION_KEY", "ArraySpec", "Signature"]

FORMAT = 1
REFLECTION_KEY = "difc.signature"

_SCALARS = (
    *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, ml_dtypes.bfloat16, np.float32, np.float64),
)
DTYPES: dict[str, np.dtype[Any]] = {np.dtype(scalar).name: np.dtype(scalar) for scalar in _SCALARS}


@dataclass(frozen=True)
class ArraySpec:
    """One array argument or result.

    Args:
      shape: the dimensions; a string is a dynamic one, and the same string is the same size in one call.
      dtype: one of `DTYPES`; anything that `np.dtype` reads is accepted.
      name: the path that messages use, such as `params['w1']`.

    Example:
      >>> str(ArraySpec(("batch", 784), np.float32, "x"))
      "float32['batch', 784]"
    """

    shape: tuple[int | str, ...]
    dtype: np.dtype[Any]
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if DTYPES.get(self.dtype.name) != self.dtype:
            message = f"arrays of `{self.dtype}` have no place in a module"
            raise UnsupportedError(message, remedy=f"use {', '.join(DTYPES)}")

    @property
    def is_static(self) -> bool:
        """Whether every dimension has a size."""
        return not any(isinstance(dim, str) for dim in self.shape)

    @property
    def described(self) -> str:
        """The spec after its name, if it has one."""
        return f"{self.name}: {self}" if self.name else str(self)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(repr(dim) for dim in self.shape)}]"


@dataclass(frozen=True)
class Signature:
    """One entry of an artifact.

    Args:
      entry: the function's name.
      inputs, outputs: the arrays, in the order of the compiled function.
      in_tree: the pytree of `(args tuple, kwargs dict)`; its leaves are `inputs`.
      out_tree: the pytree of the result; its leaves are `outputs`.
      meta: free JSON. The runtime reads `target`, `driver`, `processor`, `doc`, `difc`, `iree` and `arg_names` (the
        names of the positional parameters, so that they can be passed by name); all may be absent.
    """

    entry: str
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    in_tree: PyTreeSpec
    out_tree: PyTreeSpec
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        takes, gives = self.in_tree.num_leaves, self.out_tree.num_leaves
        if (takes, gives) != (len(self.inputs), len(self.outputs)):
            raise ArtifactError(
                f"the signature of `{self.entry}` has trees of {takes} and {gives} leaves "
                f"for {len(self.inputs)} inputs and {len(self.outputs)} outputs"
            )

    @property
    def arg_names(self) -> tuple[str, ...]:
        """The names of the positional parameters, or `()` where the compiler did not store them."""
        return tuple(self.meta.get("arg_names", ()))

    @property
    def arguments(self) -> dict[str, Any]:
        """The specs of each argument by its name, as a pytree like the argument.

        Example: `module.signature("loss").arguments["params"]["w"].shape`.
        """
        tree: Any = self.in_tree.unflatten(self.inputs)
        positional, keywords = tree
        names = self.arg_names or tuple(f"arg{i}" for i in range(len(positional)))
        return {**dict(zip(names, positional, strict=True)), **keywords}

    def __str__(self) -> str:
        takes, gives = (", ".join(spec.described for spec in specs) for specs in (self.inputs, self.outputs))
        return f"{self.entry}({takes}) -> ({gives})"

    def to_json(self) -> str:
        """Return the signature as one line of JSON.

        Raises:
          UnsupportedError: where a pytree has containers that a loaded module could not rebuild.
        """
        data = {
            "format": FORMAT,
            "entry": self.entry,
            "inputs": [_spec_to_json(spec) for spec in self.inputs],
            "outputs": [_spec_to_json(spec) for spec in self.outputs],
            "in_tree": encode_tree(self.in_tree),
            "out_tree": encode_tree(self.out_tree),
            "meta": self.meta,
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Signature:
        """Return the signature that `to_json` wrote.

        Raises:
          ArtifactError: for text that is no signature, or one of another format version.
        """
        try:
            data = json.loads(text)
            version = data["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError("the artifact's signature cannot be read", remedy="compile the model again") from error
        if version != FORMAT:
            made_by = data.get("meta", {}).get("difc")
            raise ArtifactError(
                f"the artifact has signature format {version}{f' (made by difc {made_by})' if made_by else ''}; "
                f"this difc reads format {FORMAT}",
                remedy="compile the model again with the difc that runs it",
            )
        try:
            return cls(
                data["entry"],
                tuple(_spec_from_json(item) for item in data["inputs"]),
                tuple(_spec_from_json(item) for item in data["outputs"]),
                decode_tree(data["in_tree"]),
                decode_tree(data["out_tree"]),
                dict(data["meta"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError("the artifact's signature is incomplete", remedy="compile the model again") from error


def _spec_to_json(spec: ArraySpec) -> dict[str, Any]:
    return {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype.name}


def _spec_from_json(item: dict[str, Any]) -> ArraySpec:
    shape = tuple(item["shape"])
    if not all(isinstance(dim, str) or (isinstance(dim, int) and dim >= 0) for dim in shape):
        raise ValueError(f"shape {shape}")
    return ArraySpec(shape, DTYPES[item["dtype"]], item["name"])
