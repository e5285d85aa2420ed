"""What the commands print: messages and progress on standard error, results on standard output.

Invariant: text of users and of IR goes out as it is; rich's markup is never read from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from difc.errors import DifcError, InputError

__all__ = ["check_writable", "note", "print_table", "progress", "report", "size_text", "write_text"]


def report(error: DifcError) -> None:
    """Print an error: what is wrong, where, and the remedy."""
    text = Text()
    text.append("error: ", style="bold red")
    text.append(error.message.strip())
    if error.where is not None:
        text.append(f"\n{error.where.excerpt()}", style="cyan")
    if error.remedy:
        text.append("\nRemedy: ", style="bold green")
        text.append(_as_options(error.remedy))
    _stderr().print(text, soft_wrap=True)


def _as_options(remedy: str) -> str:
    """Return a remedy with arguments of Python as options of the command line.

    >>> _as_options('load it with device="vulkan"')
    'load it with --device vulkan'
    """
    return re.sub(r'\b(device|target)="([^"]*)"', r"--\1 \2", remedy)


def note(message: str) -> None:
    """Print something that the user should know."""
    text = Text("note: ", style="bold blue")
    text.append(message, style="default")
    _stderr().print(text, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show a spinner with the stage that the yielded function is told, where standard error is a terminal."""
    with _stderr().status("") as status:
        yield lambda stage: status.update(Text(stage))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0) -> None:
    """Print a table on standard output: in the width of the terminal, without cutting, or in its own elsewhere."""
    folded = (Column(name, overflow="fold") for name in columns)  # nothing is cut
    table = Table(*folded, box=None, pad_edge=False, header_style="bold", show_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    width = console.width - indent
    if not console.is_terminal:
        # measured without the bound that a terminal sets
        widest = sum(max(len(line) for line in (c, *(row[i] for row in rows))) + 1 for i, c in enumerate(columns))
        width = widest + len(columns)
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        typer.echo(" " * indent + line.rstrip())


def write_text(text: str, path: Path | None) -> None:
    """Write text to a file, or to standard output, which `-` stands for, too."""
    text = text if text.endswith("\n") else f"{text}\n"
    if path in (None, Path("-")):
        typer.echo(text, nl=False)
        return
    from difc.runtime.archive import write

    with check_writable(path):
        write(path, text.encode(errors="backslashreplace"))


@contextmanager
def check_writable(path: Path) -> Iterator[None]:
    """Turn a failure to write a file in a `with` block into an `InputError`.

    Raises:
      InputError: also at once, where the file's folder does not exist.
    """
    if not path.parent.is_dir():
        raise InputError(f"`{path}` cannot be written: there is no folder `{path.parent}`", remedy="make the folder")
    try:
        yield
    except OSError as error:
        raise InputError(
            f"`{path}` cannot be written: {error.strerror or error}", remedy="choose another file with -o"
        ) from error


def size_text(size: int) -> str:
    """Return a number of bytes as a person reads it.

    >>> size_text(12345)
    '12.1 KiB'
    """
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)
