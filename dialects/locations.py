"""The user's place in an MLIR location, for error messages."""

from __future__ import annotations

from collections.abc import Sequence

from difc.dialects.mlir import ir
from difc.errors import SourceLocation, VerificationError

__all__ = ["refused_by_mlir", "user_location", "verification_error"]


def user_location(location: ir.Location) -> SourceLocation | None:
    """Return the innermost file location inside name, call-site and fused locations, or None where there is none."""
    match location:
        case ir.FileLineColLoc():
            return SourceLocation(location.filename, location.start_line, location.start_col, location.end_col)
        case ir.NameLoc():
            return user_location(location.child_loc)
        case ir.CallSiteLoc():
            return user_location(location.callee) or user_location(location.caller)
        case ir.FusedLoc():
            return next((found for part in location.locations if (found := user_location(part))), None)
    return None


def refused_by_mlir(error: ir.MLIRError) -> VerificationError:
    """Return the error for a module that MLIR does not parse or verify."""
    return verification_error([(d.location, d.message) for d in error.error_diagnostics])


def verification_error(problems: Sequence[tuple[ir.Location, str]]) -> VerificationError:
    """Return the error for what is wrong at some places, each with its source line."""
    texts = []
    for given, message in problems:
        location = ir.Location.from_attr(given.attr, given.context)  # those of diagnostics are not of their own class
        derived = f", in {location.name_str}" if isinstance(location, ir.NameLoc) else ""
        texts.append((message + derived, user_location(location)))
    if len(texts) == 1:
        return VerificationError(texts[0][0], where=texts[0][1])
    return VerificationError("\n".join(f"{text}\n{place.excerpt()}" if place else text for text, place in texts))
