"""What the commands print."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from difc.cli.console import print_table, report, size_text
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


@pytest.mark.parametrize("terminal", [False, True])
def test_tables_cut_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("FORCE_COLOR" if terminal else "NO_COLOR", "1")
    name = "a_name_that_is_longer_than_the_terminal_is_wide"
    print_table(["name", "type"], [[name, "float32['batch', 3]"]], indent=2)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert (max(map(len, lines)) <= 24) == terminal
    shown = Counter("".join(lines[1:]).replace(" ", ""))
    assert shown == Counter(f"{name}float32['batch',3]")
