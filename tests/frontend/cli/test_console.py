"""What the commands print."""

from __future__ import annotations

import pytest

from difc.cli.console import report, size_text
from difc.errors import DeviceError


def test_sizes_are_read_by_people() -> None:
    assert [size_text(n) for n in (0, 1023, 1024, 3 << 20, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]


def test_remedies_name_options_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    report(DeviceError("no device", remedy='pass device="local-task" with an artifact of target="cpu-generic"'))
    assert "pass --device local-task with an artifact of --target cpu-generic" in capsys.readouterr().err
