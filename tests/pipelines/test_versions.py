"""The pinned versions of the packages below."""

from __future__ import annotations

from importlib import metadata

import pytest

from difc.errors import VersionError
from difc.pipelines import versions


def test_the_installed_versions_are_the_pinned_ones() -> None:
    versions.check_versions()
    pins = versions.pinned_versions()
    assert {"torch-mlir", "iree-base-compiler", "iree-base-runtime"} <= set(pins)
    assert versions.installed_versions(["iree-base-runtime"]) == [f"iree-base-runtime=={pins['iree-base-runtime']}"]


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = versions.pinned_versions()["torch-mlir"]
    monkeypatch.setattr(versions.metadata, "version", lambda name: "1.2.3")
    with pytest.raises(VersionError) as caught:
        versions.check_versions(["torch-mlir"])
    assert f"torch-mlir 1.2.3 is installed; difc needs version {wanted}" in str(caught.value)
    assert f'pip install "torch-mlir=={wanted}"' in str(caught.value)


def test_a_local_build_of_the_pinned_version(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = versions.pinned_versions()["torch-mlir"]
    monkeypatch.setattr(versions.metadata, "version", lambda name: f"{wanted}+local")
    versions.check_versions(["torch-mlir"])


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    versions.pinned_versions()  # read while difc itself can be found
    monkeypatch.setattr(versions.metadata, "version", missing)
    with pytest.raises(VersionError, match="iree-base-compiler is not installed"):
        versions.check_versions(["iree-base-compiler"])
