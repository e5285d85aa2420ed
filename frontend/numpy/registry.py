"""Which NumPy functions difc traces: two tables, from NumPy's own function objects to ours.

`@implements(np.sum)` enters a function; it then serves `np.sum(tracer)`, `tracer.sum()` and `difc.numpy.sum` alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from difc.errors import MutationError, UnsupportedError
from difc.numpy import gaps
from difc.source import user_frame_location

__all__ = [
    "CREATION",
    "DEVICES",
    "FUNCTIONS",
    "METHODS",
    "UFUNCS",
    "call_function",
    "call_ufunc",
    "creates",
    "implements",
    "load",
    "unsupported",
]

#: NumPy ufunc -> function of its operands, traced
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
#: ufunc -> method ("reduce", "accumulate", "outer", "at", ...) -> function
METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
#: other NumPy function -> function with its signature, traced
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}

#: what `device=` may be where an array is made in a trace: nothing, NumPy's, or what a traced array says
DEVICES = (None, "cpu", "traced")

#: name of a NumPy function that makes arrays -> function with its signature, which gives a traced array
CREATION: dict[str, Callable[..., Any]] = {}


def creates(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the traced form of NumPy functions that make arrays, which NumPy does not dispatch.

    It gets `device=` and `like=`, which say nothing of a traced array; what NumPy does dispatch is entered above it.
    """

    def enter(ours: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(ours)
        def make(*args: Any, device: Any = None, like: Any = None, **kwargs: Any) -> Any:
            if device not in DEVICES:
                raise unsupported(f"{names[0]} on device {device!r}", "leave device= out: the target is chosen later")
            return ours(*args, **kwargs)

        CREATION.update(dict.fromkeys(names, make))
        return make

    return enter


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the traced form of one or more NumPy functions or ufuncs."""

    def enter(ours: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            if isinstance(function, np.ufunc):
                UFUNCS[function] = ours
            else:
                FUNCTIONS[function] = ours
        return ours

    return enter


def unsupported(what: str, instead: str = "") -> UnsupportedError:
    """Return the error for a NumPy function, or a use of one, that is not traced.

    Args:
      what: its name, with `numpy.` before it, and what is special about the use.
      instead: what to use instead, where no table says so.
    """
    table = gaps.LINALG if what.startswith("numpy.linalg.") else gaps.NUMPY
    names = what.partition(" ")[0].split(".")  # of numpy.fft.rfft, that of numpy.fft will do
    gap = next((table[name] for name in reversed(names) if name in table), None)
    instead = instead or (gap.instead if gap else "use another function of difc.numpy, or compute it outside")
    return UnsupportedError(
        f"{what} cannot be traced" + (f": {gap.reason}" if gap else ""),
        where=user_frame_location(),
        remedy=f"{instead}. {gaps.PAGE} lists what is supported",
    )


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """Serve `__array_ufunc__`: plain calls, and the methods that have a traced form."""
    load()
    name = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if kwargs.pop("out", None) is not None or method == "at":
        raise MutationError(
            f"{name} writes into an array in place, which a traced array cannot do (also `a += x` for an array `a`)",
            where=user_frame_location(),
            remedy="use its result, as in a = a + x, or a.at[index].add(x) on a traced array",
        )
    traced = UFUNCS.get(ufunc) if method == "__call__" else METHODS.get((ufunc, method))
    if traced is None:
        if getattr(np, ufunc.__name__, None) is ufunc:
            raise unsupported(name, "" if method == "__call__" else "use slices, or difc.scan")
        from difc.scipy import special  # by name: SciPy need not be installed

        ours = special.of_ufunc(ufunc.__name__) if method == "__call__" and not kwargs else None
        if ours is None:
            name = f"the ufunc {ufunc.__name__}, which is not NumPy's,"
            raise unsupported(name, "use a function of difc.scipy.special")
        return ours(*inputs)
    for ignored in ("casting", "order", "subok"):
        kwargs.pop(ignored, None)
    if kwargs.get("where") is True:
        del kwargs["where"]
    if method == "__call__" and "where" in kwargs:
        raise unsupported(f"{name} with where=, which leaves elements undefined,", "use np.where(mask, result, other)")
    if method == "__call__" and not kwargs.keys() <= ({"dtype", "axis"} if ufunc is np.vecdot else {"dtype"}):
        raise unsupported(f"{name} with {', '.join(kwargs)}=", f"call {name} without it")
    return traced(*inputs, **kwargs)


def call_function(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Serve `__array_function__`: find the traced form of a NumPy function, and call it."""
    load()
    if function not in FUNCTIONS and function.__name__ in CREATION:  # np.zeros(n, like=x)
        return CREATION[function.__name__](*args, **kwargs)
    if function not in FUNCTIONS:
        raise unsupported(f"{function.__module__}.{function.__name__}")
    if kwargs.pop("out", None) is not None:
        raise MutationError(
            f"numpy.{function.__name__}(..., out=...) writes in place, which a traced array cannot do",
            where=user_frame_location(),
            remedy="use the result instead of out=",
        )
    return FUNCTIONS[function](*args, **kwargs)


def load() -> None:
    """Import the families, which enter their functions; late, so that importing difc.numpy does not import MLIR."""
    from difc.numpy import families  # noqa: F401
