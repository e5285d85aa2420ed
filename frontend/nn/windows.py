"""What convolution and pooling share: a number for each spatial dim, padding by name, and checks of their shapes.

Imports no MLIR.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from difc.errors import InputError, ShapeError
from difc.source import user_frame_location

__all__ = ["pairs_of_padding", "per_dim", "reach", "spatial_rank"]


def spatial_rank(name: str, x: Any) -> int:
    """Return the number of dims between the batch and the channels.

    Raises:
      ShapeError: if there is none.
    """
    if x.ndim < 3:
        raise ShapeError(
            f"{name} takes [batch, *spatial, channels] with 1 or more spatial dims, not {x.ndim} dims in all",
            where=user_frame_location(),
            remedy="add the dims that are missing, as in x[None, ..., None]",
        )
    return x.ndim - 2


def per_dim(name: str, what: str, given: Any, rank: int) -> tuple[int, ...]:
    """Return one positive integer for each spatial dim, from one number for all or a sequence.

    Raises:
      InputError: if there are too many or too few, or some are not positive.
    """
    values = tuple(map(operator.index, given)) if isinstance(given, Sequence) else (operator.index(given),) * rank
    if len(values) != rank or min(values) < 1:
        raise InputError(
            f"{name}: {what} {given!r} is not a positive number for each of {rank} spatial dims",
            where=user_frame_location(),
            remedy="pass one number, or a tuple with one for each",
        )
    return values


def reach(window: int, dilation: int) -> int:
    """Return how many elements a window covers whose elements are `dilation` apart."""
    return (window - 1) * dilation + 1


def pairs_of_padding(
    name: str, given: Any, sizes: Sequence[Any], windows: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Return how much is put before and after each spatial dim.

    Args:
      given: "VALID" (nothing), "SAME" (as much as gives `ceil(size / stride)` windows, the odd one after), a number, or
        for each dim a number or a pair.
      sizes: of the spatial dims; only "SAME" with a stride looks at them.
      windows: how many elements a window covers.

    Raises:
      InputError: for anything else.
      ShapeError: for "SAME" with a stride along a dim of run-time size.
    """
    rank = len(windows)
    if isinstance(given, str):
        if given.upper() == "VALID":
            return [(0, 0)] * rank
        if given.upper() == "SAME":
            return [_same(name, *one) for one in zip(sizes, windows, strides, strict=True)]
    elif isinstance(given, int):
        return [(given, given)] * rank
    elif isinstance(given, Sequence) and len(given) == rank:
        pairs = [(p, p) if isinstance(p, int) else tuple(p) for p in given]
        if all(len(pair) == 2 for pair in pairs):
            return [(operator.index(a), operator.index(b)) for a, b in pairs]
    raise InputError(
        f"{name}: padding {given!r} is not 'SAME', 'VALID', a number, or a pair for each of {rank} spatial dims",
        where=user_frame_location(),
        remedy=f"pass for example padding={[(1, 1)] * rank}",
    )


def _same(name: str, size: Any, window: int, stride: int) -> tuple[int, int]:
    if stride == 1:
        total = window - 1
    elif isinstance(size, int):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
    else:
        raise ShapeError(
            f"{name}: padding 'SAME' with a stride of {stride} depends on the size {size!r}, known only at run time",
            where=user_frame_location(),
            remedy="give the padding as pairs of numbers, or the size as a number in the spec",
        )
    return total // 2, total - total // 2
