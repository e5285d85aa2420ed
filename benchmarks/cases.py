"""The cases of the table: difc against its peers on each workload."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import difc
import difc.numpy as dnp
from benchmarks import workloads
from benchmarks.factorisations import FACTORISATIONS
from benchmarks.harness import Case, add_jax, has
from benchmarks.linear_algebra import MATMULS

__all__ = ["CASES"]


def _leaves(tree: Any) -> list[np.ndarray]:
    from difc.pytree import flatten

    return [np.asarray(leaf) for leaf in flatten(tree)[0]]


def _on_device(tree: Any) -> Any:
    from difc.pytree import tree_map

    return tree_map(difc.to_device, tree)


def mlp() -> Case:
    """An SGD step of a 784-512-512-10 classifier, batch 128, float32."""
    params, x, labels = workloads.mlp_inputs()
    step = difc.jit(workloads.mlp_step(dnp, difc.value_and_grad, difc.stop_gradient))
    device = _on_device((params, x, labels))
    case = Case("MLP train step 784-512-512-10, batch 128, f32", {"jax": 0.75}, {"difc": lambda: step(*device)})
    case.result["difc"] = lambda: _leaves(step(*device))

    def make(jax: Any) -> Callable[[], Any]:
        peer = jax.jit(workloads.mlp_step(jax.numpy, jax.value_and_grad, jax.lax.stop_gradient))
        given = jax.device_put((params, x, labels))
        return lambda: peer(*given)

    add_jax(case, make)
    return case


def cnn() -> Case:
    """An SGD step of a classifier with two convolutions and max-pools, 28 x 28, batch 32, float32."""
    params, x, labels = workloads.cnn_inputs()
    make_step = workloads.cnn_step
    step = difc.jit(
        make_step(dnp, difc.value_and_grad, difc.stop_gradient, difc.nn.conv, lambda x: difc.nn.max_pool(x, 2))
    )
    device = _on_device((params, x, labels))
    name = "CNN train step, 2 x (conv 3x3, pool), dense, 28x28, batch 32, f32"
    case = Case(name, {"jax": 0.4}, {"difc": lambda: step(*device)})
    case.result["difc"] = lambda: _leaves(step(*device))

    def make(jax: Any) -> Callable[[], Any]:
        lax, dims = jax.lax, ("NHWC", "HWIO", "NHWC")
        conv = lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=dims)  # noqa: E731
        pool = lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")  # noqa: E731
        peer = jax.jit(make_step(jax.numpy, jax.value_and_grad, lax.stop_gradient, conv, pool))
        given = jax.device_put((params, x, labels))
        return lambda: peer(*given)

    add_jax(case, make)
    return case


def lstm() -> Case:
    """Value and gradient of an LSTM through scan, T=64 B=16 D=64 H=128, float32."""
    params, xs = workloads.lstm_inputs()
    both = difc.jit(difc.value_and_grad(workloads.lstm_loss(dnp, difc.scan)))
    device = _on_device((params, xs))
    case = Case("LSTM value+grad, T=64 B=16 D=64 H=128, f32", {"jax": 1.0}, {"difc": lambda: both(*device)})
    case.result["difc"] = lambda: _leaves(both(*device))

    def make(jax: Any) -> Callable[[], Any]:
        peer = jax.jit(jax.value_and_grad(workloads.lstm_loss(jax.numpy, jax.lax.scan)))
        given = jax.device_put((params, xs))
        return lambda: peer(*given)

    add_jax(case, make)
    return case


def tiny() -> Case:
    """A call on 16 floats that stay on the device: what a call costs."""
    x = np.arange(16, dtype=np.float32)
    module = difc.compile(lambda a, b: a + b, difc.f32[16], difc.f32[16])
    call, a, b = module.entries["lambda"], *(difc.to_device(v, module.device) for v in (x, x))
    case = Case("call overhead, 16 floats, device arrays", {"jax": 1.0}, {"difc": lambda: call(a, b)})
    case.result["difc"] = lambda: [np.asarray(call(a, b))]

    def make(jax: Any) -> Callable[[], Any]:
        peer, given = jax.jit(lambda a, b: a + b), jax.device_put(x)
        return lambda: peer(given, given)

    add_jax(case, make)
    return case


_COLD = """
import sys, time
import numpy as np
from benchmarks import workloads
params, x, labels = workloads.mlp_inputs()
{setup}
start = time.perf_counter()
out = step(params, x, labels)
{wait}
print(time.perf_counter() - start)
"""


def _process(setup: str, wait: str, **environment: str) -> float:
    """Return the seconds of the first call of the MLP step in a fresh process, imports not counted.

    Nor is the time in which Python compiles our files: its own cache is on, as it usually is.
    """
    import os

    root = Path(__file__).resolve().parent.parent
    code = textwrap.dedent(_COLD).format(setup=setup, wait=wait)
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


DIFC_SETUP = """
import difc, difc.numpy as dnp
import difc.program
step = difc.jit(workloads.mlp_step(dnp, difc.value_and_grad, difc.stop_gradient))
"""
JAX_SETUP = """
import jax
jax.numpy.zeros(1).block_until_ready()
step = jax.jit(workloads.mlp_step(jax.numpy, jax.value_and_grad, jax.lax.stop_gradient))
"""


def _compile_case(name: str, goal: float, cached: bool) -> Case:
    folder = tempfile.mkdtemp(prefix="difc-bench-")
    counter = iter(range(10**6))

    def run() -> float:
        cache = folder if cached else f"{folder}/{next(counter)}"
        return _process(DIFC_SETUP, "", DIFC_CACHE_DIR=cache)

    case = Case(name, {"jax": goal}, {"difc": run}, repeat=3)
    if has("jax"):
        case.run["jax"] = lambda: _process(JAX_SETUP, "jax.block_until_ready(out)")
    else:
        case.notes.append("jax is not installed: pip install '.[bench]'")
    return case


def compile_cold() -> Case:
    """Trace, differentiate and compile the MLP step, nothing cached, in a fresh process."""
    return _compile_case("MLP step, trace + AD + compile, cold", 3.0, cached=False)


def compile_cached() -> Case:
    """The same, with the compiled module in the disk cache."""
    return _compile_case("MLP step, trace + AD + compile, from the disk cache", 0.2, cached=True)


def CASES() -> Iterator[Callable[[], Case]]:
    """Return the cases, in the order of the table."""
    yield from (mlp, lstm, cnn, tiny, compile_cold, compile_cached, *MATMULS, *FACTORISATIONS)
