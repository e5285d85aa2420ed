"""What sweeps over many functions share: the targets, arguments of a dtype, and vmap against a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import difc
from tests.pipelines.artifacts import VULKAN

__all__ = ["as_dtype", "check_vmap", "on_targets"]

on_targets = pytest.mark.parametrize(
    ("target", "dtype"),
    [
        ("cpu", np.float64),
        pytest.param("vulkan", np.float32, marks=VULKAN),
        pytest.param("cpu", np.float32, marks=pytest.mark.slow),
    ],
)


def as_dtype(arguments: tuple[Any, ...], dtype: Any) -> list[np.ndarray]:
    """Return arguments as arrays, the floats among them in a dtype."""
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in map(np.asarray, arguments)]


def check_vmap(programs: Mapping[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]]) -> None:
    """Assert that functions mapped over three arguments give what a loop over them gives."""
    with difc.disable_jit():
        for name, (f, arguments) in programs.items():
            stacked = [np.stack([x, 1.1 * x, 0.9 * x]) for x in arguments]
            rows = [np.asarray(difc.jit(f)(*[s[i] for s in stacked])) for i in range(3)]
            np.testing.assert_allclose(difc.vmap(f)(*stacked), np.stack(rows), rtol=1e-10, atol=1e-12, err_msg=name)
