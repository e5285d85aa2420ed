"""Checks of derivatives against finite differences, for the user's own functions. (jax.test_util.check_grads)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.jitted import disable_jit
from difc.pytree import flatten, tree_map
from difc.source import user_frame_location
from difc.transform import jvp, vjp

__all__ = ["check_grads"]


def check_grads(
    fun: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: str | Sequence[str] = ("fwd", "rev"),
    *,
    eps: float = 1e-5,
    tolerance: float = 1e-5,
    compiled: bool = False,
    seed: int = 0,
) -> None:
    """Check derivatives of `fun` at `args`, in one random direction, against central differences.

    Args:
      fun: a function of pytrees of float arrays.
      args: where to check; float64 arrays give sharp checks (float32 ones are converted).
      order: 1 checks first derivatives, 2 also derivatives of derivatives, and so on.
      modes: "fwd" checks `difc.jvp` against differences, "rev" checks `difc.vjp` against that by the identity
        <ct, J t> = <J^T ct, t>; one or both.
      eps: step of the differences; it grows with the order.
      tolerance: allowed error, relative to the size of the numbers.
      compiled: run compiled code instead of the interpreter (slower to start).
      seed: of the random direction.

    Raises:
      AssertionError: naming the mode, the order and the two numbers.
      InputError: for another mode, or arguments that are not in a tuple or list.

    Example: `difc.testing.check_grads(lambda x: np.sin(x) @ x, [np.ones(3)])`
    """
    if not isinstance(args, tuple | list):
        raise InputError(
            "check_grads: args is no tuple or list of the arguments",
            where=user_frame_location(),
            remedy="write check_grads(f, (x,))",
        )
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or not {"fwd", "rev"}.issuperset(modes):
        raise InputError(
            f"check_grads: modes is {modes}", where=user_frame_location(), remedy='use "fwd", "rev", or both in a tuple'
        )
    points = tuple(tree_map(lambda x: np.asarray(x, np.float64), arg) for arg in args)
    random = np.random.default_rng(seed)
    if compiled:
        _check(fun, points, order, modes, eps, tolerance, random, "")
    else:
        with disable_jit():
            _check(fun, points, order, modes, eps, tolerance, random, "")


def _like(tree: Any, random: np.random.Generator) -> Any:
    return tree_map(lambda x: random.normal(size=np.shape(x)), tree)


def _dot(a: Any, b: Any) -> float:
    return float(sum(np.sum(np.asarray(x) * np.asarray(y)) for x, y in zip(flatten(a)[0], flatten(b)[0], strict=True)))


def _check(
    fun: Callable[..., Any], args: tuple[Any, ...], order: int, modes: tuple[str, ...], eps: float, tolerance: float,
    random: np.random.Generator, path: str,
) -> None:  # fmt: skip
    direction = _like(args, random)
    out, dot = jvp(fun, args, direction)

    def value(step: float) -> Any:
        moved = tree_map(lambda x, t: x + step * t, args, direction)
        return jvp(fun, moved, direction)[0]

    numeric = tree_map(lambda a, b: (np.asarray(a) - np.asarray(b)) / (2 * eps), value(eps), value(-eps))
    scale = 1 + max((float(np.max(np.abs(np.asarray(x)), initial=0)) for x in flatten(numeric)[0]), default=0)
    if "fwd" in modes:
        for a, b in zip(flatten(dot)[0], flatten(numeric)[0], strict=True):
            _compare(np.asarray(a), b, tolerance * scale, f"{path}jvp")
    ct = _like(out, random)
    if "rev" in modes:
        _, pullback = vjp(fun, *args)
        forward, backward = _dot(ct, dot), _dot(pullback(ct), direction)
        size = np.sqrt(max(1, sum(np.size(x) for x in flatten(out)[0])))
        _compare(np.asarray(backward), np.asarray(_dot(ct, numeric)), tolerance * scale * size * 10, f"{path}vjp")
        _compare(np.asarray(backward), np.asarray(forward), 1e-9 * scale * size * 10, f"{path}vjp against jvp")
    if order > 1:
        if "fwd" in modes:
            inner = lambda *x: jvp(fun, x, direction)[1]  # noqa: E731
            _check(inner, args, order - 1, modes, eps * 3, tolerance * 10, random, f"{path}jvp of ")
        if "rev" in modes:
            inner = lambda *x: vjp(fun, *x)[1](ct)  # noqa: E731
            _check(inner, args, order - 1, modes, eps * 3, tolerance * 10, random, f"{path}vjp of ")


def _compare(found: np.ndarray, wanted: np.ndarray, tolerance: float, what: str) -> None:
    error = float(np.max(np.abs(found - wanted), initial=0))
    if not error <= tolerance:
        raise AssertionError(
            f"{what}: found {found}, finite differences give {wanted} (error {error:.2e}, allowed {tolerance:.2e})"
        )
