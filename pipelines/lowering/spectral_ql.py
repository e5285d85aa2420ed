"""Eigenvalues and eigenvectors of tridiagonal matrices by implicit QL with Wilkinson's shifts: kernels for the CPU."""

from __future__ import annotations

from collections.abc import Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.spectral_rotations import place, rotation
from difc.pipelines.lowering.spectral_sweeps import Method, call_sweeps
from difc.pipelines.lowering.spectral_text import element, loop, numbers, put
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_eigenvalues", "call_eigenvectors"]


def call_eigenvalues(
    c: TensorEmitter, reduced: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> ir.Value:
    """Append a call for the eigenvalues [batch, n] in order.

    Args:
      reduced: what `call_tridiagonal` returns.
      sizes: as it takes them.
    """
    return call_sweeps(c, "eigenvalues", _QL, reduced, sizes, unit, vectors=False)[0]


def call_eigenvectors(
    c: TensorEmitter, reduced: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> list[ir.Value]:
    """Append a call for the eigenvalues and the eigenvectors, which are the columns of [batch, n, n]."""
    return call_sweeps(c, "eigenvectors", _QL, reduced, sizes, unit, vectors=True)


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
    """Return lines for %d4, %e4 and %chain after the rotations of one sweep from the bottom up."""
    kind = t.element
    logs = {"cosines_z": "%c_", "sines_z": "%s_"} if vectors else {}
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
            {"".join(put(f"%{v}5", value, kind, f"%{v}3", "%sweep", "%i") for v, value in logs.items())}"""
    carried = [(f"%{v}3", f"%{v}2", numbers(t)) for v in "de"]
    carried += [("%s", "%one_", kind), ("%c", "%one_", kind), ("%p", "%zero", kind), ("%g", "%gap", kind)]
    carried += [(f"%{v}3", f"%{v}2", t.matrix) for v in logs]
    after = ["%d5", "%e5", "%s_", "%c_", "%p_", "%g_", *(f"%{v}5" for v in logs)]
    return f"""
          %length = arith.subi %high, %low4 : index
          {loop("%chain", "%step", "%c0 to %length", carried, step, after)}
          {element(t, "%d_end", "%chain#0", "%low4")}
          %d_last = arith.subf %d_end, %chain#4 : {kind}
          {put("%d4", "%d_last", kind, "%chain#0", "%low4")}
          {put("%e_first", "%chain#5", kind, "%chain#1", "%low4")}
          {put("%e4", "%zero", kind, "%e_first", "%high")}"""


def _sorted(t: Tile, vectors: bool) -> str:
    """Return lines for %sorted: the values in order, and the rows of %done as columns in the same order."""
    moved = element(t, "%x", "%done#7", "%i", "%k") + put("%f", "%x", t.element, "%into", "%k", "%place")
    one = f"""
        {element(t, "%own", "%done#0", "%i")}
        {place(t, "%done#0", "olt")}
        {put("%g", "%own", t.element, "%to", "%place")}
        {loop("%column", "%k", "%c0 to %n", [("%into", "%columns_", t.matrix)], moved, ["%f"]) if vectors else ""}"""
    carried = [("%to", "%values_room", numbers(t)), *[("%columns_", "%z_room", t.matrix)] * vectors]
    return loop("%sorted", "%i", "%c0 to %n", carried, one, ["%g", *["%column"] * vectors])


_QL = Method(
    sides={"z": 1}, down=False, constants=lambda _: "", shift=_shift, chain=_chain, order=_sorted, beside="%done#1"
)
