"""Where the user's code is: the innermost Python frame that is not difc's or a library's that calls back into difc."""

from __future__ import annotations

import functools
import itertools
import os
import sys
from types import CodeType

import numpy as np

from difc.errors import SourceLocation

__all__ = ["is_library", "user_frame_location"]

_OWN_FOLDERS = tuple(
    os.path.join(folder, "")
    for folder in (
        os.path.dirname(os.path.abspath(__file__)),
        *(
            os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name)
            for name in ("dialects", "ad_pass", "pipelines", "runtime")
        ),
        os.path.dirname(os.path.abspath(np.__file__)),
    )
)


@functools.cache
def is_library(filename: str) -> bool:
    """Say whether a file is difc's own, NumPy's, or machinery of Python through which the user's code is called."""
    return filename.startswith("<frozen") or os.path.abspath(filename).startswith(_OWN_FOLDERS) or filename in _STDLIB


_STDLIB = frozenset((functools.__file__, itertools.__spec__.origin or "", __import__("contextlib").__file__))


@functools.lru_cache(maxsize=65536)
def _location(code: CodeType, instruction: int) -> SourceLocation:
    positions = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    line, end_line, column, end_column = positions or (None, None, None, None)
    if line is None:
        return SourceLocation(code.co_filename, code.co_firstlineno)
    on_one_line = end_line == line and end_column is not None
    return SourceLocation(code.co_filename, line, (column or 0) + 1, (end_column or 0) + 1 if on_one_line else 0)


def user_frame_location() -> SourceLocation | None:
    """Return the place in the user's code that is being run, or None where there is none on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return _location(frame.f_code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None
