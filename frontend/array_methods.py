"""The attributes and methods of an ndarray that a traced array has, by NumPy's functions of the same name.

Owns what follows from other functions; what only the tracer knows is in `tracer.py`. What writes in place, or looks at
memory, is an error that says what to do instead. Imports nothing of the tracer before it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from difc.errors import AbsentAttributeError, MutationError, UnsupportedError, UnsupportedNameError
from difc.source import user_frame_location

__all__ = ["ArrayMethods"]

#: versions of the Array API standard that a program may ask for beside the one that difc.numpy follows
_OLDER_VERSIONS = ("2021.12", "2022.12", "2023.12")

#: method of ndarray that writes into the array -> what to use instead
_WRITING = {
    "fill": "x = np.full_like(x, value)",
    "partition": "x = np.partition(x, kth)",
    "put": "x = x.at[index].set(value)",
    "resize": "x = np.resize(x, shape)",
    "sort": "x = np.sort(x)",
}


class ArrayMethods:
    """What `Tracer` inherits."""

    __slots__ = ()

    # ---- the Array API standard --------------------------------------------------------------

    def __array_namespace__(self: Any, *, api_version: str | None = None) -> Any:
        import difc.numpy

        if api_version is not None and api_version not in (*_OLDER_VERSIONS, difc.numpy.__array_api_version__):
            raise ValueError(f"difc.numpy follows version {difc.numpy.__array_api_version__}, not {api_version}")
        return difc.numpy

    @property
    def device(self: Any) -> str:
        """What stands for a device: the target is chosen when the program is compiled."""
        return "traced"

    def to_device(self: Any, device: Any, /, *, stream: Any = None) -> Any:
        if device != self.device:
            raise UnsupportedError(
                f"a traced array cannot be moved to {device!r}: the target is chosen when the program is compiled",
                where=user_frame_location(),
                remedy="leave it out, and use difc.to_device on the arguments of the compiled function",
            )
        return self

    # ---- ndarray's methods, by the functions of the same name --------------------------------

    def __getattr__(self: Any, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AbsentAttributeError("a traced array", name, lambda: dir(self))
        if name in _WRITING:
            raise MutationError(
                f"x.{name}() writes into the array in place, which a traced array cannot do",
                where=user_frame_location(),
                remedy=f"use {_WRITING[name]}",
            )
        raise UnsupportedNameError(
            f"a traced array has no {name!r}, as it has no numbers or memory yet",
            where=user_frame_location(),
            remedy="use functions of difc.numpy (docs/coverage.md lists them), or call it on the result",
        )

    @property
    def T(self: Any) -> Any:
        return np.transpose(self)

    @property
    def mT(self: Any) -> Any:
        return np.swapaxes(self, -1, -2)

    @property
    def real(self: Any) -> Any:
        return self

    @property
    def imag(self: Any) -> Any:
        return np.zeros_like(self)

    @property
    def nbytes(self: Any) -> Any:
        return self.size * self.itemsize

    @property
    def flat(self: Any) -> Any:
        return np.ravel(self)

    def astype(
        self: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        from difc.numpy.elementwise import astype

        return astype(self, dtype, casting=casting)

    def reshape(self: Any, *shape: Any, order: Literal["C", "F", "A"] = "C") -> Any:
        sizes: Any = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, sizes, order=order)

    def transpose(self: Any, *axes: Any) -> Any:
        order: Any = axes[0] if len(axes) == 1 else axes or None
        return np.transpose(self, order)

    def flatten(self: Any, order: Literal["C", "F", "A", "K"] = "C") -> Any:
        return np.ravel(self, order)

    def copy(self: Any, order: str = "C") -> Any:
        return self

    def view(self: Any, dtype: Any) -> Any:
        """Return the bits of the elements as numbers of another dtype of the same width. (numpy.ndarray.view)"""
        from difc import dialects as dif
        from difc.tracer import lift, wrap

        return wrap(dif.bitcast(lift(self), dtype=np.dtype(dtype)))

    def __round__(self: Any, ndigits: int | None = None) -> Any:
        """Python's `round`: to integers, as of NumPy's numbers, or to `ndigits` decimals."""
        rounded = np.round(self, ndigits or 0)
        return rounded.astype(np.int64) if ndigits is None else rounded

    def dot(self: Any, other: Any) -> Any:
        return np.dot(self, other)


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, f"numpy.{name} of this array."
    return method


for _name in [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "choose",
    "clip",
    "compress",
    "conj",
    "conjugate",
    "cumprod",
    "cumsum",
    "diagonal",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "ptp",
    "ravel",
    "repeat",
    "round",
    "searchsorted",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "var",
]:
    setattr(ArrayMethods, _name, _method(_name))
