"""Tests of `difc.runtime.processor`: what is recorded of a processor, and artifacts for another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from difc.errors import ArtifactError
from difc.runtime import load, processor
from difc.runtime.processor import check_processor, this_processor
from tests.runtime.artifacts import add_artifact

X86 = """\
processor : 0
flags     : fpu vme sse2 ssse3 avx avx2 fma hypervisor aes
processor : 1
flags     : fpu vme sse2 ssse3 avx fma aes
"""
ARM = "processor : 0\nFeatures  : fp asimd asimddp sve2 sha512\nCPU part : 0xd40\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that says what the processor has."""
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", path)
    processor._instructions.cache_clear()
    yield path
    processor._instructions.cache_clear()


@pytest.mark.parametrize(
    ("text", "wanted"), [(X86, ["avx", "fma", "ssse3"]), (ARM, ["asimd", "asimddp", "sve2"]), ("cpu : MIPS\n", None)]
)
def test_what_all_cores_have_and_code_uses(cpuinfo: Path, text: str, wanted: list[str] | None) -> None:
    cpuinfo.write_text(text)
    assert this_processor()["instructions"] == wanted
    assert this_processor(generic=True)["instructions"] == []


def test_what_is_not_known_is_allowed(cpuinfo: Path) -> None:
    assert this_processor()["instructions"] is None  # there is no such file
    check_processor({**this_processor(), "instructions": ["avx512f"]}, "it")
    cpuinfo.write_text(X86)
    processor._instructions.cache_clear()
    check_processor({}, "it")
    check_processor({**this_processor(), "instructions": None}, "it")


def test_an_artifact_for_this_processor_runs() -> None:
    x = np.ones(16, np.float32)
    np.testing.assert_array_equal(load(add_artifact(processor=this_processor()))(x, x), 2 * x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"instructions": [f"avx1024_{i}" for i in range(8)]},
            r"with instructions that this one does not have: avx1024_0, .*, avx1024_5 and 2 more\n(?s:.*)"
            r'Remedy: compile it with target="cpu-generic" for any processor, or on this machine',
        ),
        ({"instructions": ["avx1024"]}, "the artifact is compiled for another processor, .*: avx1024\n"),
        ({"architecture": "vax"}, "compiled for `vax` processors, and this machine is `"),
    ],
)
def test_an_artifact_for_another_processor(change: dict[str, Any], message: str) -> None:
    if "instructions" in change and this_processor()["instructions"] is None:
        pytest.skip("this system does not tell what its processor has")
    with pytest.raises(ArtifactError, match=message):
        load(add_artifact(processor={**this_processor(), **change}))
