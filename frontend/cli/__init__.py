"""The command `difc`. This file is what `main` needs to say that the rest of the command is not installed."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command on `sys.argv`; exits with status 0, 1 (a mistake, with one message), or 2 (wrong usage)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # a service may start the command with these streams closed
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open as long as the process
    try:
        from difc.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f"difc: the command needs {error.name}: pip install 'difc[compiler]'", file=sys.stderr)
        sys.exit(1)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files, and texts of users, in any terminal
    app()
