"""Rows that are added to rows of an array at run-time places, or written there, on the CPU: a kernel of our own.

IREE (3.13) changes one element after another, on one thread. Here a workgroup has some of the columns, and takes all
rows in their order: of equal places the last is written, and sums do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.kernel_arithmetic import let
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import HANDED_OUT, Array, executable
from difc.pipelines.lowering.matmul_kernel import KERNELS
from difc.pipelines.target import VectorUnit

__all__ = ["are_many_rows", "change_rows"]

SMALLEST_ROW = 4  # elements
SMALLEST_WORK = 2**12  # elements of all rows that are added
_SHARE = 2  # the kernel copies the array, so it may not have so many times more rows than are added


def are_many_rows(sizes: Sequence[Size], element: ir.Type) -> bool:
    """Say whether rows had better be changed by the kernel.

    Args:
      sizes: rows of the array, columns, and rows that are added. The kernel takes only known ones, as the array is
        updated in place without it.
      element: the type of the elements.
    """
    if str(element) not in KERNELS or not all(isinstance(size, int) for size in sizes):
        return False
    rows, width, count = sizes
    return width >= SMALLEST_ROW and count * width >= SMALLEST_WORK and _SHARE * count >= rows


def change_rows(
    c: Context,
    x: ir.Value,
    places: ir.Value,
    updates: ir.Value,
    sizes: Sequence[Size],
    *,
    is_added: bool,
    unit: VectorUnit,
) -> ir.Value:
    """Append a call of the kernel.

    Args:
      c: where to append.
      x: `tensor<rows x width>`.
      places: `tensor<count x i32>`, rows of x; beyond the last for updates that are dropped.
      updates: `tensor<count x width>`.
      sizes: rows, width, count.
      is_added: whether updates are added, or else written.
      unit: what the processor has.

    Returns:
      `tensor<rows x width>`.
    """
    rows, width, count = sizes
    text = partial(_kernel_text, unit=unit, is_added=is_added)
    arrays = [(x, [rows, width]), (places, [count]), (updates, [count, width])]
    name, element = "add_rows" if is_added else "write_rows", element_of(x)
    return call_kernel(c, name, text, element, arrays, sizes, [([rows, width], element)])[0]


def _kernel_text(name: str, element: str, unit: VectorUnit, *, is_added: bool) -> str:
    """Return the executable, for the run-time sizes rows, width, count."""
    columns = 2 * unit.bytes // KERNELS[element]
    x, places, updates, out = (
        Array("x", "read", element, ("rows", "width")),
        Array("places", "read", "i32", ("count",)),
        Array("updates", "read", element, ("count", "width")),
        Array("out", "write", element, ("rows", "width")),
    )
    cuts = let(f"part = max(ceil(ceil(width, {unit.threads}), {columns}), 1) * {columns}")
    place = let(
        f"n0 = strip // {HANDED_OUT} * part",
        f"works = strip % {HANDED_OUT} == 0",
        "wide = min(width - n0, part) if works else 0",
        f"whole = wide // {columns} * {columns}",
        "left = wide - whole",
        "rows_here = rows if works else 0",
        "count_here = count if works else 0",
    )
    matrix, change = f"tensor<?x?x{element}>", partial(_changed_row, element, columns)
    body = f"""
      {cuts}
      {place}
      %columns = arith.constant {columns} : index
      %zero = arith.constant 0.0 : {element}
      %rest = vector.create_mask %left : vector<{columns}xi1>
      {x.load_part("%given", 1, "%n0", "%wide")}
      {updates.load_part("%changes", 1, "%n0", "%wide")}
      {places.load_whole("%all_places")}
      %empty = tensor.empty(%rows, %wide) : {matrix}
      %start = scf.for %row = %c0 to %rows_here step %c1 iter_args(%into = %empty) -> {matrix} {{
        {change("%copied", "%row", "%given", "%row", ends=("%whole", "%wide"))}
        scf.yield %copied : {matrix}
      }}
      %end = scf.for %number = %c0 to %count_here step %c1 iter_args(%into = %start) -> {matrix} {{
        %place_ = tensor.extract %all_places[%number] : tensor<?xi32>
        %place = arith.index_cast %place_ : i32 to index
        {let("is_inside = place < rows", "whole_in = whole if is_inside else 0", "wide_in = wide if is_inside else 0")}
        {change("%next", "%place", "%changes", "%number", ends=("%whole_in", "%wide_in"), is_added=is_added)}
        scf.yield %next : {matrix}
      }}
      {out.store_part("%end", 1, "%n0", "%wide")}"""
    across = "\n".join([cuts, let(f"across = ceil(width, part) * {HANDED_OUT}")])
    sizes = ("rows", "width", "count")
    return executable(name, [x, places, updates, out], sizes, across, body, repeat=False)


def _changed_row(
    element: str,
    columns: int,
    result: str,
    place: str,
    source: str,
    number: str,
    ends: tuple[str, str],
    is_added: bool = False,
) -> str:
    """Return the lines that change row `place` of `%into` by row `number` of a source.

    Args:
      element: the type of the elements.
      columns: of a vector.
      result: the name of what `%into` is then.
      place: the row of `%into`.
      source: the array that the other row is of.
      number: the other row.
      ends: where the vectors of columns end that are whole, and where the columns do.
      is_added: whether the other row is added, or else written.
    """
    matrix, vector = f"tensor<?x?x{element}>", f"vector<{columns}x{element}>"

    def change(mask: str) -> str:
        def read(name: str, array: str, row: str) -> str:
            at = f"{array}[{row}, %column], %zero{mask}"
            return f"{name} = vector.transfer_read {at} {{in_bounds = [true]}} : {matrix}, {vector}"

        lines, new = [read("%new", source, number)], "%new"
        if is_added:
            lines += [read("%old", "%to", place), f"%sum = arith.addf %old, %new : {vector}"]
            new = "%sum"
        at = f"%to[{place}, %column]{mask}"
        lines += [
            f"%changed = vector.transfer_write {new}, {at} {{in_bounds = [true]}} : {vector}, {matrix}",
            f"scf.yield %changed : {matrix}",
        ]
        return "\n".join(lines)

    whole, end = ends
    return f"""
        {result}_ = scf.for %column = %c0 to {whole} step %columns iter_args(%to = %into) -> {matrix} {{
          {change("")}
        }}
        {result} = scf.for %column = {whole} to {end} step %columns iter_args(%to = {result}_) -> {matrix} {{
          {change(", %rest")}
        }}"""
