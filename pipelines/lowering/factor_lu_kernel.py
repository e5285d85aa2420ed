"""LU with partial pivoting as a kernel for the CPU, as text: any sizes at run time, one workgroup for each matrix.

A panel of columns is reduced one column after the other. Then the strips to its right are solved and reduced, as in
`factor_kernels.py`: a tile of rows stays in registers while the rows of the panel, in a buffer, are taken off.
"""

from __future__ import annotations

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
from difc.pipelines.lowering.factor_unrolled import BITS
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.target import VectorUnit

__all__ = ["lu_kernel"]

_PANEL = 16  # columns; a multiple of the rows of a tile


def lu_kernel(name: str, element: str, unit: VectorUnit) -> str:
    """Return the executable: array x [batch, n, l], with n >= l; sizes batch, n, l; then what it writes.

    That are the packed factors, the pivots [batch, l] and the permutation [batch, n], both i32.
    """
    t = Tile.of(element, unit)
    given, x = (
        Array(name, access, element, ("batch", "n", "l")) for name, access in (("given_x", "read"), ("x", "write"))
    )
    pivots = Array("pivots", "write", "i32", ("batch", "l"))
    order = Array("order", "write", "i32", ("batch", "n"))
    ints, buffer = "tensor<?xi32>", t.buffer(_PANEL)
    body = f"""
      {constants(t)}
      %panel = arith.constant {_PANEL} : index
      %ones = arith.constant 1.0 : {element}
      %minus = arith.constant -1 : {BITS[element]}
      %none = arith.constant 0 : i32
      {given.load("%given")}
      {copied(t, "%n", "%l")}
      %no_order = tensor.empty(%n) : {ints}
      %in_order = scf.for %i = %c0 to %n step %c1 iter_args(%p = %no_order) -> {ints} {{
        %number = arith.index_cast %i : index to i32
        %v = vector.broadcast %number : i32 to vector<1xi32>
        %w = vector.transfer_write %v, %p[%i] {{in_bounds = [true]}} : vector<1xi32>, {ints}
        scf.yield %w : {ints}
      }}
      %no_pivots = tensor.empty(%l) : {ints}
      %buffer_ = tensor.empty() : {buffer}
      %all:4 = scf.for %kb = %c0 to %l step %panel
          iter_args(%x0 = %x_all, %pivots0 = %no_pivots, %order0 = %in_order, %buffer0 = %buffer_)
          -> ({t.matrix}, {ints}, {ints}, {buffer}) {{
        %to_go = arith.subi %l, %kb : index
        %depth = arith.minui %to_go, %panel : index
        %end = arith.addi %kb, %depth : index
        %left:3 = scf.for %k = %kb to %end step %c1
            iter_args(%u0 = %x0, %p0 = %pivots0, %q0 = %order0) -> ({t.matrix}, {ints}, {ints}) {{
          {_exchanged(t)}
          {_column_reduced(t)}
          scf.yield %u3, %p1, %q2 : {t.matrix}, {ints}, {ints}
        }}
        %right:2 = scf.for %j = %end to %l step %columns
            iter_args(%part0 = %left#0, %old = %buffer0) -> ({t.matrix}, {buffer}) {{
          {_strip_reduced(t)}
          scf.yield %part2, %now : {t.matrix}, {buffer}
        }}
        scf.yield %right#0, %left#1, %left#2, %right#1 : {t.matrix}, {ints}, {ints}, {buffer}
      }}
      {x.store("%all#0")}
      {pivots.store("%all#1")}
      {order.store("%all#2")}"""
    return executable(name, [given, x, pivots, order], ["batch", "n", "l"], "%across = arith.constant 1 : index", body)


def _exchanged(t: Tile) -> str:
    """Return lines for %u1, %p1 and %q2: the matrix, pivots and order after the pivot of column %k was found.

    Absolute values are compared as integers: so NaN is above infinity, as where NumPy looks for the largest.
    """
    ints, one, bits = "tensor<?xi32>", "vector<1xi32>", BITS[t.element]
    return f"""
          %best:2 = scf.for %i = %k to %n step %c1 iter_args(%value = %minus, %at = %k) -> ({bits}, index) {{
            %e = tensor.extract %u0[%i, %k] : {t.matrix}
            %positive = math.absf %e : {t.element}
            %size = arith.bitcast %positive : {t.element} to {bits}
            %better = arith.cmpi sgt, %size, %value : {bits}
            %value_ = arith.select %better, %size, %value : {bits}
            %at_ = arith.select %better, %i, %at : index
            scf.yield %value_, %at_ : {bits}, index
          }}
          %number = arith.index_cast %best#1 : index to i32
          %nv = vector.broadcast %number : i32 to {one}
          %p1 = vector.transfer_write %nv, %p0[%k] {{in_bounds = [true]}} : {one}, {ints}
          %qk = vector.transfer_read %q0[%k], %none {{in_bounds = [true]}} : {ints}, {one}
          %qp = vector.transfer_read %q0[%best#1], %none {{in_bounds = [true]}} : {ints}, {one}
          %q1 = vector.transfer_write %qp, %q0[%k] {{in_bounds = [true]}} : {one}, {ints}
          %q2 = vector.transfer_write %qk, %q1[%best#1] {{in_bounds = [true]}} : {one}, {ints}
          %u1 = scf.for %j = %c0 to %l step %columns iter_args(%u = %u0) -> {t.matrix} {{
            %vk = vector.transfer_read %u[%k, %j], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
            %vp = vector.transfer_read %u[%best#1, %j], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
            %w0 = vector.transfer_write %vp, %u[%k, %j] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
            %w1 = vector.transfer_write %vk, %w0[%best#1, %j] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
            scf.yield %w1 : {t.matrix}
          }}"""


