"""The dialect as text: the golden files in `tests/ir/dialect`."""

from __future__ import annotations

import pytest

from difc import dialects as dif
from difc.dialects import context
from difc.dialects.mlir import ir
from difc.errors import VerificationError
from tests.golden import IR, check_file


def _printed(text: str) -> str:
    with context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        again = str(ir.Module.parse(str(module)))
    dif.verify(module)
    assert again == str(module)
    return again


def _refused(text: str) -> str:
    """Return the error for a module: MLIR's own verifier runs when it is parsed, difc's for `fun` ops after."""
    with context(), ir.Location.unknown(), pytest.raises((VerificationError, ir.MLIRError)) as raised:
        dif.verify(ir.Module.parse(text))
    return str(raised.value)


def test_roundtrip() -> None:
    check_file(IR / "dialect" / "roundtrip.mlir", _printed)


def test_invalid() -> None:
    check_file(IR / "dialect" / "invalid.mlir", _refused)
