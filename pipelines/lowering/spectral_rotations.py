"""What the kernels that diagonalise are made of, as lines: blocks to sweep, rotations put off, order.

A diagonal is `%d2`, what is beside it `%e2`, of length n with a zero at the end; `%last` is n - 1.
"""

from __future__ import annotations

from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.spectral_text import element, loop, put, read, write

__all__ = ["as_rows", "block", "logged_block", "place", "rotated", "rotation"]


def block(t: Tile) -> str:
    """Return lines for %low4 and %high, the ends of the first block that is not cut; both %last if all is."""

    def search(result: str, first: str, comparison: str) -> str:
        return f"""
          {result} = scf.while (%i = {first}) : (index) -> index {{
            %up = arith.addi %i, %c1 : index
            %next = arith.minui %up, %last : index
            {element(t, "%d_here", "%d2", "%i")}
            {element(t, "%d_next", "%d2", "%next")}
            {element(t, "%e_here", "%e2", "%i")}
            %here = math.absf %d_here : {t.element}
            %there = math.absf %d_next : {t.element}
            %between = math.absf %e_here : {t.element}
            %around = arith.addf %here, %there : {t.element}
            %rounding = arith.mulf %epsilon, %around : {t.element}
            %bound = arith.maximumf %rounding, %floor : {t.element}
            %is_inside = arith.cmpi slt, %i, %last : index
            %holds = arith.cmpf {comparison}, %between, %bound : {t.element}
            %goes_on = arith.andi %is_inside, %holds : i1
            scf.condition(%goes_on) %i : index
          }} do {{
          ^bb0(%i: index):
            %up = arith.addi %i, %c1 : index
            scf.yield %up : index
          }}"""

    return search("%low4", "%low2", "ole") + search("%high", "%low4", "ogt")


def rotation(t: Tile, name: str, lead: str, other: str) -> str:
    """Return lines for the cosine %c`name` and sine %s`name` that turn (lead, other) into (%r`name`, 0).

    They turn nothing if squares of both have lost their digits.
    """
    kind = t.element
    return f"""
            %lead_{name} = arith.mulf {lead}, {lead} : {kind}
            %other_{name} = arith.mulf {other}, {other} : {kind}
            %both_{name} = arith.addf %lead_{name}, %other_{name} : {kind}
            %is_small_{name} = arith.cmpf olt, %both_{name}, %negligible : {kind}
            %root_{name} = math.sqrt %both_{name} : {kind}
            %by_{name} = arith.select %is_small_{name}, %one_, %root_{name} : {kind}
            %sine_{name} = arith.divf {other}, %by_{name} : {kind}
            %cosine_{name} = arith.divf {lead}, %by_{name} : {kind}
            %s{name} = arith.select %is_small_{name}, %zero, %sine_{name} : {kind}
            %c{name} = arith.select %is_small_{name}, %one_, %cosine_{name} : {kind}
            %r{name} = arith.select %is_small_{name}, {lead}, %root_{name} : {kind}"""


def logged_block() -> str:
    """Return lines for %lows4 and %highs4, with the block of sweep %sweep."""
    return f"""
          %low_i = arith.index_cast %low4 : index to i32
          %high_i = arith.index_cast %high : index to i32
          {put("%lows4", "%low_i", "i32", "%lows2", "%sweep")}
          {put("%highs4", "%high_i", "i32", "%highs2", "%sweep")}"""


def as_rows(t: Tile, result: str, source: str, into: str) -> str:
    """Return lines for a matrix, [n, width], with the columns of another as rows, then zeros."""
    one = element(t, "%x", source, "%k", "%i") + put("%f", "%x", t.element, "%to", "%i", "%k")
    zeros = write(t, "%f", "%none", "%to", "%i", "%k")
    row = loop("%clear", "%k", "%c0 to %width", [("%to", "%rows", t.matrix)], zeros, ["%f"], "%columns")
    row += loop("%row", "%k", "%c0 to %n", [("%to", "%clear", t.matrix)], one, ["%f"])
    return loop(result, "%i", "%c0 to %n", [("%rows", into, t.matrix)], row, ["%row"])


def rotated(t: Tile, result: str, rows: str, logs: tuple[str, str], blocks: tuple[str, str], *, down: bool) -> str:
    """Return lines for rows after %count sweeps, of which rotation i turns rows i and i + 1 of a block.

    Args:
      logs: cosines and sines, a row for each sweep.
      blocks: the first and the last row of the block of each sweep.
      down: whether the first rows come first; the last do if not.
    """
    if down:
        first, last = "%top", "%bottom"
        at = "%held_at = arith.addi %top, %step : index\n%next_at = arith.addi %held_at, %c1 : index"
    else:
        first, last = "%bottom", "%top"
        at = "%held_at = arith.subi %bottom, %step : index\n%next_at = arith.subi %held_at, %c1 : index"
    turn = f"""
        {at}
        %i = arith.minui %held_at, %next_at : index
        {element(t, "%c", logs[0], "%sweep", "%i")}
        {element(t, "%s", logs[1], "%sweep", "%i")}
        {read(t, "%x", "%to", "%next_at", "%at")}
        %x_c = arith.mulf %cv, %x : {t.vector}
        %x_s = arith.mulf %sv, %x : {t.vector}
        {t.plus("%new", "%x_s", "%cv", "%held")}
        {t.minus("%kept", "%x_c", "%sv", "%held")}
        {write(t, "%f", "%new", "%to", "%held_at", "%at")}"""
    start = [("%to", "%y", t.matrix), ("%held", "%first_row", t.vector)]
    sweep = f"""
        %top_i = tensor.extract {blocks[0]}[%sweep] : tensor<?xi32>
        %bottom_i = tensor.extract {blocks[1]}[%sweep] : tensor<?xi32>
        %top = arith.index_cast %top_i : i32 to index
        %bottom = arith.index_cast %bottom_i : i32 to index
        %length = arith.subi %bottom, %top : index
        {read(t, "%first_row", "%y", first, "%at")}
        {loop("%turned", "%step", "%c0 to %length", start, turn, ["%f", "%kept"])}
        {write(t, "%g", "%turned#1", "%turned#0", last, "%at")}"""
    strip = loop("%rows_", "%sweep", "%c0 to %count", [("%y", "%all", t.matrix)], sweep, ["%g"])
    return f"""
        {result}_to = arith.select %is_open, %n, %c0 : index
        {loop(result, "%at", f"%c0 to {result}_to", [("%all", rows, t.matrix)], strip, ["%rows_"], "%columns")}"""


def place(t: Tile, values: str, before: str) -> str:
    """Return lines for %place, where value %own, number %i, comes in order; equal ones stay in theirs.

    Args:
      values: all of them.
      before: how a value compares with those after it, "olt" or "ogt".
    """
    counted = f"""
        {element(t, "%other", values, "%k")}
        %is_less = arith.cmpf {before}, %other, %own : {t.element}
        %is_same = arith.cmpf oeq, %other, %own : {t.element}
        %is_earlier = arith.cmpi slt, %k, %i : index
        %is_tied = arith.andi %is_same, %is_earlier : i1
        %is_before = arith.ori %is_less, %is_tied : i1
        %more = arith.select %is_before, %c1, %c0 : index
        %total = arith.addi %so_far, %more : index"""
    return loop("%place", "%k", "%c0 to %n", [("%so_far", "%c0", "index")], counted, ["%total"])
