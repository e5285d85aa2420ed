"""The Cholesky kernel for the CPU, as text: matrices of any size at run time, one workgroup for each.

The kernel works on U with U^T U = x, in a workspace, and writes L = U^T in the end. Slices of `_DEPTH` rows of U are
finished one after the other: first the triangle on the diagonal; then, for a strip of columns after the other, the rest
of the slice is solved in a buffer in the first cache, and taken off the rows below it. (Anderson and Dongarra,
"Evaluating block algorithm variants in LAPACK", 1990, call it right-looking.) A tile of `rows` vectors stays in
registers, as in `factor_kernels.py`.

Only reading x and writing L see edges: in the workspace there are whole tiles, with ones on the diagonal beyond the
last row, and some more rows and columns. Its rows seldom begin a power of two apart, so that columns do not map to few
cache lines.
"""

from __future__ import annotations

from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.emitter import Size
from difc.pipelines.lowering.factor_tiles import Tile, solve_within, take_off, written
from difc.pipelines.lowering.kernel_text import NAN, Array, executable, transposition
from difc.pipelines.lowering.points import blocks_of, plus
from difc.pipelines.target import VectorUnit

__all__ = ["cholesky_kernel", "workspace"]

_DEPTH = 48  # rows of a slice: whole tiles


def _tile(element: str, unit: VectorUnit) -> Tile:
    """Return a tile of as many rows as registers hold beside the operands; its triangle fits its columns."""
    columns = Tile.of(element, unit).columns
    return Tile.of(element, unit, rows=min(12 if unit.registers >= 32 else 6, columns))


def workspace(c: Context, n: Size, element: str, unit: VectorUnit) -> list[Size]:
    """Return the sizes of the workspace for a matrix: a square of vectors below whole tiles, a strip of columns beside.

    Rows are whole vectors, so that no vector lies in two cache lines.
    """
    t = _tile(element, unit)
    rows, side = c.product([blocks_of(c, n, t.rows), t.rows]), t.columns // 2
    return [plus(c, rows, side), c.product([blocks_of(c, plus(c, rows, t.columns), side), side])]


def cholesky_kernel(name: str, element: str, unit: VectorUnit) -> str:
    """Return the executable: arrays x and L [batch, n, n], workspace; sizes batch, n, those of the workspace.

    The lower triangle of x is read. If a pivot is not positive, the lower triangle of L is NaN.
    """
    t = _tile(element, unit)
    side = t.columns // 2
    given, factor = (
        Array(each, access, element, ("batch", "n", "n")) for each, access in (("x", "read"), ("l", "write"))
    )
    work = Array("u", "write", element, ("batch", "height", "stride"))
    body = f"""
      %tile_rows = arith.constant {t.rows} : index
      %columns = arith.constant {t.columns} : index
      %side = arith.constant {side} : index
      %depth = arith.constant {_DEPTH} : index
      %zero = arith.constant 0.0 : {element}
      %one = arith.constant 1.0 : {element}
      %nan = arith.constant {NAN[element]} : {element}
      %last = arith.subi %n, %c1 : index
      %rows = arith.subi %height, %side : index
      %buffer_ = tensor.empty() : {t.buffer(_DEPTH)}
{t.each("      %i{i} = arith.constant {i} : index", max(t.rows, side))}
      {given.load("%given")}
{_read(t, side)}
      %factored:2 = scf.for %k0 = %c0 to %rows step %depth
          iter_args(%before = %start, %old = %buffer_) -> ({t.matrix}, {t.buffer(_DEPTH)}) {{
        %below = arith.addi %k0, %depth : index
        %k1 = arith.minsi %below, %rows : index
{_triangle(t)}
{_strips(t)}
        scf.yield %taken#0, %taken#1 : {t.matrix}, {t.buffer(_DEPTH)}
      }}
{_write(t, side)}
      {work.store("%factored#0")}
      {factor.store("%done")}"""
    sizes = ["batch", "n", "height", "stride"]
    return executable(name, [given, factor, work], sizes, "%across = arith.constant 1 : index", body)


