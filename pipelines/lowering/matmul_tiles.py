"""Float32 matmuls on the matrix unit of an x86 processor (AMX), as text: a part of the matmul kernel.

The unit multiplies bfloat16, of eight bits, and adds in float32, sixteen times as many numbers per cycle as the vector
unit does in float32. A float32 number is the exact sum of three bfloat16 ones, `x = x0 + x1 + x2`, each at most 2**-8
of the one before, and a product is to 2**-26 the sum of six of their products; that leaves twice the speed or more.
(Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
computations", 2019.) The sums are more exact than those of a fused multiply-add, as the unit rounds fewer of them.

An infinity has no such parts, and the unit takes numbers below 2**-126 for zeros: parts and products of small numbers.
So the exponents of all numbers are watched as they are split. Where one is out of bounds the vector unit computes that
part of the result again; it computes all where Linux refuses the registers of the unit, for which a process has to ask.

A workgroup computes a part of the result, up to `ROWS` rows of it. For each slice of `DEPTH` along k it splits its rows
of the left operand; then, for a panel of `COLUMNS` after the other, it multiplies tiles of 32 x 32, each four tile
registers, and meanwhile the vector unit splits the panel that comes next: each hides what the other waits for.
"""

from __future__ import annotations

from collections.abc import Iterable

from difc.pipelines.lowering.kernel_arithmetic import let
from difc.pipelines.lowering.kernel_text import address
from difc.pipelines.lowering.matmul_operands import (
    BLOCK,
    BOUNDS,
    COLUMNS,
    CONFIG,
    DEPTH,
    FLOATS,
    LEFT,
    MASK,
    PANEL,
    RIGHT,
    SIDE,
    STEP,
    SUM,
    SUM_BYTES,
    TILE,
    TILES,
    WORDS,
    left_and_turned,
    right_pair,
)
from difc.pipelines.target import TILE_REQUEST

__all__ = ["SMALLEST", "tiles_text"]

SMALLEST = 32  # rows, columns and numbers along k of matrices that are worth the unit: a tile of the result
_TOGETHER = 2  # rows of a tile that are added at once

# Palette 1: eight registers of 16 rows of 64 bytes.
_REGISTERS = [1, *[0] * 15, *[64, 0] * 8, *[0] * 16, *[16] * 8, *[0] * 8]

# Exponents, with IEEE's bias of 127. Products of the smallest numbers keep 26 bits above 2**-126, their parts too; the
# sums of the largest ones are finite.
_LEAST, _LEAST_SUM = 27, 154
_MOST, _MOST_SUM = 250, 354

_LINE = "\\0A"
_MEMORY = "~{memory},~{dirflag},~{fpsr},~{flags}"


def _asm(text: str, pointer: str = "", stride: str = "") -> str:
    """Return the line of an instruction or some, with `$0` for the pointer and `$1` for the bytes between rows."""
    operands, types = [each for each in (pointer, stride) if each], ["!llvm.ptr", "i64"]
    constraints = ",".join([*["r"] * len(operands), _MEMORY])
    return (
        f'llvm.inline_asm has_side_effects asm_dialect = att "{text}", "{constraints}" {", ".join(operands)} : '
        f"({', '.join(types[: len(operands)])}) -> ()"
    )


#: Which parts of the operands are multiplied, in this order: the small products first. One operand changes at a time.
_PRODUCTS = ((2, 0), (1, 0), (1, 1), (0, 1), (0, 2), (0, 0))


def _bits(flags: Iterable[int], width: int) -> int:
    """Return small numbers as one, a field of `width` bits each."""
    return sum(flag << width * i for i, flag in enumerate(flags))


def _table(operand: int) -> tuple[int, int]:
    """Return an operand's parts in the order of the products, as one number, and when it changes, as another."""
    parts = [product[operand] for product in _PRODUCTS]
    return _bits(parts, 2), _bits([i == 0 or part != parts[i - 1] for i, part in enumerate(parts)], 1)


