"""What tests of the lowering share: functions lowered and compiled as one module, and run beside the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import pytest

import difc
from difc import config, program
from difc import dialects as dif
from difc.dialects import BF16, Aval, Builder, add_function, context, interpreter, is_float, new_block, return_
from difc.dialects.mlir import ir
from difc.pipelines.compile import compile_module
from difc.pipelines.lower import lower
from difc.pipelines.target import Target, VectorUnit
from tests.pipelines.artifacts import call, loaded

__all__ = [
    "TOLERANCE",
    "Function",
    "build",
    "beside_the_interpreter",
    "check",
    "compiled",
    "compiles",
    "host_code",
    "joined",
    "kernels_must_compile",
    "loop",
    "loops_on_host",
    "assert_close",
    "text_of",
    "together",
]

#: A function to build: what it emits, and the types of its arguments.
Function = tuple[Callable[..., Any], Sequence[Aval]]
#: Relative and absolute tolerance against the interpreter, which computes in at least f32.
TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-6, "float64": 1e-13}


def build(functions: Mapping[str, Function]) -> ir.Module:
    """Return a verified module of public functions."""
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        for name, (emit, avals) in functions.items():
            block = new_block(avals)
            with dif.use_builder(Builder(block)):
                results = emit(*block.arguments)
            return_(block, list(results) if isinstance(results, tuple | list) else [results])
            add_function(module, name, block, private=False)
        dif.verify(module)
    return module


def joined(functions: Mapping[str, Function]) -> Function:
    """Return one function that is all of them side by side: IREE runs hundreds of passes on each of a module's."""

    def emit(*arguments: ir.Value) -> list[ir.Value]:
        values = iter(arguments)
        found = [one(*islice(values, len(avals))) for one, avals in functions.values()]
        return [v for results in found for v in (results if isinstance(results, tuple | list) else [results])]

    return emit, [aval for _, avals in functions.values() for aval in avals]


def loop(
    avals: Sequence[Aval],
    body: Callable[..., Any],
    operands: Sequence[ir.Value],
    *,
    carry: int,
    xs: int = 0,
    **rest: Any,
) -> tuple[ir.Value, ...]:
    """Emit a scan whose body takes `avals`."""
    block = new_block(avals)
    with dif.use_builder(Builder(block)):
        dif.yield_(*body(*block.arguments))
    attributes = {"length": -1, "reverse": False, "linear": (), **rest}
    results = dif.scan(*operands, regions=[block], num_carry=carry, num_xs=xs, **attributes)
    return results if isinstance(results, tuple) else (results,)


def text_of(emit: Callable[..., Any], avals: Sequence[Aval], target: str = "cpu") -> str:
    """Return the lowered text of one function, verified."""
    lowered = lower(build({"f": (emit, avals)}), target_kind=target)
    lowered.operation.verify()
    return str(lowered)


def host_code(f: Callable[..., Any], *arguments: Any, target: str = "cpu") -> str:
    """Return the text of a traced and lowered function, without its kernels."""
    return difc.trace(f, *arguments).ir("linalg", target).rpartition('"flow.executable_end"')[2]


def loops_on_host(f: Callable[..., Any], *arguments: Any) -> int:
    """Return how many loops of a traced and lowered function are left outside kernels."""
    return host_code(f, *arguments).count("scf.for")


@contextmanager
def kernels_must_compile() -> Iterator[None]:
    """Compile anew, where that IREE cannot compile a kernel is an error: no second try does without."""
    with pytest.MonkeyPatch.context() as patch, config.override(cache_dir=""):
        patch.setattr(program, "PLAIN_LOOPS", "no loop of any module")
        yield


def compiles(module: ir.Module, target: str, opt_level: int = 1, vectors: VectorUnit | None = None) -> bytes:
    """Lower and compile a module; for the processor's own vector unit, or another that it has."""
    resolved = Target.parse(target)
    lowered = lower(module, target_kind=resolved.kind, vectors=vectors or resolved.vectors)
    lowered.operation.verify()
    return compile_module(str(lowered), resolved, opt_level=opt_level)


def compiled(module: ir.Module, opt_level: int = 1, vectors: VectorUnit | None = None) -> Any:
    """Compile a module for this machine's processor and load it; its entries are attributes."""
    return loaded(compiles(module, "cpu", opt_level, vectors))


def assert_close(name: str, got: np.ndarray, want: np.ndarray, tolerance: float | None = None) -> None:
    """Assert that a result is the interpreter's: the same integers and NaN, other floats within a tolerance."""
    assert got.shape == want.shape, f"{name}: shape {got.shape}, not {want.shape}"
    if got.dtype != want.dtype:
        got = got.view(want.dtype)
    if not is_float(want.dtype):
        np.testing.assert_array_equal(got, want, err_msg=name)
        return
    limit = TOLERANCE[want.dtype.name] if tolerance is None else tolerance
    wide = [a.astype(np.float32) if a.dtype in (np.float16, BF16) else a for a in (got, want)]
    np.testing.assert_allclose(*wide, rtol=limit, atol=limit, err_msg=name)


def together(
    functions: Mapping[str, Function], opt_level: int = 1, vectors: VectorUnit | None = None
) -> Callable[[Mapping[str, Sequence[np.ndarray]]], dict[str, list[np.ndarray]]]:
    """Compile functions as one program; return it as a function from the arguments of each to the results of each."""
    alone = build(functions)  # in a name of its own, since its functions do not keep it alive
    counts = {name: len(one.type.results) for name, one in dif.functions_of(alone).items()}
    entry = compiled(build({"f": joined(functions)}), opt_level, vectors).f

    def run(arguments: Mapping[str, Sequence[np.ndarray]]) -> dict[str, list[np.ndarray]]:
        results = iter(call(entry, [array for name in functions for array in arguments[name]]))
        return {name: list(islice(results, counts[name])) for name in functions}

    return run


def beside_the_interpreter(
    functions: Mapping[str, Function], arguments: Mapping[str, Sequence[np.ndarray]], opt_level: int = 1
) -> Iterator[tuple[str, list[np.ndarray], Sequence[np.ndarray]]]:
    """Yield the name of each function, its results when compiled with the others, and the interpreter's."""
    alone = build(functions)
    for name, results in together(functions, opt_level)(arguments).items():
        yield name, results, interpreter.run(alone, name, *arguments[name])


def check(
    functions: Mapping[str, tuple[Callable[..., Any], Sequence[Aval], Sequence[Any]]], opt_level: int = 1
) -> None:
    """Compile functions as one program, and compare each on its arguments with the interpreter."""
    alone = {name: (emit, avals) for name, (emit, avals, _) in functions.items()}
    arguments = {
        name: [np.asarray(a, aval.dtype) for a, aval in zip(given, avals, strict=True)]
        for name, (_, avals, given) in functions.items()
    }
    for name, results, wanted in beside_the_interpreter(alone, arguments, opt_level):
        for i, (got, want) in enumerate(zip(results, wanted, strict=True)):
            assert_close(f"{name}, result {i}", got, want)
