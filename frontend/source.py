"""Where the user's code is: the innermost Python frame that is not difc's or a library's that calls back into difc.

Owns what counts as a library, the place that messages show, and what of a traceback the user sees. Imports the errors
and the settings only: the runtime uses it, too.
"""

from __future__ import annotations

import dis
import functools
import itertools
import linecache
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

from difc import config
from difc.errors import (
    AbsentAttributeError,
    DifcError,
    SourceLocation,
    UnsupportedError,
    UnsupportedImportError,
    UnsupportedNameError,
)

__all__ = [
    "absent_attribute",
    "absent_name",
    "called_function",
    "is_library",
    "place_of",
    "shortened",
    "user_frame_location",
    "user_instruction",
]

_E = TypeVar("_E", bound=BaseException)


def _folders(package: str) -> list[str]:
    spec = find_spec(package)
    found = spec.submodule_search_locations if spec else None
    return [os.path.join(os.path.abspath(folder), "") for folder in found or ()]


_STANDARD_LIBRARY = os.path.join(sysconfig.get_path("stdlib"), "")
_OWN = ("difc", "difc.dialects", "difc.ad_pass", "difc.pipelines", "difc.runtime")
_LIBRARIES = (*_OWN, "numpy", "scipy", "iree", "optree", "torch_mlir")
_LIBRARY_FOLDERS = tuple(folder for package in _LIBRARIES for folder in _folders(package))
_COMMAND = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli", "")


@functools.cache
def is_library(filename: str) -> bool:
    """Say whether a file is of difc, of a package that it calls, or of Python's standard library."""
    path = os.path.abspath(filename)
    standard = path.startswith(_STANDARD_LIBRARY) and "site-packages" not in path
    return standard or filename.startswith("<frozen") or path.startswith(_LIBRARY_FOLDERS)


@functools.cache
def _is_command(filename: str) -> bool:
    """Say whether a file is of difc's command, beyond whose frames there is nothing of the user's."""
    return os.path.abspath(filename).startswith(_COMMAND)


@functools.lru_cache(maxsize=65536)
def _location(code: CodeType, instruction: int) -> SourceLocation:
    positions = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    line, end_line, column, end_column = positions or (None, None, None, None)
    if line is None:
        return SourceLocation(code.co_filename, code.co_firstlineno)
    on_one_line = end_line == line and end_column is not None
    return SourceLocation(code.co_filename, line, (column or 0) + 1, (end_column or 0) + 1 if on_one_line else 0)


def _runs_library(frame: FrameType) -> bool:
    """Say whether a frame runs code of a library; what `dataclasses` makes of difc's classes has no file."""
    made = frame.f_code.co_filename == "<string>" and str(frame.f_globals.get("__name__")).startswith("difc.")
    return made or is_library(frame.f_code.co_filename)


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _runs_library(frame):
        frame = None if _is_command(frame.f_code.co_filename) else frame.f_back
    return frame


def user_frame_location() -> SourceLocation | None:
    """Return the place in the user's code that is being run, or None where there is none on the stack."""
    frame = _user_frame()
    return None if frame is None else _location(frame.f_code, frame.f_lasti)


def place_of(error: BaseException) -> SourceLocation | None:
    """Return the innermost place in the user's code that an error came through, or None where there is none."""
    entries = [entry for entry in _entries(error) if not _in_library(entry)]
    return _location(entries[-1].tb_frame.f_code, entries[-1].tb_lasti) if entries else None


def user_instruction() -> str:
    """Return the name of Python's instruction that is being run in the user's code, such as "BINARY_SUBSCR"."""
    frame = _user_frame()
    return "" if frame is None else dis.opname[frame.f_code.co_code[frame.f_lasti]]


def called_function() -> tuple[str, str]:
    """Return the package of the library that the user's code is in, and the name of what it called there as written.

    A decorated function has the name of its wrapper on the stack, so the name is read from the user's line.
    """
    frame: FrameType | None = sys._getframe(1)
    package = ""
    while frame is not None and _runs_library(frame):
        package, frame = str(frame.f_globals.get("__name__")).split(".")[0], frame.f_back
    if frame is None:
        return package, ""
    place = _location(frame.f_code, frame.f_lasti)
    text = linecache.getline(place.file, place.line).encode()[max(place.column - 1, 0) :].decode()
    return package, text.partition("(")[0].rpartition(".")[2].strip()


def absent_attribute(
    module: str, name: str, instead: Mapping[str, str], known: Callable[[], Iterable[str]]
) -> UnsupportedError | AttributeError:
    """Return the error for a name that a module of ours has not, to be raised by the module's `__getattr__`.

    Args:
      instead: names that a reader may look for there -> what to do instead.
      known: the names that it has.
    """
    if name in instead:
        return absent_name(f"{module} has no `{name}`", instead[name])
    return AbsentAttributeError(f"module {module!r}", name, known)


def absent_name(message: str, remedy: str) -> UnsupportedError:
    """Return the error for a name that a module of ours has not, to be raised by the module's `__getattr__`.

    Python replaces an `AttributeError` in `from module import name` by an error without the remedy.
    """
    kind = UnsupportedImportError if user_instruction() == "IMPORT_FROM" else UnsupportedNameError
    return kind(message, remedy=remedy)


def shortened(error: _E) -> _E:
    """Return an error that is being handled, with the user's frames alone in its traceback, to raise it again.

    One of ours that has no place gets the user's innermost one, which called the function of difc that failed.
    Errors of libraries that led to it are left out, too. Of an error that a library raised and that is no `DifcError`,
    what the user's innermost frame called is kept; it stays as it is where there is no such frame, and with the setting
    `traceback=full`.
    """
    entries = _entries(error)
    last = max((i for i, entry in enumerate(entries) if not _in_library(entry)), default=-1)
    own = isinstance(error, DifcError)
    if isinstance(error, DifcError) and error.where is None:
        error.where = place_of(error) or user_frame_location()
    if config.get("traceback") == "full" or (last < 0 and not own):
        return error
    chain = None
    for i, entry in reversed(list(enumerate(entries))):
        if not _in_library(entry) or (i > last and not own):
            chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    earlier = error.__cause__ or error.__context__
    if earlier is not None and all(map(_in_library, _entries(earlier))):
        error.__cause__, error.__suppress_context__ = None, True
    return error.with_traceback(chain)


def _entries(error: BaseException) -> list[TracebackType]:
    """Return the entries of a traceback, outermost first."""
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    return entries


def _in_library(entry: TracebackType) -> bool:
    return _runs_library(entry.tb_frame)
