"""The tile unit's instructions in terms of vectors, for tests of its kernel on processors that have none.

Registers are memory behind the kernel's own. Products of bfloat16 are added in float32 in the unit's order (Intel,
"Intel 64 and IA-32 Architectures Software Developer's Manual", TDPBF16PS); unlike there, small numbers are kept.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest

from difc.pipelines.lowering import matmul_kernel, matmul_tiles
from difc.pipelines.lowering.kernel_text import address
from difc.pipelines.lowering.matmul_operands import MEMORY, SIDE, TILE

__all__ = ["emulate_tiles"]

_REGISTERS = 8
_WORDS, _FLOATS = "vector<16xi32>", "vector<16xf32>"
_REGISTER = r"%tmm(\d)"
_Lines = Callable[..., str]


def emulate_tiles(patch: pytest.MonkeyPatch) -> None:
    """Let kernels with tiles, that are made from now on, run without the unit."""
    numbers = itertools.count()

    def emulated(text: str, pointer: str = "", stride: str = "") -> str:
        lines = []
        for instruction in text.split(matmul_tiles._LINE):
            name = f"%emulated{next(numbers)}_"
            found = [(pattern.fullmatch(instruction), lines_of) for pattern, lines_of in _INSTRUCTIONS]
            ((match, lines_of),) = [(m, f) for m, f in found if m]
            groups = [int(group) for group in match.groups()]
            lines.append(lines_of(name, *groups, pointer, stride) if pointer else lines_of(name, *groups))
        return "\n".join(lines)

    def granted(matrix: str) -> str:
        text, count = re.subn(
            r"%refused = llvm\.inline_asm.*?-> i64",
            "%refused = llvm.mlir.constant(0 : i64) : i64",
            text_of(matrix),
            flags=re.S,
        )
        assert count == 1
        return text

    text_of = matmul_tiles.tiles_text
    patch.setattr(matmul_tiles, "_asm", emulated)
    patch.setattr(matmul_kernel, "tiles_text", granted)
    patch.setattr(matmul_kernel, "MEMORY", MEMORY + _REGISTERS * TILE)


def _row(result: str, register: int, row: str) -> str:
    """Return the lines of the address of a row of a register."""
    return address(result, MEMORY + register * TILE, (row, 64))


def _rows(name: str, *lines: str) -> str:
    """Return a loop over the rows of a register: `{name}i`."""
    body = "\n".join(lines)
    return f"scf.for {name}i = %c0 to %square step %c1 {{\n{body}\n}}"


def _in_memory(name: str, offset: int, pointer: str, stride: str) -> str:
    """Return the lines of the address of a row of what a register is loaded from or stored to."""
    return "\n".join(
        [
            f"{name}number = arith.index_cast {name}i : index to i64",
            f"{name}bytes = arith.muli {name}number, {stride} : i64",
            f"{name}first = llvm.getelementptr {pointer}[{offset}] : (!llvm.ptr) -> !llvm.ptr, i8",
            f"{name}at = llvm.getelementptr {name}first[{name}bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8",
        ]
    )


def _load(name: str, offset: int, register: int, pointer: str, stride: str) -> str:
    return _rows(
        name,
        _in_memory(name, offset, pointer, stride),
        f"{name}row = llvm.load {name}at : !llvm.ptr -> {_WORDS}",
        _row(f"{name}to", register, f"{name}i"),
        f"llvm.store {name}row, {name}to : {_WORDS}, !llvm.ptr",
    )


def _store(name: str, register: int, offset: int, pointer: str, stride: str) -> str:
    return _rows(
        name,
        _row(f"{name}from", register, f"{name}i"),
        f"{name}row = llvm.load {name}from : !llvm.ptr -> {_WORDS}",
        _in_memory(name, offset, pointer, stride),
        f"llvm.store {name}row, {name}at : {_WORDS}, !llvm.ptr",
    )


def _zero(name: str, register: int) -> str:
    return _rows(
        name,
        f"{name}row = arith.constant dense<0> : {_WORDS}",
        _row(f"{name}to", register, f"{name}i"),
        f"llvm.store {name}row, {name}to : {_WORDS}, !llvm.ptr",
    )


def _multiply(name: str, right: int, left: int, total: int) -> str:
    """Return the lines of `tdpbf16ps`: in row i, the sum over j of pair j of the left row i and row j of the right.

    Each row of the right has pairs as well. The sums of their two halves are added in the end.
    """
    halves = {"low": f"arith.shli @, {name}sixteen", "high": f"arith.andi @, {name}upper"}
    sums = [f"{name}sum_{half}" for half in halves]
    lines = [
        f"{name}sixteen = arith.constant dense<16> : {_WORDS}",
        f"{name}upper = arith.constant dense<-65536> : {_WORDS}",
        f"{name}none = arith.constant dense<0.0> : {_FLOATS}",
        _row(f"{name}from", left, f"{name}i"),
        f"{name}sums:2 = scf.for {name}j = %c0 to %square step %c1",
        f"iter_args({sums[0]} = {name}none, {sums[1]} = {name}none) -> ({_FLOATS}, {_FLOATS}) {{",
        f"{name}number = arith.index_cast {name}j : index to i64",
        f"{name}pair_at = llvm.getelementptr {name}from[{name}number] : (!llvm.ptr, i64) -> !llvm.ptr, i32",
        f"{name}pair = llvm.load {name}pair_at : !llvm.ptr -> i32",
        f"{name}pairs = vector.broadcast {name}pair : i32 to {_WORDS}",
        _row(f"{name}right_at", right, f"{name}j"),
        f"{name}right = llvm.load {name}right_at : !llvm.ptr -> {_WORDS}",
    ]
    for half, bits in halves.items():
        for x in ("pairs", "right"):
            lines += [
                f"{name}{x}_{half}_bits = {bits.replace('@', name + x)} : {_WORDS}",
                f"{name}{x}_{half} = arith.bitcast {name}{x}_{half}_bits : {_WORDS} to {_FLOATS}",
            ]
        lines.append(
            f"{name}next_{half} = vector.fma {name}pairs_{half}, {name}right_{half}, {name}sum_{half} : {_FLOATS}"
        )
    lines += [
        f"scf.yield {name}next_low, {name}next_high : {_FLOATS}, {_FLOATS}",
        "}",
        _row(f"{name}to", total, f"{name}i"),
        f"{name}start = llvm.load {name}to : !llvm.ptr -> {_FLOATS}",
        f"{name}both = arith.addf {name}sums#0, {name}sums#1 : {_FLOATS}",
        f"{name}end = arith.addf {name}start, {name}both : {_FLOATS}",
        f"llvm.store {name}end, {name}to : {_FLOATS}, !llvm.ptr",
    ]
    return _rows(name, *lines)


def _nothing(name: str, *_: str) -> str:
    return ""


_INSTRUCTIONS: list[tuple[re.Pattern[str], _Lines]] = [
    (re.compile(rf"tileloadd (\d+)\(\$0,\$1,1\), {_REGISTER}"), _load),
    (re.compile(rf"tilestored {_REGISTER}, (\d+)\(\$0,\$1,1\)"), _store),
    (re.compile(rf"tilezero {_REGISTER}"), _zero),
    (re.compile(rf"tdpbf16ps {_REGISTER}, {_REGISTER}, {_REGISTER}"), _multiply),
    (re.compile(r"ldtilecfg \(\$0\)|tilerelease"), _nothing),
]
assert SIDE == 16  # rows of a register, and what `%square` is in the kernel
