"""difc: an MLIR compiler for differentiable array programs.

`import difc` is light: the compiler, MLIR and IREE are imported when a name that needs them is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

#: public name -> the module that has it
_NAMES = {
    "ArraySpec": "difc.runtime.signature",
    "CompiledModule": "difc.program",
    "DeviceArray": "difc.runtime.array",
    "Module": "difc.runtime.module",
    "Program": "difc.program",
    "compile": "difc.api",
    "cond": "difc.control",
    "disable_jit": "difc.jitted",
    "export": "difc.entry",
    "fori_loop": "difc.control",
    "grad": "difc.transform",
    "jit": "difc.jitted",
    "jvp": "difc.transform",
    "load": "difc.runtime.module",
    "map": "difc.control",
    "scan": "difc.control",
    "stop_gradient": "difc.control",
    "to_device": "difc.runtime.array",
    "trace": "difc.api",
    "value_and_grad": "difc.transform",
    "vjp": "difc.transform",
    "vmap": "difc.transform",
    **dict.fromkeys(
        ("bf16", "bool_", "f16", "f32", "f64", "i16", "i32", "i64", "i8", "u16", "u32", "u64", "u8"), "difc.spec"
    ),
}
_MODULES = ("config", "errors", "nn", "numpy", "runtime", "scipy", "testing")

__all__ = [*_NAMES, *_MODULES, "__version__"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from difc.api import compile, trace
    from difc.control import cond, fori_loop, map, scan, stop_gradient
    from difc.entry import export
    from difc.jitted import disable_jit, jit
    from difc.program import CompiledModule, Program
    from difc.runtime.array import DeviceArray, to_device
    from difc.runtime.module import Module, load
    from difc.runtime.signature import ArraySpec
    from difc.spec import bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
    from difc.transform import grad, jvp, value_and_grad, vjp, vmap


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        try:
            value = getattr(importlib.import_module(_NAMES[name]), name)
        except ModuleNotFoundError as error:
            from difc.errors import VersionError

            raise VersionError(
                f"difc.{name} needs `{error.name}`, which is not installed", remedy="pip install 'difc[compiler]'"
            ) from None
    elif name in _MODULES:
        value = importlib.import_module(f"difc.{name}")
    else:
        raise AttributeError(f"module 'difc' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
