"""`difc opt` as a library: MLIR text in, a pipeline of named passes, MLIR text out.

The text may come from any producer. Invariant: whatever is wrong with it, or with the pipeline, is a difc error that
shows the place; a module is checked before the first pass and after each one.
"""

from __future__ import annotations

import difflib
import linecache
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from difc import dialects as dif
from difc.dialects import context
from difc.dialects.locations import refused_by_mlir, verification_error
from difc.dialects.mlir import func, ir
from difc.errors import InputError, VerificationError
from difc.passes import PASSES, Pass

__all__ = ["describe_passes", "module_text", "parse_pipeline", "read_module", "run_passes"]


# ---- pipelines -----------------------------------------------------------------------------------


def _word(text: str) -> str:
    if "," in text:
        raise ValueError("a comma")
    return text


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _marks(text: str) -> tuple[bool, ...]:
    values = {"0": False, "1": True, "false": False, "true": True}
    return tuple(values[part] for part in text.split(","))


#: type of an option, without `None` -> how it is read, and what to write
_OPTION_TYPES: dict[str, tuple[Callable[[str], Any], str]] = {
    "str": (_word, "a name; options have spaces between them"),
    "int": (int, "an integer"),
    "tuple[int, ...]": (_numbers, "integers with commas between them, such as 0,-1"),
    "tuple[bool, ...]": (_marks, "0 or 1 for each, with commas between them, such as 1,0"),
}

_NAME = re.compile(r"\s*([A-Za-z][\w-]*)\s*")
_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^\s{}=]+)\s*")


def parse_pipeline(text: str) -> list[Pass]:
    """Return the passes of a pipeline.

    Args:
      text: names with commas between them; options in braces after a name, with spaces between them.

    Raises:
      InputError: with a caret under the part that is wrong.

    Example:
      >>> parse_pipeline("linearize{fn=f mask=1,0},transpose{fn=f_lin},simplify")
      [Linearize(fn='f', mask=(True, False)), Transpose(fn='f_lin', mask=None), Simplify()]
    """
    passes: list[Pass] = []
    place = 0
    while True:
        found = _NAME.match(text, place)
        if found is None:
            _wrong(text, place, place + 1, "a pass name is missing here", f"known passes: {', '.join(PASSES)}")
        kind = PASSES.get(found[1])
        if kind is None:
            close = difflib.get_close_matches(found[1], PASSES, n=1)
            remedy = f"did you mean `{close[0]}`?" if close else f"known passes: {', '.join(PASSES)}"
            _wrong(text, *found.span(1), f"there is no pass `{found[1]}`", remedy)
        options, place = _parse_options(text, found.end(), kind)
        required = [f.name for f in fields(kind) if f.default is MISSING and f.name not in options]
        if required:
            _wrong(text, *found.span(1), f"`{kind.name}` needs the option `{required[0]}`", _usage(kind))
        passes.append(kind(**options))
        if place == len(text):
            return passes
        if text[place] != ",":
            _wrong(text, place, place + 1, "a comma is missing here", "write passes as in `inline,simplify`")
        place += 1


def _parse_options(text: str, place: int, kind: type[Pass]) -> tuple[dict[str, Any], int]:
    """Return the options of a pass, and where the text goes on."""
    options: dict[str, Any] = {}
    if text[place : place + 1] != "{":
        return options, place
    opening, place = place, place + 1
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]
    while (found := _OPTION.match(text, place)) is not None:
        name, value = found[1], found[2]
        if name not in known:
            _wrong(text, *found.span(1), f"`{kind.name}` has no option `{name}`", _usage(kind))
        parse, what = _OPTION_TYPES[_type_name(hints[name])]
        try:
            options[name] = parse(value)
        except (ValueError, KeyError):
            _wrong(text, *found.span(2), f"`{value}` is no value of the option `{name}`", f"give {what}")
        place = found.end()
    blank = re.compile(r"\s*").match(text, place)
    place = blank.end() if blank else place
    if place == len(text):
        _wrong(text, opening, opening + 1, "this brace is not closed", "write options as in `jvp{fn=f mask=1,0}`")
    if text[place] != "}":
        _wrong(text, place, place + 1, "an option `name=value` is missing here", _usage(kind))
    after = re.compile(r"\s*").match(text, place + 1)
    return options, after.end() if after else place + 1


