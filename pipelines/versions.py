"""Whether the packages that difc stands on are the pinned ones.

The pins are those of difc's own installation metadata, which is `pyproject.toml`; they are written nowhere else.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from difc.errors import VersionError

__all__ = ["check_versions", "installed_versions", "pinned_versions", "source_digest"]

_PIN = re.compile(r"^(?P<name>[\w.-]+)\s*==\s*(?P<version>[\w.+!-]+)")
_COMPILER = ("torch-mlir", "iree-base-compiler")


@functools.cache
def pinned_versions() -> dict[str, str]:
    """Return the exact version that difc asks for, by package."""
    pins = (_PIN.match(requirement) for requirement in metadata.requires("difc") or ())
    return {pin["name"]: pin["version"] for pin in pins if pin}


def installed_versions(packages: Iterable[str]) -> list[str]:
    """Return `name==version` for installed packages."""
    return [f"{name}=={metadata.version(name)}" for name in packages]


@functools.cache
def source_digest() -> str:
    """Return a digest of the compiler's own source, so that a changed compiler serves nothing of an older one."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in ("dialects", "ad_pass", "pipelines"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check_versions(packages: Iterable[str] = _COMPILER) -> None:
    """Check that pinned packages are installed in the pinned version.

    IREE's passes and MLIR's Python bindings change from release to release, so another version may fail far from here.

    Raises:
      VersionError: naming the package, what was found, what is needed, and the command that installs it.
    """
    for name in packages:
        wanted = pinned_versions()[name]
        remedy = f'pip install "{name}=={wanted}"'
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise VersionError(f"{name} is not installed; difc needs version {wanted}", remedy=remedy) from None
        if found != wanted and not found.startswith(f"{wanted}+"):
            raise VersionError(f"{name} {found} is installed; difc needs version {wanted}", remedy=remedy)
