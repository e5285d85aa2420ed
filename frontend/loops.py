"""Loops: `scan`, `fori_loop`, `map`. (jax.lax functions of the same names.) Branches are in `control.py`.

Called outside any trace they are plain Python on NumPy arrays, so that code can be debugged. Inside, bodies are traced
once; values of the enclosing function that they use become loop constants.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, ScanParts, yield_
from difc.dialects.mlir import ir
from difc.errors import DtypeError, InputError, ShapeError
from difc.functions import call_name, call_user, results_as_tracers, values_of
from difc.promotion import common_dtype, is_weak, to_dtype
from difc.pytree import describe, flatten, flatten_with_names, unflatten
from difc.source import shortened, user_frame_location
from difc.tracer import DimTracer, Tracer, as_array, lift, wrap
from difc.tracing import current_frame, is_tracing, new_frame
from difc.unrolling import scan_unrolled, steps_at_once

__all__ = ["fori_loop", "map", "scan"]


# ---- what users call -----------------------------------------------------------------------------


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` over the leading axis of `xs`; return the last carry and stacked ys. (jax.lax.scan)

    Args:
      f: the step; it returns the next carry, of the same structure, shapes and dtypes, and what to stack (or None).
      init: the first carry, a pytree of arrays.
      xs: a pytree of arrays with equal leading axes, or None.
      length: the number of steps, needed where `xs` is None; it may be a traced integer, known only at run time. Where
        nothing is stacked, it may differ between the elements that `vmap` maps over.
      reverse: run from the last slice to the first; ys are stacked in the order of xs.
      unroll: how many steps to write one after the other within a step of the loop; True leaves no loop. It changes no
        number, and more than 1 needs a length that is known when the function is traced.

    Raises:
      ShapeError, DtypeError: if the carry changes its structure, shape or dtype, naming the leaf; if the length differs
        between leaves of xs, or is no integer.
      InputError: if the length is not given, or `f` is no function of a carry and a slice that returns a pair; if
        `unroll` is neither a bool nor a positive integer, or the length that it needs is known only at run time.

    Example: `difc.scan(lambda c, x: (c + x, c), 0.0, np.arange(3.0))` gives `(3.0, [0.0, 0.0, 1.0])`.
    """

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        result = call_user("scan: the body cannot be called with (carry, x)", _SCAN_BODY, f, carry, x)
        if not isinstance(result, tuple) or len(result) != 2:
            what = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
            what = "None" if result is None else "an array" if isinstance(result, (Tracer, np.ndarray)) else what
            raise InputError(
                f"scan: the body returns {what}, not a pair (carry, y)",
                where=user_frame_location(),
                remedy="return (carry, None) if there is nothing to stack",
            )
        return result

    step.__name__ = call_name(f)
    return _loop("scan", "carry", step, init, xs, length, reverse, unroll)


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any, *, unroll: int | bool = 1
) -> Any:
    """Return the last `x` of `for i in range(lower, upper): x = body_fun(i, x)`. (jax.lax.fori_loop)

    Args:
      lower, upper: integers; they may be traced, and differ between the elements that `vmap` maps over. Reverse mode
        works either way.
      body_fun: one step; it returns the next `x`, of the same structure, shapes and dtypes.
      init_val: the first `x`, a pytree of arrays.
      unroll: as in `scan`.

    Raises:
      ShapeError, DtypeError: if `x` changes its structure, shape or dtype, naming the leaf; if a bound is no integer.
      InputError: if `body_fun` is no function of `i` and `x`, or `unroll` is not what `scan` takes.

    Example: `difc.fori_loop(0, 10, lambda i, x: x * 2.0, 1.0)` is 1024.0.
    """
    lower, upper = _integer("fori_loop", "lower", lower), _integer("fori_loop", "upper", upper)

    def body(i: Any, x: Any) -> Any:
        return call_user("fori_loop: the body cannot be called with (i, x)", _FORI_BODY, body_fun, i, x)

    if not is_tracing():
        steps_at_once("fori_loop", unroll, 0)
        value = init_val
        for i in range(lower, upper):
            value = body(i, value)
        return value
    structure = flatten(init_val)[1]

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        i, x = carry
        result = body(i, x)
        _check_structure("fori_loop", "init_val", structure, flatten(result)[1])
        return (i + 1, result), None

    step.__name__ = call_name(body_fun)
    count = upper - lower
    count = np.maximum(count, 0) if isinstance(count, Tracer) else max(count, 0)
    start = lower if isinstance(lower, Tracer) else np.int64(lower)
    return _loop("fori_loop", "init_val", step, (start, init_val), None, count, unroll=unroll)[0][1]


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Return the stacked results of `f` on each slice of `xs` along its leading axis, one by one. (jax.lax.map)

    Args:
      f: a function of a slice that returns any pytree of arrays.
      xs: a pytree of arrays with equal leading axes.

    Raises:
      ShapeError: if `xs` has no leading axis, or several different ones.
      InputError: if `f` is no function of a slice, or `xs` is empty.

    Example: `difc.map(np.sum, np.ones((4, 3)))` is four 3s.
    """

    def step(carry: None, x: Any) -> tuple[None, Any]:
        return None, call_user("map: the function cannot be called with a slice of xs", _MAP_BODY, f, x)

    step.__name__ = call_name(f)
    return _loop("map", "", step, None, xs)[1]


_SCAN_BODY = "write the body as `def body(carry, x): return carry, y`"
_FORI_BODY = "write the body as `def body(i, x): return x`"
_MAP_BODY = "pass a function of one argument, which may be a tuple or dict of arrays if xs is one"


# ---- the loop ------------------------------------------------------------------------------------


def _loop(
    what: str,
    root: str,
    f: Callable[..., Any],
    init: Any,
    xs: Any,
    length: Any = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Do `scan` with a step that returns a pair; `what` and `root` are what messages call the loop and its carry."""
    if not is_tracing():
        steps_at_once(what, unroll, 0)
        try:
            return _in_python(what, f, init, xs, length, reverse)
        except Exception as error:
            raise shortened(error)  # noqa: B904 - it is the same error
    names, init_leaves, carry_tree = flatten_with_names(init, root)
    if what == "fori_loop":  # its carry is the counter, and what the user has
        names = [name.replace(f"{root}[1]", root, 1) for name in names]
    x_names, x_leaves, x_tree = flatten_with_names(xs, "xs")
    x_values, x_avals, _ = values_of(x_leaves, x_names)
    trips = _length(what, x_names, x_avals, length)
    static = trips if isinstance(trips, int) else -1
    width = steps_at_once(what, unroll, trips if isinstance(trips, int) else None)
    slices = [Aval(a.shape[1:], a.dtype) for a in x_avals]
    init_leaves = _settle_weak(what, f, init_leaves, carry_tree, x_tree, slices)
    values, avals, weak = values_of(init_leaves, names)
    with new_frame([*avals, *slices], f"body `{f.__name__}` of {what}") as frame:
        arguments = list(frame.block.arguments)
        carry = [wrap(a, w) for a, w in zip(arguments[: len(values)], weak, strict=True)]
        new_carry, ys = f(unflatten(carry_tree, carry), unflatten(x_tree, [wrap(a) for a in arguments[len(values) :]]))
        new_leaves, new_tree = flatten(new_carry)
        y_leaves, y_tree = flatten(ys)
        _check_structure(what, "the carry", carry_tree, new_tree)
        outs = [_same_type(what, n, x, c, aval) for n, x, c, aval in zip(names, new_leaves, carry, avals, strict=True)]
        y_values = [lift(y) for y in y_leaves]
        y_avals = [frame.builder.aval(v) for v in y_values]
        yield_(*outs, *y_values)
    consts = list(frame.captured)
    results: Any
    if width:
        results = scan_unrolled(frame.block, ScanParts(values, x_values, consts, []), static, reverse, width)
    else:
        run_time = [] if static >= 0 else [dif.dim(x_values[0], dimension=0) if trips is None else lift(trips)]
        results = dif.scan(
            *values, *x_values, *consts, *run_time,
            num_carry=len(values), num_xs=len(x_values), length=static, reverse=reverse, linear=(),
            regions=[frame.block],
        )  # fmt: skip
    leading = static if static >= 0 else _named(trips, x_avals)
    stacked = [Aval((leading, *a.shape), a.dtype) for a in y_avals]
    found = results_as_tracers(results, [*avals, *stacked], [*weak, *[False] * len(stacked)])
    return unflatten(carry_tree, found[: len(values)]), unflatten(y_tree, found[len(values) :])