def _column_reduced(t: Tile) -> str:
    """Return lines for %u3: %u1 with column %k divided by its pivot and taken off the columns after it in the panel."""
    one = f"vector<1x{t.element}>"
    return f"""
          %pivot = tensor.extract %u1[%k, %k] : {t.matrix}
          %is_zero = arith.cmpf oeq, %pivot, %zero : {t.element}
          %divisor = arith.select %is_zero, %ones, %pivot : {t.element}
          %below = arith.addi %k, %c1 : index
          %u2 = scf.for %i = %below to %n step %c1 iter_args(%u = %u1) -> {t.matrix} {{
            %e = tensor.extract %u[%i, %k] : {t.matrix}
            %factor = arith.divf %e, %divisor : {t.element}
            %fv = vector.broadcast %factor : {t.element} to {one}
            %w = vector.transfer_write %fv, %u[%i, %k] {{in_bounds = [true]}} : {one}, {t.matrix}
            scf.yield %w : {t.matrix}
          }}
          %u3 = scf.for %j = %below to %end step %columns iter_args(%u = %u2) -> {t.matrix} {{
            %count = arith.subi %end, %j : index
            %mask = vector.create_mask %count : vector<{t.columns}xi1>
            %vk = vector.transfer_read %u[%k, %j], %zero, %mask {{in_bounds = [true]}} : {t.matrix}, {t.vector}
            %rows_less = scf.for %i = %below to %n step %c1 iter_args(%to = %u) -> {t.matrix} {{
              %e = tensor.extract %to[%i, %k] : {t.matrix}
              %fv = vector.broadcast %e : {t.element} to {t.vector}
              %vi = vector.transfer_read %to[%i, %j], %zero, %mask {{in_bounds = [true]}} : {t.matrix}, {t.vector}
              {t.minus("%new", "%vi", "%fv", "%vk")}
              %w = vector.transfer_write %new, %to[%i, %j], %mask {{in_bounds = [true]}} : {t.vector}, {t.matrix}
              scf.yield %w : {t.matrix}
            }}
            scf.yield %rows_less : {t.matrix}
          }}"""


def _strip_reduced(t: Tile) -> str:
    """Return lines for %part2 and %now: %part0 with the strip from column %j on reduced by the panel, and its U."""
    buffer = t.buffer(_PANEL)

    def read(source: str) -> str:
        access = f"{source}[%r{{i}}, %j], %zero {{{{in_bounds = [false]}}}} : {t.matrix}, {t.vector}"
        return t.each(f"%a{{i}} = vector.transfer_read {access}")

    def above(source: str) -> str:
        return f"""%above = vector.transfer_read {source}[%k, %c0], %zero {{in_bounds = [true]}} : {buffer}, {t.vector}
        %kc = arith.addi %kb, %k : index"""

    def factor(source: str) -> str:
        return f"%e{{i}} = tensor.extract {source}[%r{{i}}, %kc] : {t.matrix}"

    triangle, solved = solve_within(t, f"%t{{i}}_{{j}} = tensor.extract %part0[%r{{i}}, %r{{j}}] : {t.matrix}", "")
    return f"""
          %now = scf.for %i = %c0 to %depth step %rows iter_args(%done = %old) -> {buffer} {{
            %start = arith.addi %kb, %i : index
            {row_numbers(t, "%start", True)}
            {read("%part0")}
            {take_off(t, "%i", above("%done"), factor("%part0"))}
            {triangle}
            {t.each("%b{i} = arith.addi %i, %i{i} : index")}
            {written(t, solved, "%done", _PANEL, "%b")}
            scf.yield %w{t.rows - 1} : {buffer}
          }}
          %part1 = scf.for %i = %c0 to %depth step %c1 iter_args(%out = %part0) -> {t.matrix} {{
            %value = vector.transfer_read %now[%i, %c0], %zero {{in_bounds = [true]}} : {buffer}, {t.vector}
            %row = arith.addi %kb, %i : index
            %w = vector.transfer_write %value, %out[%row, %j] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
            scf.yield %w : {t.matrix}
          }}
          %part2 = scf.for %start = %end to %n step %rows iter_args(%from = %part1) -> {t.matrix} {{
            {row_numbers(t, "%start", True)}
            {read("%from")}
            {take_off(t, "%depth", above("%now"), factor("%from"))}
            {stored_rows(t, [f"%g#{i}" for i in range(t.rows)], "%from", "%j", True)}
            scf.yield %stored : {t.matrix}
          }}"""
