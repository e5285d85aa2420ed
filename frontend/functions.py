"""Tracing a Python function into a function of the module, and calling it there.

`trace_function` is the one way from Python to a `func.func`: for entry points, and for the functions that requests for
derivatives and batching name. Values of enclosing frames that it uses become extra arguments at its end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optree import PyTreeSpec

from difc.dialects import Aval, as_list
from difc.dialects.body import add_function, return_, unique_name
from difc.dialects.mlir import ir
from difc.errors import ConcretizationError, InputError, MutationError, SourceLocation
from difc.promotion import is_weak
from difc.pytree import flatten_with_names
from difc.source import is_library, place_of, user_frame_location
from difc.tracer import Tracer, lift, stored_in_array, wrap
from difc.tracing import Frame, current_frame, file_location, new_frame

__all__ = ["Traced", "applied", "call_name", "call_user", "results_as_tracers", "trace_function", "values_of"]


@dataclass(frozen=True)
class Traced:
    """A function of the module, made from Python.

    Attributes:
      name: its symbol.
      out_tree: structure of what it returns.
      out_avals: types of its results, with named run-time sizes.
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


def call_user(what: str, remedy: str, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that the user gave.

    Args:
      what: how a message begins.
      remedy: what to do if it does not take these arguments, or is no function.

    Raises:
      InputError: in that case; whatever the function raises passes through.
    """
    try:
        return fun(*args, **kwargs)
    except TypeError as error:
        within = error.__traceback__ is None or error.__traceback__.tb_next is not None
        if within or _takes(fun, args, kwargs):
            raise
        raise InputError(f"{what}: {error}", where=user_frame_location(), remedy=remedy) from None


def _takes(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a function is known to take such arguments."""
    try:
        inspect.signature(fun).bind(*args, **kwargs)
    except (TypeError, ValueError):  # also what is no function, or a builtin without a signature
        return False
    return True


def applied(
    what: str,
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    how: str = "call it as",
) -> Any:
    """Return the result of the function that `what` transforms or compiles; see `call_user`.

    Args:
      how: what to do with the function's signature where it does not take the arguments.
    """
    problem = f"{what}: `{call_name(fun)}` cannot be called with these arguments"
    try:
        remedy = f"{how} {call_name(fun)}{inspect.signature(fun)}"
    except (TypeError, ValueError):  # a builtin without a signature
        remedy = "pass the arguments that it takes"
    return call_user(problem, remedy, fun, *args, **(kwargs or {}))


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
        except TypeError as error:  # NumPy's own, for `np.zeros(x)`
            if "got 'Tracer<" not in str(error):
                raise
            raise ConcretizationError(
                "a traced array has no numbers yet: the shape of a NumPy array was asked for while its function is "
                "traced",
                where=place_of(error),
                remedy="take sizes from the shapes of arrays, and make arrays with difc.numpy; or pass a size as a "
                "static argument, as with difc.jit(f, static_argnums=0)",
            ) from None
        names, results, tree = flatten_with_names(out, "result")
        values = [lift(x, name=f"{n} of `{name}`") for n, x in zip(names, results, strict=True)]
        out_avals = [frame.builder.aval(v) for v in values]
        out_weak = [isinstance(x, Tracer) and x.weak for x in results]
        return_(frame.block, values, location)
        free = name if entries is not None else unique_name(module, name, frame.reserved)
        made = add_function(module, free, frame.block, private=entries is None, location=location)
        return Traced(made.name.value, tree, out_avals, out_weak, list(frame.captured))


def _definition(fun: Any) -> ir.Location:
    code = getattr(getattr(fun, "__wrapped__", fun), "__code__", None)
    if code is not None and not is_library(code.co_filename):
        return file_location(SourceLocation(code.co_filename, code.co_firstlineno, 1))
    return file_location(user_frame_location())


def values_of(
    leaves: Sequence[Any], names: Sequence[str] | None = None
) -> tuple[list[ir.Value], list[Aval], list[bool]]:
    """Return the values of leaves in the current frame, their named types, and which are weak.

    Args:
      names: what messages call the leaves.
    """
    frame: Frame = current_frame()
    values = [lift(x, name=n) for x, n in zip(leaves, names or ["a value"] * len(leaves), strict=True)]
    avals = [frame.builder.aval(v) for v in values]
    return values, avals, [is_weak(x) for x in leaves]


def results_as_tracers(results: Any, avals: Sequence[Aval], weak: Sequence[bool]) -> list[Any]:
    """Return tracers of the results of a call or request, whose run-time sizes have the names of `avals`."""
    frame = current_frame()
    values = as_list(results)
    for value, aval in zip(values, avals, strict=True):
        frame.builder.adopt(value, aval.shape)
    return [wrap(v, w) for v, w in zip(values, weak, strict=True)]
