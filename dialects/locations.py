"""The user's place in an MLIR location, for error messages."""

from __future__ import annotations

from difc.dialects.mlir import ir
from difc.errors import SourceLocation

__all__ = ["user_location"]


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
