"""The operands of the tile unit (`matmul_tiles.py`): split into parts of bfloat16, and laid out as it loads them.

The left operand's tile has 16 rows of 32 numbers along k; the right one's has 16 rows of 16 columns of two numbers that
are neighbours along k. An operand that lies turned is transposed before, 16 x 16 numbers at a time.
"""

from __future__ import annotations

from difc.pipelines.lowering.kernel_arithmetic import let
from difc.pipelines.lowering.kernel_text import address, transposition

__all__ = [
    *("BLOCK", "BOUNDS", "COLUMNS", "CONFIG", "DEPTH", "LEFT", "MEMORY", "PANEL", "RIGHT", "ROWS", "SIDE", "STEP"),
    *("SUM", "SUM_BYTES", "TILE", "TILES", "WORDS", "FLOATS", "MASK", "left_and_turned", "right_pair"),
]

ROWS = 128  # of a workgroup's part of the result, at most
COLUMNS = 32  # of a panel of it
DEPTH = 64  # of a slice along k: two steps of the unit
SIDE = 16  # rows of a tile register, and its 32-bit columns; also rows of what is transposed at once
STEP = 32  # numbers along k in a tile register

# What is split of 16 rows (or columns): for each step three tiles of 1 KB, a part each.
TILE = 1024
TILES = 3 * TILE
BLOCK = DEPTH // STEP * TILES
PANEL = COLUMNS // SIDE * BLOCK
SUM_BYTES = 32 * COLUMNS * 4

# The memory of a workgroup, in bytes from its start.
LEFT = 0
RIGHT = LEFT + ROWS // SIDE * BLOCK  # of two panels: one is multiplied while the other one is made
SUM = RIGHT + 2 * PANEL  # of two tiles: one is added to the result while the other one is made
_TURNED = SUM + 2 * SUM_BYTES  # a slice of a panel in float32, for an operand that lies turned
_COPIED = _TURNED + DEPTH * COLUMNS * 4  # a square before it is transposed
BOUNDS = _COPIED + SIDE * 64  # of the left operand: the smallest numbers, the largest; of the right one
CONFIG = BOUNDS + 4 * 128
MEMORY = CONFIG + 64  # of the stack: 90 KB, where IREE gives its threads 128

WORDS, FLOATS, MASK = "vector<32xi32>", "vector<32xf32>", "vector<32xi1>"
_SQUARE = "vector<16xf32>"  # a row of what is transposed


def _watch(operand: int, values: list[str], name: str) -> str:
    """Return the lines that take the exponents of vectors into account: of twice their bits, and of those less one.

    Without its sign a zero is the least there is; one less, it is the largest, and does not count.
    """
    at = BOUNDS + 2 * 128 * operand
    lines = [
        address(f"{name}_least", at),
        address(f"{name}_most", at + 128),
        f"{name}_low0 = llvm.load {name}_least : !llvm.ptr -> {WORDS}",
        f"{name}_high0 = llvm.load {name}_most : !llvm.ptr -> {WORDS}",
    ]
    for i, value in enumerate(values):
        lines += [
            f"{name}_bits{i} = arith.bitcast {value} : {FLOATS} to {WORDS}",
            f"{name}_twice{i} = arith.addi {name}_bits{i}, {name}_bits{i} : {WORDS}",
            f"{name}_less{i} = arith.subi {name}_twice{i}, %ones : {WORDS}",
            f"{name}_low{i + 1} = arith.minui {name}_low{i}, {name}_less{i} : {WORDS}",
            f"{name}_high{i + 1} = arith.maxui {name}_high{i}, {name}_twice{i} : {WORDS}",
        ]
    count = len(values)
    return "\n".join(
        [
            *lines,
            f"llvm.store {name}_low{count}, {name}_least : {WORDS}, !llvm.ptr",
            f"llvm.store {name}_high{count}, {name}_most : {WORDS}, !llvm.ptr",
        ]
    )


