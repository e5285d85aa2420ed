"""Small artifacts for the tests of the runtime, compiled from MLIR text by IREE itself.

`build` makes the bytes of an artifact from functions and their signatures, so that these tests need no other part of
difc than the runtime.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest

from difc.runtime import ArraySpec, Signature
from difc.runtime.tree import tree_structure
from tests.pipelines.artifacts import VULKAN

_FLAGS = {
    "cpu": [
        "--iree-hal-target-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        "--iree-llvmcpu-stack-allocation-limit=65536",
    ],
    "vulkan": ["--iree-hal-target-backends=vulkan-spirv", "--iree-vulkan-target=rdna3"],
}
_MLIR = {"bool": "i1", "bfloat16": "bf16", "float16": "f16", "float32": "f32", "float64": "f64"}


def mlir_type(spec: ArraySpec) -> str:
    """Return the tensor type that the compiler has for an array."""
    element = _MLIR.get(spec.dtype.name) or f"i{spec.dtype.itemsize * 8}"
    return f"tensor<{''.join(f'{dim}x' if isinstance(dim, int) else '?x' for dim in spec.shape)}{element}>"


def signature(
    entry: str,
    inputs: list[ArraySpec],
    outputs: list[ArraySpec],
    in_tree: Any = None,
    out_tree: Any = None,
    **meta: Any,
) -> Signature:
    """Return a signature; without trees it takes its inputs as arguments and returns one leaf or a tuple."""
    takes = ((0,) * len(inputs), {}) if in_tree is None else in_tree
    gives = (0 if len(outputs) == 1 else (0,) * len(outputs)) if out_tree is None else out_tree
    meta = {"target": "cpu", "driver": "local-sync", "difc": "0.1.0", **meta}
    return Signature(entry, tuple(inputs), tuple(outputs), tree_structure(takes), tree_structure(gives), meta)


@functools.cache
def compile_text(text: str, target: str) -> bytes:
    """Compile MLIR text with IREE."""
    from iree.compiler import tools

    common = ["--iree-opt-level=O3", "--iree-input-demote-f64-to-f32=false"]
    return bytes(tools.compile_str(text, input_type="auto", extra_args=[*_FLAGS[target], *common]))


def build(
    *functions: tuple[Signature, str], target: str = "cpu", resources: str = "", replace: tuple[str, str] = ("", "")
) -> bytes:
    """Return an artifact; each body uses the arguments `%0`, `%1`, ... and ends with its `return`.

    `replace` is a change of the text, for artifacts that are wrong.
    """
    text = ""
    for sig, body in functions:
        arguments = ", ".join(f"%{index}: {mlir_type(spec)}" for index, spec in enumerate(sig.inputs))
        results = ", ".join(map(mlir_type, sig.outputs))
        reflection = json.dumps(sig.to_json())  # JSON's escapes of a string are MLIR's
        attributes = f"attributes {{iree.reflection = {{difc.signature = {reflection}}}}}"
        text += f"func.func @{sig.entry}({arguments}) -> ({results}) {attributes} {{\n{body}\n}}\n"
    text = text.replace(*replace) if replace[0] else text
    return compile_text(f"module @m {{\n{text}}}\n{resources}", target)


def binary(op: str, type_: str) -> str:
    """Return the body that applies an `arith` operation to both arguments."""
    return f"%r = arith.{op} %0, %1 : {type_}\nreturn %r : {type_}"


F32_16 = ArraySpec((16,), np.float32)
ADD_BODY = binary("addf", "tensor<16xf32>")


def add_artifact(target: str = "cpu", **meta: Any) -> bytes:
    """Return a module with one entry `add(x, y)` on 16 floats."""
    specs = [ArraySpec((16,), np.float32, name) for name in "xy"]
    meta = {"target": target, "arg_names": ["x", "y"], **meta}
    return build((signature("add", specs, [F32_16], **meta), ADD_BODY), target=target)


every_device = pytest.mark.parametrize(
    ("device_name", "target"),
    [("local-sync", "cpu"), ("local-task", "cpu"), pytest.param("vulkan", "vulkan", marks=VULKAN)],
    ids=["local-sync", "local-task", "vulkan"],
)
