"""Ops with bodies: `cond` and `scan`. Bodies see only their block arguments, never values from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from difc.dialects.base import Bool, Bools, Int, op
from difc.dialects.mlir import ir
from difc.dialects.types import BOOL, DYN, I64, Aval, aval_of, fits, same_dim
from difc.errors import DtypeError, ShapeError

__all__ = ["ScanParts", "cond", "end_of", "scan", "scan_parts", "yield_", "yielded"]


@op(dialect="fun")
def yield_(*values: Aval) -> list[Aval]:
    """End a body, giving its results."""
    return []


def end_of(block: ir.Block) -> ir.Operation:
    """Return the last operation of a block."""
    return list(block.operations)[-1].operation


def yielded(block: ir.Block) -> list[ir.Value]:
    """Return the values that a body or function body ends with."""
    return list(end_of(block).operands)


def _check_avals(what: str, given: Sequence[Aval], wanted: Sequence[Aval]) -> None:
    if len(given) != len(wanted):
        raise ShapeError(f"{what}: {len(given)} values for {len(wanted)} places")
    for i, (a, b) in enumerate(zip(given, wanted, strict=True)):
        if not fits(a, b):
            raise ShapeError(f"{what}: value {i} is {a}, not {b}")


@op(dialect="fun", regions=2)
def cond(pred: Aval, *args: Aval, linear: Bools, regions: Sequence[ir.Block]) -> list[Aval]:
    """Run the first body on `args` where the scalar bool `pred` holds, else the second; both yield the same types.

    `linear` marks, for each of `args`, those that the result is jointly linear in (empty: none).
    """
    if pred.shape or pred.dtype != BOOL:
        raise DtypeError(f"cond: the predicate is {pred}, not a scalar bool")
    _check_linear_marks("cond", linear, len(args))
    outs = [[aval_of(v) for v in yielded(block)] for block in regions]
    for block in regions:
        _check_avals("cond: operands of a branch", args, [aval_of(a) for a in block.arguments])
    if len(outs[0]) != len(outs[1]):
        raise ShapeError(f"cond: the branches give {len(outs[0])} and {len(outs[1])} results")
    for i, (a, b) in enumerate(zip(*outs, strict=True)):
        if a.dtype != b.dtype or a.ndim != b.ndim:
            raise ShapeError(f"cond: result {i} is {a} in one branch and {b} in the other")
    return [
        Aval(tuple(x if x == y else DYN for x, y in zip(a.shape, b.shape, strict=True)), a.dtype)
        for a, b in zip(*outs, strict=True)
    ]


def _check_linear_marks(name: str, linear: tuple[bool, ...], count: int) -> None:
    if linear and len(linear) != count:
        raise ShapeError(f"{name}: {len(linear)} linear marks for {count} operands")


@dataclass(frozen=True)
class ScanParts:
    """The operand groups of a scan: initial `carry`, stacked `xs`, `consts`, and the run-time `length` if any."""

    carry: list[Any]
    xs: list[Any]
    consts: list[Any]
    length: list[Any]

    @staticmethod
    def of(operands: Sequence[Any], num_carry: int, num_xs: int, length: int) -> ScanParts:
        end = len(operands) - (length == -1)
        return ScanParts(
            list(operands[:num_carry]),
            list(operands[num_carry : num_carry + num_xs]),
            list(operands[num_carry + num_xs : end]),
            list(operands[end:]),
        )

    @staticmethod
    def grouped(values: Sequence[Any], attributes: Mapping[str, Any]) -> ScanParts:
        """Group what stands for the operands of a scan with these attributes."""
        return ScanParts.of(values, attributes["num_carry"], attributes["num_xs"], attributes["length"])


def scan_parts(operation: Any) -> ScanParts:
    """Return the operand groups of a scan operation."""
    return ScanParts.grouped(list(operation.operands), scan.decode(operation))


@op(dialect="fun", regions=1)
def scan(
    *operands: Aval,
    num_carry: Int,
    num_xs: Int,
    length: Int,
    reverse: Bool,
    linear: Bools,
    regions: Sequence[ir.Block],
) -> list[Aval]:
    """A loop of `length` steps: carry, x slices, consts -> carry', y slices; gives the last carry and the stacked ys.

    Operands: initial carry, `xs` stacked along a leading dim, loop constants, and, where `length` is -1, the length as
    a scalar i64. With `reverse` the steps run from the last slice to the first (ys are stacked in the order of xs).
    `linear` marks the operands (length excepted) that the results are jointly linear in (empty: none).
    """
    if length < -1:
        raise ShapeError(f"scan: length {length} is neither a number of steps nor -1")
    if min(num_carry, num_xs) < 0 or num_carry + num_xs > len(operands) - (length == -1):
        raise ShapeError(f"scan: a carry of {num_carry} and {num_xs} xs do not fit {len(operands)} operands")
    parts = ScanParts.of(operands, num_carry, num_xs, length)
    if length == -1 and [(a.shape, a.dtype) for a in parts.length] != [((), I64)]:
        raise ShapeError("scan: a scan of run-time length takes it as a last operand, a scalar i64")
    trips = length if length >= 0 else parts.length[0].size_value
    for i, x in enumerate(parts.xs):
        if not x.ndim:
            raise ShapeError(f"scan: xs {i} is {x}, which has no leading dim to scan over")
        same_dim(x.shape[0], trips, f"scan: the length and the leading dim of xs {i}")
    _check_linear_marks("scan", linear, len(operands) - len(parts.length))
    (body,) = regions
    slices = [Aval(x.shape[1:], x.dtype) for x in parts.xs]
    _check_avals(
        "scan: operands of the body", [*parts.carry, *slices, *parts.consts], [aval_of(a) for a in body.arguments]
    )
    outs = [aval_of(v) for v in yielded(body)]
    if len(outs) < num_carry:
        raise ShapeError(f"scan: the body gives {len(outs)} values for a carry of {num_carry}")
    declared = [aval_of(a) for a in list(body.arguments)[:num_carry]]
    _check_avals("scan: the carry that the body gives", outs[:num_carry], declared)
    ys = [Aval((trips, *y.shape), y.dtype) for y in outs[num_carry:]]
    return [*declared, *ys]
