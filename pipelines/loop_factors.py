"""Factorisations of small matrices within a kernel: calls of the kernels for them become code in their place.

All elements of a matrix are numbers of their own, and the loops over them are written out; rows are exchanged by
selects. The operations are those of the kernels that `lowering/factor_calls.py` calls, in the same order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import SIGNED, Size, element_of
from difc.pipelines.lowering.factor_kernels import Form
from difc.pipelines.lowering.factor_lanes import LARGEST
from difc.pipelines.lowering.kernel_loops import counted
from difc.pipelines.lowering.tensors import TensorEmitter

__all__ = ["is_small_factorisation", "work_of_factorisation", "write_out_factorisations"]

_KERNEL = re.compile(
    r"difc_(?:lanes_)?(?P<name>cholesky|lu|solve)(?:_(?P<way>forward|backward))?(?P<turned>_t)?(?P<unit>_unit)?"
    r"(?:_\d+)*_f(?:32|64)"
)
_FLOATS = {"eq": 1, "gt": 2, "ne": 13}  # predicates of arith.cmpf
_ROWS = ((0,), (1, 2))  # of a stack of matrices, how its dims are those of a stack of rows

Values = Sequence[ir.Value]


def is_small_factorisation(op: ir.Operation) -> bool:
    """Say whether an operation is a call of such a kernel on matrices of a known, small size."""
    return op.name == "flow.dispatch" and _kernel(op) is not None and _size(op) <= LARGEST


def work_of_factorisation(call: ir.Operation) -> float:
    """Return how many operations on numbers a call does, roughly; infinite if that is known only at run time."""
    type_ = _arrays(call)[-1].type
    return 2.0 * _size(call) * (math.prod(type_.shape) if type_.has_static_shape else math.inf)


def write_out_factorisations(function: ir.Operation, calls: Sequence[ir.Operation], fma: bool) -> None:
    """Replace calls in a function by code; `fma` says whether the kernels multiply and add in one step."""
    e = TensorEmitter(function.regions[0].blocks[0], function.location)
    for call in calls:
        e.location = call.location
        with e.within(call):
            for old, new in zip(call.results, _written_out(e, call, fma), strict=False):  # a workspace is not needed
                old.replace_all_uses_with(e.collapse(new, _ROWS) if old.type.rank < new.type.rank else new)
        call.erase()


def _kernel(call: ir.Operation) -> re.Match[str] | None:
    """Return the parts of the name of the kernel that is called, or None if it is none of these."""
    return _KERNEL.fullmatch(ir.SymbolRefAttr(call.attributes["entry_points"][0]).value[0])


def _arrays(call: ir.Operation) -> list[ir.Value]:
    return [v for v in call.operands if isinstance(v.type, ir.RankedTensorType)]


def _size(call: ir.Operation) -> float:
    """Return the larger size of the matrices that a call factors, or solves with."""
    shape = _arrays(call)[0].type.shape[1:]
    if any(size < 0 for size in shape):
        return math.inf
    return max(shape) if len(shape) == 2 else math.isqrt(shape[0])


def _written_out(e: TensorEmitter, call: ir.Operation, fma: bool) -> list[ir.Value]:
    """Return the results of a call, computed for one matrix of the stack after the other."""
    kernel, size = _kernel(call), _size(call)
    assert kernel is not None
    given = [
        x if x.type.rank == 3 else e.expand(x, _ROWS, [e.size_of(x, 0), size, x.type.shape[1] // size])
        for x in _arrays(call)
    ]
    batch, *shape = (e.size_of(given[-1], d) for d in range(3))
    made = [e.empty([batch, *shape], element_of(given[-1]))]
    if kernel["name"] == "lu":
        made += [e.empty([batch, size], element_of(v)) for v in list(call.results)[1:]]
    form = Form(kernel["way"] == "forward", bool(kernel["turned"]), bool(kernel["unit"]))
    codes: dict[str, Callable[..., Values]] = {"cholesky": _cholesky, "lu": _lu, "solve": partial(_solve, form=form)}
    code = codes[kernel["name"]]
    return _each(e, batch, made, lambda place, *into: code(_Code(e, fma, place), *given, *into))


def _each(e: TensorEmitter, count: Size, state: Values, step: Callable[..., Values]) -> list[ir.Value]:
    """Return what is left of `state` after `step(index, *state)` for each index; one step needs no loop."""
    return list(step(e.index(0), *state)) if count == 1 else counted(e, 0, count, state, step)


class _Code:
    """Code for one matrix of each stack."""

    def __init__(self, e: TensorEmitter, fma: bool, place: ir.Value) -> None:
        self.e, self.fma, self.place = e, fma, place

    def at(self, x: ir.Value, *position: Size) -> ir.Value:
        return self.e.extract(x, [self.place, *map(self.e.index, position)])

    def rows(self, x: ir.Value) -> list[list[ir.Value]]:
        _, rows, columns = x.type.shape
        return [[self.at(x, i, j) for j in range(columns)] for i in range(rows)]

    def put(self, value: ir.Value, into: ir.Value, *position: Size) -> ir.Value:
        operands = [value, into, self.place, *map(self.e.index, position)]
        return self.e.value("tensor.insert", operands, into.type)

    def number(self, value: float, like: ir.Value) -> ir.Value:
        return self.e.constant(value, like.type)

    def compare(self, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        predicate = ir.IntegerAttr.get(self.e.i64, _FLOATS[name])
        return self.e.value("arith.cmpf", [x, y], self.e.i1, predicate=predicate)

    def binary(self, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
        return self.e.value(f"arith.{name}", [x, y], x.type)

    def minus_product(self, x: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        """Return x - a b."""
        if not self.fma:
            return self.binary("subf", x, self.binary("mulf", a, b))
        return self.e.value("math.fma", [self.e.value("arith.negf", [a], a.type), b, x], x.type)


def _cholesky(c: _Code, given: ir.Value, into: ir.Value) -> Values:
    """The lower triangle is read; if a pivot is not positive, that of the factor is NaN."""
    x, size = c.rows(given), given.type.shape[1]
    zero, nan = c.number(0.0, x[0][0]), c.number(math.nan, x[0][0])
    for k in range(size):
        root = c.e.value("math.sqrt", [c.e.select(c.compare("gt", x[k][k], zero), x[k][k], nan)], zero.type)
        x[k][k] = root
        for i in range(k + 1, size):
            x[i][k] = c.binary("divf", x[i][k], root)
        for i in range(k + 1, size):
            for j in range(k + 1, i + 1):
                x[i][j] = c.minus_product(x[i][j], x[i][k], x[j][k])
    added = c.e.select(c.compare("ne", x[-1][-1], x[-1][-1]), nan, zero)
    for i, row in enumerate(x):
        for j, value in enumerate(row):
            into = c.put(c.binary("addf", value, added) if j <= i else zero, into, i, j)
    return [into]


def _lu(c: _Code, given: ir.Value, packed: ir.Value, pivots: ir.Value, order: ir.Value) -> Values:
    x, e = c.rows(given), c.e
    size = given.type.shape[1]
    numbers = [e.constant(i, element_of(order)) for i in range(size)]
    came_from = list(numbers)
    for k in range(size):
        best, at = c.number(-1.0, x[k][k]), numbers[k]
        for i in range(k, size):
            candidate = e.value("math.absf", [x[i][k]], best.type)
            larger = c.compare("gt", candidate, best)
            best, at = e.select(larger, candidate, best), e.select(larger, numbers[i], at)
        pivots = c.put(at, pivots, k)
        kth, number = list(x[k]), came_from[k]
        for i in range(k + 1, size):
            chosen = e.compare(SIGNED["eq"], at, numbers[i])
            x[k], x[i] = (
                [e.select(chosen, a, b) for a, b in zip(x[i], x[k], strict=True)],
                [e.select(chosen, a, b) for a, b in zip(kth, x[i], strict=True)],
            )
            came_from[k], came_from[i] = (
                e.select(chosen, came_from[i], came_from[k]),
                e.select(chosen, number, came_from[i]),
            )
        is_zero = c.compare("eq", x[k][k], c.number(0.0, x[k][k]))
        divisor = e.select(is_zero, c.number(1.0, x[k][k]), x[k][k])
        for i in range(k + 1, size):
            x[i][k] = c.binary("divf", x[i][k], divisor)
            for j in range(k + 1, size):
                x[i][j] = c.minus_product(x[i][j], x[i][k], x[k][j])
    for i, row in enumerate(x):
        order = c.put(came_from[i], order, i)
        for j, value in enumerate(row):
            packed = c.put(value, packed, i, j)
    return [packed, pivots, order]


def _solve(c: _Code, matrix: ir.Value, right: ir.Value, into: ir.Value, form: Form) -> Values:
    a, size = c.rows(matrix), matrix.type.shape[1]
    order = range(size) if form.forward else range(size)[::-1]

    def column(j: ir.Value, into: ir.Value) -> Values:
        x: dict[int, ir.Value] = {}
        for k in order:
            value = c.at(right, k, j)
            for i, known in x.items():
                value = c.minus_product(value, a[i][k] if form.transposed else a[k][i], known)
            x[k] = value if form.unit else c.binary("divf", value, a[k][k])
            into = c.put(x[k], into, k, j)
        return [into]

    return _each(c.e, c.e.size_of(right, 2), [into], column)