def _added(matrix: str) -> str:
    """Return the lines that add the rows `%rows_group` of a tile to `%sum0`; one beyond the last is that again."""
    count = range(_TOGETHER)
    lines = []
    for r in count:
        lines += [
            let(f"a_i{r} = min(rows_group * {_TOGETHER} + {r}, rows_to_add - 1)", f"a_r{r} = old_row + a_i{r}"),
            address(f"%a_f{r}", SUM, ("%old_sum", SUM_BYTES), (f"%a_i{r}", COLUMNS * 4)),
            f"%a_v{r} = llvm.load %a_f{r} : !llvm.ptr -> {FLOATS}",
        ]
    types = ", ".join([FLOATS] * _TOGETHER)
    lines += [
        f"%a_old:{_TOGETHER} = scf.if %is_first_slice -> ({types}) {{",
        f"%a_start:{_TOGETHER} = scf.if %is_update -> ({types}) {{",
        *(
            let(f"a_at{r} = (m0 + a_r{r}) * n + n0 + old_column") + "\n"
            f"%a_c{r} = vector.transfer_read %base_flat[%a_at{r}], %zero, %old_inside {{in_bounds = [true]}} "
            f": tensor<?xf32>, {FLOATS}"
            for r in count
        ),
        f"scf.yield {', '.join(f'%a_c{r}' for r in count)} : {types}",
        "} else {",
        f"scf.yield {', '.join(['%no_sums'] * _TOGETHER)} : {types}",
        "}",
        f"scf.yield {', '.join(f'%a_start#{r}' for r in count)} : {types}",
        "} else {",
        *(
            f"%a_b{r} = vector.transfer_read %sum0[%a_r{r}, %old_column], %zero, %old_inside {{in_bounds = [true]}} "
            f": {matrix}, {FLOATS}"
            for r in count
        ),
        f"scf.yield {', '.join(f'%a_b{r}' for r in count)} : {types}",
        "}",
    ]
    for r in count:
        lines += [
            f"%a_u{r} = arith.mulf %factors, %a_v{r} : {FLOATS}",
            f"%a_s{r} = arith.addf %a_old#{r}, %a_u{r} : {FLOATS}",
            f"%sum{r + 1} = vector.transfer_write %a_s{r}, %sum{r}[%a_r{r}, %old_column], %old_inside "
            f"{{in_bounds = [true]}} : {FLOATS}, {matrix}",
        ]
    return "\n".join(lines)


def _multiplied() -> str:
    """Return the lines of one product of parts: `%number` of the tile's; registers keep what does not change."""
    (lefts, left_changes), (rights, right_changes) = _table(0), _table(1)
    load = lambda first: _LINE.join(f"tileloadd {BLOCK * i}($0,$1,1), %tmm{first + i}" for i in range(2))  # noqa: E731
    product = _LINE.join(f"tdpbf16ps %tmm{6 + j}, %tmm{4 + i}, %tmm{2 * i + j}" for i in range(2) for j in range(2))
    chosen = let(
        f"chunk = number // {len(_PRODUCTS)}",
        f"product = number % {len(_PRODUCTS)}",
        f"left_part = ({lefts} >> product * 2) & 3",
        f"right_part = ({rights} >> product * 2) & 3",
        f"changes_left = ({left_changes} >> product) & 1 == 1",
        f"changes_right = ({right_changes} >> product) & 1 == 1",
    )
    return f"""
              {chosen}
              scf.if %changes_left {{
                {address("%left_at", LEFT, ("%tile", 2 * BLOCK), ("%chunk", TILES), ("%left_part", TILE))}
                {_asm(load(4), "%left_at", "%line")}
              }}
              scf.if %changes_right {{
                {address("%right_at", RIGHT, ("%now_buffer", PANEL), ("%chunk", TILES), ("%right_part", TILE))}
                {_asm(load(6), "%right_at", "%line")}
              }}
              {_asm(product)}"""


