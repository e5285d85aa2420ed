"""Golden IR: `.mlir` files whose comments say what is to come out of them, checked by the `filecheck` package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser

__all__ = ["IR", "check_file", "filecheck"]

#: The folder of the golden files.
IR = Path(__file__).parent / "ir"


def filecheck(output: str, path: Path, prefix: str = "CHECK") -> None:
    """Assert that `output` is what the check comments of a file say; filecheck prints where it is not."""
    options = Options(str(path), check_prefixes=[prefix])
    matcher = Matcher(options, FInput("<output>", output), Parser.from_opts(options))
    assert matcher.run() == 0, f"{path.name} does not match:\n{output}"


def check_file(path: Path, run: Callable[[str], str], prefix: str = "CHECK") -> None:
    """Run each part of a file (parts are divided by `// -----`) and check the outputs, one after the other."""
    filecheck("\n".join(map(run, path.read_text().split("// -----\n"))), path, prefix)
