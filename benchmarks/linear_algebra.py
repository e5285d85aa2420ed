"""The cases of linear algebra: matmuls of round and odd sizes, beside OpenBLAS (through NumPy) and JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import difc
from benchmarks.harness import Case, add_jax

__all__ = ["MATMULS"]


def matmul(name: str, m: int, k: int, n: int, dtype: str, goals: dict[str, float]) -> Callable[[], Case]:
    """Return the case of one matmul `[m, k] x [k, n]` with arrays on the device."""

    def make() -> Case:
        random = np.random.default_rng(0)
        x, y = (random.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n)))
        multiply = difc.jit(lambda x, y: x @ y)
        device = multiply(x, y).device
        on_device = difc.to_device(x, device), difc.to_device(y, device)
        title = f"matmul {m}x{k}x{n}, {np.dtype(dtype).name}"
        case = Case(title, goals, {"difc": lambda: multiply(*on_device)})
        case.result["difc"] = lambda: [np.asarray(multiply(*on_device))]
        case.run["numpy"] = lambda: x @ y
        case.result["numpy"] = lambda: [x @ y]

        def peer(jax: Any) -> Callable[[], Any]:
            jitted = jax.jit(jax.numpy.matmul)
            given = jax.device_put((x, y))
            return lambda: jitted(*given)

        add_jax(case, peer, double=dtype == "f8")
        return case

    make.__name__ = name
    return make


MATMULS = (
    matmul("matmul_f64_512", 512, 512, 512, "f8", {"numpy": 0.77}),
    matmul("matmul_f64_1024", 1024, 1024, 1024, "f8", {"numpy": 0.77}),
    matmul("matmul_f32_1024", 1024, 1024, 1024, "f4", {"jax": 1.11, "numpy": 0.77}),
    matmul("matmul_f64_odd", 997, 997, 997, "f8", {"numpy": 2.0}),
    matmul("matmul_f32_narrow", 1000, 37, 513, "f4", {"numpy": 2.0}),
    matmul("matmul_f32_row", 1, 1024, 1024, "f4", {"numpy": 2.0}),
)
