"""Tests of `difc.runtime.module`: choosing the device, entries, foreign modules, saving."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from difc import config
from difc.errors import ArtifactError, DeviceError, DifcError, EntryError, InputError, UnsupportedError
from difc.runtime import ArraySpec, Module, available, load
from difc.runtime.module import load_traced
from tests.runtime.artifacts import ADD_BODY, F32_16, add_artifact, binary, build, compile_text, signature

X = np.arange(16, dtype=np.float32)


@pytest.fixture(scope="module")
def several() -> Module:
    specs = [ArraySpec((16,), np.float32, name) for name in "xy"]
    mul = binary("mulf", "tensor<16xf32>")
    return load(build((signature("train_step", specs, [F32_16]), ADD_BODY), (signature("loss", specs, [F32_16]), mul)))


def test_entries(several: Module) -> None:
    assert list(several.entries) == ["train_step", "loss"]
    np.testing.assert_array_equal(several.loss(X, X), X * X)
    np.testing.assert_array_equal(several.entries["train_step"](X, X), X + X)
    assert several.signature("loss").entry == "loss"
    assert "loss" in dir(several)


def test_an_unknown_entry_lists_the_others(several: Module) -> None:
    with pytest.raises(
        EntryError,
        match=r"has no entry `trainstep`; did you mean `train_step`\?\n(?s:.*)Remedy: call one of: train_step, loss",
    ):
        several.trainstep(X, X)
    assert not hasattr(several, "nonsense")
    assert copy.copy(several) is copy.deepcopy(several) is several


def test_a_call_of_several_entries_is_an_error(several: Module) -> None:
    with pytest.raises(
        InputError, match=r"has 2 entries: train_step, loss\n(?s:.*)Remedy: name one: `module.train_step\(...\)`"
    ):
        several(X, X)
    with pytest.raises(InputError, match="has 2 entries"):
        several.signature()


def test_one_entry_is_the_module(add: Module) -> None:
    np.testing.assert_array_equal(add(X, X), X + X)
    assert add.signature().entry == "add"


def test_repr_is_a_table(several: Module) -> None:
    assert repr(several).splitlines() == [
        "difc module for cpu on local-sync",
        "  entry       arguments       results",
        "  train_step  x: float32[16]  float32[16]",
        "              y: float32[16]",
        "  loss        x: float32[16]  float32[16]",
        "              y: float32[16]",
    ]


def test_the_device_is_argument_setting_recommendation(add_bytes: bytes) -> None:
    assert load(add_bytes).device.name == "local-sync"
    with config.override(device="local-task"):
        assert load(add_bytes).device.name == "local-task"
        assert load(add_bytes, "local-sync").device.name == "local-sync"
    assert load(add_artifact(driver=None)).device.name == "local-task"
    with pytest.raises(DeviceError, match="unknown device `tpu`"):
        load(add_bytes, device="tpu")


def test_an_artifact_for_another_target(add_bytes: bytes) -> None:
    with pytest.raises(
        ArtifactError,
        match=r"compiled for `vulkan` and cannot run on `local-sync`\n(?s:.*)Remedy: load it with device=\"vulkan\", "
        r"or compile it with target=\"cpu\"$",
    ):
        load(add_artifact("vulkan"), "local-sync")
    by_setting = r"target=\"cpu\"; for transformed functions, set DIFC_DEVICE or DIFC_TARGET so"
    with config.override(device="local-sync"), pytest.raises(ArtifactError, match=by_setting):
        load(add_artifact("vulkan"))
    if available()["vulkan"] is None:
        with pytest.raises(ArtifactError, match="compiled for `cpu` and cannot run on `vulkan`"):
            load(add_bytes, "vulkan")


def test_code_for_another_device_than_the_signature_says() -> None:
    specs = [F32_16, F32_16]
    mislabelled = build((signature("add", specs, [F32_16], target="cpu"), ADD_BODY), target="vulkan")
    with pytest.raises(ArtifactError, match=r"\(compiled for `cpu`\) cannot run on `local-sync`: (?!.*\.c:)"):
        load(mislabelled)


def test_a_module_that_difc_did_not_make() -> None:
    foreign = compile_text("func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }", "cpu")
    with pytest.raises(ArtifactError, match=r"an IREE module, but difc did not make it: `f` has no signature"):
        load(foreign)
    with pytest.raises(ArtifactError, match="has no entries"):
        load(
            compile_text(
                "module @m { func.func @__f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> } }", "cpu"
            )
        )


def test_another_format_version() -> None:
    text = json.dumps(json.dumps({"format": 99, "meta": {"difc": "9.0"}}))
    source = (
        f"func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> attributes {{iree.reflection = {{difc.signature = {text}}}}}"
    )
    with pytest.raises(ArtifactError, match=r"signature format 99 \(made by difc 9.0\)"):
        load(compile_text(source + "{ return %x : tensor<4xf32> }", "cpu"))


def test_another_iree_version(add_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(add_bytes)) as container, zipfile.ZipFile(made, "w") as other:
        flatbuffer = container.read("module.fb").replace(b"IREE", b"IRE0", 1)
        other.writestr("module.fb", flatbuffer)
    with pytest.raises(
        ArtifactError, match=r"does not fit the installed IREE 3\.\d+(?!.*\.c:).*\n(?s:.*)Remedy: compile the model"
    ):
        load(made.getvalue())


def test_save_and_load(tmp_path: Path, add: Module, add_bytes: bytes) -> None:
    path = tmp_path / "model.vmfb"
    path.write_bytes(b"an older one")
    add.save(path)
    assert path.read_bytes() == add_bytes
    assert list(tmp_path.iterdir()) == [path]
    again = load(path)
    path.write_bytes(b"")  # a loaded module does not need its file
    np.testing.assert_array_equal(again(X, X), X + X)
    assert "model.vmfb" in repr(again)
    again.save(str(path))
    np.testing.assert_array_equal(load(str(path))(X, X), X + X)


def test_a_module_can_be_pickled(add: Module) -> None:
    again = pickle.loads(pickle.dumps(add))
    assert again.device is add.device
    np.testing.assert_array_equal(again(X, X), X + X)
    with pytest.raises(UnsupportedError, match="the entry `add` cannot be pickled alone\nRemedy: pickle its module"):
        pickle.dumps(add.entries["add"])
    assert copy.copy(add.entries["add"]) is copy.deepcopy(add.entries["add"]) is add.entries["add"]


def test_containers_of_this_process(add_bytes: bytes) -> None:
    class Sum(NamedTuple):
        total: Any

    own = signature("add", [F32_16, F32_16], [F32_16], out_tree=Sum(0))
    module = load_traced(add_bytes, {"add": own})
    assert type(module(X, X)) is Sum
    assert module.signature().meta == load(add_bytes).signature().meta


WRONG: dict[str, Any] = {
    "dtype": lambda module: module(X, X.astype(np.float64)),
    "shape": lambda module: module(X, X[:3]),
    "number": lambda module: module(X),
    "structure": lambda module: module(X, {"x": X}),
    "entry": lambda module: module.ad(X, X),
    "an entry": lambda module: module.entries["add"](X, object()),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_call_shows_one_frame_of_the_runtime(add: Module, what: str) -> None:
    with pytest.raises(DifcError) as caught:
        WRONG[what](add)
    assert [entry.name for entry in caught.traceback][1] == "<lambda>"
    assert len(caught.traceback) == 3
    text = "".join(traceback.format_exception(caught.value))
    assert text.count("Traceback") == 1  # what NumPy or optree said first is left out
    with config.override(traceback="full"), pytest.raises(DifcError) as caught:
        WRONG[what](add)
    assert len(caught.traceback) > 3


def test_loading_shows_one_frame_of_the_runtime(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        load(tmp_path / "none.vmfb")
    assert [entry.name for entry in caught.traceback] == ["test_loading_shows_one_frame_of_the_runtime", "load"]
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


FORKED = """
import os, sys
import numpy as np
from difc.errors import DeviceError
from difc.runtime import load, to_device

path, x = sys.argv[1], np.ones(16, np.float32)
tasks, sync = load(path, "local-task"), load(path, "local-sync")
tasks(x, x), sync(x, x)
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try:
    tasks(x, x)
except DeviceError as error:
    assert "this process was forked after `local-task` was opened" in str(error), error
    assert 'get_context("spawn")' in str(error), error
    assert (np.asarray(sync(x, x)) == 2).all()
    assert (np.asarray(load(path, "local-task")(x, x)) == 2).all()
    assert (to_device(x, "local-task").numpy() == 1).all()
    os._exit(7)
os._exit(1)
"""


def test_after_a_fork(tmp_path: Path, add: Module) -> None:
    """The threads of local-task stay behind: a call would hang."""
    add.save(tmp_path / "add.vmfb")
    done = subprocess.run([sys.executable, "-c", FORKED, tmp_path / "add.vmfb"], timeout=20, check=False)
    assert done.returncode == 7


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path, add: Module) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "add.vmfb"):
        with pytest.raises(OSError, match=f"'{path}'$"):
            add.save(path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
