"""Branches: `cond`; and `stop_gradient`. (jax.lax functions of the same names.) Loops are in `loops.py`.

Called outside any trace they are plain Python on NumPy arrays, so that code can be debugged. Inside, both branches are
traced; values of the enclosing function that they use become operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, aval_of, yield_
from difc.dialects.mlir import ir
from difc.errors import DtypeError, ShapeError
from difc.functions import call_name, call_user, results_as_tracers, values_of
from difc.promotion import common_dtype, is_weak, to_dtype
from difc.pytree import describe, flatten, flatten_with_names, tree_map, unflatten
from difc.source import user_frame_location
from difc.tracer import lift, wrap
from difc.tracing import is_tracing, new_frame

__all__ = ["cond", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """Return `x`, through which no derivative flows. (jax.lax.stop_gradient)

    Example: `difc.grad(lambda x: x * difc.stop_gradient(x))(3.0)` is 3.0.
    """
    return tree_map(lambda leaf: wrap(dif.stop_gradient(lift(leaf))) if is_tracing() else leaf, x)


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Return `true_fun(*operands)` if `pred` holds, else `false_fun(*operands)`; only that one is run. (jax.lax.cond)

    Args:
      pred: a scalar; a number counts as "not zero".
      true_fun, false_fun: functions of the operands; both return the same structure, shapes and dtypes.
      operands: pytrees of arrays.

    Raises:
      ShapeError: if `pred` is not a scalar, or the branches return different shapes or structures.
      DtypeError: if they return different dtypes.
      InputError: if a branch does not take the operands.

    Example: `difc.cond(x > 0, lambda x: x, lambda x: -x, x)`
    """
    if not is_tracing():
        if np.ndim(pred):
            raise _not_scalar(f"an array of shape {list(np.shape(pred))}")
        return _call_branch(true_fun if bool(pred) else false_fun, *operands)
    condition = lift(pred)
    if aval_of(condition).shape:
        raise _not_scalar(f"an array, {aval_of(condition)}")
    leaves, structure = flatten(operands)
    values, avals, weak = values_of(leaves)
    extra: list[ir.Value] = []
    names: list[str] = []
    bodies, trees, outs = [], [], []
    for fun in (true_fun, false_fun):
        with new_frame(avals, f"branch `{call_name(fun)}` of cond") as frame:
            for value in extra:  # the second branch takes what the first captured, in the same places
                frame.capture(value)
            arguments = [wrap(a, w) for a, w in zip(list(frame.block.arguments)[: len(values)], weak, strict=True)]
            names, results, tree = flatten_with_names(_call_branch(fun, *unflatten(structure, arguments)), "result")
            bodies.append((frame, [lift(x) for x in results], results))
            extra = list(frame.captured)  # also what is returned as it is
            trees.append(tree)
            outs.append([frame.builder.aval(v) for v in bodies[-1][1]])
    _check_branches(trees, names, outs, bodies)
    for frame, results, _ in bodies:
        for value in extra[len(frame.captured) :]:
            frame.capture(value)
        with dif.use_builder(frame.builder):
            yield_(*results)
    blocks = [frame.block for frame, _, _ in bodies]
    found = dif.cond(to_dtype(condition, np.bool_), *values, *extra, linear=(), regions=blocks)
    both_weak = [is_weak(a) and is_weak(b) for a, b in zip(bodies[0][2], bodies[1][2], strict=True)]
    return unflatten(trees[0], results_as_tracers(found, outs[0], both_weak))


def _not_scalar(what: str) -> ShapeError:
    return ShapeError(
        f"cond: the predicate is {what}, not a scalar",
        where=user_frame_location(),
        remedy="reduce it with np.all or np.any, or choose elementwise with np.where",
    )


def _call_branch(fun: Callable[..., Any], *operands: Any) -> Any:
    remedy = "pass two functions of the operands, as in difc.cond(pred, lambda x: x, lambda x: -x, x)"
    return call_user(f"cond: a branch cannot be called with {len(operands)} operands", remedy, fun, *operands)


def _check_branches(trees: Sequence[Any], names: list[str], outs: list[list[Aval]], bodies: list[Any]) -> None:
    """Check that both branches return the same; Python numbers are promoted as by NumPy's operators."""
    if trees[0] != trees[1]:
        raise ShapeError(
            f"cond: the branches return different structures: {describe(trees[0])} and {describe(trees[1])}",
            where=user_frame_location(),
            remedy="return the same containers from both functions",
        )
    for i, (name, a, b) in enumerate(zip(names, *outs, strict=True)):
        if a.dtype != b.dtype:
            pair = [results[i] for _, _, results in bodies]
            dtype = common_dtype(*pair)
            if any(not is_weak(x) and out[i].dtype != dtype for x, out in zip(pair, outs, strict=True)):
                raise DtypeError(
                    f"cond: {name} is {a} in one branch and {b} in the other",
                    where=user_frame_location(),
                    remedy="convert one of them with .astype(...)",
                )
            for (frame, values, _), out in zip(bodies, outs, strict=True):
                with dif.use_builder(frame.builder):
                    values[i] = to_dtype(values[i], dtype)
                out[i] = Aval(out[i].shape, dtype)
        if outs[0][i].shape != outs[1][i].shape:
            raise ShapeError(
                f"cond: {name} is {outs[0][i]} in one branch and {outs[1][i]} in the other",
                where=user_frame_location(),
                remedy="make both branches return the same shape",
            )
