"""Compiled modules on disk: one file for each key, in the folder of the setting `cache_dir`.

Knows nothing of what it stores. Invariants: an entry is whole or absent (it is written beside its place and renamed,
and carries a digest of its contents); a cache that cannot be used costs time, never a result; the folder does not grow
beyond a bound.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from difc import config

__all__ = ["LIMIT_BYTES", "load_or_compile"]

LIMIT_BYTES = 2 << 30
"""The size above which the entries that were used longest ago are deleted."""

_SUFFIX = ".bin"
_UNFINISHED = "tmp-"
_ABANDONED_SECONDS = 3600
_PRUNED_TO = 0.8  # of the limit, so that not every new entry has to prune
_DIGEST = hashlib.sha256
_DIGEST_SIZE = _DIGEST().digest_size


def load_or_compile(key_parts: Iterable[str | bytes], make: Callable[[], bytes]) -> bytes:
    """Return the stored bytes of a key, or make and store them.

    >>> load_or_compile(["the IR", "--flag", "3.13.0"], lambda: b"artifact")
    b'artifact'

    Args:
      key_parts: all that the result depends on; order and division matter.
      make: called if there is no whole entry; what it raises is not stored.
    """
    folder = _folder()
    if folder is None:
        return make()
    path = folder / (cache_key(key_parts) + _SUFFIX)
    found = _read(path)
    if found is not None:
        return found
    made = make()
    _write(path, made)
    return made


def cache_key(parts: Iterable[str | bytes]) -> str:
    """Return the hexadecimal key of a sequence of texts; lengths are part of it, so parts do not run together."""
    digest = _DIGEST()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _folder() -> Path | None:
    folder = Path(config.get("cache_dir"))
    if folder == Path():  # the empty setting
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _warn_once(str(folder), error.strerror or str(error))
        return None
    return folder


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None  # absent, or unreadable, which is as good as absent
    stored, contents = data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]
    if _DIGEST(contents).digest() != stored:
        return None  # a damaged entry is made again and overwritten
    with contextlib.suppress(OSError):  # of another user: it only looks older than it is
        os.utime(path)
    return contents


def _write(path: Path, contents: bytes) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
    except OSError as error:
        _warn_once(str(path.parent), error.strerror or str(error))
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_DIGEST(contents).digest())
            file.write(contents)
        os.replace(name, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        _warn_once(str(path.parent), error.strerror or str(error))
        return
    _prune(path.parent, keep=path)


def _prune(folder: Path, keep: Path) -> None:
    """Delete the entries used longest ago once there is too much, and what killed processes left behind."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()
    entries = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # another process pruned it
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    if total <= LIMIT_BYTES:
        return
    for _, size, path in sorted(entries):
        if total <= LIMIT_BYTES * _PRUNED_TO:
            break
        if path != keep:
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size


@functools.cache
def _warn_once(folder: str, reason: str) -> None:
    warnings.warn(
        f"difc cannot keep compiled modules in {folder}: {reason}; set DIFC_CACHE_DIR to a folder that can be written, "
        "or to nothing to turn the cache off",
        RuntimeWarning,
        stacklevel=2,
    )
