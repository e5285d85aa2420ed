"""Imports every family, so that the tables of `registry` are full. Imported when something is first traced."""

from difc.numpy import (  # noqa: F401
    assorted,
    contraction,
    creation,
    diagonals,
    elementwise,
    indexing,
    joining,
    nan_reduction,
    norms,
    padding,
    reduction,
    scanning,
    selection,
    shaping,
    subscripts,
)
