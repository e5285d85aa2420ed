"""Eigenvalues and eigenvectors of tridiagonal matrices by implicit QL with Wilkinson's shifts, as kernels for the CPU.

A sweep over the diagonal is a chain of rotations, one long dependence of roots and quotients. What it does to the
vectors is put off: after some sweeps, their rotations are applied together to one strip of columns after the other,
each of which stays in the cache. The vectors are rows, so that a rotation turns two of them; one stays in registers for
the next rotation. There are at most `SWEEPS` sweeps for each value, as in LAPACK; it takes about 1.7.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.spectral_reflections import product_of_reflections
from difc.pipelines.lowering.spectral_sweeps import (
    SWEEPS,
    TOGETHER,
    as_rows,
    block,
    logged_block,
    place,
    rotated,
    rotation,
)
from difc.pipelines.lowering.spectral_text import (
    constants,
    copied,
    dtype_of,
    element,
    loop,
    numbers,
    put,
    room,
)
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_eigenvalues", "call_eigenvectors"]


def call_eigenvalues(
    c: TensorEmitter, reduced: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> ir.Value:
    """Append a call for the eigenvalues [batch, n] in order, of what `call_tridiagonal` returns; `sizes`: batch, n."""
    kind, shape = element_of(reduced[0]), list(sizes[:2])
    text = lambda name, kind: _kernel(name, kind, unit, vectors=False)  # noqa: E731
    given = [(x, shape) for x in reduced[2:]]
    return call_kernel(c, "eigenvalues", text, kind, given, [*sizes, TOGETHER], [(shape, kind)] * 3)[0]


def call_eigenvectors(
    c: TensorEmitter, reduced: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> list[ir.Value]:
    """Append a call for the eigenvalues and the eigenvectors, which are the columns of [batch, n, n]."""
    batch, n, width = sizes
    kind, i32 = element_of(reduced[0]), ir.IntegerType.get_signless(32)
    line, square, log = [batch, n], [batch, n, width], [batch, TOGETHER, n]
    text = lambda name, kind: _kernel(name, kind, unit, vectors=True)  # noqa: E731
    given = list(zip(reduced, [square, line, line, line], strict=True))
    results: list[tuple[Sequence[Size], ir.Type]] = [
        (s, kind) for s in (line, line, line, [batch, n, n], square, square, log, log)
    ]
    results += [([batch, TOGETHER], i32)] * 2
    values, _, _, found, *_ = call_kernel(c, "eigenvectors", text, kind, given, [*sizes, TOGETHER], results)
    return [values, found]


def _kernel(name: str, kind: str, unit: VectorUnit, *, vectors: bool) -> str:
    """Return the executable: what is given and the values, then room for the diagonal and what is beside it; with
    `vectors` also these, room for them as rows, and that for `together` sweeps: cosines, sines, first and last rows."""
    t = Tile.of(kind, unit)
    line, square, log = ("batch", "n"), ("batch", "n", "width"), ("batch", "together", "n")
    given = [Array(v, "read", kind, line) for v in ("diagonal", "beside")]
    made = [Array(v, "write", kind, line) for v in ("values", "d_work", "e_work")]
    stored = ["%sorted#0", "%done#0", "%done#1"]
    if vectors:
        given = [Array("a", "read", kind, square), Array("taus", "read", kind, line), *given]
        made.append(Array("vectors", "write", kind, ("batch", "n", "n")))
        made += [Array(v, "write", kind, square) for v in ("q", "z")]
        made += [Array(v, "write", kind, log) for v in ("cosines", "sines")]
        made += [Array(v, "write", "i32", ("batch", "together")) for v in ("lows", "highs")]
        stored += ["%sorted#1", "%product", "%done#7", *(f"%done#{i}" for i in range(3, 7))]
    loads = "\n".join(array.load(f"%{array.name}_given") for array in given)
    rooms = "".join(room(f"%{a.name}_room", a.element, *(f"%{s}" for s in a.sizes[1:])) for a in made)
    rows = product_of_reflections(t, "%product", "%q_room", "%a_given", "%taus_given", "%c1")
    rows += as_rows(t, "%z0", "%product", "%z_room")
    body = f"""
      {constants(t)}
      %floor = arith.constant {float(np.finfo(dtype_of(kind)).eps) ** 2:.17e} : {kind}
      %most = arith.constant {SWEEPS} : index
      %last = arith.subi %n, %c1 : index
      {loads}
      {rooms}
      {copied(t, "%d0", "%diagonal_given", "%d_work_room", None, "%n")}
      {copied(t, "%e0", "%beside_given", "%e_work_room", None, "%n")}
      {rows if vectors else ""}
      {_sweeps(t, vectors)}
      {_sorted(t, vectors)}
      {chr(10).join(array.store(value) for array, value in zip(made, stored, strict=True))}"""
    return executable(
        name, [*given, *made], ["batch", "n", "width", "together"], "%across = arith.minui %n, %one : index", body
    )


def _sweeps(t: Tile, vectors: bool) -> str:
    """Return lines for %done: the diagonal, what is beside it, and where the first block begins; then the memory of
    what was put off, and the rows."""
    log = [("cosines", t.matrix), ("sines", t.matrix), ("lows", "tensor<?xi32>"), ("highs", "tensor<?xi32>")]
    log = log if vectors else []
    state = [("d", numbers(t)), ("e", numbers(t)), ("low", "index"), *log]
    sweep = loop(
        "%swept",
        "%sweep",
        "%c0 to %count",
        [(f"%{v}2", f"%{v}1", kind) for v, kind in state],
        block(t) + _shift(t) + _chain(t, vectors),
        ["%d4", "%e4", "%low4", *["%chain#6", "%chain#7", "%lows4", "%highs4"] * vectors],
    )
    turned = rotated(t, "%rotated", "%z1", ("%swept#3", "%swept#4"), ("%swept#5", "%swept#6"), down=False)
    some = f"""
        %is_open = arith.cmpi slt, %low1, %last : index
        %count = arith.select %is_open, %together, %c0 : index
        {sweep}
        {turned if vectors else ""}"""
    start = [("%d1", "%d0", numbers(t)), ("%e1", "%e0", numbers(t)), ("%low1", "%c0", "index")]
    start += [(f"%{v}1", f"%{v}_room", kind) for v, kind in log] + [("%z1", "%z0", t.matrix)] * vectors
    after = [f"%swept#{i}" for i in range(len(state))] + ["%rotated"] * vectors
    return f"""
      %all_sweeps = arith.muli %n, %most : index
      %rounds = arith.ceildivui %all_sweeps, %together : index
      {loop("%done", "%round", "%c0 to %rounds", start, some, after)}"""


def _shift(t: Tile) -> str:
    """Return lines for %gap: the last element of the block less the eigenvalue of its first two rows by the first."""
    kind = t.element
    return f"""
          %low_up = arith.addi %low4, %c1 : index
          %low_next = arith.minui %low_up, %last : index
          {element(t, "%d_low", "%d2", "%low4")}
          {element(t, "%d_next", "%d2", "%low_next")}
          {element(t, "%d_high", "%d2", "%high")}
          {element(t, "%e_low", "%e2", "%low4")}
          %is_block = arith.cmpi slt, %low4, %high : index
          %e_safe = arith.select %is_block, %e_low, %one_ : {kind}
          %rise = arith.subf %d_next, %d_low : {kind}
          %e_twice = arith.addf %e_safe, %e_safe : {kind}
          %slope = arith.divf %rise, %e_twice : {kind}
          %slope_2 = arith.mulf %slope, %slope : {kind}
          %slope_3 = arith.addf %slope_2, %one_ : {kind}
          %reach = math.sqrt %slope_3 : {kind}
          %reach_s = math.copysign %reach, %slope : {kind}
          %divisor = arith.addf %slope, %reach_s : {kind}
          %moved = arith.divf %e_safe, %divisor : {kind}
          %apart = arith.subf %d_high, %d_low : {kind}
          %gap = arith.addf %apart, %moved : {kind}"""


def _chain(t: Tile, vectors: bool) -> str:
    """Return lines for %d4, %e4, and the logs, after the rotations of one sweep from the bottom up."""
    kind = t.element
    logs = [("%cosines3", "%cosines2", t.matrix), ("%sines3", "%sines2", t.matrix)] * vectors
    kept = put("%cosines5", "%c_", kind, "%cosines3", "%sweep", "%i") + put(
        "%sines5", "%s_", kind, "%sines3", "%sweep", "%i"
    )
    step = f"""
            %below = arith.subi %high, %step : index
            %i = arith.subi %below, %c1 : index
            {element(t, "%d_below", "%d3", "%below")}
            {element(t, "%d_here", "%d3", "%i")}
            {element(t, "%e_here", "%e3", "%i")}
            %f = arith.mulf %s, %e_here : {kind}
            %h = arith.mulf %c, %e_here : {kind}
            {rotation(t, "_", "%g", "%f")}
            %g_1 = arith.subf %d_below, %p : {kind}
            %drop = arith.subf %d_here, %g_1 : {kind}
            %turned = arith.mulf %drop, %s_ : {kind}
            %twice = arith.addf %h, %h : {kind}
            %mixed = arith.mulf %c_, %twice : {kind}
            %pull = arith.addf %turned, %mixed : {kind}
            %p_ = arith.mulf %s_, %pull : {kind}
            %d_new = arith.addf %g_1, %p_ : {kind}
            %c_pull = arith.mulf %c_, %pull : {kind}
            %g_ = arith.subf %c_pull, %h : {kind}
            {put("%d5", "%d_new", kind, "%d3", "%below")}
            {put("%e5", "%r_", kind, "%e3", "%below")}
            {kept if vectors else ""}"""
    carried = [(f"%{v}3", f"%{v}2", numbers(t)) for v in "de"]
    carried += [("%s", "%one_", kind), ("%c", "%one_", kind), ("%p", "%zero", kind), ("%g", "%gap", kind), *logs]
    after = ["%d5", "%e5", "%s_", "%c_", "%p_", "%g_", *["%cosines5", "%sines5"] * vectors]
    ends = f"""
          %length = arith.subi %high, %low4 : index
          {loop("%chain", "%step", "%c0 to %length", carried, step, after)}
          {element(t, "%d_end", "%chain#0", "%low4")}
          %d_last = arith.subf %d_end, %chain#4 : {kind}
          {put("%d4", "%d_last", kind, "%chain#0", "%low4")}
          {put("%e_first", "%chain#5", kind, "%chain#1", "%low4")}
          {put("%e4", "%zero", kind, "%e_first", "%high")}"""
    if not vectors:
        return ends
    return ends + logged_block()


def _sorted(t: Tile, vectors: bool) -> str:
    """Return lines for %sorted: the values in order, and the rows of %done as columns in the same order."""
    moved = element(t, "%x", "%done#7", "%i", "%k") + put("%f", "%x", t.element, "%into", "%k", "%place")
    one = f"""
        {element(t, "%own", "%done#0", "%i")}
        {place(t, "%done#0", "olt")}
        {put("%g", "%own", t.element, "%to", "%place")}
        {loop("%column", "%k", "%c0 to %n", [("%into", "%columns_", t.matrix)], moved, ["%f"]) if vectors else ""}"""
    carried = [("%to", "%values_room", numbers(t)), *[("%columns_", "%vectors_room", t.matrix)] * vectors]
    return loop("%sorted", "%i", "%c0 to %n", carried, one, ["%g", *["%column"] * vectors])