def _settle_weak(
    what: str, f: Callable[..., Any], leaves: list[Any], carry_tree: Any, x_tree: Any, slices: list[Aval]
) -> list[Any]:
    """Return initial carries in which a Python number has the dtype that the steps give it, as in a NumPy loop."""
    while any(is_weak(x) for x in leaves):  # each round makes a number an array, or an int a float, so there are few
        values, avals, weak = values_of(leaves)
        with new_frame([*avals, *slices], f"body `{f.__name__}` of {what}") as frame:
            arguments = list(frame.block.arguments)
            carry = [wrap(a, w) for a, w in zip(arguments[: len(values)], weak, strict=True)]
            step = f(unflatten(carry_tree, carry), unflatten(x_tree, [wrap(a) for a in arguments[len(values) :]]))
            new_leaves, new_tree = flatten(step[0])
            if new_tree != carry_tree:
                break  # reported by the caller
            values_of(new_leaves)  # what is no array is an error of its own
            found = [(is_weak(x), common_dtype(c, x)) for c, x in zip(carry, new_leaves, strict=True)]
        settled = [
            wrap(to_dtype(v, dtype), still) if w and not (still and dtype == a.dtype) else x
            for x, v, a, w, (still, dtype) in zip(leaves, values, avals, weak, found, strict=True)
        ]
        if all(a is b for a, b in zip(settled, leaves, strict=True)):
            break
        leaves = settled
    return leaves


def _check_structure(what: str, name: str, first: Any, returned: Any) -> None:
    if first != returned:
        raise ShapeError(
            f"{what}: {name} starts as {describe(first)}, and the body returns {describe(returned)}",
            where=user_frame_location(),
            remedy="return the same containers as the initial value has",
        )


