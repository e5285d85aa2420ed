"""What `difc.numpy` and `difc.numpy.linalg` are made of: NumPy's names, which trace where they meet a tracer.

Must not import MLIR: where `difc.tracer` has not been imported there is no tracer, and a call is NumPy's own.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from difc.errors import AbsentAttributeError, UnsupportedError
from difc.numpy import gaps
from difc.source import absent_name
from difc.state import is_tracing

__all__ = ["apply", "attribute", "has_tracer", "missing", "names"]


def has_tracer(*values: Any) -> bool:
    """Say whether a tracer is among the values, or in a list, tuple or dict of them."""
    tracer = sys.modules.get("difc.tracer")
    return tracer is not None and any(_holds(v, tracer.Tracer) for v in values)


def _holds(value: Any, kind: type) -> bool:
    if isinstance(value, dict):
        return any(_holds(v, kind) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds(v, kind) for v in value)
    if isinstance(value, slice):
        return _holds((value.start, value.stop, value.step), kind)
    return isinstance(value, kind)


def apply(op: str, *operands: Any, **attributes: Any) -> Any:
    """Apply an op of the dialect to arrays, one of which may be traced, or compute what it means in NumPy.

    Returns:
      An array, traced or of NumPy; a tuple of them if the op has several results.
    """
    if not has_tracer(*operands):
        from difc.dialects.interpreter import MEANINGS

        with np.errstate(all="ignore"):
            return MEANINGS[f"dif.{op}"](*operands, **attributes)
    from difc import dialects as dif
    from difc.tracer import lift, wrap

    found = dif.OPS[f"dif.{op}"](*map(lift, operands), **attributes)
    return tuple(map(wrap, found)) if isinstance(found, (list, tuple)) else wrap(found)


def names(module: ModuleType) -> list[str]:
    """Return the public names of a NumPy module that are also ours: all but its submodules."""
    # not by getattr: NumPy imports some submodules when they are asked for
    return [n for n, value in vars(module).items() if not n.startswith("_") and not isinstance(value, ModuleType)]


def attribute(module: ModuleType, ours: str, name: str) -> Any:
    """Return our form of a name of a NumPy module.

    Ufuncs, types, constants and numbers are NumPy's own (ufuncs dispatch by themselves). Functions become ones that
    trace where a tracer is among their arguments, and where they make arrays inside a trace; else they are NumPy's
    own.

    Raises:
      UnsupportedNameError: for a name of NumPy that is not ours, with what to use instead.
      AttributeError: for a name that NumPy does not have, with the closest one.
    """
    if name.startswith("_") or not hasattr(module, name):
        raise AbsentAttributeError(f"module {ours!r}", name, functools.partial(names, module))
    found = getattr(module, name)
    if isinstance(found, ModuleType):
        raise missing(ours, name, (gaps.NUMPY if module is np else gaps.LINALG).get(name))
    if isinstance(found, (type, np.ufunc)) or not callable(found) or not hasattr(found, "__name__"):
        return found
    return _traceable(found, name if module is np else None)


def missing(ours: str, name: str, gap: gaps.Gap | None) -> UnsupportedError:
    """Return the error for a name that a module of ours leaves out: why, and what to use instead."""
    return absent_name(
        f"{ours} does not have {name!r}" + (f": {gap.reason}" if gap else ""),
        f"{gap.instead}. {gaps.PAGE} lists what is supported" if gap else f"see {gaps.PAGE}",
    )


def _traceable(function: Callable[..., Any], creation_name: str | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        traced = has_tracer(*args, *kwargs.values())
        if not traced and not is_tracing():
            return function(*args, **kwargs)
        from difc.numpy import registry

        registry.load()
        if creation_name in registry.CREATION:
            return registry.CREATION[creation_name](*args, **kwargs)
        return registry.call_function(function, args, kwargs) if traced else function(*args, **kwargs)

    return call
