"""Imports every family, so that the tables of `registry` are full. Imported when something is first traced."""

from difc.numpy import creation, elementwise, joining, matrix, reduction, selection, shape  # noqa: F401
