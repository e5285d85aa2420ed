"""SciPy's functions on arrays and traced arrays: `difc.scipy.special`, imported when it is first used."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "special":
        return importlib.import_module("difc.scipy.special")
    raise AttributeError(f"module 'difc.scipy' has no attribute {name!r}")
