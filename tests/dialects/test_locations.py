"""The user's place inside MLIR locations, and errors that tell it."""

from __future__ import annotations

import pytest

from difc.dialects import context
from difc.dialects.locations import user_location, verification_error
from difc.dialects.mlir import ir
from difc.errors import SourceLocation


def _location(text: str) -> ir.Location:
    return ir.Module.parse(f"module {{}} {text}").operation.location


@pytest.mark.parametrize(
    "text",
    [
        'loc("user.py":3:4)',
        'loc("jvp(sin)"("user.py":3:4))',
        'loc("transpose(mul)"("jvp(mul)"("user.py":3:4)))',
        'loc(callsite("user.py":3:4 at "other.py":1:1))',
        'loc(callsite(unknown at "user.py":3:4))',
        'loc(fused[unknown, "user.py":3:4, "other.py":1:1])',
    ],
)
def test_the_innermost_file(text: str) -> None:
    with context():
        assert user_location(_location(text)) == SourceLocation("user.py", 3, 4, 4)


@pytest.mark.parametrize("text", ["loc(unknown)", 'loc("sin")', "loc(fused[unknown])"])
def test_no_file(text: str) -> None:
    with context():
        assert user_location(_location(text)) is None


def test_verification_error() -> None:
    with context():
        one, two = _location('loc("user.py":3:4)'), _location('loc("jvp(sin)"("user.py":5:6))')
    error = verification_error([(one, "is wrong")])
    assert (error.message, error.where) == ("is wrong", SourceLocation("user.py", 3, 4, 4))
    assert str(verification_error([(one, "is wrong"), (two, "too")])).splitlines() == [
        "is wrong",
        "  user.py:3:4",
        "too, in jvp(sin)",
        "  user.py:5:6",
    ]
