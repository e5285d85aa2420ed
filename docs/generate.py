"""Writes the generated parts of the pages anew: `python docs/generate.py`. A test compares the pages with it.

A part stands between the lines `<!-- generated: NAME -->` and `<!-- end -->`, and is what the entry NAME of `PARTS`
makes: IR of an example after each stage, and tables of targets and settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

import difc
from difc.config import SETTINGS
from difc.numpy import coverage
from difc.opt import module_text, parse_pipeline, run_passes
from difc.pipelines.target import TARGETS
from difc.scipy import catalogue

__all__ = ["PAGES", "PARTS", "generated"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "architecture.md", ROOT / "docs" / "coverage.md")

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def f(x):
    return np.sum(x * np.sin(x))


def _code(text: str) -> str:
    return f"```mlir\n{text.strip()}\n```\n"


def _stage(stage: str) -> str:
    return _code(_without_expansions(difc.trace(difc.grad(f), difc.f32["n"]).ir(stage)))


def _without_expansions(text: str) -> str:
    """Leave out what stands for elementary functions in lowered code: long bodies, and the constants for them."""
    constants = r"(^    %\S+ = arith\.constant .* : (?:[fi]32|i64)\n)+"
    text = re.sub(constants, "    // constants\n", text, flags=re.MULTILINE)
    body = r"^(    \^bb0\(.*\):\n)((?:      .*\n){20,}?)(      linalg\.yield)"
    return re.sub(body, lambda m: f"{m[1]}      // {m[2].count(chr(10))} operations\n{m[3]}", text, flags=re.MULTILINE)


def _after_passes(pipeline: str, shown: str) -> str:
    """Return one function of what passes make of `f`."""
    module = run_passes(difc.trace(f, difc.f32["n"]).module, parse_pipeline(pipeline))
    functions = re.findall(r"^  func\.func .*?^  }\n", module_text(module), re.DOTALL | re.MULTILINE)
    (text,) = (text for text in functions if f"@{shown}(" in text)
    return _code(re.sub(r"^  ", "", text, flags=re.MULTILINE))


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _targets() -> str:
    rows = [[f"`{name}`", row.doc, ", ".join(f"`{d}`" for d in row.drivers)] for name, row in TARGETS.items()]
    return _table(["`--target`", "compiles for", "runs on devices"], rows)


def _settings() -> str:
    rows = []
    for name, setting in SETTINGS.items():
        default = "~/.cache/difc" if name == "cache_dir" else str(setting.default)  # it depends on the home folder
        default = str(int(setting.default)) if isinstance(setting.default, bool) else default
        rows.append([f"`{setting.variable}`", f"`{default}`" if default else "", setting.doc])
    return _table(["variable", "default", "what it does"], rows)


def _names(rows: list[coverage.Row]) -> str:
    """Return paragraphs of the names that are traced, and a table of the others."""
    traced = [row for row in rows if row.traced]
    counts = f"{len(traced)} of {len(rows)} names are traced."
    groups = {
        "With derivative": [row for row in traced if row.gradient],
        "Without derivative": [row for row in traced if row.gradient is False],
        "Types, constants, and functions of sizes and types": [row for row in traced if row.gradient is None],
    }
    text = f"{counts}\n"
    for title, group in groups.items():
        if group:
            notes = [f" ({row.note})" if row.note.startswith("with") else "" for row in group]
            names = ", ".join(f"`{row.name}`{note}" for row, note in zip(group, notes, strict=True))
            text += f"\n**{title}.** {names}\n"
    missing: dict[str, list[str]] = {}
    for row in rows:
        if not row.traced:
            missing.setdefault(row.note, []).append(f"`{row.name}`")
    table = [[", ".join(names), *note.split("; ", 1)] for note, names in missing.items()]
    return text + "\n" + _table(["not traced", "because", "instead"], table)


PARTS: dict[str, Callable[[], str]] = {
    "dif": lambda: _stage("dif"),
    "fwd": lambda: _after_passes("linearize{fn=f}", "f_fwd"),
    "lin": lambda: _after_passes("linearize{fn=f}", "f_lin"),
    "bwd": lambda: _after_passes("linearize{fn=f},transpose{fn=f_lin},canonicalize", "f_bwd"),
    "ad": lambda: _stage("ad"),
    "linalg": lambda: _stage("linalg"),
    "targets": _targets,
    "settings": _settings,
    "numpy_names": lambda: _names(coverage.numpy_rows(np)),
    "linalg_names": lambda: _names(coverage.numpy_rows(np.linalg)),
    "scipy_linalg_names": lambda: _names(coverage.scipy_linalg_rows()),
    "special_names": lambda: _names(coverage.special_rows()),
    "versions": lambda: f"The names are those of NumPy {_minor(np.__version__)} and SciPy {catalogue.VERSION}.\n",
}


def generated(page: str) -> str:
    """Return the text of a page with its generated parts made anew.

    Raises:
      KeyError: for a part of an unknown name.
    """
    return _PART.sub(lambda found: found[1] + PARTS[found[2]]() + found[3], page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(generated(path.read_text()))
