"""The disk cache: whole entries or none, and never a failure because of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from difc import config
from difc.pipelines import cache


@pytest.fixture
def folder(tmp_path: Path):
    with config.override(cache_dir=tmp_path / "cache"):
        yield tmp_path / "cache"


class Maker:
    def __init__(self, result: bytes = b"artifact") -> None:
        self.result, self.calls = result, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.result


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.bin"))


def test_a_second_use_does_not_make(folder: Path) -> None:
    make = Maker()
    assert cache.load_or_compile(["a", b"b"], make) == cache.load_or_compile(["a", "b"], make) == b"artifact"
    assert make.calls == 1
    assert [path.name for path in folder.iterdir()] == [path.name for path in entries(folder)]  # nothing half-written


@pytest.mark.parametrize("other", [["ab"], ["a", "b", ""], ["b", "a"], ["a", "bc"]])
def test_keys_differ(folder: Path, other: list[str]) -> None:
    assert cache.cache_key(["a", "b"]) != cache.cache_key(other)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"x" + data[41:]]
)
def test_a_damaged_entry_is_made_again(folder: Path, damage) -> None:
    make = Maker(b"0123456789" * 10)
    cache.load_or_compile(["key"], make)
    (path,) = entries(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load_or_compile(["key"], make) == make.result
    assert cache.load_or_compile(["key"], make) == make.result
    assert make.calls == 2


def test_a_failure_is_not_stored(folder: Path) -> None:
    def fail() -> bytes:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.load_or_compile(["key"], fail)
    assert not entries(folder)


def test_an_empty_setting_turns_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFC_CACHE_DIR", "")
    make = Maker()
    with config.override(cache_dir=Path("")):
        cache.load_or_compile(["key"], make)
        cache.load_or_compile(["key"], make)
    assert make.calls == 2
    assert not list(tmp_path.rglob("*.bin"))


def test_a_folder_that_cannot_be_made_warns_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    make = Maker()
    with config.override(cache_dir=tmp_path / "file" / "cache"):
        with pytest.warns(RuntimeWarning, match="DIFC_CACHE_DIR"):
            assert cache.load_or_compile(["key"], make) == b"artifact"
        assert cache.load_or_compile(["key"], make) == b"artifact"  # a second warning would be an error here


def test_the_oldest_entries_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT_BYTES", 1000)
    now = time.time()
    for index in range(3):
        cache.load_or_compile([str(index)], Maker(bytes(250)))
        os.utime(folder / (cache.cache_key([str(index)]) + ".bin"), (now - 100 + index,) * 2)
    used = Maker()
    cache.load_or_compile(["0"], used)  # a use makes it young again
    cache.load_or_compile(["3"], Maker(bytes(250)))
    left = {path.stem for path in entries(folder)}
    assert used.calls == 0
    assert left == {cache.cache_key([key]) for key in ("0", "3")}


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    folder.mkdir()
    for name, age in (("tmp-old", 10_000), ("tmp-new", 0)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    cache.load_or_compile(["key"], Maker())
    assert not (folder / "tmp-old").exists()
    assert (folder / "tmp-new").exists()
