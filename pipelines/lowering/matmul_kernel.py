"""The matmul kernel, as text: `[batch, m, k] x [batch, k, n]` of any sizes, in vectors of the processor's own width.

Each operand is a flat array: a matrix in row-major order or, turned, with its two dims swapped.

A workgroup computes a panel of the result, `rows` x `columns`. For each slice of `depth` along k it copies its columns
of the right operand into a buffer that fits the first cache, where neighbours in k lie side by side (read in place, a
column of a matrix with a power of two of columns would map to a few cache lines only); a turned operand is transposed
on the way, a square of vectors at a time. Then a tile of `tile_rows` x `columns` after the other is kept in registers
while k runs: some vector loads of the right operand and one broadcast of the left one for each row. (Goto and van de
Geijn, "Anatomy of high-performance matrix multiplication", 2008, without the copy of the left operand: a row of a tile
is read in order or, turned, beside the other rows.) What the slices before have left in the result is added when a tile
is done: the processor waits for it while it multiplies for the next one. In the first slice nothing is read: to wait
for what lies in new memory took up to a tenth of the time.

Edges cost no other code: rows beyond the last are the last once more, columns beyond the last are masked where they are
read and stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from difc.pipelines.lowering.kernel_text import Array, executable, transposition
from difc.pipelines.target import VectorUnit

__all__ = ["KERNELS", "SIZES", "kernel_text"]

#: Element types, with their bytes.
KERNELS = {"f32": 4, "f64": 8}
#: The run-time sizes: of the operands, and those of each as a flat array, with 1 for one that is turned.
SIZES = ("batch", "m", "n", "k", "x_size", "y_size", "x_turned", "y_turned")
#: Of many workgroups, a thread of IREE takes eight at a time; all but the first of eight have nothing to do here, as
#: 24 panels would be two threads' work for the time of 32.
_HANDED_OUT = 8
#: Rows of panels that are computed together, the first panel of each before the second one of any: threads that work
#: side by side then write to other rows, not to the two parts of a cache line.
_TOGETHER = 2
_BUFFER = 32768  # bytes, for a first-level cache of 48 KB; IREE's limit for a stack too


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its work.

    Attributes:
      lanes: elements of a vector.
      columns: of a panel, some vectors.
      depth: rows of the buffer.
      tile_rows: of what registers hold, `tile_rows` x `columns`.
      rows: of a panel, at most; panels are of one height.
    """

    lanes: int
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
    side, buffer = t.lanes, f"tensor<{t.depth}x{t.columns}x{element}>"
    half = f"vector<{side}x{element}>"
    read = _lines(
        "%j@ = arith.constant @ : index",
        "%wanted@ = arith.addi %column, %j@ : index",
        "%nearest@ = arith.minui %wanted@, %last_column : index",
        "%number@ = arith.addi %n0, %nearest@ : index",
        "%start@ = arith.muli %number@, %k : index",
        "%from@ = arith.addi %start@, %ki : index",
        f"%row@ = vector.transfer_read %y_flat[%from@], %zero, %inside_ {{in_bounds = [true]}} : {flat}, {half}",
        count=side,
    )
    shuffles, turned = transposition([f"%row{i}" for i in range(side)], half)
    write = _lines(
        "%i@ = arith.addi %i, %j@ : index",
        f"%to@next = vector.transfer_write {turned}@, %to@[%i@, %column] {{in_bounds = [true]}} : {half}, {buffer}",
        count=side,
    )
    return f"""
        %side = arith.constant {side} : index
        %lies = arith.cmpi eq, %y_turned, %c0 : index
        %to_copy = arith.select %lies, %slice, %c0 : index
        %to_turn = arith.select %lies, %c0, %slice : index
        %copied = scf.for %i = %c0 to %to_copy step %c1 iter_args(%to = %old) -> {buffer} {{
          %ki = arith.addi %k0, %i : index
          %start = arith.muli %ki, %n : index
          %from = arith.addi %start, %n0 : index
          %v = vector.transfer_read %y_flat[%from], %zero, %inside {{in_bounds = [true]}} : {flat}, {vector}
          %w = vector.transfer_write %v, %to[%i, %c0] {{in_bounds = [true]}} : {vector}, {buffer}
          scf.yield %w : {buffer}
        }}
        %buffer = scf.for %i = %c0 to %to_turn step %side iter_args(%before = %copied) -> {buffer} {{
          %ki = arith.addi %k0, %i : index
          %steps_left = arith.subi %slice, %i : index
          %inside_ = vector.create_mask %steps_left : vector<{side}xi1>
          %squares = scf.for %column = %c0 to %columns step %side iter_args(%to0 = %before) -> {buffer} {{
{read}
{shuffles}
{write}
            scf.yield %to{side} : {buffer}
          }}
          scf.yield %squares : {buffer}
        }}"""