def tiles_text(matrix: str) -> str:
    """Return the lines that compute `%part_tiles` and `%is_done` from `%part_`, as far as the unit can.

    They stand in the kernel's body, behind its cuts and loads.
    """
    registers = ", ".join(str(b) for b in _REGISTERS)
    zeroed = _asm(_LINE.join(f"tilezero %tmm{i}" for i in range(4)))
    corners = [SIDE * 4 * (i % 2) + SIDE * COLUMNS * 4 * (i // 2) for i in range(4)]
    stored = _LINE.join(f"tilestored %tmm{i}, {corner}($0,$1,1)" for i, corner in enumerate(corners))
    request = "\n".join(f"%request{i} = llvm.mlir.constant({n} : i64) : i64" for i, n in enumerate(TILE_REQUEST))
    ends = [(x, end, reduce) for x in "xy" for end, reduce in (("least", "minui"), ("most", "maxui"))]
    unbounded = "\n".join(
        f"{address(f'%{x}_{end}', BOUNDS + 128 * i)}\n"
        f"llvm.store {'%all' if end == 'least' else '%none'}, %{x}_{end} : {WORDS}, !llvm.ptr"
        for i, (x, end, _) in enumerate(ends)
    )
    bounds = "\n".join(_bound(*each, i) for i, each in enumerate(ends))
    sizes = let(
        "x_is_turned = x_turned != 0",
        "y_is_turned = y_turned != 0",
        f"is_large = for_tiles and works and height >= {SIDE}",
        "last_row = height - 1",
        f"wide = ceil(width, {COLUMNS})",
        f"high = ceil(height, {STEP})",
        f"panels_here = ceil(k, {DEPTH}) * wide",
    )
    now = let(
        "next = turn_ // high",
        "tile = turn_ % high",
        "multiplies = next > 0 and next <= panels_here",
        "now = next - 1 if multiplies else 0",
        "now_slice = now // wide",
        "now_panel = now % wide",
        "now_buffer = now % 2",
        "now_sum = turn_ % 2",
        f"now_k0 = now_slice * {DEPTH}",
        f"steps = ceil(min(k - now_k0, {DEPTH}), {STEP})",
        "is_first_tile = tile == 0",
        "splits = multiplies and is_first_tile and now_panel == 0",
        "left_jobs = 2 * high * steps if splits else 0",
    )
    coming = let(
        "has_next = next < panels_here",
        "next_panel = next % wide",
        "next_buffer = next % 2",
        f"next_k0 = next // wide * {DEPTH}",
        f"next_steps = ceil(min(k - next_k0, {DEPTH}), {STEP})",
        f"pairs = next_steps * {STEP // 2} if has_next else 0",
        f"next_column = next_panel * {COLUMNS}",
        "next_n = n0 + next_column",
        "next_width = width - next_column",
        "right_jobs = 2 * next_steps if has_next and is_first_tile and y_is_turned else 0",
        "jobs = left_jobs + right_jobs",
    )
    before = let(
        "adds = turn_ > high",
        "old_turn = turn_ - 1 if adds else high",
        "old = old_turn // high - 1",
        "old_sum = old_turn % 2",
        f"old_row = old_turn % high * {STEP}",
        f"old_column = old % wide * {COLUMNS}",
        "old_width = width - old_column",
        "is_first_slice = old < wide",
        f"rows_to_add = min(height - old_row, {STEP}) if adds else 0",
        f"groups = ceil(rows_to_add, {_TOGETHER})",
        f"products = steps * {len(_PRODUCTS)}",
        "pairs_each = ceil(pairs * 65536, high * products)",
        "groups_each = ceil(groups * 65536, products)",
    )
    shares = let(
        "pieces = (tile * products + number) * pairs_each",
        "pair_from = pieces >> 16",
        "pair_to = min((pieces + pairs_each) >> 16, pairs)",
        "group_from = number * groups_each >> 16",
        "group_to = min((number * groups_each + groups_each) >> 16, groups)",
    )
    verdict = let(
        f"are_in_bounds = min(e_x_least, e_y_least) >= {_LEAST} and max(e_x_most, e_y_most) <= {_MOST}",
        f"are_sums = e_x_least + e_y_least >= {_LEAST_SUM} and e_x_most + e_y_most <= {_MOST_SUM}",
        "are_exact = are_in_bounds and are_sums",
    )
    return f"""
      %ones = arith.constant dense<1> : {WORDS}
      %half = arith.constant dense<32768> : {WORDS}
      %upper = arith.constant dense<-65536> : {WORDS}
      %sixteen = arith.constant dense<16> : {WORDS}
      %no_sums = arith.constant dense<0.0> : {FLOATS}
      %factors = vector.broadcast %factor : f32 to {FLOATS}
      %false = arith.constant false
      %square = arith.constant {SIDE} : index
      %line = llvm.mlir.constant(64 : i64) : i64
      %sum_line = llvm.mlir.constant({COLUMNS * 4} : i64) : i64
      {sizes}
      %is_granted = scf.if %is_large -> (i1) {{
        {request}
        %refused = llvm.inline_asm has_side_effects asm_dialect = att "syscall",
          "={{rax}},{{rax}},{{rdi}},{{rsi}},~{{rcx}},~{{r11}},{_MEMORY}" %request0, %request1, %request2
          : (i64, i64, i64) -> i64
        %no_error = llvm.mlir.constant(0 : i64) : i64
        %yes = arith.cmpi eq, %refused, %no_error : i64
        scf.if %yes {{
          %registers = arith.constant dense<[{registers}]> : vector<64xi8>
          {address("%config", CONFIG)}
          llvm.store %registers, %config : vector<64xi8>, !llvm.ptr
          {_asm("ldtilecfg ($0)", "%config")}
          %none = arith.constant dense<0> : {WORDS}
          %all = arith.constant dense<-1> : {WORDS}
          {unbounded}
        }}
        scf.yield %yes : i1
      }} else {{
        scf.yield %false : i1
      }}
      {let("turns = (panels_here + 1) * high + 1 if is_granted else 0")}
      %part_tiles = scf.for %turn_ = %c0 to %turns step %c1 iter_args(%p0_ = %part_) -> {matrix} {{
        {now}
        {coming}
        {left_and_turned()}
        {before}
        %old_inside = vector.create_mask %old_width : {MASK}
        scf.if %multiplies {{
          {zeroed}
        }}
        %p1_ = scf.for %number = %c0 to %products step %c1 iter_args(%w0_ = %p0_) -> {matrix} {{
          scf.if %multiplies {{
            {_multiplied()}
          }}
          {shares}
          scf.for %pair = %pair_from to %pair_to step %c1 {{
            {right_pair()}
          }}
          %w1_ = scf.for %rows_group = %group_from to %group_to step %c1 iter_args(%sum0 = %w0_) -> {matrix} {{
            {_added(matrix)}
            scf.yield %sum{_TOGETHER} : {matrix}
          }}
          scf.yield %w1_ : {matrix}
        }}
        scf.if %multiplies {{
          {address("%sums", SUM, ("%now_sum", SUM_BYTES))}
          {_asm(stored, "%sums", "%sum_line")}
        }}
        scf.yield %p1_ : {matrix}
      }}
      %is_done = scf.if %is_granted -> (i1) {{
        {_asm("tilerelease")}
        {bounds}
        {verdict}
        scf.yield %are_exact : i1
      }} else {{
        scf.yield %false : i1
      }}"""


def _bound(operand: str, end: str, reduce: str, number: int) -> str:
    """Return the lines of an exponent: the least or the most of an operand's."""
    name = f"{operand}_{end}"
    return f"""
        {address(f"%f_{name}", BOUNDS + 128 * number)}
        %v_{name} = llvm.load %f_{name} : !llvm.ptr -> {WORDS}
        %u_{name} = vector.reduction <{reduce}>, %v_{name} : {WORDS} into i32
        %i_{name} = arith.index_castui %u_{name} : i32 to index
        {let(f"e_{name} = i_{name} >> 24")}"""
