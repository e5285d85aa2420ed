"""What the text of our kernels has in common: an executable of IREE around a body, and the arrays that it is bound to.

IREE's own dialects are in their generic form, since MLIR's bindings do not know them. No linalg op may be in a kernel,
unless its attributes name IREE's plain pipeline (`loop_kernels.py`): IREE would distribute it, and reject the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["HANDED_OUT", "NAN", "Array", "address", "executable", "multiply_add", "transposition"]

_DYNAMIC = "-9223372036854775808"
#: NaN as a number of an element type: its bits.
NAN = {"f32": "0x7FC00000", "f64": "0x7FF8000000000000"}
#: Of many workgroups, a thread of IREE takes eight at a time. Where parts are large, all but the first of eight have
#: nothing to do, as 24 parts would be two threads' work for the time of 32.
HANDED_OUT = 8


@dataclass(frozen=True)
class Array:
    """An array that a kernel is bound to.

    Attributes:
      name: of the value in the kernel.
      access: `read` or `write`. What is written can be built up in a tensor that is stored in the end: IREE puts it
        into the memory of the result. (Updating an operand in place, IREE 3.13 can overwrite a caller's array.)
      element: type of its elements.
      sizes: names of run-time sizes, or numbers; the first is the number of matrices.
    """

    name: str
    access: str
    element: str
    sizes: tuple[str | int, ...]

    @property
    def type(self) -> str:
        return f"!iree_tensor_ext.dispatch.tensor<{self.access}only:tensor<{self._dims(self.sizes)}{self.element}>>"

    @property
    def run_time_sizes(self) -> list[str]:
        """Return the values of the sizes that are not numbers."""
        return [f"%{s}" for s in self.sizes if isinstance(s, str)]

    @staticmethod
    def _dims(sizes: Sequence[str | int]) -> str:
        return "".join(f"{s}x" if isinstance(s, int) else "?x" for s in sizes)

    def load(self, result: str, offset: str | None = None, extent: str | None = None) -> str:
        """Return the line that reads matrix %b: all of it, or `extent` of its columns from `offset` on."""
        return self._access("load", result, *self._matrix(offset, extent))

    def store(self, value: str, offset: str | None = None, extent: str | None = None) -> str:
        """Return the line that writes matrix %b, or some columns of it."""
        return self._access("store", value, *self._matrix(offset, extent))

    def store_block(self, value: str, offsets: Sequence[str | int], extents: Sequence[str | int]) -> str:
        """Return the line that writes a block of matrix %b."""
        return self._access("store", value, *self._block(offsets, extents))

    def load_rows(self, result: str, first: str, count: int) -> str:
        """Return the line that reads `count` matrices from number `first` on."""
        return self._access("load", result, *self._rows(first, count))

    def store_rows(self, value: str, first: str, count: int) -> str:
        """Return the line that writes `count` matrices from number `first` on."""
        return self._access("store", value, *self._rows(first, count))

    def load_whole(self, result: str) -> str:
        """Return the line that reads the whole array."""
        return self._access("load", result, *self._whole())

    def store_whole(self, value: str) -> str:
        """Return the line that writes the whole array."""
        return self._access("store", value, *self._whole())

    def load_part(self, result: str, axis: int, first: str, count: int | str) -> str:
        """Return the line that reads `count` slices along an axis from number `first` on."""
        return self._access("load", result, *self._part(axis, first, count))

    def store_part(self, value: str, axis: int, first: str, count: int | str) -> str:
        """Return the line that writes `count` slices along an axis from number `first` on."""
        return self._access("store", value, *self._part(axis, first, count))

    def store_row(self, value: str, row: str) -> str:
        """Return the line that writes one slice along the first axis, without that."""
        offsets, extents, _ = self._part(0, row, 1)
        return self._access("store", value, offsets, extents, f"tensor<{self._dims(extents[1:])}{self.element}>")

    def _part(self, axis: int, first: str, count: int | str) -> tuple[list[str | int], list[str | int], str]:
        offsets, extents, _ = self._whole()
        offsets[axis], extents[axis] = first, count
        return offsets, extents, f"tensor<{self._dims(extents)}{self.element}>"

    def _whole(self) -> tuple[list[str | int], list[str | int], str]:
        extents: list[str | int] = [s if isinstance(s, int) else f"%{s}" for s in self.sizes]
        return [0] * len(self.sizes), extents, f"tensor<{self._dims(extents)}{self.element}>"

    def _matrix(self, offset: str | None, extent: str | None) -> tuple[list[str | int], list[str | int], str]:
        offsets: list[str | int] = [0] * (len(self.sizes) - 1)
        extents: list[str | int] = [s if isinstance(s, int) else f"%{s}" for s in self.sizes[1:]]
        if offset is not None and extent is not None:
            offsets[-1], extents[-1] = offset, extent
        return self._block(offsets, extents)

    def _block(
        self, offsets: Sequence[str | int], extents: Sequence[str | int]
    ) -> tuple[list[str | int], list[str | int], str]:
        return ["%b", *offsets], [1, *extents], f"tensor<{self._dims(extents)}{self.element}>"

    def _rows(self, first: str, count: int) -> tuple[list[str | int], list[str | int], str]:
        extents: list[str | int] = [count, *self.sizes[1:]]
        return [first, *[0] * (len(self.sizes) - 1)], extents, f"tensor<{self._dims(extents)}{self.element}>"

    def _access(
        self, kind: str, value: str, offsets: Sequence[str | int], extents: Sequence[str | int], tensor: str
    ) -> str:
        def static(sizes: Sequence[str | int]) -> str:
            numbers = ", ".join(str(s) if isinstance(s, int) else _DYNAMIC for s in sizes)
            return f"array<i64: {numbers}>" if numbers else "array<i64>"

        groups = [self.run_time_sizes, *([s for s in g if isinstance(s, str)] for g in (offsets, extents))]
        operands = [s for group in groups for s in group]
        attributes = (
            f"static_offsets = {static(offsets)}, static_sizes = {static(extents)}, "
            f"static_strides = {static([1] * len(offsets))}"
        )
        segments = ", ".join(str(len(group)) for group in groups)
        indices = ["index"] * len(operands)
        op = f"iree_tensor_ext.dispatch.tensor.{kind}"
        if kind == "load":
            return (
                f'{value} = "{op}"({", ".join([f"%{self.name}", *operands])}) {{operandSegmentSizes = '
                f"array<i32: 1, {segments}, 0>, {attributes}}} : ({', '.join([self.type, *indices])}) -> {tensor}"
            )
        return (
            f'"{op}"({", ".join([value, f"%{self.name}", *operands])}) {{operandSegmentSizes = '
            f"array<i32: 1, 1, {segments}, 0>, {attributes}}} : ({', '.join([tensor, self.type, *indices])}) -> ()"
        )


def executable(
    name: str,
    arrays: Sequence[Array],
    sizes: Sequence[str],
    across: str,
    body: str,
    *,
    repeat: bool = True,
    attributes: str = "",
) -> str:
    """Return an executable for `flow.dispatch`: arrays that are read, sizes, then arrays that are written.

    Args:
      sizes: names of the run-time sizes; the first is the number of matrices, and all are the workload.
      across: lines that compute `%across` from the sizes: the number of workgroups, for each matrix if `repeat`.
      body: lines of the kernel; `%b` is the matrix, `%strip` the workgroup of it.
      repeat: whether there are workgroups for each matrix.
      attributes: of the kernel's function.
    """
    given = [a for a in arrays if a.access == "read"]
    made = [a for a in arrays if a.access == "write"]
    arguments = ", ".join(
        [*(f"%{a.name}_: {a.type}" for a in given), *(f"%{s}_: index" for s in sizes)]
        + [f"%{a.name}_: {a.type}" for a in made]
    )
    ordinals = "\n".join(
        f'%{s} = "iree_tensor_ext.dispatch.workload.ordinal"(%{s}_) {{ordinal = {i} : index}} : (index) -> index'
        for i, s in enumerate(sizes)
    )
    ties = "\n".join(
        f'%{a.name} = "flow.dispatch.tie_shape"({", ".join([f"%{a.name}_", *a.run_time_sizes])}) '
        f": ({', '.join([a.type, *['index'] * len(a.run_time_sizes)])}) -> {a.type}"
        for a in arrays
    )
    across, body = _with_numbers(across), _with_numbers(body)
    return f"""
"flow.executable"() ({{
  "flow.executable.export"() ({{
  ^bb0({", ".join(f"%{s}: index" for s in sizes)}):
    %one = arith.constant 1 : index
    {across}
    "flow.return"(%across, {f"%{sizes[0]}" if repeat else "%one"}, %one) : (index, index, index) -> ()
  }}) {{function_ref = @{name}, sym_name = "{name}"}} : () -> ()
  builtin.module {{
    func.func @{name}({arguments}) attributes {{{attributes}}} {{
      {ordinals}
      {ties}
      %strip = "flow.dispatch.workgroup.id"() {{dimension = 0 : index}} : () -> index
      %b = "flow.dispatch.workgroup.id"() {{dimension = 1 : index}} : () -> index
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      {body}
      return
    }}
  }}
  "flow.executable_end"() : () -> ()
}}) {{sym_name = "{name}", sym_visibility = "private"}} : () -> ()
"""


def address(result: str, base: int, *offsets: tuple[str, int]) -> str:
    """Return the lines of a pointer into `%memory`: `base` and multiples of indices, in bytes."""
    name = result if not offsets else f"{result}_0"
    lines = [f"{name} = llvm.getelementptr %memory[{base}] : (!llvm.ptr) -> !llvm.ptr, i8"]
    for number, (index, scale) in enumerate(offsets, 1):
        before, name = name, result if number == len(offsets) else f"{result}_{number}"
        lines += [
            f"{result}_i{number} = arith.index_cast {index} : index to i64",
            f"{name} = llvm.getelementptr {before}[{result}_i{number}] : (!llvm.ptr, i64) -> !llvm.ptr, "
            f"!llvm.array<{scale} x i8>",
        ]
    return "\n".join(lines)


def multiply_add(result: str, total: str, x: str, y: str, vector: str, fma: bool) -> str:
    """Return the lines of `result = total + x y` of vectors: in one step, or with the product rounded before."""
    if fma:
        return f"{result} = vector.fma {x}, {y}, {total} : {vector}"
    return f"{result}_m = arith.mulf {x}, {y} : {vector}\n{result} = arith.addf {total}, {result}_m : {vector}"


def transposition(rows: Sequence[str], vector: str) -> tuple[str, str]:
    """Return the lines that transpose a square of vectors, and the name of its new rows without their numbers.

    To shuffle two rows as the halves of a deck of cards, row i with row i + count / 2, moves the first bit of the row's
    number to the end of the column's, and the first of the column's to the end of the row's. After as many rounds as
    there are bits the two numbers have changed places.
    """
    count, lines, name = len(rows), [], ""
    deck = [card for i in range(count) for card in (i, count + i)]
    for turn in range(count.bit_length() - 1):
        name = f"%turn{turn}_"
        for i in range(count):
            first, part = i // 2, i % 2 * count
            pair, order = f"{rows[first]}, {rows[first + count // 2]}", deck[part : part + count]
            lines.append(f"{name}{i} = vector.shuffle {pair} {order} : {vector}, {vector}")
        rows = [f"{name}{i}" for i in range(count)]
    return "\n".join(lines), name


def _with_numbers(text: str) -> str:
    """Return lines behind those of the numbers that `let` uses in them."""
    numbers = sorted({int(n) for n in re.findall(r"%int(\d+)\b", text)})
    return "\n".join([*(f"%int{n} = arith.constant {n} : index" for n in numbers), text])
