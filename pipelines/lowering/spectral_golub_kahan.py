"""Singular values and vectors of bidiagonal matrices by implicit QR (Golub and Kahan), as kernels for the CPU.

A sweep chases a bulge down a block by two chains of rotations, of which those of either side are put off (see
`spectral_sweeps.py`). The shift is the smaller singular value of the last two rows of the block. There is none where it
would not count, and where an element of the diagonal is negligible: the sweep then cuts the block there.
"""

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

__all__ = ["call_singular_values", "call_singular_vectors"]

#: What the first rotation is made of is cut to this, so that squares do not overflow: it then turns by nothing.
ENOUGH = 1e15


def call_singular_values(
    c: TensorEmitter, reduced: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> ir.Value:
    """Append a call for the singular values [batch, n], largest first.

    Args:
      reduced: what `call_bidiagonal` returns.
      sizes: as it takes them.
    """
    return call_sweeps(c, "singular_values", _GOLUB_KAHAN, reduced, sizes, unit, vectors=False)[0]


def call_singular_vectors(
    c: TensorEmitter, reduced: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> list[ir.Value]:
    """Append a call for u [batch, n, n], the singular values, and vh [batch, n, n]."""
    s, u, vh = call_sweeps(c, "singular_vectors", _GOLUB_KAHAN, reduced, sizes, unit, vectors=True)
    return [u, s, vh]


def _constants(t: Tile) -> str:
    return f"""
      %two = arith.constant 2.0 : {t.element}
      %enough = arith.constant {ENOUGH:e} : {t.element}
      %minus_enough = arith.constant {-ENOUGH:e} : {t.element}
      %false = arith.constant false"""


def _shift(t: Tile) -> str:
    """Return lines for %lead and %e_low: multiples of the first column of B^T B less the square of the shift."""
    kind = t.element
    cut = f"""
          {element(t, "%d_here", "%d2", "%i")}
          {element(t, "%e_here", "%e2", "%i")}
          %here = math.absf %d_here : {kind}
          %next_e = math.absf %e_here : {kind}
          %around = arith.addf %before_e, %next_e : {kind}
          %bound = arith.mulf %epsilon, %around : {kind}
          %is_none = arith.cmpf ole, %here, %bound : {kind}
          %is_some = arith.ori %so_far, %is_none : i1"""
    carried = [("%so_far", "%false", "i1"), ("%before_e", "%zero", kind)]
    return f"""
          %is_block = arith.cmpi slt, %low4, %high : index
          %high_up = arith.addi %high, %c1 : index
          %high_less = arith.subi %high, %c1 : index
          %high_before = arith.select %is_block, %high_less, %high : index
          {loop("%cuts", "%i", "%low4 to %high_up", carried, cut, ["%is_some", "%next_e"])}
          {element(t, "%d_low", "%d2", "%low4")}
          {element(t, "%e_low", "%e2", "%low4")}
          {element(t, "%d_high", "%d2", "%high")}
          {element(t, "%d_before", "%d2", "%high_before")}
          {element(t, "%e_before", "%e2", "%high_before")}
          %p_ = math.absf %d_before : {kind}
          %q_here = math.absf %d_high : {kind}
          %sum_ = arith.addf %p_, %q_here : {kind}
          %difference = arith.subf %p_, %q_here : {kind}
          %sum_2 = arith.mulf %sum_, %sum_ : {kind}
          %difference_2 = arith.mulf %difference, %difference : {kind}
          %e_2 = arith.mulf %e_before, %e_before : {kind}
          %sum_3 = arith.addf %sum_2, %e_2 : {kind}
          %difference_3 = arith.addf %difference_2, %e_2 : {kind}
          %sum_root = math.sqrt %sum_3 : {kind}
          %difference_root = math.sqrt %difference_3 : {kind}
          %roots = arith.addf %sum_root, %difference_root : {kind}
          %roots_safe = arith.select %is_block, %roots, %one_ : {kind}
          %part = arith.divf %p_, %roots_safe : {kind}
          %product = arith.mulf %part, %q_here : {kind}
          %smaller = arith.mulf %product, %two : {kind}
          %size = math.absf %d_low : {kind}
          %ratio_bound = math.sqrt %epsilon : {kind}
          %counts_from = arith.mulf %ratio_bound, %size : {kind}
          %counts = arith.cmpf ogt, %smaller, %counts_from : {kind}
          %is_shifted = arith.select %cuts#0, %false, %counts : i1
          %d_safe = arith.select %is_shifted, %d_low, %one_ : {kind}
          %ratio = arith.divf %smaller, %d_safe : {kind}
          %taken = arith.mulf %ratio, %smaller : {kind}
          %shifted = arith.subf %d_low, %taken : {kind}
          %not_above = arith.minimumf %shifted, %enough : {kind}
          %not_below = arith.maximumf %not_above, %minus_enough : {kind}
          %lead = arith.select %is_shifted, %not_below, %d_low : {kind}"""


def _chain(t: Tile, vectors: bool) -> str:
    """Return lines for %d4, %e4 and %chain after the rotations of one sweep from the top down."""
    kind = t.element
    logs = {"cosines_u": "%cl", "sines_u": "%sl", "cosines_v": "%cr", "sines_v": "%sr"} if vectors else {}
    step = f"""
            %below = arith.addi %i, %c1 : index
            %over = arith.subi %i, %c1 : index
            %at = arith.maxsi %over, %low4 : index
            {element(t, "%d_below", "%d3", "%below")}
            {element(t, "%e_below", "%e3", "%below")}
            {rotation(t, "r", "%f", "%g")}
            %d_c = arith.mulf %cr, %d_here : {kind}
            %e_s = arith.mulf %sr, %e_here : {kind}
            %f_1 = arith.addf %d_c, %e_s : {kind}
            %e_c = arith.mulf %cr, %e_here : {kind}
            %d_s = arith.mulf %sr, %d_here : {kind}
            %e_1 = arith.subf %e_c, %d_s : {kind}
            %g_1 = arith.mulf %sr, %d_below : {kind}
            %d_1 = arith.mulf %cr, %d_below : {kind}
            {rotation(t, "l", "%f_1", "%g_1")}
            %e_1c = arith.mulf %cl, %e_1 : {kind}
            %d_1s = arith.mulf %sl, %d_1 : {kind}
            %f_2 = arith.addf %e_1c, %d_1s : {kind}
            %d_1c = arith.mulf %cl, %d_1 : {kind}
            %e_1s = arith.mulf %sl, %e_1 : {kind}
            %d_2 = arith.subf %d_1c, %e_1s : {kind}
            %g_2 = arith.mulf %sl, %e_below : {kind}
            %e_2_ = arith.mulf %cl, %e_below : {kind}
            {put("%e5", "%rr", kind, "%e3", "%at")}
            {put("%d5", "%rl", kind, "%d3", "%i")}
            {"".join(put(f"%{v}5", value, kind, f"%{v}3", "%sweep", "%i") for v, value in logs.items())}"""
    carried = [("%d3", "%d2", numbers(t)), ("%e3", "%e2", numbers(t)), ("%f", "%lead", kind), ("%g", "%e_low", kind)]
    carried += [("%d_here", "%d_low", kind), ("%e_here", "%e_low", kind)]
    carried += [(f"%{v}3", f"%{v}2", t.matrix) for v in logs]
    after = ["%d5", "%e5", "%f_2", "%g_2", "%d_2", "%e_2_", *(f"%{v}5" for v in logs)]
    return f"""
          {loop("%chain", "%i", "%low4 to %high", carried, step, after)}
          %e_end = arith.select %is_block, %chain#2, %zero : {kind}
          {put("%d4", "%chain#4", kind, "%chain#0", "%high")}
          {put("%e4", "%e_end", kind, "%chain#1", "%high_before")}"""


def _sorted(t: Tile, vectors: bool) -> str:
    """Return lines for %sorted: the values in order and made positive, and the rows of %done in the same order: those
    of u as columns, those of v with the signs."""
    kind = t.element
    moved = f"""
        {element(t, "%a", "%done#9", "%i", "%k")}
        {put("%f", "%a", kind, "%into_u", "%k", "%place")}
        {element(t, "%c", "%done#10", "%i", "%k")}
        %signed = arith.mulf %c, %sign : {kind}
        {put("%h", "%signed", kind, "%into_v", "%place", "%k")}"""
    carried = [("%into_u", "%us", t.matrix), ("%into_v", "%vs", t.matrix)]
    size = loop(
        "%sizes",
        "%i",
        "%c0 to %n",
        [("%to", "%done#1", numbers(t))],
        element(t, "%x", "%done#0", "%i")
        + f"\n%x_size = math.absf %x : {kind}"
        + put("%f", "%x_size", kind, "%to", "%i"),
        ["%f"],
    )
    one = f"""
        {element(t, "%own", "%sizes", "%i")}
        {element(t, "%signed_own", "%done#0", "%i")}
        %sign = math.copysign %one_, %signed_own : {kind}
        {place(t, "%sizes", "ogt")}
        {put("%g", "%own", kind, "%to", "%place")}
        {loop("%both", "%k", "%c0 to %n", carried, moved, ["%f", "%h"]) if vectors else ""}"""
    start = [("%to", "%values_room", numbers(t))]
    start += [("%us", "%u_room", t.matrix), ("%vs", "%v_room", t.matrix)] * vectors
    return size + loop("%sorted", "%i", "%c0 to %n", start, one, ["%g", *["%both#0", "%both#1"] * vectors])


_GOLUB_KAHAN = Method(
    sides={"u": 0, "v": 1}, down=True, constants=_constants, shift=_shift, chain=_chain, order=_sorted, beside="%sizes"
)
