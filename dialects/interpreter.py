"""The NumPy interpreter of the dialect: the oracle that every pass is tested against, and what `disable_jit` runs on.

A block is decoded once into a list of steps and then run any number of times. Every result is checked against the type
of its op, and dynamic dims against the op's type rule run on the actual sizes, so that a wrong rule shows at the op
that is wrong. Runs `dif` ops, `fun.call`, `fun.cond` and `fun.scan`; requests must be expanded first.

Example: `interpreter.run(module, "f", np.ones(3))` returns a tuple of arrays.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from difc.dialects import (  # noqa: F401 - register meanings
    semantics_bessel,
    semantics_convolution,
    semantics_factor,
    semantics_moving,
    semantics_ordering,
    semantics_special,
    semantics_spectral,
)
from difc.dialects.base import OPS, OpDef
from difc.dialects.body import functions_of, is_terminator
from difc.dialects.call import REQUESTS
from difc.dialects.interpreter_control import CONTROL, Control, Known, sized
from difc.dialects.locations import user_location
from difc.dialects.mlir import func, ir
from difc.dialects.semantics import MEANINGS, Meaning
from difc.dialects.types import I64, Aval, SizedAval, aval_of, fits
from difc.errors import DifcError, EntryError, InputError, ShapeError, UnsupportedError

__all__ = ["MEANINGS", "Interpreter", "run"]

Arrays = Sequence[np.ndarray]


def run(module: ir.Module, name: str, *arrays: Any) -> tuple[np.ndarray, ...]:
    """Run a function of a module on arrays.

    Args:
      module: a verified module of `dif` and `fun` ops.
      name: the function's name.
      arrays: one array for each argument, of exactly its dtype and of a shape that fits its type.

    Returns:
      A new array for each result.

    Raises:
      EntryError: where there is no such function.
      InputError: for arguments that do not fit it.
      ShapeError: where sizes that only the run knows do not fit together.
      UnsupportedError: for a request (`fun.vjp`, ...), or an op of another dialect.
    """
    return Interpreter(module).run(name, *arrays)


class Interpreter:
    """Runs functions of a module, decoding each only once. Use it (rather than `run`) to run the same module often."""

    def __init__(self, module: ir.Module) -> None:
        self._module = module  # operations live only as long as their module
        self._functions = _Functions(functions_of(module))

    def run(self, name: str, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run a function; see the module's `run`."""
        block = self._functions.function(name)
        given = [np.asarray(array) for array in arrays]
        if problem := _misfit(given, block.arguments):
            raise InputError(f"{name}: {problem}")
        with np.errstate(all="ignore"):
            return tuple(np.array(result) for result in block.run(given))  # copies, which alias no argument or constant


class _Functions:
    """The functions that code may call, each decoded when it is first run."""

    def __init__(self, functions: Mapping[str, func.FuncOp]) -> None:
        self._functions = functions
        self._blocks: dict[str, _Block] = {}

    def decode(self, block: ir.Block) -> _Block:
        """Decode a block."""
        return _Block(block, self)

    def function(self, name: str) -> _Block:
        """Return the decoded body of a function."""
        if name not in self._functions:
            raise EntryError(f"there is no function {name!r}, only {', '.join(map(repr, self._functions)) or 'none'}")
        if self._functions[name].is_external:
            raise UnsupportedError(f"function {name!r} is only declared: it has no body to run")
        if name not in self._blocks:
            self._blocks[name] = self.decode(self._functions[name].entry_block)
        return self._blocks[name]


def _misfit(arrays: Arrays, avals: Sequence[Aval]) -> str:
    """Say what is wrong with arrays that should be of the given types, or nothing."""
    if len(arrays) != len(avals):
        return f"{len(arrays)} values for {len(avals)} places"
    for i, (array, aval) in enumerate(zip(arrays, avals, strict=True)):
        if not fits(array, aval):
            return f"value {i} is {Aval(array.shape, array.dtype)}, not {aval}"
    return ""


