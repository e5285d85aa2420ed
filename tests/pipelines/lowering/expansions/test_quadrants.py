"""Angles of any size against mpmath: ordinary, huge, and those next to a multiple of pi/2."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

from difc.dialects import F32, F64
from difc.pipelines.lowering.expansions.quadrants import reduced
from tests.pipelines.lowering.expansions.expanded import run

#: The numbers next to a multiple of pi/2, of all of their dtype (Muller, Handbook of Floating-Point Arithmetic, 2018).
CLOSEST = {F32: 16367173 * 2.0**72, F64: 6381956970095103 * 2.0**797}


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
def test_the_rest_is_precise_to_more_digits_than_the_result(dtype: np.dtype) -> None:
    rng = np.random.default_rng(0)
    largest = np.finfo(dtype).max
    sizes = np.concatenate(
        [
            [CLOSEST[dtype], largest, 0.0, np.pi / 4, np.pi / 2],
            np.exp(rng.uniform(-5, np.log(float(largest)), 150)),
            rng.integers(1, 1 << 22, 50) * (np.pi / 2),
        ]
    ).astype(dtype)
    found = run(
        {
            "quadrant": lambda f, x: f.from_word(reduced(f, x).quadrant & 3),
            "high": lambda f, x: reduced(f, x).rest.high,
            "low": lambda f, x: reduced(f, x).rest.low,
        },
        dtype,
        sizes,
    )
    digits = 2 ** -(60 if dtype == F64 else 28)
    with mp.workdps(400):
        for size, quadrant, high, low in zip(sizes, found["quadrant"], found["high"], found["low"], strict=True):
            count = mp.nint(mpf(float(size)) / (mp.pi / 2))
            rest = mpf(float(size)) - count * mp.pi / 2
            # Halfway between two multiples either will do.
            turned = (int(quadrant) - int(count) + 1) % 4 - 1
            error = abs(mpf(float(high)) + mpf(float(low)) + turned * mp.pi / 2 - rest)
            assert abs(turned) <= 1
            assert abs(high) < 0.79
            assert error <= abs(high) * digits, size