def _same_type(what: str, name: str, x: Any, carry: Any, aval: Aval) -> ir.Value:
    value = lift(x)
    if is_weak(x) and common_dtype(x, carry) == aval.dtype:
        value = to_dtype(value, aval.dtype)
    found = current_frame().builder.aval(value)
    if found != aval:
        error, kind = (DtypeError, "dtype") if found.dtype != aval.dtype else (ShapeError, "shape")
        raise error(
            f"{what}: the {kind} of {name} changes: it starts as {aval}, and the body returns {found}",
            where=user_frame_location(),
            remedy=f"start with {found}, or convert what the body returns with .astype(np.{aval.dtype.name})"
            if kind == "dtype"
            else "keep its shape the same in every step",
        )
    return value


# ---- the number of steps -------------------------------------------------------------------------


def _length(what: str, names: list[str], avals: list[Aval], length: Any) -> Any:
    """Return the number of steps: an int, a traced i64, or None where it is the run-time size of xs."""
    for name, aval in zip(names, avals, strict=True):
        if not aval.ndim:
            raise ShapeError(
                f"{what}: {name} is a scalar, {aval}, with no axis to loop over",
                where=user_frame_location(),
                remedy="pass an array, such as np.array([1.0, 2.0]) for a list of numbers",
            )
    sizes = list(dict.fromkeys(a.shape[0] for a in avals))
    if len(sizes) > 1:
        text = ", ".join(f"{n}: {a}" for n, a in zip(names, avals, strict=True))
        raise ShapeError(
            f"{what}: the leading axes of xs differ: {text}",
            where=user_frame_location(),
            remedy="pass arrays with as many slices each along axis 0",
        )
    if length is not None:
        length = _integer(what, "length", length)
    if isinstance(length, int):
        if length < 0:
            raise ShapeError(
                f"{what}: length is {length}", where=user_frame_location(), remedy="pass a number that is 0 or more"
            )
        if sizes and isinstance(sizes[0], int) and sizes[0] != length:
            raise ShapeError(
                f"{what}: length={length}, but xs has {sizes[0]} slices",
                where=user_frame_location(),
                remedy=f"leave length out, or pass xs[:{length}]" if length < sizes[0] else "leave length out",
            )
        return length
    if sizes and isinstance(sizes[0], int):
        return sizes[0]
    if length is None and not sizes:
        raise InputError(
            f"{what}: the number of steps is not known",
            where=user_frame_location(),
            remedy="pass an array as xs" if what == "map" else "pass xs, or length=n",
        )
    return length


def _integer(what: str, name: str, value: Any) -> Any:
    """Return an int, or a traced i64."""
    if isinstance(value, Tracer):
        if not value.ndim and value.dtype.kind in "iu":
            return value.astype(np.int64)
        found = f"{value.aval}"
    else:
        try:
            if not isinstance(value, bool):
                return operator.index(value)
        except TypeError:
            pass
        found = repr(value) if np.ndim(value) == 0 else f"an array of shape {list(np.shape(value))}"
    raise DtypeError(
        f"{what}: {name} is {found}, not a scalar integer",
        where=user_frame_location(),
        remedy="pass an int, or an integer scalar such as x.astype(np.int64)",
    )


def _named(trips: Any, x_avals: list[Aval]) -> Any:
    """Return the name of a run-time length."""
    return x_avals[0].shape[0] if x_avals else trips.dim if isinstance(trips, DimTracer) else dif.DYN


# ---- outside a trace -----------------------------------------------------------------------------


def _in_python(what: str, f: Callable[..., Any], init: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any]:
    x_names, x_leaves, x_tree = flatten_with_names(xs, "xs")
    avals = [Aval(a.shape, a.dtype) for a in (as_array(x, name=n) for n, x in zip(x_names, x_leaves, strict=True))]
    steps = range(_length(what, x_names, avals, length))
    carry, rows, y_tree = init, [], None
    for t in reversed(steps) if reverse else steps:
        carry, y = f(carry, unflatten(x_tree, [x[t] for x in x_leaves]))
        names, leaves, tree = flatten_with_names(y, "y")
        if y_tree not in (None, tree):
            raise _changes(what, f"y is {describe(y_tree)} in one step and {describe(tree)} in another")
        y_tree = tree
        rows.append(leaves)
    if y_tree is None:
        raise InputError(
            f"{what}: no steps to run outside a trace, so the ys have no shape",
            where=user_frame_location(),
            remedy="use difc.jit",
        )
    columns = list(zip(*(rows[::-1] if reverse else rows), strict=True))
    for name, column in zip(names, columns, strict=True):
        shapes = list(dict.fromkeys(np.shape(part) for part in column))
        if len(shapes) > 1:
            raise _changes(what, f"{name} has the shape {list(shapes[0])} in one step and {list(shapes[1])} in another")
    return carry, unflatten(y_tree, [np.stack(column) for column in columns])


def _changes(what: str, message: str) -> ShapeError:
    return ShapeError(
        f"{what}: {message}", where=user_frame_location(), remedy="return the same structure and shapes in every step"
    )
