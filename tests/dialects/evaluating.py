"""What tests of the dialect share: build a function around one op, verify it, print and parse it, and run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import BF16, DYN, Aval, interpreter, is_float
from difc.dialects.mlir import ir
from tests.case import DTYPES, module_of

__all__ = [
    "DTYPES",
    "FAST",
    "SHAPES",
    "aval",
    "close",
    "dynamic_dims",
    "elements",
    "evaluate",
    "same",
    "seeds",
    "specials",
]

#: Settings of the property tests: enough examples to meet every branch, few enough to stay in seconds.
FAST = settings(max_examples=40, deadline=None)
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
seeds = st.integers(0, 2**32 - 1)
#: Bit k says whether the k-th dim, counted over all arguments, is known only at run time.
dynamic_dims = st.integers(0, 2**12 - 1)


def aval(text: str) -> Aval:
    """Return the type that a text such as `f32[2, ?]` names."""
    dtype, dims = text.rstrip("]").split("[")
    return Aval(tuple(DYN if d == "?" else int(d) for d in dims.replace(" ", "").split(",") if d), DTYPES[dtype])


def specials(dtype: np.dtype) -> np.ndarray:
    """Return the elements of a dtype at which ops differ: zeros, ones, bounds, infinities, NaN, halves."""
    if dtype == np.bool_:
        return np.array([False, True])
    if is_float(dtype):
        info = ml_dtypes.finfo(dtype)
        edges = [0.0, -0.0, 1, -1, 0.5, -2.5, 3.5, 7.25, -100, 1e-3, np.inf, -np.inf, np.nan]
        return np.array([*edges, float(info.max), float(info.smallest_normal)]).astype(dtype)
    info = np.iinfo(dtype)
    numbers = {0, 1, 2, 3, 7, info.max - 1, info.max, info.min} | ({-1, -2, -7, info.min + 1} if info.min else set())
    return np.array(sorted(numbers), dtype)


def elements(dtype: np.dtype, shape: Sequence[int], seed: int) -> np.ndarray:
    """Return an array of random elements, one in four of them special."""
    rng = np.random.default_rng(seed)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    plain = np.asarray(rng.standard_normal(shape) * 3 if is_float(dtype) else rng.integers(0, 9, shape))
    return np.where(rng.random(shape) < 0.25, rng.choice(specials(dtype), shape), plain.astype(dtype))


def evaluate(fn: Callable[..., Any], *arrays: np.ndarray, dynamic: int = 0) -> Any:
    """Build `fn` on values of the arrays' types and run it; return its result, or a tuple of several.

    The module is verified, printed and parsed again first, and the parsed one must print alike.
    """
    avals, bit = [], 0
    for array in arrays:
        shape = tuple(DYN if dynamic >> (bit + d) & 1 else size for d, size in enumerate(array.shape))
        avals.append(Aval(shape, array.dtype))
        bit += array.ndim
    module = module_of(fn, avals)
    with dif.context(), ir.Location.unknown():
        parsed = ir.Module.parse(str(module))
    dif.verify(parsed)
    assert str(parsed) == str(module)
    results = interpreter.run(parsed, "f", *arrays)
    return results[0] if len(results) == 1 else results


def close(result: np.ndarray, wanted: Any, ulps: float = 4) -> None:
    """Assert that float results are within some units in the last place of `wanted` (of any precision)."""
    info = ml_dtypes.finfo(result.dtype)
    with np.errstate(all="ignore"):
        rounded = np.asarray(wanted).astype(result.dtype)
    wide = np.longdouble if result.dtype != BF16 else np.float32
    np.testing.assert_allclose(
        result.astype(wide),
        rounded.astype(wide),
        rtol=ulps * float(info.eps),
        atol=ulps * float(info.smallest_subnormal),
    )


def same(result: np.ndarray, wanted: Any) -> None:
    """Assert that two arrays have equal dtypes, shapes and elements (NaN equals NaN)."""
    wanted = np.asarray(wanted)
    assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)
    wide = np.float32 if result.dtype == BF16 else result.dtype
    np.testing.assert_array_equal(result.astype(wide), wanted.astype(wide))
