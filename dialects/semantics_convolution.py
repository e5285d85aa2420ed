"""What convolution means, as a NumPy function on arrays: a sum over the elements of the kernel's window.

Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

import itertools

import numpy as np

from difc import dialects as dif
from difc.dialects.base import Ints
from difc.dialects.semantics import in_f32, meaning

__all__: list[str] = []


def _spread(x: np.ndarray, low: Ints, high: Ints, dilation: Ints) -> np.ndarray:
    """Put zeros around and between the elements of the spatial dims; negative padding removes elements."""
    sizes = [dif.dilated_size(size, by) for size, by in zip(x.shape[1:-1], dilation, strict=True)]
    wide = np.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    wide[(slice(None), *(slice(None, None, by) for by in dilation))] = x
    around = [(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)]
    wide = np.pad(wide, [(0, 0), *around, (0, 0)])
    kept = [
        slice(max(-a, 0), max(size - max(-b, 0), 0)) for a, b, size in zip(low, high, wide.shape[1:-1], strict=True)
    ]
    return wide[(slice(None), *kept)]


@meaning(dif.conv)
@in_f32
def _(
    lhs: np.ndarray,
    rhs: np.ndarray,
    *,
    strides: Ints,
    low: Ints,
    high: Ints,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    groups: int,
) -> np.ndarray:
    padded = _spread(lhs, low, high, lhs_dilation)
    window, (taken, made) = rhs.shape[:-2], rhs.shape[-2:]
    counts = [
        max(size - dif.dilated_size(w, d) + s, 0) // s
        for size, w, d, s in zip(padded.shape[1:-1], window, rhs_dilation, strides, strict=True)
    ]
    result = np.zeros((lhs.shape[0], *counts, made), lhs.dtype)
    per_group = made // groups
    for place in itertools.product(*map(range, window)):
        starts = [i * d for i, d in zip(place, rhs_dilation, strict=True)]
        ends = [a + (n - 1) * s + 1 if n else a for a, n, s in zip(starts, counts, strides, strict=True)]
        seen = padded[(slice(None), *map(slice, starts, ends, strides))]
        for g in range(groups):
            inputs, outputs = slice(g * taken, (g + 1) * taken), slice(g * per_group, (g + 1) * per_group)
            result[..., outputs] += np.matmul(seen[..., inputs], rhs[place][:, outputs])
    return result
