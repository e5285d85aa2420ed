"""Fixtures of the tests of the runtime."""

from __future__ import annotations

import pytest

from difc.runtime import Module, load
from tests.runtime.artifacts import add_artifact


@pytest.fixture(scope="session")
def add_bytes() -> bytes:
    """The artifact of `add(x, y)` on 16 floats for the CPU."""
    return add_artifact()


@pytest.fixture(scope="session")
def add(add_bytes: bytes) -> Module:
    """The module `add`, loaded."""
    return load(add_bytes)