def _split(value: str, name: str) -> str:
    """Return the lines that split a vector: parts in the upper halves of words, `name` and 0, 1, 2."""
    lines = []
    for part in range(2):
        lines += [
            f"{name}_b{part} = arith.bitcast {value} : {FLOATS} to {WORDS}",
            f"{name}_r{part} = arith.addi {name}_b{part}, %half : {WORDS}",
            f"{name}{part} = arith.andi {name}_r{part}, %upper : {WORDS}",
            f"{name}_f{part} = arith.bitcast {name}{part} : {WORDS} to {FLOATS}",
            f"{name}_v{part} = arith.subf {value}, {name}_f{part} : {FLOATS}",
        ]
        value = f"{name}_v{part}"
    return "\n".join([*lines, f"{name}2 = arith.bitcast {value} : {FLOATS} to {WORDS}"])


def _turned() -> str:
    """Return the lines that transpose two squares, side by side: of either operand, whose rows are copied first."""
    square = [f"%t_v{i}" for i in range(SIDE)]
    shuffles, turned = transposition(square, _SQUARE)
    loads, stores = [], []
    for i in range(SIDE):
        loads += [address(f"%t_l{i}", _COPIED + 64 * i), f"{square[i]} = llvm.load %t_l{i} : !llvm.ptr -> {_SQUARE}"]
        stores += [
            f"%t_s{i} = llvm.getelementptr %t_to[{4 * COLUMNS * i}] : (!llvm.ptr) -> !llvm.ptr, i8",
            f"llvm.store {turned}{i}, %t_s{i} : {_SQUARE}, !llvm.ptr",
        ]
    transposed = "\n".join([*loads, shuffles, *stores])
    place = let("t_row = t_j + t_i", "t_start = t_begin + t_row * t_stride", "t_c = t_rest if t_row < t_rows else 0")
    read = lambda flat: (  # noqa: E731
        f"vector.transfer_read {flat}[%t_start], %zero, %t_inside {{in_bounds = [true]}} : tensor<?xf32>, {_SQUARE}"
    )
    return f"""
          scf.for %t_j = %c0 to %t_width step %square {{
            scf.for %t_i = %c0 to %square step %c1 {{
              {place}
              %t_inside = vector.create_mask %t_c : vector<16xi1>
              %t_read = scf.if %is_left -> ({_SQUARE}) {{
                %t_x = {read("%x_flat")}
                scf.yield %t_x : {_SQUARE}
              }} else {{
                %t_y = {read("%y_flat")}
                scf.yield %t_y : {_SQUARE}
              }}
              {address("%t_copy", _COPIED, ("%t_i", 64))}
              llvm.store %t_read, %t_copy : {_SQUARE}, !llvm.ptr
            }}
            {address("%t_to", _TURNED, ("%t_first", COLUMNS * 4), ("%t_j", 4))}
            {transposed}
          }}"""


