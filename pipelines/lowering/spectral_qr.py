"""QR by Householder reflections as a kernel for the CPU: one workgroup for each matrix.

The signs are LAPACK's. A strip of columns is first reflected by what reduced those before it, some reflections at a
time, then reduced one column after the other; it stays in the cache. The vectors are rows of a matrix of their own.
Every column is divided by its largest element, so that squares neither overflow nor vanish.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.spectral_reflections import group_count, product_of_reflections, reflected, reflector
from difc.pipelines.lowering.spectral_text import (
    cleared,
    constants,
    copied,
    element,
    loop,
    numbers,
    padded,
    put,
    read,
    room,
    write,
)
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_qr"]


def call_qr(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call of the kernel on `x`, [batch, m, n].

    Args:
      sizes: batch, m, n; how many columns of Q and rows of R to make.

    Returns:
      Q, R, and the vectors of the reflections as rows of a matrix [batch, min(m, n) + 1, at least m], zero elsewhere.
    """
    batch, m, n, columns, rows = sizes
    kind = element_of(x)
    long, wide, broad = (padded(c, size, str(kind), unit) for size in (m, n, columns))
    count = _count(c, m, n)
    shapes: list[list[Size]] = [[batch, m, columns], [batch, rows, n], [batch, count, long], [batch, count]]
    shapes += [[batch, m, wide], [batch, m, broad]]
    every = [*sizes, count, long, wide, broad]
    results = [(shape, kind) for shape in shapes]
    return call_kernel(c, "qr", partial(_kernel, unit=unit), kind, [(x, [batch, m, n])], every, results)[:3]


def _count(c: TensorEmitter, m: Size, n: Size) -> Size:
    """Return one more than there are reflections."""
    if isinstance(m, int) and isinstance(n, int):
        return min(m, n) + 1
    least = c.arith("minui", m, n)
    return c.arith("addi", least, 1)


def _kernel(name: str, kind: str, unit: VectorUnit) -> str:
    """Return the executable: array given; sizes; then q [m, l], r [p, n], the vectors and numbers tau, of which the
    last are 0, and room for x and q with padded rows."""
    t = Tile.of(kind, unit)
    given = Array("given", "read", kind, ("batch", "m", "n"))
    sizes = {"q": ("m", "l"), "r": ("p", "n"), "v": ("count", "long"), "taus": ("count",)}
    sizes |= {"x_work": ("m", "wide"), "q_work": ("m", "broad")}
    made = [Array(v, "write", kind, ("batch", *s)) for v, s in sizes.items()]
    carried = [("%r0", "%r_room", t.matrix), ("%v0", "%v_start", t.matrix), ("%taus0", "%taus_start", numbers(t))]
    carried += [("%a0", "%x_work_room", t.matrix)]
    after = ["%r1", "%reduced#1", "%reduced#2", "%reduced#0"]
    stored = ["%filled_q", "%done#0", "%done#1", "%done#2", "%done#3", "%product"]
    body = f"""
      {constants(t)}
      %ones = arith.constant dense<1.0> : {t.vector}
      %last = arith.subi %count, %c1 : index
      {given.load("%matrix")}
      {"".join(room(f"%{a.name}_room", kind, *(f"%{s}" for s in a.sizes[1:])) for a in made)}
      {cleared(t, "%v_start", "%v_room", "%count", "%long")}
      {put("%taus_start", "%zero", kind, "%taus_room", "%last")}
      {loop("%done", "%at", "%c0 to %n", carried, _strip(t), after, "%columns")}
      {product_of_reflections(t, "%product", "%q_work_room", "%done#1", "%done#2", "%c0", "%m", "%l")}
      {copied(t, "%filled_q", "%product", "%q_room", "%m", "%l")}
      {chr(10).join(array.store(value) for array, value in zip(made, stored, strict=True))}"""
    known = ["batch", "m", "n", "l", "p", "count", "long", "wide", "broad"]
    return executable(name, [given, *made], known, "%across = arith.constant 1 : index", body)