def _read(t: Tile, side: int) -> str:
    """Return lines for %start: the workspace with the transpose of %given, a square of vectors at a time.

    Below the diagonal, a strip of columns is filled too: tiles read what lies there, and its value has no meaning.
    """
    vector = f"vector<{side}x{t.element}>"
    square = _turned(
        t,
        side,
        _row("%j") + "%count{i} = arith.select %is_row{i}, %left, %c0 : index\n"
        f"%mask{{i}} = vector.create_mask %count{{i}} : vector<{side}xi1>\n"
        "%v{i} = vector.transfer_read %given[%at{i}, %first], %zero, %mask{i} {{in_bounds = [true]}} : "
        f"{t.matrix}, {vector}",
        "%to{i} = arith.addi %i, %i{i} : index\n"
        "%w{n} = vector.transfer_write {value}, %w{i}[%to{i}, %j] {{in_bounds = [true]}} : "
        f"{vector}, {t.matrix}",
    )
    return f"""
      %room = tensor.empty(%height, %stride) : {t.matrix}
      %copied = scf.for %j = %c0 to %stride step %side iter_args(%from = %room) -> {t.matrix} {{
        %beyond = arith.addi %j, %columns : index
        %behind = arith.minsi %beyond, %rows : index
        %line = scf.for %i = %c0 to %behind step %side iter_args(%w0 = %from) -> {t.matrix} {{
          %first = arith.minsi %i, %last : index
          %to_right = arith.subi %n, %i : index
          %left = arith.maxsi %to_right, %c0 : index
          {square}
          scf.yield %w{side} : {t.matrix}
        }}
        scf.yield %line : {t.matrix}
      }}
      %start = scf.for %i = %n to %rows step %c1 iter_args(%into = %copied) -> {t.matrix} {{
        %unit = tensor.insert %one into %into[%i, %i] : {t.matrix}
        scf.yield %unit : {t.matrix}
      }}"""


def _triangle(t: Tile) -> str:
    """Return lines for %diagonal: %before with the triangle of the slice finished.

    A tile on the diagonal is a loop of one step, so that its values have names of their own.
    """
    row = f"%above = vector.transfer_read %now[%k, %j], %zero {{in_bounds = [true]}} : {t.matrix}, {t.vector}"
    off = take_off(t, "%row", row, f"%e{{i}} = tensor.extract %now[%k, %r{{i}}] : {t.matrix}", first="%k0")
    own = f"%t{{i}}_{{j}} = vector.extract %y{{j}}[{{i}}] : {t.element} from {t.vector}"
    root = f"""%d{{i}} = vector.extract {{z}}[{{i}}] : {t.element} from {t.vector}
      %ok{{i}} = arith.cmpf ogt, %d{{i}}, %zero : {t.element}
      %dd{{i}} = arith.select %ok{{i}}, %d{{i}}, %nan : {t.element}
      %root{{i}} = math.sqrt %dd{{i}} : {t.element}
      %dv{{i}} = vector.broadcast %root{{i}} : {t.element} to {t.vector}
      %rest{{i}} = arith.divf {{z}}, %dv{{i}} : {t.vector}
      %y{{i}} = vector.insert %root{{i}}, %rest{{i}}[{{i}}] : {t.element} into {t.vector}"""
    solved = f"%t{{i}}_{{j}} = tensor.extract %now[%r{{j}}, %r{{i}}] : {t.matrix}"

    def tile(start: str, step: str, scalar: str, divide: str, source: str, result: str) -> str:
        triangle, values = solve_within(t, scalar, divide)
        stores = _chain(
            f"%w{{n}} = vector.transfer_write {{value}}, %w{{i}}[%r{{i}}, %j], %kept {{{{in_bounds = [true]}}}} : "
            f"{t.vector}, {t.matrix}",
            t.rows,
            values,
        )
        return f"""
          {result} = scf.for %j = {start} to %k1 step {step} iter_args(%now = {source}) -> {t.matrix} {{
            %to_k1 = arith.subi %k1, %j : index
            %kept = vector.create_mask %to_k1 : vector<{t.columns}xi1>
            {_rows(t, "%now")}
            {off}
            {triangle}
            {stores.replace("%w0[", "%now[")}
            scf.yield %w{t.rows} : {t.matrix}
          }}"""

    return f"""
        %diagonal = scf.for %row = %k0 to %k1 step %tile_rows iter_args(%given_rows = %before) -> {t.matrix} {{
          {t.each("%r{i} = arith.addi %row, %i{i} : index")}
          {tile("%row", "%depth", own, root, "%given_rows", "%corner")}
          %second = arith.addi %row, %columns : index
          {tile("%second", "%columns", solved, _divided(t, "%now[%r{i}, %r{i}]"), "%corner", "%others")}
          scf.yield %others : {t.matrix}
        }}"""


