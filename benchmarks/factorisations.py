"""The cases of factorisations: Cholesky, a Gaussian process's likelihood with its gradient, many small solves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import difc
import difc.scipy.linalg as difc_linalg
from benchmarks import workloads
from benchmarks.harness import Case, add_jax

__all__ = ["FACTORISATIONS"]


def _case(
    name: str,
    title: str,
    goals: dict[str, float],
    function: Callable[[Any, Any], Callable[..., Any]],
    transform: Callable[[Any, Callable[..., Any]], Callable[..., Any]],
    arrays: Callable[[], tuple[np.ndarray, ...]],
    tolerance: float = 1e-3,
) -> Callable[[], Case]:
    """Return a case.

    Args:
      goals: see `Case`; with one for "primal", the function itself is measured, too, without the transformation.
      function: from `np` and `scipy.linalg` (difc's or JAX's) to what is measured.
      transform: from `difc` or `jax` and that to a transformation of it.
    """

    def make() -> Case:
        given = arrays()
        call = difc.jit(transform(difc, function(np, difc_linalg)))
        device = call(*given)[0].device if isinstance(call(*given), tuple) else call(*given).device
        on_device = tuple(difc.to_device(x, device) for x in given)
        case = Case(title, goals, {"difc": lambda: call(*on_device)}, tolerance=tolerance)
        case.result["difc"] = lambda: [np.asarray(x) for x in _flat(call(*on_device))]
        if "primal" in goals:
            primal = difc.jit(function(np, difc_linalg))
            case.run["primal"] = lambda: primal(*on_device)

        def peer(jax: Any) -> Callable[[], Any]:
            import jax.scipy.linalg

            jitted = jax.jit(transform(jax, function(jax.numpy, jax.scipy.linalg)))
            placed = jax.device_put(given)
            return lambda: jitted(*placed)

        add_jax(case, peer, double=given[0].dtype == np.float64)
        return case

    make.__name__ = name
    return make


def _flat(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple) else [found]


def _definite(size: int, dtype: str) -> Callable[[], tuple[np.ndarray, ...]]:
    def arrays() -> tuple[np.ndarray, ...]:
        x = np.random.default_rng(0).standard_normal((size, size))
        return ((x @ x.T / size + np.eye(size)).astype(dtype),)

    return arrays


def _systems(count: int, size: int, dtype: str) -> Callable[[], tuple[np.ndarray, ...]]:
    def arrays() -> tuple[np.ndarray, ...]:
        random = np.random.default_rng(0)
        a = random.standard_normal((count, size, size)) + size * np.eye(size)
        return a.astype(dtype), random.standard_normal((count, size, 1)).astype(dtype)

    return arrays


FACTORISATIONS = (
    *(
        _case(
            f"cholesky_{dtype}_{size}",
            f"Cholesky {size}x{size}, {np.dtype(dtype).name}",
            {"jax": goal},
            lambda xp, linalg: xp.linalg.cholesky,
            lambda system, f: f,
            _definite(size, dtype),
        )
        for dtype, goal in (("f4", 0.5), ("f8", 0.8))
        for size in (128, 256, 512, 1024)
    ),
    *(
        _case(
            f"gp_{size}",
            f"GP likelihood value+grad, n={size}, f64",
            {"jax": 0.6, "primal": 4.0},
            workloads.gp_likelihood,
            lambda system, f: system.value_and_grad(f),
            lambda size=size: workloads.gp_inputs(size),  # type: ignore[misc]
        )
        for size in (500, 1000)
    ),
    _case(
        "gp_primal_1000",
        "GP likelihood alone, n=1000, f64",
        {},
        workloads.gp_likelihood,
        lambda system, f: f,
        lambda: workloads.gp_inputs(1000),
    ),
    _case(
        "small_solves",
        "10,000 solves of 8x8 systems, float32",
        {"jax": 0.3},
        lambda xp, linalg: xp.linalg.solve,
        lambda system, f: f,
        _systems(10_000, 8, "f4"),
    ),
)
