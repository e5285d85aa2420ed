"""Householder reflections and their product, as lines of the kernels of `spectral_tridiagonal.py` and its kin.

Reflection j is I - tau v v^T, with v in row j of a matrix: zero up to some element, then 1. `TOGETHER` of them take two
passes over a strip of columns x: the first sums up all v^T x, the second takes off multiples of all v. The multiples
are c_r = tau_r (v_r^T x - the sum of v_r^T v_q c_q over those q that are applied before). Past the last reflection is
one more, whose tau is 0.
"""

from __future__ import annotations

from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.spectral_text import element, loop, put, read, write

__all__ = ["group_count", "product_of_reflections", "reflected", "reflector"]

#: How many reflections are applied together.
TOGETHER = 4


def reflector(t: Tile, name: str, matrix: str, row: str, first: str, size: str = "%n") -> str:
    """Return lines for I - tau v v^T that turns a vector into its first element, %beta`name`.

    Args:
      name: of %tau`name` too, and of %m`name`: the matrix with v in the place of the vector, after zeros. The vector
        may be turned already: then tau is 0, and v has 0 for its 1.
      matrix: has the vector in a row, from element `first` on; its elements are of at most about 1.
      row: which row.
      first: the first element, which there is.
      size: how many elements the row has.
    """
    kind = t.element
    square = read(t, "%e", matrix, row, "%along") + "\n" + t.plus("%more", "%sum", "%e", "%e")
    scaled = f"""
        {read(t, "%e", "%to", row, "%along")}
        %f = arith.mulf %e, %inverse_{name}v : {t.vector}
        {write(t, "%g", "%f", "%to", row, "%along")}"""
    emptied = write(t, "%f", "%none", "%to", row, "%along")
    zero = put("%f", "%zero", kind, "%to", row, "%along")
    led, less = [("%to", f"%led_{name}", t.matrix)], [("%to", f"%less_{name}", t.matrix)]
    start, rest = f"%start{name}", f"%rest{name}"
    behind = f"{rest} to {size}"
    return f"""
        {rest} = arith.addi {first}, %c1 : index
        %tiles_{name} = arith.divui {first}, %columns : index
        {start} = arith.muli %tiles_{name}, %columns : index
        {loop(f"%squares_{name}", "%along", behind, [("%sum", "%none", t.vector)], square, ["%more"], "%columns")}
        %tail_{name} = vector.reduction <add>, %squares_{name} : {t.vector} into {kind}
        {element(t, f"%head_{name}", matrix, row, first)}
        %head_{name}_2 = arith.mulf %head_{name}, %head_{name} : {kind}
        %norm_{name}_2 = arith.addf %head_{name}_2, %tail_{name} : {kind}
        %norm_{name} = math.sqrt %norm_{name}_2 : {kind}
        %minus_{name} = arith.negf %norm_{name} : {kind}
        %is_positive_{name} = arith.cmpf oge, %head_{name}, %zero : {kind}
        %turned_{name} = arith.select %is_positive_{name}, %minus_{name}, %norm_{name} : {kind}
        %is_done_{name} = arith.cmpf olt, %tail_{name}, %negligible : {kind}
        %beta{name} = arith.select %is_done_{name}, %head_{name}, %turned_{name} : {kind}
        %difference_{name} = arith.subf %head_{name}, %beta{name} : {kind}
        %lead_{name} = arith.select %is_done_{name}, %one_, %difference_{name} : {kind}
        %first_{name} = arith.select %is_done_{name}, %zero, %one_ : {kind}
        %minus_beta_{name} = arith.negf %beta{name} : {kind}
        %divisor_{name} = arith.select %is_done_{name}, %one_, %minus_beta_{name} : {kind}
        %tau{name} = arith.divf %difference_{name}, %divisor_{name} : {kind}
        %tau{name}v = vector.broadcast %tau{name} : {kind} to {t.vector}
        %inverse_{name} = arith.divf %one_, %lead_{name} : {kind}
        %inverse_{name}v = vector.broadcast %inverse_{name} : {kind} to {t.vector}
        {loop(f"%scaled_{name}", "%along", behind, [("%to", matrix, t.matrix)], scaled, ["%g"], "%columns")}
        {put(f"%led_{name}", f"%first_{name}", kind, f"%scaled_{name}", row, first)}
        {loop(f"%less_{name}", "%along", f"%c0 to {start}", led, emptied, ["%f"], "%columns")}
        {loop(f"%m{name}", "%along", f"{start} to {first}", less, zero, ["%f"])}"""


def group_count(result: str, reflections: str) -> str:
    """Return lines for the number of groups that so many reflections are."""
    return f"""
        {result}_size = arith.constant {TOGETHER} : index
        {result} = arith.ceildivui {reflections}, {result}_size : index"""