def kernel_text(name: str, element: str, unit: VectorUnit) -> str:
    """Return the executable of `out = x y`, for the run-time sizes `SIZES`.

    Args:
      name: of the executable, its export and its function.
      element: "f32" or "f64".
      unit: what the processor has; without a fused multiply-add, products are rounded before they are added.
    """
    t = Tiles.of(element, unit)
    vector, flat, matrix = f"vector<{t.columns}x{element}>", f"tensor<?x{element}>", f"tensor<?x?x{element}>"
    buffer, mask = f"tensor<{t.depth}x{t.columns}x{element}>", f"vector<{t.columns}xi1>"
    x = Array("x", "read", element, ("batch", "x_size"))
    y = Array("y", "read", element, ("batch", "y_size"))
    out = Array("out", "write", element, ("batch", "m", "n"))
    rows = t.tile_rows
    starts = _lines(
        "%i@ = arith.constant @ : index",
        "%r@ = arith.addi %row, %i@ : index",
        "%is_row@ = arith.cmpi ult, %r@, %height : index",
        "%in@ = arith.select %is_row@, %r@, %row : index",
        "%at@ = arith.addi %m0, %r@ : index",
        "%begin@ = arith.muli %at@, %x_m : index",
        "%s@ = arith.select %is_row@, %begin@, %begin0 : index",
        count=rows,
    )
    before = _lines(
        f"%b@ = vector.transfer_read %w0[%in@, %c0], %zero, %inside {{in_bounds = [true]}} : {matrix}, {vector}",
        count=rows,
    )
    fused = f"%f@ = vector.fma %v@, %y_row, %a@ : {vector}"
    rounded = f"%u@ = arith.mulf %v@, %y_row : {vector}\n%f@ = arith.addf %a@, %u@ : {vector}"
    products = _lines(
        "%x_at@ = arith.addi %s@, %x_ki : index",
        f"%e@ = tensor.extract %x_flat[%x_at@] : {flat}",
        f"%v@ = vector.broadcast %e@ : {element} to {vector}",
        fused if unit.fma else rounded,
        count=rows,
    )
    ends = _lines(
        f"%t@ = arith.addf %before#@, %tile#@ : {vector}",
        f"%w@next = vector.transfer_write %t@, %w@[%in@, %c0], %inside {{in_bounds = [true]}} : {vector}, {matrix}",
        count=rows,
    )
    accumulators = ", ".join(f"%a{i} = %nothing" for i in range(rows))
    results, types = ", ".join(f"%f{i}" for i in range(rows)), ", ".join([vector] * rows)
    cuts = f"""
    %columns = arith.constant {t.columns} : index
    %tile_rows = arith.constant {t.tile_rows} : index
    %most_rows = arith.constant {t.rows} : index
    %handed_out = arith.constant {_HANDED_OUT} : index
    %panels = arith.ceildivui %n, %columns : index
    %fewest = arith.ceildivui %m, %most_rows : index"""
    across = f"""{cuts}
    %parts = arith.muli %panels, %fewest : index
    %across = arith.muli %parts, %handed_out : index"""
    body = f"""{cuts}
      %depth = arith.constant {t.depth} : index
      %zero = arith.constant 0.0 : {element}
      %even_rows = arith.ceildivui %m, %fewest : index
      %tiles = arith.ceildivui %even_rows, %tile_rows : index
      %rows = arith.muli %tiles, %tile_rows : index
      %part_number = arith.divui %strip, %handed_out : index
      %turn = arith.remui %strip, %handed_out : index
      %works = arith.cmpi eq, %turn, %c0 : index
      %k_end = arith.select %works, %k, %c0 : index
      %together = arith.constant {_TOGETHER} : index
      %in_group = arith.muli %panels, %together : index
      %group = arith.divui %part_number, %in_group : index
      %place = arith.remui %part_number, %in_group : index
      %first = arith.muli %group, %together : index
      %others = arith.subi %fewest, %first : index
      %members = arith.minui %others, %together : index
      %member = arith.remui %place, %members : index
      %panel_number = arith.divui %place, %members : index
      %down = arith.addi %first, %member : index
      %n0 = arith.muli %panel_number, %columns : index
      %m0 = arith.muli %down, %rows : index
      %n_left = arith.subi %n, %n0 : index
      %width = arith.minui %n_left, %columns : index
      %m_left = arith.subi %m, %m0 : index
      %full_height = arith.minui %m_left, %rows : index
      %height = arith.select %works, %full_height, %c0 : index
      %last_column = arith.subi %width, %c1 : index
      %x_lies = arith.cmpi eq, %x_turned, %c0 : index
      %x_m = arith.select %x_lies, %k, %c1 : index
      %x_k = arith.select %x_lies, %c1, %m : index
      {x.load("%x_flat")}
      {y.load("%y_flat")}
      %inside = vector.create_mask %width : {mask}
      %nothing = vector.broadcast %zero : {element} to {vector}
      %part_ = tensor.empty(%height, %width) : {matrix}
      %buffer_ = tensor.empty() : {buffer}
      %part:2 = scf.for %k0 = %c0 to %k_end step %depth
          iter_args(%p0 = %part_, %old = %buffer_) -> ({matrix}, {buffer}) {{
        %is_first = arith.cmpi eq, %k0, %c0 : index
        %k_left = arith.subi %k, %k0 : index
        %slice = arith.minui %k_left, %depth : index
{_copy_of_columns(t, element)}
        %p1 = scf.for %row = %c0 to %height step %tile_rows iter_args(%w0 = %p0) -> {matrix} {{
{starts}
          %tile:{rows} = scf.for %i = %c0 to %slice step %c1 iter_args({accumulators}) -> ({types}) {{
            %y_row = vector.transfer_read %buffer[%i, %c0], %zero {{in_bounds = [true]}} : {buffer}, {vector}
            %ki = arith.addi %k0, %i : index
            %x_ki = arith.muli %ki, %x_k : index
{products}
            scf.yield {results} : {types}
          }}
          %before:{rows} = scf.if %is_first -> ({types}) {{
            scf.yield {", ".join(["%nothing"] * rows)} : {types}
          }} else {{
{before}
            scf.yield {", ".join(f"%b{i}" for i in range(rows))} : {types}
          }}
{ends}
          scf.yield %w{rows} : {matrix}
        }}
        scf.yield %p1, %buffer : {matrix}, {buffer}
      }}
      {out.store_block("%part#0", ["%m0", "%n0"], ["%height", "%width"])}"""
    return executable(name, [x, y, out], SIZES, across, body)
