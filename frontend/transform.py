"""The transformations: `grad`, `value_and_grad`, `jvp`, `vjp`, `vmap`, as requests in the dialect.

Within a trace each one traces its function into the module and puts one request op (`fun.vjp`, ...) there; the AD
passes do the rest. Called on arrays, a transformed function is compiled as a whole: it is `jit` of itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, is_float
from difc.dialects.mlir import ir
from difc.dialects.types import short_name
from difc.dims import plain
from difc.errors import InputError, NotDifferentiableError, ShapeError
from difc.functions import Traced, applied, call_name, results_as_tracers, trace_function, values_of
from difc.jitted import check_function, jit, linearized
from difc.promotion import is_weak, to_dtype
from difc.pytree import broadcast_prefix, describe, flatten, flatten_with_names, unflatten
from difc.source import user_frame_location
from difc.tracer import Tracer, lift, wrap
from difc.tracing import current_frame, is_tracing

__all__ = ["check_float", "check_same_structure", "grad", "jvp", "pair", "value_and_grad", "vjp", "vmap"]

Function = Callable[..., Any]


def _on_arrays(traced: Function, fun: Function, transformation: Function | None = None, *options: Any) -> Function:
    """Return `traced`, compiled as a whole where it is called outside any trace.

    Args:
      transformation, options: `transformation(fun, *options)` is the result, for pickling.
    """

    @functools.wraps(fun, updated=())
    def named(*args: Any, **kwargs: Any) -> Any:
        return traced(*args, **kwargs)

    made: Any = jit(named)
    if transformation is not None:
        made.origin = transformation, (fun, *options)
    return cast(Function, made)


def _trace(fun: Function, leaves: Sequence[Any], rebuild: Callable[[list[Any]], Any]) -> tuple[Traced, list[ir.Value]]:
    """Trace `fun` as a function of leaves; return it and its operands: the leaves, then what it captured."""
    values, avals, weak = values_of(leaves)
    traced = trace_function(current_frame().module, rebuild, avals, weak, call_name(fun))
    return traced, [*values, *traced.captured]


def pair(what: str, out: Any) -> tuple[Any, Any]:
    """Check and return what a function with `has_aux=True` returns."""
    if isinstance(out, tuple) and len(out) == 2:
        return out
    raise InputError(
        f"{what} with has_aux=True: the function does not return a pair (value, aux)",
        where=user_frame_location(),
        remedy="return the value and the rest as a tuple of two",
    )


def check_same_structure(what: str, wanted: str, given: str, trees: tuple[Any, Any]) -> None:
    """Check that tangents or cotangents have the structure of what they belong to."""
    if trees[0] != trees[1]:
        raise ShapeError(
            f"{what}: {wanted} {describe(trees[0])}, and {given} {describe(trees[1])}",
            where=user_frame_location(),
            remedy="pass the same containers, with an array for each array",
        )


def check_float(names: Sequence[str], avals: Sequence[Aval], what: str) -> None:
    """Check that all arrays that a derivative is taken in are float ones."""
    for name, aval in zip(names, avals, strict=True):
        if not is_float(aval.dtype):
            raise NotDifferentiableError(
                f"{what} needs a float array, but {name} is {aval}",
                where=user_frame_location(),
                remedy="pass floats, as with .astype(np.float32)"
                + (", or leave it out of argnums" if what == "grad" else ""),
            )


def _select(argnums: int | Sequence[int], args: tuple[Any, ...], what: str) -> tuple[int, ...]:
    chosen = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in chosen):
        raise InputError(
            f"{what}: argnums is {argnums!r}, not a number of an argument or a tuple of them",
            where=user_frame_location(),
            remedy="count the arguments from 0, as in argnums=1 or argnums=(0, 2)",
        )
    for n in chosen:
        if not -len(args) <= n < len(args):
            raise InputError(
                f"{what}: argnums names argument {n}, but the call passes {len(args)} argument(s) by position",
                where=user_frame_location(),
                remedy="pass the arguments that are differentiated by position; argnums counts them from 0",
            )
    places = tuple(n % len(args) for n in chosen)
    if len(set(places)) < len(places):
        raise InputError(
            f"{what}: argnums names an argument twice: {argnums}",
            where=user_frame_location(),
            remedy="name each argument once",
        )
    return places


def value_and_grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the value of `fun` and its gradient. (jax.value_and_grad)

    Args:
      fun: returns a float scalar; with `has_aux` a pair of it and any pytree, which is passed through.
      argnums: the positional argument(s) to differentiate in: pytrees of float arrays.

    Returns:
      A function with the arguments of `fun` that returns `(value, gradient)`, or `((value, aux), gradient)`. The
      gradient has the structure, shapes and dtypes of the argument; with a sequence of `argnums` it is a tuple.

    Raises:
      NotDifferentiableError: if the argument is not float, or the value is not a float scalar.

    Example: `difc.value_and_grad(lambda x: np.sum(x**2))(np.ones(3))` is `(3.0, [2.0, 2.0, 2.0])`.
    """

    check_function("value_and_grad", fun)

    def traced(*args: Any, **kwargs: Any) -> Any:
        chosen = _select(argnums, args, "grad")
        names, leaves, structure = flatten_with_names(tuple(args[n] for n in chosen), "args")
        names = [f"argument {chosen[int(n[5 : n.index(']')])]}{n[n.index(']') + 1 :]}" for n in names]
        check_float(names, values_of(leaves, names)[1], "grad")
        holder: list[Any] = []

        def rebuild(inner: list[Any]) -> Any:
            full = list(args)
            for n, value in zip(chosen, unflatten(structure, inner), strict=True):
                full[n] = value
            out = applied("grad", fun, full, kwargs)
            holder.append(flatten(pair("grad", out)[0] if has_aux else out)[1])
            return out

        function, operands = _trace(fun, leaves, rebuild)
        _check_scalar(holder[0], function.out_avals, call_name(fun))
        value_aval, count = function.out_avals[0], len(leaves)
        marks = [i < count for i in range(len(operands))]
        out_mask = [i == 0 for i in range(len(function.out_avals))]
        cts = [dif.aval_of(v) for v in operands[:count]]
        results = dif.vjp(
            *operands,
            dif.constant(value=np.array(1, value_aval.dtype)),
            callee=function.name,
            mask=marks,
            out_mask=out_mask,
            results=[*map(plain, function.out_avals), *cts],
        )
        named = [*function.out_avals, *values_of(leaves)[1]]
        found = results_as_tracers(results, named, [False] * len(named))
        value = unflatten(function.out_tree, found[: len(function.out_avals)])
        gradients = unflatten(structure, found[len(function.out_avals) :])
        return value, gradients if isinstance(argnums, (tuple, list)) else gradients[0]

    return _on_arrays(traced, fun, value_and_grad, argnums, has_aux)


