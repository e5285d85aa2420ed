"""Tests of the pipelines do not use the user's disk cache, and leave no dumps behind."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The environment, because overrides of the configuration do not reach other threads.
    monkeypatch.setenv("DIFC_CACHE_DIR", "")
    monkeypatch.setenv("DIFC_DUMP_TO", str(tmp_path))
