"""Structured control flow: `cond`, `scan`, `fori_loop`, `map`. (jax.lax functions of the same names.)

Called outside any trace they are plain Python on NumPy arrays, so that code can be debugged. Inside, bodies are traced
once; values of the enclosing function that they use become loop constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, aval_of, yield_
from difc.dialects.mlir import ir
from difc.errors import DtypeError, InputError, ShapeError
from difc.functions import call_name, results_as_tracers, values_of
from difc.promotion import common_dtype, is_weak, to_dtype
from difc.pytree import flatten, flatten_with_names, tree_map, unflatten
from difc.source import user_frame_location
from difc.tracer import DimTracer, Tracer, lift, wrap
from difc.tracing import current_frame, is_tracing, new_frame

__all__ = ["cond", "fori_loop", "map", "scan", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """Return `x`, through which no derivative flows. (jax.lax.stop_gradient)

    Example: `difc.grad(lambda x: x * difc.stop_gradient(x))(3.0)` is 3.0.
    """
    return tree_map(lambda leaf: wrap(dif.stop_gradient(lift(leaf))) if is_tracing() else leaf, x)


# ---- cond ----------------------------------------------------------------------------------------


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Return `true_fun(*operands)` if `pred` holds, else `false_fun(*operands)`; only that one is run. (jax.lax.cond)

    Args:
      pred: a scalar; a number counts as "not zero".
      true_fun, false_fun: functions of the operands; both return the same structure, shapes and dtypes.
      operands: pytrees of arrays.

    Raises:
      ShapeError: if `pred` is not a scalar, or the branches return different shapes or structures.
      DtypeError: if they return different dtypes.

    Example: `difc.cond(x > 0, lambda x: x, lambda x: -x, x)`
    """
    if not is_tracing():
        return true_fun(*operands) if bool(pred) else false_fun(*operands)
    condition = lift(pred)
    if aval_of(condition).shape:
        raise ShapeError(
            f"cond: the predicate is an array, {aval_of(condition)}, not a scalar",
            where=user_frame_location(),
            remedy="reduce it with np.all or np.any, or choose elementwise with np.where",
        )
    leaves, structure = flatten(operands)
    values, avals, weak = values_of(leaves)
    extra: list[ir.Value] = []
    bodies, trees, outs = [], [], []
    for fun in (true_fun, false_fun):
        with new_frame(avals, f"branch `{call_name(fun)}` of cond") as frame:
            for value in extra:  # the second branch takes what the first captured, in the same places
                frame.capture(value)
            arguments = [wrap(a, w) for a, w in zip(list(frame.block.arguments)[: len(values)], weak, strict=True)]
            results, tree = flatten(fun(*unflatten(structure, arguments)))
            bodies.append((frame, [lift(x) for x in results], [is_weak(x) for x in results]))
            extra = list(frame.captured)  # also what is returned as it is
            trees.append(tree)
            outs.append([Aval(frame.builder.shape(v), aval_of(v).dtype) for v in bodies[-1][1]])
    _check_branches(trees, outs, bodies)
    for frame, results, _ in bodies:
        for value in extra[len(frame.captured) :]:
            frame.capture(value)
        with dif.use_builder(frame.builder):
            yield_(*results)
    blocks = [frame.block for frame, _, _ in bodies]
    found = dif.cond(to_dtype(condition, np.bool_), *values, *extra, linear=(), regions=blocks)
    both_weak = [a and b for a, b in zip(bodies[0][2], bodies[1][2], strict=True)]
    return unflatten(trees[0], results_as_tracers(found, outs[0], both_weak))


def _check_branches(trees: Sequence[Any], outs: list[list[Aval]], bodies: list[Any]) -> None:
    """Check that both branches return the same; Python numbers take the dtype of the other branch."""
    if trees[0] != trees[1]:
        raise ShapeError(
            f"cond: the branches return different structures: {trees[0]} and {trees[1]}",
            where=user_frame_location(),
            remedy="return the same containers from both functions",
        )
    for i, (a, b) in enumerate(zip(*outs, strict=True)):
        if a.dtype != b.dtype:
            weak = [bodies[k][2][i] for k in (0, 1)]
            if not any(weak):
                raise DtypeError(
                    f"cond: result {i} is {a} in one branch and {b} in the other",
                    where=user_frame_location(),
                    remedy="convert one of them with .astype(...)",
                )
            k = 0 if weak[0] else 1
            frame, values, _ = bodies[k]
            dtype = outs[1 - k][i].dtype
            with dif.use_builder(frame.builder):
                values[i] = to_dtype(values[i], dtype)
            outs[k][i] = Aval(outs[k][i].shape, dtype)
        if outs[0][i].shape != outs[1][i].shape:
            raise ShapeError(
                f"cond: result {i} is {outs[0][i]} in one branch and {outs[1][i]} in the other",
                where=user_frame_location(),
                remedy="make both branches return the same shape",
            )


