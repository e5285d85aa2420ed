"""SciPy's functions on arrays and traced arrays: `difc.scipy.linalg` and `.special`, imported when first used."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("linalg", "special"):
        return importlib.import_module(f"difc.scipy.{name}")
    raise AttributeError(f"module 'difc.scipy' has no attribute {name!r}")
