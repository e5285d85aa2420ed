"""Products of a large matrix and a vector on the CPU: a kernel of our own, which reads the matrix once and in order.

What takes time is to read the matrix, so neighbours in memory are read one after the other, several rows at a time:
the processor then fetches what comes next before it is needed. (IREE reads columns of vectors, a row's length apart: a
third to a half of the speed.) The kernel exists for each of the two ways in which the matrix may lie. Where it lies as
`[k, n]` ("down"), its rows, times a number of the vector, are added to sums in a buffer; where it lies as `[n, k]`
("along"), each row is multiplied by the vector, and added up.

A workgroup computes a part of the result. Edges cost no other code: what lies beyond is masked where it is read, and
rows beyond the last are the last once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from difc.dialects.mlir import ir
from difc.pipelines.lowering.context import Context
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.kernel_arithmetic import let
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import HANDED_OUT, Array, address, executable, multiply_add
from difc.pipelines.lowering.matmul_kernel import KERNELS
from difc.pipelines.target import VectorUnit

__all__ = ["is_a_vector_product", "kernel_text", "vector_product"]

SMALLEST_WORK = 2**16  # elements of the matrix
SMALLEST_SIDE = 64  # of both sides: a shorter row is less than a run of memory
SIZES = ("batch", "n", "k", "matrix_size")

_ROWS = 4  # of the matrix that are read together
_PART_BYTES = 8192  # of sums in a buffer, a quarter of a first-level cache


def is_a_vector_product(sizes: Sequence[Size], element: ir.Type) -> bool:
    """Say whether a contraction is one of a matrix and a vector, and had better be done by the kernel.

    Args:
      sizes: batch, m, n, k; those known at run time only count as large.
      element: the type of the elements.
    """
    _, m, n, k = (size if isinstance(size, int) else 256 for size in sizes)
    side = max(m, n)
    return str(element) in KERNELS and min(m, n) == 1 and min(side, k) >= SMALLEST_SIDE and side * k >= SMALLEST_WORK


def vector_product(
    c: Context, vector: ir.Value, matrix: ir.Value, sizes: Sequence[Size], *, down: bool, unit: VectorUnit
) -> ir.Value:
    """Append a call of the kernel.

    Args:
      c: where to append.
      vector: `tensor<batch x k>`.
      matrix: `tensor<batch x n x k>`, or with k before n if `down`.
      sizes: batch, n, k.
      down: how the matrix lies.
      unit: what the processor has.

    Returns:
      `tensor<batch x n>`.
    """
    batch, n, k = sizes
    element, size = element_of(matrix), c.product([n, k])
    arrays = [(vector, [batch, k]), (c.collapse(matrix, [[0], [1, 2]]), [batch, size])]
    text = partial(kernel_text, unit=unit, down=down)
    kernel = "vector_down" if down else "vector_along"
    return call_kernel(c, kernel, text, element, arrays, [*sizes, size], [([batch, n], element)])[0]


def kernel_text(name: str, element: str, unit: VectorUnit, *, down: bool) -> str:
    """Return the executable of `out[n] = matrix vector`, for the run-time sizes `SIZES`.

    Args:
      name: of the executable, its export and its function.
      element: "f32" or "f64".
      unit: what the processor has; without a fused multiply-add, products are rounded before they are added.
      down: whether the matrix lies as `[k, n]`.
    """
    lanes = unit.bytes // KERNELS[element]
    most = _PART_BYTES // KERNELS[element]
    vector = Array("vector", "read", element, ("batch", "k"))
    matrix = Array("matrix", "read", element, ("batch", "matrix_size"))
    out = Array("out", "write", element, ("batch", "n"))
    cuts = let(f"even = min(ceil(n, {unit.threads}), {most})", f"part = max(ceil(even, {4 * lanes}), 1) * {4 * lanes}")
    place = let(
        f"n0 = strip // {HANDED_OUT} * part",
        f"works = strip % {HANDED_OUT} == 0",
        "width = min(n - n0, part) if works else 0",
    )
    body = f"""
      {cuts}
      {place}
      %zero = arith.constant 0.0 : {element}
      {vector.load("%vector_flat")}
      {matrix.load("%matrix_flat")}
      %part_ = tensor.empty(%width) : tensor<?x{element}>
      {_down(element, 4 * lanes, unit.fma) if down else _along(element, 2 * lanes, unit.fma)}
      {out.store_block("%sums", ["%n0"], ["%width"])}"""
    across = "\n".join([cuts, let(f"across = ceil(n, part) * {HANDED_OUT}")])
    return executable(name, [vector, matrix, out], SIZES, across, body)


def _read(result: str, flat: str, start: str, mask: str, element: str, vector: str) -> str:
    """Return the line that reads neighbours from an element on."""
    return (
        f"{result} = vector.transfer_read {flat}[{start}], %zero, {mask} {{in_bounds = [true]}} "
        f": tensor<?x{element}>, {vector}"
    )


def _down(element: str, columns: int, fma: bool) -> str:
    """Return the lines that compute `%sums` from rows that are `n` long: some at a time, then the rest."""
    vector = f"vector<{columns}x{element}>"
    slot = address("%slot", 0, ("%column", KERNELS[element]))

    def rows(first: str, end: str, count: int) -> str:
        numbers, products = [], []
        for i in range(count):
            numbers += [
                let(f"k{i} = row + {i}", f"start{i} = k{i} * n + n0"),
                f"%number{i} = tensor.extract %vector_flat[%k{i}] : tensor<?x{element}>",
                f"%times{i} = vector.broadcast %number{i} : {element} to {vector}",
            ]
            products += [
                let(f"at{i} = start{i} + column"),
                _read(f"%row{i}", "%matrix_flat", f"%at{i}", "%inside", element, vector),
                multiply_add(f"%total{i + 1}", f"%total{i}", f"%times{i}", f"%row{i}", vector, fma),
            ]
        together, each = "\n".join(numbers), "\n".join(products)
        return f"""
      %step{count} = arith.constant {count} : index
      scf.for %row = {first} to {end} step %step{count} {{
        {together}
        scf.for %column = %c0 to %width step %columns {{
          {let("left = width - column")}
          %inside = vector.create_mask %left : vector<{columns}xi1>
          {slot}
          %total0 = llvm.load %slot : !llvm.ptr -> {vector}
          {each}
          llvm.store %total{count}, %slot : {vector}, !llvm.ptr
        }}
      }}"""

    return f"""
      {let("k_here = k if works else 0", f"k_whole = k_here // {_ROWS} * {_ROWS}")}
      %columns = arith.constant {columns} : index
      %nothing = vector.broadcast %zero : {element} to {vector}
      %memory_size = llvm.mlir.constant({_PART_BYTES} : i64) : i64
      %memory = llvm.alloca %memory_size x i8 {{alignment = 64 : i64}} : (i64) -> !llvm.ptr
      scf.for %column = %c0 to %width step %columns {{
        {slot}
        llvm.store %nothing, %slot : {vector}, !llvm.ptr
      }}
      {rows("%c0", "%k_whole", _ROWS)}
      {rows("%k_whole", "%k_here", 1)}
      %sums = scf.for %column = %c0 to %width step %columns iter_args(%s = %part_) -> tensor<?x{element}> {{
        {let("left = width - column")}
        %inside = vector.create_mask %left : vector<{columns}xi1>
        {slot}
        %total = llvm.load %slot : !llvm.ptr -> {vector}
        %written = vector.transfer_write %total, %s[%column], %inside {{in_bounds = [true]}}
          : {vector}, tensor<?x{element}>
        scf.yield %written : tensor<?x{element}>
      }}"""


def _along(element: str, columns: int, fma: bool) -> str:
    """Return the lines that compute `%sums` from rows of the matrix that are `k` long."""
    vector, count = f"vector<{columns}x{element}>", range(_ROWS)
    starts = "\n".join(
        let(f"place{i} = row + {i} if row + {i} < width else row", f"start{i} = (n0 + place{i}) * k") for i in count
    )
    products = "\n".join(
        "\n".join(
            [
                let(f"at{i} = start{i} + column"),
                _read(f"%row{i}", "%matrix_flat", f"%at{i}", "%inside", element, vector),
                multiply_add(f"%next{i}", f"%total{i}", "%v", f"%row{i}", vector, fma),
            ]
        )
        for i in count
    )
    sums = "\n".join(
        f"%sum{i} = vector.reduction <add>, %totals#{i} fastmath<reassoc> : {vector} into {element}\n"
        f"%s{i + 1} = tensor.insert %sum{i} into %s{i}[%place{i}] : tensor<?x{element}>"
        for i in count
    )
    types = ", ".join([vector] * _ROWS)
    return f"""
      %rows = arith.constant {_ROWS} : index
      %columns = arith.constant {columns} : index
      %nothing = vector.broadcast %zero : {element} to {vector}
      %sums = scf.for %row = %c0 to %width step %rows iter_args(%s0 = %part_) -> tensor<?x{element}> {{
        {starts}
        %totals:{_ROWS} = scf.for %column = %c0 to %k step %columns
            iter_args({", ".join(f"%total{i} = %nothing" for i in count)}) -> ({types}) {{
          {let("left = k - column")}
          %inside = vector.create_mask %left : vector<{columns}xi1>
          {_read("%v", "%vector_flat", "%column", "%inside", element, vector)}
          {products}
          scf.yield {", ".join(f"%next{i}" for i in count)} : {types}
        }}
        {sums}
        scf.yield %s{_ROWS} : tensor<?x{element}>
      }}"""
