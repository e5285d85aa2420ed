"""Ahead of time: `export`, `compile`, `trace`; and `load` for what they make. The public end of `program.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from difc.entry import Export, exported
from difc.program import CompiledModule, Program, compile_program, trace_entry
from difc.source import shortened

__all__ = ["compile", "trace"]


def trace(fun: Callable[..., Any] | Mapping[str, Export], *specs: Any, **keywords: Any) -> Program:
    """Return a function as a program in the dialect, without compiling it.

    Args:
      fun: a function of pytrees of arrays; one marked with `difc.export` (then no specs are needed); or several of
      these
        by entry name.
      specs, keywords: specs or arrays in the place of its arguments.

    Example:
      >>> print(difc.trace(np.sin, difc.f32["n"]).ir("dif"))  # doctest: +SKIP
    """
    try:
        return _traced(fun, specs, keywords)
    except Exception as error:
        raise shortened(error)  # noqa: B904 - it is the same error


def _traced(
    fun: Callable[..., Any] | Mapping[str, Export], specs: tuple[Any, ...], keywords: dict[str, Any]
) -> Program:
    from difc.jitted import _new_module

    if isinstance(fun, Mapping):
        program = Program(_new_module(), tuple(fun))
        for name, each in fun.items():
            arguments, named = each.arguments()
            trace_entry(program, each.fun, arguments, named, name)
        return program
    program = Program(_new_module())
    mark = exported(fun)
    if mark is not None and not specs and not keywords:
        specs, keywords = mark.arguments()
    trace_entry(program, mark.fun if mark else fun, specs, keywords, mark.name if mark else None)
    return program


def compile(
    fun: Callable[..., Any] | Mapping[str, Export],
    *specs: Any,
    target: str = "cpu",
    opt_level: int = 3,
    **keywords: Any,
) -> CompiledModule:
    """Compile a function ahead of time for the given argument types. (jax.jit(f).lower(...).compile())

    Args:
      fun: a function; one marked with `difc.export`; or several of these by entry name.
      specs, keywords: specs such as `difc.f32["batch", 784]`, or example arrays, in the place of its arguments.
      target: "cpu", "cpu-generic", "vulkan" or "cuda[:sm_XX]".
      opt_level: 0 to 3.

    Returns:
      A module that can be called, inspected with `.ir(stage)` and written with `.save(path)`.

    Raises:
      TargetError, UnsupportedError, CompileError: as the stages say.

    Example:
      >>> f = difc.compile(difc.grad(lambda x: np.sum(x**2)), difc.f32[3])  # doctest: +SKIP
      >>> f.save("gradient.vmfb")  # doctest: +SKIP
    """
    try:
        return compile_program(_traced(fun, specs, keywords), target, opt_level)
    except Exception as error:
        raise shortened(error)  # noqa: B904 - it is the same error
