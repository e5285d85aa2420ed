"""The layers: who may import whom, and what only one file may do."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("frontend", "dialects", "ad_pass", "pipelines", "runtime")
FILES = {
    path.relative_to(ROOT).as_posix(): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))
}
FLOOR = ("difc.errors", "difc.config")

#: folder -> what it may import of ours
ALLOWED = {
    "dialects": ("difc.dialects", *FLOOR),
    "runtime": ("difc.runtime", "difc.source", *FLOOR),
    "ad_pass": ("difc.ad_pass", "difc.dialects", *FLOOR),
    "pipelines": ("difc.pipelines", "difc.dialects", *FLOOR),
}
#: what a machine needs that only loads artifacts
RUNTIME_PACKAGES = {"iree.runtime", "ml_dtypes", "numpy", "optree"}


def _imports(file: str) -> set[str]:
    """Return the modules that a file imports, anywhere in it; `from difc import x` counts as `difc.x`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(FILES[file].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} has a relative import"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "difc" else {module}
    return found


def _within(name: str, packages: tuple[str, ...] | set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _ours(file: str) -> set[str]:
    return {name for name in _imports(file) if _within(name, ("difc",))}


@pytest.mark.parametrize("folder", ALLOWED)
def test_direction_of_imports(folder: str) -> None:
    wrong = [
        f"{file} imports {name}"
        for file in FILES
        if file.startswith(f"{folder}/")
        for name in sorted(_ours(file))
        if not _within(name, ALLOWED[folder])
    ]
    assert not wrong


def test_errors_and_settings_import_nothing_of_ours_and_places_only_them() -> None:
    assert not _ours("frontend/errors.py")
    assert not _ours("frontend/config.py")
    assert _ours("frontend/source.py") == {"difc.config", "difc.errors"}


def test_only_the_joining_files_see_ad_and_lowering() -> None:
    upper = ("difc.ad_pass", "difc.pipelines")
    both = [f for f in FILES if all(any(_within(name, (package,)) for name in _imports(f)) for package in upper)]
    assert sorted(both) == ["frontend/passes.py", "frontend/program.py"]


def test_mlir_is_imported_in_one_file() -> None:
    assert [f for f in FILES if any(_within(n, ("torch_mlir",)) for n in _imports(f))] == ["dialects/mlir.py"]


def test_iree_is_imported_where_it_belongs() -> None:
    for package, folder in (("iree.compiler", "pipelines/"), ("iree.runtime", "runtime/")):
        wrong = [f for f in FILES if any(_within(n, (package,)) for n in _imports(f)) and not f.startswith(folder)]
        assert not wrong, f"{package} is for {folder} only"


def test_the_runtime_needs_the_base_install_only() -> None:
    for file in (f for f in FILES if f.startswith("runtime/")):
        for name in _imports(file):
            top = name.partition(".")[0]
            known = top == "difc" or _within(name, RUNTIME_PACKAGES) or top in sys.stdlib_module_names
            assert known, f"{file} imports {name}"


def test_environment_variables_are_read_in_one_file() -> None:
    def reads(file: str) -> bool:
        return any(
            isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
            for node in ast.walk(ast.parse(FILES[file].read_text()))
        )

    assert [f for f in FILES if reads(f)] == ["frontend/config.py"]


def test_files_are_short() -> None:
    lengths = {file: len(path.read_text().splitlines()) for file, path in FILES.items()}
    assert not {file: length for file, length in lengths.items() if length >= 500}
