"""Reductions of what turns out to be one number take each element into account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.pipelines.invocation import Invocation
from difc.pipelines.reduced_numbers import spread_numbers
from tests.pipelines.artifacts import skip_without_device

SPECS = {"i32": difc.i32, "u8": difc.u8, "f32": difc.f32}
SHAPES = {"static": (3, 5), "rows": ("n", 5), "columns": (3, "n"), "both": ("n", "m")}

#: Repeated numbers, and elements that IREE finds to be numbers when it compiles.
MADE: dict[str, Callable[[Any], Any]] = {
    "constant": lambda x: np.full_like(x, 3),
    "converted": lambda x: np.isfinite(x),
    "one element": lambda x: np.broadcast_to(x.ravel()[0] * 2, x.shape),
    "equal to itself": lambda x: x == x,
    "not negative": lambda x: x >= 0,
    "either way": lambda x: np.where(x > 7, 2, 2),
    "power": lambda x: x**0,
    "positions": lambda x: np.broadcast_to(dnp.arange(x.shape[1]), x.shape),
}
REDUCED: dict[str, Callable[[Any], Any]] = {
    "rows": lambda y: np.sum(y, axis=1),
    "columns": lambda y: np.sum(y, axis=0),
    "all": np.sum,
    "product": lambda y: np.prod(y, axis=1),
    "mean": lambda y: np.mean(y, axis=1),
    "largest": lambda y: np.max(y, axis=1),
    "any": lambda y: np.any(y, axis=0),
    "every": lambda y: np.all(y, axis=1),
    "where": lambda y: np.argmax(y, axis=1),
    "running": lambda y: np.cumsum(y, axis=1),
    "contraction": lambda y: np.einsum("ij,ij->i", y * 1, y * 1),
}


@pytest.mark.parametrize("target", ["cpu", "vulkan"])
@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("kind", SPECS)
def test_each_element_counts(kind: str, sizes: str, target: str) -> None:
    skip_without_device(target)
    x = np.arange(15).reshape(3, 5).astype(SPECS[kind][()].dtype)

    def program(x: Any) -> dict[str, Any]:
        made = {name: make(x) for name, make in MADE.items()}
        return {f"{name}: {how}": reduce(y) for name, y in made.items() for how, reduce in REDUCED.items()}

    found = difc.compile(program, SPECS[kind][SHAPES[sizes]], target=target)(x)
    for name, wanted in program(x).items():
        np.testing.assert_allclose(np.asarray(found[name]), wanted, rtol=1e-6, err_msg=name)


def test_only_numbers_are_spread() -> None:
    assert spread(lambda x: np.sum(x, axis=1)) == spread(lambda x: np.max(x * x, axis=1)) == 0
    assert spread(lambda x: np.sum(x == x, axis=1)) == 1


def spread(f: Callable[[Any], Any]) -> int:
    """Return how many reductions of a function of integers are of a number."""
    with Invocation(str(difc.trace(f, difc.i32["n", 5]).ir("linalg")), ["--iree-hal-target-backends=llvm-cpu"]) as run:
        run.to_phase("executable-configurations")
        with run.context:
            spread_numbers(run.module)
        run.passes("configurations", "any(canonicalize)")  # it verifies, and leaves the condition as it is
        return str(run.module.operation).count("math.ctpop")
