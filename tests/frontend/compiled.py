"""What tests of compiled functions share: cases joined to one module for a device, compared with NumPy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import difc
from difc import spec
from difc.pytree import flatten
from tests.frontend.numpy_cases import Case
from tests.frontend.traced import compare
from tests.pipelines.artifacts import skip_without_device

__all__ = ["TARGETS", "check_compiled", "groups_of"]

TARGETS = ["cpu", "vulkan"]
KINDS = ("bool_", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "f32", "f64")
SPECS = {kind[()].dtype: kind for kind in (getattr(spec, name) for name in KINDS)}


def groups_of(names: Iterable[str], size: int = 8) -> list[list[str]]:
    """Return names in groups that become one module each: IREE runs hundreds of passes on each module."""
    rest = list(names)
    return [rest[start : start + size] for start in range(0, len(rest), size)]


def check_compiled(cases: Mapping[str, Case], target: str, tolerance: float | None = None) -> None:
    """Compile cases as one function, and compare what each gives with what it gives for NumPy's arrays."""
    skip_without_device(target)
    arguments = {name: [np.asarray(a) for a in arrays] for name, (_, arrays) in cases.items()}
    specs = {name: [SPECS[a.dtype][a.shape] for a in arrays] for name, arrays in arguments.items()}

    def program(given: dict[str, Any]) -> dict[str, Any]:
        found = {name: flatten(case(*given[name]))[0] for name, (case, _) in cases.items()}
        return {name: [difc.numpy.asarray(array) for array in arrays] for name, arrays in found.items()}

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        wanted = {name: case(*arguments[name]) for name, (case, _) in cases.items()}
        found = difc.compile(program, specs, target=target)(arguments)
    for name, arrays in found.items():
        try:
            compare([np.asarray(array) for array in arrays], wanted[name], tolerance)
        except AssertionError as error:
            error.add_note(f"of {name}")
            raise
