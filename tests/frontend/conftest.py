"""Tests of the frontend do not fill the user's disk cache; most run in the interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from difc import config


@pytest.fixture(autouse=True)
def _no_disk_cache() -> Iterator[None]:
    with config.override(cache_dir=Path()):
        yield


@pytest.fixture
def interpreted() -> Iterator[None]:
    """Run transformed functions through the interpreter."""
    with config.override(interpret=True):
        yield


@pytest.fixture
def wide() -> Iterator[None]:
    """Let JAX, which results are compared with, use 64-bit numbers."""
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        yield
