"""The command: what each subcommand does, the message of every mistake, exit statuses, and what is imported when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from typer.testing import CliRunner

import difc
from difc import config
from difc.cli.app import app
from difc.cli.arrays import parse_array
from difc.cli.console import size_text
from difc.errors import InputError
from difc.runtime import available

MODEL = '''
import numpy as np
import difc
from difc import f32

PARAMS = {"w": f32[3, 2], "b": f32[2]}


@difc.export
def loss(params: PARAMS, x: f32["batch", 3]):
    """Mean square of an affine map.

    Of each row.
    """
    y = x @ params["w"] + params["b"]
    return np.mean(y * y)


@difc.export
def gradients(params: PARAMS, x: f32["batch", 3]):
    return difc.value_and_grad(loss)(params, x)
'''
DIFC = Path(sys.executable).with_name("difc")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with config.override(cache_dir=tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


def difc_command(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def succeeds(*arguments: object) -> str:
    done = difc_command(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def fails(*arguments: object, status: int = 1) -> str:
    """Return what a command that ends with that status says on standard error."""
    done = difc_command(*arguments)
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its artifact, and arguments for it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    arrays = {"params['b']": rng.normal(size=2), "params['w']": rng.normal(size=(3, 2)), "x": rng.normal(size=(4, 3))}
    np.savez(folder / "named.npz", **{k: v.astype(np.float32) for k, v in arrays.items()})
    np.savez(folder / "numbered.npz", **{f"arg{i}": v.astype(np.float32) for i, v in enumerate(arrays.values())})
    np.save(folder / "x.npy", arrays["x"].astype(np.float32))
    done = difc_command("compile", folder / "model.py")
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def artifact(folder: Path) -> Path:
    return folder / "model.vmfb"


def reference(folder: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the loss of the example arguments and its gradients."""
    b, w, x = np.load(folder / "named.npz").values()
    y = x @ w + b
    return float(np.mean(y * y)), np.sum(2 * y, axis=0) / y.size, x.T @ (2 * y) / y.size


# ---- compile -------------------------------------------------------------------------------------


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
    assert succeeds("compile", folder / "model.py", "--emit", "linalg", "-o", tmp_path / "m.mlir") == ""
    assert "linalg." in (tmp_path / "m.mlir").read_text()
    both = succeeds("compile", folder / "model.py", "--emit", "linalg", "--target", "cpu", "--target", "vulkan")
    assert both.startswith("// target cpu\n")
    assert "// -----\n// target vulkan\n" in both


def test_a_missing_model(folder: Path) -> None:
    said = fails("compile", folder / "modle.py")
    assert f"error: there is no model file `{folder / 'modle.py'}`" in said
    assert f"Remedy: did you mean `{folder / 'model.py'}`?" in said


def test_a_model_without_an_export(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    said = fails("compile", tmp_path / "empty.py")
    assert "exports no function" in said
    assert "@difc.export" in said


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
    [("x", "argument `x` of the exported `f` has no spec"), ("x: 'dif.f32[3]'", "name 'dif' is not defined")],
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


def test_wrong_usage_ends_with_status_2(folder: Path) -> None:
    assert "--emit" in fails("compile", folder / "model.py", "--emit", "nothing", status=2)
    assert "-O" in fails("compile", folder / "model.py", "-O7", status=2)
    assert "MODEL.py" in fails("compile", status=2)
    assert "No such command" in fails("complie", status=2)
    assert "name a file" in fails("opt", status=2)


# ---- run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [["named.npz"], ["numbered.npz"]])
def test_run_prints_and_stores_results_by_name(folder: Path, artifact: Path, tmp_path: Path, inputs: list[str]) -> None:
    options = [word for name in inputs for word in ("--input", folder / name)]
    said = succeeds("run", artifact, "gradients", *options, "--output", tmp_path / "out.npz", "--device", "local-sync")
    loss, b, w = reference(folder)
    with np.load(tmp_path / "out.npz") as stored:
        assert stored.files == ["result[0]", "result[1]['b']", "result[1]['w']"]
        np.testing.assert_allclose(stored["result[0]"], loss, rtol=1e-5)
        np.testing.assert_allclose(stored["result[1]['b']"], b, rtol=1e-5)
        np.testing.assert_allclose(stored["result[1]['w']"], w, rtol=1e-5)
        assert said == "".join(
            f"{name}: float32[{', '.join(map(str, stored[name].shape))}]\n{stored[name]}\n" for name in stored.files
        )


def test_run_takes_text_and_files_in_order(folder: Path, artifact: Path) -> None:
    said = succeeds("run", artifact, "loss", "-i", "2xf32=1", "-i", "3x2xf32=0", "-i", folder / "x.npy")
    assert said == "result: float32[]\n1.0\n"


def test_files_by_name_leave_the_others_to_the_order(artifact: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"params['w']": np.zeros((3, 2), np.float32)})
    said = succeeds("run", artifact, "loss", "-i", "2xf32=3", "-i", tmp_path / "w.npz", "-i", "5x3xf32=1")
    assert said == "result: float32[]\n9.0\n"