def _check_scalar(structure: Any, avals: Sequence[Aval], name: str) -> None:
    if not structure.num_leaves:
        raise NotDifferentiableError(
            f"grad: `{name}` returns no array", where=user_frame_location(), remedy="return the value, one float"
        )
    if structure.num_leaves != 1 or not structure.is_leaf():
        raise NotDifferentiableError(
            f"grad: `{name}` returns {structure.num_leaves} arrays, not one scalar",
            where=user_frame_location(),
            remedy="return one number; pass other results along with has_aux=True",
        )
    aval = avals[0]
    if aval.shape or not is_float(aval.dtype):
        raise NotDifferentiableError(
            f"grad: `{name}` returns {aval}, not a float scalar",
            where=user_frame_location(),
            remedy="reduce it with np.sum or np.mean; for a whole Jacobian use difc.vjp or difc.jvp"
            if aval.shape
            else f"return a float instead of {short_name(aval.dtype)}",
        )


def grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the gradient of `fun`. (jax.grad)

    As `value_and_grad`, without the value: it returns `gradient`, or `(gradient, aux)`.

    Example: `difc.grad(np.sin)(0.0)` is 1.0; `difc.grad(difc.grad(np.sin))(1.0)` is -sin(1).
    """
    check_function("grad", fun)
    both = value_and_grad(fun, argnums, has_aux)

    def traced(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return _on_arrays(traced, fun, grad, argnums, has_aux)


def _same_types(what: str, names: Sequence[str], given: Sequence[Aval], wanted: Sequence[Aval]) -> None:
    for name, a, b in zip(names, given, wanted, strict=True):
        if a != b:
            raise ShapeError(
                f"{what} for {name} is {a}, but {name} is {b}",
                where=user_frame_location(),
                remedy="pass an array of the same shape and dtype",
            )


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """Return the value of `fun` and its directional derivative. (jax.jvp)

    Args:
      fun: any function of pytrees of arrays.
      primals: a tuple or list of its positional arguments.
      tangents: a tuple or list of the same structure, shapes and dtypes: the direction.
      has_aux: `fun` returns a pair `(out, aux)`.

    Returns:
      `(out, out_tangent)`, or `(out, out_tangent, aux)`.

    Example: `difc.jvp(np.sin, (0.0,), (2.0,))` is `(0.0, 2.0)`.
    """
    check_function("jvp", fun)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise InputError(
            "jvp: primals and tangents are tuples of the arguments",
            where=user_frame_location(),
            remedy="write jvp(f, (x,), (t,))",
        )

    def traced(primals: Any, tangents: Any) -> Any:
        names, leaves, structure = flatten_with_names(tuple(primals), "primals")
        dots, other = flatten(tuple(tangents))
        check_same_structure("jvp", "primals are", "tangents", (structure, other))
        avals = values_of(leaves, names)[1]
        check_float(names, avals, "jvp")
        dot_values = _converted(dots, avals)
        _same_types("jvp: the tangent", names, values_of(dot_values)[1], avals)

        def rebuild(inner: list[Any]) -> Any:
            out = applied("jvp", fun, unflatten(structure, inner))
            return pair("jvp", out) if has_aux else out

        function, operands = _trace(fun, leaves, rebuild)
        floats = [a for a in function.out_avals if is_float(a.dtype)]
        marks = [i < len(leaves) for i in range(len(operands))]
        results = dif.jvp(
            *operands,
            *values_of(dot_values)[0],
            callee=function.name,
            mask=marks,
            results=[*map(plain, function.out_avals), *map(plain, floats)],
        )
        found = results_as_tracers(
            results, [*function.out_avals, *floats], [False] * (len(floats) + len(function.out_avals))
        )
        outs, fresh = found[: len(function.out_avals)], iter(found[len(function.out_avals) :])
        out_dots = [next(fresh) if is_float(a.dtype) else np.zeros(a.shape, bool) for a in function.out_avals]
        out, out_dot = unflatten(function.out_tree, outs), unflatten(function.out_tree, out_dots)
        return (out[0], out_dot[0], out[1]) if has_aux else (out, out_dot)

    return _on_arrays(traced, fun)(tuple(primals), tuple(tangents))


def _converted(dots: Sequence[Any], avals: Sequence[Aval]) -> list[Any]:
    """Return tangents or cotangents with Python numbers made the dtype of their primals."""
    return [wrap(to_dtype(lift(d), a.dtype)) if is_weak(d) else d for d, a in zip(dots, avals, strict=True)]


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Return the value of `fun`, and a function from cotangents of the value to cotangents of the arguments. (jax.vjp)

    Args:
      fun: any function of pytrees of float arrays.
      primals: its positional arguments.
      has_aux: `fun` returns a pair `(out, aux)`.

    Returns:
      `(out, pullback)`, or `(out, pullback, aux)`. `pullback(ct)` takes a pytree like `out` and returns a tuple with a
      cotangent for each primal.

    Example: `y, pullback = difc.vjp(np.sin, 0.0); pullback(1.0)` is `(1.0,)`.
    """
    check_function("vjp", fun)
    if not is_tracing():
        return linearized(fun, primals, has_aux)
    names, leaves, structure = flatten_with_names(primals, "primals")
    check_float(names, values_of(leaves, names)[1], "vjp")
    function, operands = _trace(fun, leaves, lambda inner: applied("vjp", fun, unflatten(structure, inner)))
    count = len(leaves)
    outs_plain = [plain(a) for a in function.out_avals]
    found = results_as_tracers(
        dif.call(*operands, callee=function.name, results=outs_plain), function.out_avals, [False] * len(outs_plain)
    )
    out = unflatten(function.out_tree, found)
    value, aux = pair("vjp", out) if has_aux else (out, None)
    value_leaves, value_tree = flatten(value)
    frame = current_frame()
    held = [Tracer(v, frame) for v in operands]

    def pullback(ct: Any) -> Any:
        ct_leaves, ct_tree = flatten(ct)
        avals = function.out_avals[: len(value_leaves)]
        check_same_structure("vjp", "the value is", "the cotangent", (value_tree, ct_tree))
        ct_leaves = _converted(ct_leaves, avals)
        _same_types("vjp: the cotangent", [f"result {i}" for i in range(len(avals))], values_of(ct_leaves)[1], avals)
        out_mask = [i < len(avals) and is_float(a.dtype) for i, a in enumerate(function.out_avals)]
        given = [lift(c) for c, m in zip(ct_leaves, out_mask, strict=False) if m]
        arguments = [lift(t) for t in held]
        results = dif.vjp(
            *arguments,
            *given,
            callee=function.name,
            mask=[i < count for i in range(len(arguments))],
            out_mask=out_mask,
            results=[*outs_plain, *(dif.aval_of(v) for v in arguments[:count])],
        )
        named = [*function.out_avals, *values_of(leaves)[1]]
        return unflatten(structure, results_as_tracers(results, named, [False] * len(named))[len(outs_plain) :])

    return (value, pullback, aux) if has_aux else (value, pullback)


