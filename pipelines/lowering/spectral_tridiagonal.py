"""Symmetric matrices made tridiagonal by Householder reflections, as a kernel for the CPU.

Column j is reduced by I - tau v v^T, which changes the rest of the matrix to A - v w^T - w v^T, with
w = p - (tau / 2) (p . v) v and p = tau A v. The change is put off until the next vector is known: then one pass over
the rest makes it, and multiplies by that vector. Both halves of the matrix are kept, so that all vectors lie along
rows; v replaces row j. Strips start where tiles do: what is left of column j + 1 in them has no meaning, and is not
read.
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
from difc.pipelines.lowering.spectral_text import constants, copied, element, loop, numbers, put, read, room, write
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_tridiagonal"]


def call_tridiagonal(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call of the kernel on `x`, [batch, n, n], symmetric with elements of at most 1.

    Args:
      sizes: batch, n, and the width of the rows that the vectors are in (see `padded`).

    Returns:
      The vectors v, as rows of [batch, n, width]; and, as [batch, n], the numbers tau, the diagonal, and what is beside
      it, each with a zero at the end where it has less than n elements.
    """
    batch, n, width = sizes
    kind, line = element_of(x), [batch, n]
    results: list[tuple[Sequence[Size], ir.Type]] = [([batch, n, width], kind), *[(line, kind)] * 5]
    return call_kernel(c, "tridiagonal", partial(_kernel, unit=unit), kind, [(x, [batch, n, n])], sizes, results)[:4]


def _kernel(name: str, kind: str, unit: VectorUnit) -> str:
    """Return the executable: array x; sizes; then what `call_tridiagonal` returns, and w and p."""
    t = Tile.of(kind, unit, vectors=4)
    x, a = Array("x", "read", kind, ("batch", "n", "n")), Array("a", "write", kind, ("batch", "n", "width"))
    lines = [Array(v, "write", kind, ("batch", "n")) for v in ("taus", "diagonal", "beside", "w", "p")]
    zeros = write(t, "%f", "%none", "%to", "%at")
    carried = [("%a0", "%copied", t.matrix), ("%taus0", "%taus_room", numbers(t))]
    carried += [("%diagonal0", "%diagonal_room", numbers(t)), ("%beside0", "%beside_room", numbers(t))]
    carried += [("%w0", "%zeros", numbers(t)), ("%p0", "%p_room", numbers(t))]
    step = f"""
        %below = arith.addi %j, %c1 : index
        %is_first = arith.cmpi eq, %j, %c0 : index
        %before = arith.subi %j, %c1 : index
        %u = arith.select %is_first, %c0, %before : index
        {_row(t)}
        {element(t, "%corner_", "%a1", "%j", "%j")}
        {reflector(t, "_v", "%a1", "%j", "%below")}
        {put("%taus1", "%tau_v", kind, "%taus0", "%j")}
        {put("%diagonal1", "%corner_", kind, "%diagonal0", "%j")}
        {put("%beside1", "%beta_v", kind, "%beside0", "%j")}
        {_pass(t)}
        {_next(t)}"""
    after = ["%passed#0", "%taus1", "%diagonal1", "%beside1", "%w1", "%passed#1"]
    body = f"""
      {constants(t)}
      %last = arith.subi %n, %c1 : index
      {x.load("%given")}
      {room("%a_room", kind, "%n", "%width")}
      {"".join(room(f"%{array.name}_room", kind, "%n") for array in lines)}
      {copied(t, "%copied", "%given", "%a_room", "%n", "%width")}
      {loop("%zeros", "%at", "%c0 to %n", [("%to", "%w_room", numbers(t))], zeros, ["%f"], "%columns")}
      {loop("%done", "%j", "%c0 to %last", carried, step, after)}
      {element(t, "%corner", "%done#0", "%last", "%last")}
      {put("%taus_all", "%zero", kind, "%done#1", "%last")}
      {put("%diagonal_all", "%corner", kind, "%done#2", "%last")}
      {put("%beside_all", "%zero", kind, "%done#3", "%last")}
      {a.store("%done#0")}
      {"".join(array.store(f"%{array.name}_all") + chr(10) for array in lines[:3])}
      {lines[3].store("%done#4")}
      {lines[4].store("%done#5")}"""
    return executable(name, [x, a, *lines], ["batch", "n", "width"], "%across = arith.minui %n, %one : index", body)


def _row(t: Tile) -> str:
    """Return lines for %a1: row %j with the change of the last step."""
    new = f"""
        {read(t, "%old", "%to", "%j", "%at")}
        {read(t, "%us", "%to", "%u", "%at")}
        {read(t, "%ws", "%w0", "%at")}
        {t.minus("%less", "%old", "%ujv", "%ws")}
        {t.minus("%new", "%less", "%wjv", "%us")}
        {write(t, "%f", "%new", "%to", "%j", "%at")}"""
    return f"""
        {element(t, "%uj", "%a0", "%u", "%j")}
        {element(t, "%wj", "%w0", "%j")}
        {loop("%a1", "%at", "%j to %n", [("%to", "%a0", t.matrix)], new, ["%f"], "%columns")}"""


def _pass(t: Tile) -> str:
    """Return lines for %passed: the matrix below row %j with the change of the last step made, and A v."""
    row = f"""
        {element(t, "%ui", "%to", "%u", "%i")}
        {element(t, "%vi", "%to", "%j", "%i")}
        {element(t, "%wi", "%w0", "%i")}
        {read(t, "%old", "%to", "%i", "%at")}
        {t.minus("%less", "%old", "%uiv", "%ws")}
        {t.minus("%new", "%less", "%wiv", "%us")}
        {t.plus("%more", "%sum", "%viv", "%new")}
        {write(t, "%f", "%new", "%to", "%i", "%at")}"""
    start = [("%to", "%y", t.matrix), ("%sum", "%none", t.vector)]
    strip = f"""
        {read(t, "%us", "%y", "%u", "%at")}
        {read(t, "%ws", "%w0", "%at")}
        {loop("%done_", "%i", "%below to %n", start, row, ["%f", "%more"])}
        {write(t, "%g", "%done_#1", "%ps", "%at")}"""
    carried = [("%y", "%m_v", t.matrix), ("%ps", "%p0", numbers(t))]
    return loop("%passed", "%at", "%start_v to %n", carried, strip, ["%done_#0", "%g"], "%columns")


def _next(t: Tile) -> str:
    """Return lines for %w1, of %passed."""
    both = f"""
        {read(t, "%e", "%passed#0", "%j", "%at")}
        {read(t, "%f", "%passed#1", "%at")}"""
    more = both + "\n" + t.plus("%more", "%sum", "%e", "%f")
    new = f"""
        {both}
        {t.minus("%g", "%f", "%partv", "%e")}
        %h = arith.mulf %g, %tau_vv : {t.vector}
        {write(t, "%k", "%h", "%to", "%at")}"""
    return f"""
        {loop("%products", "%at", "%start_v to %n", [("%sum", "%none", t.vector)], more, ["%more"], "%columns")}
        %product = vector.reduction <add>, %products : {t.vector} into {t.element}
        %half_tau = arith.mulf %half, %tau_v : {t.element}
        %part = arith.mulf %half_tau, %product : {t.element}
        %partv = vector.broadcast %part : {t.element} to {t.vector}
        {loop("%w1", "%at", "%start_v to %n", [("%to", "%w0", numbers(t))], new, ["%k"], "%columns")}"""
