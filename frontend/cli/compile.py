"""`difc compile`: a model file to artifacts, one for each target, or to the IR of a stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from difc.cli.console import check_writable, note, progress, size_text, write_text
from difc.entry import Export
from difc.errors import InputError
from difc.model import load_model, running_model, select_entries

if TYPE_CHECKING:
    from difc.pipelines.target import Target
    from difc.program import Program

__all__ = ["compile_model"]


def compile_model(
    model: Path, output: Path | None, entries: Sequence[str], targets: Sequence[str], opt_level: int, emit: str
) -> None:
    """Compile the exports of a model file.

    Args:
      model: the Python file.
      output: where the artifact or text goes; several targets put their name before its suffix.
      entries: names of exports; none means all.
      targets: names of targets.
      opt_level: 0 to 3.
      emit: "vmfb", or a stage in `difc.program.STAGES`.
    """
    start = time.perf_counter()
    with progress() as stage:
        stage("loading the compiler")
        from difc.pipelines.target import Target
        from difc.pipelines.versions import check_versions

        check_versions()
        chosen = {name: Target.parse(name) for name in targets}
        for target in chosen.values():
            if target.note:
                note(target.note)
        stage(f"importing {model}")
        with redirect_stdout(sys.stderr):  # standard output is for what is asked for, not for what models print
            exports = select_entries(load_model(model), entries, model)
        out = _check_output(output, model, emit)
        stage(f"tracing {', '.join(exports)}")
        program = _traced(exports, model)
        if emit == "vmfb":
            assert out is not None
            lines = _compile(program, {_output(out, name, chosen): t for name, t in chosen.items()}, opt_level, stage)
        else:
            _emit(program, emit, chosen, out)
            return
    for path, size, target, end in lines:
        seconds, start = end - start, end
        typer.echo(f"{path}: {size_text(size)} for {target.name}, entries {', '.join(exports)}, {seconds:.2f} s")


def _traced(exports: Mapping[str, Export], model: Path) -> Program:
    from difc.api import trace

    with redirect_stdout(sys.stderr), running_model(model, "while it was traced"):
        return trace(exports)


def _check_output(output: Path | None, model: Path, emit: str) -> Path | None:
    """Return the file to write, before any time is spent on what goes into it."""
    out = output if output is not None or emit != "vmfb" else model.with_suffix(".vmfb")
    if out == Path("-"):
        if emit == "vmfb":
            raise InputError("an artifact does not go to standard output", remedy="name a file with -o")
        return None
    if out is not None:
        with check_writable(out):
            if out.is_dir():
                raise InputError(f"`{out}` is a folder", remedy="name a file in it with -o")
            if out.exists() and out.samefile(model):
                raise InputError(f"`{out}` is the model itself", remedy="choose another file with -o")
    return out


def _output(out: Path, target: str, targets: Mapping[str, object]) -> Path:
    """Return the file for one of several targets: `model.vmfb` becomes `model.cuda-sm_80.vmfb`."""
    if len(targets) == 1:
        return out
    return out.with_name(f"{out.stem}.{target.replace(':', '-')}{out.suffix}")


def _compile(
    program: Program, targets: Mapping[Path, Target], opt_level: int, stage: Callable[[str], None]
) -> list[tuple[Path, int, Target, float]]:
    """Compile for each target; return the files, their sizes, and when each was written."""
    from difc.program import compile_program

    made = []
    for path, target in targets.items():
        stage(f"compiling for {target.name}")
        module = compile_program(program, target, opt_level)
        with check_writable(path):
            module.save(path)
        made.append((path, len(module.vmfb), target, time.perf_counter()))
    return made


def _emit(program: Program, emit: str, targets: Mapping[str, Target], out: Path | None) -> None:
    """Write the IR of a stage; only the last one depends on the target."""
    if emit != "linalg" or len(targets) == 1:
        write_text(program.ir(emit, next(iter(targets.values())).name), out)
        return
    for index, (name, target) in enumerate(targets.items()):
        text = program.ir(emit, target.name)
        if out is None:
            separator = "// -----\n" if index else ""
            write_text(f"{separator}// target {name}\n{text}", None)
        else:
            write_text(text, _output(out, name, targets))
