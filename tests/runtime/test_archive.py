"""Tests of `difc.runtime.archive`: damage is found before IREE sees it, and no damage ends the process.

Whole modules are loaded and called where the container accepts the bytes, so what passes must also be right.
"""

from __future__ import annotations

import io
import os
import random
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from difc.errors import ArtifactError
from difc.runtime import load
from difc.runtime.archive import read, write

X = np.arange(16, dtype=np.float32)


def _right_or_artifact_error(data: bytes) -> bool:
    """Return whether the bytes load; then they must also compute the right thing."""
    try:
        module = load(data)
    except ArtifactError:
        return False
    np.testing.assert_array_equal(module(X, X), X + X)
    return True


def test_whole_bytes_pass(add_bytes: bytes) -> None:
    archive, name = read(add_bytes)
    assert bytes(archive) == add_bytes
    assert name == "the artifact"
    assert bytes(read(memoryview(bytearray(add_bytes)))[0]) == add_bytes


def test_every_truncation_is_an_artifact_error(add_bytes: bytes) -> None:
    size = len(add_bytes)
    for length in [*range(200), *range(200, size, 101), *range(size - 200, size)]:
        with pytest.raises(ArtifactError, match=r"is empty|(is|are) not an artifact|is truncated|is corrupted"):
            read(add_bytes[:length])
    with pytest.raises(
        ArtifactError, match=r"is truncated: its end is missing\nRemedy: compile the model again, or copy"
    ):
        read(add_bytes[: size // 2])


def test_flipped_bytes_of_the_headers(add_bytes: bytes) -> None:
    size = len(add_bytes)
    for place in [*range(160), *range(size - 300, size)]:
        for bits in (0x01, 0xFF):
            data = bytearray(add_bytes)
            data[place] ^= bits
            _right_or_artifact_error(bytes(data))


def test_flipped_bytes_of_the_module(add_bytes: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(add_bytes)) as container:
        first = container.infolist()[0]
    start = add_bytes.index(b"IREE")
    generator = random.Random(0)
    for place in generator.sample(range(start, start + first.file_size - 16), 200):
        data = bytearray(add_bytes)
        data[place] ^= generator.randrange(1, 256)
        with pytest.raises(ArtifactError, match="is corrupted: a checksum is wrong"):
            load(bytes(data))


def test_random_damage(add_bytes: bytes) -> None:
    generator = random.Random(1)
    for _ in range(200):
        data = bytearray(add_bytes)
        for _ in range(generator.choice([1, 4, 50])):
            data[generator.randrange(len(data))] = generator.randrange(256)
        _right_or_artifact_error(bytes(data))
    assert not _right_or_artifact_error(add_bytes[:500] + add_bytes[600:])


def test_files_that_are_something_else(tmp_path: Path, add_bytes: bytes) -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as container:
        container.writestr("readme.txt", "no module")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("module.fb", "x" * 1000)
    for data, message in [
        (b"module @m {}", r"`.*x\.vmfb` is not an artifact\nRemedy: pass a .vmfb file made by `difc compile`"),
        (b"", r"x\.vmfb` is empty"),
        (other.getvalue(), "is a zip file, not an artifact"),
        (packed.getvalue(), "is a zip file, not an artifact"),
        (add_bytes[add_bytes.index(b"IREE") - 8 :], "an IREE module without its archive container"),
    ]:
        path = tmp_path / "x.vmfb"
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match=message):
            read(path)


def test_bytes_and_python_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"^these 3 bytes are not an artifact\nRemedy: pass the contents of a .vmfb"
    ):
        read(b"foo")
    with pytest.raises(ArtifactError, match=r"^this 1 byte is not an artifact"):
        read(b"f")
    path = tmp_path / "model.py"
    path.write_text("import difc")
    with pytest.raises(
        ArtifactError, match=r"is a Python file, not an artifact\nRemedy: compile it: difc compile /.*py$"
    ):
        read(path)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"missing\.vmfb` does not exist\nRemedy: check the path"):
        read(tmp_path / "missing.vmfb")
    (tmp_path / "model.vmfb").touch()
    with pytest.raises(ArtifactError, match=r"modle\.vmfb` does not exist\nRemedy: did you mean `.*model\.vmfb`\?"):
        read(tmp_path / "modle.vmfb")
    with pytest.raises(ArtifactError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="cannot be read: Not a directory"):
        read(tmp_path / "file" / "x.vmfb")
    with pytest.raises(ArtifactError, match="an artifact is a path or bytes, not int\nRemedy: pass the path"):
        read(3)  # type: ignore[arg-type]


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"artifact")
    reader.join()
    assert got == [b"artifact"]
    assert pipe.is_fifo()
    link.symlink_to("target")
    write(link, b"artifact")
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"artifact"


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd")
def test_a_pipe_that_has_no_name_of_its_own_is_written_to() -> None:
    """As `/dev/stdout` in a pipeline, and what a shell makes of `>(command)`: links to what is no path."""
    end, begin = os.pipe()
    with open(end, "rb") as reader:
        with open(begin, "wb"):
            write(f"/dev/fd/{begin}", b"artifact")
        assert reader.read() == b"artifact"


def test_permissions_of_a_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "private"
    file.touch()
    file.chmod(0o600)
    write(file, b"artifact")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"artifact", 0o600)


def test_an_error_of_writing_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path, error in ((tmp_path / "none" / "x.vmfb", FileNotFoundError), (tmp_path / "folder", IsADirectoryError)):
        with pytest.raises(error) as caught:
            write(path, b"")
        assert caught.value.filename == str(path)
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]
