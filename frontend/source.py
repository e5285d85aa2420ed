"""Where the user's code is: the innermost Python frame that is not difc's or a library's that calls back into difc.

Owns what counts as a library, the place that messages show, and what of a traceback the user sees.
"""

from __future__ import annotations

import dis
import functools
import itertools
import os
import sys
from importlib.util import find_spec
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

import numpy as np

from difc import config
from difc.errors import DifcError, SourceLocation

__all__ = ["is_library", "shortened", "user_frame_location", "user_instruction"]

_E = TypeVar("_E", bound=BaseException)
_SCIPY = find_spec("scipy")

_OWN_FOLDERS = tuple(
    os.path.join(folder, "")
    for folder in (
        os.path.dirname(os.path.abspath(__file__)),
        *(
            os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name)
            for name in ("dialects", "ad_pass", "pipelines", "runtime")
        ),
        os.path.dirname(os.path.abspath(np.__file__)),
        *(_SCIPY.submodule_search_locations or () if _SCIPY else ()),
    )
)


@functools.cache
def is_library(filename: str) -> bool:
    """Say whether a file is difc's own, NumPy's, SciPy's, or machinery of Python that calls the user's code."""
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


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_frame_location() -> SourceLocation | None:
    """Return the place in the user's code that is being run, or None where there is none on the stack."""
    frame = _user_frame()
    return None if frame is None else _location(frame.f_code, frame.f_lasti)


def user_instruction() -> str:
    """Return the name of Python's instruction that is being run in the user's code, such as "BINARY_SUBSCR"."""
    frame = _user_frame()
    return "" if frame is None else dis.opname[frame.f_code.co_code[frame.f_lasti]]


def shortened(error: _E) -> _E:
    """Return an error that is being handled, with the user's frames alone in its traceback, to raise it again.

    Errors from within a library that are no `DifcError` are returned as they are, and so are all with the setting
    `traceback=full`.
    """
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    own = isinstance(error, DifcError) or (entries and not is_library(entries[-1].tb_frame.f_code.co_filename))
    if not own or config.get("traceback") == "full":
        return error
    chain = None
    for entry in reversed(entries):
        if not is_library(entry.tb_frame.f_code.co_filename):
            chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return error.with_traceback(chain)