def _rows(t: Tile, source: str) -> str:
    """Return lines that read a tile, its rows %r0, ... from column %j on, as %a0, ..."""
    return t.each(
        f"%a{{i}} = vector.transfer_read {source}[%r{{i}}, %j], %zero {{{{in_bounds = [true]}}}} : "
        f"{t.matrix}, {t.vector}"
    )


def _divided(t: Tile, place: str) -> str:
    """Return lines that divide a vector by what is on the diagonal: the reciprocal is cheaper."""
    return f"""%d{{i}} = tensor.extract {place} : {t.matrix}
      %inverse{{i}} = arith.divf %one, %d{{i}} : {t.element}
      %dv{{i}} = vector.broadcast %inverse{{i}} : {t.element} to {t.vector}
      %y{{i}} = arith.mulf {{z}}, %dv{{i}} : {t.vector}"""


def _strips(t: Tile) -> str:
    """Return lines for %taken: %diagonal with the slice solved for all columns, and taken off the rows below it."""
    buffer = t.buffer(_DEPTH)

    def off(count: str, solved: str, factors: str) -> str:
        above = f"%above = vector.transfer_read {solved}[%k, %c0], %zero {{in_bounds = [true]}} : {buffer}, {t.vector}"
        factor = f"%e{{i}} = tensor.extract {factors}[%kk, %r{{i}}] : {t.matrix}"
        return take_off(t, count, f"{above}\n%kk = arith.addi %k0, %k : index", factor)

    triangle, values = solve_within(
        t,
        f"%t{{i}}_{{j}} = tensor.extract %strip_[%r{{j}}, %r{{i}}] : {t.matrix}",
        _divided(t, "%strip_[%r{i}, %r{i}]"),
    )
    stores = _chain(
        f"%w{{n}} = vector.transfer_write %g#{{i}}, %w{{i}}[%r{{i}}, %j] {{{{in_bounds = [true]}}}} : "
        f"{t.vector}, {t.matrix}",
        t.rows,
    )
    return f"""
        %taken:2 = scf.for %j = %k1 to %rows step %columns
            iter_args(%strip_ = %diagonal, %kept_ = %old) -> ({t.matrix}, {buffer}) {{
          %solved = scf.for %i = %c0 to %depth step %tile_rows iter_args(%solved_ = %kept_) -> {buffer} {{
            %row = arith.addi %k0, %i : index
            {t.each("%r{i} = arith.addi %row, %i{i} : index")}
            {t.each("%b{i} = arith.addi %i, %i{i} : index")}
            {_rows(t, "%strip_")}
            {off("%i", "%solved_", "%strip_")}
            {triangle}
            {written(t, values, "%solved_", _DEPTH, "%b")}
            scf.yield %w{t.rows - 1} : {buffer}
          }}
          %stored = scf.for %i = %c0 to %depth step %c1 iter_args(%into = %strip_) -> {t.matrix} {{
            %value = vector.transfer_read %solved[%i, %c0], %zero {{in_bounds = [true]}} : {buffer}, {t.vector}
            %to = arith.addi %k0, %i : index
            %more = vector.transfer_write %value, %into[%to, %j] {{in_bounds = [true]}} : {t.vector}, {t.matrix}
            scf.yield %more : {t.matrix}
          }}
          %strip_end = arith.addi %j, %columns : index
          %end = arith.minsi %strip_end, %rows : index
          %less = scf.for %row = %k1 to %end step %tile_rows iter_args(%w0 = %stored) -> {t.matrix} {{
            {t.each("%r{i} = arith.addi %row, %i{i} : index")}
            {_rows(t, "%w0")}
            {off("%depth", "%solved", "%w0")}
            {stores}
            scf.yield %w{t.rows} : {t.matrix}
          }}
          scf.yield %less, %solved : {t.matrix}, {buffer}
        }}"""


