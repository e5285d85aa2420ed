"""Kernels for the CPU that factor and solve many small matrices at once, as text: a lane of a vector for each matrix.

All elements of a matrix are values of their own, and loops over them are written out, so sizes are part of the kernel.
Which row is the pivot differs from lane to lane: rows are exchanged by selects. A workgroup takes as many matrices as a
vector has lanes; the last one begins earlier, so that it is full, and computes some again. Matrices lie in memory as
rows of `[batch, elements]`; they are read and written through transposes of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from difc.pipelines.lowering.factor_kernels import Form
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.target import VectorUnit

__all__ = ["LARGEST", "lanes_cholesky_kernel", "lanes_lu_kernel", "lanes_of", "lanes_solve_kernel"]

#: The largest matrices that are done this way: code grows with the third power of the size.
LARGEST = 8

Rows = list[list[str]]


def lanes_of(element: str, unit: VectorUnit) -> int:
    """Return how many matrices a workgroup takes."""
    return unit.bytes // {"f32": 4, "f64": 8}[element]


class _Code:
    """Lines of vector code; each method appends one and returns the name of its result."""

    def __init__(self, element: str, lanes: int, fma: bool) -> None:
        self.element, self.lanes, self.fma = element, lanes, fma
        self.lines: list[str] = []
        self.vector, self.integers = f"vector<{lanes}x{element}>", f"vector<{lanes}xi32>"
        self.marks = f"vector<{lanes}xi1>"

    def add(self, text: str) -> str:
        name = f"%x{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def constant(self, number: str) -> str:
        return self.add(f"arith.constant dense<{number}> : {self.vector}")

    def integer(self, number: int) -> str:
        return self.add(f"arith.constant dense<{number}> : {self.integers}")

    def binary(self, name: str, x: str, y: str) -> str:
        return self.add(f"arith.{name} {x}, {y} : {self.vector}")

    def minus_product(self, x: str, a: str, b: str) -> str:
        """Return x - a b."""
        if not self.fma:
            return self.binary("subf", x, self.binary("mulf", a, b))
        return self.add(f"vector.fma {self.add(f'arith.negf {a} : {self.vector}')}, {b}, {x} : {self.vector}")

    def compare(self, predicate: str, x: str, y: str) -> str:
        return self.add(f"arith.cmpf {predicate}, {x}, {y} : {self.vector}")

    def select(self, mark: str, x: str, y: str, integers: bool = False) -> str:
        return self.add(f"arith.select {mark}, {x}, {y} : {self.marks}, {self.integers if integers else self.vector}")

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
            found += [self.add(f"vector.extract {turn}[{i}] : {self.vector} from {turned}") for i in range(width)]
        return found

    def write(self, values: Sequence[str], element: str) -> str:
        """Return a `tensor<lanes x count>` of the elements of all matrices."""
        count = len(values)
        tensor, vector = self.tensor(count, element), f"vector<{self.lanes}x{element}>"
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


def _kernel(
    name: str,
    element: str,
    unit: VectorUnit,
    read: Sequence[int],
    written: Sequence[tuple[int, str]],
    compute: Callable[[_Code, list[list[str]]], Sequence[Sequence[str]]],
) -> str:
    """Return an executable of arrays [batch, count] that are read, then the size batch, then arrays that are written.

    Args:
      read: counts of the arrays read.
      written: counts and element types of the arrays written.
      compute: from the elements of what is read, lists of vectors, those of what is written.
    """
    code = _Code(element, lanes_of(element, unit), unit.fma)
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
    for array, values in zip(targets, compute(code, given), strict=True):
        tensor = code.write(values, array.element)
        code.lines.append(array.store_rows(tensor, "%first", code.lanes))
    across = f"%lanes = arith.constant {code.lanes} : index\n%across = arith.ceildivui %batch, %lanes : index"
    return executable(name, [*sources, *targets], ["batch"], across, "\n".join(code.lines), repeat=False)


def _square(values: Sequence[str], columns: int) -> Rows:
    return [list(values[i : i + columns]) for i in range(0, len(values), columns)]


# ---- the kernels ---------------------------------------------------------------------------------


def lanes_cholesky_kernel(name: str, element: str, unit: VectorUnit, size: int) -> str:
    """Return the executable: x [batch, size * size], of which the upper triangle is read; U, with zeros below it."""

    def compute(code: _Code, given: list[list[str]]) -> list[list[str]]:
        x = _square(given[0], size)
        zero, nan = code.constant("0.0"), code.constant("0x7FC00000" if element == "f32" else "0x7FF8000000000000")
        for k in range(size):
            positive = code.compare("ogt", x[k][k], zero)
            root = code.add(f"math.sqrt {code.select(positive, x[k][k], nan)} : {code.vector}")
            x[k][k:] = [root, *(code.binary("divf", v, root) for v in x[k][k + 1 :])]
            for i in range(k + 1, size):
                for j in range(i, size):
                    x[i][j] = code.minus_product(x[i][j], x[k][i], x[k][j])
            x[k][:k] = [zero] * k
        return [[v for row in x for v in row]]

    return _kernel(name, element, unit, [size * size], [(size * size, element)], compute)


def lanes_lu_kernel(name: str, element: str, unit: VectorUnit, size: int) -> str:
    """Return the executable: x [batch, size * size]; the packed factors, the pivots and the permutation."""

    def compute(code: _Code, given: list[list[str]]) -> list[list[str]]:
        x = _square(given[0], size)
        zero, one = code.constant("0.0"), code.constant("1.0")
        numbers = [code.integer(i) for i in range(size)]
        order, pivots = list(numbers), []
        for k in range(size):
            sizes = [code.add(f"math.absf {x[i][k]} : {code.vector}") for i in range(k, size)]
            best, at = sizes[0], numbers[k]
            for i, candidate in enumerate(sizes[1:], k + 1):
                larger = code.compare("ogt", candidate, best)
                best, at = code.select(larger, candidate, best), code.select(larger, numbers[i], at, integers=True)
            pivots.append(at)
            row, place = list(x[k]), order[k]
            for i in range(k + 1, size):
                chosen = code.add(f"arith.cmpi eq, {at}, {numbers[i]} : {code.integers}")
                x[k], x[i] = (
                    [code.select(chosen, a, b) for a, b in zip(x[i], x[k], strict=True)],
                    [code.select(chosen, a, b) for a, b in zip(row, x[i], strict=True)],
                )
                order[k], order[i] = (
                    code.select(chosen, order[i], order[k], integers=True),
                    code.select(chosen, place, order[i], integers=True),
                )
            divisor = code.select(code.compare("oeq", x[k][k], zero), one, x[k][k])
            for i in range(k + 1, size):
                x[i][k] = code.binary("divf", x[i][k], divisor)
                for j in range(k + 1, size):
                    x[i][j] = code.minus_product(x[i][j], x[i][k], x[k][j])
        return [[v for row in x for v in row], pivots, order]

    return _kernel(name, element, unit, [size * size], [(size * size, element), (size, "i32"), (size, "i32")], compute)


def lanes_solve_kernel(name: str, element: str, unit: VectorUnit, form: Form, size: int, columns: int) -> str:
    """Return the executable: a [batch, size * size] and b [batch, size * columns]; the solution, like b."""

    def compute(code: _Code, given: list[list[str]]) -> list[list[str]]:
        a, x = _square(given[0], size), _square(given[1], columns)
        order = range(size) if form.forward else range(size)[::-1]
        for done, k in enumerate(order):
            for i in order[:done]:
                factor = a[i][k] if form.transposed else a[k][i]
                x[k] = [code.minus_product(v, factor, w) for v, w in zip(x[k], x[i], strict=True)]
            if not form.unit:
                x[k] = [code.binary("divf", v, a[k][k]) for v in x[k]]
        return [[v for row in x for v in row]]

    return _kernel(name, element, unit, [size * size, size * columns], [(size * columns, element)], compute)
