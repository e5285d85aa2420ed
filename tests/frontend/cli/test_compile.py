"""`difc compile`: artifacts, IR, and what is said about models that are wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import difc
from difc import config
from tests.frontend.cli.commands import MODEL, difc_command, fails, succeeds


def test_compile_writes_the_artifact_and_says_so(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.vmfb"
    said = succeeds("compile", folder / "model.py", "-o", out, "--entry", "loss", "-O1")
    assert said.startswith(f"{out}: ")
    assert " KiB for cpu, entries loss, " in said
    assert said.endswith(" s\n")
    module = difc.load(out)
    assert list(module.entries) == ["loss"]
    assert module.signature().meta["opt_level"] == 1


def test_several_targets_make_several_files(folder: Path, tmp_path: Path) -> None:
    arguments = ("--entry", "loss", "--target", "cpu", "--target", "cpu-generic")
    said = succeeds("compile", folder / "model.py", "-o", tmp_path / "m.vmfb", *arguments)
    assert [line.split(":")[0] for line in said.splitlines()] == [
        str(tmp_path / f"m.{target}.vmfb") for target in ("cpu", "cpu-generic")
    ]
    assert difc.load(tmp_path / "m.cpu-generic.vmfb").target == "cpu-generic"


def test_the_ir_of_stages_goes_to_standard_output_or_a_file(folder: Path, tmp_path: Path) -> None:
    traced = succeeds("compile", folder / "model.py", "--emit", "dif")
    assert '"fun.vjp"' in traced
    expanded = succeeds("compile", folder / "model.py", "--emit", "ad")
    assert '"fun.vjp"' not in expanded
    assert '"dif.dot_general"' in expanded
    assert succeeds("compile", folder / "model.py", "--emit", "ad", "-o", "-") == expanded
    assert "an artifact does not go to standard output" in fails("compile", folder / "model.py", "-o", "-")
    assert succeeds("compile", folder / "model.py", "--emit", "linalg", "-o", tmp_path / "m.mlir") == ""
    assert "linalg." in (tmp_path / "m.mlir").read_text()
    both = succeeds("compile", folder / "model.py", "--emit", "linalg", "--target", "cpu", "--target", "vulkan")
    assert both.startswith("// target cpu\n")
    assert "// -----\n// target vulkan\n" in both


def test_a_missing_model(folder: Path) -> None:
    said = fails("compile", folder / "modle.py")
    assert f"error: there is no model file `{folder / 'modle.py'}`" in said
    assert f"Remedy: did you mean `{folder / 'model.py'}`?" in said


def test_a_missing_model_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "two.py").touch()
    (tmp_path / "link.py").symlink_to("nowhere.py")
    assert fails("compile", tmp_path / "nope.py").endswith("Remedy: check the path\n")
    assert fails("compile", tmp_path / "lin.py").endswith("Remedy: check the path\n")
    assert fails("compile", tmp_path / "link.py").endswith("Remedy: make the file that it links to, `nowhere.py`\n")


def test_a_file_name_that_is_no_utf_8(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / os.fsdecode(b"odd \xff.py")
    model.write_text((folder / "model.py").read_text())
    command = [sys.executable, "-m", "difc", "compile", model]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0, done.stderr
    assert b"/odd \\udcff.vmfb: " in done.stdout
    assert model.with_suffix(".vmfb").exists()


def test_the_model_is_not_overwritten(tmp_path: Path) -> None:
    model, link = tmp_path / "model.py", tmp_path / "link.py"
    model.write_text(MODEL)
    link.symlink_to(model)
    for options in (["-o", model], ["-o", tmp_path / "." / "link.py"], ["-o", model, "--emit", "ad"]):
        assert "is the model itself\nRemedy: choose another file with -o" in fails("compile", model, *options)
    assert model.read_text() == MODEL


def test_a_model_without_an_export(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    said = fails("compile", tmp_path / "empty.py")
    assert "exports no function" in said
    assert "@difc.export" in said


def test_no_line_of_the_command_is_taken_for_the_users(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import difc\n@difc.export\nclass A:\n    pass\n")
    said = fails("compile", tmp_path / "model.py")
    assert said.startswith("error: result of `A` is not an array but of type A\nRemedy: use arrays and numbers")


def test_an_unknown_entry(folder: Path) -> None:
    said = fails("compile", folder / "model.py", "--entry", "gradient")
    assert "exports no function `gradient`; did you mean `gradients`?" in said
    assert "loss, gradients" in said


def test_an_unknown_target(folder: Path) -> None:
    said = fails("compile", folder / "model.py", "--target", "cdua")
    assert "unknown target 'cdua'; known: cpu, cpu-generic, vulkan, cuda" in said
    assert "did you mean 'cuda'?" in said


def test_a_gpu_that_iree_does_not_know_is_noted(folder: Path) -> None:
    done = difc_command("compile", folder / "model.py", "--emit", "dif", "--target", "cuda:sm_90")
    assert done.exit_code == 0
    assert "note: IREE does not know sm_90" in done.stderr


def test_a_place_that_cannot_be_written_is_refused_before_compiling(folder: Path, tmp_path: Path) -> None:
    assert "there is no folder" in fails("compile", folder / "model.py", "-o", tmp_path / "none" / "m.vmfb")
    assert "is a folder" in fails("compile", folder / "model.py", "-o", tmp_path)


def test_an_error_in_the_model_shows_the_models_lines(tmp_path: Path) -> None:
    text = (
        "import numpy as np\nimport difc\n\n@difc.export\ndef f(x: difc.f32[3]):\n"
        "    return scaled(x)\n\ndef scaled(x):\n    return x * {}['scale']\n"
    )
    (tmp_path / "wrong.py").write_text(text)
    said = fails("compile", tmp_path / "wrong.py")
    assert "failed while it was traced: KeyError: 'scale'" in said
    assert f"{tmp_path / 'wrong.py'}:6 in f\n    return scaled(x)" in said
    assert f"{tmp_path / 'wrong.py'}:9 in scaled\n    return x * {{}}['scale']" in said
    assert "difc/" not in said.replace(str(tmp_path), "")
    with config.override(traceback="full"), pytest.raises(KeyError):
        difc_command("compile", tmp_path / "wrong.py")


def test_a_mistake_that_difc_finds_has_a_caret(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "import numpy as np\nimport difc\n\n@difc.export\ndef f(x: difc.f32[3]):\n    return np.reshape(x, (2, 2))\n"
    )
    said = fails("compile", tmp_path / "wrong.py")
    assert f"{tmp_path / 'wrong.py'}:6:12\n    return np.reshape(x, (2, 2))\n           ^^^^^" in said


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("x", "argument `x` of the exported `f` has no spec"),
        ("x: 'dif.f32[3]'", "name 'dif' is not defined"),
        ("x: difc.f32, n: int", "n has a spec <class 'int'>, which describes no array"),
    ],
)
def test_specs_that_are_missing_or_cannot_be_evaluated(tmp_path: Path, annotation: str, message: str) -> None:
    (tmp_path / "wrong.py").write_text(f"import difc\n\n@difc.export\ndef f({annotation}):\n    return x\n")
    said = fails("compile", tmp_path / "wrong.py")
    assert message in said
    assert f"{tmp_path / 'wrong.py'}:3" in said


def test_a_compiler_of_another_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.2.3" if name == "iree-base-compiler" else real(name))
    said = fails("compile", folder / "model.py")
    assert "iree-base-compiler 1.2.3 is installed; difc needs version" in said
    assert 'pip install "iree-base-compiler==' in said
    assert "no: iree-base-compiler 1.2.3 is installed" in succeeds("targets")


def test_what_a_model_prints_does_not_mix_with_the_ir(tmp_path: Path) -> None:
    text = "import difc\nprint('hello')\n@difc.export\ndef f(x: difc.f32[3]):\n    print('tracing')\n    return x + x\n"
    (tmp_path / "noisy.py").write_text(text)
    done = difc_command("compile", tmp_path / "noisy.py", "--emit", "dif")
    assert done.stdout.startswith("module {")
    assert done.stderr == "hello\ntracing\n"
