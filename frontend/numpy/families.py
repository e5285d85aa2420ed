"""Imports every family, so that the tables of `registry` are full. Imported when something is first traced."""

from difc.numpy import (  # noqa: F401
    contraction,
    creation,
    diagonals,
    elementwise,
    joining,
    norms,
    reduction,
    scanning,
    selection,
    shaping,
    subscripts,
)
