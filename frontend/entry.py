"""`difc.export`: marks a function as an entry of the artifact that `difc compile` makes. Imports no compiler."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from difc.errors import ModelError, SourceLocation
from difc.source import user_frame_location

__all__ = ["Export", "export", "exported"]


class Export:
    """A function marked as an entry point; calling it calls the function.

    Attributes:
      fun: the function.
      name: the name of the entry.
      specs: its argument specs, or None where they are its annotations.
    """

    def __init__(self, fun: Callable[..., Any], specs: Sequence[Any] | None, name: str | None) -> None:
        functools.update_wrapper(self, fun)
        self.fun, self.specs = fun, specs
        self.name: str = name or str(getattr(fun, "__name__", "entry"))

    def __repr__(self) -> str:
        return f"<difc.export of {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fun(*args, **kwargs)

    @property
    def place(self) -> SourceLocation | None:
        """Where the function is defined, if it has code of its own."""
        code = getattr(inspect.unwrap(self.fun), "__code__", None)
        return SourceLocation(code.co_filename, code.co_firstlineno) if code else None

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return specs for the arguments that are passed by place, and for those that are passed by name.

        Raises:
          ModelError: where an argument has no spec, or the number of specs is wrong.
        """
        where = self.place
        try:
            signature = inspect.signature(self.fun, eval_str=True)
        except Exception as error:  # annotations in quotes are code of the user
            raise ModelError(
                f"the annotations of the exported `{self.name}` cannot be evaluated: {error}",
                where=where,
                remedy="annotate with specs that are defined at the top of the file, or use difc.export(specs=[...])",
            ) from error
        if self.specs is not None:
            try:
                signature.bind(*self.specs)
            except TypeError as error:
                raise ModelError(
                    f"`{self.name}` is exported with {len(self.specs)} specs that do not fit its arguments: {error}",
                    where=where,
                    remedy="give one spec for each argument, in order",
                ) from None
            return tuple(self.specs), {}
        positional: list[Any] = []
        named: dict[str, Any] = {}
        by_name = False
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ModelError(
                    f"the exported `{self.name}` takes any number of arguments in `{parameter.name}`",
                    where=where,
                    remedy="take a list or a dict of arrays instead, or say how many with difc.export(specs=[...])",
                )
            if parameter.annotation is parameter.empty:
                if parameter.default is not parameter.empty:
                    by_name = True  # it keeps its default, so what comes after it cannot be passed by place
                    continue
                raise ModelError(
                    f"argument `{parameter.name}` of the exported `{self.name}` has no spec",
                    where=where,
                    remedy=f'annotate it, as in `{parameter.name}: difc.f32["n", 4]`, or use difc.export(specs=[...])',
                )
            if parameter.kind is parameter.KEYWORD_ONLY or by_name:
                named[parameter.name] = parameter.annotation
            else:
                positional.append(parameter.annotation)
        return tuple(positional), named


def export(
    fun: Callable[..., Any] | None = None, *, specs: Sequence[Any] | None = None, name: str | None = None
) -> Any:
    """Mark a function as an entry point of its model file.

    Args:
      fun: the function; its annotations are array specs, or pytrees (dicts, lists, tuples) of them.
      specs: one spec or pytree of specs (or example arrays) for each argument, instead of annotations.
      name: the name of the entry (default: the function's).

    Returns:
      The function, still callable as such.

    Raises:
      ModelError: for specs that are no list, or what is no function; when the model is compiled, if an argument has no
        spec.

    Example:
      >>> @difc.export  # doctest: +SKIP
      ... def predict(params: PARAMS, x: difc.f32["batch", 64]):
      ...     return np.argmax(x @ params["w"], axis=1)
    """
    if specs is not None and not isinstance(specs, list | tuple):
        raise ModelError(
            f"export: specs is {specs!r}, not a list",
            where=user_frame_location(),
            remedy="give a list with one spec for each argument, as in specs=[difc.f32[64]]",
        )
    if fun is None:
        return functools.partial(export, specs=specs, name=name)
    if not callable(fun):
        raise ModelError(
            f"export: {fun!r} is no function",
            where=user_frame_location(),
            remedy='write @difc.export above the function, or @difc.export(name="...") to name the entry',
        )
    return Export(fun, specs, name)


def exported(fun: Any) -> Export | None:
    """Return the mark of a function, if it has one."""
    return fun if isinstance(fun, Export) else None
