"""What an array of the dialect is while it is lowered: a tensor seen through a view, one repeated scalar, or pieces.

Broadcasts, transposes, constants and sizes stay views and scalars until an op needs a tensor: elementwise code reads
through them, and sizes stay on the host, where a loop bound or an allocation needs no read-back from the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difc.dialects.mlir import ir
from difc.dialects.types import DYN, Aval
from difc.pipelines.lowering.emitter import Size

__all__ = ["Value"]


class Value:
    """A lowered array.

    Attributes:
      aval: its shape and dtype in the dialect.
      sizes: its run-time sizes, ints where the shape is static, or None for one not asked for yet.
      base, dims: a tensor, and for each dim of the array the dim of the tensor it walks along (None: repeats it). All
        dims of the tensor are walked along.
      scalar: instead of `base`, an SSA scalar on the host that every element equals.
      pieces: instead of `base`, the dim and the arrays that this is the concatenation of.
      is_count: whether this is 0, 1, 2, ... along one dim, so that an element is known from its position.
    """

    __slots__ = ("aval", "base", "dims", "is_count", "pieces", "scalar", "sizes")

    def __init__(
        self,
        aval: Aval,
        *,
        base: ir.Value | None = None,
        dims: tuple[int | None, ...] | None = None,
        sizes: Sequence[Size | None] | None = None,
        scalar: ir.Value | None = None,
        pieces: tuple[int, list[Value]] | None = None,
    ) -> None:
        self.aval, self.base, self.scalar, self.pieces = aval, base, scalar, pieces
        self.dims = tuple(range(aval.ndim)) if dims is None else dims
        self.is_count = False
        given = sizes if sizes is not None else [None] * aval.ndim
        self.sizes: list[Size | None] = [d if isinstance(d, int) else s for d, s in zip(aval.shape, given, strict=True)]

    @classmethod
    def of(cls, dtype: np.dtype, base: ir.Value, sizes: Sequence[Size]) -> Value:
        """Return the array that a tensor of such sizes is."""
        return cls(Aval(tuple(s if isinstance(s, int) else DYN for s in sizes), dtype), base=base, sizes=sizes)

    def copy(self) -> Value:
        """Return a copy, so that what is found out in an inner region does not leak into the outer one."""
        copy = Value(
            self.aval, base=self.base, dims=self.dims, sizes=self.sizes, scalar=self.scalar, pieces=self.pieces
        )
        copy.is_count = self.is_count
        return copy
