"""Factorisations and solves of small matrices as text, with the loops over their elements written out.

Each element is a value of its own: a number, or a vector with a lane for each of many matrices. Which row is the pivot
is known only at run time, and differs from lane to lane: rows are exchanged by selects. Matrices are given and returned
as the names of their elements, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from difc.pipelines.lowering.factor_kernels import Form
from difc.pipelines.lowering.kernel_text import NAN

__all__ = ["BITS", "LARGEST", "Code", "cholesky", "lu", "solve"]

#: The largest matrices that are done this way: code grows with the third power of the size.
LARGEST = 8

#: Integers with as many bits as numbers have.
BITS = {"f32": "i32", "f64": "i64"}


class Code:
    """Lines of code; each method appends one and returns the name of its result."""

    def __init__(self, element: str, fma: bool, lanes: int = 0) -> None:
        """Begin code on values of `element`, f32 or f64: vectors of so many lanes, or single numbers if that is 0."""
        self.element, self.fma, self.lanes = element, fma, lanes
        self.lines: list[str] = []
        self._integers: dict[str, str] = {}  # the types of the values that are not floats

    def type(self, element: str) -> str:
        """Return the type of values of an element type."""
        return f"vector<{self.lanes}x{element}>" if self.lanes else element

    def type_of(self, value: str) -> str:
        """Return the type of a value."""
        return self.type(self._integers.get(value, self.element))

    def add(self, text: str, element: str | None = None) -> str:
        """Append an operation; `element` is the type of the elements of its result, if they are not floats."""
        name = f"%x{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        if element is not None:
            self._integers[name] = element
        return name

    def constant(self, number: str, element: str | None = None) -> str:
        """Append a number in all lanes; `element` is its type, if it is no float."""
        value = f"dense<{number}>" if self.lanes else number
        return self.add(f"arith.constant {value} : {self.type(element or self.element)}", element)

    def op(self, name: str, *operands: str) -> str:
        """Append arithmetic on floats."""
        return self.add(f"{name} {', '.join(operands)} : {self.type(self.element)}")

    def minus_product(self, x: str, a: str, b: str) -> str:
        """Return x - a b."""
        if not self.fma:
            return self.op("arith.subf", x, self.op("arith.mulf", a, b))
        return self.op("math.fma", self.op("arith.negf", a), b, x)

    def size_bits(self, x: str) -> str:
        """Return integers in the order of the absolute values of x, as NumPy sorts: NaN is above infinity."""
        bits = BITS[self.element]
        return self.add(
            f"arith.bitcast {self.op('math.absf', x)} : {self.type(self.element)} to {self.type(bits)}", bits
        )

    def compare(self, predicate: str, x: str, y: str) -> str:
        """Append a comparison, `cmpi` or `cmpf` with its predicate."""
        return self.add(f"arith.{predicate}, {x}, {y} : {self.type_of(x)}", "i1")

    def select(self, mark: str, x: str, y: str) -> str:
        """Append a choice between two values of one type."""
        types = f"{self.type('i1')}, {self.type_of(x)}"
        return self.add(f"arith.select {mark}, {x}, {y} : {types}", self._integers.get(x))


def _rows(values: Sequence[str], columns: int) -> list[list[str]]:
    return [list(values[i : i + columns]) for i in range(0, len(values), columns)]


def cholesky(code: Code, given: Sequence[str]) -> list[list[str]]:
    """Return L, with zeros above it; the lower triangle is read. If a pivot is not positive, that of L is NaN."""
    size = math.isqrt(len(given))
    x = _rows(given, size)
    zero, nan = code.constant("0.0"), code.constant(NAN[code.element])
    for k in range(size):
        positive = code.compare("cmpf ogt", x[k][k], zero)
        x[k][k] = code.op("math.sqrt", code.select(positive, x[k][k], nan))
        for i in range(k + 1, size):
            x[i][k] = code.op("arith.divf", x[i][k], x[k][k])
        for i in range(k + 1, size):
            for j in range(k + 1, i + 1):
                x[i][j] = code.minus_product(x[i][j], x[i][k], x[j][k])
    added = code.select(code.compare("cmpf une", x[-1][-1], x[-1][-1]), nan, zero)
    return [[code.op("arith.addf", x[i][j], added) if j <= i else zero for i in range(size) for j in range(size)]]


def lu(code: Code, given: Sequence[str], columns: int | None = None) -> list[list[str]]:
    """Return the packed factors, the pivots and the permutation; a matrix has as many rows as `columns`, or more."""
    columns = columns or math.isqrt(len(given))
    rows = len(given) // columns
    zero, one = code.constant("0.0"), code.constant("1.0")
    numbers = [code.constant(str(i), "i32") for i in range(rows)]
    x = [[*row, number] for row, number in zip(_rows(given, columns), numbers, strict=True)]
    pivots = []
    for k in range(columns):
        sizes = [code.size_bits(x[i][k]) for i in range(k, rows)]
        best, at = sizes[0], numbers[k]
        for i, candidate in enumerate(sizes[1:], k + 1):
            larger = code.compare("cmpi sgt", candidate, best)
            best, at = code.select(larger, candidate, best), code.select(larger, numbers[i], at)
        pivots.append(at)
        kth = x[k]
        for i in range(k + 1, rows):
            chosen = code.compare("cmpi eq", at, numbers[i])
            x[k], x[i] = (
                [code.select(chosen, a, b) for a, b in zip(x[i], x[k], strict=True)],
                [code.select(chosen, a, b) for a, b in zip(kth, x[i], strict=True)],
            )
        divisor = code.select(code.compare("cmpf oeq", x[k][k], zero), one, x[k][k])
        for i in range(k + 1, rows):
            x[i][k] = code.op("arith.divf", x[i][k], divisor)
            for j in range(k + 1, columns):
                x[i][j] = code.minus_product(x[i][j], x[i][k], x[k][j])
    return [[v for row in x for v in row[:-1]], pivots, [row[-1] for row in x]]


def solve(code: Code, matrix: Sequence[str], right: Sequence[str], form: Form) -> list[list[str]]:
    """Return the solution of a triangular system, like the right-hand sides."""
    size = math.isqrt(len(matrix))
    a, x = _rows(matrix, size), _rows(right, len(right) // size)
    order = range(size) if form.forward else range(size)[::-1]
    for done, k in enumerate(order):
        for i in order[:done]:
            factor = a[i][k] if form.transposed else a[k][i]
            x[k] = [code.minus_product(v, factor, w) for v, w in zip(x[k], x[i], strict=True)]
        if not form.unit:
            x[k] = [code.op("arith.divf", v, a[k][k]) for v in x[k]]
    return [[v for row in x for v in row]]
