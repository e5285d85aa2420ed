"""The command as a whole: usage, version, exit statuses of the installed program, and what is imported when."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import difc
from difc import config
from tests.frontend.cli.commands import FITTING, difc_command, fails, succeeds

DIFC = Path(sys.executable).with_name("difc")


def test_wrong_usage_ends_with_status_2(folder: Path) -> None:
    emit = fails("compile", folder / "model.py", "--emit", "object", status=2)
    assert "Invalid value for '--emit': 'object' is not one of 'dif', 'ad', 'linalg', 'vmfb'." in emit
    assert "-O" in fails("compile", folder / "model.py", "-O7", status=2)
    assert "MODEL.py" in fails("compile", status=2)
    assert "No such command" in fails("complie", status=2)
    assert "name a file" in fails("opt", status=2)


def test_version_and_list_of_passes() -> None:
    assert succeeds("--version") == f"difc {difc.__version__}\n"
    assert "expand-ad\n" in succeeds("opt", "--list-passes")
    command = [sys.executable, "-m", "difc", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"difc {difc.__version__}\n"


def test_warnings_are_notes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with config.override(cache_dir=tmp_path / "file"):
        done = difc_command("compile", folder / "model.py", "-o", tmp_path / "model.vmfb")
    assert done.exit_code == 0
    assert done.stderr.startswith(f"note: difc cannot keep compiled modules in {tmp_path / 'file'}: ")
    assert "Warning" not in done.stderr


HEAVY = ("numpy", "iree", "torch_mlir", "optree", "difc.runtime", "difc.dialects", "difc.api")


@pytest.mark.parametrize(
    "code",
    [
        "import difc",
        "import difc.cli.app",
        "from typer.testing import CliRunner; import difc.cli.app as m; CliRunner().invoke(m.app, ['run', '--help'])",
    ],
)
def test_start_up_imports_nothing_heavy(code: str) -> None:
    check = f"import sys; print([m for m in sys.modules if m in {HEAVY}])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_running_and_inspecting_import_no_compiler(artifact: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from difc.cli.app import app\n"
        f"done = CliRunner().invoke(app, ['run', {str(artifact)!r}, 'loss', *{FITTING!r}])\n"
        "assert done.exit_code == 0, done.output\n"
        "print([m for m in sys.modules if m in ('iree.compiler', 'torch_mlir', 'difc.dialects', 'difc.ad_pass')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not DIFC.exists(), reason="the command difc is not installed beside this Python")
def test_the_installed_command(folder: Path, artifact: Path) -> None:
    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **environment}
        return subprocess.run([DIFC, *map(str, arguments)], capture_output=True, text=True, check=False, env=env)

    done = run("run", artifact, "loss", *FITTING)
    assert (done.returncode, done.stdout, done.stderr) == (0, "result: float32[]\n16.0\n", "")
    done = run("compile", folder / "modle.py")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no model file")
    assert "Traceback" not in done.stderr
    done = run("compile", folder / "modle.py", DIFC_TRACEBACK="full")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.skipif(not DIFC.exists() or not Path("/dev/full").exists(), reason="no command difc, or no /dev/full")
def test_standard_output_that_cannot_be_written(artifact: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [DIFC, "run", artifact, "loss", *FITTING]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output cannot be written: No space left on device\nRemedy: ")
    assert "Traceback" not in done.stderr


def test_without_the_packages_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from difc.cli import main

    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "difc.cli.app", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert "pip install 'difc[compiler]'" in capsys.readouterr().err


@pytest.mark.skipif(not DIFC.exists(), reason="the command difc is not installed beside this Python")
def test_closed_standard_streams(artifact: Path) -> None:
    where = shlex.quote(str(artifact))
    for arguments in (f"inspect {where} >&-", f"run {where} loss {shlex.join(FITTING)} >&-", "opt - <&-"):
        done = in_shell(arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert in_shell("inspect nowhere.vmfb 2>&-").returncode == 1


@pytest.mark.skipif(not DIFC.exists(), reason="the command difc is not installed beside this Python")
def test_files_that_cannot_be_written_whole_stay_as_they_are(folder: Path, artifact: Path, tmp_path: Path) -> None:
    results, text = tmp_path / "out.npz", tmp_path / "model.mlir"
    commands = (
        (results, f"run {shlex.quote(str(artifact))} gradients {shlex.join(FITTING)}"),
        (text, f"compile {shlex.quote(str(folder / 'model.py'))} --emit linalg"),
    )
    for file, command in commands:
        file.write_text("before")
        done = in_shell(f"{command} -o {shlex.quote(str(file))}", before="ulimit -f 1; export DIFC_CACHE_DIR=")
        assert done.returncode == 1
        assert (
            done.stderr == f"error: `{file}` cannot be written: File too large\nRemedy: choose another file with -o\n"
        )
        assert file.read_text() == "before"
    assert {file.name for file in tmp_path.iterdir()} == {results.name, text.name}


def in_shell(arguments: str, before: str = ":") -> subprocess.CompletedProcess[str]:
    command = f"{before}; exec {shlex.quote(str(DIFC))} {arguments}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
