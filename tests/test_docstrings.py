"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import difc

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"frontend": "difc", **{name: f"difc.{name}" for name in ("dialects", "ad_pass", "pipelines", "runtime")}}


def _modules() -> list[str]:
    """Return the modules with an example that is not to be skipped."""
    found = []
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if any(">>> " in line and "+SKIP" not in line for line in path.read_text().splitlines()):
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                found.append(".".join([package, *parts]).removesuffix(".__init__"))
    return found


@pytest.mark.parametrize("name", _modules())
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": np, "difc": difc}, optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed
