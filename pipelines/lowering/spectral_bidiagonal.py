"""Square matrices made bidiagonal by Householder reflections from both sides, as a kernel for the CPU.

Column j is reduced by I - tau u u^T and row j by I - sigma v v^T, which change the rest of the matrix to
A - u y^T - x v^T, with y = tau A^T u and x = sigma (A v - (y . v) u). The change is put off until the next u is known:
then one pass over the rest makes it, and multiplies by u; another multiplies by v. All vectors lie along rows: v
replaces row j, and u is row j of a matrix of its own. Strips start where tiles do: what is left of column j + 1 in them
has no meaning, and is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.spectral_reflections import reflector
from difc.pipelines.lowering.spectral_text import (
    cleared,
    constants,
    copied,
    element,
    loop,
    numbers,
    put,
    read,
    room,
    write,
)
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_bidiagonal"]


def call_bidiagonal(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call of the kernel on `x`, [batch, n, n], with elements of at most 1.

    Args:
      sizes: batch, n, and the width of the rows that the vectors are in (see `padded`).

    Returns:
      The vectors u and v, as rows of [batch, n, width] each; and, as [batch, n], the numbers tau and sigma, the
      diagonal, and what is above it, each with a zero at the end where it has less than n elements.
    """
    batch, n, width = sizes
    kind, line, square = element_of(x), [batch, n], [batch, n, width]
    results: list[tuple[Sequence[Size], ir.Type]] = [(square, kind)] * 2 + [(line, kind)] * 6
    return call_kernel(c, "bidiagonal", partial(_kernel, unit=unit), kind, [(x, [batch, n, n])], sizes, results)[:6]


def _kernel(name: str, kind: str, unit: VectorUnit) -> str:
    """Return the executable: array given; sizes; then what `call_bidiagonal` returns, and x and y."""
    t = Tile.of(kind, unit, vectors=4)
    given = Array("given", "read", kind, ("batch", "n", "n"))
    matrices = [Array(v, "write", kind, ("batch", "n", "width")) for v in ("u", "a")]
    lines = [Array(v, "write", kind, ("batch", "n")) for v in ("taus", "sigmas", "diagonal", "above", "x", "y")]
    made = [*matrices, *lines]
    state = [("%u0", "%u_start", t.matrix), ("%a0", "%a_start", t.matrix)]
    state += [(f"%{v}0", f"%{v}_room", numbers(t)) for v in ("taus", "sigmas", "diagonal", "above")]
    state += [("%x0", "%start#0", numbers(t)), ("%y0", "%start#1", numbers(t))]
    step = f"""
        %below = arith.addi %j, %c1 : index
        %is_first = arith.cmpi eq, %j, %c0 : index
        %before = arith.subi %j, %c1 : index
        %p = arith.select %is_first, %c0, %before : index
        {_column(t)}
        {reflector(t, "_u", "%u1", "%j", "%j")}
        {_pass(t)}
        {_row(t)}
        {reflector(t, "_v", "%a1", "%j", "%below")}
        {_product(t)}
        {put("%taus1", "%tau_u", kind, "%taus0", "%j")}
        {put("%sigmas1", "%tau_v", kind, "%sigmas0", "%j")}
        {put("%diagonal1", "%beta_u", kind, "%diagonal0", "%j")}
        {put("%above1", "%beta_v", kind, "%above0", "%j")}"""
    after = ["%m_u", "%m_v", "%taus1", "%sigmas1", "%diagonal1", "%above1", "%x1", "%passed#1"]
    start = [(f"%to_{v}", f"%{v}_room", numbers(t)) for v in "xy"]
    zeros = "\n".join(write(t, f"%next_{v}", "%none", f"%to_{v}", "%at") for v in "xy")
    ends = [
        put(f"%{v}_end", "%zero", kind, f"%done#{i}", "%last") for i, v in ((2, "taus"), (3, "sigmas"), (5, "above"))
    ]
    stored = ["%done#0", "%done#1", "%taus_end", "%sigmas_end", "%diagonal_end", "%above_end", "%done#6", "%done#7"]
    body = f"""
      {constants(t)}
      %last = arith.subi %n, %c1 : index
      {given.load("%matrix")}
      {"".join(room(f"%{array.name}_room", kind, *(f"%{s}" for s in array.sizes[1:])) for array in made)}
      {cleared(t, "%u_start", "%u_room", "%n", "%width")}
      {copied(t, "%a_start", "%matrix", "%a_room", "%n", "%width")}
      {loop("%start", "%at", "%c0 to %n", start, zeros, ["%next_x", "%next_y"], "%columns")}
      {loop("%done", "%j", "%c0 to %last", state, step, after)}
      {_corner(t)}
      {"".join(ends)}
      {chr(10).join(array.store(value) for array, value in zip(made, stored, strict=True))}"""
    across = "%across = arith.minui %n, %one : index"
    return executable(name, [given, *made], ["batch", "n", "width"], across, body)


def _column(t: Tile) -> str:
    """Return lines for %u1: column %j from the diagonal on as a row, with the change of the last step."""
    kind = t.element
    one = f"""
        {element(t, "%old", "%a0", "%i", "%j")}
        {element(t, "%ui", "%to", "%p", "%i")}
        {element(t, "%xi", "%x0", "%i")}
        %left = arith.mulf %ui, %yj : {kind}
        %right = arith.mulf %xi, %vj : {kind}
        %less = arith.subf %old, %left : {kind}
        %new = arith.subf %less, %right : {kind}
        {put("%f", "%new", kind, "%to", "%j", "%i")}"""
    return f"""
        {element(t, "%yj", "%y0", "%j")}
        {element(t, "%vj", "%a0", "%p", "%j")}
        {loop("%u1", "%i", "%j to %n", [("%to", "%u0", t.matrix)], one, ["%f"])}"""


def _pass(t: Tile) -> str:
    """Return lines for %passed: the matrix from row %j on with the change of the last step made, and y."""
    row = f"""
        {element(t, "%ui", "%m_u", "%p", "%i")}
        {element(t, "%xi", "%x0", "%i")}
        {element(t, "%new_ui", "%m_u", "%j", "%i")}
        {read(t, "%old", "%to", "%i", "%at")}
        {t.minus("%less", "%old", "%uiv", "%ys")}
        {t.minus("%new", "%less", "%xiv", "%vs")}
        {t.plus("%more", "%sum", "%new_uiv", "%new")}
        {write(t, "%f", "%new", "%to", "%i", "%at")}"""
    start = [("%to", "%all", t.matrix), ("%sum", "%none", t.vector)]
    strip = f"""
        {read(t, "%vs", "%all", "%p", "%at")}
        {read(t, "%ys", "%products", "%at")}
        {loop("%rows", "%i", "%j to %n", start, row, ["%f", "%more"])}
        %product = arith.mulf %rows#1, %tau_uv : {t.vector}
        {write(t, "%g", "%product", "%products", "%at")}"""
    carried = [("%all", "%a0", t.matrix), ("%products", "%y0", numbers(t))]
    return f"""
        %tiles_ = arith.divui %below, %columns : index
        %from = arith.muli %tiles_, %columns : index
        {loop("%passed", "%at", "%from to %n", carried, strip, ["%rows#0", "%g"], "%columns")}"""


def _row(t: Tile) -> str:
    """Return lines for %a1: %passed with row %j reflected, as u has a 1 there."""
    new = f"""
        {read(t, "%old", "%to", "%j", "%at")}
        {read(t, "%ys", "%passed#1", "%at")}
        %new = arith.subf %old, %ys : {t.vector}
        {write(t, "%f", "%new", "%to", "%j", "%at")}"""
    return loop("%a1", "%at", "%from to %n", [("%to", "%passed#0", t.matrix)], new, ["%f"], "%columns")


def _product(t: Tile) -> str:
    """Return lines for %x1."""
    both = f"""
        {read(t, "%vs", "%m_v", "%j", "%at")}
        {read(t, "%ys", "%passed#1", "%at")}
        {t.plus("%more", "%sum", "%vs", "%ys")}"""
    along = f"""
        {read(t, "%vs", "%m_v", "%j", "%at")}
        {read(t, "%as", "%m_v", "%i", "%at")}
        {t.plus("%more", "%sum", "%vs", "%as")}"""
    one = f"""
        {loop("%sums", "%at", "%from to %n", [("%sum", "%none", t.vector)], along, ["%more"], "%columns")}
        %dot = vector.reduction <add>, %sums : {t.vector} into {t.element}
        {element(t, "%ui", "%m_u", "%j", "%i")}
        %part = arith.mulf %across_, %ui : {t.element}
        %less = arith.subf %dot, %part : {t.element}
        %new = arith.mulf %less, %tau_v : {t.element}
        {put("%f", "%new", t.element, "%to", "%i")}"""
    return f"""
        {loop("%both", "%at", "%from to %n", [("%sum", "%none", t.vector)], both, ["%more"], "%columns")}
        %across_ = vector.reduction <add>, %both : {t.vector} into {t.element}
        {loop("%x1", "%i", "%below to %n", [("%to", "%x0", numbers(t))], one, ["%f"])}"""


def _corner(t: Tile) -> str:
    """Return lines for %diagonal_end: the diagonal of %done, then the last of the matrix less the last change."""
    return f"""
      %row_before = arith.subi %last, %c1 : index
      %is_single = arith.cmpi eq, %last, %c0 : index
      %p = arith.select %is_single, %c0, %row_before : index
      {element(t, "%old", "%done#1", "%last", "%last")}
      {element(t, "%u_last", "%done#0", "%p", "%last")}
      {element(t, "%y_last", "%done#7", "%last")}
      %change = arith.mulf %u_last, %y_last : {t.element}
      %corner = arith.subf %old, %change : {t.element}
      {put("%diagonal_end", "%corner", t.element, "%done#4", "%last")}"""
