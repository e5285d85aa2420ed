"""Tests of the pipelines neither fill the user's disk cache nor leave dumps in the current folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from difc import config


@pytest.fixture(autouse=True)
def _no_disk_cache(tmp_path: Path) -> Iterator[None]:
    with config.override(cache_dir=Path(), dump_to=tmp_path / "dump"):
        yield
