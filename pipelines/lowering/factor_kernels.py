"""Kernels for the CPU that factor and solve, as text: any sizes at run time, one workgroup for each matrix.

Rows of the right-hand sides (or of the factor) are vectors. A tile of `rows` vectors stays in registers while the rows
above it are taken off, one broadcast and one multiply-add for each; then the small triangle on the diagonal is solved
in registers. Edges cost no other code: rows beyond the last are read from the last and not stored, columns beyond the
last are masked where they are read and stored.

As in `matmul_kernel.py`, IREE's own dialects are in their generic form, and no linalg op may be in here.
"""

from __future__ import annotations

from dataclasses import dataclass

from difc.pipelines.lowering.factor_tiles import (
    Tile,
    constants,
    copied,
    row_numbers,
    solve_within,
    stored_rows,
    take_off,
    written,
)
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.target import VectorUnit

__all__ = ["Form", "cholesky_kernel", "solve_kernel"]

_DEPTH = 64  # rows that the solve kernel finishes before it takes them off those below: a buffer of 8 KB


@dataclass(frozen=True)
class Form:
    """Which triangular systems a kernel solves: from the first row on or from the last, with a or its transpose."""

    forward: bool
    transposed: bool
    unit: bool

    @property
    def name(self) -> str:
        return f"{'forward' if self.forward else 'backward'}{'_t' * self.transposed}{'_unit' * self.unit}"


# ---- triangular solves ---------------------------------------------------------------------------


def solve_kernel(name: str, element: str, unit: VectorUnit, form: Form) -> str:
    """Return the executable: arrays a [batch, n, n] and x [batch, n, m],  batch, n, m.

    A workgroup solves for a strip of columns. Rows are finished in slices, in a buffer that the rows after them are
    then reduced with: read in place, a strip of a matrix with a power of two of columns maps to few cache lines.
    """
    t = Tile.of(element, unit)
    a = Array("a", "read", element, ("batch", "n", "n"))
    b, x = (Array(name, access, element, ("batch", "n", "m")) for name, access in (("given_b", "read"), ("x", "write")))
    buffer = t.buffer(_DEPTH)

    def element_at(row: str, column: str, result: str) -> str:
        place = f"{column}, {row}" if form.transposed else f"{row}, {column}"
        return f"{result} = tensor.extract %a_all[{place}] : {t.matrix}"

    column = "%kp = arith.addi %kb, %k : index\n" + (
        "%kc = arith.addi %kp, %c0 : index" if form.forward else "%kc = arith.subi %last, %kp : index"
    )
    read_row = (
        f"%above = vector.transfer_read %done[%k, %c0], %zero {{in_bounds = [true]}} : {buffer}, {t.vector}\n{column}"
    )
    factor = element_at("%r{i}", "%kc", "%e{i}")
    divide = (
        element_at("%r{i}", "%r{i}", "%d{i}")
        + f"\n%dv{{i}} = vector.broadcast %d{{i}} : {element} to {t.vector}\n"
        + f"%y{{i}} = arith.divf {{z}}, %dv{{i}} : {t.vector}"
    )
    triangle, solved = solve_within(t, element_at("%r{i}", "%r{j}", "%t{i}_{j}"), "" if form.unit else divide)
    read = t.each(
        "%a{i} = vector.transfer_read %from[%r{i}, %c0], %zero {{in_bounds = [false]}} : " + f"{t.matrix}, {t.vector}"
    )
    places = t.each("%b{i} = arith.addi %i, %i{i} : index")
    row = "%op" if form.forward else "%or"
    body = f"""
      {constants(t)}
      %depth = arith.constant {_DEPTH} : index
      %first = arith.muli %strip, %columns : index
      %left = arith.subi %m, %first : index
      %width = arith.minui %left, %columns : index
      {a.load("%a_all")}
      {b.load("%given", "%first", "%width")}
      {copied(t, "%n", "%width")}
      %buffer_ = tensor.empty() : {buffer}
      %solved:2 = scf.for %kb = %c0 to %n step %depth
          iter_args(%from = %x_all, %old = %buffer_) -> ({t.matrix}, {buffer}) {{
        %to_go = arith.subi %n, %kb : index
        %slice = arith.minui %to_go, %depth : index
        %now = scf.for %i = %c0 to %slice step %rows iter_args(%done = %old) -> {buffer} {{
          %start = arith.addi %kb, %i : index
          {row_numbers(t, "%start", form.forward)}
          {read}
          {take_off(t, "%i", read_row, factor)}
          {triangle}
          {places}
          {written(t, solved, "%done", _DEPTH, "%b")}
          scf.yield %w{t.rows - 1} : {buffer}
        }}
        %written = scf.for %o = %c0 to %slice step %c1 iter_args(%out = %from) -> {t.matrix} {{
          %ov = vector.transfer_read %now[%o, %c0], %zero {{in_bounds = [true]}} : {buffer}, {t.vector}
          %op = arith.addi %kb, %o : index
          %or = arith.subi %last, %op : index
          %ow = vector.transfer_write %ov, %out[{row}, %c0] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
          scf.yield %ow : {t.matrix}
        }}
        %next = arith.addi %kb, %slice : index
        %reduced = scf.for %start = %next to %n step %rows iter_args(%from_ = %written) -> {t.matrix} {{
          {row_numbers(t, "%start", form.forward)}
          {read.replace("%from[", "%from_[")}
          {take_off(t, "%slice", read_row.replace("%done", "%now"), factor)}
          {stored_rows(t, [f"%g#{i}" for i in range(t.rows)], "%from_", "%c0", form.forward)}
          scf.yield %stored : {t.matrix}
        }}
        scf.yield %reduced, %now : {t.matrix}, {buffer}
      }}
      {x.store("%solved#0", "%first", "%width")}"""
    across = f"%w = arith.constant {t.columns} : index\n%across = arith.ceildivui %m, %w : index"
    return executable(name, [a, b, x], ["batch", "n", "m"], across, body)


