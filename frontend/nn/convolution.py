"""Convolutions of 1 to 3 (or more) spatial dims: strides, padding, dilation, groups, transposed ones.

Imports no MLIR until something is convolved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.nn.activations import as_array
from difc.nn.windows import pairs_of_padding, per_dim, reach, spatial_rank
from difc.numpy import surface
from difc.source import user_frame_location

__all__ = ["conv", "conv_transpose"]

#: Names of the dims: batch and channels of an array, channels out and in of a kernel; all others are spatial.
Layout = Sequence[str]


def conv(
    x: Any,
    w: Any,
    strides: Any = 1,
    padding: Any = "SAME",
    dilation: Any = 1,
    groups: int = 1,
    *,
    lhs_dilation: Any = 1,
    dimension_numbers: Layout | None = None,
) -> Any:
    """Convolve images (or signals, or volumes) with a kernel, which is not flipped. (jax.lax.conv_general_dilated)

    Args:
      x: [batch, *spatial, channels].
      w: [*window, channels / groups, channels out].
      strides: distance of the windows: a number, or one for each spatial dim; so for both dilations.
      padding: "SAME", "VALID", a number, or for each spatial dim a number or a pair.
      dilation: distance of the elements of a window.
      groups: how many runs of channels are convolved on their own; with as many as channels, each is (depthwise).
      lhs_dilation: distance of the elements of `x`, zeros between.
      dimension_numbers: layouts of `x`, `w` and the result, where they are others, as ("NCHW", "OIHW", "NCHW").

    Returns:
      [batch, *windows, channels out], of the promoted dtype.

    Raises:
      InputError: for arguments that do not fit the number of spatial dims.
      ShapeError: if the channels do not fit the kernel's.

    Example:
      >>> conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2)), padding="VALID").shape
      (1, 2, 2, 2)
    """
    x, w, back = _arranged("conv", as_array(x), as_array(w), dimension_numbers)
    rank = spatial_rank("conv", x)
    _check_kernel("conv", x, w)
    steps, apart = per_dim("conv", "strides", strides, rank), per_dim("conv", "dilation", dilation, rank)
    spread = per_dim("conv", "lhs_dilation", lhs_dilation, rank)
    window, spatial = w.shape[:rank], x.shape[1 : 1 + rank]
    sizes = [size if d == 1 else reach(size, d) for size, d in zip(spatial, spread, strict=True)]
    covered = [reach(size, d) for size, d in zip(window, apart, strict=True)]
    pairs = pairs_of_padding("conv", padding, sizes, covered, steps)
    if groups == 1 and window == steps and set(apart + spread) == {1} and not any(map(any, pairs)):
        tiled = _by_tiles(x, w, steps)
        if tiled is not None:
            return np.transpose(tiled, back)
    form = {"strides": steps, "lhs_dilation": spread, "rhs_dilation": apart, "groups": groups}
    low, high = zip(*pairs, strict=True)
    return np.transpose(_convolved(x, w, {**form, "low": low, "high": high}), back)


def conv_transpose(
    x: Any,
    w: Any,
    strides: Any = 1,
    padding: Any = "SAME",
    dilation: Any = 1,
    *,
    transpose_kernel: bool = False,
    dimension_numbers: Layout | None = None,
) -> Any:
    """Convolve with strides of a fraction: the result is `strides` times as large as `x`. (jax.lax.conv_transpose)

    Args:
      x, w, strides, padding, dilation, dimension_numbers: as of `conv`, the padding being that of the convolution that
        this undoes the strides of.
      transpose_kernel: flip the window and exchange its channels, which makes this the transpose (the derivative by
        `x`) of `conv` with the same kernel.

    Example:
      >>> conv_transpose(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2)), strides=2).shape
      (1, 8, 8, 2)
    """
    x, w, back = _arranged("conv_transpose", as_array(x), as_array(w), dimension_numbers)
    rank = spatial_rank("conv_transpose", x)
    if w.ndim == x.ndim and transpose_kernel:
        w = np.swapaxes(np.flip(w, tuple(range(rank))), -1, -2)
    _check_kernel("conv_transpose", x, w)
    steps = per_dim("conv_transpose", "strides", strides, rank)
    apart = per_dim("conv_transpose", "dilation", dilation, rank)
    covered = [reach(size, d) for size, d in zip(w.shape[:rank], apart, strict=True)]
    if isinstance(padding, str) and padding.upper() in ("SAME", "VALID"):
        pairs = [_undone(k, s, padding.upper()) for k, s in zip(covered, steps, strict=True)]
    else:
        pairs = pairs_of_padding("conv_transpose", padding, x.shape[1 : 1 + rank], covered, steps)
    low, high = zip(*pairs, strict=True)
    form = {"strides": (1,) * rank, "lhs_dilation": steps, "rhs_dilation": apart, "groups": 1}
    return np.transpose(_convolved(x, w, {**form, "low": low, "high": high}), back)


def _undone(window: int, stride: int, padding: str) -> tuple[int, int]:
    """Return the padding of a transposed convolution that undoes a padding by name."""
    if padding == "SAME":
        total = window + stride - 2
        before = window - 1 if stride > window - 1 else -(-total // 2)
    else:
        total = window + stride - 2 + max(window - stride, 0)
        before = window - 1
    return before, total - before


# ---- layouts and checks --------------------------------------------------------------------------


def _arranged(name: str, x: Any, w: Any, layout: Layout | None) -> tuple[Any, Any, list[int]]:
    """Return `x` as [batch, *spatial, channels], `w` as [*window, in, out], and the permutation back for the result."""
    if layout is None:
        return x, w, list(range(x.ndim))
    spatial = [d for d in layout[1] if d not in "OI"] if len(layout) == 3 else []
    wanted = [{*"NC", *spatial}, {*"OI", *spatial}, {*"NC", *spatial}]
    fits = len(layout) == 3 and all(set(one) == dims for one, dims in zip(layout, wanted, strict=True))
    if not fits or any(len(one) != x.ndim for one in layout) or w.ndim != x.ndim:
        raise InputError(
            f"{name}: dimension_numbers {tuple(layout)} do not name the {x.ndim} dims of x, w and the result",
            where=user_frame_location(),
            remedy='name batch N, channels C (in a kernel O and I) and spatial dims, as in ("NCHW", "OIHW", "NCHW")',
        )
    given, kernel, result = layout
    x = np.transpose(x, [given.index(d) for d in ("N", *spatial, "C")])
    w = np.transpose(w, [kernel.index(d) for d in (*spatial, "I", "O")])
    made = ["N", *spatial, "C"]
    return x, w, [made.index(d) for d in result]


def _check_kernel(name: str, x: Any, w: Any) -> None:
    rank = x.ndim - 2
    if w.ndim != x.ndim or not all(isinstance(size, int) and size > 0 for size in w.shape[:rank]):
        raise InputError(
            f"{name}: a kernel of {w.ndim} dims {tuple(w.shape)} does not fit an array of {x.ndim} dims",
            where=user_frame_location(),
            remedy="pass [*window, channels in, channels out], with as many window dims as there are spatial ones",
        )


# ---- computing -----------------------------------------------------------------------------------


def _by_tiles(x: Any, w: Any, window: tuple[int, ...]) -> Any:
    """Convolve with windows that lie side by side, as one matmul (and so are its derivatives); None if they do not."""
    spatial = x.shape[1:-1]
    if not all(isinstance(size, int) and size % k == 0 for size, k in zip(spatial, window, strict=True)):
        return None
    if x.shape[-1] != w.shape[-2]:  # an error, which the op explains
        return None
    rank = len(window)
    if math.prod(window) > 1:
        cut = [n for size, k in zip(spatial, window, strict=True) for n in (size // k, k)]
        x = np.reshape(x, (x.shape[0], *cut, x.shape[-1]))
        counts, within = range(1, 2 * rank, 2), range(2, 2 * rank + 1, 2)
        x = np.transpose(x, (0, *counts, *within, 2 * rank + 1))
    else:
        w = np.reshape(w, w.shape[-2:])
        return np.tensordot(x, w, axes=1)
    return np.tensordot(x, w, axes=rank + 1)


def _convolved(x: Any, w: Any, form: dict[str, Any]) -> Any:
    dtype = np.result_type(x, w)
    return surface.apply("conv", x.astype(dtype), w.astype(dtype), **form)
