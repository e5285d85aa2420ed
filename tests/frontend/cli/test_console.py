"""What the commands print."""

from __future__ import annotations

from difc.cli.console import size_text


def test_sizes_are_read_by_people() -> None:
    assert [size_text(n) for n in (0, 1023, 1024, 3 << 20, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]
