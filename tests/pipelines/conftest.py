"""Tests of the pipelines neither use the user's disk cache nor leave dumps in the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The environment, because overrides of the configuration do not reach other threads.
    monkeypatch.setenv("DIFC_CACHE_DIR", "")
    monkeypatch.setenv("DIFC_DUMP_TO", str(tmp_path / "dump"))
