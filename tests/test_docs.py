"""The generated parts of the pages are those that the compiler of today makes, and what they quote is in the code."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("page", GENERATE["PAGES"], ids=lambda path: path.name)
def test_pages_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    if page.name == "coverage.md" and f"NumPy {'.'.join(np.__version__.split('.')[:2])} " not in text:
        pytest.skip("the page lists the names of another version of NumPy")
    assert GENERATE["generated"](text) == text, "run: python docs/generate.py"


def test_every_part_is_on_a_page() -> None:
    text = "".join(page.read_text() for page in GENERATE["PAGES"])
    assert set(re.findall(r"<!-- generated: (\w+) -->", text)) == set(GENERATE["PARTS"])


def _quotes() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| [^|]+ \| `([\w/]+\.py)` \| `([^|]+)` \|$", ARCHITECTURE, re.MULTILINE)
    assert len(rows) == 6
    return rows


@pytest.mark.parametrize(("file", "text"), _quotes())
def test_quoted_code_is_there(file: str, text: str) -> None:
    assert text in (ROOT / file).read_text()


@pytest.mark.parametrize("page", [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"], ids=lambda p: p.name)
def test_files_that_are_named_exist(page: Path) -> None:
    names = re.findall(r"`((?:\w+/)+[\w.-]+\.(?:py|md|mlir|cmake))`", page.read_text())
    assert names
    missing = [name for name in names if not (ROOT / name).exists()]
    assert not missing
