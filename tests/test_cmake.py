"""The CMake package: installed and found by a project, which builds a module once and again when the model changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import difc

ROOT = Path(__file__).resolve().parent.parent
DIFC = Path(sys.executable).with_name("difc")

pytestmark = [
    pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed"),
    pytest.mark.skipif(not DIFC.exists(), reason="the command difc is not installed beside this Python"),
]

MODEL = """
import difc

@difc.export
def double(x: difc.f32[4]):
    return x + x

@difc.export
def square(x: difc.f32[4]):
    return x * x
"""
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(consumer LANGUAGES NONE)
find_package(difc 0.1 REQUIRED)
difc_add_module(shapes SOURCE model.py ENTRY double OPT_LEVEL 1 OUTPUT out.vmfb)
get_target_property(artifact shapes DIFC_OUTPUT)
file(WRITE ${CMAKE_BINARY_DIR}/artifact.txt ${artifact})
"""


def cmake(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed."""
    folder = tmp_path_factory.mktemp("cmake")
    cmake("-S", ROOT, "-B", folder / "build")
    cmake("--install", folder / "build", "--prefix", folder / "prefix")
    return folder / "prefix"


def configure(
    tmp_path: Path, prefix: Path, project: str = PROJECT, check: bool = True
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "CMakeLists.txt").write_text(project)
    settings = f"-DCMAKE_PREFIX_PATH={prefix}", f"-DDIFC_EXECUTABLE={DIFC}"
    return cmake("-S", tmp_path, "-B", tmp_path / "build", *settings, check=check)


def test_a_project_builds_a_module_and_rebuilds_it_when_the_model_changes(tmp_path: Path, prefix: Path) -> None:
    configure(tmp_path, prefix)
    artifact = Path((tmp_path / "build" / "artifact.txt").read_text())
    assert artifact == tmp_path / "build" / "out.vmfb"
    assert not artifact.exists()

    first = cmake("--build", tmp_path / "build")
    assert "Compiling model.py with difc" in first.stdout
    module = difc.load(artifact)
    assert list(module.entries) == ["double"]
    assert module.signature().meta["opt_level"] == 1
    assert module([1.0, 2.0, 3.0, 4.0]).tolist() == [2.0, 4.0, 6.0, 8.0]

    made = artifact.stat().st_mtime_ns
    second = cmake("--build", tmp_path / "build")
    assert "Compiling" not in second.stdout
    assert artifact.stat().st_mtime_ns == made

    (tmp_path / "model.py").write_text(MODEL.replace("x + x", "x + x + x"))
    later = time.time() + 2
    os.utime(tmp_path / "model.py", (later, later))
    assert "Compiling" in cmake("--build", tmp_path / "build").stdout
    assert difc.load(artifact)([1.0, 2.0, 3.0, 4.0]).tolist() == [3.0, 6.0, 9.0, 12.0]


def test_a_model_that_does_not_compile_fails_the_build_with_its_message(tmp_path: Path, prefix: Path) -> None:
    configure(tmp_path, prefix)
    (tmp_path / "model.py").write_text("import difc\n")
    done = cmake("--build", tmp_path / "build", check=False)
    assert done.returncode != 0
    assert "exports no function" in done.stdout + done.stderr
    assert not (tmp_path / "build" / "out.vmfb").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("difc_add_module(m)", "SOURCE is missing"),
        ("difc_add_module(m SOURCE model.py LEVEL 3)", "unknown arguments: LEVEL;3"),
        ("difc_add_module(m SOURCE)", "no value for SOURCE"),
    ],
)
def test_wrong_arguments_stop_the_configuration(tmp_path: Path, prefix: Path, call: str, message: str) -> None:
    head = PROJECT[: PROJECT.index("difc_add_module")]
    done = configure(tmp_path, prefix, head + call, check=False)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())


def test_without_the_command_the_package_is_not_found(tmp_path: Path, prefix: Path) -> None:
    head = PROJECT[: PROJECT.index("difc_add_module")]
    blind = "set(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)\nunset(DIFC_EXECUTABLE CACHE)\n"
    done = configure(tmp_path, prefix, head.replace("find_package", f"{blind}find_package"), check=False)
    assert done.returncode != 0
    assert "is not on the path" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("version", "found"), [("", True), ("0.1", True), ("0.1.0 EXACT", True), ("0.2", False), ("0.0", False)]
)
def test_the_python_package_has_the_cmake_package(tmp_path: Path, version: str, found: bool) -> None:
    folder = subprocess.run([DIFC, "--cmake-dir"], capture_output=True, text=True, check=True).stdout.strip()
    project = PROJECT[: PROJECT.index("difc_add_module")].replace("difc 0.1 REQUIRED", f"difc {version} REQUIRED")
    (tmp_path / "CMakeLists.txt").write_text(project)
    done = cmake(
        "-S", tmp_path, "-B", tmp_path / "build", f"-Ddifc_DIR={folder}", f"-DDIFC_EXECUTABLE={DIFC}", check=False
    )
    assert (done.returncode == 0) == found, done.stderr
