"""Options of passes against the function that they name: masks and axes.

Imports no pass. Invariant: what these return fits the function, so a pass can rely on it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from difc.dialects import aval_of, functions_of, is_float
from difc.dialects.mlir import func, ir
from difc.errors import InputError

__all__ = ["axes_of", "float_mask", "function_named"]


def function_named(module: ir.Module, name: str) -> func.FuncOp:
    """Return a function of a module.

    Raises:
      InputError: for a name that is not there, with the closest one that is.
    """
    functions = functions_of(module)
    if name not in functions:
        close = difflib.get_close_matches(name, functions, n=1)
        hint = f"; did you mean @{close[0]}?" if close else ""
        known = ", ".join(f"@{f}" for f in functions) or "none"
        raise InputError(f"there is no function @{name} in the module{hint}", remedy=f"its functions: {known}")
    return functions[name]


def float_mask(
    pass_name: str, option: str, mask: tuple[bool, ...] | None, types: Sequence[ir.Type]
) -> tuple[bool, ...]:
    """Return a mask over types, which marks floats only; all of them by default.

    Raises:
      InputError: for a mask of another length, or that marks something else.
    """
    floats = tuple(is_float(aval_of(t).dtype) for t in types)
    if mask is None:
        return floats
    _same_length(pass_name, option, mask, types)
    for i, (mark, is_real) in enumerate(zip(mask, floats, strict=True)):
        if mark and not is_real:
            raise InputError(
                f"`{pass_name}`: {option} marks number {i}, which is {aval_of(types[i])} and has no derivative",
                remedy="mark floats only",
            )
    return mask


def axes_of(pass_name: str, option: str, axes: tuple[int, ...] | None, types: Sequence[ir.Type]) -> tuple[int, ...]:
    """Return the mapped axis of each type, -1 for none; 0 by default.

    Raises:
      InputError: for another number of axes, or one that the type has no place for.
    """
    if axes is None:
        return (0,) * len(types)
    _same_length(pass_name, option, axes, types)
    for i, axis in enumerate(axes):
        if not -1 <= axis <= aval_of(types[i]).ndim:
            raise InputError(
                f"`{pass_name}`: {option} has {axis} for {aval_of(types[i])}",
                remedy=f"give -1, or the place of the new axis, 0 to {aval_of(types[i]).ndim}",
            )
    return axes


def _same_length(pass_name: str, option: str, given: Sequence[Any], types: Sequence[ir.Type]) -> None:
    if len(given) != len(types):
        what = ", ".join(str(aval_of(t)) for t in types) or "nothing"
        raise InputError(
            f"`{pass_name}`: {option} has {len(given)} entries for {len(types)} values",
            remedy=f"give one entry for each of: {what}",
        )
