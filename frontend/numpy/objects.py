"""Objects of NumPy that are called or indexed, made anew so that they take traced arrays: vectorize, mgrid, r_, ...

Must not import MLIR: outside a trace they are NumPy's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.numpy import surface
from difc.state import is_tracing

__all__ = ["c_", "mgrid", "ogrid", "r_", "vectorize"]


class _Indexed:
    """One of NumPy's objects that make an array of their index; inside a trace that may hold traced values."""

    def __init__(self, name: str) -> None:
        self._name, self._numpy = name, getattr(np, name)

    def __getitem__(self, key: Any) -> Any:
        if not is_tracing():
            return self._numpy[key]
        from difc.numpy import grids

        return grids.INDEXED[self._name](key)

    def __repr__(self) -> str:
        return f"<difc.numpy.{self._name}>"


c_ = _Indexed("c_")
mgrid = _Indexed("mgrid")
ogrid = _Indexed("ogrid")
r_ = _Indexed("r_")


class vectorize(np.vectorize):
    """numpy.vectorize: a function of numbers (or, with a signature, of small arrays) applied to arrays.

    On traced arrays the function is traced once and mapped, as by `difc.vmap`; `otypes` and `cache` then say nothing
    new.

    Example:
      >>> vectorize(lambda a, b: a if a > b else b)([1, 5], 3)
      array([3, 5])
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not surface.has_tracer(*args, *kwargs.values()):
            return super().__call__(*args, **kwargs)
        from difc.numpy import mapping

        function, operands = self._named(args, kwargs)
        return mapping.mapped(function, operands, _core_dims(self.signature, len(operands)))

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Callable[..., Any], list[Any]]:
        """Return the function of the arguments that are mapped, and these; `excluded` ones are passed as they are."""
        function: Callable[..., Any] = self.pyfunc
        places: list[Any] = [i for i in range(len(args)) if i not in self.excluded]
        places += [name for name in kwargs if name not in self.excluded]

        def call(*mapped: Any) -> Any:
            values = dict(zip(places, mapped, strict=True))
            rest = [values.get(i, a) for i, a in enumerate(args)]
            return function(*rest, **{name: values.get(name, a) for name, a in kwargs.items()})

        return call, [args[p] if isinstance(p, int) else kwargs[p] for p in places]


def _core_dims(signature: str | None, count: int) -> list[int]:
    """Return the number of dims of each argument that one call takes, from a signature as "(m,n),(n)->(m)"."""
    if signature is None:
        return [0] * count
    found = re.findall(r"\(([^)]*)\)", signature.partition("->")[0])
    if len(found) != count:
        raise InputError(
            f"vectorize: {count} arguments for the signature {signature!r}, which has {len(found)}",
            remedy="pass one argument for each group of dims in the signature",
        )
    return [len([name for name in dims.split(",") if name.strip()]) for dims in found]