# ---- scan ----------------------------------------------------------------------------------------


def scan(
    f: Callable[..., Any], init: Any, xs: Any = None, length: Any = None, reverse: bool = False
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` over the leading axis of `xs`; return the last carry and stacked ys. (jax.lax.scan)

    Args:
      f: the step; it returns the next carry, of the same structure, shapes and dtypes, and what to stack (or None).
      init: the first carry, a pytree of arrays.
      xs: a pytree of arrays with equal leading axes, or None.
      length: the number of steps, needed where `xs` is None; it may be a traced integer, known only at run time.
      reverse: run from the last slice to the first; ys are stacked in the order of xs.

    Raises:
      ShapeError, DtypeError: if the carry changes its shape or dtype, naming the leaf.
      InputError: if the length is not given, or differs between leaves.

    Example: `difc.scan(lambda c, x: (c + x, c), 0.0, np.arange(3.0))` gives `(3.0, [0.0, 0.0, 1.0])`.
    """
    if not is_tracing():
        return _python_scan(f, init, xs, length, reverse)
    names, init_leaves, carry_tree = flatten_with_names(init, "carry")
    x_names, x_leaves, x_tree = flatten_with_names(xs, "xs")
    x_values, x_avals, _ = values_of(x_leaves)
    trips = _length(x_names, x_avals, length)
    slices = [Aval(a.shape[1:], a.dtype) for a in x_avals]
    init_leaves = _settle_weak(f, init_leaves, carry_tree, x_tree, slices)
    values, avals, weak = values_of(init_leaves)
    with new_frame([*avals, *slices], f"body `{call_name(f)}` of scan") as frame:
        arguments = list(frame.block.arguments)
        carry = [wrap(a, w) for a, w in zip(arguments[: len(values)], weak, strict=True)]
        step = f(unflatten(carry_tree, carry), unflatten(x_tree, [wrap(a) for a in arguments[len(values) :]]))
        new_carry, ys = _pair(step)
        new_leaves, new_tree = flatten(new_carry)
        y_leaves, y_tree = flatten(ys)
        if new_tree != carry_tree:
            raise ShapeError(
                f"scan: the carry has the structure {carry_tree}, and the body returns {new_tree}",
                where=user_frame_location(),
                remedy="return the carry in the same containers as the initial one",
            )
        outs = [_same_type(name, x, aval) for name, x, aval in zip(names, new_leaves, avals, strict=True)]
        y_values = [lift(y) for y in y_leaves]
        y_avals = [Aval(frame.builder.shape(v), aval_of(v).dtype) for v in y_values]
        yield_(*outs, *y_values)
    static = trips if isinstance(trips, int) else -1
    run_time = [] if static >= 0 else [dif.dim(x_values[0], dimension=0) if trips is None else lift(trips)]
    results = dif.scan(
        *values, *x_values, *frame.captured, *run_time,
        num_carry=len(values), num_xs=len(x_values), length=static, reverse=reverse, linear=(), regions=[frame.block],
    )  # fmt: skip
    leading = static if static >= 0 else _named(trips, x_avals)
    stacked = [Aval((leading, *a.shape), a.dtype) for a in y_avals]
    found = results_as_tracers(results, [*avals, *stacked], [*weak, *[False] * len(stacked)])
    return unflatten(carry_tree, found[: len(values)]), unflatten(y_tree, found[len(values) :])


def _pair(step: Any) -> tuple[Any, Any]:
    if not isinstance(step, tuple) or len(step) != 2:
        raise InputError(
            f"scan: the body returns {type(step).__name__}, not a pair (carry, y)",
            where=user_frame_location(),
            remedy="return (carry, None) if there is nothing to stack",
        )
    return step


def _settle_weak(f: Any, leaves: list[Any], carry_tree: Any, x_tree: Any, slices: list[Aval]) -> list[Any]:
    """Return initial carries in which a Python number has the dtype that one step gives it, as a NumPy loop would."""
    for _ in range(2):
        values, avals, weak = values_of(leaves)
        if not any(weak):
            break
        with new_frame([*avals, *slices], f"body `{call_name(f)}` of scan") as frame:
            arguments = list(frame.block.arguments)
            carry = [wrap(a, w) for a, w in zip(arguments[: len(values)], weak, strict=True)]
            step = f(unflatten(carry_tree, carry), unflatten(x_tree, [wrap(a) for a in arguments[len(values) :]]))
            new_leaves, new_tree = flatten(_pair(step)[0])
            found = [(is_weak(x), common_dtype(x)) for x in new_leaves]
        if new_tree != carry_tree:
            break  # reported by the caller
        settled = [
            wrap(to_dtype(v, dtype)) if w and not still else x
            for x, v, w, (still, dtype) in zip(leaves, values, weak, found, strict=True)
        ]
        if all(a is b for a, b in zip(settled, leaves, strict=True)):
            break
        leaves = settled
    return leaves


def _same_type(name: str, x: Any, aval: Aval) -> ir.Value:
    value = lift(x)
    if is_weak(x):
        value = to_dtype(value, aval.dtype)
    found = Aval(current_frame().builder.shape(value), aval_of(value).dtype)
    if found != aval:
        error, what = (DtypeError, "dtype") if found.dtype != aval.dtype else (ShapeError, "shape")
        raise error(
            f"scan: the {what} of {name} changes: it starts as {aval}, and the body returns {found}",
            where=user_frame_location(),
            remedy=f"start with {found}, or convert what the body returns"
            if what == "dtype"
            else "keep its shape the same in every step",
        )
    return value


def _length(names: list[str], avals: list[Aval], length: Any) -> Any:
    """Return the number of steps: an int, a traced i64, or None where it is the run-time size of xs."""
    for name, aval in zip(names, avals, strict=True):
        if not aval.ndim:
            raise ShapeError(
                f"scan: {name} is a scalar, {aval}, with no axis to scan over", where=user_frame_location()
            )
    sizes = list(dict.fromkeys(a.shape[0] for a in avals))
    if len(sizes) > 1:
        text = ", ".join(f"{n}: {a}" for n, a in zip(names, avals, strict=True))
        raise ShapeError(f"scan: the leading axes of xs differ: {text}", where=user_frame_location())
    if isinstance(length, (int, np.integer)) and not isinstance(length, bool):
        if sizes and isinstance(sizes[0], int) and sizes[0] != length:
            raise ShapeError(f"scan: length={length}, but xs has {sizes[0]} slices", where=user_frame_location())
        return int(length)
    if sizes and isinstance(sizes[0], int):
        return sizes[0]
    if isinstance(length, Tracer):
        if length.ndim or length.dtype.kind not in "iu":
            raise DtypeError(f"scan: length is {length.aval}, not a scalar integer", where=user_frame_location())
        return length.astype(np.int64)
    if not sizes:
        raise InputError(
            "scan: the number of steps is not known", where=user_frame_location(), remedy="pass xs, or length=n"
        )
    return None


def _named(trips: Any, x_avals: list[Aval]) -> Any:
    """Return the name of a run-time length."""
    return x_avals[0].shape[0] if x_avals else trips.dim if isinstance(trips, DimTracer) else dif.DYN


def _python_scan(f: Any, init: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any]:
    x_leaves, x_tree = flatten(xs)
    steps = len(x_leaves[0]) if x_leaves else length
    if steps is None:
        raise InputError(
            "scan: the number of steps is not known", where=user_frame_location(), remedy="pass xs, or length=n"
        )
    carry, rows, y_tree = init, [], None
    for t in reversed(range(int(steps))) if reverse else range(int(steps)):
        carry, y = _pair(f(carry, unflatten(x_tree, [x[t] for x in x_leaves])))
        leaves, y_tree = flatten(y)
        rows.append(leaves)
    if y_tree is None:
        raise InputError(
            "scan: no steps to run outside a trace, so the ys have no shape",
            where=user_frame_location(),
            remedy="use difc.jit",
        )
    rows = rows[::-1] if reverse else rows
    return carry, unflatten(y_tree, [np.stack(column) for column in zip(*rows, strict=True)])


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Return the last `x` of `for i in range(lower, upper): x = body_fun(i, x)`. (jax.lax.fori_loop)

    The bounds may be traced integers; reverse mode works either way.

    Example: `difc.fori_loop(0, 10, lambda i, x: x * 2.0, 1.0)` is 1024.0.
    """
    if not is_tracing():
        value = init_val
        for i in range(int(lower), int(upper)):
            value = body_fun(i, value)
        return value

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        i, x = carry
        return (i + 1, body_fun(i, x)), None

    count = upper - lower if isinstance(upper, Tracer) or isinstance(lower, Tracer) else max(int(upper) - int(lower), 0)
    if isinstance(count, Tracer):
        count = np.maximum(count, 0)
    start = lower.astype(np.int64) if isinstance(lower, Tracer) else np.int64(lower)
    return scan(step, (start, init_val), None, length=count)[0][1]


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Return the stacked results of `f` on each slice of `xs` along its leading axis, one by one. (jax.lax.map)

    Example: `difc.map(np.sum, np.ones((4, 3)))` is four 3s.
    """
    return scan(lambda _, x: (None, f(x)), None, xs)[1]
