"""Kernels for the CPU that factor and solve many small matrices at once, as text: a lane of a vector for each matrix.

The code is that of `factor_unrolled.py`, so sizes are part of a kernel. A workgroup takes as many matrices as a vector
has lanes; the last one begins earlier, so that it is full, and computes some again. Matrices lie in memory as rows of
`[batch, elements]`; they are read and written through transposes of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc.pipelines.lowering.factor_unrolled import Code
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.target import VectorUnit

__all__ = ["lanes_kernel", "lanes_of"]


def lanes_of(element: str, unit: VectorUnit) -> int:
    """Return how many matrices a workgroup takes."""
    return unit.bytes // {"f32": 4, "f64": 8}[element]


class _Lanes(Code):
    """Code on vectors that also reads and writes blocks of matrices."""

    def read(self, tensor: str, count: int) -> list[str]:
        """Return the first `count` elements of all matrices of a `tensor<lanes x count>`."""
        found: list[str] = []
        for at in range(0, count, self.lanes):
            width = min(self.lanes, count - at)
            block, turned = (f"vector<{a}x{b}x{self.element}>" for a, b in ((self.lanes, width), (width, self.lanes)))
            column = self.add(f"arith.constant {at} : index")
            lines = self.add(
                f"vector.transfer_read {tensor}[%c0, {column}], %zero {{in_bounds = [true, true]}} : "
                f"{self.tensor(count, self.element)}, {block}"
            )
            turn = self.add(f"vector.transpose {lines}, [1, 0] : {block} to {turned}")
            vector = self.type(self.element)
            found += [self.add(f"vector.extract {turn}[{i}] : {vector} from {turned}") for i in range(width)]
        return found

    def write(self, values: Sequence[str], element: str) -> str:
        """Return a `tensor<lanes x count>` of the elements of all matrices."""
        count = len(values)
        tensor, vector = self.tensor(count, element), self.type(element)
        into = self.add(f"tensor.empty() : {tensor}")
        for at in range(0, count, self.lanes):
            part = values[at : at + self.lanes]
            width = len(part)
            block, turned = (f"vector<{a}x{b}x{element}>" for a, b in ((width, self.lanes), (self.lanes, width)))
            zero = "0" if element == "i32" else "0.0"
            rows = self.add(f"arith.constant dense<{zero}> : {block}")
            for i, value in enumerate(part):
                rows = self.add(f"vector.insert {value}, {rows}[{i}] : {vector} into {block}")
            turn = self.add(f"vector.transpose {rows}, [1, 0] : {block} to {turned}")
            column = self.add(f"arith.constant {at} : index")
            into = self.add(
                f"vector.transfer_write {turn}, {into}[%c0, {column}] {{in_bounds = [true, true]}} : {turned}, {tensor}"
            )
        return into

    def tensor(self, count: int, element: str) -> str:
        return f"tensor<{self.lanes}x{count}x{element}>"


def lanes_kernel(
    name: str,
    element: str,
    unit: VectorUnit,
    read: Sequence[int],
    written: Sequence[tuple[int, str]],
    compute: Callable[..., Sequence[Sequence[str]]],
) -> str:
    """Return an executable of arrays [batch, count] that are read, then the size batch, then arrays that are written.

    Args:
      read: counts of the arrays read.
      written: counts and element types of the arrays written.
      compute: from the code and the elements of each array that is read, those of each that is written.
    """
    code = _Lanes(element, unit.fma, lanes_of(element, unit))
    sources = [Array(f"in{i}", "read", element, ("batch", count)) for i, count in enumerate(read)]
    targets = [Array(f"out{i}", "write", kind, ("batch", count)) for i, (count, kind) in enumerate(written)]
    code.lines += [
        f"%lanes = arith.constant {code.lanes} : index",
        f"%zero = arith.constant 0.0 : {element}",
        "%wanted = arith.muli %strip, %lanes : index",
        "%latest = arith.subi %batch, %lanes : index",
        "%first = arith.minui %wanted, %latest : index",
    ]
    code.lines += [a.load_rows(f"%{a.name}_rows", "%first", code.lanes) for a in sources]
    given = [code.read(f"%{a.name}_rows", count) for a, count in zip(sources, read, strict=True)]
    for array, values in zip(targets, compute(code, *given), strict=True):
        tensor = code.write(values, array.element)
        code.lines.append(array.store_rows(tensor, "%first", code.lanes))
    across = f"%lanes = arith.constant {code.lanes} : index\n%across = arith.ceildivui %batch, %lanes : index"
    return executable(name, [*sources, *targets], ["batch"], across, "\n".join(code.lines), repeat=False)
