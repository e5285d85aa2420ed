"""The typer app: options, help texts, and what becomes of errors. The work is in the other files of this package.

Invariants: nothing but typer is imported before a command runs, so that help is instant; a difc error ends the command
with status 1 and one message on standard error, without a Python traceback unless `DIFC_TRACEBACK=full`.
"""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

import difc
from difc import config
from difc.errors import DifcError, InputError

__all__ = ["app"]


class _Group(TyperGroup):
    """Ends a command on a difc error, or a full disk behind standard output, with one message; warnings are notes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _note_warning(warnings.showwarning)
                result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's, which typer parses with
            raise
        except DifcError as error:
            _end(error, error)
        except OSError as error:
            if not _is_of_output(error):
                raise
            message = f"standard output cannot be written: {error.strerror}"
            _end(error, InputError(message, remedy="make room, or send it elsewhere"))


def _end(cause: Exception, error: DifcError) -> NoReturn:
    if config.get("traceback") == "full":
        raise cause
    from difc.cli.console import report

    report(error)
    raise typer.Exit(1) from None


def _note_warning(elsewhere: Callable[..., None]) -> Callable[..., None]:
    """Return what shows difc's own warnings as notes, and others, as of a model, where they come from."""

    def show(message: Warning | str, category: type[Warning], file: str, line: int, *rest: Any) -> None:
        from difc.cli.console import note
        from difc.source import is_library

        if is_library(file):
            note(str(message))
        else:
            elsewhere(message, category, file, line, *rest)

    return show


def _is_of_output(error: OSError) -> bool:
    """Say whether writing to an open stream failed, other than to a pipe that nobody reads any more."""
    return error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compile differentiable array programs, and their gradients, to deployable modules.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"difc {difc.__version__}")
        raise typer.Exit


def _cmake_folder(value: bool) -> None:
    if value:
        typer.echo(str(Path(__file__).resolve().parent.parent / "cmake"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    cmake_folder: Annotated[
        bool,
        typer.Option("--cmake-dir", callback=_cmake_folder, is_eager=True, help="Print the folder for `difc_DIR`."),
    ] = False,
) -> None:
    pass


@app.command()
def compile(
    model: Annotated[Path, typer.Argument(metavar="MODEL.py", help="File with functions marked by @difc.export.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="Artifact (default: MODEL.vmfb) or text file (default: stdout)."
        ),
    ] = None,
    entry: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Function to compile; repeat it (default: all).")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET",
            help="cpu (default), cpu-generic, vulkan, cuda[:sm_80]; see `difc targets`. Several make OUT.TARGET.vmfb.",
        ),
    ] = None,
    opt_level: Annotated[int, typer.Option("-O", min=0, max=3, help="Optimization level.")] = 3,
    emit: Annotated[
        Literal["dif", "ad", "linalg", "vmfb"],
        typer.Option(help="Artifact, or IR as traced, after differentiation, or as handed to IREE."),
    ] = "vmfb",
) -> None:
    """Compile a model file to an artifact."""
    from difc.cli.compile import compile_model

    compile_model(model, output, entry or [], target or ["cpu"], opt_level, emit)


@app.command()
def run(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="File made by `difc compile`.")],
    entry: Annotated[str | None, typer.Argument(metavar="ENTRY", help="Entry (default: the only one).")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="ARRAY",
            help="a.npy, args.npz (by name, or arg0, arg1, ...), or text such as 2x3xf32=1.5 or 3xi32=1,2,3; in order.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.npz", help="File for the results, by name.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="local-task, local-sync, vulkan or cuda (default: the artifact's)."),
    ] = None,
) -> None:
    """Call an entry of an artifact and print its results."""
    from difc.cli.run import run_entry

    run_entry(artifact, entry, inputs or [], output, device)


@app.command()
def inspect(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="File made by `difc compile`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the entries of an artifact, their arguments and results, and what it was compiled for."""
    from difc.cli.inspect import inspect_artifact

    inspect_artifact(artifact, as_json)


@app.command()
def opt(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE.mlir", help="MLIR text or bytecode; - is standard input.")
    ] = None,
    passes: Annotated[
        str, typer.Option(metavar="PIPELINE", help='Such as "expand-ad,simplify,lower{target=cpu}".')
    ] = "verify",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.mlir", help="Text file (default: stdout).")
    ] = None,
    list_passes: Annotated[bool, typer.Option("--list-passes", help="Describe the passes and their options.")] = False,
    show_locations: Annotated[bool, typer.Option("--show-locations", help="Print where each op comes from.")] = False,
) -> None:
    """Run named passes over a module of the dialect."""
    from difc.cli.console import write_text
    from difc.opt import describe_passes, module_text, parse_pipeline, read_module, run_passes

    if list_passes:
        write_text(describe_passes(), output)
        return
    if file is None:
        raise typer.BadParameter("name a file, or - for standard input", param_hint="FILE.mlir")
    pipeline = parse_pipeline(passes)
    write_text(module_text(run_passes(read_module(file), pipeline), locations=show_locations), output)


@app.command()
def targets() -> None:
    """Show what can be compiled for here, and which devices are present, with reasons."""
    from difc.cli.inspect import show_targets

    show_targets()
