"""Whether a function is being traced here. Alone in a file, so that asking imports no compiler."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

__all__ = ["FRAME", "is_tracing"]

#: The innermost `tracing.Frame` under construction.
FRAME: ContextVar[Any] = ContextVar("difc_frame", default=None)


def is_tracing() -> bool:
    """Say whether a function is being traced here."""
    return FRAME.get() is not None
