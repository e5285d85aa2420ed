"""What the tests of error messages share."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from difc.errors import DifcError

__all__ = ["fails"]


@contextmanager
def fails(
    error: type[DifcError], message: str, *, at: str, remedy: str = ""
) -> Iterator[pytest.ExceptionInfo[DifcError]]:
    """Expect an error whose first line matches `message`, with the user's file, the line `at`, a caret and a remedy.

    Args:
      at: a part of the user's source line that the caret is under.
      remedy: what the remedy matches; with none there need be no remedy.
    """
    file = sys._getframe(2).f_code.co_filename
    with pytest.raises(error) as caught:
        yield caught
    first, *rest = str(caught.value).splitlines()
    assert re.search(message, first), first
    assert rest[0].startswith(f"  {file}:"), str(caught.value)
    assert at in rest[1], str(caught.value)
    assert set(rest[2].strip()) == {"^"}, str(caught.value)
    if remedy:
        assert rest[-1].startswith("Remedy: ")
        assert remedy in rest[-1], rest[-1]
