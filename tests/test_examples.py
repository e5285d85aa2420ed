"""The examples do what their headers say: compile with the compiler, train without it, on every device that is here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import difc
from difc.model import load_model
from tests.pipelines.artifacts import needs_vulkan

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

#: Runs a script in a Python that has no compiler.
_WITHOUT_COMPILER = """
import runpy, sys
sys.modules.update(dict.fromkeys(("torch_mlir", "iree.compiler")))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return the artifact of an example for a target."""
    made: dict[tuple[str, str], Path] = {}

    def make(target: str, model: str = "digits_mlp") -> Path:
        if (target, model) not in made:
            path = tmp_path_factory.mktemp(target) / f"{model}.vmfb"
            difc.compile(load_model(EXAMPLES / f"{model}.py"), target=target).save(path)
            made[target, model] = path
        return made[target, model]

    return make


def run(script: str, artifact: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WITHOUT_COMPILER, EXAMPLES / script, artifact, *options]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def train(artifact: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run("train_digits.py", artifact, *options)


def accuracy(done: subprocess.CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    found = re.search(r"^test accuracy: ([\d.]+)%$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


def test_training_reaches_96_percent_without_a_compiler(artifact: Callable[..., Path]) -> None:
    assert accuracy(train(artifact("cpu"))) >= 96


@needs_vulkan
def test_training_runs_unchanged_on_vulkan(artifact: Callable[..., Path]) -> None:
    assert accuracy(train(artifact("vulkan"), "--epochs", "2")) >= 80


def test_one_step_is_adam_on_the_gradient_of_the_loss(artifact: Callable[..., Path]) -> None:
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


def evidence(done: subprocess.CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    found = re.search(r"^negative log evidence: ([\d.]+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


def test_hyperparameters_are_fitted_without_a_compiler(artifact: Callable[..., Path]) -> None:
    done = run("fit_gaussian_process.py", artifact("cpu", "gaussian_process"))
    assert evidence(done) < 384.2  # 409.6 with all of them one
    found = re.search(r"explained variance of the test patients: ([\d.]+)%", done.stdout)
    assert found, done.stdout
    assert float(found[1]) > 38


@needs_vulkan
def test_the_fit_has_the_same_numbers_on_vulkan(artifact: Callable[..., Path]) -> None:
    few = "--points", "40", "--steps", "3"
    fits = [run("fit_gaussian_process.py", artifact(t, "gaussian_process"), *few) for t in ("cpu", "vulkan")]
    assert evidence(fits[0]) == pytest.approx(evidence(fits[1]), rel=1e-6)


def test_the_evidence_and_its_gradient(artifact: Callable[..., Path]) -> None:
    module = difc.load(artifact("cpu", "gaussian_process"))
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 10)), random.normal(size=30)
    params = {"length": random.normal(size=10) / 4 + 1, "signal": 0.1, "noise": -0.5}

    def wanted(params: dict[str, Any]) -> float:
        scaled = x / np.exp(params["length"])
        squared = ((scaled[:, None] - scaled) ** 2).sum(axis=-1)
        covariance = np.exp(2 * params["signal"] - squared / 2) + np.exp(2 * params["noise"]) * np.eye(30)
        return (y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2

    value, gradient = module.evidence(params, x, y)
    np.testing.assert_allclose(value, wanted(params), rtol=1e-12)
    for name in ("signal", "noise"):
        above, below = (wanted({**params, name: params[name] + step}) for step in (1e-5, -1e-5))
        np.testing.assert_allclose(gradient[name], (above - below) / 2e-5, rtol=1e-7)
