"""The one file that imports MLIR's Python bindings, so that the package they come from can be swapped here.

They come from `torch-mlir` (the only wheel with complete upstream bindings); nothing of torch is needed.
"""

from __future__ import annotations

from torch_mlir import ir, passmanager
from torch_mlir.dialects import ext, func

__all__ = ["ext", "func", "ir", "passmanager"]
