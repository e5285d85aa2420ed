"""`jit`: compile a function for the types of its arguments, once for each signature. Also what `vjp` does on arrays.

The fast path flattens, looks the signature up and calls the compiled entry; tracing and compiling are imported when
they are first needed.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from difc import config
from difc.errors import InputError, ShapeError, VersionError, absent_compiler
from difc.pytree import flatten, flatten_with_names, unflatten
from difc.runtime.array import DeviceArray, refuse_subclass
from difc.source import shortened, user_frame_location
from difc.state import is_tracing

__all__ = ["check_function", "disable_jit", "jit", "linearized"]

_NUMBERS = (bool, int, float)


class _Static:
    """An argument leaf that is no array: part of the signature, compared by equality."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    target: str | None = None,
) -> Callable[..., Any]:
    """Return `fun`, compiled when it is first called with arguments of given types. (jax.jit)

    Args:
      fun: a function of pytrees of arrays and numbers; it is run once, with tracers, for each signature. Leaves that
        are neither (strings, functions, ...) are static.
      static_argnums, static_argnames: arguments that are Python values to the function; they must be hashable.
      target: what to compile for, such as "cpu" or "vulkan" (default: the `DIFC_TARGET` setting).

    Returns:
      A function with the same arguments that returns device arrays, which NumPy takes as arrays.

    Raises:
      InputError: if `fun` has no such arguments; when it is called, if it does not take what it is given.

    Example:
      >>> difc.jit(lambda x: np.sin(x) ** 2)(np.ones(3, np.float32))  # doctest: +SKIP
    """
    if fun is None:
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames, target=target)
    check_function("jit", fun)
    numbers, names = _several(static_argnums, int), _several(static_argnames, str)
    if numbers is None or names is None:
        what, given = ("nums", static_argnums) if numbers is None else ("names", static_argnames)
        raise InputError(
            f"jit: static_arg{what} is {given!r}",
            where=user_frame_location(),
            remedy='count arguments from 0, as in static_argnums=(0, 2), or name them, as in static_argnames="mode"',
        )
    return _Jitted(fun, *_static_arguments(fun, numbers, names), target)


def check_function(what: str, fun: Any) -> None:
    """Raise an `InputError` for what cannot be called; `what` is the transformation that it was given to."""
    if not callable(fun):
        raise InputError(f"{what}: {fun!r} is no function", where=user_frame_location(), remedy=f"write {what}(f, ...)")


def _several(given: Any, kind: type) -> tuple[Any, ...] | None:
    """Return one or several values of a kind as a tuple, or None for others."""
    values = (given,) if isinstance(given, int | str) else tuple(given) if isinstance(given, Iterable) else (given,)
    return values if all(isinstance(value, kind) and not isinstance(value, bool) for value in values) else None


