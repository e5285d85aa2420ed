"""The examples do what their headers say: compile with the compiler, train without it, on every device that is here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import difc
from difc.model import load_model
from difc.runtime import available

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

#: Runs a script in a Python that has no compiler.
_WITHOUT_COMPILER = """
import runpy, sys
sys.modules.update(dict.fromkeys(("torch_mlir", "iree.compiler")))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the artifact of the classifier for a target."""
    made: dict[str, Path] = {}

    def make(target: str) -> Path:
        if target not in made:
            path = tmp_path_factory.mktemp(target) / "digits.vmfb"
            difc.compile(load_model(EXAMPLES / "digits_mlp.py"), target=target).save(path)
            made[target] = path
        return made[target]

    return make


def train(artifact: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WITHOUT_COMPILER, EXAMPLES / "train_digits.py", artifact, *options]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def accuracy(done: subprocess.CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    found = re.search(r"^test accuracy: ([\d.]+)%$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


def test_training_reaches_96_percent_without_a_compiler(artifact: Callable[[str], Path]) -> None:
    assert accuracy(train(artifact("cpu"))) >= 96


@pytest.mark.vulkan
@pytest.mark.skipif(available()["vulkan"] is not None, reason="no Vulkan device")
def test_training_runs_unchanged_on_vulkan(artifact: Callable[[str], Path]) -> None:
    assert accuracy(train(artifact("vulkan"), "--epochs", "2")) >= 80


def test_one_step_is_adam_on_the_gradient_of_the_loss(artifact: Callable[[str], Path]) -> None:
    module, model = difc.load(artifact("cpu")), load_model(EXAMPLES / "digits_mlp.py")
    random = np.random.default_rng(0)
    params = {
        name: random.normal(scale=0.1, size=spec.shape).astype(np.float32)
        for name, spec in module.signature("train_step").arguments["params"].items()
    }
    zeros = {name: np.zeros_like(p) for name, p in params.items()}
    state = {"step": np.float32(0), "mean": zeros, "square": zeros}
    images, labels = random.random((5, 64), dtype=np.float32), np.arange(5, dtype=np.int32)
    arguments = (params, state, images, labels, np.float32(0.01))
    new, new_state, loss = module.train_step(*arguments)
    with difc.disable_jit():
        wanted, wanted_state, wanted_loss = difc.jit(model["train_step"].fun)(*arguments)
    np.testing.assert_allclose(loss, wanted_loss, rtol=1e-5)
    np.testing.assert_allclose(new_state["mean"]["w2"], wanted_state["mean"]["w2"], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(new["b3"], wanted["b3"], rtol=1e-4)
    assert module.train_step(new, new_state, *arguments[2:])[2] < loss


def test_a_missing_artifact_says_how_to_make_it(tmp_path: Path) -> None:
    done = train(tmp_path / "digits.vmfb")
    assert done.returncode == 1
    assert "digits.vmfb yet\nRemedy: make it with `difc compile examples/digits_mlp.py -o" in done.stderr


def test_another_model_is_one_clear_error(tmp_path: Path) -> None:
    difc.compile(lambda x: x + 1, difc.f32[3]).save(tmp_path / "other.vmfb")
    done = train(tmp_path / "other.vmfb")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "has no entry `train_step`" in done.stderr
    assert "Traceback" not in done.stderr