def left_and_turned() -> str:
    """Return the lines of what precedes a tile: the left operand's slice is split, the right one's next panel turned.

    A job of the first kind is a step of 16 rows; one of the second kind is of 16 rows, which are turned and no more.
    """
    to_memory, upper = [], list(range(1, 64, 2))
    for part in range(3):
        to_memory += [
            f"%l_u{part} = vector.bitcast %l_part{part} : {WORDS} to vector<64xi16>",
            f"%l_h{part} = vector.shuffle %l_u{part}, %l_u{part} {upper} : vector<64xi16>, vector<64xi16>",
            address(f"%l_to{part}", LEFT + part * TILE, ("%l_block", BLOCK), ("%l_step", TILES), ("%i", 64)),
            f"llvm.store %l_h{part}, %l_to{part} : vector<32xi16>, !llvm.ptr",
        ]
    stores = "\n".join(to_memory)
    job = let(
        "is_left = job < left_jobs",
        "l_block = job // steps",
        "l_step = job % steps",
        "l_row = l_block * 16",
        f"l_k = now_k0 + l_step * {STEP}",
        "l_left = k - l_k",
        "t_first = 0 if is_left else (job - left_jobs) * 16",
        "t_k = next_k0 + t_first",
        "t_begin = l_k * m + m0 + l_row if is_left else next_n * k + t_k",
        "t_stride = m if is_left else k",
        "t_rows = l_left if is_left else max(next_width, 0)",
        "t_rest = m - m0 - l_row if is_left else k - t_k",
        f"t_left_width = {STEP} if x_is_turned else 0",
        f"t_width = t_left_width if is_left else {COLUMNS}",
        "l_rows = 16 if is_left else 0",
    )
    return f"""
        scf.for %job = %c0 to %jobs step %c1 {{
          {job}
          {_turned()}
          %l_inside = vector.create_mask %l_left : {MASK}
          scf.for %i = %c0 to %l_rows step %c1 {{
            %l_value = scf.if %x_is_turned -> ({FLOATS}) {{
              {address("%l_from", _TURNED, ("%i", STEP * 4))}
              %l_loaded = llvm.load %l_from : !llvm.ptr -> {FLOATS}
              scf.yield %l_loaded : {FLOATS}
            }} else {{
              {let("l_start = (m0 + min(l_row + i, last_row)) * k + l_k")}
              %l_read = vector.transfer_read %x_flat[%l_start], %zero, %l_inside {{in_bounds = [true]}}
                : tensor<?xf32>, {FLOATS}
              scf.yield %l_read : {FLOATS}
            }}
            {_watch(0, ["%l_value"], "%l_watch")}
            {_split("%l_value", "%l_part")}
            {stores}
          }}
        }}"""


def right_pair() -> str:
    """Return the lines that split two rows of the next panel: number `%pair`; neighbours along k share a word."""
    lines = []
    for row in range(2):
        lines += [
            let(f"r_row{row} = pair * 2 + {row}"),
            f"%r_v{row} = scf.if %y_is_turned -> ({FLOATS}) {{",
            address(f"%r_t{row}", _TURNED, (f"%r_row{row}", COLUMNS * 4)),
            f"%r_l{row} = llvm.load %r_t{row} : !llvm.ptr -> {FLOATS}",
            f"scf.yield %r_l{row} : {FLOATS}",
            "} else {",
            let(
                f"r_k{row} = next_k0 + r_row{row}",
                f"r_start{row} = r_k{row} * n + next_n",
                f"r_w{row} = next_width if r_k{row} < k else 0",
            ),
            f"%r_m{row} = vector.create_mask %r_w{row} : {MASK}",
            f"%r_x{row} = vector.transfer_read %y_flat[%r_start{row}], %zero, %r_m{row} {{in_bounds = [true]}} "
            f": tensor<?xf32>, {FLOATS}",
            f"scf.yield %r_x{row} : {FLOATS}",
            "}",
            _split(f"%r_v{row}", f"%r_part{row}_"),
        ]
    for part in range(3):
        lines += [
            f"%r_low{part} = arith.shrui %r_part0_{part}, %sixteen : {WORDS}",
            f"%r_both{part} = arith.ori %r_low{part}, %r_part1_{part} : {WORDS}",
        ]
        for side in range(2):
            at = f"{part}_{side}"
            lines += [
                f"%r_half{at} = vector.shuffle %r_both{part}, %r_both{part} {list(range(16 * side, 16 * side + 16))} "
                f": {WORDS}, {WORDS}",
                address(
                    f"%r_to{at}",
                    RIGHT + side * BLOCK + part * TILE,
                    ("%next_buffer", PANEL),
                    ("%r_step", TILES),
                    ("%r_place", 64),
                ),
                f"llvm.store %r_half{at}, %r_to{at} : vector<16xi32>, !llvm.ptr",
            ]
    return "\n".join(
        [
            let("r_step = pair // 16", "r_place = pair % 16"),
            *lines,
            _watch(1, ["%r_v0", "%r_v1"], "%r_watch"),
        ]
    )