class _Block:
    """A block as a list of steps over numbered slots."""

    def __init__(self, block: ir.Block, functions: _Functions) -> None:
        slots: dict[ir.Value, int] = {argument: i for i, argument in enumerate(block.arguments)}
        self.arguments = [aval_of(argument) for argument in block.arguments]
        self._steps: list[_Step] = []
        for operation in block.operations:
            operation = operation.operation
            operands = [slots[value] for value in operation.operands]
            if is_terminator(operation):
                self._outputs = operands
                break
            self._steps.append(_Step(operation, operands, functions))
            for result in operation.results:
                slots[result] = len(slots)

    def run(self, arrays: Arrays) -> list[np.ndarray]:
        """Return what the terminator gives."""
        if problem := _misfit(arrays, self.arguments):
            raise ShapeError(f"a body or function is given what does not fit it: {problem}")
        slots = list(arrays)
        for step in self._steps:
            slots.extend(step.run([slots[i] for i in step.operands]))
        return [slots[i] for i in self._outputs]

    def sizes(self, values: Sequence[Known]) -> list[Known]:
        """Return what is known of what the terminator gives, for arguments of which only the sizes may be known."""
        slots = list(values)
        for step in self._steps:
            slots.extend(step.sizes([slots[i] for i in step.operands]))
        return [slots[i] for i in self._outputs]


@functools.cache
def _takes_avals(compute: Meaning) -> bool:
    return "avals" in inspect.signature(compute).parameters


class _Step:
    """One operation, decoded: what it computes, and the types that its results must have."""

    def __init__(self, operation: Any, operands: list[int], functions: _Functions) -> None:
        self.operands, self._operation = operands, operation
        opdef = OPS.get(operation.name)
        where = user_location(operation.location)
        if operation.name in REQUESTS:
            raise UnsupportedError(
                f"the interpreter met a request, '{operation.name}'",
                where=where,
                remedy="expand requests before running the module",
            )
        if opdef is None:
            raise UnsupportedError(f"the interpreter runs dif and fun ops only, not '{operation.name}'", where=where)
        self._opdef: OpDef = opdef
        self._attributes = opdef.decode(operation)
        self._results = [aval_of(result) for result in operation.results]
        avals = [aval_of(value) for value in operation.operands]
        self._control: Control | None = None
        if operation.name in CONTROL:
            control = CONTROL[operation.name](operation, self._attributes, functions)
            self._is_static, self._control, self._run = True, control, control.run
            return
        self._is_static = all(a.is_static for a in (*avals, *self._results))
        compute, attributes = MEANINGS[operation.name], dict(self._attributes)
        if _takes_avals(compute):
            attributes["avals"] = avals
        if opdef.results == 1:
            self._run = lambda *arrays: [np.asarray(compute(*arrays, **attributes))]
        else:
            self._run = lambda *arrays: list(map(np.asarray, compute(*arrays, **attributes)))

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return the results for the given operands."""
        try:
            expected = self._results if self._is_static else self._actual_types(arrays)
            results = self._run(*arrays)
            if self._control is not None and (problem := _misfit(results, self._results)):
                raise ShapeError(f"'{self._opdef.name}' gives what does not fit its type: {problem}")
        except DifcError as error:
            error.where = error.where or user_location(self._operation.location)
            raise
        if problem := _misfit(results, self._results) or _misfit(results, expected):
            raise AssertionError(f"'{self._opdef.name}' computed a wrong result: {problem}: {self._operation}")
        return results

    def _actual_types(self, arrays: list[np.ndarray]) -> list[Aval]:
        """Run the type rule on the actual sizes, which also checks that the operands fit together."""
        found = self._opdef.result_avals(list(map(sized, arrays)), self._attributes, ())
        return [Aval(a.shape, a.dtype) for a in found]

    def sizes(self, values: list[Known]) -> list[Known]:
        """Return what is known of the results for operands of which only the sizes may be known."""
        arrays = [value for value in values if isinstance(value, np.ndarray)]
        if len(arrays) == len(values):
            return list(self.run(arrays))
        if self._control is not None:
            return self._control.sizes(*values)
        avals = list(map(sized, values))
        if self._opdef.name == "dif.dim" and isinstance(size := avals[0].shape[self._attributes["dimension"]], int):
            return [np.array(size, I64)]
        found = self._opdef.result_avals(avals, self._attributes, ())
        return [SizedAval(a.shape, a.dtype) for a in found]
