"""Ahead of time: `compile` and `trace`, the public end of `program.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from difc.entry import Export, exported
from difc.errors import DifcError, ModelError
from difc.jitted import check_function
from difc.program import CompiledModule, Program, compile_program, trace_entry
from difc.source import shortened

__all__ = ["compile", "trace"]


def trace(fun: Callable[..., Any] | Mapping[str, Export], *specs: Any, **keywords: Any) -> Program:
    """Return a function as a program in the dialect, without compiling it.

    Args:
      fun: a function of pytrees of arrays; one marked with `difc.export` (then no specs are needed); or several such
        by entry name.
      specs, keywords: specs or arrays in the place of its arguments.

    Example:
      >>> print(difc.trace(np.sin, difc.f32["n"]).ir("dif"))  # doctest: +SKIP
    """
    try:
        return _traced("trace", fun, specs, keywords)
    except Exception as error:
        raise shortened(error)  # noqa: B904 - it is the same error


def _traced(
    what: str, fun: Callable[..., Any] | Mapping[str, Export], specs: tuple[Any, ...], keywords: dict[str, Any]
) -> Program:
    if isinstance(fun, Mapping):
        if not fun:
            raise ModelError("there are no entries to compile", remedy="give at least one, marked with difc.export")
        program = Program(entries=tuple(fun))
        for name, each in fun.items():
            if exported(each) is None:
                remedy = "mark it: difc.export(fun, specs=[...])"
                raise ModelError(f"the entry `{name}` is no function marked with difc.export", remedy=remedy)
            arguments, named = each.arguments()
            try:
                trace_entry(program, each.fun, arguments, named, _checked_name(name))
            except DifcError as error:  # of its specs or its results, which no line of the user computes
                error.where = error.where or each.place
                raise
        return program
    check_function(what, fun)
    program = Program()
    mark = exported(fun)
    if mark is not None and not specs and not keywords:
        specs, keywords = mark.arguments()
    entry = _checked_name(mark.name) if mark else None
    trace_entry(program, mark.fun if mark else fun, specs, keywords, entry, what=what)
    return program


def _checked_name(name: str) -> str:
    """Return the name of an entry, if it is none of those that IREE gives to functions of its own."""
    if name.startswith("__") or "$" in name:
        raise ModelError(
            f"an entry cannot be called `{name}`: IREE's own functions start with __ or have a $",
            remedy='give it another name: difc.export(name="...")',
        )
    return name


def compile(
    fun: Callable[..., Any] | Mapping[str, Export],
    *specs: Any,
    target: str = "cpu",
    opt_level: int = 3,
    **keywords: Any,
) -> CompiledModule:
    """Compile a function ahead of time for the given argument types. (jax.jit(f).lower(...).compile())

    Args:
      fun: a function; one marked with `difc.export`; or several marked ones by entry name.
      specs, keywords: specs such as `difc.f32["batch", 784]`, or example arrays, in the place of its arguments.
      target: "cpu", "cpu-generic", "vulkan" or "cuda[:sm_XX]".
      opt_level: 0 to 3.

    Returns:
      A module that can be called, inspected with `.ir(stage)` and written with `.save(path)`.

    Raises:
      ModelError: for entries that are not marked, have no specs, or are called as no entry can be.
      TargetError, UnsupportedError, CompileError: as the stages say.

    Example:
      >>> f = difc.compile(difc.grad(lambda x: np.sum(x**2)), difc.f32[3])  # doctest: +SKIP
      >>> f.save("gradient.vmfb")  # doctest: +SKIP
    """
    try:
        return compile_program(_traced("compile", fun, specs, keywords), target, opt_level)
    except Exception as error:
        raise shortened(error)  # noqa: B904 - it is the same error
