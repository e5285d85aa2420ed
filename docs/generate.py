"""Writes the IR in `architecture.md` anew: `python docs/generate.py`.

Each block of code after a line `<!-- generated: NAME -->` is what the entry NAME of `BLOCKS` makes. A test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

import difc
from difc.opt import module_text, parse_pipeline, run_passes

__all__ = ["BLOCKS", "PAGE", "generated"]

PAGE = Path(__file__).with_name("architecture.md")

_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n```mlir\n).*?(```\n)", re.DOTALL)


def f(x):
    return np.sum(x * np.sin(x))


def _after_passes(pipeline: str, shown: str) -> str:
    """Return one function of what passes make of `f`."""
    module = run_passes(difc.trace(f, difc.f32["n"]).module, parse_pipeline(pipeline))
    functions = re.findall(r"^  func\.func .*?^  }\n", module_text(module), re.DOTALL | re.MULTILINE)
    (text,) = (text for text in functions if f"@{shown}(" in text)
    return re.sub(r"^  ", "", text, flags=re.MULTILINE)


def _stage(stage: str) -> str:
    return difc.trace(difc.grad(f), difc.f32["n"]).ir(stage).strip() + "\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "dif": lambda: _stage("dif"),
    "fwd": lambda: _after_passes("linearize{fn=f}", "f_fwd"),
    "lin": lambda: _after_passes("linearize{fn=f}", "f_lin"),
    "bwd": lambda: _after_passes("linearize{fn=f},transpose{fn=f_lin},canonicalize", "f_bwd"),
    "ad": lambda: _stage("ad"),
    "linalg": lambda: _stage("linalg"),
}


def generated(page: str) -> str:
    """Return the text of the page with its generated blocks made anew.

    Raises:
      KeyError: for a block of an unknown name.
    """
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]]() + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text()))
