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
#: names that a reader may look for here, of JAX or still to come -> what to do instead
_ABSENT = {
    **dict.fromkeys(("jacfwd", "jacrev", "jacobian", "hessian"), "map difc.jvp, difc.vjp or difc.grad with difc.vmap"),
    **dict.fromkeys(("hvp", "hessian_vector_product"), "use difc.jvp(difc.grad(f), (x,), (v,))[1]"),
    "linearize": "use difc.jvp, with difc.vmap over tangents",
    "linear_transpose": "use difc.vjp, which transposes a linear function at any place",
    **dict.fromkeys(("while_loop", "switch"), "use difc.fori_loop, difc.scan or difc.cond"),
    **dict.fromkeys(("root", "fixed_point"), "write its steps as a difc.fori_loop"),
    "odeint": "write a method with fixed steps as a difc.scan",
    "associative_scan": "use np.cumsum, np.maximum.accumulate and their like, or difc.scan",
    **dict.fromkeys(("custom_jvp", "custom_vjp"), "write the function in terms of others, or with difc.stop_gradient"),
    **dict.fromkeys(("checkpoint", "remat"), "leave it out: cheap values are computed again as it is"),
    **dict.fromkeys(("device_put", "device_get"), "use difc.to_device and np.asarray"),
    **dict.fromkeys(("pmap", "shard_map"), "use difc.vmap, on one device"),
    **dict.fromkeys(("make_jaxpr", "eval_shape"), "use difc.trace(f, *specs), and .ir() of what it returns"),
    "ShapeDtypeStruct": "use specs such as difc.f32[3, 4]",
    **dict.fromkeys(("Array", "ndarray"), "annotate with specs such as difc.f32[3]; results are difc.DeviceArray"),
    "block_until_ready": "use the method of a result, or np.asarray",
    **dict.fromkeys(("tree", "tree_util", "tree_map"), "use optree, as in optree.tree_map(f, params)"),
    "register_pytree_node": 'use optree.register_pytree_node(..., namespace="difc")',
    **dict.fromkeys(("debug", "pure_callback", "io_callback"), "return the values, and look at the result"),
    "lax": "use difc.cond, difc.scan, difc.fori_loop and difc.map",
    "fft": "complex numbers are not supported: use a product with matrices of cosines and sines, or np.convolve",
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
    if name not in __all__:
        from difc.source import absent_attribute

        raise absent_attribute(__name__, name, _ABSENT, lambda: __all__)
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