def product_of_reflections(
    t: Tile, result: str, into: str, rows: str, taus: str, offset: str, size: str = "%n", columns: str = "%n"
) -> str:
    """Return lines for the product of all reflections, [size, columns], in which the first comes first.

    Args:
      result: the name of the product.
      into: memory.
      rows: the matrix with the vectors, of which row %last is the last.
      taus: the numbers tau, of which that of %last is 0.
      offset: how far behind the diagonal the 1 of each vector is.
      size: how many elements the vectors have.
      columns: how many columns of the product there are.
    """
    zeros = loop(
        "%emptied",
        "%i",
        f"%c0 to {size}",
        [("%to", "%wholes", t.matrix)],
        write(t, "%f", "%none", "%to", "%i", "%at"),
        ["%f"],
    )
    ones = put("%f", "%one_", t.element, "%to", "%i", "%i")
    one = f"""
        %after = arith.addi %back, %c1 : index
        %number = arith.subi %groups, %after : index
        {reflected(t, "%less", "%y", rows, taus, offset, size, forward=False)}"""
    strip = f"""
        %beyond = arith.addi %at, %columns : index
        %end = arith.minui %beyond, {columns} : index
        {zeros}
        {loop("%unit", "%i", "%at to %end", [("%to", "%emptied", t.matrix)], ones, ["%f"])}
        %applied = arith.minui %end, %last : index
        {group_count("%groups", "%applied")}
        {loop("%whole", "%back", "%c0 to %groups", [("%y", "%unit", t.matrix)], one, ["%less"])}"""
    return loop(result, "%at", f"%c0 to {columns}", [("%wholes", into, t.matrix)], strip, ["%whole"], "%columns")


def reflected(t: Tile, result: str, into: str, rows: str, taus: str, offset: str, size: str, *, forward: bool) -> str:
    """Return lines for a matrix with its strip at %at reflected by group %number; the other arguments as above.

    Args:
      result: the name of the matrix then.
      into: the matrix.
      rows, taus, offset, size: as `product_of_reflections` takes them.
      forward: whether the first reflection of the group is applied first; the last is if not.
    """
    some = range(TOGETHER)
    order = list(some) if forward else list(reversed(some))
    pairs = [(r, q) for r in some for q in range(r + 1, TOGETHER)]
    lines = [
        f"%group = arith.constant {TOGETHER} : index",
        "%j0_ = arith.muli %number, %group : index",
        f"%from = arith.addi %j0_, {offset} : index",
        "%tiles = arith.divui %from, %columns : index",
        "%aligned = arith.muli %tiles, %columns : index",
    ]
    for r in some:
        lines.append(f"%o{r} = arith.constant {r} : index")
        lines.append(f"%jj{r} = arith.addi %j0_, %o{r} : index")
        lines.append(f"%j{r} = arith.minui %jj{r}, %last : index")
        lines.append(element(t, f"%tau{r}", taus, f"%j{r}"))
    gram = [read(t, f"%row{r}", rows, f"%j{r}", "%k") for r in some]
    gram += [t.plus(f"%m{r}{q}", f"%s{r}{q}", f"%row{r}", f"%row{q}") for r, q in pairs]
    start = [(f"%s{r}{q}", "%none", t.vector) for r, q in pairs]
    after = [f"%m{r}{q}" for r, q in pairs]
    lines.append(loop("%grams", "%k", f"%aligned to {size}", start, "\n".join(gram), after, "%columns"))
    factors = "\n".join(element(t, f"%factor{r}", rows, f"%j{r}", "%i") for r in some)
    sums = [factors, read(t, "%x", into, "%i", "%at")]
    sums += [t.plus(f"%m{r}", f"%s{r}", f"%factor{r}v", "%x") for r in some]
    start = [(f"%s{r}", "%none", t.vector) for r in some]
    lines.append(loop("%total", "%i", f"%from to {size}", start, "\n".join(sums), [f"%m{r}" for r in some]))
    for place, r in enumerate(order):
        value = f"%total#{r}"
        for q in order[:place]:
            pair = f"{min(r, q)}{max(r, q)}"
            number = pairs.index((min(r, q), max(r, q)))
            lines.append(f"%gram{pair} = vector.reduction <add>, %grams#{number} : {t.vector} into {t.element}")
            lines.append(f"%gram{pair}v = vector.broadcast %gram{pair} : {t.element} to {t.vector}")
            lines.append(t.minus(f"%z{pair}", value, f"%gram{pair}v", f"%c{q}_"))
            value = f"%z{pair}"
        lines.append(f"%c{r}_ = arith.mulf %tau{r}v, {value} : {t.vector}")
    less = [factors, read(t, "%x", "%to", "%i", "%at")]
    value = "%x"
    for r in some:
        less.append(t.minus(f"%m{r}", value, f"%factor{r}v", f"%c{r}_"))
        value = f"%m{r}"
    less.append(write(t, "%f", value, "%to", "%i", "%at"))
    lines.append(loop(result, "%i", f"%from to {size}", [("%to", into, t.matrix)], "\n".join(less), ["%f"]))
    return "\n".join(lines)
