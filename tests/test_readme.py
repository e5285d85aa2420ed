"""README.md is true: its Python blocks run and print what it shows, its commands run, its links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import itertools
import linecache
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from difc.errors import DifcError

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _blocks() -> list[tuple[str, str]]:
    """Return language and text of every block of code."""
    return [(found[1], found[2]) for found in _BLOCK.finditer(README)]


def _run(code: str, names: dict[str, object]) -> str:
    """Run one block as the file `model.py`; return what it prints, an error of difc included."""
    linecache.cache["model.py"] = (len(code), None, code.splitlines(keepends=True), "model.py")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "model.py", "exec"), names)
        except DifcError as error:
            print(f"{type(error).__module__}.{type(error).__qualname__}: {error}")
    return printed.getvalue()


@dataclass(frozen=True)
class Session:
    """The Python blocks after they were run, one after the other, in a folder of their own."""

    folder: Path
    blocks: list[tuple[str, str, str]]  # code, what it printed, what the text says


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    names: dict[str, object] = {"__name__": "__main__"}
    found, blocks = [], _blocks()
    with contextlib.chdir(folder):
        for (language, code), (next_language, text) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
            if language == "python":
                found.append((code, _run(code, names), text if next_language == "text" else ""))
    return Session(folder, found)


def test_python_blocks_print_what_the_text_says(session: Session) -> None:
    assert len(session.blocks) >= 5
    for code, printed, wanted in session.blocks:
        lines = [line.rstrip() for line in printed.strip().splitlines()]
        assert lines == wanted.strip().splitlines(), f"the block:\n{code}"


def test_commands_run(session: Session) -> None:
    lines = [line for language, text in _blocks() if language == "sh" for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("difc ")]
    assert len(commands) >= 5
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=session.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_quick_start_is_two_commands_of_one_line() -> None:
    section = README.partition("## Quick start")[2].partition("\n## ")[0]
    commands = [found[2].strip() for found in _BLOCK.finditer(section)]
    assert len(commands) == 2
    assert all("\n" not in command and command.startswith("python3 -m venv .venv") for command in commands)
    assert commands[0].endswith("python examples/train_digits.py digits.vmfb")
    assert commands[1].endswith("pytest -n 2")


def test_the_commands_that_run_an_artifact_print_what_the_text_says(session: Session) -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    blocks = [(found[1], found[2]) for found in _BLOCK.finditer(page)]
    commands = [(code, text) for (kind, code), (_, text) in itertools.pairwise(blocks) if kind == "sh"]
    assert commands
    for command, wanted in commands:
        code = command.replace("iree-run-module", str(Path(sys.executable).with_name("iree-run-module")))
        done = subprocess.run(["bash", "-c", code], cwd=session.folder, capture_output=True, text=True, check=True)
        assert done.stdout == wanted


def _headings(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("https://"):
            file, _, heading = target.partition("#")
            other = page.parent / file if file else page
            assert other.exists(), target
            assert not heading or heading in _headings(other), target
