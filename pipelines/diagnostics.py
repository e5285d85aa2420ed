"""What IREE reports, as one `CompileError`: stage, operation, the user's line, the dumped module, a command.

Imports neither MLIR nor IREE. Invariant: the raw text of IREE is shown under `DIFC_TRACEBACK=full` only.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from difc import config
from difc.errors import CompileError, SourceLocation
from difc.pipelines.invocation import MODULE_NAME, Diagnostic, StageFailure
from difc.pipelines.target import Target

__all__ = ["compile_error"]

# `file:line:column: words`, which IREE also puts before "called from" and "see current operation".
_PLACED = re.compile(r"^(?P<file>[^\n]+?):(?P<line>\d+):(?P<column>\d+): (?P<words>.*)", re.MULTILINE)
# What stands there for an operation that IREE made, which has no place, or a name alone.
_WITHOUT_PLACE = re.compile(r'^loc\((?:unknown|"[^"]*")\): ')
_QUOTED_OP = re.compile(r"'([a-z_]\w*\.[\w.]+)'")
_GENERIC_OP = re.compile(r'"([a-z_]\w*\.[\w.]+)"\s*\(')
_MISSING_FUNCTION = re.compile(r"undefined symbol: (\w+)")
_LONGEST_REASON = 300


def compile_error(failure: StageFailure, text: str, target: Target, flags: Sequence[str]) -> CompileError:
    """Return the error that explains a failure; writes the module to the folder of the setting `dump_to`.

    Args:
      failure: what IREE said.
      text: the module that was given to IREE.
      target: what it was compiled for.
      flags: the flags of the session.
    """
    where = _user_place(failure.diagnostics)
    operation = _operation(failure.diagnostics)
    path = _dump(text)
    command = shlex.join(["iree-compile", str(path), *flags, "-o", str(path.with_suffix(".vmfb"))])
    lines = [
        f"IREE could not compile this module for {target.name}: {_reason(failure)}",
        f"  stage: {failure.stage}" + (f", operation: {operation}" if operation else ""),
        f"  module: {path}",
        f"  reproduce: {command}",
    ]
    if config.get("traceback") == "full":
        lines += ["  IREE said:", *(found.message for found in failure.diagnostics), failure.log]
    if where is None:
        remedy = "set DIFC_TRACEBACK=full for all that IREE reported"
    else:
        remedy = "write this line with other operations, or set DIFC_TRACEBACK=full for all that IREE reported"
    return CompileError("\n".join(lines), where=where, remedy=remedy)


def _errors(diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    yield from (found.message for found in diagnostics if found.severity == "error")


def _reason(failure: StageFailure) -> str:
    missing = sorted(set(_MISSING_FUNCTION.findall(failure.log)))
    if missing:
        return f"the target has no function {', '.join(missing)}"
    first = next(_errors(failure.diagnostics), "it gave no reason")
    placed = _PLACED.match(first)
    reason = placed["words"] if placed else _WITHOUT_PLACE.sub("", first.split("\n", 1)[0])
    # What follows the name of an operation is its text, with types and attributes of IREE's own.
    reason = reason.split(": %", 1)[0].split(': "', 1)[0]
    return reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " ..."


def _operation(diagnostics: Sequence[Diagnostic]) -> str:
    for message in _errors(diagnostics):
        found = _QUOTED_OP.search(message) or _GENERIC_OP.search(message)
        if found and not found[1].startswith("hal."):
            return found[1]
    return ""


def _user_place(diagnostics: Sequence[Diagnostic]) -> SourceLocation | None:
    """Return the innermost place outside the module's own text: a message starts with it, its callers follow.

    Where no error has one, a note has, such as one on what an operation without a place reads.
    """
    notes = (found.message for found in diagnostics if found.severity == "note")
    for message in (*_errors(diagnostics), *notes):
        for placed in _PLACED.finditer(message):
            if placed["file"] not in (MODULE_NAME, "-", "<unknown>"):
                return SourceLocation(placed["file"], int(placed["line"]), int(placed["column"]))
    return None


def _dump(text: str) -> Path:
    name = f"failed-{hashlib.sha256(text.encode()).hexdigest()[:12]}.mlir"
    folder = Path(config.get("dump_to"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    except OSError:  # not ours to complain about now: the failure itself matters more
        folder = Path(tempfile.mkdtemp(prefix="difc-dump-"))
        (folder / name).write_text(text)
    return (folder / name).absolute()
