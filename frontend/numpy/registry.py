"""Which NumPy functions difc traces: two tables, from NumPy's own function objects to ours.

`@implements(np.sum)` enters a function; it then serves `np.sum(tracer)`, `tracer.sum()` and `difc.numpy.sum` alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc.errors import UnsupportedError
from difc.source import user_frame_location

__all__ = ["FUNCTIONS", "UFUNCS", "call_function", "call_ufunc", "implements", "unsupported"]

#: NumPy ufunc -> function of its operands, traced
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
#: ufunc -> method ("reduce", "accumulate", "outer", "at", ...) -> function
METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
#: other NumPy function -> function with its signature, traced
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


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
    _load()
    if kwargs.pop("out", None) is not None:
        from difc.errors import MutationError

        raise MutationError(
            f"numpy.{ufunc.__name__}(..., out=...) writes in place, which a traced array does not take",
            where=user_frame_location(),
            remedy="use the result instead of out=",
        )
    if method == "__call__":
        if ufunc not in UFUNCS:
            raise unsupported(f"numpy.{ufunc.__name__}")
        dtype, where = kwargs.pop("dtype", None), kwargs.pop("where", True)
        kwargs.pop("casting", None), kwargs.pop("order", None), kwargs.pop("subok", None)
        if kwargs or where is not True:
            raise unsupported(f"numpy.{ufunc.__name__} with {', '.join(kwargs) or 'where'}=")
        result = UFUNCS[ufunc](*inputs)
        return result if dtype is None else result.astype(dtype)
    if (ufunc, method) not in METHODS:
        raise unsupported(f"numpy.{ufunc.__name__}.{method}")
    return METHODS[ufunc, method](*inputs, **kwargs)


def call_function(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Serve `__array_function__`."""
    _load()
    if function not in FUNCTIONS:
        raise unsupported(f"{function.__module__}.{function.__name__}")
    return FUNCTIONS[function](*args, **kwargs)


def _load() -> None:
    """Import the families, which enter their functions; late, so that `import difc` stays light."""
    from difc.numpy import families  # noqa: F401