def _strip(t: Tile) -> str:
    """Return lines for %r1 and %reduced: the strip at %at of %matrix, reduced."""
    before = f"""
        {reflected(t, "%reflected", "%y", "%v0", "%taus0", "%c0", "%m", forward=True)}"""
    carried = [("%a1", "%prepared", t.matrix), ("%v1", "%v0", t.matrix), ("%taus1", "%taus0", numbers(t))]
    return f"""
        {_scaled(t)}
        %known = arith.minui %at, %last : index
        {group_count("%groups", "%known")}
        {loop("%prepared", "%number", "%c0 to %groups", [("%y", "%scaled", t.matrix)], before, ["%reflected"])}
        %beyond = arith.addi %at, %columns : index
        %end = arith.minui %beyond, %last : index
        {loop("%reduced", "%j", "%at to %end", carried, _column(t), ["%a2", "%m_v", "%taus2"])}
        {_rows(t)}"""


def _scaled(t: Tile) -> str:
    """Return lines for %scaled: the strip with its columns divided by %scale, their largest elements."""
    most = f"""
        {read(t, "%e", "%matrix", "%i", "%at")}
        %size = math.absf %e : {t.vector}
        %more = arith.maximumf %so_far, %size : {t.vector}"""
    divided = f"""
        {read(t, "%e", "%matrix", "%i", "%at")}
        %f = arith.divf %e, %scale : {t.vector}
        {write(t, "%g", "%f", "%to", "%i", "%at")}"""
    return f"""
        {loop("%most", "%i", "%c0 to %m", [("%so_far", "%none", t.vector)], most, ["%more"])}
        %is_usual = arith.cmpf ogt, %most, %none : {t.vector}
        %scale = arith.select %is_usual, %most, %ones : vector<{t.columns}xi1>, {t.vector}
        {loop("%scaled", "%i", "%c0 to %m", [("%to", "%a0", t.matrix)], divided, ["%g"])}"""


def _column(t: Tile) -> str:
    """Return lines for %a2, %m_v and %taus2: column %j reduced, and what is right of it in the strip reflected."""
    turned = element(t, "%e", "%a1", "%i", "%j") + put("%f", "%e", t.element, "%to", "%j", "%i")
    both = f"""
        {element(t, "%vi", "%m_v", "%j", "%i")}
        {read(t, "%x", "%to", "%i", "%at")}"""
    summed = both.replace("%to", "%a1") + t.plus("%more", "%sum", "%viv", "%x")
    less = both + t.minus("%f", "%x", "%viv", "%multiple") + "\n" + write(t, "%g", "%f", "%to", "%i", "%at")
    return f"""
        {loop("%v2", "%i", "%j to %m", [("%to", "%v1", t.matrix)], turned, ["%f"])}
        {reflector(t, "_v", "%v2", "%j", "%j", "%m")}
        {loop("%total", "%i", "%j to %m", [("%sum", "%none", t.vector)], summed, ["%more"])}
        %all = arith.mulf %total, %tau_vv : {t.vector}
        %next = arith.addi %j, %c1 : index
        %finished = arith.subi %next, %at : index
        %is_finished = vector.create_mask %finished : vector<{t.columns}xi1>
        %multiple = arith.select %is_finished, %none, %all : vector<{t.columns}xi1>, {t.vector}
        {loop("%a_less", "%i", "%j to %m", [("%to", "%a1", t.matrix)], less, ["%g"])}
        {put("%a2", "%beta_v", t.element, "%a_less", "%j", "%j")}
        {put("%taus2", "%tau_v", t.element, "%taus1", "%j")}"""


def _rows(t: Tile) -> str:
    """Return lines for %r1: the strip of R, which is that of %reduced above the diagonal, scaled back."""
    row = f"""
        {read(t, "%e", "%reduced#0", "%i", "%at")}
        %f = arith.mulf %e, %scale : {t.vector}
        %below_ = arith.subi %i, %at : index
        %is_below = vector.create_mask %below_ : vector<{t.columns}xi1>
        %g = arith.select %is_below, %none, %f : vector<{t.columns}xi1>, {t.vector}
        {write(t, "%h", "%g", "%to", "%i", "%at")}"""
    return loop("%r1", "%i", "%c0 to %p", [("%to", "%r0", t.matrix)], row, ["%h"])
