"""Factorisations of small matrices within a kernel: calls of the kernels for them become code in their place.

The code is that of `lowering/factor_unrolled.py`; the operations are those of the kernels that
`lowering/factor_calls.py` calls, in the same order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_kernels import Form
from difc.pipelines.lowering.factor_unrolled import LARGEST, Code, cholesky, lu, solve
from difc.pipelines.lowering.kernel_calls import called
from difc.pipelines.lowering.kernel_loops import counted
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.upstream import is_array

__all__ = ["is_small_factorisation", "work_of_factorisation", "write_out_factorisations"]

_KERNEL = re.compile(
    r"difc_(?:lanes_)?(?P<name>cholesky|lu|solve)(?:_(?P<way>forward|backward))?(?P<turned>_t)?(?P<unit>_unit)?"
    r"(?:_\d+)*_f(?:32|64)"
)
_ROWS = ((0,), (1, 2))  # of a stack of matrices, how its dims are those of a stack of rows

Values = Sequence[ir.Value]


def is_small_factorisation(op: ir.Operation) -> bool:
    """Say whether an operation is a call of such a kernel on matrices of a known, small size."""
    return _kernel(op) is not None and _size(op) <= LARGEST


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


def _kernel(op: ir.Operation) -> re.Match[str] | None:
    """Return the parts of the name of the kernel that is called, or None if it is none of these."""
    return _KERNEL.fullmatch(called(op) or "")


def _arrays(call: ir.Operation) -> list[ir.Value]:
    return [v for v in call.operands if is_array(v)]


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
    batch, *shape = e.sizes_of(given[-1])
    made = [e.empty([batch, *shape], element_of(given[-1]))]
    if kernel["name"] == "lu":
        counts = zip(list(call.results)[1:], reversed(shape), strict=False)
        made += [e.empty([batch, count], element_of(v)) for v, count in counts]
    form = Form(kernel["way"] == "forward", bool(kernel["turned"]), bool(kernel["unit"]))

    def factored(place: ir.Value, *into: ir.Value) -> Values:
        compute = cholesky if kernel["name"] == "cholesky" else partial(lu, columns=shape[-1])
        return _stored(e, _computed(e, fma, compute, _elements(e, given[0], place)), into, place)

    def solved(place: ir.Value, into: ir.Value) -> Values:
        matrix = _elements(e, given[0], place)

        def column(j: ir.Value, into: ir.Value) -> Values:
            right = _elements(e, given[1], place, j)
            return _stored(e, _computed(e, fma, partial(solve, form=form), matrix, right), [into], place, j)

        return _each(e, shape[1], [into], column)

    return _each(e, batch, made, solved if kernel["name"] == "solve" else factored)


def _each(e: TensorEmitter, count: Size, state: Values, step: Callable[..., Values]) -> list[ir.Value]:
    """Return what is left of `state` after `step(index, *state)` for each index; one step needs no loop."""
    return list(step(e.index(0), *state)) if count == 1 else counted(e, 0, count, state, step)


def _places(e: TensorEmitter, x: ir.Value, place: ir.Value, column: Sequence[ir.Value]) -> list[Values]:
    """Return where the elements of a matrix, or of a column of it, are in a stack, row by row."""
    shape = x.type.shape[1 : x.type.rank - len(column)]
    return [[place, *map(e.index, position), *column] for position in np.ndindex(*shape)]


def _elements(e: TensorEmitter, x: ir.Value, place: ir.Value, *column: ir.Value) -> Values:
    return [e.extract(x, position) for position in _places(e, x, place, column)]


def _stored(e: TensorEmitter, found: Values, into: Values, place: ir.Value, *column: ir.Value) -> Values:
    """Return arrays with the elements that were found."""
    left, arrays = iter(found), []
    for array in into:
        for position in _places(e, array, place, column):
            array = e.value("tensor.insert", [next(left), array, *position], array.type)
        arrays.append(array)
    return arrays


def _computed(
    e: TensorEmitter, fma: bool, compute: Callable[..., Sequence[Sequence[str]]], *given: Values
) -> list[ir.Value]:
    """Append the code for elements of matrices, and return the elements of its results."""
    values = [v for x in given for v in x]
    arguments, code = iter(f"%in{i}" for i in range(len(values))), Code(str(values[0].type), fma)
    names = [[next(arguments) for _ in x] for x in given]
    found = [name for x in compute(code, *names) for name in x]
    types = ", ".join(code.type_of(name) for name in found)
    taken = ", ".join(f"{name}: {code.element}" for x in names for name in x)
    lines = "\n".join([*code.lines, f"return {', '.join(found)} : {types}"])
    return e.inlined(f"func.func @code({taken}) -> ({types}) {{\n{lines}\n}}", values)
