"""What the tests of the pipelines share: running an artifact with IREE's runtime, and small modules as text."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from iree import runtime

from difc.runtime import available


@functools.cache
def _device(driver: str) -> runtime.HalDevice:
    return runtime.get_device(driver)


def loaded(artifact: bytes, driver: str = "local-sync") -> Any:
    """Load an artifact; its entries are attributes."""
    context = runtime.SystemContext(config=runtime.Config(device=_device(driver)))
    context.add_vm_module(runtime.VmModule.copy_buffer(context.instance, artifact))
    return context.modules.module


def call(entry: Callable[..., Any], arrays: Sequence[np.ndarray], driver: str = "local-sync") -> list[np.ndarray]:
    """Call an entry on arrays; return copies of its results (unsigned and bf16 ones as plain bits)."""
    results = entry(*(runtime.asdevicearray(_device(driver), array) for array in arrays))
    return [np.array(r.to_host()) for r in (results if isinstance(results, tuple | list) else (results,))]


def load(artifact: bytes, driver: str = "local-sync") -> Callable[..., list[np.ndarray]]:
    """Return the entry `f` of an artifact as a function of NumPy arrays that returns copies of its results."""
    entry = loaded(artifact, driver).f
    return lambda *arrays: call(entry, arrays, driver)


def elementwise(result: str, expression: str, operand: str, size: str, dtype: str = "f32") -> str:
    """Return MLIR that computes `expression` of `%element`, each element of a vector; `size` is its length."""
    tensor = f"tensor<{size}x{dtype}>"
    return f"""
  {result}_out = tensor.empty() : {tensor}
  {result} = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}} ins({operand} : {tensor}) outs({result}_out : {tensor}) {{
  ^bb0(%element : {dtype}, %o : {dtype}):
    %value = {expression}
    linalg.yield %value : {dtype}
  }} -> {tensor}
"""


def run_on_vulkan(artifact: bytes, arguments: list[np.ndarray], results: int, folder: Path) -> list[np.ndarray]:
    """Return the results of the entry `f` on the first Vulkan device, by IREE's own tool."""
    (folder / "f.vmfb").write_bytes(artifact)
    command = [
        str(Path(sys.executable).parent / "iree-run-module"),
        "--module=f.vmfb",
        "--device=vulkan",
        "--function=f",
    ]
    for index, argument in enumerate(arguments):
        np.save(folder / f"x{index}.npy", argument)
        command.append(f"--input=@x{index}.npy")
    command += [f"--output=@y{index}.npy" for index in range(results)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return [np.load(folder / f"y{index}.npy") for index in range(results)]


_NO_VULKAN = available()["vulkan"]

#: The marks of rows of a test that need a Vulkan device: they are skipped where there is none.
VULKAN = [pytest.mark.vulkan, pytest.mark.skipif(_NO_VULKAN is not None, reason=f"no Vulkan device: {_NO_VULKAN}")]


def needs_vulkan(test: Any) -> Any:
    """Mark a test, all rows of which need a Vulkan device, with `VULKAN`."""
    return functools.reduce(lambda marked, mark: mark(marked), VULKAN, test)


def skip_without_device(target: str) -> None:
    """Skip a test that runs what is compiled for a target, where it is Vulkan and there is no device."""
    if target == "vulkan" and _NO_VULKAN is not None:
        pytest.skip(f"no Vulkan device: {_NO_VULKAN}")
