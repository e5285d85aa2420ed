"""Which NumPy functions difc traces: two tables, from NumPy's own function objects to ours.

`@implements(np.sum)` enters a function; it then serves `np.sum(tracer)`, `tracer.sum()` and `difc.numpy.sum` alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc.errors import MutationError, UnsupportedError
from difc.source import user_frame_location

__all__ = [
    "CREATION",
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

#: name of a NumPy function that makes arrays -> function with its signature, which gives a traced array
CREATION: dict[str, Callable[..., Any]] = {}


def creates(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the traced form of NumPy functions that make arrays, which NumPy does not dispatch."""

    def enter(ours: Callable[..., Any]) -> Callable[..., Any]:
        CREATION.update(dict.fromkeys(names, ours))
        return ours

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


def unsupported(what: str) -> UnsupportedError:
    """Return the error for a NumPy function that is not traced."""
    return UnsupportedError(
        f"{what} cannot be traced",
        where=user_frame_location(),
        remedy="use another function of difc.numpy, or compute it outside the traced function",
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
    table, key = (UFUNCS, ufunc) if method == "__call__" else (METHODS, (ufunc, method))
    if key not in table:
        raise unsupported(name if hasattr(np, ufunc.__name__) else f"the ufunc {ufunc.__name__}, which is not NumPy's,")
    for ignored in ("casting", "order", "subok"):
        kwargs.pop(ignored, None)
    if kwargs.get("where") is True:
        del kwargs["where"]
    if method == "__call__" and not kwargs.keys() <= ({"dtype", "axis"} if ufunc is np.vecdot else {"dtype"}):
        raise unsupported(f"{name} with {', '.join(kwargs)}=")
    return table[key](*inputs, **kwargs)  # type: ignore[index]


def call_function(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Serve `__array_function__`: find the traced form of a NumPy function, and call it."""
    load()
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
