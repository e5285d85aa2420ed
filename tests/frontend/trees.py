"""What tests of transformations against JAX share: comparing trees of results, and some arguments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from difc.pytree import flatten

__all__ = ["Pair", "m", "same", "tree", "x", "y"]


def same(found: Any, wanted: Any) -> None:
    """Assert that two results have the same structure and numbers."""
    leaves, structure = flatten(found)
    others, other = flatten(wanted)
    assert structure == other
    for a, b in zip(leaves, others, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


class Pair(NamedTuple):
    left: Any
    right: Any


x, y, m = np.linspace(0.2, 1.0, 3), np.linspace(-1.0, 1.0, 3), np.linspace(-1.0, 1.0, 6).reshape(2, 3)
tree = {"b": [x, Pair(y, None)], "a": (m, {})}
