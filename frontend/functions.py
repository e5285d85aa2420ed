"""Tracing a Python function into a function of the module, and calling it there.

`trace_function` is the one way from Python to a `func.func`: for entry points, and for the functions that requests for
derivatives and batching name. Values of enclosing frames that it uses become extra arguments at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optree import PyTreeSpec

from difc import dialects as dif
from difc.dialects import Aval, aval_of
from difc.dialects.body import add_function, return_, unique_name
from difc.dialects.mlir import ir
from difc.errors import ConcretizationError, MutationError
from difc.pytree import flatten, unflatten
from difc.source import is_library, user_frame_location
from difc.tracer import Tracer, lift, stored_in_array, wrap
from difc.tracing import Frame, current_frame, new_frame

__all__ = ["Traced", "call_name", "results_as_tracers", "trace_function", "values_of"]


@dataclass(frozen=True)
class Traced:
    """A function of the module, made from Python.

    Attributes:
      name: its symbol.
      out_tree: structure of what it returns.
      out_shapes: named types of its results.
      weak: which results count as Python numbers in promotion.
      captured: values of the enclosing frame that are its last arguments.
    """

    name: str
    out_tree: PyTreeSpec
    out_avals: list[Aval]
    weak: list[bool]
    captured: list[ir.Value]


def call_name(fun: Callable[..., Any]) -> str:
    """Return a symbol for a Python callable."""
    name = getattr(fun, "__name__", None) or getattr(getattr(fun, "func", None), "__name__", None) or type(fun).__name__
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "f"


def trace_function(
    module: ir.Module,
    fun: Callable[[list[Any]], Any],
    avals: Sequence[Aval],
    weak: Sequence[bool],
    name: str,
    *,
    entries: Iterable[str] | None = None,
) -> Traced:
    """Trace `fun`, a function of a list of leaves, into a new function of the module.

    Args:
      avals: types of the leaves, with named run-time sizes.
      weak: which leaves count as Python numbers in promotion.
      name: the symbol wanted.
      entries: for an entry of a program: the names of all its entries, which no other function gets.
    """
    with new_frame(avals, f"`{name}`", module, entries or ()) as frame:
        location = _definition(fun)
        leaves = [wrap(a, w) for a, w in zip(list(frame.block.arguments), weak, strict=True)]
        try:
            out = fun(leaves)
        except ValueError as error:  # NumPy's own, for `y[0] = x[0]` on an array of numbers
            if isinstance(error.__cause__, (ConcretizationError, MutationError)):
                raise stored_in_array(error.__cause__.where) from None
            raise
        results, tree = flatten(out)
        values = [lift(x) for x in results]
        out_avals = [Aval(frame.builder.shape(v), aval_of(v).dtype) for v in values]
        out_weak = [isinstance(x, Tracer) and x.weak for x in results]
        return_(frame.block, values, location)
        free = name if entries is not None else unique_name(module, name, frame.reserved)
        made = add_function(module, free, frame.block, private=entries is None, location=location)
        return Traced(made.name.value, tree, out_avals, out_weak, list(frame.captured))


def _definition(fun: Any) -> ir.Location:
    code = getattr(getattr(fun, "__wrapped__", fun), "__code__", None)
    if code is not None and not is_library(code.co_filename):
        return ir.Location.file(code.co_filename, code.co_firstlineno, 1)
    place = user_frame_location()
    return ir.Location.file(place.file, place.line, place.column) if place else ir.Location.unknown()


def values_of(leaves: Sequence[Any]) -> tuple[list[ir.Value], list[Aval], list[bool]]:
    """Return the values of leaves in the current frame, their named types, and which are weak."""
    from difc.promotion import is_weak

    frame: Frame = current_frame()
    values = [lift(x) for x in leaves]
    avals = [Aval(frame.builder.shape(v), aval_of(v).dtype) for v in values]
    return values, avals, [is_weak(x) for x in leaves]


def results_as_tracers(results: Any, avals: Sequence[Aval], weak: Sequence[bool]) -> list[Any]:
    """Return tracers of the results of a call or request, whose run-time sizes have the names of `avals`."""
    frame = current_frame()
    values = list(results) if isinstance(results, tuple) else [results]
    for value, aval in zip(values, avals, strict=True):
        frame.builder.adopt(value, aval.shape)
    return [wrap(v, w) for v, w in zip(values, weak, strict=True)]


def plain(aval: Aval) -> Aval:
    """Return a type without the names of its run-time sizes."""
    return Aval(tuple(d if isinstance(d, int) else dif.DYN for d in aval.shape), aval.dtype)


def rebuild(tree: PyTreeSpec, leaves: Sequence[Any]) -> Any:
    """Return a result tree from its leaves."""
    return unflatten(tree, leaves)
