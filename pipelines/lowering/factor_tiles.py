"""Tiles of the kernels of `factor_kernels.py`, as text: their rows, what is taken off them, the triangle within one.

The lines share names: `%n` rows in all, `%last` the last, `%start` the first of a tile in the order of solving, `%r0`,
`%r1`, ... the rows of a tile, `%a0`, ... what was read of them, `%g#0`, ... that less what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from difc.pipelines.lowering.kernel_text import multiply_add
from difc.pipelines.target import VectorUnit

__all__ = ["Tile", "constants", "copied", "row_numbers", "solve_within", "stored_rows", "take_off", "written"]


@dataclass(frozen=True)
class Tile:
    """What a kernel keeps in registers: `rows` vectors of `columns` elements."""

    element: str
    rows: int
    columns: int
    fma: bool

    @classmethod
    def of(cls, element: str, unit: VectorUnit, vectors: int = 2, rows: int = 0) -> Tile:
        """Return the tile for a processor: so many vectors a row, and rows that leave registers for the operands."""
        columns = vectors * unit.bytes // {"f32": 4, "f64": 8}[element]
        return cls(element, rows or (8 if unit.registers >= 32 else 4), columns, unit.fma)

    @property
    def vector(self) -> str:
        return f"vector<{self.columns}x{self.element}>"

    @property
    def matrix(self) -> str:
        return f"tensor<?x?x{self.element}>"

    def buffer(self, rows: int) -> str:
        return f"tensor<{rows}x{self.columns}x{self.element}>"

    def each(self, template: str, count: int = 0) -> str:
        """Repeat lines for each row, or so many times: `{i}` is the row."""
        return "\n".join(template.format(i=i) for i in range(count or self.rows))

    def plus(self, result: str, x: str, a: str, b: str) -> str:
        """Return lines for result = x + a b."""
        return multiply_add(result, x, a, b, self.vector, self.fma)

    def minus(self, result: str, x: str, a: str, b: str) -> str:
        """Return lines for result = x - a b, where a may be one number: LLVM would negate and then repeat it."""
        if self.fma:
            return (
                f"{result}_n = arith.negf {b} : {self.vector}\n"
                f"{result} = vector.fma {a}, {result}_n, {x} : {self.vector}"
            )
        return (
            f"{result}_m = arith.mulf {a}, {b} : {self.vector}\n{result} = arith.subf {x}, {result}_m : {self.vector}"
        )


def constants(t: Tile) -> str:
    """Return lines for what all kernels of factorisations use."""
    return f"""
      %rows = arith.constant {t.rows} : index
      %columns = arith.constant {t.columns} : index
      %zero = arith.constant 0.0 : {t.element}
      %last = arith.subi %n, %c1 : index
      %tile_ = tensor.empty() : {t.buffer(t.rows)}
{t.each("      %i{i} = arith.constant {i} : index")}"""


def copied(t: Tile, rows: str, columns: str) -> str:
    """Return lines for %x_all: what %given holds, in the memory of the result, as it is stored there in the end."""
    return f"""
      %room = tensor.empty({rows}, {columns}) : {t.matrix}
      %x_all = scf.for %row = %c0 to {rows} step %c1 iter_args(%filled = %room) -> {t.matrix} {{
        %more = scf.for %at = %c0 to {columns} step %columns iter_args(%into = %filled) -> {t.matrix} {{
          %value = vector.transfer_read %given[%row, %at], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
          %next = vector.transfer_write %value, %into[%row, %at] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
          scf.yield %next : {t.matrix}
        }}
        scf.yield %more : {t.matrix}
      }}"""


def row_numbers(t: Tile, first: str, forward: bool) -> str:
    """Return lines for %r0, %r1, ...: the rows of a tile whose first one is number `first` in the order of solving."""
    turn = "" if forward else "\n%r{i} = arith.subi %last, %o{i} : index"
    last = "%r{i}" if forward else "%o{i}"
    return t.each(f"%p{{i}} = arith.addi {first}, %i{{i}} : index\n{last} = arith.minui %p{{i}}, %last : index{turn}")


def stored_rows(t: Tile, values: Sequence[str], into: str, at: str, forward: bool) -> str:
    """Return lines for %stored: `into` with vectors written to the rows of the tile that exist, from column `at` on."""
    kept = written(t, values, "%tile_", t.rows, "%i")
    turn = "" if forward else "%to_row = arith.subi %last, %to_place : index"
    return f"""
      {kept}
      %rows_left = arith.subi %n, %start : index
      %rows_here = arith.minui %rows_left, %rows : index
      %stored = scf.for %to = %c0 to %rows_here step %c1 iter_args(%into = {into}) -> {t.matrix} {{
        %value = vector.transfer_read %w{t.rows - 1}[%to, %c0], %zero {{in_bounds = [true]}}
          : {t.buffer(t.rows)}, {t.vector}
        {"%to_row" if forward else "%to_place"} = arith.addi %start, %to : index
        {turn}
        %after = vector.transfer_write %value, %into[%to_row, {at}] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
        scf.yield %after : {t.matrix}
      }}"""


def written(t: Tile, values: Sequence[str], into: str, rows: int, place: str) -> str:
    """Return lines for %w0, ..., the last of which is the buffer `into` with vector i in row {place}i."""
    lines = []
    for i, value in enumerate(values):
        lines.append(
            f"%w{i} = vector.transfer_write {value}, {into}[{place}{i}, %c0] {{in_bounds = [true]}} "
            f": {t.vector}, {t.buffer(rows)}"
        )
        into = f"%w{i}"
    return "\n".join(lines)


def take_off(t: Tile, count: str, row: str, scalar: str, first: str = "%c0") -> str:
    """Return lines for %g#0, ...: the vectors %a0, ... less a factor times each of the rows from `first` to `count`.

    Args:
      row: lines that read row %k as %above.
      scalar: lines that read the factor of row {i} as %e{i}.
    """
    types = ", ".join([t.vector] * t.rows)
    starts = ", ".join(f"%s{i} = %a{i}" for i in range(t.rows))
    products = t.each(
        scalar
        + f"\n%v{{i}} = vector.broadcast %e{{i}} : {t.element} to {t.vector}\n"
        + t.minus("%f{i}", "%s{i}", "%v{i}", "%above")
    )
    return f"""
      %g:{t.rows} = scf.for %k = {first} to {count} step %c1 iter_args({starts}) -> ({types}) {{
        {row}
        {products}
        scf.yield {", ".join(f"%f{i}" for i in range(t.rows))} : {types}
      }}"""


def solve_within(t: Tile, scalar: str, divide: str) -> tuple[str, list[str]]:
    """Return lines that solve within a tile, and the names of what the vectors %g#0, ... become.

    Args:
      scalar: lines that read element (i, j) of the triangle as %t{i}_{j}.
      divide: lines that make %y{i} of {z}; empty for a diagonal of ones.
    """
    lines: list[str] = []
    solved: list[str] = []
    for i in range(t.rows):
        value = f"%g#{i}"
        for j in range(i):
            lines.append(scalar.format(i=i, j=j))
            lines.append(f"%tv{i}_{j} = vector.broadcast %t{i}_{j} : {t.element} to {t.vector}")
            lines.append(t.minus(f"%q{i}_{j}", value, f"%tv{i}_{j}", solved[j]))
            value = f"%q{i}_{j}"
        if divide:
            lines.append(divide.format(i=i, z=value))
            value = f"%y{i}"
        solved.append(value)
    return "\n".join(lines), solved