def test_a_single_result_can_go_to_an_npy_file(artifact: Path, folder: Path, tmp_path: Path) -> None:
    succeeds("run", artifact, "loss", "-i", folder / "named.npz", "-o", tmp_path / "loss.npy")
    np.testing.assert_allclose(np.load(tmp_path / "loss.npy"), reference(folder)[0], rtol=1e-5)


FITTING = ["-i", "2xf32=1", "-i", "3x2xf32=1", "-i", "4x3xf32=1"]


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["los", *FITTING], ["has no entry `los`; did you mean `loss`?", "call one of: loss, gradients"]),
        ([], ["has 2 entries", "Remedy: name one: loss, gradients"]),
        (["loss"], ["there is none for params['b'], params['w'], x", "params['b']: float32[2]"]),
        (["loss", *FITTING, "-i", "f32=1"], ["`f32=1` is one array too many for `loss`"]),
        (["loss", *FITTING, "--device", "gpu"], ["unknown device `gpu`", "local-sync, local-task, vulkan, cuda"]),
        (["loss", *FITTING[:-1], "4x2xf32=1"], ["--input 4x2xf32=1: `loss`: argument `x` has the wrong shape"]),
        (["loss", *FITTING[:-1], "4x3xf64=1"], ["argument `x` has the wrong dtype", "got      float64[4, 3]"]),
        (["loss", *FITTING[:-1], "nowhere.npy"], ["there is no file `nowhere.npy`"]),
        (["loss", *FITTING[:-1], "4x3xf33=1"], ["`4x3xf33=1` has an unknown element type `f33`", "bf16"]),
        (["loss", *FITTING[:-1], "4x3"], ["`4x3` is neither a file (.npy or .npz) nor an array"]),
        (["loss", *FITTING, "-o", "out.txt"], ["`out.txt` is no place for the results", "use -o out.npz"]),
        (["gradients", *FITTING, "-o", "out.npy"], ["several results go to an .npz file"]),
        (["loss", *FITTING, "-o", "none/out.npz"], ["`none/out.npz` cannot be written: there is no folder `none`"]),
    ],
)  # fmt: skip
def test_mistakes_of_run(artifact: Path, arguments: list[str], messages: list[str]) -> None:
    said = fails("run", artifact, *arguments)
    for message in messages:
        assert message in said


def test_input_files_that_do_not_fit(artifact: Path, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 5), np.float32))
    said = fails("run", artifact, "loss", *FITTING[:-1], tmp_path / "x.npy")
    assert f"--input {tmp_path / 'x.npy'}: `loss`: argument `x` has the wrong shape" in said
    assert "expected float32['batch', 3]\n  got      float32[4, 5]" in said
    assert "dimension 1 must have size 3" in said

    np.savez(tmp_path / "a.npz", y=np.zeros(2))
    said = fails("run", artifact, "loss", "-i", tmp_path / "a.npz")
    assert "has an array `y`, which is no input of `loss`" in said
    assert "params['b'], params['w'], x, or arg0" in said
    np.savez(tmp_path / "b.npz", arg2=np.zeros(2), x=np.zeros(2))
    assert "gives `x` of `loss` a second time" in fails("run", artifact, "loss", "-i", tmp_path / "b.npz")

    (tmp_path / "text.npy").write_text("1 2 3")
    assert "is no array file" in fails("run", artifact, "loss", *FITTING[:-1], tmp_path / "text.npy")
    (tmp_path / "cut.npz").write_bytes((folder / "named.npz").read_bytes()[:200])
    assert "is no array file" in fails("run", artifact, "loss", "-i", tmp_path / "cut.npz")
    assert f"did you mean `{tmp_path / 'x.npy'}`" in fails("run", artifact, "loss", *FITTING[:-1], tmp_path / "xx.npy")