def _type_name(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and "[" not in str(hint) else str(hint)
    return text.removesuffix(" | None")


def _usage(kind: type[Pass]) -> str:
    options = " ".join(f"{f.name}=..." for f in fields(kind))
    return f"write it as in `{kind.name}{{{options}}}`" if options else f"`{kind.name}` has no options"


def _wrong(text: str, start: int, end: int, message: str, remedy: str) -> NoReturn:
    raise InputError(f"{message}\n    {text}\n    {' ' * start}{'^' * max(1, end - start)}", remedy=remedy)


def describe_passes() -> str:
    """Return a page on every pass: its options, what it does, and an example."""
    parts = []
    for kind in PASSES.values():
        hints = get_type_hints(kind)
        options = " ".join(
            f"{f.name}=" + ("..." if f.default is MISSING else f"[{_OPTION_TYPES[_type_name(hints[f.name])][1]}]")
            for f in fields(kind)
        )
        doc = "\n".join(f"  {line.strip()}".rstrip() for line in (kind.__doc__ or "").strip().splitlines())
        parts.append(f"{kind.name}" + (f"{{{options}}}" if options else "") + f"\n{doc}\n")
    return "\n".join(parts)


# ---- modules -------------------------------------------------------------------------------------


def read_module(path: str) -> ir.Module:
    """Return the verified module of a file of MLIR text or bytecode, or of standard input where the path is `-`.

    Raises:
      InputError: for a file that cannot be read.
      VerificationError: for text that does not parse or verify, at its line and column.
    """
    with context(), ir.Location.unknown():
        try:
            if path == "-":
                data = sys.stdin.buffer.read()
                lines = data.decode(errors="replace").splitlines(keepends=True)
                linecache.cache["-"] = (len(data), None, lines, "-")
                module = ir.Module.parse(data)
            else:
                _check_readable(Path(path))
                module = ir.Module.parseFile(path)
        except ir.MLIRError as error:
            raise refused_by_mlir(error) from None
        dif.verify(module)
        return module


def _check_readable(path: Path) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in str(path)):  # how Python reads other bytes
        raise InputError(f"`{path}` cannot be read: MLIR takes UTF-8 names only", remedy="rename it, or use - for it")
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}", remedy="check the path") from error


def run_passes(module: ir.Module, passes: Sequence[Pass]) -> ir.Module:
    """Return the module after some passes; it is verified after each.

    Raises:
      VerificationError: for ops or structure that a pass does not take; after a pass, for a mistake of the pass.
      DifcError: whatever the passes raise.

    Example:
      >>> print(run_passes(read_module("f.mlir"), parse_pipeline("expand-ad,simplify")))  # doctest: +SKIP
    """
    with context(), ir.Location.unknown():
        for each in passes:
            if each.on_dialect:
                _check_dialect(module, each.name)
            module = each.run(module)
            try:
                dif.verify(module)
            except VerificationError as error:
                raise VerificationError(
                    f"the pass `{each.name}` made a wrong module: {error.message}",
                    where=error.where,
                    remedy="this is a mistake of the pass, not of the input: report it with the input",
                ) from error
        return module


def module_text(module: ir.Module, *, locations: bool = False) -> str:
    """Return a module as text, with the location of every op if wanted."""
    with context():
        return str(module.operation.get_asm(enable_debug_info=locations))


def _check_dialect(module: ir.Module, name: str) -> None:
    """Check that a module has only functions with one block each, of ops of the dialect."""
    problems: list[tuple[ir.Location, str]] = []

    def look(operation: Any) -> ir.WalkResult:
        if operation.name not in (*dif.OPS, "func.func", "func.return"):
            problems.append((operation.location, f"the pass `{name}` does not take '{operation.name}'"))
        return ir.WalkResult.ADVANCE

    for operation in module.body.operations:
        if not isinstance(operation, func.FuncOp):
            problems.append((operation.location, f"the pass `{name}` does not take '{operation.operation.name}'"))
        elif (count := len(operation.body.blocks)) != 1:
            what = f"@{operation.name.value}, a function with {count} blocks"
            problems.append((operation.location, f"the pass `{name}` does not take {what}"))
        else:
            operation.operation.walk(look)
    if problems:
        error = verification_error(problems)
        remedy = "give it functions of `dif` and `fun` ops, of one block each"
        raise VerificationError(error.message, where=error.where, remedy=remedy)