# ---- cholesky ------------------------------------------------------------------------------------


def cholesky_kernel(name: str, element: str, unit: VectorUnit) -> str:
    """Return the executable: array x [batch, n, n]; sizes batch, n.

    The upper triangle of x becomes U with U^T U = x; what is below it has no meaning. From a pivot on that is not
    positive, all is NaN.
    """
    t = Tile.of(element, unit)
    given, x = (
        Array(name, access, element, ("batch", "n", "n")) for name, access in (("given_x", "read"), ("x", "write"))
    )

    def read(source: str) -> str:
        return t.each(
            f"%a{{i}} = vector.transfer_read {source}[%r{{i}}, %j], %zero {{{{in_bounds = [false]}}}} "
            f": {t.matrix}, {t.vector}"
        )

    def above(source: str) -> str:
        return f"%above = vector.transfer_read {source}[%k, %j], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}"

    def factor(source: str) -> str:
        return f"%e{{i}} = tensor.extract {source}[%k, %r{{i}}] : {t.matrix}"

    own = f"%t{{i}}_{{j}} = vector.extract %y{{j}}[{{i}}] : {element} from {t.vector}"
    root = f"""%d{{i}} = vector.extract {{z}}[{{i}}] : {element} from {t.vector}
      %ok{{i}} = arith.cmpf ogt, %d{{i}}, %zero : {element}
      %dd{{i}} = arith.select %ok{{i}}, %d{{i}}, %nan : {element}
      %root{{i}} = math.sqrt %dd{{i}} : {element}
      %dv{{i}} = vector.broadcast %root{{i}} : {element} to {t.vector}
      %yy{{i}} = arith.divf {{z}}, %dv{{i}} : {t.vector}
      %y{{i}} = vector.insert %root{{i}}, %yy{{i}}[{{i}}] : {element} into {t.vector}"""
    stored = f"%t{{i}}_{{j}} = tensor.extract %m1[%r{{j}}, %r{{i}}] : {t.matrix}"
    divide = f"""%d{{i}} = tensor.extract %m1[%r{{i}}, %r{{i}}] : {t.matrix}
      %dv{{i}} = vector.broadcast %d{{i}} : {element} to {t.vector}
      %y{{i}} = arith.divf {{z}}, %dv{{i}} : {t.vector}"""
    (first, firsts), (others, rest) = solve_within(t, own, root), solve_within(t, stored, divide)
    # The tile on the diagonal is a loop of one step, so that its values have names of their own.
    body = f"""
      {constants(t)}
      %nan = arith.constant {"0x7FC00000" if element == "f32" else "0x7FF8000000000000"} : {element}
      {given.load("%given")}
      {copied(t, "%n", "%n")}
      %factored = scf.for %start = %c0 to %n step %rows iter_args(%m0 = %x_all) -> {t.matrix} {{
        {row_numbers(t, "%start", True)}
        %diagonal = scf.for %j = %start to %n step %n iter_args(%u0 = %m0) -> {t.matrix} {{
          {read("%u0")}
          {take_off(t, "%start", above("%u0"), factor("%u0"))}
          {first}
          {stored_rows(t, firsts, "%u0", "%j", True)}
          scf.yield %stored : {t.matrix}
        }}
        %second = arith.addi %start, %columns : index
        %m2 = scf.for %j = %second to %n step %columns iter_args(%m1 = %diagonal) -> {t.matrix} {{
          {read("%m1")}
          {take_off(t, "%start", above("%m1"), factor("%m1"))}
          {others}
          {stored_rows(t, rest, "%m1", "%j", True)}
          scf.yield %stored : {t.matrix}
        }}
        scf.yield %m2 : {t.matrix}
      }}
      {x.store("%factored")}"""
    return executable(name, [given, x], ["batch", "n"], "%across = arith.constant 1 : index", body)
