"""The one file that imports MLIR's Python bindings, so that the package they come from can be swapped here.

They come from `torch-mlir` (the only wheel with complete upstream bindings); nothing of torch is needed.
"""

from __future__ import annotations

import sys
from types import ModuleType

from difc.errors import absent_compiler

try:
    from torch_mlir import ir, passmanager
    from torch_mlir.dialects import ext, func
except ModuleNotFoundError:
    raise absent_compiler() from None

__all__ = ["ext", "func", "ir", "passmanager"]

# The bindings import a Python module of the dialect when they meet an op: in vain for those of ours and IREE's, again
# at each op, and for 70 ms of classes that nobody here needs for linalg. What they once believe to be loaded they do
# not look for again; who imports the real module gets its classes all the same.
for _dialect in ("arith", "dif", "flow", "fun", "iree_linalg_ext", "linalg", "math", "scf", "tensor", "util", "vector"):
    _name = f"{ext.__name__.rpartition('.')[0]}.{_dialect}"
    if _name not in sys.modules:
        sys.modules[_name] = ModuleType(_name)
        ir._globals._check_dialect_module_loaded(_dialect)
        del sys.modules[_name]