def test_a_missing_device_and_an_artifact_for_another_target(artifact: Path) -> None:
    missing = [name for name, reason in available().items() if reason is not None]
    for name in missing:
        said = fails("run", artifact, "loss", *FITTING, "--device", name)
        assert f"the device `{name}` is not available" in said
        assert "Remedy: install" in said
    present = [name for name in ("vulkan", "cuda") if name not in missing]
    for name in present:
        said = fails("run", artifact, "loss", *FITTING, "--device", name)
        assert f"is compiled for `cpu` and cannot run on `{name}`" in said


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_files_that_are_no_artifacts(artifact: Path, tmp_path: Path, command: str) -> None:
    cut = tmp_path / "cut.vmfb"
    cut.write_bytes(artifact.read_bytes()[:-1000])
    assert "is truncated: its end is missing" in fails(command, cut)
    foreign = tmp_path / "foreign.vmfb"
    foreign.write_text("text")
    assert "is not an artifact" in fails(command, foreign)
    assert "does not exist" in fails(command, tmp_path / "none.vmfb")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f32=0.5", np.float32(0.5)),
        ("2x2xi32=1 2 3 4", np.array([[1, 2], [3, 4]], np.int32)),
        ("2x2xi8=[[1, 2], [3, -4]]", np.array([[1, 2], [3, -4]], np.int8)),
        ("3xu8=0xff", np.full(3, 255, np.uint8)),
        ("2xbool=true,false", np.array([True, False])),
        ("2xf64=nan,-inf", np.array([np.nan, -np.inf])),
        ("2xbf16=1.5", np.full(2, 1.5, ml_dtypes.bfloat16)),
        ("2x0xf16", np.zeros((2, 0), np.float16)),
        ("3xi64", np.zeros(3, np.int64)),
        ("i64=9007199254740993", np.int64(9007199254740993)),
    ],
)
def test_arrays_as_text(text: str, expected: Any) -> None:
    array = parse_array(text)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(array, expected)
    assert array.flags.writeable


@pytest.mark.parametrize(
    "text", ["i8=300", "u8=-1", "i32=1.5", "bool=2", "f16=7e4", "f32=one", "3xf32=1,2", "x3xf32=1", "3xf32==1"]
)
def test_arrays_that_are_not_what_they_say(text: str) -> None:
    with pytest.raises(InputError, match=r"values for|cannot hold|neither a file"):
        parse_array(text)


# ---- inspect, targets, help ----------------------------------------------------------------------


def test_inspect_shows_entries_signatures_and_origin(artifact: Path) -> None:
    said = succeeds("inspect", artifact)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    size = artifact.stat().st_size
    assert lines[0] == f"{artifact}: {size_text(size)} for cpu (runs best on local-sync)"
    assert lines[1].startswith(f"compiled by difc {difc.__version__}, IREE ")
    assert "loss(params, x)" in lines
    assert "Mean square of an affine map." in lines
    assert "Of each row." in lines
    assert "takes params['b'] float32[2] 8 B" in lines
    assert "x float32['batch', 3] 12 B x batch" in lines
    assert "gives result[0] float32[] 4 B" in lines


def test_inspect_as_json(artifact: Path) -> None:
    facts = json.loads(succeeds("inspect", artifact, "--json"))
    assert facts["target"] == "cpu"
    assert facts["size"] == artifact.stat().st_size
    assert {"driver", "difc", "iree", "opt_level", "path"} < set(facts)
    loss, gradients = facts["entries"]
    assert loss["name"] == "loss"
    assert loss["arguments"] == ["params", "x"]
    assert loss["doc"].startswith("Mean square")
    assert loss["inputs"][2] == {"name": "x", "dtype": "float32", "shape": ["batch", 3]}
    assert [o["name"] for o in gradients["outputs"]] == ["result[0]", "result[1]['b']", "result[1]['w']"]


def test_an_artifact_for_an_absent_device_can_be_made_and_inspected(tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text("import difc\n@difc.export\ndef add(x: difc.f32[8]):\n    return x + x\n")
    succeeds("compile", tmp_path / "add.py", "--target", "cuda")
    said = succeeds("inspect", tmp_path / "add.vmfb")
    assert "for cuda:sm_80 (runs best on cuda)" in said


def test_targets_say_what_compiles_and_what_runs_here() -> None:
    said = succeeds("targets")
    rows = {line.split()[0]: line for line in said.splitlines() if line}
    assert "yes" in rows["cpu-generic"]
    for name, reason in available().items():
        assert f"no: {reason}" in rows[name] if reason else rows[name].endswith("yes")


def test_version_and_list_of_passes() -> None:
    assert succeeds("--version") == f"difc {difc.__version__}\n"
    assert "expand-ad\n" in succeeds("opt", "--list-passes")


def test_sizes_are_read_by_people() -> None:
    assert [size_text(n) for n in (0, 1023, 1024, 3 << 20, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]


# ---- processes -----------------------------------------------------------------------------------

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
    assert run("compile").returncode == 2


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
