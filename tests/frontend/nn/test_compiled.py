"""Every function of difc.nn gives the same values as compiled code, on each kind of device."""

from __future__ import annotations

import numpy as np
import pytest

from difc import nn
from tests.frontend.compiled import TARGETS, check_compiled
from tests.frontend.numpy_cases import Case

RNG = np.random.default_rng(0)
X, IMAGES, KERNEL = RNG.normal(size=(3, 8)), RNG.normal(size=(2, 7, 6, 4)), RNG.normal(size=(3, 2, 4, 4))
SCALE, SHIFT = RNG.normal(size=(2, 8))

CASES: dict[str, Case] = {
    **{name: (getattr(nn, name), (X,)) for name in nn.__all__},
    "avg_pool": (lambda x: nn.avg_pool(x, 2, padding="SAME"), (IMAGES,)),
    "batch_norm": (lambda x, a, b: nn.batch_norm(x, a, b), (X, SCALE, SHIFT)),
    "conv": (lambda x, w: nn.conv(x, w, 2, "SAME"), (IMAGES, KERNEL)),
    "conv_transpose": (lambda x, w: nn.conv_transpose(x, w, 2), (IMAGES, KERNEL)),
    "group_norm": (lambda x: nn.group_norm(x, 2), (IMAGES,)),
    "max_pool": (lambda x: nn.max_pool(x, 2), (IMAGES,)),
    "min_pool": (lambda x: nn.min_pool(x, 2), (IMAGES,)),
    "one_hot": (lambda k: nn.one_hot(k, 5), (np.array([[0, 4], [7, 2]]),)),
    "top_k": (lambda x: nn.top_k(x, 3), (X,)),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_each_function_is_compiled(dtype: str, target: str) -> None:
    cases = {
        name: (function, tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays))
        for name, (function, arrays) in CASES.items()
    }
    check_compiled(cases, target, 1e-12 if dtype == "float64" else 1e-5)