def vmap(fun: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """Return `fun` mapped over an axis of its arguments. (jax.vmap)

    Args:
      fun: a function of pytrees of arrays; it sees them without the mapped axis.
      in_axes: the axis to map over, for all arguments or as a tuple with a pytree prefix for each; None is not mapped.
      out_axes: where the mapped axis goes in the results, as a pytree prefix; None for a result that does not depend on
      it.

    Raises:
      InputError: if nothing is mapped, or `in_axes` does not fit the arguments.
      ShapeError: if the sizes of the mapped axes differ.

    Example: `difc.vmap(np.dot, (0, None))(np.ones((5, 3)), np.ones(3))` has shape (5,).
    """

    check_function("vmap", fun)

    def traced(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise InputError(
                f"vmap: `{next(iter(kwargs))}` is passed by name, and in_axes counts arguments",
                where=user_frame_location(),
                remedy="pass all arguments by position",
            )
        names, leaves, structure = flatten_with_names(args, "args")
        values, avals, weak = values_of(leaves, names)
        prefix = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        axes = broadcast_prefix(tuple(prefix), args, "vmap: in_axes")
        axes = [None if a is None else _axis(n, a, aval.ndim) for n, a, aval in zip(names, axes, avals, strict=True)]
        sizes = {aval.shape[a]: n for n, a, aval in zip(names, axes, avals, strict=True) if a is not None}
        if not sizes:
            raise InputError("vmap: no argument is mapped", where=user_frame_location(), remedy="give in_axes an axis")
        if len(sizes) > 1:
            text = ", ".join(f"{size} ({name})" for size, name in sizes.items())
            raise ShapeError(
                f"vmap: the mapped axes have different sizes: {text}",
                where=user_frame_location(),
                remedy="map axes of one size; in_axes has None for an argument that is not mapped",
            )
        (size,) = sizes
        inner = [
            a if axis is None else Aval((*a.shape[:axis], *a.shape[axis + 1 :]), a.dtype)
            for a, axis in zip(avals, axes, strict=True)
        ]
        function = trace_function(
            current_frame().module,
            lambda ls: applied("vmap", fun, unflatten(structure, ls)),
            inner,
            weak,
            call_name(fun),
        )
        dummy = unflatten(function.out_tree, [0] * len(function.out_avals))
        outs = broadcast_prefix(out_axes, dummy, "vmap: out_axes")
        outs = [
            None if o is None else _axis(f"result {i}", o, a.ndim + 1)
            for i, (o, a) in enumerate(zip(outs, function.out_avals, strict=True))
        ]
        mapped = [
            a if o is None else Aval((*a.shape[:o], size, *a.shape[o:]), a.dtype)
            for a, o in zip(function.out_avals, outs, strict=True)
        ]
        results = dif.vmap(
            *values,
            *function.captured,
            callee=function.name,
            in_axes=[*(-1 if a is None else a for a in axes), *[-1] * len(function.captured)],
            out_axes=[-1 if o is None else o for o in outs],
            results=[plain(a) for a in mapped],
        )
        return unflatten(function.out_tree, results_as_tracers(results, mapped, function.weak))

    return _on_arrays(traced, fun, vmap, in_axes, out_axes)


def _axis(name: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise InputError(
            f"vmap: axis {axis} of {name} does not exist: it has {ndim} axes",
            where=user_frame_location(),
            remedy="choose another axis, or None for what is not mapped",
        )
    return axis % ndim
