"""Tests of the pipelines do not use the user's disk cache."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    # The environment, because overrides of the configuration do not reach other threads.
    monkeypatch.setenv("DIFC_CACHE_DIR", "")
