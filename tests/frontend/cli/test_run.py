"""`difc run`: results by name, and what is said about inputs, devices and artifacts that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from difc.runtime import available
from tests.frontend.cli.commands import FITTING, fails, reference, succeeds

X = np.ones((4, 3))


@pytest.mark.parametrize("inputs", [["named.npz"], ["numbered.npz"], ["in_order.npz"]])
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
        (["loss", *FITTING[:-1], "x=4x3xf32=1"], ["names the input `x`", "give `4x3xf32=1` in the place of `x`"]),
        (["loss", *FITTING[:-1], "4x3xf33=1"], ["`4x3xf33=1` has an unknown element type `f33`", "bf16"]),
        (["loss", *FITTING[:-1], "4x3"], ["`4x3` is neither a file (.npy or .npz) nor an array"]),
        (["loss", *FITTING[:-1], "folder"], ["unknown element type `folder`", "whose name ends with .npy or .npz"]),
        (["loss", *FITTING, "-o", "-"], ["do not go to standard output as a file", "-o is optional"]),
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

    # remedies name what can be done at the command line
    for array, got in ((np.array(["1", "2"]), "str32[2]"), (np.zeros((4, 3)), "float64[4, 3]"), (X * 1j, "complex")):
        np.save(tmp_path / "x.npy", array)
        said = fails("run", artifact, "loss", *FITTING[:-1], tmp_path / "x.npy")
        assert f"argument `x` has the wrong dtype\n  expected float32['batch', 3]\n  got      {got}" in said
        assert "Remedy: use a file of float32 numbers, or text such as --input 1x3xf32=0\n" in said

    np.savez(tmp_path / "a.npz", y=np.zeros(2))
    said = fails("run", artifact, "loss", "-i", tmp_path / "a.npz")
    assert "has an array `y`, which is no input of `loss`" in said
    assert "params['b'], params['w'], x, or arg0" in said
    np.savez(tmp_path / "b.npz", arg2=np.zeros(2), x=np.zeros(2))
    assert "gives `x` of `loss` a second time" in fails("run", artifact, "loss", "-i", tmp_path / "b.npz")

    (tmp_path / "text.npy").write_text("1 2 3")
    said = fails("run", artifact, "loss", *FITTING[:-1], tmp_path / "text.npy")
    assert "text.npy` is no array file: it is not one of NumPy's, or holds Python objects" in said
    assert "allow_pickle" not in said
    (tmp_path / "cut.npz").write_bytes((folder / "named.npz").read_bytes()[:200])
    assert "is no array file" in fails("run", artifact, "loss", "-i", tmp_path / "cut.npz")
    said = fails("run", artifact, "loss", *FITTING[:-1], f"@{tmp_path / 'x.npy'}")
    assert f"Remedy: write it without the @: {tmp_path / 'x.npy'}\n" in said
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
