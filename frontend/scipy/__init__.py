"""SciPy's functions on arrays and traced arrays: `difc.scipy.linalg` and `.special`, imported when first used."""

from __future__ import annotations

import importlib
from typing import Any

from difc.errors import AbsentAttributeError

_MODULES = ("linalg", "special")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"difc.scipy.{name}")
    raise AbsentAttributeError(__name__, name, lambda: _MODULES)
