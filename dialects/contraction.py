"""Products of arrays that sum over shared dims."""

from __future__ import annotations

from difc.dialects.base import Ints, op
from difc.dialects.types import Aval, check_dims, check_same_dtype, is_float, is_integer, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = ["dot_general", "free_dims"]


def free_dims(rank: int, *used: tuple[int, ...]) -> tuple[int, ...]:
    """Return the dims of a rank that are in none of the `used` groups, in order."""
    taken = {d for group in used for d in group}
    return tuple(d for d in range(rank) if d not in taken)


@op
def dot_general(
    lhs: Aval, rhs: Aval, *, lhs_batch: Ints, rhs_batch: Ints, lhs_contract: Ints, rhs_contract: Ints
) -> Aval:
    """Multiply, match batch dims pairwise and sum over contracting dims pairwise.

    Result dims: batch, then free dims of `lhs`, then free dims of `rhs`, each in order. (StableHLO dot_general.)
    """
    check_same_dtype("dot_general", lhs, rhs)
    if not (is_float(lhs.dtype) or is_integer(lhs.dtype)):
        raise DtypeError(f"dot_general takes numbers, not {lhs.dtype}")
    check_dims("dot_general", (*lhs_batch, *lhs_contract), lhs.ndim)
    check_dims("dot_general", (*rhs_batch, *rhs_contract), rhs.ndim)
    if len(lhs_batch) != len(rhs_batch) or len(lhs_contract) != len(rhs_contract):
        raise ShapeError("dot_general: the operands name different numbers of batch or contracting dims")
    message = f"dot_general: sizes of contracting or batch dims of {lhs} and {rhs}"
    batch = [same_dim(lhs.shape[a], rhs.shape[b], message) for a, b in zip(lhs_batch, rhs_batch, strict=True)]
    for a, b in zip(lhs_contract, rhs_contract, strict=True):
        same_dim(lhs.shape[a], rhs.shape[b], message)
    lhs_free = [lhs.shape[d] for d in free_dims(lhs.ndim, lhs_batch, lhs_contract)]
    rhs_free = [rhs.shape[d] for d in free_dims(rhs.ndim, rhs_batch, rhs_contract)]
    return Aval((*batch, *lhs_free, *rhs_free), lhs.dtype)