def _write(t: Tile, side: int) -> str:
    """Return lines for %done: L, a square of vectors at a time; NaN if the last pivot is."""
    vector, mask = f"vector<{side}x{t.element}>", f"vector<{side}xi1>"
    square = _turned(
        t,
        side,
        "%from{i} = arith.addi %j, %i{i} : index\n"
        "%v{i} = vector.transfer_read %factored#0[%from{i}, %i], %zero {{in_bounds = [true]}} : "
        + f"{t.matrix}, {vector}",
        _row("%i") + "%beyond{i} = arith.subi %row{i}, %j : index\n"
        "%below{i} = arith.addi %beyond{i}, %c1 : index\n"
        "%count{i} = arith.maxsi %below{i}, %c0 : index\n"
        f"%lower{{i}} = vector.create_mask %count{{i}} : {mask}\n"
        f"%checked{{i}} = arith.addf {{value}}, %added : {vector}\n"
        f"%value{{i}} = arith.select %lower{{i}}, %checked{{i}}, %zeros : {mask}, {vector}\n"
        "%room{i} = arith.select %is_row{i}, %width, %c0 : index\n"
        f"%inside{{i}} = vector.create_mask %room{{i}} : {mask}\n"
        "%w{n} = vector.transfer_write %value{i}, %w{i}[%at{i}, %j], %inside{i} {{in_bounds = [true]}} : "
        f"{vector}, {t.matrix}",
    )
    return f"""
      %pivot = tensor.extract %factored#0[%last, %last] : {t.matrix}
      %is_bad = arith.cmpf une, %pivot, %pivot : {t.element}
      %to_add = arith.select %is_bad, %nan, %zero : {t.element}
      %added = vector.broadcast %to_add : {t.element} to {vector}
      %zeros = arith.constant dense<0.0> : {vector}
      %factor_room = tensor.empty(%n, %n) : {t.matrix}
      %done = scf.for %i = %c0 to %n step %side iter_args(%from = %factor_room) -> {t.matrix} {{
        %beyond = arith.addi %i, %side : index
        %behind = arith.minsi %beyond, %n : index
        %lower = scf.for %j = %c0 to %behind step %side iter_args(%w0 = %from) -> {t.matrix} {{
          %to_right = arith.subi %n, %j : index
          %width = arith.minsi %to_right, %side : index
          {square}
          scf.yield %w{side} : {t.matrix}
        }}
        %line = scf.for %row = %i to %behind step %c1 iter_args(%into = %lower) -> {t.matrix} {{
          %rest = scf.for %j = %beyond to %n step %side iter_args(%w = %into) -> {t.matrix} {{
            %to_right = arith.subi %n, %j : index
            %inside = vector.create_mask %to_right : {mask}
            %more = vector.transfer_write %zeros, %w[%row, %j], %inside {{in_bounds = [true]}} : {vector}, {t.matrix}
            scf.yield %more : {t.matrix}
          }}
          scf.yield %rest : {t.matrix}
        }}
        scf.yield %line : {t.matrix}
      }}"""


def _turned(t: Tile, side: int, read: str, write: str) -> str:
    """Return lines that transpose a square: `read` gives its rows %v{i}; `write` puts {value} into %w{i}, for %w{n}."""
    shuffles, turned = transposition([f"%v{i}" for i in range(side)], f"vector<{side}x{t.element}>")
    writes = _chain(write, side, [f"{turned}{i}" for i in range(side)])
    return f"{t.each(read, side)}\n{shuffles}\n{writes}"


def _row(first: str) -> str:
    """Return lines for %row{i}, the i-th row from `first` on, whether it is one, and %at{i}, that or the last one."""
    return f"""%row{{i}} = arith.addi {first}, %i{{i}} : index
      %is_row{{i}} = arith.cmpi slt, %row{{i}}, %n : index
      %at{{i}} = arith.select %is_row{{i}}, %row{{i}}, %last : index
      """


def _chain(template: str, count: int, values: list[str] | None = None) -> str:
    """Repeat lines that each take the tensor %w{i} of the line before and give %w{n}."""
    return "\n".join(template.format(i=i, n=i + 1, value=values[i] if values else "") for i in range(count))
