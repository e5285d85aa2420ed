"""The bytes of an artifact: reading them, and finding damage before IREE sees them.

Owns the container checks. Imports no IREE. Invariant: bytes that `read` returns have passed the checksums of their
container, so a damaged file never reaches native code.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any, cast

from difc.errors import ArtifactError, absent_file_remedy

__all__ = ["Archive", "read", "write"]

_ZIP = b"PK\x03\x04"
_MODULE = "module.fb"
_AGAIN = "compile the model again, or copy the file again from where it was made"


class Archive(mmap.mmap):
    """Anonymous memory with the bytes of an artifact: page aligned, as IREE uses it without a copy."""

    def seekable(self) -> bool:
        """Return True; `zipfile` asks, and `mmap` has no answer before Python 3.13."""
        return True


def read(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> tuple[Archive, str]:
    """Return the bytes of an artifact, and how messages call it.

    Raises:
      ArtifactError: for a file that is missing, empty, truncated, corrupted or no artifact.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = memoryview(source).cast("B"), "the artifact"
        archive = _allocate(data.nbytes, name)
        archive.write(data)
    elif not isinstance(source, str | os.PathLike):
        raise ArtifactError(
            f"an artifact is a path or bytes, not {type(source).__name__}",
            remedy="pass the path of a .vmfb file",
        )
    else:
        path = Path(source)
        name = f"`{path}`"
        try:
            with path.open("rb") as file:
                archive = _allocate(os.fstat(file.fileno()).st_size, name)
                got = file.readinto(memoryview(archive))
                if got != len(archive):
                    raise ArtifactError(f"{name} changed while it was read", remedy="load it again")
        except FileNotFoundError as error:
            raise ArtifactError(f"{name} does not exist", remedy=absent_file_remedy(path, "*.vmfb")) from error
        except IsADirectoryError as error:
            raise ArtifactError(f"{name} is a folder", remedy="pass the .vmfb file in it") from error
        except OSError as error:
            raise ArtifactError(f"{name} cannot be read: {error.strerror}", remedy="check the path") from error
    _check(archive, name)
    return archive, name


def write(path: str | os.PathLike[str], contents: Any) -> None:
    """Write bytes to a file, which is whole at every moment: they are written beside it and renamed.

    Who may read and write what is there stays so.
    What is there and is no file, such as `/dev/null`, or `/dev/stdout` in a pipeline, is written to, not replaced.

    Raises:
      OSError: where the file cannot be written.
    """
    special = os.path.exists(path) and not os.path.isfile(path)
    target = Path(os.path.realpath(path))
    temporary = Path(path) if special else target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with temporary.open("wb" if special else "xb") as file:
            if not special:
                with contextlib.suppress(FileNotFoundError):  # there is no earlier one
                    shutil.copymode(target, temporary)
            file.write(contents)
        if not special:
            temporary.replace(target)
    except BaseException as error:
        if not special:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, str(path)) from None  # the other name says nothing
        raise


def _allocate(size: int, name: str) -> Archive:
    if size == 0:
        raise ArtifactError(f"{name} is empty", remedy=_AGAIN)
    return Archive(-1, size)


def _foreign(archive: Archive, name: str) -> ArtifactError:
    """Return the error for contents that do not begin as those of an artifact do."""
    if not name.startswith("`"):
        size = "this 1 byte is" if len(archive) == 1 else f"these {len(archive)} bytes are"
        return ArtifactError(f"{size} not an artifact", remedy="pass the contents of a .vmfb file, or its path")
    if name.endswith(".py`"):
        return ArtifactError(
            f"{name} is a Python file, not an artifact", remedy=f"compile it: difc compile {name[1:-1]}"
        )
    return ArtifactError(f"{name} is not an artifact", remedy="pass a .vmfb file made by `difc compile`")


def _check(archive: Archive, name: str) -> None:
    """Check the container: an IREE module is also a zip archive of stored files, each with a CRC-32."""
    if archive[:4] != _ZIP:
        if archive[4:8] == b"IREE" or archive[8:12] == b"IREE":
            raise ArtifactError(
                f"{name} is an IREE module without its archive container, which has the checksums",
                remedy="compile without --iree-vm-emit-polyglot-zip=false",
            )
        raise _foreign(archive, name)
    try:
        with zipfile.ZipFile(cast(Any, archive)) as container:
            infos = container.infolist()
            stored = all(info.compress_type == zipfile.ZIP_STORED for info in infos)
            ours = stored and infos[:1] and infos[0].header_offset == 0 and infos[0].filename == _MODULE
            damaged = container.testzip() if ours else None
    except zipfile.BadZipFile as error:
        if archive.rfind(b"PK\x05\x06", max(0, len(archive) - 66_000)) < 0:
            raise ArtifactError(f"{name} is truncated: its end is missing", remedy=_AGAIN) from error
        raise ArtifactError(f"{name} is corrupted", remedy=_AGAIN) from error
    except Exception as error:  # a damaged directory makes zipfile raise nearly anything
        raise ArtifactError(f"{name} is corrupted", remedy=_AGAIN) from error
    if not ours:
        raise ArtifactError(f"{name} is a zip file, not an artifact", remedy="pass a .vmfb file made by `difc compile`")
    if damaged is not None:
        raise ArtifactError(f"{name} is corrupted: a checksum is wrong", remedy=_AGAIN)
