"""The matmul kernel, as text: `[batch, m, k] x [batch, k, n]` of any sizes, in vectors of the processor's own width.

Each operand is a flat array: a matrix in row-major order or, turned, with its two dims swapped.

A workgroup computes a part of the result, of `rows` rows. For each slice of `depth` along k, which of the left operand
fits the second cache, it takes a panel of `columns` after the other. It copies the panel of the right operand into a
buffer that fits the first cache, where neighbours in k lie side by side (read in place, a column of a matrix with a
power of two of columns would map to a few cache lines only); a turned operand is transposed on the way, a square of
vectors at a time. Then a tile of `tile_rows` x `columns` after the other is kept in registers
while k runs: some vector loads of the right operand and one broadcast of the left one for each row. (Goto and van de
Geijn, "Anatomy of high-performance matrix multiplication", 2008, without the copy of the left operand: a row of a tile
is read in order or, turned, beside the other rows.) What the slices before have left in the result is added when a tile
is done: the processor waits for it while it multiplies for the next one. In the first slice nothing is read: to wait
for what lies in new memory took up to a tenth of the time.

Where the processor has a tile unit, that has its turn first in float32 (`matmul_tiles.py`), and what it could not do is
left to the code here.

Edges cost no other code: rows beyond the last are the last once more, columns beyond the last are masked where they are
read and stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from difc.pipelines.lowering.kernel_arithmetic import let
from difc.pipelines.lowering.kernel_text import HANDED_OUT, Array, address, executable, multiply_add, transposition
from difc.pipelines.lowering.matmul_operands import MEMORY, ROWS, STEP
from difc.pipelines.lowering.matmul_tiles import SMALLEST, tiles_text
from difc.pipelines.target import VectorUnit

__all__ = ["ADDED", "KERNELS", "PRODUCT", "SIZES", "SUBTRACTED", "kernel_text"]

#: Element types, with their bytes.
KERNELS = {"f32": 4, "f64": 8}
#: The run-time sizes: of the operands, and those of each as a flat array, with 1 for one that is turned; those of what
#: the product is added to and of its factor, as flat arrays, which are not read if it is not.
SIZES = ("batch", "m", "n", "k", "x_size", "y_size", "x_turned", "y_turned", "base_size", "scale_size", "updates")
#: What `updates` says of the result: the product; that times the scale, added to the base; subtracted from the base.
PRODUCT, ADDED, SUBTRACTED = 0, 1, 2
#: Rows of parts that are computed together, the first part of each before the second one of any: threads that work
#: side by side then write to other rows, not to the two parts of a cache line.
_TOGETHER = 2
_WIDEST = 512  # columns of a part
_BUFFER = 32768  # bytes, for a first-level cache of 48 KB; IREE's limit for a stack too


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its work.

    Attributes:
      square: rows of what is transposed at once, at most the elements of a vector.
      columns: of a panel, some vectors.
      depth: rows of the buffer.
      tile_rows: of what registers hold, `tile_rows` x `columns`.
      rows: of a part, at most; parts are of one height.
    """

    square: int
    columns: int
    depth: int
    tile_rows: int = 6
    rows: int = 192

    @classmethod
    def of(cls, element: str, unit: VectorUnit) -> Tiles:
        """Return the tiles for a processor: as many vectors a row as leave registers for the operands."""
        lanes = unit.bytes // KERNELS[element]
        columns = (4 if unit.registers >= 32 else 2) * lanes
        return cls(lanes, columns, _BUFFER // (columns * KERNELS[element]))


def _lines(*templates: str, count: int) -> str:
    """Repeat lines for each row of a tile: `@` is the row, `@next` the one after."""
    lines = "\n".join(templates)
    return "\n".join(lines.replace("@next", str(i + 1)).replace("@", str(i)) for i in range(count))


def _copy_of_columns(t: Tiles, element: str) -> str:
    """Return the lines that copy a slice of columns of the right operand into the buffer, one of two loops being empty.

    The squares of a turned operand may reach beyond its last column, which is repeated, and beyond the last step.
    """
    vector, flat = f"vector<{t.columns}x{element}>", f"tensor<?x{element}>"
    side, size = t.square, KERNELS[element]
    half, row_bytes = f"vector<{side}x{element}>", t.columns * size
    starts = let(*(f"from{i} = (panel_n0 + min(column + {i}, last_column)) * k + ki" for i in range(side)))
    read = _lines(
        f"%row@ = vector.transfer_read %y_flat[%from@], %zero, %inside_ {{in_bounds = [true]}} : {flat}, {half}",
        count=side,
    )
    shuffles, turned = transposition([f"%row{i}" for i in range(side)], half)
    write = "\n".join(
        f"{address(f'%to{i}', i * row_bytes, ('%i', row_bytes), ('%column', size))}\n"
        f"llvm.store {turned}{i}, %to{i} : {half}, !llvm.ptr"
        for i in range(side)
    )
    return f"""
        %side = arith.constant {side} : index
        {let("to_copy = slice if y_turned == 0 else 0", "to_turn = 0 if y_turned == 0 else slice")}
        scf.for %i = %c0 to %to_copy step %c1 {{
          {let("from = (k0 + i) * n + panel_n0")}
          %v = vector.transfer_read %y_flat[%from], %zero, %inside {{in_bounds = [true]}} : {flat}, {vector}
          {address("%to", 0, ("%i", row_bytes))}
          llvm.store %v, %to : {vector}, !llvm.ptr
        }}
        scf.for %i = %c0 to %to_turn step %side {{
          {let("ki = k0 + i", "steps_left = slice - i")}
          %inside_ = vector.create_mask %steps_left : vector<{side}xi1>
          scf.for %column = %c0 to %columns step %side {{
{starts}
{read}
{shuffles}
{write}
          }}
        }}"""


def kernel_text(name: str, element: str, unit: VectorUnit) -> str:
    """Return the executable of `out = x y`, or `out = base + scale (x y)`, for the run-time sizes `SIZES`.

    Args:
      name: of the executable, its export and its function.
      element: "f32" or "f64".
      unit: what the processor has; without a fused multiply-add, products are rounded before they are added.
    """
    with_tiles = unit.tiles and element == "f32"
    t = Tiles.of(element, unit)
    if with_tiles:
        t = replace(t, square=t.square // 2)  # less code, of which the tiles have much; only small matrices come here
    vector, flat, matrix = f"vector<{t.columns}x{element}>", f"tensor<?x{element}>", f"tensor<?x?x{element}>"
    mask, memory = f"vector<{t.columns}xi1>", max(_BUFFER, MEMORY) if with_tiles else _BUFFER
    x = Array("x", "read", element, ("batch", "x_size"))
    y = Array("y", "read", element, ("batch", "y_size"))
    base = Array("base", "read", element, ("batch", "base_size"))
    scale = Array("scale", "read", element, ("batch", "scale_size"))
    out = Array("out", "write", element, ("batch", "m", "n"))
    rows = t.tile_rows
    starts = "\n".join(
        let(f"in{i} = row + {i} if row + {i} < height else row", f"s{i} = (m0 + in{i}) * x_m") for i in range(rows)
    )
    before = _lines(
        f"%b@ = vector.transfer_read %w0[%in@, %column0], %zero, %inside {{in_bounds = [true]}} : {matrix}, {vector}",
        count=rows,
    )
    bases = "\n".join(
        let(f"base_at{i} = (m0 + in{i}) * n + panel_n0") + "\n"
        f"%base_row{i} = vector.transfer_read %base_flat[%base_at{i}], %zero, %inside {{in_bounds = [true]}} "
        f": {flat}, {vector}"
        for i in range(rows)
    )
    names = lambda prefix: ", ".join(f"%{prefix}{i}" for i in range(rows))  # noqa: E731
    products = _lines(
        "%x_at@ = arith.addi %s@, %x_ki : index",
        f"%e@ = tensor.extract %x_flat[%x_at@] : {flat}",
        f"%v@ = vector.broadcast %e@ : {element} to {vector}",
        multiply_add("%f@", "%a@", "%v@", "%y_row", vector, unit.fma),
        count=rows,
    )
    ends = _lines(
        f"%t@_ = arith.mulf %scales, %tile#@ : {vector}",
        f"%t@ = arith.addf %before#@, %t@_ : {vector}",
        "%w@next = vector.transfer_write %t@, %w@[%in@, %column0], %inside {in_bounds = [true]} : "
        f"{vector}, {matrix}",
        count=rows,
    )
    accumulators = ", ".join(f"%a{i} = %nothing" for i in range(rows))
    types = ", ".join([vector] * rows)
    either = lambda tiles, vectors: f"({tiles} if for_tiles else {vectors})" if with_tiles else str(vectors)  # noqa: E731
    cuts = let(
        f"for_tiles = min(min(m, n), k) >= {SMALLEST}",
        f"part_step = {either(STEP, t.tile_rows)}",
        f"fewest = max(ceil(m, {either(ROWS, t.rows)}), 1)",  # they are divided by
        f"even_columns = min(ceil(n, ceil({either(unit.threads, 2 * unit.threads)}, fewest)), {_WIDEST})",
        f"part_columns = max(ceil(even_columns, {t.columns}), 1) * {t.columns}",
    )
    done, begun, columns_left = "", "%part_", "width"
    if with_tiles:
        done, begun, columns_left = tiles_text(matrix), "%part_tiles", "0 if is_done else width"
    across = "\n".join([cuts, let(f"across = ceil(n, part_columns) * fewest * {HANDED_OUT}")])
    place = let(
        "panels = ceil(n, part_columns)",
        "rows = ceil(ceil(m, fewest), part_step) * part_step",
        f"part_number = strip // {HANDED_OUT}",
        f"works = strip % {HANDED_OUT} == 0",
        "k_end = max(k, 1) if works else 0",  # without anything to add up, zeros are written
        f"first = part_number // (panels * {_TOGETHER}) * {_TOGETHER}",
        f"place = part_number % (panels * {_TOGETHER})",
        f"members = min(fewest - first, {_TOGETHER})",
        "n0 = place // members * part_columns",
        "m0 = (first + place % members) * rows",
        "width = min(n - n0, part_columns)",
        "height = min(m - m0, rows) if works else 0",
        "x_m = k if x_turned == 0 else 1",
        "x_k = 1 if x_turned == 0 else m",
    )
    panel = let(
        "panel_n0 = n0 + column0",
        f"panel_width = min(width - column0, {t.columns})",
        "last_column = panel_width - 1",
    )
    body = f"""
      {cuts}
      {place}
      %columns = arith.constant {t.columns} : index
      %tile_rows = arith.constant {t.tile_rows} : index
      %depth = arith.constant {t.depth} : index
      %zero = arith.constant 0.0 : {element}
      {x.load("%x_flat")}
      {y.load("%y_flat")}
      {base.load("%base_flat")}
      {scale.load("%scale_flat")}
      {let(f"is_update = updates != {PRODUCT}", f"is_subtracted = updates == {SUBTRACTED}")}
      %factor = scf.if %is_update -> ({element}) {{
        %factor_ = tensor.extract %scale_flat[%c0] : {flat}
        %less = arith.negf %factor_ : {element}
        %signed = arith.select %is_subtracted, %less, %factor_ : {element}
        scf.yield %signed : {element}
      }} else {{
        %one = arith.constant 1.0 : {element}
        scf.yield %one : {element}
      }}
      %part_ = tensor.empty(%height, %width) : {matrix}
      %memory_size = llvm.mlir.constant({memory} : i64) : i64
      %memory = llvm.alloca %memory_size x i8 {{alignment = 256 : i64}} : (i64) -> !llvm.ptr
      {done}
      {let(f"columns_left = {columns_left}")}
      %nothing = vector.broadcast %zero : {element} to {vector}
      %scales = vector.broadcast %factor : {element} to {vector}
      %part = scf.for %k0 = %c0 to %k_end step %depth iter_args(%q0 = {begun}) -> {matrix} {{
        {let("is_first = k0 == 0", f"slice = min(k - k0, {t.depth})")}
        %q1 = scf.for %column0 = %c0 to %columns_left step %columns iter_args(%p0 = %q0) -> {matrix} {{
          {panel}
          %inside = vector.create_mask %panel_width : {mask}
          {_copy_of_columns(t, element)}
          %p1 = scf.for %row = %c0 to %height step %tile_rows iter_args(%w0 = %p0) -> {matrix} {{
            {starts}
            %tile:{rows} = scf.for %i = %c0 to %slice step %c1 iter_args({accumulators}) -> ({types}) {{
              {address("%y_at", 0, ("%i", t.columns * KERNELS[element]))}
              %y_row = llvm.load %y_at : !llvm.ptr -> {vector}
              {let("x_ki = (k0 + i) * x_k")}
              {products}
              scf.yield {names("f")} : {types}
            }}
            %before:{rows} = scf.if %is_first -> ({types}) {{
              %start:{rows} = scf.if %is_update -> ({types}) {{
                {bases}
                scf.yield {names("base_row")} : {types}
              }} else {{
                scf.yield {", ".join(["%nothing"] * rows)} : {types}
              }}
              scf.yield {names("start#")} : {types}
            }} else {{
              {before}
              scf.yield {names("b")} : {types}
            }}
            {ends}
            scf.yield %w{rows} : {matrix}
          }}
          scf.yield %p1 : {matrix}
        }}
        scf.yield %q1 : {matrix}
      }}
      {out.store_block("%part", ["%m0", "%n0"], ["%height", "%width"])}"""
    return executable(name, [x, y, base, scale, out], SIZES, across, body)
