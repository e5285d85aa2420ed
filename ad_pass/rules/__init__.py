"""The rules of every op, one file for each op family; importing this package fills the tables of `ad_pass.registry`."""

from difc.ad_pass.rules import contraction, control, creation, elementwise, indexing, reduction, shape

__all__ = ["contraction", "control", "creation", "elementwise", "indexing", "reduction", "shape"]
