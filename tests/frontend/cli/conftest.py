"""One model, compiled once, for all tests of the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from difc import config
from tests.frontend.cli.commands import MODEL, difc_command


@pytest.fixture(scope="package", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with config.override(cache_dir=tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its artifact, and arguments for it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    arrays = {"params['b']": rng.normal(size=2), "params['w']": rng.normal(size=(3, 2)), "x": rng.normal(size=(4, 3))}
    np.savez(folder / "named.npz", **{k: v.astype(np.float32) for k, v in arrays.items()})
    np.savez(folder / "numbered.npz", **{f"arg{i}": v.astype(np.float32) for i, v in enumerate(arrays.values())})
    np.savez(folder / "in_order.npz", *(v.astype(np.float32) for v in arrays.values()))
    np.save(folder / "x.npy", arrays["x"].astype(np.float32))
    done = difc_command("compile", folder / "model.py")
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="package")
def artifact(folder: Path) -> Path:
    """The artifact of the model."""
    return folder / "model.vmfb"