def _static_arguments(
    fun: Callable[..., Any], numbers: tuple[int, ...], names: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the places and the names of all static arguments, which a call may pass either way.

    Raises:
      InputError: if the function has no such argument.
    """
    if not numbers and not names:
        return (), ()
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):  # builtins without a signature
        return numbers, names
    kinds = {p.kind for p in parameters}
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    count = len(positional)
    wrong: list[Any] = []
    if inspect.Parameter.VAR_POSITIONAL not in kinds:  # with them, -1 is the last argument of a call
        wrong += [n for n in numbers if not -count <= n < count]
        numbers = tuple(n + count if n < 0 else n for n in numbers)
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        wrong += [name for name in names if name not in {p.name for p in parameters}]
    if wrong:
        raise InputError(
            f"jit: `{getattr(fun, '__name__', fun)}` has no argument {wrong[0]!r} that could be static",
            where=user_frame_location(),
            remedy=f"name one of its arguments: {', '.join(p.name for p in parameters) or 'there are none'}",
        )
    places = {*numbers, *(i for i, p in enumerate(positional) if p.name in names)}
    return tuple(places), (*names, *(p.name for i, p in enumerate(positional) if i in places))


class _Jitted:
    """What `jit` returns.

    Attributes:
      origin: for pickling, the transformation that made it and its arguments, where that is not `jit`.
    """

    __name__: str
    origin: tuple[Callable[..., Any], tuple[Any, ...]] | None = None

    def __init__(
        self, fun: Callable[..., Any], numbers: tuple[int, ...], names: tuple[str, ...], target: str | None
    ) -> None:
        self.__name__ = getattr(fun, "__name__", type(fun).__name__)
        functools.update_wrapper(self, fun)
        self._fun, self._numbers, self._names, self._target = fun, numbers, names, target
        self._compiled: dict[Any, Callable[[Sequence[Any]], Any]] = {}
        # for calls on device arrays alone: their kinds -> what to run, without flattening or looking at settings
        self._on_device: dict[tuple[Any, ...], Callable[[Sequence[Any]], Any]] = {}

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<difc.{self.origin[0].__name__ if self.origin else 'jit'} of {self.__name__}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        name: str = getattr(self, "__qualname__", "")
        try:
            if operator.attrgetter(name)(sys.modules[self.__module__]) is self:
                return name  # a decorated function of a module
        except (AttributeError, KeyError):
            pass
        return self.origin or (_Jitted, (self._fun, self._numbers, self._names, self._target))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_tracing():
            return self._fun(*args, **kwargs)
        try:
            all_on_device = bool(args) and not kwargs and all(type(a) is DeviceArray for a in args)
            if all_on_device and not config.is_overridden():
                kinds = tuple([a._kind for a in args])
                known = self._on_device.get(kinds)
                if known is None and not self._numbers:
                    leaves, structure = flatten((args, kwargs))
                    known = self._on_device[kinds] = self._find(leaves, structure)
                if known is not None:
                    return known(args)
            marked = self._mark(args), {k: _Static(v) if k in self._names else v for k, v in kwargs.items()}
            leaves, structure = flatten(marked)
            return self._find(leaves, structure)(leaves)
        except Exception as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    def _find(self, leaves: list[Any], structure: Any) -> Callable[[Sequence[Any]], Any]:
        """Return what runs the function on leaves of these types, compiling it if they are new."""
        key = (structure, config.get("interpret"), config.get("target"), *map(_leaf_key, leaves))
        try:
            run = self._compiled.get(key)
        except TypeError:
            raise self._unhashable(leaves, structure) from None
        if run is None:
            run = self._compiled[key] = self._prepare(leaves, structure, key)
        return run

    def _unhashable(self, leaves: list[Any], structure: Any) -> InputError:
        """Return the error for a leaf that is no array, and cannot be part of a signature."""
        from difc.program import argument_names

        made = self.origin[0].__name__ if self.origin else "jit"
        names = argument_names(self._fun, *unflatten(structure, leaves))
        name, leaf = next(pair for pair in zip(names, leaves, strict=True) if not _is_hashable(_leaf_key(pair[1])))
        if isinstance(leaf, _Static):
            what, remedy = "a static argument", "pass what can be hashed, such as tuples instead of lists"
        else:
            what = "neither an array nor a container of arrays"
            remedy = "use tuples, lists and dicts, or register the class with optree in the namespace `difc`"
        kind = type(leaf.value if isinstance(leaf, _Static) else leaf).__name__
        return InputError(
            f"{made}: `{name}` of `{self.__name__}` is {what}, and a {kind} cannot be hashed",
            where=user_frame_location(),
            remedy=remedy,
        )

    def _mark(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self._numbers:
            return args
        return tuple(
            _Static(a) if i in self._numbers or i - len(args) in self._numbers else a for i, a in enumerate(args)
        )

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        """Return the traced program for specs or arrays; see `difc.trace`."""
        try:
            from difc.api import trace
        except VersionError:
            raise shortened(absent_compiler("trace")) from None
        return trace(self._fun, *args, **kwargs)

    def _prepare(self, leaves: list[Any], structure: Any, key: Any) -> Callable[[Sequence[Any]], Any]:
        try:
            from difc.functions import applied
            from difc.program import Program, argument_names, compile_program, trace_entry
            from difc.promotion import is_weak
            from difc.tracing import lock
        except VersionError:
            raise absent_compiler("difc.jit") from None  # the others cannot be had without it

        dynamic = [i for i, leaf in enumerate(leaves) if _is_array(leaf)]

        def fun(arrays: list[Any]) -> Any:
            full = [leaf.value if isinstance(leaf, _Static) else leaf for leaf in leaves]
            for i, array in zip(dynamic, arrays, strict=True):
                full[i] = array
            args, kwargs = unflatten(structure, full)
            return applied("jit", self._fun, args, kwargs)

        fun.__name__, fun.__wrapped__ = self.__name__, self._fun  # type: ignore[attr-defined]
        with lock:
            if key in self._compiled:  # by another thread, meanwhile
                return self._compiled[key]
            program = Program()
            given = [leaves[i] for i in dynamic]
            named = argument_names(self._fun, *unflatten(structure, leaves))
            traced = trace_entry(program, fun, (given,), {}, weak=is_weak, names=[named[i] for i in dynamic])
            # containers stay on this side, so that they may be of any registered class
            leaves_only = flatten(tuple(range(len(traced.out_avals))))[1]
            program.signatures[traced.name] = replace(program.signatures[traced.name], out_tree=leaves_only)
            if config.get("interpret"):
                call = _runner(program, traced.name)
                return lambda leaves: unflatten(traced.out_tree, call([leaves[i] for i in dynamic]))
            entry = compile_program(program, self._target or config.get("target"))._module.entries[traced.name]
        call, out_tree = entry.call_leaves, traced.out_tree
        everything, single = len(dynamic) == len(leaves), out_tree.is_leaf()

        def run(leaves: Sequence[Any]) -> Any:
            results = call(leaves if everything else [leaves[i] for i in dynamic])
            return results[0] if single else unflatten(out_tree, results)

        return run


def _runner(program: Any, name: str) -> Callable[[list[Any]], list[Any]]:
    """Return an entry of a program as a function on leaves that runs through the interpreter."""
    from difc.dialects import context
    from difc.dialects.interpreter import Interpreter

    dtypes = [s.dtype for s in program.signatures[name].inputs]
    with context():
        interpreter = Interpreter(program.expanded)

    def run(leaves: list[Any]) -> list[Any]:
        with context():
            arrays = [np.asarray(leaf, dtype) for leaf, dtype in zip(leaves, dtypes, strict=True)]
            return list(interpreter.run(name, *arrays))

    return run


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, DeviceArray, np.generic, *_NUMBERS)) or hasattr(leaf, "__array__")


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _leaf_key(leaf: Any) -> Any:
    if isinstance(leaf, (DeviceArray, np.ndarray)):
        return leaf.dtype, leaf.shape
    if isinstance(leaf, np.generic):
        return leaf.dtype, ()
    if isinstance(leaf, _NUMBERS):
        return type(leaf)
    if hasattr(leaf, "__array__"):
        array = np.asarray(leaf)
        return array.dtype, array.shape
    return leaf if isinstance(leaf, _Static) else _Static(leaf)


@contextmanager
def disable_jit() -> Iterator[None]:
    """Run transformed functions through the NumPy interpreter of the dialect within a `with` block: for debugging.

    Example: `with difc.disable_jit(): difc.grad(np.sin)(0.0)`
    """
    with config.override(interpret=True):
        yield


#: Traced programs, as digests, with what else decides their code -> their two halves, compiled. The oldest go first.
_HALVES: dict[tuple[Any, ...], tuple[Any, Any, list[bool]]] = {}
_MOST_HALVES = 256


def linearized(fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool) -> Any:
    """Do `difc.vjp` on arrays: run `fun`, keep its residuals (on the device), and return the pullback."""
    try:
        return _linearized(fun, primals, has_aux)
    except Exception as error:
        raise shortened(error)  # noqa: B904 - it is the same error


def _linearized(fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool) -> Any:
    from difc.transform import check_same_structure

    leaves, structure = flatten(primals)
    forward, backward, traced, used, count = _prepare_pullback(fun, leaves, structure, has_aux)
    results = forward(leaves)
    outs, residuals = results[: len(traced.out_avals)], results[len(traced.out_avals) :]
    out = unflatten(traced.out_tree, outs)
    value, aux = out if has_aux else (out, None)
    value_tree, avals = flatten(value)[1], traced.out_avals

    def pullback(ct: Any) -> Any:
        cts, tree = flatten(ct)
        try:
            check_same_structure("vjp", "the value is", "the cotangent", (value_tree, tree))
            given = [_cotangent(i, x, aval) for i, (x, aval) in enumerate(zip(cts, avals, strict=False))]
        except Exception as error:
            raise shortened(error)  # noqa: B904 - it is the same error
        return unflatten(structure, backward([*residuals, *(given[i] for i in range(count) if used[i])]))

    return (value, pullback, aux) if has_aux else (value, pullback)


def _cotangent(index: int, x: Any, aval: Any) -> Any:
    """Return a cotangent of the type of its result; a Python number has none of its own."""
    from difc.tracer import as_array

    where = user_frame_location()
    refuse_subclass(x, f"vjp: the cotangent for result {index}: ", where)
    name, dtype = f"the cotangent for result {index}", aval.dtype if isinstance(x, _NUMBERS) else None
    array = x if isinstance(x, DeviceArray) else as_array(x, dtype, name)
    if (array.shape, array.dtype) != (aval.shape, aval.dtype):
        raise ShapeError(
            f"vjp: the cotangent for result {index} is {type(aval)(array.shape, array.dtype)}, "
            f"but result {index} is {aval}",
            where=where,
            remedy="pass an array of the same shape and dtype",
        )
    return array


def _prepare_pullback(fun: Callable[..., Any], leaves: list[Any], structure: Any, has_aux: bool) -> Any:
    from difc.dialects import Aval
    from difc.functions import applied
    from difc.program import Program, trace_entry
    from difc.tracer import as_array
    from difc.tracing import lock
    from difc.transform import check_float, pair

    def flat(arrays: list[Any]) -> Any:
        out = applied("vjp", fun, unflatten(structure, arrays))
        return pair("vjp", out) if has_aux else out

    functools.update_wrapper(flat, fun)
    with lock:
        program = Program()
        names = flatten_with_names(unflatten(structure, leaves), "primals")[0]
        for name, leaf in zip(names, leaves, strict=True):
            if not _is_array(leaf):
                as_array(leaf, name=name)  # an error
        traced = trace_entry(program, flat, (leaves,), {}, names=names)
        inputs = program.signatures[traced.name].inputs
        check_float(names, [Aval(spec.shape, spec.dtype) for spec in inputs], "vjp")
        dummy = unflatten(traced.out_tree, range(len(traced.out_avals)))
        count = len(flatten(dummy[0] if has_aux else dummy)[0])
        forward, backward, used = _halves(program, traced.name, count)
        return forward, backward, traced, used, count


def _halves(program: Any, name: str, count: int) -> tuple[Any, Any, list[bool]]:
    """Return both halves of the derivative of a traced function as functions of leaves; equal programs share them."""
    from difc.dialects import text_of
    from difc.program import compile_program, split_program

    digest = hashlib.sha256(text_of(program.module).encode()).digest()
    key = digest, count, config.get("interpret"), config.get("target")
    if key not in _HALVES:
        split, fwd, bwd, used = split_program(program, name, count)
        if config.get("interpret"):
            _HALVES[key] = _runner(split, fwd), _runner(split, bwd), used
        else:
            entries = compile_program(split, config.get("target"))._module.entries
            _HALVES[key] = entries[fwd].call_leaves, entries[bwd].call_leaves, used
        if len(_HALVES) > _MOST_HALVES:
            del _HALVES[next(iter(_HALVES))]
    return _HALVES[key]
