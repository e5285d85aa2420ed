"""Every exception that a user of difc can meet.

Each class is also the matching builtin exception, so `except TypeError` works as a NumPy user expects. A message reads:
what is wrong; the user's `file:line` with the source line and a caret; one remedy. This file imports nothing of ours.
"""

from __future__ import annotations

import difflib
import linecache
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "AbsentAttributeError",
    "ArtifactError",
    "BoundsError",
    "CompileError",
    "ConcretizationError",
    "DeviceError",
    "DifcError",
    "DtypeError",
    "EntryError",
    "InputError",
    "ModelError",
    "MutationError",
    "NotDifferentiableError",
    "ShapeError",
    "SourceLocation",
    "TargetError",
    "UnsupportedError",
    "UnsupportedImportError",
    "UnsupportedNameError",
    "VerificationError",
    "VersionError",
    "absent_compiler",
    "absent_file_remedy",
    "suggestion",
]


@dataclass(frozen=True)
class SourceLocation:
    """A place in the user's program: `line` and `column` count from 1; `column` 0 means unknown."""

    file: str
    line: int
    column: int = 0
    end_column: int = 0

    def excerpt(self) -> str:
        """Return `file:line:col`, the source line and a caret below the place (where the file can be read)."""
        head = f"  {self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        text = linecache.getline(self.file, self.line).rstrip()
        if not text.strip():
            return head
        indent = len(text) - len(text.lstrip())
        start = max(self.column - 1, indent)
        width = max(1, min(self.end_column or start + 2, len(text) + 1) - 1 - start)
        return f"{head}\n    {text.strip()}\n    {' ' * (start - indent)}{'^' * width}"


class DifcError(Exception):
    """Base of all difc errors.

    Args:
      message: what is wrong, in one or two sentences.
      where: the user's place, shown with a caret; where none is given, that of the call of difc that raises.
      remedy: one thing to do about it.
    """

    def __init__(self, message: str, *, where: SourceLocation | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.where, self.remedy = message, where, remedy

    def __str__(self) -> str:
        place = [] if self.where is None else [self.where.excerpt()]
        remedy = [f"Remedy: {self.remedy}"] if self.remedy else []
        return "\n".join([self.message, *place, *remedy])


def absent_file_remedy(path: Path, pattern: str) -> str:
    """Return what to do about a file that is not there: perhaps one of another name, among those of a pattern, is."""
    if path.is_symlink():
        return f"make the file that it links to, `{path.readlink()}`"
    names = {near.stem: near for near in path.parent.glob(pattern) if near.exists()}
    close = difflib.get_close_matches(path.stem, names, n=1)
    return f"did you mean `{names[close[0]]}`?" if close else "check the path"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not known: the closest one that is, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


class AbsentAttributeError(AttributeError):
    """A module or array does not have a name. It says which is closest, and looks for that only when it is read.

    Python asks a package for a submodule, and gets this error, before it imports that.
    """

    def __init__(self, owner: str, name: str, known: Callable[[], Iterable[str]]) -> None:
        super().__init__(owner, name)
        self._known = known

    def __str__(self) -> str:
        owner, name = self.args
        close = [] if name.startswith("_") else difflib.get_close_matches(name, list(self._known()), n=1)
        return f"{owner} has no attribute {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")


class ShapeError(DifcError, ValueError):
    """Shapes that do not fit an operation."""


class BoundsError(ShapeError, IndexError):
    """An index, mask or axis that an array does not have."""


class DtypeError(DifcError, TypeError):
    """Element types that do not fit an operation."""


class ConcretizationError(DifcError, TypeError):
    """A traced value was asked for its number: `if x:`, `float(x)`, `range(x)`, `np.array([x])`."""


class MutationError(DifcError, TypeError):
    """A traced array was assigned to in place."""


class NotDifferentiableError(DifcError, TypeError):
    """A derivative was asked for where there is none: an integer input, a non-scalar output, an op without a rule."""


class UnsupportedError(DifcError, NotImplementedError):
    """An operation, dtype or target that difc does not have (yet)."""


class UnsupportedNameError(UnsupportedError, AttributeError):
    """A name of NumPy or SciPy that difc does not have; `hasattr` and `getattr` with a default work as usual."""


class UnsupportedImportError(UnsupportedError, ImportError):
    """`from difc import name` of such a name."""


class InputError(DifcError, ValueError):
    """An argument or input file of a compiled function does not fit its signature."""


class EntryError(DifcError, AttributeError):
    """A module has no entry of that name."""


class ModelError(DifcError, ValueError):
    """A model file that is missing, cannot be imported, or exports nothing."""


class TargetError(DifcError, ValueError):
    """An unknown or unusable compilation target."""


class CompileError(DifcError, RuntimeError):
    """A compiler stage failed; the message names the stage, the dumped module and the command that reproduces it."""


class VerificationError(DifcError, ValueError):
    """A module that breaks the rules of the dialect; each line has the location and the op."""


class VersionError(DifcError, ImportError):
    """A package that difc stands on is missing or has another version than the pinned one."""


def absent_compiler(what: str = "this") -> VersionError:
    """Return the error of what needs more than the base install, which loads and calls artifacts."""
    return VersionError(
        f"{what} needs the compiler of difc, which is not installed", remedy="pip install 'difc[compiler]'"
    )


class ArtifactError(DifcError, ValueError):
    """A file that is not a usable artifact: truncated, corrupted, foreign, or made for another version or target."""


class DeviceError(DifcError, RuntimeError):
    """A device that is not present or cannot be opened here."""
