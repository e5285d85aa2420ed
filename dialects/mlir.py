"""The one file that imports MLIR's Python bindings, so that the package they come from can be swapped here.

They come from `torch-mlir` (the only wheel with complete upstream bindings); nothing of torch is needed.
"""

from __future__ import annotations

import sys
from types import ModuleType

from torch_mlir import ir, passmanager
from torch_mlir.dialects import ext, func

__all__ = ["ext", "func", "ir", "passmanager"]

# The bindings look for a Python module of the dialect whenever they meet an op, again each time they find none.
for _dialect in ("dif", "fun", "flow", "iree_linalg_ext", "util"):
    _name = f"{ext.__name__.rpartition('.')[0]}.{_dialect}"
    sys.modules.setdefault(_name, ModuleType(_name))
