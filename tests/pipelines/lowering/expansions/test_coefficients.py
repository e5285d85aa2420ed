"""The constants are those that the script computes."""

from __future__ import annotations

from tests.scripts import script


def test_the_file_is_up_to_date() -> None:
    coefficients = script("coefficients")
    assert coefficients.OUTPUT.read_text() == coefficients.generated(), "run: python docs/coefficients.py"
