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
    "fori_loop": "difc.loops",
    "grad": "difc.transform",
    "jit": "difc.jitted",
    "jvp": "difc.transform",
    "load": "difc.runtime.module",
    "map": "difc.loops",
    "scan": "difc.loops",
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
#: names of JAX that a reader may look for here -> what to do instead
_ABSENT = {
    **dict.fromkeys(("jacfwd", "jacrev", "jacobian", "hessian"), "map difc.jvp, difc.vjp or difc.grad with difc.vmap"),
    **dict.fromkeys(("while_loop", "switch"), "use difc.fori_loop, difc.scan or difc.cond"),
    **dict.fromkeys(("custom_jvp", "custom_vjp"), "write the function in terms of others, or with difc.stop_gradient"),
    **dict.fromkeys(("checkpoint", "remat"), "leave it out: cheap values are computed again as it is"),
    **dict.fromkeys(("device_put", "device_get"), "use difc.to_device and np.asarray"),
    "lax": "use difc.cond, difc.scan, difc.fori_loop and difc.map",
    "random": "draw numbers with NumPy, and pass them as arguments",
}
_MODULES = ("config", "errors", "nn", "numpy", "runtime", "scipy", "testing")

__all__ = [*_NAMES, *_MODULES, "__version__"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from difc.api import compile, trace
    from difc.control import cond, stop_gradient
    from difc.entry import export
    from difc.jitted import disable_jit, jit
    from difc.loops import fori_loop, map, scan
    from difc.program import CompiledModule, Program
    from difc.runtime.array import DeviceArray, to_device
    from difc.runtime.module import Module, load
    from difc.runtime.signature import ArraySpec
    from difc.spec import bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
    from difc.transform import grad, jvp, value_and_grad, vjp, vmap


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        from difc.errors import UnsupportedNameError

        raise UnsupportedNameError(f"difc has no `{name}`", remedy=_ABSENT[name])
    if name not in __all__:
        import difflib

        close = difflib.get_close_matches(name, __all__, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"module 'difc' has no attribute {name!r}{hint}")
    try:
        module = importlib.import_module(_NAMES.get(name, f"difc.{name}"))
    except ImportError as error:
        from difc.errors import VersionError, absent_compiler
        from difc.source import shortened

        if not isinstance(error, VersionError):
            raise
        raise shortened(absent_compiler(f"difc.{name}")) from None
    value = getattr(module, name) if name in _NAMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
